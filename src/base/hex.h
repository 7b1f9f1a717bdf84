/* base/hex.h - bytes as hexadecimal digits: written lower case, read in either. */
#ifndef SESAME_BASE_HEX_H
#define SESAME_BASE_HEX_H

#include "base/str.h"

void hex_encode(char *to, const void *bytes, size_t size); /* 2 * size characters, no NUL */
bool hex_decode(void *to, str text);                       /* text.len / 2 bytes; false: odd or no hex */
int hex_digit(char);                                       /* 0..15, or -1 */

#endif

/* base/utf8.h - RFC 3629: shortest form only, no surrogates, nothing past U+10FFFF. */
#ifndef SESAME_BASE_UTF8_H
#define SESAME_BASE_UTF8_H

#include "base/str.h"

#define UTF8_BAD UINT32_MAX
#define UTF8_REPLACEMENT STR("\xef\xbf\xbd") /* U+FFFD */

bool utf8_valid(str);
bool utf8_is_ascii(str);
/* The next character, or UTF8_BAD past one byte that begins none. The cursor must not be at its end. */
uint32_t utf8_next(struct cursor *);
size_t utf8_put(char to[4], uint32_t character); /* returns its length; the character must be valid */
size_t utf8_count(str);                          /* characters; a byte of no character counts one */

#endif

/* base/base64.h - RFC 4648 section 4: the standard alphabet, padded. Decoding is strict: no blanks,
 * no missing padding, and the unused bits are zero, so each value has exactly one text. */
#ifndef SESAME_BASE_BASE64_H
#define SESAME_BASE_BASE64_H

#include "base/buf.h"

#define BASE64_LEN(size) (((size) + 2) / 3 * 4)

size_t base64_encode_to(char *to, str bytes); /* BASE64_LEN(bytes.len) characters, no NUL; returns how many */
void base64_encode(struct buf *out, str bytes);

/* Writes at most text.len / 4 * 3 bytes. False: not base64; `to` is then undefined. */
bool base64_decode_to(char *to, str text, size_t *ret_len);
/* Appends to out; false: not base64 (or out is full), out as before. */
bool base64_decode(struct buf *out, str text);

#endif

/* base/percent.h - percent-encoding as AWS signs it: everything but A-Z a-z 0-9 - . _ ~ becomes %XX,
 * with upper-case digits (RFC 3986 section 2). */
#ifndef SESAME_BASE_PERCENT_H
#define SESAME_BASE_PERCENT_H

#include "base/arena.h"
#include "base/buf.h"

enum { PERCENT_ALL = 0, PERCENT_KEEP_SLASH = 1 /* '/' stays, for paths */ };
void percent_encode(struct buf *out, str text, unsigned flags);

/* Decodes %XX into the arena (a text without any is returned as it is). plus: '+' is a blank, as in
 * forms. False: a '%' without two digits, or the arena is full. */
bool percent_decode(str text, bool plus, struct arena *, str *ret_text);

#endif

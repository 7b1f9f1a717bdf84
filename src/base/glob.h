/* base/glob.h - * and ? as IAM means them: * is any run of characters, also none and also across
 * slashes and colons; ? is exactly one character (of UTF-8, not one byte). Nothing else is special.
 *
 * Time is at most pattern times text, memory none, and it never recurses. */
#ifndef SESAME_BASE_GLOB_H
#define SESAME_BASE_GLOB_H

#include "base/str.h"

enum {
    GLOB_NOCASE = 1,  /* ASCII letters compare without case: actions, header names */
    GLOB_LITERAL = 2, /* byte 0xFF, which UTF-8 never has, makes the next pattern byte literal: ${*} */
};

bool glob_match(str pattern, str text, unsigned flags);
bool glob_has_wildcard(str pattern); /* an unescaped * or ?; 0xFF is taken as with GLOB_LITERAL */

#endif

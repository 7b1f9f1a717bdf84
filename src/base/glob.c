/* base/glob.c - two pointers and one place to come back to: a later * makes all earlier ones final,
 * because whatever they could still give away, the later one can take. */
#include "base/glob.h"

enum { LITERAL_MARK = 0xFF };

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static size_t character_end(str text, size_t at)
{
    for (at++; at < text.len && is_tail(text.ptr[at]); at++)
        ;
    return at;
}

static bool same(char a, char b, unsigned flags)
{
    return a == b || (flags & GLOB_NOCASE && ascii_lower(a) == ascii_lower(b));
}

bool glob_match(str pattern, str text, unsigned flags)
{
    size_t p = 0, t = 0;
    size_t star_p = SIZE_MAX, star_t = 0; /* behind the last *; where its match would end next */
    for (;;) {
        bool marked = p < pattern.len && flags & GLOB_LITERAL &&
                      (unsigned char)pattern.ptr[p] == LITERAL_MARK && p + 1 < pattern.len;
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star_p = ++p;
            star_t = t;
            if (p == pattern.len)
                return true;
            continue;
        }
        if (t == text.len && p == pattern.len)
            return true;
        if (t < text.len && p < pattern.len) {
            if (!marked && pattern.ptr[p] == '?') {
                p++;
                t = character_end(text, t);
                continue;
            }
            if (same(pattern.ptr[p + marked], text.ptr[t], flags)) {
                p += 1u + marked;
                t++;
                continue;
            }
        }
        if (star_p == SIZE_MAX || star_t >= text.len)
            return false;
        star_t = character_end(text, star_t); /* the star takes one character more */
        t = star_t;
        p = star_p;
    }
}

bool glob_has_wildcard(str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if ((unsigned char)pattern.ptr[i] == LITERAL_MARK)
            i++;
        else if (pattern.ptr[i] == '*' || pattern.ptr[i] == '?')
            return true;
    }
    return false;
}

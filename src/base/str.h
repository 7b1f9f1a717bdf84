/* base/str.h - a view of bytes someone else owns.
 *
 * Mail and JSON contain NULs and end where they like, so text is a pointer and a length, passed by
 * value and borrowed unless a name says copy. NUL-terminated strings appear at the
 * operating-system call and nowhere else. */
#ifndef SESAME_BASE_STR_H
#define SESAME_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct str {
    const char *ptr;
    size_t len;
} str; /* passed by value; never NUL-dependent */

#define STR(literal)  ((str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal) { "" literal, sizeof(literal) - 1 } /* for static tables */
#define STR_NONE      ((str){ NULL, 0 })                      /* absent, as distinct from empty */
#define STR_FMT       "%.*s"
#define STR_ARG(s)    (int)(s).len, (s).ptr ? (s).ptr : ""

static inline str str_of(const char *nul_terminated)
{
    return (str){ nul_terminated, nul_terminated ? strlen(nul_terminated) : 0 };
}
static inline bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool str_is_none(str s) { return s.ptr == NULL; }
static inline str str_from(str s, size_t at) /* the rest from `at`; empty past the end */
{
    return at >= s.len ? (str){ s.ptr ? s.ptr + s.len : NULL, 0 } : (str){ s.ptr + at, s.len - at };
}
static inline str str_head(str s, size_t len) /* the first `len` bytes, or all there are */
{
    return (str){ s.ptr, len < s.len ? len : s.len };
}

bool str_eq_nocase(str a, str b); /* ASCII only: RFC 5321 verbs, header names */
int  str_cmp(str a, str b);       /* by bytes, then by length: the order S3 lists keys in */
bool str_starts(str s, str prefix);
bool str_starts_nocase(str s, str prefix);
bool str_ends(str s, str suffix);
bool str_ends_nocase(str s, str suffix);
bool str_has(str s, char c);
size_t str_find(str s, char c);      /* s.len when absent */
size_t str_find_str(str s, str needle); /* s.len when absent; an empty needle is at 0 */
str  str_trim(str s);                /* without blanks and tabs at both ends */

/* Splits at the first `at`. Without one: false, head is all of s, tail is none. */
bool str_cut(str s, char at, str *ret_head, str *ret_tail);

/* Decimal digits only, no sign, no blanks; false on overflow or anything else. */
bool str_u64(str s, uint64_t *ret_value);

static inline bool ascii_is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* A reader that cannot run past its end. Every parser takes one. */
struct cursor {
    const char *at, *end;
};
static inline struct cursor cursor_of(str s) { return (struct cursor){ s.ptr, s.ptr ? s.ptr + s.len : s.ptr }; }
static inline size_t cursor_left(const struct cursor *c) { return (size_t)(c->end - c->at); }

enum parse { PARSE_DONE, PARSE_MORE, PARSE_BAD }; /* MORE: right so far, feed me again */

#endif

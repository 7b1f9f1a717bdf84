/* policy/pattern.h - a text of a policy with which texts of requests are compared.
 *
 * Compiled once into tokens and a class; matching neither allocates nor recurses. Only the policy's
 * side has wildcards: a * in an object key is a plain character (permissions spec 3). */
#ifndef SESAME_POLICY_PATTERN_H
#define SESAME_POLICY_PATTERN_H

#include "base/arena.h"

struct asked; /* policy/asked.h */

enum token_kind {
    TOKEN_LITERAL,
    TOKEN_RUN,      /* *: any run of characters, also none */
    TOKEN_ONE,      /* ?: exactly one character */
    TOKEN_VARIABLE, /* ${aws:username, 'default'} */
};
struct token {
    enum token_kind kind;
    bool over_colons; /* RUN: the last character of its ARN segment, so it may leave the segment */
    uint32_t hash;    /* VARIABLE: of the key */
    str text;         /* LITERAL: the bytes; VARIABLE: the key */
    str otherwise;    /* VARIABLE: the default; STR_NONE without one */
};

enum pattern_class {
    PATTERN_ANY,     /* "*" */
    PATTERN_EXACT,   /* head */
    PATTERN_PREFIX,  /* head, then anything */
    PATTERN_SUFFIX,  /* anything, then tail */
    PATTERN_AROUND,  /* head, anything, tail */
    PATTERN_GENERAL, /* token by token */
};
struct pattern {
    enum pattern_class class;
    bool fold; /* ASCII letters compare without case */
    str head, tail;
    const struct token *tokens;
    size_t count;
};

enum pattern_flags {
    PATTERN_WILD = 1,      /* * and ? are wildcards */
    PATTERN_VARIABLES = 2, /* ${...} is a variable: Version 2012-10-17 */
    PATTERN_FOLD = 4,
    PATTERN_ARN = 8,      /* six parts; wildcards stay in theirs */
    PATTERN_TRAILING = 16 /* with ARN: a * ending its part may go on over colons (Resource) */
};

/* False only when the arena is full. The tokens view `text`. */
bool pattern_compile(str text, unsigned flags, struct arena *, struct pattern *ret_pattern);

/* A text of the request: in its first `segmented` bytes colons part segments. */
struct subject {
    str text;
    size_t segmented; /* just past an ARN's fifth colon; 0 for plain text */
};
static inline struct subject subject_plain(str text) {
    return (struct subject){ .text = text };
}
struct subject subject_arn(str text); /* fewer than five colons: segmented to its end */

bool has_six_parts(str text); /* five colons or more, as an ARN has */

/* A variable without value and default matches nothing. */
/* Are `len` bytes the same? Names are short and differ at their ends: the last eight come first, and no
 * function is called below the length at which it pays. */
static inline bool bytes_eq(const char *a, const char *b, size_t len)
{
    uint64_t x, y;
    if (len > 64)
        return memcmp(a, b, len) == 0;
    if (len < 8) {
        while (len && a[len - 1] == b[len - 1])
            len--;
        return len == 0;
    }
    memcpy(&x, a + len - 8, 8);
    memcpy(&y, b + len - 8, 8);
    for (size_t i = 0; x == y && i + 8 < len; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
    }
    return x == y;
}
static inline bool text_eq(str a, str b)
{
    return a.len == b.len && bytes_eq(a.ptr, b.ptr, a.len);
}

bool pattern_matches_slowly(const struct pattern *, struct subject, const struct asked *);
static inline bool pattern_matches(const struct pattern *pattern, struct subject subject,
                                   const struct asked *asked)
{
    const str head = pattern->head;
    if (pattern->class == PATTERN_ANY)
        return true;
    if (pattern->class == PATTERN_EXACT && !pattern->fold)
        return text_eq(subject.text, head);
    if (pattern->class == PATTERN_PREFIX && !pattern->fold)
        return subject.text.len >= head.len && bytes_eq(subject.text.ptr, head.ptr, head.len);
    return pattern_matches_slowly(pattern, subject, asked);
}

#endif

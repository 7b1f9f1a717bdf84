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
struct subject subject_plain(str text);
struct subject subject_arn(str text); /* fewer than five colons: segmented to its end */

bool has_six_parts(str text); /* five colons or more, as an ARN has */

/* A variable without value and default matches nothing. */
bool pattern_matches(const struct pattern *, struct subject, const struct asked *);

#endif

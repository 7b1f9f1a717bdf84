/* base/spans.h - a JSON reader for policies: every element remembers where it stood.
 *
 * RFC 8259, read strictly: duplicate members, bad UTF-8, U+0000, unpaired surrogates, a byte order
 * mark, anything after the value, and more than SPANS_DEPTH levels are refused. Errors carry line,
 * column and one sentence. Spans are byte offsets into the text given. */
#ifndef SESAME_BASE_SPANS_H
#define SESAME_BASE_SPANS_H

#include "base/fault.h"

enum { SPANS_DEPTH = 32, SPANS_SIZE_MAX = 4 * 1024 * 1024 };

enum spans_kind { SPANS_NULL, SPANS_BOOL, SPANS_NUMBER, SPANS_STRING, SPANS_ARRAY, SPANS_OBJECT };

struct spans {
    enum spans_kind kind;
    uint32_t from, to;           /* the value: text[from] is its first byte, text[to] the one behind it */
    uint32_t name_from, name_to; /* a member's name, quotes included; both 0 for anything else */
    str name;                    /* a member's name, decoded; STR_NONE for anything else */
    str text;                    /* a string decoded; a number, true, false or null as written; else STR_NONE */
    const struct spans *first;   /* of the items or members, in the order written; NULL when empty */
    const struct spans *next;    /* the sibling behind this one */
    uint32_t count;              /* of items or members */
};

enum { SPANS_STRICT = 0, SPANS_COMMENTS = 1 /* read past // and slash-star comments, for drafts */ };

/* The tree and its decoded strings live in the arena; undecoded strings are views into `text`, so
 * keep it. FAULT_SYNTAX says "line 3, column 17: ...". */
const struct fault *spans_parse(str text, unsigned flags, struct arena *, const struct spans **ret_root);
/* The same, and for those who point at the fault: the offset it is at, written on a FAULT_SYNTAX. */
const struct fault *spans_parse_at(str text, unsigned flags, struct arena *, const struct spans **ret_root,
                                   uint32_t *ret_bad_at);

const struct spans *spans_get(const struct spans *object, str member); /* NULL: absent, or no object */
bool spans_true(const struct spans *);                                 /* the literal true */
const char *spans_kind_name(enum spans_kind);                          /* "an object", "a string" */

/* Where an offset stands, for messages: both from 1, a column is one character. */
struct spans_place {
    uint32_t line, column;
};
struct spans_place spans_place(str text, uint32_t offset);

#endif

/* base/json.h - JSON bodies, state documents and events: reading (jansson behind our types) and an
 * escaping writer. Policies are read by base/spans.h instead, which remembers positions.
 *
 * RFC 8259. Duplicate members, bad UTF-8, U+0000 and deep nesting are refused. */
#ifndef SESAME_BASE_JSON_H
#define SESAME_BASE_JSON_H

#include "base/buf.h"
#include "base/fault.h"

struct json; /* one value; lives as long as the arena it was parsed into */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* FAULT_SYNTAX says line, column and what is wrong. */
const struct fault *json_parse(str text, struct arena *, const struct json **ret_value);

/* All readers take NULL and wrong kinds and answer "absent", so paths can be chained. */
enum json_kind json_kind(const struct json *);                        /* NULL: JSON_NULL */
const struct json *json_get(const struct json *, const char *member); /* NULL when absent */
str json_text(const struct json *);                                   /* a string's bytes; STR_NONE otherwise */
str json_str(const struct json *, const char *member);                /* json_text(json_get()) */
bool json_bool(const struct json *, const char *member, bool otherwise);
int64_t json_int(const struct json *, const char *member, int64_t otherwise);
double json_number(const struct json *, double otherwise);             /* an integer's or a real's value */
bool json_truth(const struct json *);
size_t json_size(const struct json *);                                /* items or members; else 0 */
const struct json *json_at(const struct json *, size_t index);        /* array item */
/* Members of an object in the order written: for (i = 0; json_member(o, i, &name, &value); i++). */
bool json_member(const struct json *, size_t index, str *ret_name, const struct json **ret_value);

/* Writes compact JSON into a buffer; commas come by themselves. Invalid UTF-8 and U+0000, which our
 * own reader refuses, become U+FFFD. `/` is not escaped. The buffer's `failed` is the only error. */
struct json_writer {
    struct buf *out;
    bool comma; /* a value stands before us on this level */
};
static inline struct json_writer json_writer(struct buf *out) { return (struct json_writer){ .out = out }; }
void json_open(struct json_writer *, char bracket);  /* '{' or '[' */
void json_close(struct json_writer *, char bracket); /* '}' or ']' */
void json_name(struct json_writer *, str member);
void json_put_str(struct json_writer *, str);        /* STR_NONE: null */
void json_put_int(struct json_writer *, int64_t);
void json_put_bool(struct json_writer *, bool);
void json_put_null(struct json_writer *);
void json_put_raw(struct json_writer *, str json);   /* a value that is JSON already */
void json_put_value(struct json_writer *, const struct json *); /* what was read, again */
/* Name and value in one; the usual case. */
void json_add_str(struct json_writer *, const char *member, str value);
void json_add_int(struct json_writer *, const char *member, int64_t value);
void json_add_bool(struct json_writer *, const char *member, bool value);
void json_add_raw(struct json_writer *, const char *member, str json);
void json_quote(struct buf *out, str text);          /* "text", escaped */

/* A JSON text laid out over lines, two blanks a level, for people; what is inside is unchanged. */
void json_indent(str json, struct buf *out);

#endif

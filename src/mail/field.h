/* mail/field.h - RFC 5322 header fields, read in place from the head of a message.
 *
 * A scanner, not a parser: it finds where each field begins and ends and hands back views. Only CRLF
 * ends a line. It never fails; it says why it stopped. */
#ifndef SESAME_MAIL_FIELD_H
#define SESAME_MAIL_FIELD_H

#include "base/arena.h"

struct field {
    str name;  /* as written, without blanks before the colon */
    str value; /* behind the colon, folding kept, without the last CRLF */
    str text;  /* the whole field, its last CRLF included */
};

struct field_limits { /* what one header section may hold; fields beyond are not looked at */
    size_t count_max, size_max;
};

enum fields_end {
    FIELDS_GO_ON,  /* not at an end yet */
    FIELDS_BLANK,  /* the blank line; `body_at` is behind it */
    FIELDS_BODY,   /* a line that is no field: the body begins without a blank line, at `body_at` */
    FIELDS_CUT,    /* the view ended inside the header section */
    FIELDS_LIMIT,  /* a limit was met */
};

struct field_reader {
    str head;
    struct field_limits limits;
    size_t at, count;
    enum fields_end end;
    size_t body_at; /* for FIELDS_BLANK and FIELDS_BODY: where the body begins in `head` */
};

struct field_reader field_reader(str head, const struct field_limits *);
/* False: see `end`. A field that ends where the view ends is taken as whole, so a view of a part of a
 * message wants fields_end_find first. */
bool field_next(struct field_reader *, struct field *ret_field);

/* Where the header section ends, its blank line included. PARSE_MORE: not within this view, feed a
 * longer one. PARSE_BAD: not within size_max. A line that is no field ends it too. */
enum parse fields_end_find(str bytes, const struct field_limits *, size_t *ret_body_at);

/* The first field of this name (any case). */
bool field_find(str head, const struct field_limits *, str name, struct field *ret_field);

/* As SES shows values (ses-receiving spec 11.4): blanks at both ends go, a CRLF and the white space
 * behind it become one space, white space before it stays. In the arena when it was folded. */
str field_unfold(str value, struct arena *);

/* May these octets be a field's name (RFC 5322 ftext) or stand in a value without making a new line? */
bool field_name_valid(str name);
bool field_value_valid(str value);

#endif

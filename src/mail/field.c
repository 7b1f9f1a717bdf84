/* mail/field.c - finds fields by their line ends; RFC 5322 2.2. */
#include "mail/field.h"

#include <assert.h>

static bool is_ftext(char c)
{
    return c > 0x20 && c < 0x7f && c != ':';
} /* RFC 5322 2.2 */

/* The octets up to and with the next CRLF; 0: there is none. */
static size_t line_size(str text)
{
    for (size_t from = 0;;) {
        const char *lf = from < text.len ? memchr(text.ptr + from, '\n', text.len - from) : NULL;
        if (!lf)
            return 0;
        from = (size_t)(lf - text.ptr) + 1;
        if (from >= 2 && lf[-1] == '\r')
            return from;
    }
}

static bool is_fold(str text)
{
    return text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t');
}

struct field_reader field_reader(str head, const struct field_limits *limits)
{
    assert(limits->count_max && limits->size_max && "every reader has a bound");
    return (struct field_reader) { .head = head, .limits = *limits };
}

static bool end(struct field_reader *r, enum fields_end why)
{
    r->end = why;
    if (why == FIELDS_BODY)
        r->body_at = r->at;
    return false;
}

/* A field's name, and where its value begins; false: this line is no field. RFC 5322 4.5.8 lets old
 * mail have blanks before the colon. */
static bool name_of(str line, str *ret_name, size_t *ret_value_at)
{
    size_t len = 0;
    while (len < line.len && is_ftext(line.ptr[len]))
        len++;
    size_t colon = len;
    while (colon < line.len && (line.ptr[colon] == ' ' || line.ptr[colon] == '\t'))
        colon++;
    if (len == 0 || colon == line.len || line.ptr[colon] != ':')
        return false;
    *ret_name = str_head(line, len);
    *ret_value_at = colon + 1;
    return true;
}

bool field_next(struct field_reader *r, struct field *ret_field)
{
    if (r->end != FIELDS_GO_ON)
        return false;
    size_t room = r->limits.size_max > r->at ? r->limits.size_max - r->at : 0;
    str all = str_from(r->head, r->at);
    str rest = str_head(all, room);
    enum fields_end short_of = rest.len < all.len ? FIELDS_LIMIT : FIELDS_CUT;
    size_t size = line_size(rest);
    if (size == 0)
        return end(r, short_of);
    if (size == 2) {
        r->at += 2;
        r->body_at = r->at;
        return end(r, FIELDS_BLANK);
    }
    struct field f;
    size_t value_at;
    if (!name_of(str_head(rest, size), &f.name, &value_at))
        return end(r, FIELDS_BODY);
    if (r->count == r->limits.count_max)
        return end(r, FIELDS_LIMIT);
    while (is_fold(str_from(rest, size))) {
        size_t more = line_size(str_from(rest, size));
        if (more == 0)
            return end(r, short_of);
        size += more;
    }
    if (size == rest.len && short_of == FIELDS_LIMIT) /* what follows may be a folded line */
        return end(r, FIELDS_LIMIT);
    f.text = str_head(rest, size);
    f.value = (str) { rest.ptr + value_at, size - 2 - value_at };
    r->at += size;
    r->count++;
    *ret_field = f;
    return true;
}

enum parse fields_end_find(str bytes, const struct field_limits *limits, size_t *ret_body_at)
{
    struct field_limits only_size = { .count_max = SIZE_MAX, .size_max = limits->size_max };
    struct field_reader r = field_reader(bytes, &only_size);
    struct field ignored;
    while (field_next(&r, &ignored))
        ;
    switch (r.end) {
    case FIELDS_BLANK:
    case FIELDS_BODY:
        *ret_body_at = r.body_at;
        return PARSE_DONE;
    case FIELDS_LIMIT:
        return PARSE_BAD;
    case FIELDS_CUT:
    case FIELDS_GO_ON:
        break;
    }
    return PARSE_MORE;
}

bool field_find(str head, const struct field_limits *limits, str name, struct field *ret_field)
{
    struct field_reader r = field_reader(head, limits);
    struct field f;
    while (field_next(&r, &f)) {
        if (str_eq_nocase(f.name, name)) {
            *ret_field = f;
            return true;
        }
    }
    return false;
}

str field_unfold(str value, struct arena *arena)
{
    value = str_trim(value);
    size_t crlf = str_find_str(value, STR("\r\n"));
    if (crlf == value.len)
        return value;
    char *to = ARENA_ARRAY(arena, char, value.len);
    if (!to)
        return STR_NONE;
    size_t len = 0;
    while (value.len) {
        crlf = str_find_str(value, STR("\r\n"));
        memcpy(to + len, value.ptr, crlf);
        len += crlf;
        if (crlf == value.len)
            break;
        value = str_from(value, crlf + 2);
        while (is_fold(value))
            value = str_from(value, 1);
        to[len++] = ' ';
    }
    return str_trim((str) { to, len }); /* the first line may have held nothing */
}

bool field_name_valid(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_ftext(name.ptr[i]))
            return false;
    }
    return name.len > 0;
}

bool field_value_valid(str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == '\0')
            return false;
    }
    return true;
}

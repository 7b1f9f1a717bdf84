/* base/json.c - jansson reads; its tree is copied into the arena at once, so that a value lives as
 * long as its work and members keep their order and can be indexed. The writer is our own. */
#include "base/json.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* Both sides number their kinds, with the same words. */
#define JSON_OBJECT  JANSSON_OBJECT
#define JSON_ARRAY   JANSSON_ARRAY
#define JSON_STRING  JANSSON_STRING
#define JSON_INTEGER JANSSON_INTEGER
#define JSON_REAL    JANSSON_REAL
#define JSON_TRUE    JANSSON_TRUE
#define JSON_FALSE   JANSSON_FALSE
#define JSON_NULL    JANSSON_NULL
#include <jansson.h>
#include <stdio.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_INTEGER
#undef JSON_REAL
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

enum { DEPTH_MAX = 128 };

struct json {
    enum json_kind kind;
    size_t count;
    union {
        bool boolean;
        int64_t integer;
        double real;
        str text;
        struct json *items;
        struct member *members;
    };
};

struct member {
    str name;
    struct json value;
};

static const struct fault *copy(const json_t *from, struct arena *arena, unsigned depth,
                                struct json *to);

static const struct fault *copy_text(const char *ptr, size_t len, struct arena *arena, str *to)
{
    *to = arena_str(arena, (str) { ptr, len });
    return to->ptr ? NULL : &fault_no_memory;
}

static const struct fault *copy_array(const json_t *from, struct arena *arena, unsigned depth,
                                      struct json *to)
{
    to->items = ARENA_ARRAY(arena, struct json, json_array_size(from));
    if (!to->items)
        return &fault_no_memory;
    for (; to->count < json_array_size(from); to->count++)
        TRY(copy(json_array_get(from, to->count), arena, depth, &to->items[to->count]));
    return NULL;
}

static const struct fault *copy_object(const json_t *from, struct arena *arena, unsigned depth,
                                       struct json *to)
{
    json_t *object = (json_t *)from; /* jansson's iterators are not const */
    to->members = ARENA_ARRAY(arena, struct member, json_object_size(from));
    if (!to->members)
        return &fault_no_memory;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        struct member *m = &to->members[to->count++];
        TRY(copy_text(json_object_iter_key(i), json_object_iter_key_len(i), arena, &m->name));
        TRY(copy(json_object_iter_value(i), arena, depth, &m->value));
    }
    return NULL;
}

static const struct fault *copy(const json_t *from, struct arena *arena, unsigned depth,
                                struct json *to)
{
    if (depth == DEPTH_MAX)
        return fault(arena, FAULT_SYNTAX, NULL, "the JSON is nested deeper than %d levels",
                     DEPTH_MAX);
    switch (json_typeof(from)) {
    case JANSSON_NULL:
        to->kind = JSON_NULL;
        return NULL;
    case JANSSON_TRUE:
    case JANSSON_FALSE:
        to->kind = JSON_BOOL;
        to->boolean = json_typeof(from) == JANSSON_TRUE;
        return NULL;
    case JANSSON_INTEGER:
        to->kind = JSON_INTEGER;
        to->integer = json_integer_value(from);
        return NULL;
    case JANSSON_REAL:
        to->kind = JSON_REAL;
        to->real = json_real_value(from);
        return NULL;
    case JANSSON_STRING:
        to->kind = JSON_STRING;
        return copy_text(json_string_value(from), json_string_length(from), arena, &to->text);
    case JANSSON_ARRAY:
        to->kind = JSON_ARRAY;
        return copy_array(from, arena, depth + 1, to);
    case JANSSON_OBJECT:
        to->kind = JSON_OBJECT;
        return copy_object(from, arena, depth + 1, to);
    }
    return fault(arena, FAULT_DEFECT, NULL, "the JSON holds a value of no kind");
}

/* A request's Plaintext or secret key passes through jansson's own memory. */
static void wipe_and_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void set_memory(void)
{
    json_set_alloc_funcs(malloc, wipe_and_free);
}

const struct fault *json_parse(str text, struct arena *arena, const struct json **ret_value)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    json_error_t error;
    pthread_once(&once, set_memory);
    json_t *read = json_loadb(text.ptr ? text.ptr : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!read)
        return fault(arena, FAULT_SYNTAX, NULL, "line %d, column %d: %s", error.line, error.column,
                     error.text);
    struct json *value = ARENA_NEW(arena, struct json);
    const struct fault *f = value ? copy(read, arena, 0, value) : &fault_no_memory;
    json_decref(read);
    if (!f)
        *ret_value = value;
    return f;
}

enum json_kind json_kind(const struct json *value)
{
    return value ? value->kind : JSON_NULL;
}

const struct json *json_get(const struct json *object, const char *member)
{
    for (size_t i = 0; object && object->kind == JSON_OBJECT && i < object->count; i++)
        if (str_eq(object->members[i].name, str_of(member)))
            return &object->members[i].value;
    return NULL;
}

str json_text(const struct json *value)
{
    return value && value->kind == JSON_STRING ? value->text : STR_NONE;
}

str json_str(const struct json *object, const char *member)
{
    return json_text(json_get(object, member));
}

bool json_bool(const struct json *object, const char *member, bool otherwise)
{
    const struct json *value = json_get(object, member);
    return value && value->kind == JSON_BOOL ? value->boolean : otherwise;
}

double json_number(const struct json *j, double otherwise)
{
    switch (json_kind(j)) {
    case JSON_INTEGER:
        return (double)j->integer;
    case JSON_REAL:
        return j->real;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_STRING:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return otherwise;
}

bool json_truth(const struct json *j)
{
    return json_kind(j) == JSON_BOOL && j->boolean;
}

int64_t json_int(const struct json *object, const char *member, int64_t otherwise)
{
    const struct json *value = json_get(object, member);
    return value && value->kind == JSON_INTEGER ? value->integer : otherwise;
}

size_t json_size(const struct json *value)
{
    return value && (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT) ? value->count : 0;
}

const struct json *json_at(const struct json *array, size_t index)
{
    return array && array->kind == JSON_ARRAY && index < array->count ? &array->items[index] : NULL;
}

bool json_member(const struct json *object, size_t index, str *ret_name,
                 const struct json **ret_value)
{
    if (!object || object->kind != JSON_OBJECT || index >= object->count)
        return false;
    *ret_name = object->members[index].name;
    *ret_value = &object->members[index].value;
    return true;
}

/* Writing. */

static void before_value(struct json_writer *w)
{
    if (w->comma)
        buf_addc(w->out, ',');
    w->comma = true;
}

void json_open(struct json_writer *w, char bracket)
{
    before_value(w);
    buf_addc(w->out, bracket);
    w->comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
    buf_addc(w->out, bracket);
    w->comma = true;
}

void json_name(struct json_writer *w, str member)
{
    before_value(w);
    json_quote(w->out, member);
    buf_addc(w->out, ':');
    w->comma = false;
}

void json_put_str(struct json_writer *w, str text)
{
    before_value(w);
    if (str_is_none(text))
        buf_add(w->out, STR("null"));
    else
        json_quote(w->out, text);
}

void json_put_int(struct json_writer *w, int64_t value)
{
    before_value(w);
    buf_addf(w->out, "%" PRId64, value);
}

void json_put_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_add(w->out, value ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
    json_put_str(w, STR_NONE);
}

void json_put_raw(struct json_writer *w, str json)
{
    before_value(w);
    buf_add(w->out, json);
}

void json_put_value(struct json_writer *w, const struct json *value)
{
    char number[32];
    switch (json_kind(value)) {
    case JSON_NULL:
        json_put_null(w);
        return;
    case JSON_BOOL:
        json_put_bool(w, value->boolean);
        return;
    case JSON_INTEGER:
        json_put_int(w, value->integer);
        return;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", value->real);
        json_put_raw(w, str_of(number));
        return;
    case JSON_STRING:
        json_put_str(w, value->text);
        return;
    case JSON_ARRAY:
        json_open(w, '[');
        for (size_t i = 0; i < value->count; i++)
            json_put_value(w, &value->items[i]);
        json_close(w, ']');
        return;
    case JSON_OBJECT:
        json_open(w, '{');
        for (size_t i = 0; i < value->count; i++) {
            json_name(w, value->members[i].name);
            json_put_value(w, &value->members[i].value);
        }
        json_close(w, '}');
        return;
    }
}

void json_add_str(struct json_writer *w, const char *member, str value)
{
    json_name(w, str_of(member));
    json_put_str(w, value);
}

void json_add_int(struct json_writer *w, const char *member, int64_t value)
{
    json_name(w, str_of(member));
    json_put_int(w, value);
}

void json_add_bool(struct json_writer *w, const char *member, bool value)
{
    json_name(w, str_of(member));
    json_put_bool(w, value);
}

void json_add_raw(struct json_writer *w, const char *member, str json)
{
    json_name(w, str_of(member));
    json_put_raw(w, json);
}

static void quote_character(struct buf *out, uint32_t c)
{
    static const char short_forms[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *found = strchr(short_forms, (int)c);
    if (c == 0)
        buf_add(out, UTF8_REPLACEMENT);
    else if (found)
        buf_add(out, (str) { (char[]) { '\\', letters[found - short_forms] }, 2 });
    else
        buf_addf(out, "\\u%04x", c);
}

/* Past the octets that stand in a JSON text as they are: printable ASCII but for " and \. Eight at a
 * time: a high bit is left of an octet that is none, or (by a borrow) of one behind such. */
static const char *skip_plain(struct cursor in)
{
    enum { WORD = 8 };
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    for (uint64_t w; cursor_left(&in) >= WORD; in.at += WORD) {
        memcpy(&w, in.at, WORD);
        const uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
        const uint64_t odd = (quote - ones) | (backslash - ones) | (w - ones * 0x20) | w;
        if (odd & highs)
            break;
    }
    while (in.at < in.end && *in.at >= 0x20 && *in.at != '"' && *in.at != '\\')
        in.at++;
    return in.at;
}

void json_quote(struct buf *out, str text)
{
    buf_addc(out, '"');
    struct cursor in = cursor_of(text);
    const char *plain = in.at; /* not yet written */
    while ((in.at = skip_plain(in)) < in.end) {
        const char *from = in.at;
        uint32_t c = utf8_next(&in);
        if (c != UTF8_BAD && c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, (str) { plain, (size_t)(from - plain) });
        if (c == UTF8_BAD)
            buf_add(out, UTF8_REPLACEMENT);
        else
            quote_character(out, c);
        plain = in.at;
    }
    if (in.at)
        buf_add(out, (str) { plain, (size_t)(in.at - plain) });
    buf_addc(out, '"');
}

/* base/spans.c - recursive descent, one function per rule of RFC 8259, bounded by SPANS_DEPTH. */
#include "base/spans.h"

#include "base/hex.h"
#include "base/utf8.h"

#include <stdlib.h>

struct reader {
    str text;
    size_t at;
    unsigned flags, depth;
    struct arena *arena;
    const struct fault *fault; /* the first; everything returns at once behind it */
    uint32_t bad_at;           /* where */
};

struct spans_place spans_place(str text, uint32_t offset)
{
    struct spans_place place = { 1, 1 };
    str before = str_head(text, offset);
    for (size_t i = 0; i < before.len; i++) {
        if (before.ptr[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)before.ptr[i] & 0xC0) != 0x80) {
            place.column++; /* tails of UTF-8 belong to the character before */
        }
    }
    return place;
}

static bool bad(struct reader *r, size_t at, const char *says)
{
    if (!r->fault) {
        struct spans_place place = spans_place(r->text, (uint32_t)at);
        r->fault = fault(r->arena, FAULT_SYNTAX, NULL, "line %u, column %u: %s", place.line,
                         place.column, says);
        r->bad_at = (uint32_t)at;
    }
    return false;
}

static bool no_memory(struct reader *r)
{
    if (!r->fault)
        r->fault = &fault_no_memory;
    return false;
}

static int peek(const struct reader *r)
{
    return r->at < r->text.len ? (unsigned char)r->text.ptr[r->at] : -1;
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

static bool skip_comment(struct reader *r)
{
    str rest = str_from(r->text, r->at);
    if (str_starts(rest, STR("//"))) {
        r->at += str_find(rest, '\n');
        return true;
    }
    size_t end =
        str_starts(rest, STR("/*")) ? str_find_str(str_from(rest, 2), STR("*/")) : SIZE_MAX;
    if (end >= rest.len - 2)
        return bad(r, r->at,
                   end == SIZE_MAX ? "a '/' begins nothing in JSON" : "this comment has no end");
    r->at += end + 4;
    return true;
}

static bool skip_blanks(struct reader *r)
{
    for (;;) {
        switch (peek(r)) {
        case ' ':
        case '\t':
        case '\n':
        case '\r':
            r->at++;
            continue;
        case '/':
            if (!(r->flags & SPANS_COMMENTS))
                return bad(r, r->at, "comments are not JSON; remove them");
            if (!skip_comment(r))
                return false;
            continue;
        case '#':
            return bad(r, r->at, "comments are not JSON; remove them");
        default:
            return true;
        }
    }
}

static bool read_hex4(struct reader *r, uint32_t *ret_unit)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        int digit = peek(r) < 0 ? -1 : hex_digit((char)peek(r));
        if (digit < 0)
            return bad(r, r->at, "\\u wants four hexadecimal digits");
        unit = unit << 4 | (uint32_t)digit;
    }
    *ret_unit = unit;
    return true;
}

static bool read_unicode_escape(struct reader *r, uint32_t *ret_character)
{
    size_t from = r->at - 2;
    uint32_t high = 0, low = 0;
    if (!read_hex4(r, &high))
        return false;
    if (high == 0)
        return bad(r, from, "the character U+0000 is not allowed");
    if (high >= 0xDC00 && high <= 0xDFFF)
        return bad(r, from, "half of a surrogate pair stands alone");
    if (high >= 0xD800 && high <= 0xDBFF) {
        if (!take(r, '\\') || !take(r, 'u'))
            return bad(r, from, "half of a surrogate pair stands alone");
        if (!read_hex4(r, &low))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return bad(r, from, "half of a surrogate pair stands alone");
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    *ret_character = high;
    return true;
}

static bool read_escape(struct reader *r, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (found) {
        r->at++;
        *(*to)++ = into[found - from];
        return true;
    }
    uint32_t character = 0;
    if (!take(r, 'u'))
        return bad(r, r->at - 1, "this escape is not one of JSON's");
    if (!read_unicode_escape(r, &character))
        return false;
    *to += utf8_put(*to, character);
    return true;
}

/* Finds the closing quote, and whether there is anything to decode. r->at stays behind the opening
 * one. */
static bool scan_string(struct reader *r, size_t *ret_end, bool *ret_escaped)
{
    struct cursor in = cursor_of(str_from(r->text, r->at));
    *ret_escaped = false;
    while (in.at < in.end) {
        size_t at = (size_t)(in.at - r->text.ptr);
        unsigned char c = (unsigned char)*in.at;
        if (c == '"') {
            *ret_end = at;
            return true;
        }
        if (c == 0)
            return bad(r, at, "a NUL byte is not allowed");
        if (c < 0x20)
            return bad(r, at,
                       c == '\n' || c == '\r' ? "a string may not go past the end of its line"
                                              : "control characters in strings must be escaped");
        if (c == '\\') {
            *ret_escaped = true;
            in.at += in.end - in.at > 1 ? 2 : 1;
        } else if (utf8_next(&in) == UTF8_BAD) {
            return bad(r, at, "this byte is not UTF-8");
        }
    }
    return bad(r, r->at - 1, "this string has no end");
}

static bool read_string(struct reader *r, str *ret_text)
{
    size_t end = 0;
    bool escaped = false;
    if (!take(r, '"'))
        return bad(r, r->at, "expected a string");
    if (!scan_string(r, &end, &escaped))
        return false;
    str raw = { r->text.ptr + r->at, end - r->at };
    if (escaped) {
        char *copy = arena_alloc(r->arena, raw.len + 1, 1), *to = copy; /* an escape only shrinks */
        if (!copy)
            return no_memory(r);
        while (r->at < end) {
            if (take(r, '\\')) {
                if (!read_escape(r, &to))
                    return false;
            } else {
                *to++ = r->text.ptr[r->at++];
            }
        }
        raw = (str) { copy, (size_t)(to - copy) };
    }
    r->at = end + 1;
    *ret_text = raw;
    return true;
}

static size_t digits(struct reader *r)
{
    size_t from = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at - from;
}

static bool read_number(struct reader *r)
{
    size_t from = r->at;
    take(r, '-');
    bool zero = peek(r) == '0';
    size_t whole = digits(r);
    if (whole == 0 || (zero && whole > 1))
        return whole ? bad(r, from, "a number may not begin with 0")
                     : bad(r, r->at, "a number wants a digit here");
    if (take(r, '.') && digits(r) == 0)
        return bad(r, r->at, "a number wants digits behind its point");
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        if (digits(r) == 0)
            return bad(r, r->at, "a number wants digits in its exponent");
    }
    return true;
}

static bool read_value(struct reader *r, struct spans *node);

static bool read_member_name(struct reader *r, struct spans *member)
{
    if (peek(r) == '}')
        return bad(r, r->at, "a comma stands before the closing brace");
    if (peek(r) != '"')
        return bad(r, r->at,
                   peek(r) < 0 ? "the text ends inside an object"
                               : "expected a member name in quotes");
    member->name_from = (uint32_t)r->at;
    if (!read_string(r, &member->name))
        return false;
    member->name_to = (uint32_t)r->at;
    if (!skip_blanks(r))
        return false;
    if (!take(r, ':'))
        return bad(r, r->at, "expected ':' behind the member name");
    return skip_blanks(r);
}

static int by_name(const void *a, const void *b)
{
    const struct spans *x = *(const struct spans *const *)a, *y = *(const struct spans *const *)b;
    int order = str_cmp(x->name, y->name);
    return order ? order : (x->name_from > y->name_from) - (x->name_from < y->name_from);
}

/* Sorted, so that an object of a hundred thousand members costs no more than its reading. */
static bool refuse_duplicates(struct reader *r, const struct spans *object)
{
    if (object->count < 2)
        return true;
    const struct spans **sorted = calloc(object->count, sizeof(*sorted)), *again = NULL;
    if (!sorted)
        return no_memory(r);
    size_t count = 0;
    for (const struct spans *m = object->first; m; m = m->next)
        sorted[count++] = m;
    qsort(sorted, count, sizeof(*sorted), by_name);
    for (size_t i = 1; i < count; i++)
        if (str_eq(sorted[i - 1]->name, sorted[i]->name) &&
            (!again || sorted[i]->name_from < again->name_from))
            again = sorted[i];
    free(sorted);
    return again ? bad(r, again->name_from, "this member stands here for the second time") : true;
}

static bool read_list(struct reader *r, struct spans *list, char close)
{
    bool object = close == '}';
    const struct spans **tail = &list->first;
    if (r->depth == SPANS_DEPTH)
        return bad(r, r->at, "nested deeper than 32 levels");
    r->depth++;
    r->at++;
    if (!skip_blanks(r))
        return false;
    if (!take(r, close)) {
        do {
            struct spans *child = ARENA_NEW(r->arena, struct spans);
            if (!child)
                return no_memory(r);
            if (!skip_blanks(r) || (object && !read_member_name(r, child)))
                return false;
            if (!object && peek(r) == ']')
                return bad(r, r->at, "a comma stands before the closing bracket");
            if (!read_value(r, child) || !skip_blanks(r))
                return false;
            *tail = child;
            tail = &child->next;
            list->count++;
        } while (take(r, ','));
        if (!take(r, close))
            return bad(r, r->at,
                       peek(r) < 0 ? (object ? "the text ends inside an object"
                                             : "the text ends inside an array")
                                   : (object ? "expected ',' or '}'" : "expected ',' or ']'"));
    }
    r->depth--;
    return !object || refuse_duplicates(r, list);
}

static bool read_word(struct reader *r, struct spans *node)
{
    static const struct {
        str word;
        enum spans_kind kind;
    } words[] = { { STR_INIT("true"), SPANS_BOOL },
                  { STR_INIT("false"), SPANS_BOOL },
                  { STR_INIT("null"), SPANS_NULL } };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_starts(str_from(r->text, r->at), words[i].word)) {
            node->kind = words[i].kind;
            r->at += words[i].word.len;
            return true;
        }
    }
    if (peek(r) == '\'')
        return bad(r, r->at, "strings stand in double quotes");
    return bad(r, r->at,
               peek(r) < 0 ? "the text ends where a value should be" : "expected a value");
}

static bool read_value(struct reader *r, struct spans *node)
{
    node->from = (uint32_t)r->at;
    bool read;
    switch (peek(r)) {
    case '{':
        node->kind = SPANS_OBJECT;
        read = read_list(r, node, '}');
        break;
    case '[':
        node->kind = SPANS_ARRAY;
        read = read_list(r, node, ']');
        break;
    case '"':
        node->kind = SPANS_STRING;
        read = read_string(r, &node->text);
        break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        node->kind = SPANS_NUMBER;
        read = read_number(r);
        break;
    default:
        read = read_word(r, node);
    }
    node->to = (uint32_t)r->at;
    if (read &&
        (node->kind == SPANS_NUMBER || node->kind == SPANS_BOOL || node->kind == SPANS_NULL))
        node->text = (str) { r->text.ptr + node->from, node->to - node->from };
    return read;
}

const struct fault *spans_parse_at(str text, unsigned flags, struct arena *arena,
                                   const struct spans **ret_root, uint32_t *ret_bad_at)
{
    struct reader r = { .text = text, .flags = flags, .arena = arena };
    if (text.len > SPANS_SIZE_MAX)
        return fault(arena, FAULT_LIMIT, NULL, "the JSON is longer than %d bytes", SPANS_SIZE_MAX);
    struct spans *root = ARENA_NEW(arena, struct spans);
    if (!root)
        return &fault_no_memory;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        bad(&r, 0, "a byte order mark stands before the JSON; remove it");
    else if (skip_blanks(&r) && read_value(&r, root) && skip_blanks(&r) && r.at < text.len)
        bad(&r, r.at, "something stands behind the end of the JSON value");
    if (r.fault)
        *ret_bad_at = r.bad_at;
    else
        *ret_root = root;
    return r.fault;
}

const struct fault *spans_parse(str text, unsigned flags, struct arena *arena,
                                const struct spans **ret_root)
{
    uint32_t bad_at;
    return spans_parse_at(text, flags, arena, ret_root, &bad_at);
}

const struct spans *spans_get(const struct spans *object, str member)
{
    for (const struct spans *m = object && object->kind == SPANS_OBJECT ? object->first : NULL; m;
         m = m->next)
        if (str_eq(m->name, member))
            return m;
    return NULL;
}

bool spans_true(const struct spans *node)
{
    return node && node->kind == SPANS_BOOL && str_eq(node->text, STR("true"));
}

const char *spans_kind_name(enum spans_kind kind)
{
    switch (kind) {
    case SPANS_NULL:
        return "null";
    case SPANS_BOOL:
        return "true or false";
    case SPANS_NUMBER:
        return "a number";
    case SPANS_STRING:
        return "a string";
    case SPANS_ARRAY:
        return "an array";
    case SPANS_OBJECT:
        return "an object";
    }
    return "nothing";
}

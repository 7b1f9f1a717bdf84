/* services/sns/filter.c - reading a filter policy, and holding a message against it.
 *
 * The words of the refusals are those recorded from SNS, without the parser's "at [Source: ...]".
 * The policy stays the JSON it is: five names and some values are walked faster than anything built
 * of them. */
#include "services/sns/filter.h"

#include "base/json.h"
#include "services/sns/message.h"

#include <arpa/inet.h>
#include <math.h>

enum { KEYS_MAX = 5, COMBINATIONS_MAX = 150, DEPTH_MAX = 32, TEXT_MAX = 256 * 1024 };
#define NUMBER_MAX 1e9

struct filter {
    enum filter_scope scope;
    const struct json *policy;
};

/* One value of a message, of the kinds a condition can speak of. */
struct subject {
    enum json_kind kind; /* JSON_STRING, _REAL for any number, _BOOL, _NULL */
    str text;
    double number;
    bool yes;
};

/* ---- operators ---- */

static bool fits_prefix(str pattern, str text)
{
    return str_starts(text, pattern);
}
static bool fits_suffix(str pattern, str text)
{
    return str_ends(text, pattern);
}

/* "10.0.0.0/24" and "2001:db8::/32": the address, and how many of its bits count. */
static bool cidr_parse(str text, unsigned char address[16], size_t *ret_size, unsigned *ret_bits)
{
    char host[INET6_ADDRSTRLEN + 1];
    str name, bits;
    uint64_t count;
    bool masked = str_cut(text, '/', &name, &bits);
    if (name.len >= sizeof host || name.len == 0)
        return false;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    *ret_size = inet_pton(AF_INET, host, address) == 1    ? 4
                : inet_pton(AF_INET6, host, address) == 1 ? 16
                                                          : 0;
    if (*ret_size == 0)
        return false;
    *ret_bits = (unsigned)*ret_size * 8;
    if (!masked)
        return true;
    if (!str_u64(bits, &count) || count > *ret_bits)
        return false;
    *ret_bits = (unsigned)count;
    return true;
}

static bool fits_cidr(str pattern, str text)
{
    unsigned char net[16], address[16];
    size_t size, other;
    unsigned bits, all;
    if (!cidr_parse(pattern, net, &size, &bits) || !cidr_parse(text, address, &other, &all) ||
        size != other || str_has(text, '/'))
        return false;
    for (unsigned i = 0; i < bits; i += 8) {
        unsigned char mask = bits - i >= 8 ? 0xff : (unsigned char)(0xff << (8 - (bits - i)));
        if ((net[i / 8] ^ address[i / 8]) & mask)
            return false;
    }
    return true;
}

/* clang-format off */
static const struct text_operator {
    const char *name;
    bool (*fits)(str pattern, str text);
    bool in_anything_but;
} text_operators[] = {
    { "prefix",             fits_prefix,   true  },
    { "suffix",             fits_suffix,   true  },
    { "equals-ignore-case", str_eq_nocase, true  },
    { "cidr",               fits_cidr,     false },
};
/* clang-format on */

static const struct text_operator *text_operator_of(str name)
{
    for (size_t i = 0; i < sizeof text_operators / sizeof text_operators[0]; i++)
        if (str_eq(name, str_of(text_operators[i].name)))
            return &text_operators[i];
    return NULL;
}

static bool is_number(const struct json *j)
{
    return json_kind(j) == JSON_INTEGER || json_kind(j) == JSON_REAL;
}

/* ---- reading ---- */

#define REFUSE(arena, ...) return fault(arena, FAULT_SYNTAX, NULL, "FilterPolicy: " __VA_ARGS__)

struct reading {
    struct arena *arena;
    bool nested; /* an object in an object was met */
};

static str shown(const struct json *j, struct arena *arena)
{
    AUTO_BUF out = buf_new(1024);
    struct json_writer w = json_writer(&out);
    if (json_kind(j) == JSON_STRING)
        return json_text(j);
    json_put_value(&w, j);
    return out.failed ? STR("...") : arena_str(arena, buf_str(&out));
}

static bool is_bound(const struct json *j, const char *strict, const char *wide)
{
    return str_eq(json_text(j), str_of(strict)) || str_eq(json_text(j), str_of(wide));
}

static const struct fault *check_bound(const struct json *list, size_t at, struct arena *arena)
{
    const struct json *op = json_at(list, at), *value = json_at(list, at + 1);
    str says = str_eq(json_text(op), STR("=")) ? STR("equals") : json_text(op);
    if (!is_number(value))
        REFUSE(arena, "Value of " STR_FMT " must be numeric", STR_ARG(says));
    if (fabs(json_number(value, 0)) > NUMBER_MAX)
        REFUSE(arena, "Value of " STR_FMT " must be between -1.0E9 and +1.0E9, inclusive",
               STR_ARG(says));
    return NULL;
}

static const struct fault *check_numeric(const struct json *list, struct arena *arena)
{
    const struct json *first = json_at(list, 0), *second = json_at(list, 2);
    if (json_kind(list) != JSON_ARRAY)
        REFUSE(arena, "Value of numeric must be an array.");
    if (json_kind(first) != JSON_STRING)
        REFUSE(arena, "Invalid member in numeric match: " STR_FMT,
               STR_ARG(first ? shown(first, arena) : STR("]")));
    bool low = is_bound(first, ">", ">="), high = is_bound(first, "<", "<=");
    if (!low && !high && !str_eq(json_text(first), STR("=")))
        REFUSE(arena, "Unrecognized numeric range operator: " STR_FMT, STR_ARG(json_text(first)));
    TRY(check_bound(list, 0, arena));
    if (!second)
        return NULL;
    if (!low)
        REFUSE(arena, "Too many elements in numeric expression");
    if (json_kind(second) != JSON_STRING)
        REFUSE(arena, "Bad value in numeric range: " STR_FMT, STR_ARG(shown(second, arena)));
    if (!is_bound(second, "<", "<="))
        REFUSE(arena, "Bad numeric range operator: " STR_FMT, STR_ARG(json_text(second)));
    TRY(check_bound(list, 2, arena));
    if (json_number(json_at(list, 1), 0) >= json_number(json_at(list, 3), 0))
        REFUSE(arena, "Bottom must be less than top");
    if (json_size(list) > 4)
        REFUSE(arena, "Too many terms in numeric range expression");
    return NULL;
}

static const struct fault *check_text(str name, const struct json *value, struct arena *arena)
{
    unsigned char address[16];
    size_t size;
    unsigned bits;
    if (json_kind(value) != JSON_STRING)
        REFUSE(arena, STR_FMT " match pattern must be a string", STR_ARG(name));
    if (json_text(value).len == 0)
        REFUSE(arena, "Null " STR_FMT " not allowed", STR_ARG(name));
    if (str_eq(name, STR("cidr")) && !cidr_parse(json_text(value), address, &size, &bits))
        REFUSE(arena, "Malformed CIDR, one '/' required");
    return NULL;
}

static const struct fault *check_anything_but(const struct json *value, struct arena *arena)
{
    str name;
    const struct json *pattern;
    if (json_member(value, 0, &name, &pattern)) {
        const struct text_operator *op = text_operator_of(name);
        if (json_size(value) != 1)
            REFUSE(arena, "Only one key allowed in match expression");
        if (!op || !op->in_anything_but)
            REFUSE(arena, "Unsupported anything-but pattern: " STR_FMT, STR_ARG(name));
        if (json_kind(pattern) != JSON_ARRAY)
            return check_text(name, pattern, arena);
        for (size_t i = 0; i < json_size(pattern); i++)
            TRY(check_text(name, json_at(pattern, i), arena));
        return NULL;
    }
    if (json_kind(value) == JSON_STRING || is_number(value))
        return NULL;
    if (json_kind(value) != JSON_ARRAY || json_size(value) == 0)
        REFUSE(arena, "Value of anything-but must be an array or single string/number value.");
    for (size_t i = 0; i < json_size(value); i++)
        if (json_kind(json_at(value, i)) != JSON_STRING && !is_number(json_at(value, i)))
            REFUSE(arena, "Inside anything but list, start|null|boolean is not supported.");
    return NULL;
}

static const struct fault *check_condition(const struct json *c, struct arena *arena)
{
    str name;
    const struct json *value;
    if (json_kind(c) == JSON_ARRAY)
        REFUSE(arena, "Match value must be String, number, true, false, or null");
    if (is_number(c) && fabs(json_number(c, 0)) > NUMBER_MAX)
        REFUSE(arena, "Match value must be between -1.0E9 and +1.0E9, inclusive");
    if (json_kind(c) != JSON_OBJECT)
        return NULL;
    if (!json_member(c, 0, &name, &value))
        REFUSE(arena, "Empty objects are not allowed");
    if (json_size(c) != 1)
        REFUSE(arena, "Only one key allowed in match expression");
    if (str_eq(name, STR("anything-but")))
        return check_anything_but(value, arena);
    if (str_eq(name, STR("numeric")))
        return check_numeric(value, arena);
    if (str_eq(name, STR("exists"))) {
        if (json_kind(value) != JSON_BOOL)
            REFUSE(arena, "exists match pattern must be either true or false.");
        return NULL;
    }
    if (!text_operator_of(name))
        REFUSE(arena, "Unrecognized match type " STR_FMT, STR_ARG(name));
    return check_text(name, value, arena);
}

static bool is_keyword(str name)
{
    return str_eq(name, STR("anything-but")) || str_eq(name, STR("numeric")) ||
           str_eq(name, STR("exists")) || text_operator_of(name);
}

/* "$or" groups only two objects or more, none of which reads like a condition; else it is a name.
 */
static bool is_or(str name, const struct json *value)
{
    if (!str_eq(name, STR("$or")) || json_kind(value) != JSON_ARRAY || json_size(value) < 2)
        return false;
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json *object = json_at(value, i), *inner;
        str member;
        if (json_kind(object) != JSON_OBJECT || json_size(object) == 0)
            return false;
        for (size_t m = 0; json_member(object, m, &member, &inner); m++)
            if (is_keyword(member))
                return false;
    }
    return true;
}

static const struct fault *check_object(struct reading *r, const struct json *object, int depth,
                                        double *combinations);

static const struct fault *check_member(struct reading *r, str name, const struct json *value,
                                        int depth, double *combinations)
{
    if (is_or(name, value)) {
        double sum = 0;
        for (size_t i = 0; i < json_size(value); i++) {
            double one = 1;
            TRY(check_object(r, json_at(value, i), depth, &one));
            sum += one;
        }
        *combinations *= sum;
        return NULL;
    }
    if (json_kind(value) == JSON_OBJECT) {
        r->nested = true;
        if (json_size(value) == 0)
            REFUSE(r->arena, "Empty objects are not allowed");
        return check_object(r, value, depth + 1, combinations);
    }
    if (json_kind(value) != JSON_ARRAY)
        REFUSE(r->arena, "\"" STR_FMT "\" must be an object or an array", STR_ARG(name));
    if (json_size(value) == 0)
        REFUSE(r->arena, "Empty arrays are not allowed");
    for (size_t i = 0; i < json_size(value); i++)
        TRY(check_condition(json_at(value, i), r->arena));
    *combinations *= (double)json_size(value) * depth;
    return NULL;
}

static const struct fault *check_object(struct reading *r, const struct json *object, int depth,
                                        double *combinations)
{
    str name;
    const struct json *value;
    if (depth > DEPTH_MAX)
        REFUSE(r->arena, "Filter policy is nested too deeply");
    for (size_t i = 0; json_member(object, i, &name, &value); i++)
        TRY(check_member(r, name, value, depth, combinations));
    return NULL;
}

const struct fault *filter_read(str text, enum filter_scope scope, struct arena *arena,
                                const struct filter **ret_filter)
{
    struct filter *filter = ARENA_NEW(arena, struct filter);
    struct reading reading = { .arena = arena };
    double combinations = 1;
    if (!filter)
        return &fault_no_memory;
    filter->scope = scope;
    if (text.len > TEXT_MAX)
        REFUSE(arena, "Filter policy is too large");
    if (json_parse(text, arena, &filter->policy))
        REFUSE(arena, "failed to parse JSON.");
    if (json_kind(filter->policy) != JSON_OBJECT)
        REFUSE(arena, "Filter is not an object");
    TRY(check_object(&reading, filter->policy, 1, &combinations));
    if (reading.nested && scope == FILTER_ATTRIBUTES)
        REFUSE(arena,
               "Filter policy scope MessageAttributes does not support nested filter policy");
    if (json_size(filter->policy) > KEYS_MAX)
        REFUSE(arena, "Filter policy can not have more than %d keys", KEYS_MAX);
    if (combinations > COMBINATIONS_MAX)
        REFUSE(arena, "Filter policy is too complex");
    *ret_filter = filter;
    return NULL;
}

/* ---- deciding ---- */

static bool same(const struct json *wanted, const struct subject *subject)
{
    switch (json_kind(wanted)) {
    case JSON_STRING:
        return subject->kind == JSON_STRING && str_eq(json_text(wanted), subject->text);
    case JSON_INTEGER:
    case JSON_REAL:
        return subject->kind == JSON_REAL && json_number(wanted, 0) == subject->number;
    case JSON_BOOL:
        return subject->kind == JSON_BOOL && json_truth(wanted) == subject->yes;
    case JSON_NULL:
        return subject->kind == JSON_NULL;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

static bool fits_bound(str op, double bound, double number)
{
    if (str_eq(op, STR("=")))
        return number == bound;
    bool wide = op.len == 2;
    if (op.ptr[0] == '<')
        return wide ? number <= bound : number < bound;
    return wide ? number >= bound : number > bound;
}

static bool fits_numeric(const struct json *list, const struct subject *subject)
{
    if (subject->kind != JSON_REAL)
        return false;
    for (size_t i = 0; i + 1 < json_size(list); i += 2)
        if (!fits_bound(json_text(json_at(list, i)), json_number(json_at(list, i + 1), 0),
                        subject->number))
            return false;
    return true;
}

/* Any of one value or a list of them. */
static bool fits_any_text(const struct text_operator *op, const struct json *patterns,
                          const struct subject *subject)
{
    size_t count = json_kind(patterns) == JSON_ARRAY ? json_size(patterns) : 1;
    for (size_t i = 0; i < count; i++) {
        const struct json *pattern =
            json_kind(patterns) == JSON_ARRAY ? json_at(patterns, i) : patterns;
        if (subject->kind == JSON_STRING && op->fits(json_text(pattern), subject->text))
            return true;
    }
    return false;
}

static bool fits_anything_but(const struct json *value, const struct subject *subject)
{
    str name;
    const struct json *pattern;
    if (json_member(value, 0, &name, &pattern))
        return !fits_any_text(text_operator_of(name), pattern, subject);
    if (json_kind(value) != JSON_ARRAY)
        return !same(value, subject);
    for (size_t i = 0; i < json_size(value); i++)
        if (same(json_at(value, i), subject))
            return false;
    return true;
}

static bool fits(const struct json *condition, const struct subject *subject)
{
    str name;
    const struct json *value;
    if (!json_member(condition, 0, &name, &value))
        return same(condition, subject);
    if (str_eq(name, STR("anything-but")))
        return fits_anything_but(value, subject);
    if (str_eq(name, STR("numeric")))
        return fits_numeric(value, subject);
    const struct text_operator *op = text_operator_of(name);
    return op && fits_any_text(op, value, subject);
}

static bool subject_of(const struct json *value, struct subject *ret_subject)
{
    *ret_subject = (struct subject) { .kind = json_kind(value), .text = json_text(value) };
    switch (json_kind(value)) {
    case JSON_INTEGER:
    case JSON_REAL:
        ret_subject->kind = JSON_REAL;
        ret_subject->number = json_number(value, 0);
        return true;
    case JSON_BOOL:
        ret_subject->yes = json_truth(value);
        return true;
    case JSON_STRING:
    case JSON_NULL:
        return true;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

/* The value of a name, or each value of a list. */
static bool fits_json(const struct json *condition, const struct json *value)
{
    struct subject subject;
    if (json_kind(value) != JSON_ARRAY)
        return subject_of(value, &subject) && fits(condition, &subject);
    for (size_t i = 0; i < json_size(value); i++)
        if (fits_json(condition, json_at(value, i)))
            return true;
    return false;
}

/* {"exists": ...} speaks of the name, the others of its values. */
static bool wants_exists(const struct json *condition, bool *ret_wanted)
{
    const struct json *exists = json_get(condition, "exists");
    *ret_wanted = json_truth(exists);
    return exists;
}

static bool name_admits(const struct json *conditions, const struct json *value)
{
    for (size_t i = 0; i < json_size(conditions); i++) {
        const struct json *condition = json_at(conditions, i);
        bool wanted;
        if (wants_exists(condition, &wanted) ? wanted == (value != NULL)
                                             : value && fits_json(condition, value))
            return true;
    }
    return false;
}

/* The member of a name that may hold any characters. */
static const struct json *get(const struct json *object, str wanted)
{
    str name;
    const struct json *value;
    for (size_t i = 0; json_member(object, i, &name, &value); i++)
        if (str_eq(name, wanted))
            return value;
    return NULL;
}

static bool object_admits(const struct json *policy, const struct json *object)
{
    str name;
    const struct json *wanted;
    for (size_t i = 0; json_member(policy, i, &name, &wanted); i++) {
        bool admitted = false;
        if (is_or(name, wanted)) {
            for (size_t k = 0; !admitted && k < json_size(wanted); k++)
                admitted = object_admits(json_at(wanted, k), object);
        } else if (json_kind(wanted) == JSON_OBJECT) {
            const struct json *inner = get(object, name);
            if (json_kind(inner) == JSON_ARRAY) /* one of the objects in it */
                for (size_t k = 0; !admitted && k < json_size(inner); k++)
                    admitted = object_admits(wanted, json_at(inner, k));
            else
                admitted = object_admits(wanted, inner);
        } else
            admitted = name_admits(wanted, get(object, name));
        if (!admitted)
            return false;
    }
    return true;
}

/* The attributes as the JSON object they stand for: a String is a string, a Number a number, a
 * String.Array the list it spells; of a Binary one only its presence counts, so it is an empty
 * list. */
static void write_attributes(const struct sns_message *m, struct arena *arena, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    for (size_t i = 0; i < m->attribute_count; i++) {
        const struct message_attribute *a = &m->attributes[i];
        const struct json *value;
        bool array = str_starts(a->type, STR("String.Array")),
             number = str_starts(a->type, STR("Number"));
        json_name(&w, a->name);
        if ((array || number) && !json_parse(a->value, arena, &value) &&
            (number ? is_number(value) : json_kind(value) == JSON_ARRAY))
            json_put_value(&w, value);
        else if (str_starts(a->type, STR("Binary")))
            json_put_raw(&w, STR("[]"));
        else
            json_put_str(&w, a->value);
    }
    json_close(&w, '}');
}

bool filter_admits(const struct filter *filter, const struct sns_message *m, struct arena *arena)
{
    const struct json *object;
    if (filter->scope == FILTER_BODY)
        return !json_parse(m->message, arena, &object) && json_kind(object) == JSON_OBJECT &&
               object_admits(filter->policy, object);
    AUTO_BUF text = buf_new(1 << 20);
    write_attributes(m, arena, &text);
    return !text.failed && !json_parse(buf_str(&text), arena, &object) &&
           object_admits(filter->policy, object);
}

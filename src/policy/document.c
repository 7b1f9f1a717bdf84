/* Reading a policy document by the grammar of reference_policies_grammar: names are matched
 * exactly, blocks come in any order, one value and a list of one mean the same, and whatever is not
 * in the grammar is refused with its place, because skipping it would change what the policy says.
 */
#include "base/spans.h"
#include "policy/compiled.h"
#include "policy/match.h"

#include <stdarg.h>
#include <stdio.h>

struct reader {
    str source;
    struct arena *arena;
    struct span *bad_at;
    bool placed; /* a fault's sentence begins with the place */
};

enum { STATEMENTS_MAX = 4096 };

__attribute__((format(printf, 3, 4))) static const struct fault *
refuse(const struct reader *reader, const struct spans *at, const char *fmt, ...)
{
    char says[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(says, sizeof(says), fmt, args);
    va_end(args);
    const struct spans_place place = spans_place(reader->source, at->from);
    *reader->bad_at = (struct span) { at->from, at->to };
    if (!reader->placed)
        return fault(reader->arena, FAULT_SYNTAX, NULL, "%s", says);
    return fault(reader->arena, FAULT_SYNTAX, NULL, "line %u, column %u: %s", (unsigned)place.line,
                 (unsigned)place.column, says);
}

/* A member whose name is to blame, as its name. */
static struct spans name_of(const struct spans *member)
{
    struct spans name = *member;
    name.from = member->name_from;
    name.to = member->name_to;
    return name;
}

/* Names a document may be long; what a message quotes of it is not. */
static str quoted(str text)
{
    return str_head(text, 100);
}

static struct span span_of(const struct spans *value)
{
    return (struct span) { value->from, value->to };
}

enum scalars { STRINGS_ONLY, SCALARS };

static bool is_scalar(const struct spans *value, enum scalars scalars)
{
    return value->kind == SPANS_STRING ||
           (scalars == SCALARS && (value->kind == SPANS_NUMBER || value->kind == SPANS_BOOL));
}

static const struct fault *read_terms(const struct reader *reader, const struct spans *value,
                                      enum scalars scalars, struct terms *ret_terms)
{
    const bool list = value->kind == SPANS_ARRAY;
    if (!list && !is_scalar(value, scalars))
        return refuse(reader, value, "wanted a string or a list of strings, found %s",
                      spans_kind_name(value->kind));
    const size_t count = list ? value->count : 1;
    str *values = ARENA_ARRAY(reader->arena, str, count);
    if (count && !values)
        return &fault_no_memory;
    size_t i = 0;
    for (const struct spans *item = list ? value->first : value; item;
         item = list ? item->next : NULL) {
        if (!is_scalar(item, scalars))
            return refuse(reader, item, "wanted a string, found %s", spans_kind_name(item->kind));
        values[i++] = item->text;
    }
    *ret_terms = (struct terms) { .values = values, .count = count, .span = span_of(value) };
    return NULL;
}

/* The pair Action | NotAction and its like: exactly one when required, never both. */
static const struct fault *read_pair(const struct reader *reader, const struct spans *statement,
                                     str name, str negation, bool required, struct terms *ret_terms)
{
    const struct spans *plain = spans_get(statement, name);
    const struct spans *negated = spans_get(statement, negation);
    if (plain && negated)
        return refuse(reader, negated, STR_FMT " and " STR_FMT " exclude each other", STR_ARG(name),
                      STR_ARG(negation));
    const struct spans *value = plain ? plain : negated;
    if (!value)
        return required
                   ? refuse(reader, statement, "the statement has neither " STR_FMT " nor " STR_FMT,
                            STR_ARG(name), STR_ARG(negation))
                   : NULL;
    TRY(read_terms(reader, value, STRINGS_ONLY, ret_terms));
    if (ret_terms->count == 0)
        return refuse(reader, value, "the list of " STR_FMT " is empty", STR_ARG(value->name));
    ret_terms->negated = negated != NULL;
    return NULL;
}

static const struct principal_type {
    str name;
    enum principal_kind kind;
} principal_types[] = {
    { STR_INIT("AWS"), PRINCIPAL_AWS },
    { STR_INIT("Service"), PRINCIPAL_SERVICE },
    { STR_INIT("Federated"), PRINCIPAL_FEDERATED },
    { STR_INIT("CanonicalUser"), PRINCIPAL_CANONICAL_USER },
};

static const struct principal_type *principal_type(str name)
{
    for (size_t i = 0; i < sizeof(principal_types) / sizeof(*principal_types); i++) {
        if (str_eq(name, principal_types[i].name))
            return &principal_types[i];
    }
    return NULL;
}

static const struct fault *read_principals(const struct reader *reader, const struct spans *value,
                                           struct statement *to)
{
    to->principals_span = span_of(value);
    if (value->kind == SPANS_STRING && str_eq(value->text, STR("*"))) {
        struct principal *anyone = ARENA_NEW(reader->arena, struct principal);
        if (!anyone)
            return &fault_no_memory;
        *anyone = (struct principal) { .kind = PRINCIPAL_ANYONE, .name = value->text };
        to->principals = anyone;
        to->principal_count = 1;
        return NULL;
    }
    if (value->kind != SPANS_OBJECT)
        return refuse(reader, value, "a principal is \"*\" or an object such as {\"AWS\": ...}");
    size_t room = 0;
    for (const struct spans *type = value->first; type; type = type->next)
        room += type->kind == SPANS_ARRAY ? type->count : 1;
    struct principal *principals = ARENA_ARRAY(reader->arena, struct principal, room);
    if (room && !principals)
        return &fault_no_memory;
    size_t count = 0;
    for (const struct spans *member = value->first; member; member = member->next) {
        const struct principal_type *type = principal_type(member->name);
        const struct spans name = name_of(member);
        if (!type)
            return refuse(reader, &name, "\"" STR_FMT "\" is no type of principal",
                          STR_ARG(quoted(member->name)));
        struct terms terms;
        TRY(read_terms(reader, member, STRINGS_ONLY, &terms));
        for (size_t i = 0; i < terms.count; i++) {
            const bool anyone = type->kind == PRINCIPAL_AWS && str_eq(terms.values[i], STR("*"));
            principals[count++] = (struct principal) {
                .kind = anyone ? PRINCIPAL_ANYONE : type->kind,
                .name = terms.values[i],
            };
        }
    }
    if (count == 0)
        return refuse(reader, value, "the principal names nobody");
    to->principals = principals;
    to->principal_count = count;
    return NULL;
}

static const struct fault *read_principal_pair(const struct reader *reader,
                                               const struct spans *statement, struct statement *to)
{
    const struct spans *plain = spans_get(statement, STR("Principal"));
    const struct spans *negated = spans_get(statement, STR("NotPrincipal"));
    if (plain && negated)
        return refuse(reader, negated, "Principal and NotPrincipal exclude each other");
    if (!plain && !negated)
        return NULL;
    to->principals_negated = negated != NULL;
    return read_principals(reader, plain ? plain : negated, to);
}

static const struct fault *refuse_operator(const struct reader *reader,
                                           const struct spans *operator)
{
    const struct spans name = name_of(operator);
    return refuse(reader, &name, "\"" STR_FMT "\" is no condition operator",
                  STR_ARG(quoted(operator->name)));
}

static const struct fault *read_condition(const struct reader *reader, const struct spans *operator,
                                          const struct spans * key, struct condition *ret_condition)
{
    bool if_exists, for_any, for_all;
    struct condition condition = {
        .operator= operator_find(operator->name, &if_exists, &for_any, &for_all),
        .operator_text = operator->name,
        .key = key->name,
        .span = { key->name_from, key->to },
    };
    if (!condition.operator)
        return refuse_operator(reader, operator);
    condition.if_exists = if_exists;
    condition.quantifier = for_any ? FOR_ANY_VALUE : for_all ? FOR_ALL_VALUES : EVERY_ABSENT;
    if (key->name.len == 0)
        return refuse(reader, key, "a condition key has no name");
    TRY(read_terms(reader, key, SCALARS, &condition.wanted));
    *ret_condition = condition;
    return NULL;
}

static const struct fault *read_conditions(const struct reader *reader, const struct spans *value,
                                           struct statement *to)
{
    if (value->kind != SPANS_OBJECT)
        return refuse(reader, value, "a condition is an object, found %s",
                      spans_kind_name(value->kind));
    size_t room = 0;
    for (const struct spans *operator= value->first; operator; operator= operator->next) {
        if (operator->kind != SPANS_OBJECT)
            return refuse(reader, operator,
                          "a condition operator takes an object of keys, found %s",
                          spans_kind_name(operator->kind));
        bool if_exists, for_any, for_all;
        if (operator->count && !operator_find(operator->name, &if_exists, &for_any, &for_all))
            return refuse_operator(reader, operator);
        room += operator->count;
    }
    if (room > TRACE_CONDITIONS)
        return fault(reader->arena, FAULT_LIMIT, NULL, "a statement has more than %d conditions",
                     TRACE_CONDITIONS);
    struct condition *conditions = ARENA_ARRAY(reader->arena, struct condition, room);
    if (room && !conditions)
        return &fault_no_memory;
    size_t count = 0;
    for (const struct spans *operator= value->first; operator; operator= operator->next) {
        for (const struct spans *key = operator->first; key; key = key->next)
            TRY(read_condition(reader, operator, key, &conditions[count++]));
    }
    to->conditions = conditions;
    to->condition_count = count;
    return NULL;
}

static const struct fault *refuse_strangers(const struct reader *reader, const struct spans *object,
                                            const char *what, const str *members, size_t count)
{
    for (const struct spans *member = object->first; member; member = member->next) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = str_eq(member->name, members[i]);
        const struct spans name = name_of(member);
        if (!known)
            return refuse(reader, &name, "\"" STR_FMT "\" is no element of a %s",
                          STR_ARG(quoted(member->name)), what);
    }
    return NULL;
}

static const struct fault *read_statement(const struct reader *reader, const struct spans *from,
                                          struct statement *to)
{
    static const str members[] = {
        STR_INIT("Sid"),       STR_INIT("Effect"),       STR_INIT("Action"),
        STR_INIT("NotAction"), STR_INIT("Resource"),     STR_INIT("NotResource"),
        STR_INIT("Principal"), STR_INIT("NotPrincipal"), STR_INIT("Condition"),
    };
    if (from->kind != SPANS_OBJECT)
        return refuse(reader, from, "a statement is an object, found %s",
                      spans_kind_name(from->kind));
    TRY(refuse_strangers(reader, from, "statement", members, sizeof(members) / sizeof(*members)));
    to->span = span_of(from);
    const struct spans *sid = spans_get(from, STR("Sid"));
    if (sid && sid->kind != SPANS_STRING)
        return refuse(reader, sid, "Sid is a string, found %s", spans_kind_name(sid->kind));
    to->sid = sid ? sid->text : STR_NONE;
    const struct spans *effect = spans_get(from, STR("Effect"));
    if (!effect)
        return refuse(reader, from, "the statement has no Effect");
    const bool allow = str_eq(effect->text, STR("Allow")), deny = str_eq(effect->text, STR("Deny"));
    if (effect->kind != SPANS_STRING || (!allow && !deny))
        return refuse(reader, effect, "Effect is \"Allow\" or \"Deny\"");
    to->effect = allow ? EFFECT_ALLOW : EFFECT_DENY;
    TRY(read_principal_pair(reader, from, to));
    TRY(read_pair(reader, from, STR("Action"), STR("NotAction"), true, &to->actions));
    TRY(read_pair(reader, from, STR("Resource"), STR("NotResource"), false, &to->resources));
    const struct spans *condition = spans_get(from, STR("Condition"));
    return condition ? read_conditions(reader, condition, to) : NULL;
}

static const struct fault *read_document(const struct reader *reader, const struct spans *root,
                                         struct document *to)
{
    static const str members[] = { STR_INIT("Version"), STR_INIT("Id"), STR_INIT("Statement") };
    if (root->kind != SPANS_OBJECT)
        return refuse(reader, root, "a policy is an object, found %s", spans_kind_name(root->kind));
    TRY(refuse_strangers(reader, root, "policy", members, sizeof(members) / sizeof(*members)));
    const struct spans *version = spans_get(root, STR("Version"));
    to->version = version ? version->text : STR("2008-10-17");
    if (version && (version->kind != SPANS_STRING || (!str_eq(to->version, STR("2012-10-17")) &&
                                                      !str_eq(to->version, STR("2008-10-17")))))
        return refuse(reader, version, "Version is \"2012-10-17\" or \"2008-10-17\"");
    const struct spans *id = spans_get(root, STR("Id"));
    if (id && id->kind != SPANS_STRING)
        return refuse(reader, id, "Id is a string, found %s", spans_kind_name(id->kind));
    const struct spans *statement = spans_get(root, STR("Statement"));
    if (!statement)
        return refuse(reader, root, "the policy has no Statement");
    const bool list = statement->kind == SPANS_ARRAY;
    const size_t count = list ? statement->count : 1;
    if (count > STATEMENTS_MAX)
        return fault(reader->arena, FAULT_LIMIT, NULL, "a policy has more than %d statements",
                     STATEMENTS_MAX);
    struct statement *statements = ARENA_ARRAY(reader->arena, struct statement, count);
    if (count && !statements)
        return &fault_no_memory;
    size_t i = 0; /* an empty list is a policy that says nothing */
    for (const struct spans *one = list ? statement->first : statement; one;
         one = list ? one->next : NULL)
        TRY(read_statement(reader, one, &statements[i++]));
    to->statements = statements;
    to->statement_count = count;
    return NULL;
}

static const struct fault *parse(str json, struct arena *arena, bool placed,
                                 struct document *ret_document, struct span *ret_bad_at)
{
    struct document document = { .source = arena_str(arena, json) };
    if (str_is_none(document.source)) {
        *ret_bad_at = (struct span) { 0, 0 };
        return str_is_none(json) ? fault(arena, FAULT_SYNTAX, NULL, "there is no policy text")
                                 : &fault_no_memory;
    }
    const struct reader reader = { document.source, arena, ret_bad_at, placed };
    const struct spans *root;
    uint32_t bad_at;
    const struct fault *why =
        spans_parse_at(document.source, SPANS_STRICT, arena, &root, &bad_at);
    if (why) {
        if (why->kind == FAULT_SYNTAX)
            *ret_bad_at = (struct span) { bad_at, bad_at };
        return why;
    }
    TRY(read_document(&reader, root, &document));
    const bool variables = str_eq(document.version, STR("2012-10-17"));
    if (!policy_compile(document.statements, document.statement_count, variables, arena,
                        &document.compiled))
        return &fault_no_memory;
    *ret_document = document;
    return NULL;
}

const struct fault *policy_parse(str json, struct arena *arena, struct document *ret_document)
{
    struct span bad_at;
    return parse(json, arena, true, ret_document, &bad_at);
}

const struct fault *policy_parse_at(str json, struct arena *arena, struct document *ret_document,
                                    struct span *ret_bad_at)
{
    return parse(json, arena, false, ret_document, ret_bad_at);
}

void statement_place(const struct document *document, const struct statement *statement,
                     struct spans_place *ret_start, struct spans_place *ret_end)
{
    *ret_start = spans_place(document->source, statement->span.from + 1);
    *ret_end = spans_place(document->source, statement->span.to);
}

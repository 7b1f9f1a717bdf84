/* Reading a question. */
#include "policy/question.h"

#include <stdarg.h>
#include <stdio.h>

struct reader {
    str text;
    struct arena *arena;
};

__attribute__((format(printf, 3, 4))) static const struct fault *
refuse(const struct reader *reader, const struct spans *at, const char *fmt, ...)
{
    char says[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(says, sizeof(says), fmt, args);
    va_end(args);
    const struct spans_place place = spans_place(reader->text, at->from);
    return fault(reader->arena, FAULT_SYNTAX, NULL, "line %u, column %u: %s", (unsigned)place.line,
                 (unsigned)place.column, says);
}

static str quoted(str text)
{
    return str_head(text, 100);
}

/* ---- the request ---- */

static const struct fault *text_of(const struct reader *reader, const struct spans *object,
                                   const char *name, str *ret_text)
{
    const struct spans *member = spans_get(object, str_of(name));
    if (!member)
        return refuse(reader, object, "the request has no %s", name);
    if (member->kind != SPANS_STRING || !member->text.len)
        return refuse(reader, member, "%s is a string that is not empty", name);
    *ret_text = member->text;
    return NULL;
}

static const struct fault *read_principal(const struct reader *reader, const struct spans *request,
                                          struct caller *ret_caller)
{
    str text;
    struct arn arn;
    TRY(text_of(reader, request, "principal", &text));
    const struct spans *at = spans_get(request, STR("principal"));
    const bool named = arn_parse(text, &arn);
    if (named && str_eq(arn.service, STR("iam")) && str_starts(arn.resource, STR("role/")))
        return refuse(reader, at,
                      "a role asks through a session: name it as "
                      "arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION");
    if (caller_named(text, reader->arena, ret_caller))
        return NULL;
    if (!named)
        return refuse(reader, at,
                      "principal is an ARN, the name of a service, or * for nobody in particular, "
                      "not \"" STR_FMT "\"",
                      STR_ARG(quoted(text)));
    if (!account_id_ok(arn.account))
        return refuse(reader, at, "\"" STR_FMT "\" has no account of twelve digits",
                      STR_ARG(quoted(text)));
    return refuse(reader, at,
                  "\"" STR_FMT "\" is no user, session or account's root, so it asks for nothing",
                  STR_ARG(quoted(text)));
}

static bool is_scalar(const struct spans *value)
{
    return value->kind == SPANS_STRING || value->kind == SPANS_NUMBER || value->kind == SPANS_BOOL;
}

static const struct fault *read_key(const struct reader *reader, const struct spans *key,
                                    struct context_key *ret_key)
{
    const bool list = key->kind == SPANS_ARRAY;
    str *values = ARENA_ARRAY(reader->arena, str, list ? key->count + 1 : 1);
    if (!values)
        return &fault_no_memory;
    size_t count = 0;
    for (const struct spans *v = list ? key->first : key; v; v = list ? v->next : NULL) {
        if (!is_scalar(v))
            return refuse(reader, v, "a context key holds a string or a list of strings, found %s",
                          spans_kind_name(v->kind));
        values[count++] = v->text;
    }
    *ret_key = (struct context_key) {
        .name = key->name, .values = values, .count = count, .multivalued = list
    };
    return NULL;
}

static const struct fault *read_context(const struct reader *reader, const struct spans *context,
                                        struct request *request)
{
    if (!context)
        return NULL;
    if (context->kind != SPANS_OBJECT)
        return refuse(reader, context, "context is an object of condition keys, found %s",
                      spans_kind_name(context->kind));
    struct context_key *keys = ARENA_ARRAY(reader->arena, struct context_key, context->count + 1);
    if (!keys)
        return &fault_no_memory;
    size_t count = 0;
    for (const struct spans *key = context->first; key; key = key->next)
        TRY(read_key(reader, key, &keys[count++]));
    request->context = keys;
    request->context_count = count;
    return NULL;
}

/* An S3 ARN names no account; any other resource is its ARN's account's, unless it is said. */
static const struct fault *read_owner(const struct reader *reader, const struct spans *from,
                                      struct request *request)
{
    const struct spans *owner = spans_get(from, STR("resource_account"));
    if (owner) {
        if (owner->kind != SPANS_STRING || !account_id_ok(owner->text))
            return refuse(reader, owner, "resource_account is a string of twelve digits");
        request->resource_account = owner->text;
        return NULL;
    }
    if (!account_id_ok(request->resource.account))
        return refuse(reader, from,
                      "the request has no resource_account, and its resource does not say whose it "
                      "is");
    request->resource_account = request->resource.account;
    return NULL;
}

static bool has_wildcard(str text)
{
    return str_has(text, '*') || str_has(text, '?');
}

/* One thing: a key may hold a star, the fields before it may not. "*": an action that has none. */
static const struct fault *read_resource(const struct reader *reader, const struct spans *from,
                                         struct request *request)
{
    str text;
    TRY(text_of(reader, from, "resource", &text));
    struct arn *arn = &request->resource;
    const struct spans *at = spans_get(from, STR("resource"));
    if (str_eq(text, STR("*"))) {
        *arn = (struct arn) { .text = text };
        return NULL;
    }
    if (!arn_parse(text, arn))
        return refuse(reader, at, "resource is an ARN, or * for an action that has none");
    if (has_wildcard(str_head(text, text.len - arn->resource.len)))
        return refuse(reader, at, "resource is one thing, not a pattern");
    return NULL;
}

static const struct fault *read_action(const struct reader *reader, const struct spans *from,
                                       struct request *request)
{
    str service, name;
    TRY(text_of(reader, from, "action", &request->action));
    if (!str_cut(request->action, ':', &service, &name) || !service.len || !name.len ||
        has_wildcard(request->action))
        return refuse(reader, spans_get(from, STR("action")),
                      "action is a service and one action, as in s3:PutObject");
    return NULL;
}

static const struct fault *read_request(const struct reader *reader, const struct spans *from,
                                        struct question *to)
{
    static const char *const members[] = { "principal", "action", "resource", "resource_account",
                                           "context" };
    if (from->kind != SPANS_OBJECT)
        return refuse(reader, from, "a request is an object, found %s",
                      spans_kind_name(from->kind));
    for (const struct spans *member = from->first; member; member = member->next) {
        bool known = false;
        for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
            known |= str_eq(member->name, str_of(members[i]));
        if (!known)
            return refuse(reader, member, "a request has no \"" STR_FMT "\"",
                          STR_ARG(quoted(member->name)));
    }
    TRY(read_principal(reader, from, &to->caller));
    to->request = (struct request) { .caller = &to->caller };
    TRY(read_action(reader, from, &to->request));
    TRY(read_resource(reader, from, &to->request));
    TRY(read_owner(reader, from, &to->request));
    return read_context(reader, spans_get(from, STR("context")), &to->request);
}

/* ---- the policies ---- */

static const struct place {
    const char *name;
    enum exhibit_kind kind;
    enum { ONE, LIST, LEVELS } shape;
    const char *title;
} places[] = {
    { "identity", EXHIBIT_IDENTITY, LIST, "identity policy" },
    { "resource", EXHIBIT_RESOURCE, ONE, NULL },
    { "trust", EXHIBIT_TRUST, ONE, NULL },
    { "boundary", EXHIBIT_BOUNDARY, LIST, "permissions boundary" },
    { "session", EXHIBIT_SESSION, LIST, "session policy" },
    { "endpoint", EXHIBIT_ENDPOINT, LIST, "VPC endpoint policy" },
    { "scp", EXHIBIT_SCP, LEVELS, "service control policy" },
    { "rcp", EXHIBIT_RCP, LEVELS, "resource control policy" },
};

/* The place of what is wrong in a document is its place in the whole text: read again, with blanks
 * for what stands before it. Only what is wrong is read twice. */
static const struct fault *place_in_text(const struct reader *reader, const struct spans *value,
                                         const struct fault *why)
{
    char *text = arena_alloc(reader->arena, value->to + 1, 1);
    if (!text)
        return &fault_no_memory;
    size_t len = 0;
    for (size_t i = 0; i < value->to; i++) {
        const unsigned char c = (unsigned char)reader->text.ptr[i];
        if (i >= value->from || c == '\n')
            text[len++] = (char)c;
        else if (c < 0x80 || c >= 0xC0) /* a character is one column, however long */
            text[len++] = ' ';
    }
    struct document document;
    const struct fault *placed = policy_parse((str) { text, len }, reader->arena, &document);
    return placed ? placed : why;
}

/* *ret_document NULL: a ceiling that is there and silent. */
static const struct fault *add_exhibit(const struct reader *reader, struct question *to,
                                       struct exhibit exhibit, const struct spans *value)
{
    if (value) {
        const str json = { reader->text.ptr + value->from, value->to - value->from };
        struct document *document = ARENA_NEW(reader->arena, struct document);
        const struct fault *why =
            document ? policy_parse(json, reader->arena, document) : &fault_no_memory;
        if (why)
            return why->kind == FAULT_SYNTAX ? place_in_text(reader, value, why) : why;
        exhibit.document = document;
    }
    to->exhibits[to->exhibit_count++] = exhibit;
    return NULL;
}

static const struct fault *add_list(const struct reader *reader, struct question *to,
                                    const struct place *place, unsigned level,
                                    const struct spans *list)
{
    if (list->kind != SPANS_ARRAY)
        return refuse(reader, list, "%s is a list of %s, found %s", place->name,
                      place->shape == LEVELS ? "levels, each a list of documents" : "documents",
                      spans_kind_name(list->kind));
    struct exhibit exhibit = { .kind = place->kind, .level = level };
    if (!list->first && place->kind != EXHIBIT_IDENTITY && place->kind != EXHIBIT_RCP)
        return add_exhibit(reader, to, exhibit, NULL);
    size_t index = 0;
    for (const struct spans *one = list->first; one; one = one->next, index++) {
        if (place->shape == LEVELS)
            exhibit.name = arena_strf(reader->arena, "%s %s[%u][%zu]", place->title, place->name,
                                      level, index);
        else if (list->count > 1)
            exhibit.name =
                arena_strf(reader->arena, "%s %s[%zu]", place->title, place->name, index);
        TRY(add_exhibit(reader, to, exhibit, one));
    }
    return NULL;
}

static const struct place *place_named(str name)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (str_eq(name, str_of(places[i].name)))
            return &places[i];
    }
    return NULL;
}

static size_t exhibits_at_most(const struct spans *policies)
{
    size_t count = 0;
    for (const struct spans *member = policies->first; member; member = member->next) {
        count += 1 + member->count;
        for (const struct spans *level = member->first; level; level = level->next)
            count += level->kind == SPANS_ARRAY ? level->count : 0;
    }
    return count;
}

static const struct fault *read_policies(const struct reader *reader, const struct spans *from,
                                         struct question *to)
{
    if (from->kind != SPANS_OBJECT)
        return refuse(reader, from, "policies are an object, found %s",
                      spans_kind_name(from->kind));
    if (spans_get(from, STR("Statement")))
        return refuse(reader, from,
                      "this is a policy; wanted an object that says which policy it is, as in "
                      "{\"resource\": {...}} or {\"identity\": [{...}]}");
    to->exhibits = ARENA_ARRAY(reader->arena, struct exhibit, exhibits_at_most(from) + 1);
    if (!to->exhibits)
        return &fault_no_memory;
    for (const struct spans *member = from->first; member; member = member->next) {
        if (!place_named(member->name))
            return refuse(reader, member, "there is no kind of policy called \"" STR_FMT "\"",
                          STR_ARG(quoted(member->name)));
    }
    /* In the order of the table, whatever that of the file: a decision does not depend on it. */
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        const struct place *place = &places[i];
        const struct spans *value = spans_get(from, str_of(place->name));
        if (!value)
            continue;
        if (place->shape == ONE)
            TRY(add_exhibit(reader, to, (struct exhibit) { .kind = place->kind }, value));
        if (place->shape == LIST)
            TRY(add_list(reader, to, place, 0, value));
        if (place->shape != LEVELS)
            continue;
        if (value->kind != SPANS_ARRAY)
            return refuse(reader, value, "%s is a list of levels, found %s", place->name,
                          spans_kind_name(value->kind));
        unsigned level = 0;
        for (const struct spans *one = value->first; one; one = one->next)
            TRY(add_list(reader, to, place, level++, one));
    }
    return NULL;
}

const struct fault *question_read(struct written request, struct written policies,
                                  struct arena *arena, struct question **ret_question)
{
    struct question *question = ARENA_NEW(arena, struct question);
    if (!question)
        return &fault_no_memory;
    const struct reader asks = { .text = request.text, .arena = arena };
    TRY(read_request(&asks, request.object, question));
    const struct reader governs = { .text = policies.text, .arena = arena };
    if (policies.object)
        TRY(read_policies(&governs, policies.object, question));
    *ret_question = question;
    return NULL;
}

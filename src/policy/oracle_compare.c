#include "policy/oracle_compare.h"

#include "policy/match.h"

enum { EXHIBITS = 64, CODES = ORACLE_STATEMENTS };

struct gathered {
    struct exhibit exhibits[EXHIBITS];
    size_t count;
    enum exhibit_kind kind;
    struct arena *arena;
    str complaint;
};

static str text(const json_t *value)
{
    return value ? (str) { json_string_value(value), json_string_length(value) } : STR_NONE;
}

static struct caller caller_of(str principal, struct arena *arena)
{
    struct arn arn;
    if (str_eq(principal, STR("*")))
        return (struct caller) { .kind = CALLER_ANONYMOUS };
    if (!arn_parse(principal, &arn))
        return (struct caller) { .kind = CALLER_SERVICE, .service.principal = principal };
    struct caller caller = { .kind = CALLER_USER, .account = arn.account, .user.arn = arn };
    if (str_eq(arn.resource, STR("root")))
        return (struct caller) { .kind = CALLER_ROOT, .account = arn.account };
    if (str_starts(arn.resource, STR("federated-user/"))) {
        caller.kind = CALLER_FEDERATED;
        caller.federated.session = arn;
    } else if (str_starts(arn.resource, STR("assumed-role/"))) {
        str kind, rest, role, session;
        str_cut(arn.resource, '/', &kind, &rest);
        str_cut(rest, '/', &role, &session);
        caller.kind = CALLER_ASSUMED_ROLE;
        caller.assumed_role.session = arn;
        arn_parse(arena_strf(arena, "arn:" STR_FMT ":iam::" STR_FMT ":role/" STR_FMT,
                             STR_ARG(arn.partition), STR_ARG(arn.account), STR_ARG(role)),
                  &caller.assumed_role.role);
    }
    return caller;
}

static struct context_key *context_of(const json_t *context, struct arena *arena)
{
    struct context_key *keys = ARENA_ARRAY(arena, struct context_key, json_object_size(context));
    size_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)context, name, value)
    {
        const bool list = json_is_array(value);
        const size_t size = list ? json_array_size(value) : 1;
        str *values = ARENA_ARRAY(arena, str, size);
        for (size_t i = 0; i < size; i++)
            values[i] = text(list ? json_array_get(value, i) : value);
        keys[count++] = (struct context_key) {
            .name = str_of(name), .values = values, .count = size, .multivalued = list
        };
    }
    return keys;
}

static void gather(void *context, const json_t *document, unsigned level)
{
    struct gathered *gathered = context;
    if (!str_is_none(gathered->complaint) || gathered->count == EXHIBITS)
        return;
    struct exhibit exhibit = { .kind = gathered->kind, .level = level };
    if (document) {
        char *json = json_dumps(document, JSON_COMPACT);
        struct document *parsed = ARENA_NEW(gathered->arena, struct document);
        const struct fault *fault =
            policy_parse(arena_str(gathered->arena, str_of(json)), gathered->arena, parsed);
        free(json);
        if (fault) {
            gathered->complaint = arena_strf(gathered->arena, "policy not read: " STR_FMT,
                                             STR_ARG(fault_sentence(fault, gathered->arena)));
            return;
        }
        exhibit.document = parsed;
    } else if (gathered->kind == EXHIBIT_IDENTITY || gathered->kind == EXHIBIT_RCP) {
        return;
    }
    gathered->exhibits[gathered->count++] = exhibit;
}

static const char *word_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_ALLOW:
        return "Allow";
    case VERDICT_EXPLICIT_DENY:
        return "ExplicitDeny";
    case VERDICT_IMPLICIT_DENY:
        return "ImplicitDeny";
    }
    return "?";
}

str oracle_compare(const json_t *step, struct arena *arena, const char **ret_verdict)
{
    static const enum exhibit_kind kinds[ORACLE_KINDS] = {
        EXHIBIT_IDENTITY, EXHIBIT_RESOURCE, EXHIBIT_TRUST, EXHIBIT_BOUNDARY,
        EXHIBIT_SESSION,  EXHIBIT_ENDPOINT, EXHIBIT_SCP,   EXHIBIT_RCP,
    };
    const json_t *asked = json_object_get(step, "request");
    const json_t *context = json_object_get(asked, "context");
    const struct caller caller = caller_of(text(json_object_get(asked, "principal")), arena);
    struct request request = {
        .caller = &caller,
        .action = text(json_object_get(asked, "action")),
        .resource_account = text(json_object_get(asked, "resource_account")),
        .context = context_of(context, arena),
        .context_count = json_object_size(context),
    };
    const str resource = text(json_object_get(asked, "resource"));
    if (!arn_parse(resource, &request.resource))
        request.resource = (struct arn) { .text = resource };
    struct oracle_answer *oracle = ARENA_NEW(arena, struct oracle_answer);
    oracle_answer(step, arena, oracle);
    *ret_verdict = oracle->verdict;
    struct gathered gathered = { .arena = arena };
    for (int k = 0; k < ORACLE_KINDS; k++) {
        gathered.kind = kinds[k];
        oracle_documents(json_object_get(step, "policies"), oracle_kinds[k], gather, &gathered);
    }
    if (!str_is_none(gathered.complaint))
        return gathered.complaint;

    uint32_t codes[CODES];
    struct trace trace = { .codes = codes, .room = CODES };
    const enum verdict plain = policy_decide(&request, gathered.exhibits, gathered.count, NULL);
    const enum verdict traced = policy_decide(&request, gathered.exhibits, gathered.count, &trace);
    if (plain != traced || strcmp(word_of(plain), oracle->verdict) != 0)
        return arena_strf(arena, "the engine says %s, traced %s, the oracle %s", word_of(plain),
                          word_of(traced), oracle->verdict);
    if (trace.used != oracle->count)
        return arena_strf(arena, "the engine has %zu statements, the oracle %zu", trace.used,
                          oracle->count);
    for (size_t i = 0; i < oracle->count; i++) {
        if (trace_applies(codes[i]) != oracle->statements[i].applies ||
            trace_denies(codes[i]) != oracle->statements[i].denies)
            return arena_strf(arena,
                              "statement %zu: the engine says %s (element %d), the oracle %s", i,
                              trace_applies(codes[i]) ? "it applies" : "it does not apply",
                              trace_element(codes[i]),
                              oracle->statements[i].applies ? "it applies" : "it does not");
    }
    const struct decision decision =
        policy_explain(&request, gathered.exhibits, gathered.count, &trace, arena);
    if (decision.verdict != plain || (plain == VERDICT_IMPLICIT_DENY && decision.lack_count == 0))
        return arena_strf(arena, "decided as %s, explained as %s with %zu lacks", word_of(plain),
                          word_of(decision.verdict), decision.lack_count);
    return STR_NONE;
}

/* ---- beside a vector ---- */

struct walk {
    const json_t *matched;
    const struct oracle_answer *answer;
    const char *kind;
    size_t at, document, found;
    struct arena *arena;
    str complaint;
};

static bool listed(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
            return true;
    }
    return false;
}

static void check_document(void *context, const json_t *document, unsigned level)
{
    (void)level;
    struct walk *walk = context;
    const json_t *statements = json_object_get(document, "Statement");
    const size_t count = json_is_array(statements) ? json_array_size(statements) : statements != 0;
    const bool identity = strcmp(walk->kind, "identity") == 0;
    for (size_t s = 0; s < count; s++) {
        const struct oracle_statement *heard = &walk->answer->statements[walk->at++];
        const char *name = identity
                               ? arena_strf(walk->arena, "identity[%zu].%zu", walk->document, s).ptr
                               : arena_strf(walk->arena, "%s.%zu", walk->kind, s).ptr;
        const bool counts =
            identity || strcmp(walk->kind, "resource") == 0 || strcmp(walk->kind, "trust") == 0;
        if (!counts || !heard->applies)
            continue;
        walk->found++;
        if (!listed(json_object_get(walk->matched, heard->denies ? "deny" : "allow"), name))
            walk->complaint = arena_strf(walk->arena, "%s applies, which is not listed", name);
    }
    walk->document++;
}

str oracle_expected(const json_t *step, struct arena *arena)
{
    struct oracle_answer *answer = ARENA_NEW(arena, struct oracle_answer);
    oracle_answer(step, arena, answer);
    const char *expect = json_string_value(json_object_get(step, "expect"));
    if (strcmp(expect, answer->verdict) != 0)
        return arena_strf(arena, "%s, wanted %s", answer->verdict, expect);
    struct walk walk = { .matched = json_object_get(step, "matched"),
                         .answer = answer,
                         .arena = arena };
    if (!walk.matched)
        return STR_NONE;
    for (int k = 0; k < ORACLE_KINDS; k++) {
        walk.kind = oracle_kinds[k];
        walk.document = 0;
        oracle_documents(json_object_get(step, "policies"), walk.kind, check_document, &walk);
    }
    const size_t wanted = json_array_size(json_object_get(walk.matched, "allow")) +
                          json_array_size(json_object_get(walk.matched, "deny"));
    if (str_is_none(walk.complaint) && walk.found != wanted)
        return arena_strf(arena, "%zu statements apply, wanted %zu", walk.found, wanted);
    return walk.complaint;
}

/* A denial as a fault, and as the JSON object of the timeline. */
#include "policy/denial.h"

#include "base/json.h"
#include "policy/hints.h"
#include "policy/match.h"

const struct denial *denial_of(const struct fault *fault)
{
    for (; fault; fault = fault->because) {
        if (fault->denial)
            return fault->denial;
    }
    return NULL;
}

const struct fault *denial_fault(const struct request *request, const struct decision *decision,
                                 struct arena *arena)
{
    struct denial *denial = ARENA_NEW(arena, struct denial);
    struct fault *fault = ARENA_NEW(arena, struct fault);
    struct caller *caller = ARENA_NEW(arena, struct caller);
    if (!denial || !fault || !caller)
        return &fault_no_memory;
    *denial = (struct denial) { .request = *request, .decision = *decision };
    *caller = *request->caller; /* who asked may have it on a stack, and is told of when that is gone */
    denial->request.caller = caller;
    *fault = (struct fault) {
        .kind = FAULT_DENIED,
        .says = denial_sentence(denial, arena),
        .code = "AccessDenied",
        .denial = denial,
    };
    return str_is_none(fault->says) ? &fault_no_memory : fault;
}

const struct lack *denial_nearest(const struct denial *denial)
{
    return denial->decision.verdict == VERDICT_IMPLICIT_DENY && denial->decision.lack_count
               ? &denial->decision.lacks[0]
               : NULL;
}

str denial_text(struct buf *out, struct arena *arena)
{
    return out->failed ? STR_NONE : arena_str(arena, buf_str(out));
}

bool principals_are_accounts(const struct statement *statement)
{
    for (size_t i = 0; i < statement->principal_count; i++) {
        if (str_is_none(principal_account(statement->principals[i].name)))
            return false;
    }
    return statement->principal_count > 0;
}

str principal_account(str principal)
{
    struct arn arn;
    if (account_id_ok(principal))
        return principal;
    return arn_parse(principal, &arn) && str_eq(arn.service, STR("iam")) &&
                   str_eq(arn.resource, STR("root"))
               ? arn.account
               : STR_NONE;
}

str policy_place(enum exhibit_kind kind, const struct exhibit *exhibit, size_t index,
                 struct arena *arena)
{
    static const char *const names[] = {
        [EXHIBIT_IDENTITY] = "identity", [EXHIBIT_RESOURCE] = "resource",
        [EXHIBIT_TRUST] = "trust",       [EXHIBIT_SESSION] = "session",
        [EXHIBIT_BOUNDARY] = "boundary", [EXHIBIT_ENDPOINT] = "endpoint",
        [EXHIBIT_SCP] = "scp",           [EXHIBIT_RCP] = "rcp",
    };
    if (!exhibit || kind == EXHIBIT_RESOURCE || kind == EXHIBIT_TRUST)
        return str_of(names[kind]);
    if (kind == EXHIBIT_SCP || kind == EXHIBIT_RCP)
        return arena_strf(arena, "%s[%u][%zu]", names[kind], exhibit->level, index);
    return arena_strf(arena, "%s[%zu]", names[kind], index);
}

str policy_attached_to(enum exhibit_kind kind, const struct request *request)
{
    const struct caller *caller = request->caller;
    const struct arn *resource = &request->resource;
    str before, key;
    switch (kind) {
    case EXHIBIT_IDENTITY:
    case EXHIBIT_BOUNDARY:
        if (caller->kind == CALLER_ASSUMED_ROLE)
            return caller->assumed_role.role.text;
        return caller->kind == CALLER_USER ? caller->user.arn.text : STR_NONE;
    case EXHIBIT_RESOURCE:
        if (str_eq(resource->service, STR("s3"))) { /* an object's policy is its bucket's */
            if (resource->account.len)
                return STR_NONE; /* an access point: it has a policy, and its bucket another */
            str_cut(resource->text, '/', &before, &key);
            return before;
        }
        return str_is_none(resource->service) ? STR_NONE : resource->text;
    case EXHIBIT_TRUST:
        return resource->text;
    case EXHIBIT_SESSION:
    case EXHIBIT_ENDPOINT:
    case EXHIBIT_SCP:
    case EXHIBIT_RCP:
        break;
    }
    return STR_NONE;
}

/* The document's own words, without the blanks between them. */
static void put_source(struct json_writer *json, str source, struct span span, struct arena *arena)
{
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    bool quoted = false;
    for (uint32_t i = span.from; i < span.to && i < source.len; i++) {
        const char c = source.ptr[i];
        if (!quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            continue;
        buf_addc(&out, c);
        if (quoted && c == '\\' && i + 1 < span.to)
            buf_addc(&out, source.ptr[++i]);
        else if (c == '"')
            quoted = !quoted;
    }
    const str words = denial_text(&out, arena);
    json->out->failed |= str_is_none(words);
    json_put_raw(json, words);
}

static void put_values(struct json_writer *json, const str *values, size_t count)
{
    if (count == 1) {
        json_put_str(json, values[0]);
        return;
    }
    json_open(json, '[');
    for (size_t i = 0; i < count; i++)
        json_put_str(json, values[i]);
    json_close(json, ']');
}

static void put_principals(struct json_writer *json, const struct statement *statement)
{
    const bool accounts = principals_are_accounts(statement);
    if (statement->principal_count != 1)
        json_open(json, '[');
    for (size_t i = 0; i < statement->principal_count; i++) {
        const str name = statement->principals[i].name;
        json_put_str(json, accounts ? principal_account(name) : name);
    }
    if (statement->principal_count != 1)
        json_close(json, ']');
}

void denial_put_lack(struct json_writer *json, const struct request *request,
                     const struct lack *lack, struct arena *arena)
{
    const str principal = caller_name(request->caller, arena);
    const str source =
        lack->exhibit && lack->exhibit->document ? lack->exhibit->document->source : STR_NONE;
    const bool service = request->caller->kind == CALLER_SERVICE;
    switch (lack->kind) {
    case LACK_POLICY:
        if (service) { /* a policy with a statement is what is wanted, there or not */
            json_add_str(json, "element", STR("Statement"));
            json_add_str(json, "got",
                         arena_strf(arena, "no statement for " STR_FMT, STR_ARG(principal)));
            return;
        }
        json_add_str(json, "element", STR("Policy"));
        json_add_str(json, "got",
                     lack->where == EXHIBIT_IDENTITY ? STR("none attached") : STR("none"));
        return;
    case LACK_STATEMENT:
        json_add_str(json, "element", STR("Statement"));
        if (str_eq(request->resource.service, STR("kms")) && lack->where == EXHIBIT_RESOURCE &&
            !service)
            json_add_str(json, "got", STR("key policy gives the account nothing"));
        else
            json_add_str(
                json, "got",
                arena_strf(
                    arena, "no statement for " STR_FMT,
                    STR_ARG(exhibit_names_principals(lack->where) ? principal : request->action)));
        return;
    case LACK_ACTION:
        json_add_str(json, "element", STR("Action"));
        json_name(json, STR("wanted"));
        put_source(json, source, lack->statement->actions.span, arena);
        json_add_str(json, "got", request->action);
        return;
    case LACK_RESOURCE:
        json_add_str(json, "element", STR("Resource"));
        if (lack->statement->resources.count) {
            json_name(json, STR("wanted"));
            put_source(json, source, lack->statement->resources.span, arena);
        }
        json_add_str(json, "got", request->resource.text);
        return;
    case LACK_PRINCIPAL:
        json_add_str(json, "element", STR("Principal"));
        if (lack->statement->principal_count) {
            json_name(json, STR("wanted"));
            put_principals(json, lack->statement);
        }
        json_add_str(json, "got",
                     principals_are_accounts(lack->statement) &&
                             account_id_ok(request->caller->account) && !service
                         ? request->caller->account
                         : principal);
        return;
    case LACK_CONDITION:
        json_add_str(json, "element", STR("Condition"));
        json_add_str(json, "operator", lack->condition->operator_text);
        json_add_str(json, "key", lack->condition->key);
        json_name(json, STR("wanted"));
        put_source(json, source, lack->condition->wanted.span, arena);
        json_name(json, STR("got"));
        if (lack->got)
            put_values(json, lack->got, lack->got_count);
        else
            json_put_null(json);
        return;
    }
}

void denial_put_place(struct json_writer *json, enum exhibit_kind kind,
                      const struct exhibit *exhibit, size_t index,
                      const struct statement *statement, struct arena *arena)
{
    json_add_str(json, "policy", policy_place(kind, exhibit, index, arena));
    if (statement && !str_is_none(statement->sid))
        json_add_str(json, "sid", statement->sid);
}

void denial_put_blame(struct json_writer *json, const struct denial *denial, struct arena *arena)
{
    const struct decision *decision = &denial->decision;
    const struct lack *lack = denial_nearest(denial);
    if (lack) {
        denial_put_place(json, lack->where, lack->exhibit, lack->exhibit_index, lack->statement,
                         arena);
        denial_put_lack(json, &denial->request, lack, arena);
    } else if (decision->verdict == VERDICT_EXPLICIT_DENY && decision->exhibit) {
        denial_put_place(json, decision->exhibit->kind, decision->exhibit, decision->exhibit_index,
                         decision->statement, arena);
        json_add_str(json, "element", STR("Effect"));
    }
}

static void put_attached_to(struct json_writer *json, str arn)
{
    if (!str_is_none(arn))
        json_add_str(json, "attached_to", arn);
}

static void put_remedies(struct json_writer *json, const struct remedy *remedies, size_t count)
{
    json_add_raw(json, "remedy", remedies[0].statement);
    json_name(json, STR("remedies"));
    json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(json, '{');
        json_add_str(json, "policy", remedies[i].policy);
        put_attached_to(json, remedies[i].attached_to);
        json_add_str(json, "says", remedies[i].says);
        json_add_raw(json, "statement", remedies[i].statement);
        if (!str_is_none(remedies[i].document))
            json_add_raw(json, "document", remedies[i].document);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_denies(struct json_writer *json, const struct denial *denial, struct arena *arena)
{
    const struct decision *decision = &denial->decision;
    json_name(json, STR("denies"));
    json_open(json, '[');
    for (size_t i = 0; i < decision->denier_count; i++) {
        const struct denier *denier = &decision->deniers[i];
        const struct exhibit *exhibit = denier->exhibit;
        json_open(json, '{');
        denial_put_place(json, exhibit->kind, exhibit, denier->exhibit_index, denier->statement,
                         arena);
        json_add_int(json, "statement",
                     (int64_t)(denier->statement - exhibit->document->statements));
        put_attached_to(json, policy_attached_to(exhibit->kind, &denial->request));
        json_close(json, '}');
    }
    json_close(json, ']');
}

bool denial_put_ways_out(struct json_writer *json, const struct denial *denial, struct arena *arena)
{
    const struct remedy *remedies;
    size_t count;
    if (!denial_remedies(denial, arena, &remedies, &count))
        return false;
    if (count) {
        put_remedies(json, remedies, count);
        return true;
    }
    const str instead = denial_instead(denial, arena);
    json_add_str(json, "instead", instead);
    put_denies(json, denial, arena);
    return !str_is_none(instead);
}

str denial_json(const struct denial *denial, struct arena *arena)
{
    const struct request *request = &denial->request;
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    struct json_writer json = json_writer(&out);
    json_open(&json, '{');
    json_add_str(&json, "action", request->action);
    json_add_str(&json, "resource", request->resource.text);
    json_add_str(&json, "principal", caller_name(request->caller, arena));
    denial_put_blame(&json, denial, arena);
    const str sentence = denial_sentence(denial, arena);
    json_add_str(&json, "sentence", sentence);
    out.failed |= str_is_none(sentence) || !denial_put_ways_out(&json, denial, arena);
    json_name(&json, STR("hints"));
    out.failed |= !hints_put_decision(&json, request, &denial->decision, arena);
    json_close(&json, '}');
    return denial_text(&out, arena);
}

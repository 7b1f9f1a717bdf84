/* The table of hints, and who looks for them. */
#include "policy/hinting.h"

#include "base/glob.h"
#include "policy/denial.h"
#include "policy/match.h"
#include "policy/vetting.h"

#include <stdarg.h>
#include <stdio.h>

#define HINT_ROW(kind, id, severity) [HINT_##kind] = { STR_INIT(id), SEVERITY_##severity },
static const struct {
    str id;
    enum severity severity;
} rows[HINT_KINDS] = { HINTS(HINT_ROW) };
#undef HINT_ROW

static look_fn *const looks[] = {
    look_at_sources,        look_for_sources,    look_at_role_sources, look_at_wildcards,
    look_at_colons,         look_at_buckets,     look_at_variables,    look_at_placeholders,
    look_at_principal_keys, look_at_ses_context, look_at_denies,       look_at_names,
};

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_ERROR:
        return "error";
    case SEVERITY_WARNING:
        return "warning";
    case SEVERITY_NOTE:
        return "note";
    }
    return "?";
}

str hint_id(enum hint_kind kind)
{
    return rows[kind].id;
}

enum severity hint_severity(enum hint_kind kind)
{
    return rows[kind].severity;
}

struct spans_place hint_place(const struct hint *hint)
{
    return spans_place(hint->source, hint->span.from);
}

static bool known_already(const struct hints *hints, const struct hint *hint)
{
    for (size_t i = 0; i < hints->count; i++) {
        const struct hint *other = &hints->of[i];
        if (other->kind == hint->kind && other->source.ptr == hint->source.ptr &&
            other->span.from == hint->span.from && other->span.to == hint->span.to)
            return true;
    }
    return false;
}

bool hints_add(struct hints *hints, struct arena *arena, const struct hint *hint)
{
    if (hints->count == HINTS_MAX || known_already(hints, hint))
        return true;
    if (hints->count == hints->room) {
        const size_t room = hints->room ? 2 * hints->room : 8;
        struct hint *more = ARENA_ARRAY(arena, struct hint, room);
        if (!more)
            return false;
        if (hints->count)
            memcpy(more, hints->of, hints->count * sizeof(*more));
        hints->of = more;
        hints->room = room;
    }
    hints->of[hints->count++] = *hint;
    return true;
}

void hints_sort(struct hints *hints)
{
    for (size_t i = 1; i < hints->count; i++) {
        const struct hint one = hints->of[i];
        size_t at = i;
        for (; at > 0 && hints->of[at - 1].span.from > one.span.from; at--)
            hints->of[at] = hints->of[at - 1];
        hints->of[at] = one;
    }
}

void hint(struct reading *r, enum hint_kind kind, const struct statement *statement,
          struct span span, const char *fmt, ...)
{
    char says[768];
    va_list args;
    va_start(args, fmt);
    vsnprintf(says, sizeof(says), fmt, args);
    va_end(args);
    const struct hint found = {
        .kind = kind,
        .says = arena_str(r->arena, str_of(says)),
        .source = r->document->source,
        .span = span,
        .sid = statement ? statement->sid : STR_NONE,
        .policy = r->policy,
    };
    r->full |= str_is_none(found.says) || !hints_add(r->to, r->arena, &found);
}

struct span hint_item_span(const struct reading *r, struct span of_list, str item)
{
    const str list = { r->document->source.ptr + of_list.from, of_list.to - of_list.from };
    for (size_t at = 0; at + item.len + 1 < list.len; at++) {
        const size_t quote = at + str_find(str_from(list, at), '"');
        if (quote + item.len + 1 >= list.len)
            break;
        at = quote;
        if (list.ptr[quote + 1 + item.len] == '"' &&
            str_eq((str) { list.ptr + quote + 1, item.len }, item))
            return (struct span) { of_list.from + (uint32_t)quote,
                                   of_list.from + (uint32_t)(quote + item.len + 2) };
    }
    return of_list;
}

/* ---- what a statement is about ---- */

bool names_service(const struct statement *statement, str service)
{
    for (size_t i = 0; !statement->principals_negated && i < statement->principal_count; i++) {
        if (statement->principals[i].kind == PRINCIPAL_SERVICE &&
            str_eq(statement->principals[i].name, service))
            return true;
    }
    return false;
}

bool names_everyone(const struct statement *statement)
{
    for (size_t i = 0; !statement->principals_negated && i < statement->principal_count; i++) {
        if (statement->principals[i].kind == PRINCIPAL_ANYONE)
            return true;
    }
    return false;
}

bool names_only(const struct statement *statement, enum principal_kind kind)
{
    for (size_t i = 0; i < statement->principal_count; i++) {
        if (statement->principals[i].kind != kind)
            return false;
    }
    return statement->principal_count > 0 && !statement->principals_negated;
}

bool covers_action(const struct statement *statement, str action)
{
    bool listed = false;
    for (size_t i = 0; i < statement->actions.count && !listed; i++)
        listed = glob_match(statement->actions.values[i], action, GLOB_NOCASE);
    return listed != statement->actions.negated;
}

bool has_wildcard(str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (str_starts(str_from(value, i), STR("${")))
            i += str_find(str_from(value, i), '}'); /* without one: the rest is its name */
        else if (value.ptr[i] == '*' || value.ptr[i] == '?')
            return true;
    }
    return false;
}

bool has_patterns(const struct condition *condition)
{
    return condition->operator->compares == COMPARE_STRING_LIKE || condition->operator->compares ==
        COMPARE_ARN;
}

bool demands(const struct statement *statement, const struct condition *condition)
{
    return condition->operator->compares != COMPARE_NULL && condition->operator->negated ==(
        statement->effect == EFFECT_DENY);
}

static void look(struct reading *r, const struct statement *statement)
{
    for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
        looks[i](r, statement);
}

/* ---- a document alone ---- */

/* What SES asks for, by the kind of policy that would have to let it. */
static const str asked_of[POLICY_TYPES][2] = {
    [POLICY_BUCKET] = { STR_INIT("s3:PutObject") },
    [POLICY_TRUST] = { STR_INIT("sts:AssumeRole") },
    [POLICY_KEY] = { STR_INIT("kms:GenerateDataKey"), STR_INIT("kms:Decrypt") },
    [POLICY_TOPIC] = { STR_INIT("sns:Publish") },
    [POLICY_FUNCTION] = { STR_INIT("lambda:InvokeFunction") },
};

/* Marks each statement that applies, wherever its Resource points, to a request as SES makes it:
 * the decision itself is asked. */
static bool mark_caught(const struct reading *r, str action, bool *caught)
{
    static const str some_rule =
        STR_INIT("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/s:receipt-rule/r");
    struct arn rule;
    if (!arn_parse(str_is_none(r->rule_arn) ? some_rule : r->rule_arn, &rule))
        return true;
    struct caller caller = caller_ses(rule.account, rule);
    struct request request = { .caller = &caller,
                               .action = action,
                               .resource = { .text = r->home->target },
                               .resource_account = rule.account };
    if (request_context(&caller, 0, NULL, 0, r->arena, &request.context, &request.context_count))
        return false;
    const struct exhibit exhibit = {
        .kind = r->home->type == POLICY_TRUST ? EXHIBIT_TRUST : EXHIBIT_RESOURCE,
        .document = r->document,
    };
    const size_t count = r->document->statement_count;
    struct trace trace = { .codes = ARENA_ARRAY(r->arena, uint32_t, count), .room = count };
    if (count && !trace.codes)
        return false;
    policy_decide(&request, &exhibit, 1, &trace);
    for (size_t i = 0; i < trace.used && i < count; i++) {
        const uint32_t code = trace.codes[i];
        caught[i] |= !trace_fails(code, ELEMENT_ACTION) && !trace_fails(code, ELEMENT_PRINCIPAL) &&
                     !trace_fails(code, ELEMENT_CONDITION);
    }
    return true;
}

static void look_for_keeper(struct reading *r)
{
    if (!key_policy_keeps(r->document))
        hint(
            r, HINT_NO_KEEPER, NULL, (struct span) { 0, 0 },
            "no statement lets anybody change this key policy again, and KMS refuses it unless its "
            "check is bypassed: keep the statement that gives kms:* to the account's root");
}

/* The policy that a topic is made with lets in whoever acts for the topic's own account. */
static bool lets_in_rules(const struct document *document)
{
    for (size_t i = 0; i < document->statement_count; i++) {
        const struct statement *s = &document->statements[i];
        if (s->effect == EFFECT_ALLOW && covers_action(s, STR("sns:Publish")) &&
            (names_everyone(s) || names_service(s, STR("ses.amazonaws.com"))))
            return true;
    }
    return false;
}

static bool is_of_account(const struct document *document, str account)
{
    struct arn arn;
    for (size_t i = 0; i < document->statement_count; i++) {
        const struct terms *resources = &document->statements[i].resources;
        for (size_t k = 0; k < resources->count; k++) {
            if (arn_parse(resources->values[k], &arn) && str_eq(arn.account, account))
                return true;
        }
    }
    return false;
}

static void hint_replaced(struct reading *r, str account)
{
    hint(r, HINT_DEFAULT_REPLACED, NULL, (struct span) { 0, 0 },
         "a topic's default policy lets in the rules of its own account; the one put in its place "
         "does not: add a statement for ses.amazonaws.com, or again the default one (everybody, if "
         "AWS:SourceOwner is " STR_FMT ")",
         STR_ARG(account));
}

static void look_for_rules(struct reading *r)
{
    struct arn rule;
    if (arn_parse(r->rule_arn, &rule) && is_of_account(r->document, rule.account) &&
        !lets_in_rules(r->document))
        hint_replaced(r, rule.account);
}

bool hints_of_document(const struct document *document, const struct policy_home *home,
                       str rule_arn, struct arena *arena, struct hints *hints)
{
    struct reading r = {
        .document = document, .home = home, .rule_arn = rule_arn, .arena = arena, .to = hints
    };
    bool *caught = ARENA_ARRAY(arena, bool, document->statement_count);
    if (document->statement_count && !caught)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const str action = asked_of[home->type][i];
        if (!str_is_none(action) && !mark_caught(&r, action, caught))
            return false;
    }
    for (size_t i = 0; i < document->statement_count; i++) {
        r.catches = caught[i];
        look(&r, &document->statements[i]);
    }
    if (home->type == POLICY_KEY && !home->part)
        look_for_keeper(&r);
    if (home->type == POLICY_TOPIC && !home->part)
        look_for_rules(&r);
    hints_sort(hints);
    return !r.full;
}

/* ---- a decision ---- */

static enum policy_type type_of(const struct exhibit *exhibit, str action)
{
    static const struct {
        str prefix;
        enum policy_type type;
    } services[] = {
        { STR_INIT("kms:"), POLICY_KEY },
        { STR_INIT("sns:"), POLICY_TOPIC },
        { STR_INIT("lambda:"), POLICY_FUNCTION },
    };
    if (exhibit->kind == EXHIBIT_TRUST)
        return POLICY_TRUST;
    if (exhibit->kind != EXHIBIT_RESOURCE)
        return POLICY_IDENTITY;
    for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
        if (str_starts_nocase(action, services[i].prefix))
            return services[i].type;
    }
    return POLICY_BUCKET;
}

static str source_arn_of(const struct request *request)
{
    for (size_t i = 0; i < request->context_count; i++) {
        if (str_eq_nocase(request->context[i].name, STR("aws:SourceArn")) &&
            request->context[i].count == 1)
            return request->context[i].values[0];
    }
    return STR_NONE;
}

static bool look_at_exhibit(const struct request *request, const struct exhibit *exhibit,
                            size_t index, const struct statement *statement, bool denies,
                            struct arena *arena, struct hints *hints)
{
    if (!exhibit || !exhibit->document || !statement)
        return true;
    const struct policy_home home = { .type = type_of(exhibit, request->action),
                                      .target = request->resource.text };
    struct reading r = {
        .document = exhibit->document,
        .home = &home,
        .rule_arn = source_arn_of(request),
        .policy = policy_place(exhibit->kind, exhibit, index, arena),
        .catches = denies && request->caller->kind == CALLER_SERVICE,
        .arena = arena,
        .to = hints,
    };
    look(&r, statement);
    return !r.full && !str_is_none(r.policy);
}

/* A key that only SES's own encryption has was demanded of a call that S3 or SNS makes for it. */
static bool hint_lacking_context(const struct request *request, const struct lack *lack,
                                 struct arena *arena, struct hints *hints)
{
    if (lack->kind != LACK_CONDITION || lack->got ||
        !str_starts_nocase(lack->condition->key, STR("kms:EncryptionContext:aws:ses:")))
        return true;
    struct reading r = {
        .document = lack->exhibit->document,
        .policy = policy_place(lack->exhibit->kind, lack->exhibit, lack->exhibit_index, arena),
        .arena = arena,
        .to = hints,
    };
    hint(&r, HINT_SES_CONTEXT_ON_SSE, lack->statement, lack->condition->span,
         STR_FMT
         " is there when SES itself encrypts a message; the encryption of a bucket or topic "
         "asks for " STR_FMT " without it",
         STR_ARG(lack->condition->key), STR_ARG(request->action));
    return !r.full && !str_is_none(r.policy);
}

/* What S3 or SNS ask for in the name of a service principal, nobody's account asks for. */
static bool hint_no_account(const struct request *request, const struct lack *lack,
                            struct arena *arena, struct hints *hints)
{
    if (lack->kind != LACK_CONDITION || lack->got || request->caller->kind != CALLER_SERVICE ||
        !str_eq_nocase(lack->condition->key, STR("kms:CallerAccount")))
        return true;
    struct reading r = {
        .document = lack->exhibit->document,
        .policy = policy_place(lack->exhibit->kind, lack->exhibit, lack->exhibit_index, arena),
        .arena = arena,
        .to = hints,
    };
    hint(&r, HINT_NEVER_MET, lack->statement, lack->condition->span,
         "the statement opens the key to principals of an account, and " STR_FMT
         " is none: what " STR_FMT " asks for on its behalf has no kms:CallerAccount, so the key "
         "of a bucket or topic that it shall reach has to name it",
         STR_ARG(request->caller->service.principal),
         STR_ARG(str_is_none(request->caller->via_service) ? STR("another service")
                                                           : request->caller->via_service));
    return !r.full && !str_is_none(r.policy);
}

static bool hint_default_replaced(const struct request *request, const struct lack *lack,
                                  struct arena *arena, struct hints *hints)
{
    struct arn rule;
    if (lack->where != EXHIBIT_RESOURCE || !lack->exhibit || !lack->exhibit->document ||
        request->caller->kind != CALLER_SERVICE ||
        !str_eq_nocase(request->action, STR("sns:Publish")) ||
        !arn_parse(source_arn_of(request), &rule) ||
        !str_eq(rule.account, request->resource_account) || lets_in_rules(lack->exhibit->document))
        return true;
    struct reading r = {
        .document = lack->exhibit->document,
        .policy = policy_place(lack->exhibit->kind, lack->exhibit, lack->exhibit_index, arena),
        .arena = arena,
        .to = hints,
    };
    hint_replaced(&r, rule.account);
    return !r.full && !str_is_none(r.policy);
}

bool hints_of_decision(const struct request *request, const struct decision *decision,
                       struct arena *arena, struct hints *hints)
{
    bool ok =
        look_at_exhibit(request, decision->exhibit, decision->exhibit_index, decision->statement,
                        decision->verdict == VERDICT_EXPLICIT_DENY, arena, hints);
    for (size_t i = 0; ok && i < decision->lack_count; i++) {
        const struct lack *lack = &decision->lacks[i];
        ok = look_at_exhibit(request, lack->exhibit, lack->exhibit_index, lack->statement, false,
                             arena, hints) &&
             hint_lacking_context(request, lack, arena, hints) &&
             hint_no_account(request, lack, arena, hints) &&
             hint_default_replaced(request, lack, arena, hints);
    }
    return ok;
}

void hint_put_json(struct json_writer *json, const struct hint *hint)
{
    const struct spans_place place = hint_place(hint);
    json_open(json, '{');
    json_add_str(json, "id", hint_id(hint->kind));
    json_add_str(json, "severity", str_of(severity_name(hint_severity(hint->kind))));
    if (!str_is_none(hint->policy))
        json_add_str(json, "policy", hint->policy);
    if (!str_is_none(hint->sid))
        json_add_str(json, "sid", hint->sid);
    json_add_int(json, "line", place.line);
    json_add_int(json, "column", place.column);
    json_add_str(json, "says", hint->says);
    json_close(json, '}');
}

bool hints_put_decision(struct json_writer *json, const struct request *request,
                        const struct decision *decision, struct arena *arena)
{
    struct hints hints = { 0 };
    const bool ok = hints_of_decision(request, decision, arena, &hints);
    json_open(json, '[');
    for (size_t i = 0; i < hints.count; i++)
        hint_put_json(json, &hints.of[i]);
    json_close(json, ']');
    return ok;
}

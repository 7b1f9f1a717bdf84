/* A denial in one sentence: ours, which says what to change, and AWS's, which says little. */
#include "policy/compiled.h"
#include "policy/denial.h"
#include "policy/match.h"

str verdict_name(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_ALLOW:
        return STR("Allow");
    case VERDICT_EXPLICIT_DENY:
        return STR("ExplicitDeny");
    case VERDICT_IMPLICIT_DENY:
        return STR("ImplicitDeny");
    }
    return STR_NONE;
}

static const struct kind_words {
    const char *title;    /* with nobody's name */
    const char *silent;   /* AWS: because no ... allows */
    const char *explicit; /* AWS: with an explicit deny in ... */
} kind_words[] = {
    /* clang-format off */
    [EXHIBIT_IDENTITY] = { "the identity policy",            "identity-based policy",    "an identity-based policy"    },
    [EXHIBIT_RESOURCE] = { "the resource's policy",          "resource-based policy",    "a resource-based policy"     },
    [EXHIBIT_TRUST]    = { "the role's trust policy",        "role trust policy",        "the role trust policy"       },
    [EXHIBIT_SESSION]  = { "the session policy",             "session policy",           "a session policy"            },
    [EXHIBIT_BOUNDARY] = { "the permissions boundary",       "permissions boundary",     "a permissions boundary"      },
    [EXHIBIT_ENDPOINT] = { "the VPC endpoint policy",        "VPC endpoint policy",      "a VPC endpoint policy"       },
    [EXHIBIT_SCP]      = { "the service control policy",     "service control policy",   "a service control policy"    },
    [EXHIBIT_RCP]      = { "the resource control policy",    "resource control policy",  "a resource control policy"   },
    /* clang-format on */
};

str exhibit_title(const struct exhibit *exhibit, enum exhibit_kind kind, struct arena *arena)
{
    return exhibit && exhibit->name.len ? arena_strf(arena, "the " STR_FMT, STR_ARG(exhibit->name))
                                        : str_of(kind_words[kind].title);
}

static void add_values(struct buf *out, const str *values, size_t count)
{
    if (count == 0)
        buf_add(out, STR("nothing"));
    for (size_t i = 0; i < count; i++) {
        buf_add(out, i == 0 ? STR("") : i + 1 == count ? STR(" or ") : STR(", "));
        buf_add(out, values[i].len ? values[i] : STR("\"\""));
    }
}

static void add_statement(struct buf *out, const struct exhibit *exhibit, enum exhibit_kind kind,
                          const struct statement *statement, struct arena *arena)
{
    if (statement->sid.len) {
        buf_addf(out, "statement \"" STR_FMT "\" of ", STR_ARG(statement->sid));
    } else {
        const struct document *document = exhibit->document;
        buf_addf(out, "statement %zu of ", (size_t)(statement - document->statements) + 1);
    }
    buf_add(out, exhibit_title(exhibit, kind, arena));
}

str denial_statement_title(const struct exhibit *exhibit, enum exhibit_kind kind,
                           const struct statement *statement, struct arena *arena)
{
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    add_statement(&out, exhibit, kind, statement, arena);
    return denial_text(&out, arena);
}

static void add_principals(struct buf *out, const struct statement *statement)
{
    const bool accounts = principals_are_accounts(statement);
    for (size_t i = 0; i < statement->principal_count; i++) {
        const str name = statement->principals[i].name;
        buf_add(out, i == 0                                ? STR("")
                     : i + 1 == statement->principal_count ? STR(" and ")
                                                           : STR(", "));
        if (accounts)
            buf_add(out, STR("account "));
        buf_add(out, accounts ? principal_account(name) : name);
    }
}

static bool has_wildcard(const struct terms *terms)
{
    for (size_t i = 0; i < terms->count; i++) {
        if (str_has(terms->values[i], '*') || str_has(terms->values[i], '?'))
            return true;
    }
    return false;
}

static void add_condition(struct buf *out, const struct lack *lack)
{
    const struct condition *condition = lack->condition;
    const struct operator* operator= condition->operator;
    buf_add(out, STR(" wants "));
    if (operator->compares == COMPARE_NULL) {
        bool absent = false;
        if (condition->wanted.count)
            truth_read(condition->wanted.values[0], &absent);
        buf_addf(out, STR_FMT " %s, the request ", STR_ARG(condition->key),
                 absent ? "absent" : "present");
    } else {
        if (condition->quantifier == FOR_ANY_VALUE)
            buf_add(out, STR("some value of "));
        if (condition->quantifier == FOR_ALL_VALUES)
            buf_add(out, STR("every value of "));
        buf_addf(out, STR_FMT " %s ", STR_ARG(condition->key), operator->says);
        add_values(out, condition->wanted.values, condition->wanted.count);
        buf_add(out, STR(", the request "));
    }
    if (!lack->got) {
        buf_add(out, STR("does not carry it"));
        return;
    }
    buf_add(out, STR("has "));
    for (size_t i = 0; i < lack->got_count; i++) {
        buf_add(out, i ? STR(", ") : STR(""));
        buf_add(out, lack->got[i]);
    }
    if (lack->got_count == 0)
        buf_add(out, STR("an empty list"));
    if (operator->compares == COMPARE_STRING && !operator->negated &&
        has_wildcard(&condition->wanted))
        buf_addf(out,
                 " (" STR_FMT
                 " takes * and ? as they are; StringLike and ArnLike make patterns of them)",
                 STR_ARG(operator->name));
}

/* The two mistakes people make most with a Resource. */
static void add_resource_hint(struct buf *out, const struct lack *lack,
                              const struct request *request)
{
    for (size_t i = 0; i < lack->statement->resources.count; i++) {
        const str item = lack->statement->resources.values[i];
        struct arn arn;
        if (str_starts(request->resource.text, item) && item.len < request->resource.text.len &&
            request->resource.text.ptr[item.len] == '/') {
            buf_addf(out, " (that is the bucket itself; its objects are " STR_FMT "/*)",
                     STR_ARG(item));
            return;
        }
        if (arn_parse(item, &arn) && arn.account.len == 0 && arn.resource.len > 13 &&
            arn.resource.ptr[12] == ':' && account_id_ok(str_head(arn.resource, 12))) {
            buf_add(
                out,
                STR(" (it has one colon too many before the account, so its account is empty)"));
            return;
        }
    }
}

static void add_lack(struct buf *out, const struct denial *denial, const struct lack *lack,
                     struct arena *arena)
{
    const struct request *request = &denial->request;
    const str principal = caller_name(request->caller, arena);
    const struct statement *statement = lack->statement;
    if (statement)
        add_statement(out, lack->exhibit, lack->where, statement, arena);
    switch (lack->kind) {
    case LACK_POLICY:
        if (lack->where == EXHIBIT_SCP)
            buf_add(out, STR("the service control policies have too many levels"));
        else if (lack->where == EXHIBIT_IDENTITY)
            buf_addf(out, "no identity policy is attached to " STR_FMT, STR_ARG(principal));
        else if (lack->where == EXHIBIT_TRUST)
            buf_add(out, STR("the role has no trust policy"));
        else
            buf_add(out, STR("the resource has no policy of its own"));
        return;
    case LACK_STATEMENT:
        buf_add(out, STR("no statement of "));
        buf_add(out, exhibit_title(lack->exhibit, lack->where, arena));
        buf_addf(out, " allows " STR_FMT, STR_ARG(request->action));
        if (exhibit_names_principals(lack->where))
            buf_addf(out, " to " STR_FMT, STR_ARG(principal));
        return;
    case LACK_ACTION:
        buf_add(out, statement->actions.negated ? STR(" allows everything but ") : STR(" allows "));
        add_values(out, statement->actions.values, statement->actions.count);
        if (!statement->actions.negated)
            buf_addf(out, ", not " STR_FMT, STR_ARG(request->action));
        return;
    case LACK_RESOURCE:
        buf_add(out, statement->resources.negated ? STR(" is about everything but ")
                                                  : STR(" is about "));
        add_values(out, statement->resources.values, statement->resources.count);
        if (!statement->resources.negated)
            buf_add(out, STR(", not about this resource"));
        add_resource_hint(out, lack, request);
        return;
    case LACK_PRINCIPAL:
        buf_add(out, statement->principals_negated ? STR(" names everyone but ") : STR(" names "));
        if (statement->principal_count)
            add_principals(out, statement);
        else
            buf_add(out, STR("nobody"));
        if (!statement->principals_negated)
            buf_addf(out, ", not " STR_FMT, STR_ARG(principal));
        return;
    case LACK_CONDITION:
        add_condition(out, lack);
        return;
    }
}

str denial_sentence(const struct denial *denial, struct arena *arena)
{
    const struct request *request = &denial->request;
    const struct decision *decision = &denial->decision;
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    const str principal = caller_name(request->caller, arena);
    buf_addf(&out, STR_FMT " may not " STR_FMT " on " STR_FMT, STR_ARG(principal),
             STR_ARG(request->action), STR_ARG(request->resource.text));
    if (decision->verdict == VERDICT_EXPLICIT_DENY && decision->exhibit) {
        buf_add(&out, STR(": "));
        add_statement(&out, decision->exhibit, decision->exhibit->kind, decision->statement, arena);
        buf_add(&out,
                STR(" denies it explicitly, and must be removed or changed: no other statement can "
                    "allow it"));
        if (decision->denier_count > 1)
            buf_addf(&out, "; %zu more %s it too", decision->denier_count - 1,
                     decision->denier_count > 2 ? "deny" : "denies");
    }
    for (size_t i = 0; i < decision->lack_count; i++) {
        buf_add(&out, i == 0 ? STR(": ") : STR("; and "));
        add_lack(&out, denial, &decision->lacks[i], arena);
    }
    return denial_text(&out, arena);
}

str denial_instead(const struct denial *denial, struct arena *arena)
{
    const struct decision *decision = &denial->decision;
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    if (decision->verdict == VERDICT_EXPLICIT_DENY && decision->denier_count) {
        buf_add(&out, STR("remove or change "));
        for (size_t i = 0; i < decision->denier_count; i++) {
            const struct denier *denier = &decision->deniers[i];
            buf_add(&out, i == 0                            ? STR("")
                          : i + 1 == decision->denier_count ? STR(" and ")
                                                            : STR(", "));
            add_statement(&out, denier->exhibit, denier->exhibit->kind, denier->statement, arena);
        }
        buf_add(&out, STR(": while a Deny applies, no statement allows this"));
        return denial_text(&out, arena);
    }
    for (size_t i = 0; i < decision->lack_count; i++) {
        const struct exhibit *exhibit = decision->lacks[i].exhibit;
        if (exhibit && !str_is_none(exhibit->fixed))
            return exhibit->fixed;
        if (decision->lacks[i].where == EXHIBIT_SCP && !exhibit)
            return STR("move the account nearer to the organization's root: its service control "
                       "policies have more levels than AWS has");
    }
    return STR_NONE;
}

/* troubleshoot_access-denied: one type of policy is named, whatever else denies too. */
str denial_aws_sentence(const struct denial *denial, struct arena *arena)
{
    const struct request *request = &denial->request;
    const struct lack *lack = denial_nearest(denial);
    const char *quote = str_starts_nocase(request->action, STR("s3:")) ? "\"" : "";
    const str principal = caller_name(request->caller, arena);
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    buf_addf(&out,
             "User: " STR_FMT " is not authorized to perform: " STR_FMT " on resource: %s" STR_FMT
             "%s",
             STR_ARG(principal), STR_ARG(request->action), quote, STR_ARG(request->resource.text),
             quote);
    if (lack)
        buf_addf(&out, " because no %s allows the " STR_FMT " action",
                 kind_words[lack->where].silent, STR_ARG(request->action));
    else if (denial->decision.exhibit)
        buf_addf(&out, " with an explicit deny in %s",
                 kind_words[denial->decision.exhibit->kind].explicit);
    return denial_text(&out, arena);
}

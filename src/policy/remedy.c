/* The smallest statements that turn an implicit deny into a yes: this action, on this resource, for
 * this caller, under the conditions that keep others out; one for each policy that lacks something.
 */
#include "base/json.h"
#include "policy/denial.h"
#include "policy/match.h"

static void put_principal(struct json_writer *json, const struct caller *caller,
                          struct arena *arena)
{
    json_name(json, STR("Principal"));
    if (caller->kind == CALLER_ANONYMOUS) {
        json_put_str(json, STR("*"));
        return;
    }
    json_open(json, '{');
    switch (caller->kind) {
    case CALLER_SERVICE:
        json_add_str(json, "Service", caller->service.principal);
        break;
    case CALLER_ASSUMED_ROLE: /* the role, not the session: the next session has another name */
        json_add_str(json, "AWS", caller->assumed_role.role.text);
        break;
    case CALLER_ROOT:
    case CALLER_USER:
    case CALLER_FEDERATED:
    case CALLER_ANONYMOUS:
        json_add_str(json, "AWS", caller_name(caller, arena));
        break;
    }
    json_close(json, '}');
}

static str context_value(const struct request *request, str name)
{
    for (size_t i = 0; i < request->context_count; i++) {
        const struct context_key *key = &request->context[i];
        if (str_eq_nocase(key->name, name) && key->count == 1 && !key->multivalued)
            return key->values[0];
    }
    return STR_NONE;
}

/* Text that a policy reads as nothing but itself. In ${...} a document of the newer version has a
 * way to say *, ? and $; the older one has none, and ? comes nearest to a star. */
static void add_literal(struct buf *out, str text, bool wild, bool variables)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        const bool begins = c == '$' && i + 1 < text.len && text.ptr[i + 1] == '{';
        if (variables && (begins || (wild && (c == '*' || c == '?'))))
            buf_addf(out, "${%c}", c);
        else
            buf_addc(out, wild && c == '*' ? '?' : c);
    }
}

/* Without a document the remedy brings its own, of the newer version. */
static bool has_variables(const struct lack *lack)
{
    return !lack->exhibit || !lack->exhibit->document ||
           str_eq(lack->exhibit->document->version, STR("2012-10-17"));
}

/* A service acts for anybody who asks it to; naming account and rule keeps it from being a confused
 * deputy (reference: the conditions of the SES page). A request that does not carry those two may
 * name whom it acts for in another way: the key policy of the SES page and the default topic policy
 * ask for that. */
static const str source_keys[][2] = {
    { STR_INIT("aws:SourceAccount"), STR_INIT("aws:SourceArn") },
    { STR_INIT("kms:EncryptionContext:aws:ses:source-account"),
      STR_INIT("kms:EncryptionContext:aws:ses:rule-name") },
    { STR_INIT("aws:SourceOwner"), STR_INIT("") },
};

/* A function's policy is written by AddPermission alone, which puts the account under StringEquals
 * and the ARN under ArnLike. */
static bool by_add_permission(const struct request *request)
{
    return str_eq(request->resource.service, STR("lambda"));
}

static void put_source_conditions(struct json_writer *json, const struct request *request,
                                  bool variables, struct arena *arena)
{
    for (size_t i = 0; i < sizeof(source_keys) / sizeof(*source_keys); i++) {
        str under = STR_NONE;
        bool any = false;
        for (size_t k = 0; k < 2; k++) {
            const str value = context_value(request, source_keys[i][k]);
            if (str_is_none(value))
                continue;
            const str operator= k == 1 && by_add_permission(request) ? STR("ArnLike")
                                                                     : STR("StringEquals");
            if (!any) {
                json_name(json, STR("Condition"));
                json_open(json, '{');
            }
            if (!str_eq(operator, under)) {
                if (any)
                    json_close(json, '}');
                json_name(json, operator);
                json_open(json, '{');
            }
            under = operator;
            any = true;
            AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
            add_literal(&out, value, false, variables);
            json_name(json, source_keys[i][k]);
            json_put_str(json, denial_text(&out, arena));
        }
        if (!any)
            continue;
        json_close(json, '}');
        json_close(json, '}');
        return;
    }
}

/* The one thing that was asked for; or what the caller says it will go on to ask for, in which a
 * star at the very end stands for the rest. */
static str remedy_resource(const struct request *request, const struct lack *lack,
                           struct arena *arena)
{
    const str wish = request->remedy_resource;
    str text = str_is_none(wish) ? request->resource.text : wish;
    if (str_eq(text, STR("*")))
        return text;
    const bool rest = !str_is_none(wish) && str_ends(wish, STR("*"));
    const size_t fields = subject_arn(text).segmented; /* before the fifth colon ${ is plain text */
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    buf_add(&out, str_head(text, fields));
    text = str_from(rest ? str_head(text, text.len - 1) : text, fields);
    add_literal(&out, text, true, has_variables(lack));
    if (rest)
        buf_addc(&out, '*');
    return denial_text(&out, arena);
}

static str remedy_statement(const struct request *request, const struct lack *lack,
                            struct arena *arena)
{
    const bool principal = exhibit_names_principals(lack->where);
    const bool key_policy =
        lack->where == EXHIBIT_RESOURCE && str_eq(request->resource.service, STR("kms"));
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    struct json_writer json = json_writer(&out);
    json_open(&json, '{');
    json_add_str(&json, "Effect", STR("Allow"));
    if (principal)
        put_principal(&json, request->caller, arena);
    json_add_str(&json, "Action", request->action);
    if (key_policy)
        json_add_str(&json, "Resource", STR("*")); /* in a key policy: this key */
    else if (lack->where != EXHIBIT_TRUST)
        json_add_str(&json, "Resource", remedy_resource(request, lack, arena));
    if (principal && request->caller->kind == CALLER_SERVICE)
        put_source_conditions(&json, request, has_variables(lack), arena);
    json_close(&json, '}');
    return denial_text(&out, arena);
}

static str add_permission_says(const struct denial *denial, struct arena *arena)
{
    const struct request *request = &denial->request;
    const str account = context_value(request, STR("aws:SourceAccount")),
              source = context_value(request, STR("aws:SourceArn"));
    return arena_strf(arena,
                      "a function's policy is written by AddPermission: aws lambda add-permission "
                      "--function-name " STR_FMT " --statement-id A-NAME --action " STR_FMT
                      " --principal " STR_FMT "%s" STR_FMT "%s" STR_FMT,
                      STR_ARG(request->resource.text), STR_ARG(request->action),
                      STR_ARG(caller_name(request->caller, arena)),
                      account.len ? " --source-account " : "", STR_ARG(account),
                      source.len ? " --source-arn " : "", STR_ARG(source));
}

/* A ceiling grants nothing, and is not the caller's to raise: who can is part of the answer. */
static str remedy_says(const struct denial *denial, const struct lack *lack, struct arena *arena)
{
    const str title = exhibit_title(lack->exhibit, lack->where, arena);
    const str principal = caller_name(denial->request.caller, arena);
    const bool there = lack->exhibit && lack->exhibit->document;
    switch (lack->where) {
    case EXHIBIT_IDENTITY:
        if (!there)
            return arena_strf(arena, "attach a policy with this statement to " STR_FMT,
                              STR_ARG(denial->request.caller->kind == CALLER_ASSUMED_ROLE
                                          ? denial->request.caller->assumed_role.role.text
                                          : principal));
        break;
    case EXHIBIT_RESOURCE:
        if (by_add_permission(&denial->request) && denial->request.caller->kind == CALLER_SERVICE)
            return add_permission_says(denial, arena);
        if (!there)
            return STR("give the resource a policy with this statement");
        break;
    case EXHIBIT_TRUST:
        if (!there)
            return STR("give the role a trust policy with this statement");
        break;
    case EXHIBIT_SESSION:
        return STR("a session cannot be widened: whoever makes it has to make another one, with "
                   "this statement in its session policy or without a session policy");
    case EXHIBIT_BOUNDARY:
        return arena_strf(arena,
                          STR_FMT " is a ceiling that lets only through what it names: whoever set "
                                  "it has to add this statement",
                          STR_ARG(title));
    case EXHIBIT_ENDPOINT:
        return arena_strf(arena,
                          STR_FMT " is a ceiling that lets only through what it names: whoever "
                                  "owns the endpoint has to add this statement",
                          STR_ARG(title));
    case EXHIBIT_SCP:
    case EXHIBIT_RCP:
        return arena_strf(arena,
                          STR_FMT " is a ceiling: the organization has to add this statement at "
                                  "level %u, counted from its root",
                          STR_ARG(title), lack->exhibit->level);
    }
    return arena_strf(arena, "add this statement to " STR_FMT, STR_ARG(title));
}

bool denial_remedies(const struct denial *denial, struct arena *arena,
                     const struct remedy **ret_remedies, size_t *ret_count)
{
    const struct decision *decision = &denial->decision;
    struct remedy *remedies = ARENA_ARRAY(arena, struct remedy, decision->lack_count + 1);
    if (!remedies)
        return false;
    size_t count = decision->verdict == VERDICT_IMPLICIT_DENY ? decision->lack_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct lack *lack = &decision->lacks[i];
        const bool fixed = lack->exhibit && !str_is_none(lack->exhibit->fixed);
        if (fixed || (lack->where == EXHIBIT_SCP && !lack->exhibit)) { /* or too many levels */
            count = 0;
            break;
        }
        struct remedy *remedy = &remedies[i];
        *remedy = (struct remedy) {
            .policy = policy_place(lack->where, lack->exhibit, lack->exhibit_index, arena),
            .attached_to = policy_attached_to(lack->where, &denial->request),
            .statement = remedy_statement(&denial->request, lack, arena),
            .document = STR_NONE,
            .says = remedy_says(denial, lack, arena),
        };
        const bool whole = !lack->exhibit || !lack->exhibit->document;
        if (whole)
            remedy->document =
                arena_strf(arena, "{\"Version\":\"2012-10-17\",\"Statement\":[" STR_FMT "]}",
                           STR_ARG(remedy->statement));
        if (str_is_none(remedy->policy) || str_is_none(remedy->statement) ||
            str_is_none(remedy->says) || (whole && str_is_none(remedy->document)))
            return false;
    }
    *ret_remedies = remedies;
    *ret_count = count;
    return true;
}

str denial_remedy(const struct denial *denial, struct arena *arena)
{
    const struct remedy *remedies;
    size_t count;
    return denial_remedies(denial, arena, &remedies, &count) && count ? remedies[0].statement
                                                                      : STR_NONE;
}

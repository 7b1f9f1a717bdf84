/* The smallest statement that turns an implicit deny into a yes: this action, on this resource, for
 * this caller, under the conditions that keep others out. It belongs into the policy that lacks it.
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
        if (str_eq_nocase(key->name, name) && key->count == 1)
            return key->values[0];
    }
    return STR_NONE;
}

/* A service acts for anybody who asks it to; naming account and rule keeps it from being a confused
 * deputy (reference: the conditions of the SES page). */
static void put_source_conditions(struct json_writer *json, const struct request *request)
{
    const str account = context_value(request, STR("aws:SourceAccount"));
    const str arn = context_value(request, STR("aws:SourceArn"));
    if (str_is_none(account) && str_is_none(arn))
        return;
    json_name(json, STR("Condition"));
    json_open(json, '{');
    json_name(json, STR("StringEquals"));
    json_open(json, '{');
    if (!str_is_none(account))
        json_add_str(json, "aws:SourceAccount", account);
    if (!str_is_none(arn))
        json_add_str(json, "aws:SourceArn", arn);
    json_close(json, '}');
    json_close(json, '}');
}

/* The requested resource names one thing. What a policy would read as a wildcard or a variable is
 * written as the character it is, where the document's version has a way to say so. */
static str exact_resource(const struct denial *denial, const struct lack *lack, struct arena *arena)
{
    const str text = denial->request.resource.text;
    const bool variables = !lack->exhibit || !lack->exhibit->document ||
                           str_eq(lack->exhibit->document->version, STR("2012-10-17"));
    if (!variables || str_eq(text, STR("*")))
        return text;
    AUTO_BUF out = buf_new(DENIAL_TEXT_MAX);
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (c == '*' || c == '?' || (c == '$' && i + 1 < text.len && text.ptr[i + 1] == '{'))
            buf_addf(&out, "${%c}", c);
        else
            buf_addc(&out, c);
    }
    return denial_text(&out, arena);
}

str denial_remedy(const struct denial *denial, struct arena *arena)
{
    const struct request *request = &denial->request;
    const struct lack *lack = denial_nearest(denial);
    if (!lack)
        return STR_NONE;
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
        json_add_str(&json, "Resource",
                     str_is_none(request->remedy_resource) ? exact_resource(denial, lack, arena)
                                                           : request->remedy_resource);
    if (principal && request->caller->kind == CALLER_SERVICE)
        put_source_conditions(&json, request);
    json_close(&json, '}');
    return denial_text(&out, arena);
}

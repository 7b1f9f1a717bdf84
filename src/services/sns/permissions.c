/* services/sns/permissions.c - AddPermission and RemovePermission: a topic's policy, statement by
 * statement (SNS API Reference). */
#include "services/sns/embedded.h"

#include "base/json.h"
#include "policy/validate.h"

enum { POLICY_ROOM = 64 * 1024 };

static bool is_sid(const struct json *statement, str sid)
{
    return str_eq(json_str(statement, "Sid"), sid);
}

/* The statements of the policy, one or a list of them. */
static size_t statement_count(const struct json *statements)
{
    return json_kind(statements) == JSON_OBJECT ? 1 : json_size(statements);
}
static const struct json *statement_at(const struct json *statements, size_t i)
{
    return json_kind(statements) == JSON_OBJECT ? statements : json_at(statements, i);
}

/* One as itself, several as a list: so SNS writes them. */
static void put_one_or_list(struct json_writer *w, const str *items, size_t count)
{
    if (count != 1)
        json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_put_str(w, items[i]);
    if (count != 1)
        json_close(w, ']');
}

static const struct fault *put_statement(struct json_writer *w, const struct call *call,
                                         const struct topic *topic, const struct sns_permission *p)
{
    str *roots = ARENA_ARRAY(call->arena, str, p->account_count + 1),
        *actions = ARENA_ARRAY(call->arena, str, p->action_count + 1);
    if (!roots || !actions)
        return &fault_no_memory;
    for (size_t i = 0; i < p->account_count; i++)
        roots[i] = arena_strf(call->arena, "arn:" STR_FMT ":iam::" STR_FMT ":root",
                              STR_ARG(topic->arn.partition), STR_ARG(p->accounts[i]));
    for (size_t i = 0; i < p->action_count; i++)
        actions[i] = arena_strf(call->arena, "SNS:" STR_FMT, STR_ARG(p->actions[i]));
    json_open(w, '{');
    json_add_str(w, "Sid", p->label);
    json_add_str(w, "Effect", STR("Allow"));
    json_name(w, STR("Principal"));
    json_open(w, '{');
    json_name(w, STR("AWS"));
    put_one_or_list(w, roots, p->account_count);
    json_close(w, '}');
    json_name(w, STR("Action"));
    put_one_or_list(w, actions, p->action_count);
    json_add_str(w, "Resource", topic->arn.text);
    json_close(w, '}');
    return NULL;
}

/* The policy again, without the statement `without` (STR_NONE: with all) and with one more (NULL:
 * none). */
static const struct fault *rewrite(const struct call *call, struct topic *topic, str without,
                                   const struct sns_permission *more)
{
    const struct json *policy, *value;
    str name;
    AUTO_BUF out = buf_new(POLICY_ROOM);
    struct json_writer w = json_writer(&out);
    TRY(json_parse(topic->policy_text, call->arena, &policy));
    json_open(&w, '{');
    for (size_t i = 0; json_member(policy, i, &name, &value); i++) {
        json_name(&w, name);
        if (!str_eq(name, STR("Statement"))) {
            json_put_value(&w, value);
            continue;
        }
        json_open(&w, '[');
        for (size_t s = 0; s < statement_count(value); s++)
            if (str_is_none(without) || !is_sid(statement_at(value, s), without))
                json_put_value(&w, statement_at(value, s));
        if (more)
            TRY(put_statement(&w, call, topic, more));
        json_close(&w, ']');
    }
    json_close(&w, '}');
    topic->policy_text = out.failed ? STR_NONE : arena_str(call->arena, buf_str(&out));
    return str_is_none(topic->policy_text) ? &fault_no_memory : NULL;
}

static bool has_sid(const struct topic *topic, str sid)
{
    for (size_t i = 0; i < topic->policy->statement_count; i++)
        if (str_eq(topic->policy->statements[i].sid, sid))
            return true;
    return false;
}

static const struct fault *add(void *context, const struct call *call, struct topic *topic)
{
    const struct sns_permission *p = context;
    const struct policy_home home = { .type = POLICY_TOPIC, .target = topic->arn.text };
    if (has_sid(topic, p->label))
        return sns_invalid(call, "Statement already exists");
    TRY(rewrite(call, topic, STR_NONE, p));
    return policy_validate(topic->policy_text, &home, call->arena, NULL);
}

static const struct fault *cut(void *context, const struct call *call, struct topic *topic)
{
    const str *label = context;
    if (!has_sid(topic, *label))
        return fault_coded(call->arena, FAULT_ABSENT, "NotFound",
                           "Statement " STR_FMT " does not exist", STR_ARG(str_head(*label, 80)));
    return rewrite(call, topic, *label, NULL);
}

static bool label_ok(str label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_is_alpha(label.ptr[i]) && !ascii_is_digit(label.ptr[i]) && label.ptr[i] != '-' &&
            label.ptr[i] != '_')
            return false;
    return label.len > 0 && label.len <= 80;
}

const struct fault *sns_add_permission(struct sns_service *sns, const struct call *call, str arn,
                                       const struct sns_permission *p)
{
    const struct topic *topic;
    struct sns_permission copy = *p;
    TRY(sns_find_topic(call, arn, &topic));
    TRY(sns_ask(call, topic, STR("SNS:AddPermission"), NULL, 0));
    if (!label_ok(p->label))
        return sns_invalid(call, "Label");
    if (p->account_count == 0)
        return sns_invalid(call, "AWSAccountId");
    if (p->action_count == 0)
        return sns_invalid(call, "ActionName");
    for (size_t i = 0; i < p->account_count; i++)
        if (!account_id_ok(p->accounts[i]))
            return sns_invalid(call, "AWSAccountId");
    return sns_change_topic(sns, call, topic, add, &copy);
}

const struct fault *sns_remove_permission(struct sns_service *sns, const struct call *call, str arn,
                                          str label)
{
    const struct topic *topic;
    TRY(sns_find_topic(call, arn, &topic));
    TRY(sns_ask(call, topic, STR("SNS:RemovePermission"), NULL, 0));
    return sns_change_topic(sns, call, topic, cut, &label);
}

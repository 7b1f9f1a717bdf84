#include "services/ses/rule_check.h"

#include "base/utf8.h"
#include "services/iam/pass_role.h"
#include "services/ses/action_fields.h"
#include "services/ses/identities.h"
#include "services/ses/recipients.h"
#include "services/ses/rule_set_change.h"

enum { HEADER_VALUE_MAX = 2048 };

/* ---- checks of one action, in SES's order: spec 12.3, 12.4 ---- */

/* RFC 5322 ftext: printable ASCII without the colon. */
static bool header_name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < 0x21 || name.ptr[i] > 0x7e || name.ptr[i] == ':')
            return false;
    return name.len > 0;
}

/* Characters, whatever octets they take: spec 9.1. */
static bool header_value_ok(str value)
{
    return utf8_count(value) <= HEADER_VALUE_MAX && !str_has(value, '\r') && !str_has(value, '\n') &&
           !str_has(value, '\0');
}

/* SES shows what would break the line of a message by its number: a0x000ab. */
static str visible(str value, struct arena *arena)
{
    AUTO_BUF shown = buf_new(4096);
    for (size_t i = 0; i < value.len && shown.len < 3072; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < ' ' && c != '\t')
            buf_addf(&shown, "0x%04x", c);
        else
            buf_addc(&shown, value.ptr[i]);
    }
    return arena_str(arena, buf_str(&shown));
}

static bool arn_of(str text, str service, str resource_prefix)
{
    struct arn arn;
    return arn_parse(text, &arn) && str_eq(arn.service, service) && arn.region.len > 0 &&
           account_id_ok(arn.account) && str_starts(arn.resource, resource_prefix) &&
           arn.resource.len > resource_prefix.len;
}

static const struct fault *bad(struct arena *arena, const char *says, str what)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue", "%s" STR_FMT, says,
                       STR_ARG(what));
}

static const struct fault *check_pass_role(const struct call *call, str role_arn)
{
    struct arn arn;
    if (str_is_none(role_arn) || !arn_parse(role_arn, &arn))
        return NULL; /* none to pass; what is no ARN fails when it is tried */
    if (!str_eq(arn.account, call->caller->account)) /* no policy could mend it: spec 13.3 */
        return bad(call->arena, "Could not assume the provided IAM role", STR(""));
    return pass_role(call, role_arn, STR("ses.amazonaws.com"), STR_NONE);
}

static const struct fault *check_header_and_topic(const struct call *call,
                                                  const struct action *action)
{
    struct arena *arena = call->arena;
    if (action->kind == ACTION_ADD_HEADER) {
        if (!header_name_ok(action->add_header.header_name))
            return bad(arena, "Invalid header name: ", action->add_header.header_name);
        if (!header_value_ok(action->add_header.header_value))
            return bad(arena,
                       "Invalid header value: ", visible(action->add_header.header_value, arena));
    }
    if (!str_is_none(action->topic_arn) && !arn_of(action->topic_arn, STR("sns"), STR("")))
        return fault_about(arena, action->topic_arn,
                           fault_coded(arena, FAULT_SYNTAX, "InvalidSnsTopic",
                                       "Invalid SNS topic: " STR_FMT, STR_ARG(action->topic_arn)));
    return NULL;
}

/* The identity that would cover the address once it is verified: itself, its domain or one above.
 */
static const struct identity *nearest_identity(const struct call *call, str address)
{
    str name = address, rest;
    for (bool more = true; more && name.len; name = rest) {
        const struct identity *found =
            identity_find(call->world, call->region, name, call->caller->account);
        if (found)
            return found;
        str head;
        more = str_cut(name, str_has(name, '@') ? '@' : '.', &head, &rest);
    }
    return NULL;
}

/* The short answer is AWS's; what it leaves out is for the set-up's story. */
static const struct fault *unverified(const struct call *call, str sender)
{
    struct arena *arena = call->arena;
    struct fault *f = ARENA_NEW(arena, struct fault);
    const struct fault *says = bad(arena, "Identity is not verified: ", sender);
    if (!f)
        return &fault_no_memory;
    *f = *says;
    const struct identity *near = nearest_identity(call, sender);
    f->because =
        near ? fault(arena, FAULT_DENIED, NULL,
                     "the identity " STR_FMT " is " STR_FMT " in " STR_FMT, STR_ARG(near->domain),
                     STR_ARG(identity_status_name(near->status)), STR_ARG(call->region))
             : fault(arena, FAULT_DENIED, NULL,
                     "account " STR_FMT " has no verified identity in " STR_FMT
                     " that covers it: neither the address nor its domain or one above",
                     STR_ARG(call->caller->account), STR_ARG(call->region));
    return f;
}

static const struct fault *check_members(const struct call *call, const struct action *action)
{
    struct arena *arena = call->arena;
    switch (action->kind) {
    case ACTION_S3:
        if (action->s3.bucket_name.len == 0)
            return bad(arena, "Bucket name must not be empty", STR(""));
        return check_pass_role(call, action->s3.iam_role_arn);
    case ACTION_LAMBDA:
        if (action->lambda.function_arn.len == 0)
            return bad(arena, "Lambda function ARN must not be empty", STR(""));
        if (!arn_of(action->lambda.function_arn, STR("lambda"), STR("function:")))
            return fault_about(arena, action->lambda.function_arn,
                               fault_coded(arena, FAULT_SYNTAX, "InvalidLambdaFunction",
                                           "Invalid Lambda function: " STR_FMT,
                                           STR_ARG(action->lambda.function_arn)));
        return NULL;
    case ACTION_BOUNCE:
        if (action->bounce.smtp_reply_code.len == 0)
            return bad(arena, "Invalid SMTP reply code: ", STR(""));
        if (action->bounce.message.len == 0)
            return bad(arena, "Invalid SMTP response message: ", STR(""));
        if (!identity_covers_address(call->world, call->region, action->bounce.sender,
                                     call->caller->account))
            return unverified(call, action->bounce.sender);
        return NULL;
    case ACTION_CONNECT:
        return check_pass_role(call, action->connect.iam_role_arn);
    case ACTION_SNS:
    case ACTION_STOP:
    case ACTION_ADD_HEADER:
    case ACTION_WORKMAIL:
        return NULL;
    }
    return NULL;
}

static bool text_ok(str text)
{
    return !str_has(text, '\0') && utf8_valid(text);
}

/* The state keeps text: what is none would come back as something else. */
static bool rule_text_ok(const struct receipt_rule *rule)
{
    bool ok = true;
    for (size_t i = 0; i < rule->action_count; i++)
        for (size_t f = 0; f < action_field_count; f++)
            if (action_fields[f].kind == rule->actions[i].kind)
                ok = ok && text_ok(action_field_get(&action_fields[f], &rule->actions[i]));
    return ok;
}

const struct fault *rule_check_actions(const struct call *call, const struct receipt_rule *rule,
                                       struct rule_test *test)
{
    if (!rule_text_ok(rule))
        return bad(call->arena, "The rule holds characters that are not text", STR(""));
    if (rule->action_count > ACTIONS_MAX)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded", "Too many actions");
    for (size_t i = 0; i + 1 < rule->action_count; i++)
        if (rule->actions[i].kind == ACTION_STOP)
            return bad(call->arena,
                       "Stop action, if any, must be placed at the end of the actions list",
                       STR(""));
    for (size_t i = 0; i < rule->action_count; i++) {
        const struct action *action = &rule->actions[i];
        TRY(check_header_and_topic(call, action));
        if (test)
            TRY(test->run(test, rule, action, RULE_TARGET_TOPIC));
        TRY(check_members(call, action));
        if (test)
            TRY(test->run(test, rule, action, RULE_TARGET_OWN));
    }
    return NULL;
}

/* ---- a rule by itself ---- */

const struct fault *rule_check(const struct call *call, const struct receipt_rule *given,
                               struct receipt_rule *ret_rule)
{
    TRY(rule_check_name(call->arena, given->name));
    for (size_t i = 0; i < given->recipient_count; i++)
        if (!text_ok(given->recipients[i]) || !recipient_ok(given->recipients[i]))
            return bad(call->arena,
                       "Invalid recipient: ", visible(given->recipients[i], call->arena));
    return recipients_normal(given, call->arena, ret_rule);
}

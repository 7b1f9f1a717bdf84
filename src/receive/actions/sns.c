/* receive/actions/sns.c - the SNS action, and the notice of any other: ses-receiving
 * spec 9.4, 11.1, 13.2 rows 6 to 8 and 13. */
#include "policy/decision.h"
#include "receive/actions.h"

static const struct fault *told(const struct action *action, const struct fault *f, struct arena *a)
{
    return !f || denial_of(f) ? f
                              : fault(a, f->kind, f, "could not publish to the topic " STR_FMT,
                                      STR_ARG(action->topic_arn));
}

/* SES publishes in its own Region only (spec 1). */
static const struct fault *ask_region(const struct acting *as, const struct action *action)
{
    struct arn topic;
    if (!arn_parse(action->topic_arn, &topic) || str_eq(topic.region, as->region))
        return NULL;
    return fault_coded(as->arena, FAULT_DENIED, "InvalidParameter",
                       "the topic is in the Region " STR_FMT ", and the rule is in " STR_FMT
                       ": a rule publishes in its own Region only",
                       STR_ARG(topic.region), STR_ARG(as->region));
}

const struct fault *sns_action_publish(const struct acting *as, const struct action *action,
                                       str message, str sns_message_id)
{
    const struct caller *caller;
    const str role = action->kind == ACTION_S3 ? action->s3.iam_role_arn : STR_NONE;
    const struct fault *why = ask_region(as, action);
    if (!why)
        why = acting_caller(as, role, &caller);
    if (why)
        return told(action, why, as->arena);
    const struct call call = acting_call(as, caller);
    const struct publish publish = {
        .topic_arn = action->topic_arn,
        .subject = STR("Amazon SES Email Receipt Notification"),
        .message = message,
        .message_id = sns_message_id,
    };
    str id;
    return told(action, as->ports->sns->publish(as->ports->sns, &call, &publish, &id), as->arena);
}

/* receive/actions/acting.c - as whom a rule's actions call: ses-receiving spec 13.1, 13.3. */
#include "receive/actions.h"

struct call acting_call(const struct acting *as, const struct caller *caller)
{
    return (struct call) { .caller = caller,
                           .world = as->world,
                           .region = as->region,
                           .now_ms = as->now_ms,
                           .arena = as->arena,
                           .witness = as->witness,
                           .mishaps = as->ports->mishaps };
}

/* The trust policy is asked with the rule's source keys, which the session no longer carries. */
const struct fault *acting_caller(const struct acting *as, str iam_role_arn,
                                  const struct caller **ret_caller)
{
    struct arn rule_arn;
    str text = receipt_rule_arn(as->arena, as->region, as->account, as->rule_set, as->rule->name);
    struct caller *ses = ARENA_NEW(as->arena, struct caller),
                  *session = ARENA_NEW(as->arena, struct caller);
    if (!text.ptr || !ses || !session || !arn_parse(text, &rule_arn))
        return &fault_no_memory;
    *ses = caller_ses(as->account, rule_arn);
    *ret_caller = ses;
    if (!iam_role_arn.len)
        return NULL;
    const struct call call = acting_call(as, ses);
    TRY(as->ports->sts->assume_role(as->ports->sts, &call, iam_role_arn, as->message_id, session));
    *ret_caller = session;
    return NULL;
}

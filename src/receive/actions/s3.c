/* receive/actions/s3.c - the S3 action: ses-receiving spec 9.2, 13.2 rows 1 and 2. */
#include "receive/actions.h"
#include "services/ses/grants.h"

#include "policy/decision.h"

str s3_action_key(str prefix, str message_id, struct arena *a)
{
    if (!prefix.len)
        return arena_str(a, message_id);
    const char *slash = str_ends(prefix, STR("/")) ? "" : "/";
    return arena_strf(a, STR_FMT "%s" STR_FMT, STR_ARG(prefix), slash, STR_ARG(message_id));
}

const struct fault *s3_action_fault(const struct action *action, const struct fault *f,
                                    struct arena *a)
{
    return !f || denial_of(f) ? f
                              : fault(a, f->kind, f, "could not write to bucket " STR_FMT,
                                      STR_ARG(action->s3.bucket_name));
}

static struct call call_as(const struct acting *as, const struct caller *caller)
{
    return (struct call) { .caller = caller,
                           .world = as->world,
                           .region = as->region,
                           .now_ms = as->now_ms,
                           .arena = as->arena,
                           .witness = as->witness };
}

/* Who puts: the service in the rule's name; or, with a role, the role and only the role. The trust
 * policy is asked with the rule's source keys, which the session no longer carries. Both live in
 * the arena, since a denial goes on pointing to who was denied. */
static const struct fault *choose_caller(const struct acting *as, const struct action *action,
                                         str message_id, const struct caller **ret_caller)
{
    struct arn rule_arn;
    str text = receipt_rule_arn(as->arena, as->region, as->account, as->rule_set, as->rule->name);
    struct caller *ses = ARENA_NEW(as->arena, struct caller),
                  *session = ARENA_NEW(as->arena, struct caller);
    if (!text.ptr || !ses || !session || !arn_parse(text, &rule_arn))
        return &fault_no_memory;
    *ses = caller_ses(as->account, rule_arn);
    *ret_caller = ses;
    if (!action->s3.iam_role_arn.len)
        return NULL;
    const struct call call = call_as(as, ses);
    TRY(as->ports->sts->assume_role(as->ports->sts, &call, action->s3.iam_role_arn, message_id,
                                    session));
    *ret_caller = session;
    return NULL;
}

const struct fault *s3_action_put(const struct acting *as, const struct action *action,
                                  str message_id, struct body *body)
{
    const struct caller *caller;
    TRY(choose_caller(as, action, message_id, &caller));

    str bucket = action->s3.bucket_name, prefix = action->s3.object_key_prefix;
    struct put_object put = {
        .bucket = bucket,
        .key = s3_action_key(prefix, message_id, as->arena),
        .content_type = STR("application/octet-stream"),
        .body = body,
        .remedy_resource = rule_objects_arn(as->arena, bucket, prefix),
    };
    if (!put.key.ptr || !put.remedy_resource.ptr)
        return &fault_no_memory;
    const struct call call = call_as(as, caller);
    return as->ports->s3->put_object(as->ports->s3, &call, &put);
}

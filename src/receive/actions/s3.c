/* receive/actions/s3.c - the S3 action: ses-receiving spec 9.2, 9.3, 13.2 rows 1 to 5 and 12. */
#include "policy/decision.h"
#include "receive/actions.h"
#include "receive/encrypt.h"
#include "services/ses/grants.h"

str s3_action_key(str prefix, str message_id, struct arena *a)
{
    if (!prefix.len)
        return arena_str(a, message_id);
    const char *slash = str_ends(prefix, STR("/")) ? "" : "/";
    return arena_strf(a, STR_FMT "%s" STR_FMT, STR_ARG(prefix), slash, STR_ARG(message_id));
}

const struct fault *s3_action_fault(const struct action *action, struct s3_put_answer answer,
                                    struct arena *a)
{
    const struct fault *f = answer.fault;
    if (!f || denial_of(f))
        return f;
    switch (answer.part) {
    case S3_PART_ROLE:
        return fault(a, f->kind, f, "could not assume the role " STR_FMT,
                     STR_ARG(action->s3.iam_role_arn));
    case S3_PART_KEY:
        return fault(a, f->kind, f, "could not use the key " STR_FMT,
                     STR_ARG(action->s3.kms_key_arn));
    case S3_PART_BUCKET:
        break;
    }
    return fault(a, f->kind, f, "could not write to bucket " STR_FMT,
                 STR_ARG(action->s3.bucket_name));
}

struct s3_put_answer s3_action_put(const struct acting *as, const struct action *action,
                                   struct body *body)
{
    const struct caller *caller;
    const struct fault *why = acting_caller(as, action->s3.iam_role_arn, &caller);
    if (why)
        return (struct s3_put_answer) { why, S3_PART_ROLE };

    struct encrypted encrypted = { .body = body };
    const bool encrypts = action->s3.kms_key_arn.len > 0;
    if (encrypts)
        why = encrypt_body(as, caller, action->s3.kms_key_arn, body, &encrypted);
    if (why)
        return (struct s3_put_answer) { why, S3_PART_KEY };

    str bucket = action->s3.bucket_name, prefix = action->s3.object_key_prefix;
    struct put_object put = {
        .bucket = bucket,
        .key = s3_action_key(prefix, as->message_id, as->arena),
        .content_type = STR("application/octet-stream"),
        .metadata = encrypted.metadata,
        .metadata_count = encrypts ? ENCRYPTED_METADATA : 0,
        .body = encrypted.body,
        .may_be_multipart = true,
        .remedy_resource = rule_objects_arn(as->arena, bucket, prefix),
    };
    const struct call call = acting_call(as, caller);
    why = put.key.ptr && put.remedy_resource.ptr
              ? as->ports->s3->put_object(as->ports->s3, &call, &put)
              : &fault_no_memory;
    return (struct s3_put_answer) { why, S3_PART_BUCKET };
}

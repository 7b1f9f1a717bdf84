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

struct s3_begun {
    struct s3_port *port;
    struct call call;
    struct s3_upload *upload; /* NULL: nothing is under way */
};

static const struct fault *put(struct s3_begun *b, const struct put_object *what, bool whole)
{
    return whole ? b->port->put_object(b->port, &b->call, what)
                 : b->port->put_object_begin(b->port, &b->call, what, &b->upload);
}

static struct s3_put_answer put_body(const struct acting *as, const struct action *action,
                                     struct body *body, struct s3_begun *b, bool whole)
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
    struct put_object what = {
        .bucket = bucket,
        .key = s3_action_key(prefix, as->message_id, as->arena),
        .content_type = STR("application/octet-stream"),
        .metadata = encrypted.metadata,
        .metadata_count = encrypts ? ENCRYPTED_METADATA : 0,
        .body = encrypted.body,
        .may_be_multipart = true,
        .remedy_resource = rule_objects_arn(as->arena, bucket, prefix),
    };
    *b = (struct s3_begun) { .port = as->ports->s3, .call = acting_call(as, caller) };
    why = what.key.ptr && what.remedy_resource.ptr ? put(b, &what, whole) : &fault_no_memory;
    return (struct s3_put_answer) { why, S3_PART_BUCKET };
}

struct s3_put_answer s3_action_put(const struct acting *as, const struct action *action,
                                   struct body *body)
{
    struct s3_begun here;
    return put_body(as, action, body, &here, true);
}

bool s3_action_has_halves(const struct ports *ports)
{
    return ports->s3 && ports->s3->put_object_begin && ports->s3->put_object_await;
}

struct s3_put_answer s3_action_begin(const struct acting *as, const struct action *action,
                                     struct body *body, struct s3_begun **ret_begun)
{
    struct s3_begun *b = ARENA_NEW(as->arena, struct s3_begun);
    *ret_begun = NULL;
    if (!b)
        return (struct s3_put_answer) { &fault_no_memory, S3_PART_BUCKET };
    const struct s3_put_answer answer = put_body(as, action, body, b, false);
    if (!answer.fault)
        *ret_begun = b;
    return answer;
}

struct s3_put_answer s3_action_await(struct s3_begun *b)
{
    return (struct s3_put_answer) { b->port->put_object_await(b->upload, &b->call),
                                    S3_PART_BUCKET };
}

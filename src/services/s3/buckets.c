/* services/s3/buckets.c - making and removing buckets, and their policies.
 *
 * A change reads the record from the state, changes it, and puts it back if nobody was faster; the
 * world follows before the put returns. */
#include "services/s3/embedded.h"

enum { CHANGE_TRIES = 16, RECORD_MAX = 256 * 1024 };

/* ---- making and removing ---- */

static const struct fault *exists_already(const struct call *call, const struct bucket *bucket,
                                          str region)
{
    if (!str_eq(bucket->owner, call->caller->account))
        return fault_coded(call->arena, FAULT_CONFLICT, "BucketAlreadyExists",
                           "The requested bucket name is not available. The bucket namespace is "
                           "shared by all users of the system. Please select a different name and "
                           "try again.");
    /* "For legacy compatibility, if you re-create an existing bucket that you already own in the
     * North Virginia Region, Amazon S3 returns 200 OK" (API Reference, CreateBucket). */
    if (str_eq(bucket->region, STR("us-east-1")) && str_eq(region, STR("us-east-1")))
        return NULL;
    return fault_coded(call->arena, FAULT_CONFLICT, "BucketAlreadyOwnedByYou",
                       "Your previous request to create the named bucket succeeded and you already "
                       "own it.");
}

static const struct fault *put_bucket(struct s3_service *s3, const struct call *call,
                                      const struct bucket *bucket, uint64_t expected)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    uint64_t revision;
    bucket_encode(bucket, &value);
    str key = bucket_state_key(call->arena, bucket->name);
    if (value.failed || str_is_none(key))
        return &fault_no_memory;
    return s3->state->ops->put(s3->state, key, buf_str(&value), expected, call->arena, &revision);
}

const struct fault *s3_create_bucket(struct s3_service *s3, const struct call *call, str name,
                                     str region)
{
    if (str_is_none(region))
        region = call->region;
    if (!bucket_name_ok(name))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidBucketName",
                           "The specified bucket is not valid.");
    if (!region_name_ok(region))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidLocationConstraint",
                           "The specified location-constraint is not valid");
    struct bucket bucket = {
        .name = name, .owner = call->caller->account, .region = region, .created_ms = call->now_ms
    };
    TRY(s3_ask_bucket(call, &bucket, STR("s3:CreateBucket")));
    const struct bucket *there = bucket_find(call->world, name);
    if (there)
        return exists_already(call, there, region);
    const struct fault *why = put_bucket(s3, call, &bucket, REVISION_NEW);
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    const struct world *now = worlds_now(s3->worlds);
    there = bucket_find(now, name);
    why = there ? exists_already(call, there, region) : why;
    world_unref(now);
    return why;
}

static const struct fault *not_empty(const struct call *call, const struct fault *why)
{
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    return fault_coded(call->arena, FAULT_CONFLICT, "BucketNotEmpty",
                       "The bucket you tried to delete is not empty");
}

static const struct fault *in_between(const struct call *call)
{
    return fault_coded(call->arena, FAULT_CONFLICT, "OperationAborted",
                       "A conflicting conditional operation is currently in progress against this "
                       "resource. Please try again.");
}

const struct fault *s3_delete_bucket(struct s3_service *s3, const struct call *call, str name)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(s3_ask_bucket(call, bucket, STR("s3:DeleteBucket")));
    str key = bucket_state_key(call->arena, name);
    if (str_is_none(key))
        return &fault_no_memory;
    TRY(not_empty(call, s3->objects->ops->remove_bucket(s3->objects, name, call->arena)));
    const struct fault *why =
        s3->state->ops->remove(s3->state, key, world_revision(call->world, key), call->arena);
    if (why)
        return why->kind == FAULT_CONFLICT ? in_between(call) : why;
    /* A put may have slipped in between the two: then the bucket is not empty after all. */
    why = not_empty(call, s3->objects->ops->remove_bucket(s3->objects, name, call->arena));
    if (why)
        put_bucket(s3, call, bucket, REVISION_NEW);
    return why;
}

const struct fault *s3_head_bucket(struct s3_service *s3, const struct call *call, str name,
                                   const struct bucket **ret_bucket)
{
    (void)s3;
    TRY(s3_find_bucket(call, name, ret_bucket));
    return s3_ask_bucket(call, *ret_bucket, STR("s3:ListBucket"));
}

const struct fault *s3_get_bucket_location(struct s3_service *s3, const struct call *call, str name,
                                           str *ret_region)
{
    (void)s3;
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(s3_ask_bucket(call, bucket, STR("s3:GetBucketLocation")));
    *ret_region = bucket->region;
    return NULL;
}

const struct fault *s3_list_buckets(struct s3_service *s3, const struct call *call,
                                    const struct bucket *const **ret_buckets, size_t *ret_count)
{
    (void)s3;
    TRY(authorize(call, &(struct ask) { .action = STR("s3:ListAllMyBuckets"),
                                        .resource = STR("*"),
                                        .resource_account = call->caller->account }));
    const struct bucket **mine = NULL;
    const void *aggregate;
    str key;
    for (int count_only = 1; count_only >= 0; count_only--) {
        size_t count = 0;
        for (str after = STR(""); world_next(call->world, STR("bucket/"), after, &key, &aggregate);
             after = key) {
            const struct bucket *bucket = aggregate;
            if (!bucket || !str_eq(bucket->owner, call->caller->account))
                continue;
            if (!count_only)
                mine[count] = bucket;
            count++;
        }
        if (count_only && !(mine = ARENA_ARRAY(call->arena, const struct bucket *, count + 1)))
            return &fault_no_memory;
        *ret_count = count;
    }
    *ret_buckets = mine;
    return NULL;
}

/* ---- policies ---- */

/* The owner's root may always see and change the policy, even where the policy itself denies it, so
 * that nobody locks a bucket for ever; other accounts may not, even where it allows them (API
 * Reference, PutBucketPolicy). */
static const struct fault *ask_about_policy(const struct call *call, const struct bucket *bucket,
                                            str action)
{
    bool owner = str_eq(call->caller->account, bucket->owner);
    if (owner && call->caller->kind == CALLER_ROOT)
        return NULL;
    TRY(s3_ask_bucket(call, bucket, action));
    if (!owner)
        return fault_coded(call->arena, FAULT_DENIED, "MethodNotAllowed",
                           "The specified method is not allowed against this resource.");
    return NULL;
}

/* Changes what `from` holds of one part, whatever else was changed meanwhile. */
typedef void bucket_change(struct bucket *, const void *from);

static const struct fault *change_bucket(struct s3_service *s3, const struct call *call, str name,
                                         bucket_change *change, const void *from)
{
    str key = bucket_state_key(call->arena, name);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int tries = 0; tries < CHANGE_TRIES; tries++) {
        struct record record;
        const void *stored;
        const struct fault *why = s3->state->ops->get(s3->state, key, call->arena, &record);
        if (why)
            return why->kind == FAULT_ABSENT ? s3_no_such_bucket(call) : why;
        TRY(bucket_compile(&record, call->arena, &stored));
        struct bucket bucket = *(const struct bucket *)stored;
        change(&bucket, from);
        why = put_bucket(s3, call, &bucket, record.revision);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return in_between(call);
}

static void change_policy(struct bucket *bucket, const void *from)
{
    bucket->policy_text = *(const str *)from;
}

static const struct fault *set_policy(struct s3_service *s3, const struct call *call, str name,
                                      str text)
{
    return change_bucket(s3, call, name, change_policy, &text);
}

const struct fault *s3_put_bucket_policy(struct s3_service *s3, const struct call *call, str name,
                                         str text)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(ask_about_policy(call, bucket, STR("s3:PutBucketPolicy")));
    TRY(bucket_policy_check(name, text, call->world, call->arena));
    return set_policy(s3, call, name, text);
}

const struct fault *s3_get_bucket_policy(struct s3_service *s3, const struct call *call, str name,
                                         str *ret_text)
{
    (void)s3;
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(ask_about_policy(call, bucket, STR("s3:GetBucketPolicy")));
    if (str_is_none(bucket->policy_text))
        return fault_coded(call->arena, FAULT_ABSENT, "NoSuchBucketPolicy",
                           "The bucket policy does not exist");
    *ret_text = bucket->policy_text;
    return NULL;
}

const struct fault *s3_delete_bucket_policy(struct s3_service *s3, const struct call *call,
                                            str name)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(ask_about_policy(call, bucket, STR("s3:DeleteBucketPolicy")));
    return set_policy(s3, call, name, STR_NONE);
}

/* ---- default encryption ---- */

static void change_encryption(struct bucket *bucket, const void *from)
{
    bucket->encryption = *(const struct bucket_encryption *)from;
}

/* A bucket and the key of its objects are in one Region (API Reference, PutBucketEncryption). */
static const struct fault *check_key(const struct call *call, const struct bucket *bucket,
                                     const struct bucket_encryption *e)
{
    struct arn key;
    if (!e->kms_key_id.len || !arn_parse(e->kms_key_id, &key))
        return NULL;
    if (!str_eq(key.service, STR("kms")) || !str_eq(key.region, bucket->region))
        return fault_coded(call->arena, FAULT_SYNTAX, "KMS.NotFoundException",
                           "Invalid arn " STR_FMT, STR_ARG(key.region));
    return NULL;
}

const struct fault *s3_put_bucket_encryption(struct s3_service *s3, const struct call *call,
                                             str name, const struct bucket_encryption *encryption)
{
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(s3_ask_bucket(call, bucket, STR("s3:PutEncryptionConfiguration")));
    TRY(check_key(call, bucket, encryption));
    return change_bucket(s3, call, name, change_encryption, encryption);
}

const struct fault *s3_get_bucket_encryption(struct s3_service *s3, const struct call *call,
                                             str name, struct bucket_encryption *ret_encryption)
{
    (void)s3;
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(s3_ask_bucket(call, bucket, STR("s3:GetEncryptionConfiguration")));
    if (bucket->encryption.kind == SSE_NONE)
        return fault_coded(call->arena, FAULT_ABSENT,
                           "ServerSideEncryptionConfigurationNotFoundError",
                           "The server side encryption configuration was not found");
    *ret_encryption = bucket->encryption;
    return NULL;
}

const struct fault *s3_delete_bucket_encryption(struct s3_service *s3, const struct call *call,
                                                str name)
{
    static const struct bucket_encryption none = { .kind = SSE_NONE };
    const struct bucket *bucket;
    TRY(s3_find_bucket(call, name, &bucket));
    TRY(s3_ask_bucket(call, bucket, STR("s3:PutEncryptionConfiguration")));
    return change_bucket(s3, call, name, change_encryption, &none);
}

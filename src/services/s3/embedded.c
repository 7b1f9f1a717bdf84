/* services/s3/embedded.c - the service itself, and the question every operation begins with. */
#include "services/s3/embedded.h"

enum { KEY_MAX = 1024 };

const struct fault *s3_no_such_bucket(const struct call *call)
{
    return fault_coded(call->arena, FAULT_ABSENT, "NoSuchBucket",
                       "The specified bucket does not exist");
}

const struct fault *s3_find_bucket(const struct call *call, str name,
                                   const struct bucket **ret_bucket)
{
    const struct bucket *bucket = bucket_find(call->world, name);
    if (!bucket)
        return s3_no_such_bucket(call);
    *ret_bucket = bucket;
    return NULL;
}

const struct fault *s3_ask(const struct call *call, const struct bucket *bucket,
                           const struct s3_question *question)
{
    if (question->key.len > KEY_MAX)
        return fault_coded(call->arena, FAULT_SYNTAX, "KeyTooLongError", "Your key is too long");
    str resource = str_is_none(question->key)
                       ? bucket_arn(call->arena, bucket->name)
                       : object_arn(call->arena, bucket->name, question->key);
    str name = arena_strf(call->arena, "bucket policy of " STR_FMT, STR_ARG(bucket->name));
    if (str_is_none(resource) || str_is_none(name))
        return &fault_no_memory;
    return authorize(call, &(struct ask) { .action = question->action,
                                           .resource = resource,
                                           .resource_account = bucket->owner,
                                           .resource_policy = bucket->policy,
                                           .resource_kind = EXHIBIT_RESOURCE,
                                           .resource_policy_name = name,
                                           .context = question->context,
                                           .context_count = question->context_count,
                                           .remedy_resource = question->remedy_resource });
}

const struct fault *s3_ask_bucket(const struct call *call, const struct bucket *bucket, str action)
{
    return s3_ask(call, bucket, &(struct s3_question) { .action = action });
}

const struct fault *s3_embedded_open(struct objects *objects, struct state *state,
                                     struct worlds *worlds, struct outside *outside,
                                     struct arena *arena, struct s3_service **ret_service)
{
    struct s3_service *service = ARENA_NEW(arena, struct s3_service);
    if (!service)
        return &fault_no_memory;
    *service = (struct s3_service) { .port = { .put_object = s3_put_object,
                                               .put_object_begin = s3_put_object_begin,
                                               .put_object_await = s3_put_object_await },
                                     .rehearsal = { .port = { .put_object = s3_rehearse_put },
                                                    .service = service },
                                     .objects = objects,
                                     .state = state,
                                     .worlds = worlds,
                                     .outside = outside };
    *ret_service = service;
    return NULL;
}

/* services/lambda/settings.c - reserved concurrency, asynchronous calls, tags. */
#include "services/lambda/change.h"

enum { ATTEMPTS_MAX = 2, AGE_MIN_S = 60, AGE_MAX_S = 21600, TAGS_MAX = 50 };

static const struct fault *may(const struct call *call, const struct function_ref *ref, str action)
{
    return lambda_ask(call, ref, function_find(call->world, ref), action, NULL, 0);
}

/* ---- concurrency ---- */

static const struct fault *set_reserved(void *context, const struct call *call, struct function *f)
{
    (void)call;
    f->reserved = *(int64_t *)context;
    return NULL;
}

const struct fault *lambda_set_reserved(struct lambda_service *s, const struct call *call,
                                        const struct function_ref *ref, int64_t reserved)
{
    TRY(may(call, ref,
            reserved < 0 ? STR("lambda:DeleteFunctionConcurrency")
                         : STR("lambda:PutFunctionConcurrency")));
    return function_change(s, call, ref, set_reserved, &reserved, NULL);
}

/* ---- asynchronous calls ---- */

struct setting {
    const struct function_ref *ref;
    const struct function_async *async;
    bool change;
    str qualifier;
};

static const struct fault *no_async(const struct call *call, const struct function_ref *ref)
{
    struct function_ref whole = *ref;
    whole.qualifier = whole.qualifier.len ? whole.qualifier : STR("$LATEST");
    return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                       "The function " STR_FMT " doesn't have an EventInvokeConfig",
                       STR_ARG(function_ref_arn(&whole, call->arena)));
}

static const struct fault *check_async(const struct call *call, const struct function_async *a)
{
    if (a->attempts > ATTEMPTS_MAX || a->attempts < -1)
        return fault_coded(
            call->arena, FAULT_SYNTAX, "ValidationException",
            "1 validation error detected: Value '%lld' at 'maximumRetryAttempts' failed to satisfy "
            "constraint: Member must have value less than or equal to 2",
            (long long)a->attempts);
    if (a->age_s != -1 && (a->age_s < AGE_MIN_S || a->age_s > AGE_MAX_S))
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '%lld' at "
                           "'maximumEventAgeInSeconds' failed to satisfy "
                           "constraint: Member must have value %s than or equal to %d",
                           (long long)a->age_s, a->age_s < AGE_MIN_S ? "greater" : "less",
                           a->age_s < AGE_MIN_S ? AGE_MIN_S : AGE_MAX_S);
    return NULL;
}

static const struct fault *put_async(void *context, const struct call *call, struct function *f)
{
    const struct setting *set = context;
    const struct function_async *there = function_async(f, set->ref->qualifier);
    if (set->ref->qualifier.len && !function_version(f, set->ref->qualifier))
        return lambda_not_found(call, set->ref);
    if (set->change && !there)
        return no_async(call, set->ref);
    struct function_async *asyncs =
        ARENA_ARRAY(call->arena, struct function_async, f->async_count + 1);
    if (!asyncs)
        return &fault_no_memory;
    struct function_async put = *set->async;
    put.qualifier = set->qualifier;
    put.modified_ms = call->now_ms;
    if (set->change && put.attempts == -1)
        put.attempts = there->attempts;
    if (set->change && put.age_s == -1)
        put.age_s = there->age_s;
    size_t count = 0, i = 0;
    for (; i < f->async_count && str_cmp(f->asyncs[i].qualifier, put.qualifier) < 0; i++)
        asyncs[count++] = f->asyncs[i];
    asyncs[count++] = put;
    for (; i < f->async_count; i++) /* in order of qualifier */
        if (!str_eq(f->asyncs[i].qualifier, put.qualifier))
            asyncs[count++] = f->asyncs[i];
    f->asyncs = asyncs;
    f->async_count = count;
    return NULL;
}

const struct fault *lambda_put_async(struct lambda_service *s, const struct call *call,
                                     const struct function_ref *ref,
                                     const struct function_async *async, bool change,
                                     const struct function_async **ret_async)
{
    const struct function *f;
    struct setting set = { .ref = ref,
                           .async = async,
                           .change = change,
                           .qualifier = ref->qualifier.len ? ref->qualifier : STR("$LATEST") };
    TRY(may(call, ref,
            change ? STR("lambda:UpdateFunctionEventInvokeConfig")
                   : STR("lambda:PutFunctionEventInvokeConfig")));
    TRY(check_async(call, async));
    TRY(function_change(s, call, ref, put_async, &set, &f));
    *ret_async = function_async(f, ref->qualifier);
    return *ret_async ? NULL : &fault_no_memory;
}

static const struct fault *remove_async(void *context, const struct call *call, struct function *f)
{
    const struct function_ref *ref = context;
    const struct function_async *there = function_async(f, ref->qualifier);
    if (!there)
        return no_async(call, ref);
    struct function_async *asyncs =
        ARENA_ARRAY(call->arena, struct function_async, f->async_count + 1);
    size_t count = 0;
    if (!asyncs)
        return &fault_no_memory;
    for (size_t i = 0; i < f->async_count; i++)
        if (&f->asyncs[i] != there)
            asyncs[count++] = f->asyncs[i];
    f->asyncs = asyncs;
    f->async_count = count;
    return NULL;
}

const struct fault *lambda_delete_async(struct lambda_service *s, const struct call *call,
                                        const struct function_ref *ref)
{
    TRY(may(call, ref, STR("lambda:DeleteFunctionEventInvokeConfig")));
    return function_change(s, call, ref, remove_async, (void *)ref, NULL);
}

/* ---- tags ---- */

struct tagging {
    const struct header *tags;
    size_t tag_count;
    const str *gone;
    size_t gone_count;
};

static bool names(const struct tagging *t, str key)
{
    for (size_t i = 0; i < t->tag_count; i++)
        if (str_eq(t->tags[i].name, key))
            return true;
    for (size_t i = 0; i < t->gone_count; i++)
        if (str_eq(t->gone[i], key))
            return true;
    return false;
}

static const struct fault *set_tags(void *context, const struct call *call, struct function *f)
{
    const struct tagging *t = context;
    struct header *tags = ARENA_ARRAY(call->arena, struct header, f->tag_count + t->tag_count + 1);
    size_t count = 0;
    if (!tags)
        return &fault_no_memory;
    for (size_t i = 0; i < f->tag_count; i++)
        if (!names(t, f->tags[i].name))
            tags[count++] = f->tags[i];
    for (size_t i = 0; i < t->tag_count; i++)
        tags[count++] = t->tags[i];
    if (count > TAGS_MAX)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValueException",
                           "The number of tags exceeds the limit of %d", TAGS_MAX);
    f->tags = tags;
    f->tag_count = count;
    return NULL;
}

const struct fault *lambda_tag(struct lambda_service *s, const struct call *call,
                               const struct function_ref *ref, const struct header *tags,
                               size_t tag_count)
{
    struct tagging t = { .tags = tags, .tag_count = tag_count };
    TRY(may(call, ref, STR("lambda:TagResource")));
    return function_change(s, call, ref, set_tags, &t, NULL);
}

const struct fault *lambda_untag(struct lambda_service *s, const struct call *call,
                                 const struct function_ref *ref, const str *keys, size_t key_count)
{
    struct tagging t = { .gone = keys, .gone_count = key_count };
    TRY(may(call, ref, STR("lambda:UntagResource")));
    return function_change(s, call, ref, set_tags, &t, NULL);
}

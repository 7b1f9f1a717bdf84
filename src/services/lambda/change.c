/* services/lambda/change.c - one function changed in one compare-and-set. */
#include "services/lambda/change.h"

#include "base/random_id.h"

enum { TRIES = 16, RECORD_MAX = 16 * 1024 * 1024 };

const struct fault *lambda_not_found(const struct call *call, const struct function_ref *ref)
{
    return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                       "Function not found: " STR_FMT, STR_ARG(function_ref_arn(ref, call->arena)));
}

const struct fault *function_put(struct lambda_service *s, const struct call *call,
                                 const struct function *f, uint64_t expected)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    uint64_t revision;
    function_encode(f, &value);
    const struct function_ref ref = { .account = f->account, .region = f->region, .name = f->name };
    str key = function_state_key(&ref, call->arena);
    if (value.failed || str_is_none(key))
        return &fault_no_memory;
    return s->state->ops->put(s->state, key, buf_str(&value), expected, call->arena, &revision);
}

static const struct fault *change_once(struct lambda_service *s, const struct call *call,
                                       const struct function_ref *ref, function_change_fn *change,
                                       void *context, const struct function **ret_function)
{
    struct record record;
    const void *compiled;
    str key = function_state_key(ref, call->arena);
    if (str_is_none(key))
        return &fault_no_memory;
    const struct fault *why = s->state->ops->get(s->state, key, call->arena, &record);
    if (why)
        return why->kind == FAULT_ABSENT ? lambda_not_found(call, ref) : why;
    TRY(function_compile(&record, call->arena, &compiled));
    struct function *f = ARENA_NEW(call->arena, struct function);
    if (!f)
        return &fault_no_memory;
    *f = *(const struct function *)compiled;
    TRY(change(context, call, f));
    TRY(function_put(s, call, f, record.revision));
    if (ret_function)
        *ret_function = f;
    return NULL;
}

const struct fault *function_change(struct lambda_service *s, const struct call *call,
                                    const struct function_ref *ref, function_change_fn *change,
                                    void *context, const struct function **ret_function)
{
    const struct fault *why = NULL;
    for (int i = 0; i < TRIES; i++) {
        why = change_once(s, call, ref, change, context, ret_function);
        if (!why || why->kind != FAULT_CONFLICT || why->code)
            return why;
    }
    return fault_coded(
        call->arena, FAULT_CONFLICT, "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for "
        "resource: " STR_FMT,
        STR_ARG(function_ref_arn(ref, call->arena)));
}

str function_revision(struct lambda_service *s, const struct call *call)
{
    char id[REQUEST_ID_LEN + 1];
    return arena_str(call->arena, random_request_id(s->outside->entropy, id));
}

const struct fault *function_same_revision(const struct call *call, str wanted, str have)
{
    if (str_is_none(wanted) || str_eq(wanted, have))
        return NULL;
    return fault_coded(call->arena, FAULT_CONFLICT, "PreconditionFailedException",
                       "The Revision Id provided does not match the latest Revision Id. Call the "
                       "GetFunction/GetAlias API to retrieve the latest Revision Id");
}

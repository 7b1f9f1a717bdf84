#include "services/authorize.h"

#include "services/iam/role.h"
#include "services/world.h"

/* A role that was deleted since the session began has no policies left, which denies. */
static const struct role *role_of(const struct call *call)
{
    if (call->caller->kind != CALLER_ASSUMED_ROLE)
        return NULL;
    return role_find_arn(call->world, call->caller->assumed_role.role.text);
}

static const struct fault *gather(const struct call *call, const struct ask *ask,
                                  struct exhibit **ret_exhibits, size_t *ret_count)
{
    const struct role *role = role_of(call);
    size_t most = (role ? role->policy_count : 0) + 1, count = 0;
    struct exhibit *exhibits = ARENA_ARRAY(call->arena, struct exhibit, most);
    if (!exhibits)
        return &fault_no_memory;
    for (size_t i = 0; role && i < role->policy_count; i++)
        exhibits[count++] = role->exhibits[i];
    if (ask->resource_policy)
        exhibits[count++] = (struct exhibit) { .kind = ask->resource_kind,
                                               .name = ask->resource_policy_name,
                                               .document = ask->resource_policy };
    *ret_exhibits = exhibits;
    *ret_count = count;
    return NULL;
}

const struct fault *authorize(const struct call *call, const struct ask *ask)
{
    struct request request = {
        .caller = call->caller,
        .action = ask->action,
        .resource_account = ask->resource_account,
        .remedy_resource = ask->remedy_resource,
    };
    if (!arn_parse(ask->resource, &request.resource))
        request.resource =
            (struct arn) { .text = ask->resource }; /* "*": the operation names no resource */
    TRY(request_context(call->caller, call->now_ms, ask->context, ask->context_count, call->arena,
                        &request.context, &request.context_count));
    struct exhibit *exhibits;
    size_t count;
    TRY(gather(call, ask, &exhibits, &count));
    if (call->witness)
        call->witness->saw(call->witness, &request, exhibits, count);

    uint32_t codes[64];
    struct trace trace = { .codes = codes, .room = sizeof(codes) / sizeof(codes[0]) };
    if (policy_decide(&request, exhibits, count, &trace) == VERDICT_ALLOW)
        return NULL;
    struct decision decision = policy_explain(&request, exhibits, count, &trace, call->arena);
    return denial_fault(&request, &decision, call->arena);
}

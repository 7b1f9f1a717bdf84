/* receive/actions/lambda.c - the Lambda action: ses-receiving spec 9.5, 13.2 row 9. */
#include "base/json.h"
#include "policy/decision.h"
#include "receive/actions.h"

enum { PATIENCE_MS = 30 * 1000, ERROR_TOLD = 1024 };

static const struct fault *told(const struct action *action, const struct fault *f, struct arena *a)
{
    return !f || denial_of(f) ? f
                              : fault(a, f->kind, f, "could not invoke the function " STR_FMT,
                                      STR_ARG(action->lambda.function_arn));
}

static const struct fault *ask_region(const struct acting *as, const struct action *action)
{
    struct arn function;
    if (!arn_parse(action->lambda.function_arn, &function) || str_eq(function.region, as->region))
        return NULL;
    return fault_coded(as->arena, FAULT_DENIED, "InvalidLambdaFunction",
                       "the function is in the Region " STR_FMT ", and the rule is in " STR_FMT
                       ": a rule invokes functions of its own Region only",
                       STR_ARG(function.region), STR_ARG(as->region));
}

static const struct fault *invoke(const struct acting *as, const struct action *action,
                                  const struct invoke *what, struct invoked *ret_invoked)
{
    const struct caller *caller;
    TRY(ask_region(as, action));
    TRY(acting_caller(as, STR_NONE, &caller));
    const struct call call = acting_call(as, caller);
    return as->ports->lambda->invoke(as->ports->lambda, &call, what, ret_invoked);
}

enum flow lambda_disposition(str payload, struct arena *a)
{
    const struct json *answer;
    if (json_parse(payload, a, &answer) || json_kind(answer) != JSON_OBJECT)
        return FLOW_ON;
    return flow_named(json_str(answer, "disposition"));
}

const struct fault *lambda_action_invoke(const struct acting *as, const struct action *action,
                                         str event, str request_id, enum flow *ret_flow)
{
    const bool waits = action->lambda.invocation_type == INVOCATION_REQUEST_RESPONSE;
    const struct invoke what = {
        .function_arn = action->lambda.function_arn,
        .type = waits ? INVOKE_REQUEST_RESPONSE : INVOKE_EVENT,
        .payload = event,
        .request_id = request_id,
        .timeout_ms = waits ? PATIENCE_MS : 0,
    };
    struct invoked done = { 0 };
    const struct fault *why = invoke(as, action, &what, &done);
    if (!why && done.function_error.len)
        why =
            fault(as->arena, FAULT_UNAVAILABLE, NULL, "the function failed (" STR_FMT "): " STR_FMT,
                  STR_ARG(done.function_error), STR_ARG(str_head(done.payload, ERROR_TOLD)));
    if (why)
        return told(action, why, as->arena);
    *ret_flow = waits ? lambda_disposition(done.payload, as->arena) : FLOW_ON;
    return NULL;
}

const struct fault *lambda_action_may(const struct acting *as, const struct action *action)
{
    const struct invoke what = { .function_arn = action->lambda.function_arn,
                                 .type = INVOKE_DRY_RUN };
    struct invoked done = { 0 };
    return told(action, invoke(as, action, &what, &done), as->arena);
}

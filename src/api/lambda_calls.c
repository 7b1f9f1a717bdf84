/* api/lambda_calls.c - Lambda's REST JSON operations around calling a function: Invoke itself, who
 * may, how many at a time, what follows an asynchronous call; and tags. */
#include "api/api.h"
#include "api/lambda_shape.h"
#include "api/run.h"
#include "base/base64.h"
#include "policy/permission.h"

/* ---- Invoke ---- */

static const struct {
    str word;
    enum invocation type;
} types[] = {
    { STR_INIT("RequestResponse"), INVOKE_REQUEST_RESPONSE },
    { STR_INIT("Event"), INVOKE_EVENT },
    { STR_INIT("DryRun"), INVOKE_DRY_RUN },
};

static const struct fault *read_type(const struct api_call *call, enum invocation *ret_type)
{
    str word = api_header(call, "X-Amz-Invocation-Type");
    *ret_type = INVOKE_REQUEST_RESPONSE;
    if (str_is_none(word))
        return NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_eq(types[i].word, word)) {
            *ret_type = types[i].type;
            return NULL;
        }
    }
    return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidParameterValueException",
                       "Unknown invocation type: " STR_FMT, STR_ARG(word));
}

/* Strangers' events; those of our own services are JSON. */
static const struct fault *check_event(const struct api_call *call)
{
    const struct json *json;
    if (!call->text.len)
        return NULL;
    AUTO_ARENA *arena = arena_new(64 * call->text.len + (1 << 20));
    if (!arena)
        return &fault_no_memory;
    const struct fault *why = json_parse(call->text, arena, &json);
    if (!why || why->kind != FAULT_SYNTAX)
        return why ? fault_keep(call->call.arena, why) : NULL;
    return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidRequestContentException",
                       "Could not parse request body into json: " STR_FMT, STR_ARG(why->says));
}

/* Holds one of the workers that wait for functions; false: all are held. */
static bool hold_worker(struct api *api)
{
    if (atomic_fetch_add(&api->invocations, 1) < API_INVOCATIONS_MAX)
        return true;
    atomic_fetch_sub(&api->invocations, 1);
    return false;
}

static const struct fault *invoke(struct api *api, const struct api_call *call,
                                  const struct invoke *what, struct invoked *ret_invoked)
{
    struct lambda_port *port = &api->lambda->port;
    if (!hold_worker(api))
        return fault_coded(call->call.arena, FAULT_UNAVAILABLE, "TooManyRequestsException",
                           "Rate Exceeded.");
    const struct fault *why = port->invoke(port, &call->call, what, ret_invoked);
    atomic_fetch_sub(&api->invocations, 1);
    return why;
}

const struct fault *run_lambda_Invoke(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    struct function_ref ref;
    struct invoked invoked;
    struct arena *arena = call->call.arena;
    struct invoke what = { .payload = call->text, .request_id = call->request_id };
    TRY(lambda_function_named(call, &ref));
    TRY(read_type(call, &what.type));
    TRY(check_event(call));
    what.function_arn = function_ref_arn(&ref, arena);
    TRY(invoke(api, call, &what, &invoked));
    answer->status = invoked.status;
    if (invoked.status == 200) {
        api_add_header(answer, "X-Amz-Executed-Version", invoked.version);
        if (!str_is_none(invoked.function_error))
            api_add_header(answer, "X-Amz-Function-Error", invoked.function_error);
    }
    if (invoked.status == 200 && str_eq(api_header(call, "X-Amz-Log-Type"), STR("Tail"))) {
        AUTO_BUF tail = buf_new(16 * 1024);
        base64_encode(&tail, invoked.log_tail);
        api_add_header(answer, "X-Amz-Log-Result", arena_str(arena, buf_str(&tail)));
    }
    buf_add(&answer->text, invoked.payload);
    return NULL;
}

/* ---- permissions ---- */

const struct fault *run_lambda_AddPermission(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    str statement;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    const struct permission permission = {
        .statement_id = json_str(body, "StatementId"),
        .action = json_str(body, "Action"),
        .principal = json_str(body, "Principal"),
        .source_arn = json_str(body, "SourceArn"),
        .source_account = json_str(body, "SourceAccount"),
        .principal_org_id = json_str(body, "PrincipalOrgID"),
        .function_url_auth_type = json_str(body, "FunctionUrlAuthType"),
        .event_source_token = json_str(body, "EventSourceToken"),
        .qualifier = ref.qualifier,
        .revision_id = json_str(body, "RevisionId"),
    };
    TRY(lambda_add_permission(api->lambda, &call->call, &ref, &permission, &statement));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "Statement", statement);
    json_close(&w, '}');
    answer->status = 201;
    return NULL;
}

const struct fault *run_lambda_RemovePermission(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    struct function_ref ref;
    TRY(lambda_function_named(call, &ref));
    answer->status = 204;
    return lambda_remove_permission(api->lambda, &call->call, &ref, call->place[1],
                                    api_param(call, "RevisionId"));
}

const struct fault *run_lambda_GetPolicy(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    struct function_ref ref;
    const struct function_policy *policy;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_get_policy(api->lambda, &call->call, &ref, &policy));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "Policy", policy->text);
    json_add_str(&w, "RevisionId", policy->revision_id);
    json_close(&w, '}');
    return NULL;
}

/* ---- concurrency ---- */

static void write_reserved(struct api_answer *answer, int64_t reserved)
{
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    if (reserved >= 0)
        json_add_int(&w, "ReservedConcurrentExecutions", reserved);
    json_close(&w, '}');
}

const struct fault *run_lambda_PutFunctionConcurrency(struct api *api, const struct api_call *call,
                                                      struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    int64_t reserved = json_int(body, "ReservedConcurrentExecutions", -1);
    if (reserved < 0)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value at 'reservedConcurrentExecutions' "
                           "failed to satisfy "
                           "constraint: Member must have value greater than or equal to 0");
    TRY(lambda_set_reserved(api->lambda, &call->call, &ref, reserved));
    write_reserved(answer, reserved);
    return NULL;
}

const struct fault *run_lambda_GetFunctionConcurrency(struct api *api, const struct api_call *call,
                                                      struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:GetFunctionConcurrency"), &f, &v));
    write_reserved(answer, f->reserved);
    return NULL;
}

const struct fault *run_lambda_DeleteFunctionConcurrency(struct api *api,
                                                         const struct api_call *call,
                                                         struct api_answer *answer)
{
    struct function_ref ref;
    TRY(lambda_function_named(call, &ref));
    answer->status = 204;
    return lambda_set_reserved(api->lambda, &call->call, &ref, -1);
}

/* ---- asynchronous calls ---- */

static void write_async(struct json_writer *w, const struct function_ref *ref,
                        const struct function_async *a, struct arena *arena)
{
    struct function_ref whole = *ref;
    whole.qualifier = a->qualifier;
    json_open(w, '{');
    json_add_raw(w, "LastModified",
                 arena_strf(arena, "%lld.%03d", (long long)(a->modified_ms / 1000),
                            (int)(a->modified_ms % 1000)));
    json_add_str(w, "FunctionArn", function_ref_arn(&whole, arena));
    if (a->attempts >= 0)
        json_add_int(w, "MaximumRetryAttempts", a->attempts);
    if (a->age_s >= 0)
        json_add_int(w, "MaximumEventAgeInSeconds", a->age_s);
    json_add_raw(w, "DestinationConfig", STR("{\"OnSuccess\":{},\"OnFailure\":{}}"));
    json_close(w, '}');
}

static const struct fault *put_async(struct api *api, const struct api_call *call, bool change,
                                     struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    const struct function_async *set;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    const struct json *destinations = json_get(body, "DestinationConfig");
    if (json_str(json_get(destinations, "OnSuccess"), "Destination").len ||
        json_str(json_get(destinations, "OnFailure"), "Destination").len)
        return fault_coded(
            call->call.arena, FAULT_UNBUILT, "NotImplemented",
            "The parameter DestinationConfig is not implemented; a DeadLetterConfig is");
    const struct function_async async = { .attempts = json_int(body, "MaximumRetryAttempts", -1),
                                          .age_s = json_int(body, "MaximumEventAgeInSeconds", -1) };
    TRY(lambda_put_async(api->lambda, &call->call, &ref, &async, change, &set));
    struct json_writer w = json_writer(&answer->text);
    write_async(&w, &ref, set, call->call.arena);
    return NULL;
}

const struct fault *run_lambda_PutFunctionEventInvokeConfig(struct api *api,
                                                            const struct api_call *call,
                                                            struct api_answer *answer)
{
    return put_async(api, call, false, answer);
}

const struct fault *run_lambda_UpdateFunctionEventInvokeConfig(struct api *api,
                                                               const struct api_call *call,
                                                               struct api_answer *answer)
{
    return put_async(api, call, true, answer);
}

const struct fault *run_lambda_GetFunctionEventInvokeConfig(struct api *api,
                                                            const struct api_call *call,
                                                            struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:GetFunctionEventInvokeConfig"), &f,
                   &v));
    const struct function_async *set = function_async(f, ref.qualifier);
    if (!set)
        return fault_coded(call->call.arena, FAULT_ABSENT, "ResourceNotFoundException",
                           "The function " STR_FMT ":" STR_FMT " doesn't have an EventInvokeConfig",
                           STR_ARG(f->arn.text),
                           STR_ARG(ref.qualifier.len ? ref.qualifier : STR("$LATEST")));
    struct json_writer w = json_writer(&answer->text);
    write_async(&w, &ref, set, call->call.arena);
    return NULL;
}

const struct fault *run_lambda_DeleteFunctionEventInvokeConfig(struct api *api,
                                                               const struct api_call *call,
                                                               struct api_answer *answer)
{
    struct function_ref ref;
    TRY(lambda_function_named(call, &ref));
    answer->status = 204;
    return lambda_delete_async(api->lambda, &call->call, &ref);
}

const struct fault *run_lambda_ListFunctionEventInvokeConfigs(struct api *api,
                                                              const struct api_call *call,
                                                              struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    ref.qualifier = STR("");
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:ListFunctionEventInvokeConfigs"), &f,
                   &v));
    struct lambda_page page = lambda_page_of(call);
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("FunctionEventInvokeConfigs"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->async_count; i++)
        if (lambda_page_takes(&page, f->asyncs[i].qualifier))
            write_async(&w, &ref, &f->asyncs[i], call->call.arena);
    json_close(&w, ']');
    lambda_page_end(&page, &w);
    json_close(&w, '}');
    return NULL;
}

/* ---- tags ---- */

const struct fault *run_lambda_TagResource(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    const struct header *tags;
    size_t count;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    TRY(lambda_pairs_read(json_get(body, "Tags"), call->call.arena, &tags, &count));
    answer->status = 204;
    return lambda_tag(api->lambda, &call->call, &ref, tags, count);
}

const struct fault *run_lambda_UntagResource(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    struct function_ref ref;
    str *keys = ARENA_ARRAY(call->call.arena, str, call->param_count + 1);
    size_t count = 0;
    TRY(lambda_function_named(call, &ref));
    if (!keys)
        return &fault_no_memory;
    for (size_t i = 0; i < call->param_count; i++)
        if (str_eq(call->params[i].name, STR("tagKeys")))
            keys[count++] = call->params[i].value;
    answer->status = 204;
    return lambda_untag(api->lambda, &call->call, &ref, keys, count);
}

const struct fault *run_lambda_ListTags(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:ListTags"), &f, &v));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Tags"));
    json_open(&w, '{');
    for (size_t i = 0; i < f->tag_count; i++) {
        json_name(&w, f->tags[i].name);
        json_put_str(&w, f->tags[i].value);
    }
    json_close(&w, '}');
    json_close(&w, '}');
    return NULL;
}

/* api/lambda.c - Lambda's REST JSON operations on functions. */
#include "api/api.h"
#include "api/lambda_shape.h"
#include "api/run.h"

enum { WORK_MAX = 512 * 1024 * 1024 };

/* A package is larger than the request's own arena lets it be; it lives in one of its own. */
static struct arena *work_arena(void)
{
    return arena_new(WORK_MAX);
}

static void write_function(struct api_answer *answer, const struct function *f,
                           const struct function_version *v, bool qualified,
                           const struct api_call *call)
{
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    lambda_write_configuration(&w, f, v, qualified, call->call.arena);
    json_close(&w, '}');
}

/* Publish: true: the version that came of it is answered. */
static const struct fault *publish_too(struct api *api, const struct api_call *call,
                                       const struct function_ref *ref, str description,
                                       struct api_answer *answer)
{
    const struct function *f;
    const struct function_version *v;
    struct call again = call->call; /* sees what was changed just now */
    again.world = worlds_now(api->worlds);
    const struct fault *why =
        lambda_publish(api->lambda, &again, ref, description, STR_NONE, STR_NONE, &f, &v);
    if (!why)
        write_function(answer, f, v, true, call);
    else
        why = fault_keep(call->call.arena, why);
    world_unref(again.world);
    return why;
}

static const struct fault *create(struct api *api, const struct api_call *call, struct arena *work,
                                  struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    struct function_draft draft;
    const struct header *tags;
    size_t tag_count;
    const struct function *f;
    AUTO_BUF zip = buf_new(0);
    TRY(lambda_body(call, work, &body));
    struct api_call named = *call;
    named.place[0] = json_str(body, "FunctionName");
    TRY(lambda_function_named(&named, &ref));
    ref.qualifier = STR("");
    TRY(lambda_draft_read(call, body, work, &draft));
    if (str_is_none(draft.role))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value null at 'role' failed to satisfy "
                           "constraint: Member "
                           "must not be null");
    TRY(lambda_pairs_read(json_get(body, "Tags"), work, &tags, &tag_count));
    TRY(lambda_zip_read(api, call, json_get(body, "Code"), &zip));
    TRY(lambda_create(api->lambda, &call->call, &ref, &draft, tags, tag_count, buf_str(&zip), &f));
    answer->status = 201;
    if (json_bool(body, "Publish", false))
        return publish_too(api, call, &ref, STR_NONE, answer);
    write_function(answer, f, &f->versions[0], false, call);
    return NULL;
}

const struct fault *run_lambda_CreateFunction(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    AUTO_ARENA *work = work_arena();
    const struct fault *why = work ? create(api, call, work, answer) : &fault_no_memory;
    return why ? why->denial || why->because ? why : fault_keep(call->call.arena, why) : NULL;
}

static const struct fault *update_code(struct api *api, const struct api_call *call,
                                       struct arena *work, struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    const struct function *f;
    AUTO_BUF zip = buf_new(0);
    TRY(lambda_body(call, work, &body));
    TRY(lambda_function_named(call, &ref));
    ref.qualifier = STR("");
    TRY(lambda_zip_read(api, call, body, &zip));
    TRY(lambda_update_code(api->lambda, &call->call, &ref, json_str(body, "RevisionId"),
                           buf_str(&zip), json_bool(body, "DryRun", false), &f));
    if (json_bool(body, "Publish", false))
        return publish_too(api, call, &ref, STR_NONE, answer);
    write_function(answer, f, &f->versions[0], false, call);
    return NULL;
}

const struct fault *run_lambda_UpdateFunctionCode(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    AUTO_ARENA *work = work_arena();
    const struct fault *why = work ? update_code(api, call, work, answer) : &fault_no_memory;
    return why ? why->denial || why->because ? why : fault_keep(call->call.arena, why) : NULL;
}

const struct fault *run_lambda_UpdateFunctionConfiguration(struct api *api,
                                                           const struct api_call *call,
                                                           struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    struct function_draft draft;
    const struct function *f;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    TRY(lambda_draft_read(call, body, call->call.arena, &draft));
    ref.qualifier = STR("");
    TRY(lambda_update_configuration(api->lambda, &call->call, &ref, &draft, &f));
    write_function(answer, f, &f->versions[0], false, call);
    return NULL;
}

/* ---- read ---- */

const struct fault *run_lambda_GetFunction(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:GetFunction"), &f, &v));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Configuration"));
    json_open(&w, '{');
    lambda_write_configuration(&w, f, v, ref.qualifier.len > 0, call->call.arena);
    json_close(&w, '}');
    json_add_raw(&w, "Code", STR("{\"RepositoryType\":\"S3\"}"));
    if (f->tag_count) {
        json_name(&w, STR("Tags"));
        json_open(&w, '{');
        for (size_t i = 0; i < f->tag_count; i++) {
            json_name(&w, f->tags[i].name);
            json_put_str(&w, f->tags[i].value);
        }
        json_close(&w, '}');
    }
    if (f->reserved >= 0) {
        json_name(&w, STR("Concurrency"));
        json_open(&w, '{');
        json_add_int(&w, "ReservedConcurrentExecutions", f->reserved);
        json_close(&w, '}');
    }
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_lambda_GetFunctionConfiguration(struct api *api,
                                                        const struct api_call *call,
                                                        struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:GetFunctionConfiguration"), &f, &v));
    write_function(answer, f, v, ref.qualifier.len > 0, call);
    return NULL;
}

const struct fault *run_lambda_ListFunctions(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    struct lambda_page page = lambda_page_of(call);
    bool all_versions = str_eq(api_param(call, "FunctionVersion"), STR("ALL"));
    TRY(lambda_ask(c, NULL, NULL, STR("lambda:ListFunctions"), NULL, 0));
    str prefix = arena_strf(c->arena, "function/" STR_FMT "/" STR_FMT "/",
                            STR_ARG(c->caller->account), STR_ARG(c->region));
    str after = str_is_none(page.after)
                    ? STR("")
                    : arena_strf(c->arena, STR_FMT STR_FMT, STR_ARG(prefix), STR_ARG(page.after));
    const void *aggregate;
    str key;
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Functions"));
    json_open(&w, '[');
    for (; !page.more && world_next(c->world, prefix, after, &key, &aggregate); after = key) {
        const struct function *f = aggregate;
        if (!lambda_page_takes(&page, f->name))
            continue;
        for (size_t i = 0; i < (all_versions ? f->version_count : 1); i++) {
            json_open(&w, '{');
            lambda_write_configuration(&w, f, &f->versions[i], all_versions, c->arena);
            json_close(&w, '}');
        }
    }
    json_close(&w, ']');
    lambda_page_end(&page, &w);
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_lambda_DeleteFunction(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    struct function_ref ref;
    TRY(lambda_function_named(call, &ref));
    answer->status = 204;
    return lambda_delete(api->lambda, &call->call, &ref);
}

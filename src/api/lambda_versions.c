/* api/lambda_versions.c - Lambda's REST JSON operations on versions and aliases. */
#include "api/api.h"
#include "api/lambda_shape.h"
#include "api/run.h"

const struct fault *run_lambda_PublishVersion(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    ref.qualifier = STR("");
    TRY(lambda_publish(api->lambda, &call->call, &ref, json_str(body, "Description"),
                       json_str(body, "CodeSha256"), json_str(body, "RevisionId"), &f, &v));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    lambda_write_configuration(&w, f, v, true, call->call.arena);
    json_close(&w, '}');
    answer->status = 201;
    return NULL;
}

/* In the order of the list: $LATEST, then by number. */
static str version_mark(const struct function_version *v, struct arena *a)
{
    uint64_t number = 0;
    (void)str_u64(v->version, &number);
    return arena_strf(a, "%020llu", (unsigned long long)number);
}

const struct fault *run_lambda_ListVersionsByFunction(struct api *api, const struct api_call *call,
                                                      struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    ref.qualifier = STR("");
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:ListVersionsByFunction"), &f, &v));
    struct lambda_page page = lambda_page_of(call);
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Versions"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->version_count; i++) {
        if (!lambda_page_takes(&page, version_mark(&f->versions[i], call->call.arena)))
            continue;
        json_open(&w, '{');
        lambda_write_configuration(&w, f, &f->versions[i], true, call->call.arena);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    lambda_page_end(&page, &w);
    json_close(&w, '}');
    return NULL;
}

/* ---- aliases ---- */

static const struct fault *put_alias(struct api *api, const struct api_call *call, bool create,
                                     struct api_answer *answer)
{
    const struct json *body;
    struct function_ref ref;
    const struct function *f;
    const struct function_alias *alias;
    TRY(lambda_function_named(call, &ref));
    TRY(lambda_body(call, call->call.arena, &body));
    if (json_size(json_get(json_get(body, "RoutingConfig"), "AdditionalVersionWeights")))
        return fault_coded(
            call->call.arena, FAULT_UNBUILT, "NotImplemented",
            "The parameter RoutingConfig is not implemented: an alias leads to one version");
    ref.qualifier = STR("");
    const struct alias_draft draft = { .name = create ? json_str(body, "Name") : call->place[1],
                                       .version = json_str(body, "FunctionVersion"),
                                       .description = json_str(body, "Description"),
                                       .revision_id = json_str(body, "RevisionId") };
    TRY(lambda_put_alias(api->lambda, &call->call, &ref, &draft, create, &f, &alias));
    struct json_writer w = json_writer(&answer->text);
    lambda_write_alias(&w, f, alias, call->call.arena);
    answer->status = create ? 201 : 200;
    return NULL;
}

const struct fault *run_lambda_CreateAlias(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    return put_alias(api, call, true, answer);
}

const struct fault *run_lambda_UpdateAlias(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    return put_alias(api, call, false, answer);
}

const struct fault *run_lambda_GetAlias(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    TRY(lambda_function_named(call, &ref));
    ref.qualifier = STR("");
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:GetAlias"), &f, &v));
    const struct function_alias *alias = function_alias(f, call->place[1]);
    if (!alias)
        return fault_coded(call->call.arena, FAULT_ABSENT, "ResourceNotFoundException",
                           "Cannot find alias arn: " STR_FMT ":" STR_FMT, STR_ARG(f->arn.text),
                           STR_ARG(call->place[1]));
    struct json_writer w = json_writer(&answer->text);
    lambda_write_alias(&w, f, alias, call->call.arena);
    return NULL;
}

const struct fault *run_lambda_DeleteAlias(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    struct function_ref ref;
    TRY(lambda_function_named(call, &ref));
    ref.qualifier = STR("");
    answer->status = 204;
    return lambda_delete_alias(api->lambda, &call->call, &ref, call->place[1]);
}

const struct fault *run_lambda_ListAliases(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    struct function_ref ref;
    const struct function *f;
    const struct function_version *v;
    str version = api_param(call, "FunctionVersion");
    TRY(lambda_function_named(call, &ref));
    ref.qualifier = STR("");
    TRY(lambda_get(api->lambda, &call->call, &ref, STR("lambda:ListAliases"), &f, &v));
    struct lambda_page page = lambda_page_of(call);
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Aliases"));
    json_open(&w, '[');
    for (size_t i = 0; i < f->alias_count; i++)
        if ((str_is_none(version) || str_eq(version, f->aliases[i].version)) &&
            lambda_page_takes(&page, f->aliases[i].name))
            lambda_write_alias(&w, f, &f->aliases[i], call->call.arena);
    json_close(&w, ']');
    lambda_page_end(&page, &w);
    json_close(&w, '}');
    return NULL;
}

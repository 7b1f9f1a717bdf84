#include "api/lambda_shape.h"

#include "api/api.h"
#include "base/base64.h"
#include "base/when.h"
#include "services/lambda/change.h"
#include "services/s3/s3.h"

enum { ZIP_ROOM = 51 * 1024 * 1024 };

const struct fault *lambda_body(const struct api_call *call, struct arena *arena,
                                const struct json **ret_body)
{
    const struct fault *why = json_parse(call->text.len ? call->text : STR("{}"), arena, ret_body);
    if (!why)
        return json_kind(*ret_body) == JSON_OBJECT
                   ? NULL
                   : fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidRequestContentException",
                                 "Could not parse request body into json: an object is wanted");
    if (why->kind != FAULT_SYNTAX)
        return fault_keep(call->call.arena, why);
    return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidRequestContentException",
                       "Could not parse request body into json: " STR_FMT, STR_ARG(why->says));
}

const struct fault *lambda_function_named(const struct api_call *call, struct function_ref *ret_ref)
{
    str name = call->place[0], qualifier = api_param(call, "Qualifier");
    if (function_ref_parse(name, qualifier, call->call.caller->account, call->call.region,
                           ret_ref)) {
        if (str_eq(ret_ref->region, call->call.region))
            return NULL;
        return fault_coded(call->call.arena, FAULT_ABSENT, "ResourceNotFoundException",
                           "Functions from '" STR_FMT
                           "' are not reachable in this region ('" STR_FMT "')",
                           STR_ARG(ret_ref->region), STR_ARG(call->call.region));
    }
    return fault_coded(
        call->call.arena, FAULT_SYNTAX, "ValidationException",
        "1 validation error detected: Value '" STR_FMT "' at 'functionName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: "
        "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?"
        "([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
        STR_ARG(name));
}

/* ---- what is asked for ---- */

/* Members that Lambda has and nothing here honours: refused unless they say what is so anyway. */
static const struct {
    const char *member, *inner;
    const char *usual; /* the value of `inner` that is as it is here; NULL: only its absence is */
} unbuilt[] = {
    { "VpcConfig", "SubnetIds", NULL },
    { "FileSystemConfigs", NULL, NULL },
    { "Layers", NULL, NULL },
    { "ImageConfig", NULL, NULL },
    { "KMSKeyArn", NULL, NULL },
    { "CodeSigningConfigArn", NULL, NULL },
    { "CapacityProviderConfig", NULL, NULL },
    { "TracingConfig", "Mode", "PassThrough" },
    { "SnapStart", "ApplyOn", "None" },
    { "LoggingConfig", "LogFormat", "Text" },
    { "PackageType", NULL, "Zip" },
};

static const struct fault *not_built(const struct api_call *call, const char *member)
{
    return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                       "The parameter %s is not implemented with this value", member);
}

static const struct fault *refuse_unbuilt(const struct api_call *call, const struct json *body)
{
    for (size_t i = 0; i < sizeof unbuilt / sizeof unbuilt[0]; i++) {
        const struct json *value = json_get(body, unbuilt[i].member);
        if (unbuilt[i].inner)
            value = json_get(value, unbuilt[i].inner);
        str text = json_text(value);
        bool empty =
            !value || json_kind(value) == JSON_NULL || (json_size(value) == 0 && !text.len);
        bool usual = unbuilt[i].usual && str_eq(text, str_of(unbuilt[i].usual));
        if (!empty && !usual)
            return not_built(call, unbuilt[i].member);
    }
    if (json_int(json_get(body, "EphemeralStorage"), "Size", 512) != 512)
        return not_built(call, "EphemeralStorage");
    return json_get(json_get(body, "Code"), "ImageUri") ? not_built(call, "Code.ImageUri") : NULL;
}

const struct fault *lambda_pairs_read(const struct json *object, struct arena *arena,
                                      const struct header **ret_pairs, size_t *ret_count)
{
    size_t count = json_size(object);
    struct header *pairs = ARENA_ARRAY(arena, struct header, count + 1);
    const struct json *value;
    str name;
    if (!pairs)
        return &fault_no_memory;
    for (size_t i = 0; json_member(object, i, &name, &value); i++)
        pairs[i] =
            (struct header) { name, json_kind(value) == JSON_STRING ? json_text(value) : STR("") };
    *ret_pairs = pairs;
    *ret_count = count;
    return NULL;
}

const struct fault *lambda_draft_read(const struct api_call *call, const struct json *body,
                                      struct arena *arena, struct function_draft *d)
{
    TRY(refuse_unbuilt(call, body));
    *d = (struct function_draft) {
        .runtime = json_str(body, "Runtime"),
        .handler = json_str(body, "Handler"),
        .role = json_str(body, "Role"),
        .description = json_str(body, "Description"),
        .dead_letter_arn = json_get(body, "DeadLetterConfig")
                               ? json_str(json_get(body, "DeadLetterConfig"), "TargetArn")
                               : STR_NONE,
        .timeout_s = json_int(body, "Timeout", -1),
        .memory_mb = json_int(body, "MemorySize", -1),
        .revision_id = json_str(body, "RevisionId"),
    };
    const struct json *environment = json_get(body, "Environment");
    if (environment)
        TRY(lambda_pairs_read(json_get(environment, "Variables"), arena, &d->environment,
                              &d->environment_count));
    return NULL;
}

static const struct fault *read_object(struct api *api, const struct api_call *call,
                                       const struct json *code, struct buf *out)
{
    struct s3_object object;
    struct arena *kept = call->call.arena; /* a denial outlives the request's text */
    const struct s3_get get = { .bucket = arena_str(kept, json_str(code, "S3Bucket")),
                                .key = arena_str(kept, json_str(code, "S3Key")),
                                .with_body = true,
                                .range = STR_NONE,
                                .if_range = STR_NONE,
                                .if_match = STR_NONE,
                                .if_none_match = STR_NONE };
    if (json_get(code, "S3ObjectVersion"))
        return not_built(call, "S3ObjectVersion");
    const struct fault *why = s3_get_object(api->s3, &call->call, &get, &object);
    if (why && why->kind == FAULT_DENIED)
        return why;
    if (why)
        return fault_coded(
            call->call.arena, FAULT_SYNTAX, "InvalidParameterValueException",
            "Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: " STR_FMT,
            why->code ? why->code : "InternalError", STR_ARG(why->says));
    for (str piece; object.body;) {
        TRY(object.body->read(object.body, &piece));
        if (!piece.len)
            break;
        buf_add(out, piece);
    }
    return NULL;
}

const struct fault *lambda_zip_read(struct api *api, const struct api_call *call,
                                    const struct json *code, struct buf *out)
{
    str zip = json_str(code, "ZipFile");
    *out = buf_new(ZIP_ROOM);
    if (str_is_none(zip) && json_get(code, "S3Bucket"))
        TRY(read_object(api, call, code, out));
    else if (str_is_none(zip))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidParameterValueException",
                           "Please provide a source for function code.");
    else if (!base64_decode(out, zip) && !out->failed)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidRequestContentException",
                           "Could not parse request body into json: ZipFile is not Base64");
    return out->failed
               ? fault_coded(
                     call->call.arena, FAULT_LIMIT, "RequestEntityTooLargeException",
                     "Request must be smaller than 69905067 bytes for the CreateFunction operation")
               : NULL;
}

/* ---- what is answered ---- */

static void add_pairs(struct json_writer *w, const struct header *pairs, size_t count)
{
    json_open(w, '{');
    for (size_t i = 0; i < count; i++) {
        json_name(w, pairs[i].name);
        json_put_str(w, pairs[i].value);
    }
    json_close(w, '}');
}

/* 2026-03-02T09:15:42.317+0000 */
static str last_modified(int64_t ms, struct arena *arena)
{
    char when[WHEN_SIZE];
    str iso = when_iso_ms(when, ms);
    return arena_strf(arena, STR_FMT "+0000", STR_ARG(str_head(iso, iso.len - 1)));
}

struct lambda_page lambda_page_of(const struct api_call *call)
{
    enum { PAGE = 50 };
    struct lambda_page page = { .after = api_param(call, "Marker"), .most = PAGE };
    str wanted = api_param(call, "MaxItems");
    if (!str_is_none(wanted) && (!str_u64(wanted, &page.most) || page.most == 0))
        page.most = PAGE;
    page.most = page.most > PAGE ? PAGE : page.most;
    return page;
}

bool lambda_page_takes(struct lambda_page *page, str mark)
{
    if (!str_is_none(page->after) && str_cmp(mark, page->after) <= 0)
        return false;
    if (page->count == page->most) {
        page->more = true;
        return false;
    }
    page->count++;
    page->last = mark;
    return true;
}

void lambda_page_end(const struct lambda_page *page, struct json_writer *w)
{
    if (page->more)
        json_add_str(w, "NextMarker", page->last);
}

void lambda_write_configuration(struct json_writer *w, const struct function *f,
                                const struct function_version *v, bool qualified,
                                struct arena *arena)
{
    str arn = qualified ? arena_strf(arena, STR_FMT ":" STR_FMT, STR_ARG(f->arn.text),
                                     STR_ARG(v->version))
                        : f->arn.text;
    json_add_str(w, "FunctionName", f->name);
    json_add_str(w, "FunctionArn", arn);
    json_add_str(w, "Runtime", v->runtime);
    json_add_str(w, "Role", v->role);
    json_add_str(w, "Handler", v->handler);
    json_add_int(w, "CodeSize", v->code_size);
    json_add_str(w, "Description", v->description);
    json_add_int(w, "Timeout", v->timeout_s);
    json_add_int(w, "MemorySize", v->memory_mb);
    json_add_str(w, "LastModified", last_modified(v->modified_ms, arena));
    json_add_str(w, "CodeSha256", code_sha256_base64(v->code_hash, arena));
    json_add_str(w, "Version", v->version);
    if (v->environment_count) {
        json_name(w, STR("Environment"));
        json_open(w, '{');
        json_name(w, STR("Variables"));
        add_pairs(w, v->environment, v->environment_count);
        json_close(w, '}');
    }
    if (v->dead_letter_arn.len) {
        json_name(w, STR("DeadLetterConfig"));
        json_open(w, '{');
        json_add_str(w, "TargetArn", v->dead_letter_arn);
        json_close(w, '}');
    }
    json_add_raw(w, "TracingConfig", STR("{\"Mode\":\"PassThrough\"}"));
    json_add_str(w, "RevisionId", v->revision_id);
    json_add_str(w, "State", STR("Active"));
    json_add_str(w, "LastUpdateStatus", STR("Successful"));
    json_add_str(w, "PackageType", STR("Zip"));
    json_add_raw(w, "Architectures", STR("[\"x86_64\"]"));
    json_add_raw(w, "EphemeralStorage", STR("{\"Size\":512}"));
}

void lambda_write_alias(struct json_writer *w, const struct function *f,
                        const struct function_alias *a, struct arena *arena)
{
    json_open(w, '{');
    json_add_str(w, "AliasArn",
                 arena_strf(arena, STR_FMT ":" STR_FMT, STR_ARG(f->arn.text), STR_ARG(a->name)));
    json_add_str(w, "Name", a->name);
    json_add_str(w, "FunctionVersion", a->version);
    json_add_str(w, "Description", a->description);
    json_add_str(w, "RevisionId", a->revision_id);
    json_close(w, '}');
}

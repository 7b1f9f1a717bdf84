/* services/lambda/functions.c - making, changing and removing functions.
 *
 * Limits and sentences: Lambda API Reference, CreateFunction; Developer Guide, "Lambda quotas". */
#include "services/authorize.h"
#include "services/iam/pass_role.h"
#include "services/iam/role.h"
#include "services/lambda/change.h"

enum {
    ZIP_MAX = 50 * 1024 * 1024,
    TIMEOUT_MAX_S = 900,
    MEMORY_MIN_MB = 128,
    MEMORY_MAX_MB = 10240,
    ENVIRONMENT_MAX = 4096,
};

/* ---- may they ---- */

const struct fault *lambda_ask(const struct call *call, const struct function_ref *ref,
                               const struct function *function, str action,
                               const struct context_key *context, size_t context_count)
{
    const struct function_policy *policy =
        function ? function_policy(function, ref->qualifier) : NULL;
    str resource = ref ? function_ref_arn(ref, call->arena) : STR("*");
    str name =
        ref ? arena_strf(call->arena, "policy of function " STR_FMT "%s" STR_FMT,
                         STR_ARG(ref->name), ref->qualifier.len ? ":" : "", STR_ARG(ref->qualifier))
            : STR("");
    if (str_is_none(resource) || str_is_none(name))
        return &fault_no_memory;
    return authorize(call,
                     &(struct ask) { .action = action,
                                     .resource = resource,
                                     .resource_account = ref ? ref->account : call->caller->account,
                                     .resource_policy = policy ? policy->document : NULL,
                                     .resource_kind = EXHIBIT_RESOURCE,
                                     .resource_policy_name = name,
                                     .context = context,
                                     .context_count = context_count });
}

static const struct fault *may(const struct call *call, const struct function_ref *ref, str action)
{
    return lambda_ask(call, ref, function_find(call->world, ref), action, NULL, 0);
}

static const struct fault *invalid(const struct call *call, const char *fmt, str value)
{
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValueException", fmt,
                       STR_ARG(value));
}

/* iam:PassRole, and whether Lambda could take the role: its trust policy decides. */
static const struct fault *check_role(struct lambda_service *s, const struct call *call,
                                      const struct function_ref *ref, str role_arn)
{
    struct arn arn, source;
    struct caller session;
    role_arn = arena_str(call->arena,
                         role_arn); /* a denial keeps it, and the request's text may go first */
    if (str_is_none(role_arn))
        return &fault_no_memory;
    if (!arn_parse(role_arn, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_starts(arn.resource, STR("role/")))
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'role' failed to satisfy "
                           "constraint: Member must satisfy regular expression pattern: "
                           "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
                           STR_ARG(role_arn));
    const str lambda = STR("lambda.amazonaws.com"), function = function_ref_arn(ref, call->arena);
    TRY(pass_role(call, role_arn, lambda, function));
    if (!arn_parse(function, &source))
        return &fault_no_memory;
    struct caller service = {
        .kind = CALLER_SERVICE,
        .account = ref->account,
        .service = { .principal = lambda, .source_account = ref->account, .source_arn = source }
    };
    struct call as = *call;
    as.caller = &service;
    if (!s->ports->sts->assume_role(s->ports->sts, &as, role_arn, ref->name, &session))
        return NULL;
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValueException",
                       "The role defined for the function cannot be assumed by Lambda.");
}

/* ---- the settings ---- */

/* Families that are run here; of each AWS has had several versions, and the machine has the one it
 * has. */
static const struct {
    str family;
    bool handler;
} runtimes[] = {
    { STR_INIT("nodejs"), true },
    { STR_INIT("python3."), true },
    { STR_INIT("provided"), false },
};
static const str unbuilt_runtimes[] = { STR_INIT("java"), STR_INIT("ruby"), STR_INIT("dotnet"),
                                        STR_INIT("go1.x"), STR_INIT("python2") };

static const struct fault *check_runtime(const struct call *call, const struct function_version *v)
{
    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
        if (!str_starts(v->runtime, runtimes[i].family))
            continue;
        if (runtimes[i].handler && !v->handler.len)
            return invalid(
                call,
                "Runtime and Handler are mandatory parameters for functions created with "
                "deployment packages." STR_FMT,
                STR(""));
        return NULL;
    }
    for (size_t i = 0; i < sizeof unbuilt_runtimes / sizeof unbuilt_runtimes[0]; i++) {
        if (str_starts(v->runtime, unbuilt_runtimes[i]))
            return fault_coded(call->arena, FAULT_UNBUILT, "NotImplemented",
                               "The runtime " STR_FMT
                               " is not implemented here: nodejs, python3 and "
                               "provided are",
                               STR_ARG(v->runtime));
    }
    return invalid(call,
                   "Value " STR_FMT
                   " at 'runtime' failed to satisfy constraint: Member must satisfy "
                   "enum value set or be a valid ARN",
                   v->runtime);
}

static bool name_is_reserved(str name)
{
    static const char *const names[] = {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(name, str_of(names[i])))
            return true;
    return false;
}

static bool name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) &&
            (i == 0 || (!ascii_is_digit(name.ptr[i]) && name.ptr[i] != '_')))
            return false;
    return name.len > 1;
}

static const struct fault *check_environment(const struct call *call, const struct header *pairs,
                                             size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (name_is_reserved(pairs[i].name))
            return invalid(
                call,
                "Lambda was unable to configure your environment variables because the "
                "environment variables you have provided contains reserved keys that are "
                "currently not supported for modification. Reserved keys used in this "
                "request: " STR_FMT,
                pairs[i].name);
        if (!name_ok(pairs[i].name))
            return fault_coded(
                call->arena, FAULT_SYNTAX, "ValidationException",
                "1 validation error detected: Value at 'environment.variables' failed to satisfy "
                "constraint: Map keys must satisfy constraint: [Member must satisfy regular "
                "expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]");
        size += pairs[i].name.len + pairs[i].value.len;
    }
    if (size <= ENVIRONMENT_MAX)
        return NULL;
    return invalid(
        call,
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided exceeded the 4KB limit." STR_FMT,
        STR(""));
}

static const struct fault *check_number(const struct call *call, const char *name, int64_t value,
                                        int64_t least, int64_t most)
{
    if (value >= least && value <= most)
        return NULL;
    return fault_coded(
        call->arena, FAULT_SYNTAX, "ValidationException",
        "1 validation error detected: Value '%lld' at '%s' failed to satisfy constraint: Member "
        "must have value %s than or equal to %lld",
        (long long)value, name, value < least ? "greater" : "less",
        (long long)(value < least ? least : most));
}

/* Dead letters go where there is a port for them. */
static const struct fault *check_dead_letter(struct lambda_service *s, const struct call *call,
                                             str target)
{
    struct arn arn;
    if (!target.len)
        return NULL;
    if (!arn_parse(target, &arn) ||
        (!str_eq(arn.service, STR("sqs")) && !str_eq(arn.service, STR("sns"))))
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'deadLetterConfig.targetArn' failed "
                           "to satisfy constraint: Member must satisfy regular expression pattern: "
                           "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()",
                           STR_ARG(target));
    bool queue = str_eq(arn.service, STR("sqs"));
    if (queue ? s->ports->sqs != NULL : s->ports->sns != NULL)
        return NULL;
    return fault_coded(call->arena, FAULT_UNBUILT, "NotImplemented",
                       "Dead letters to %s are not implemented", queue ? "SQS" : "SNS");
}

static const struct fault *check_settings(struct lambda_service *s, const struct call *call,
                                          const struct function_version *v)
{
    TRY(check_runtime(call, v));
    TRY(check_number(call, "timeout", v->timeout_s, 1, TIMEOUT_MAX_S));
    TRY(check_number(call, "memorySize", v->memory_mb, MEMORY_MIN_MB, MEMORY_MAX_MB));
    if (v->description.len > 256 || v->handler.len > 128)
        return fault_coded(
            call->arena, FAULT_SYNTAX, "ValidationException",
            "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must "
            "have length less than or equal to %d",
            v->description.len > 256 ? "description" : "handler",
            v->description.len > 256 ? 256 : 128);
    TRY(check_dead_letter(s, call, v->dead_letter_arn));
    return check_environment(call, v->environment, v->environment_count);
}

static void apply(const struct function_draft *d, struct function_version *v)
{
    v->runtime = str_is_none(d->runtime) ? v->runtime : d->runtime;
    v->handler = str_is_none(d->handler) ? v->handler : d->handler;
    v->role = str_is_none(d->role) ? v->role : d->role;
    v->description = str_is_none(d->description) ? v->description : d->description;
    v->dead_letter_arn = str_is_none(d->dead_letter_arn) ? v->dead_letter_arn : d->dead_letter_arn;
    v->timeout_s = d->timeout_s < 0 ? v->timeout_s : d->timeout_s;
    v->memory_mb = d->memory_mb < 0 ? v->memory_mb : d->memory_mb;
    if (d->environment) {
        v->environment = d->environment;
        v->environment_count = d->environment_count;
    }
}

/* ---- code ---- */

static const struct fault *check_zip(const struct call *call, str zip)
{
    if (!zip.len)
        return invalid(call,
                       "Could not unzip uploaded file. Please check your file, then try to upload "
                       "again." STR_FMT,
                       STR(""));
    if (zip.len > ZIP_MAX)
        return fault_coded(
            call->arena, FAULT_LIMIT, "RequestEntityTooLargeException",
            "Request must be smaller than 69905067 bytes for the CreateFunction operation");
    return NULL;
}

static void drop(struct lambda_service *s, str hash, struct arena *arena)
{
    const struct world *now = worlds_now(s->worlds);
    code_drop(s, now, hash, arena);
    world_unref(now);
}

/* ---- made ---- */

static const struct fault *create(struct lambda_service *s, const struct call *call,
                                  const struct function *f, str hash)
{
    const struct fault *why = function_put(s, call, f, REVISION_NEW);
    if (!why)
        return NULL;
    drop(s, hash, call->arena);
    if (why->kind != FAULT_CONFLICT)
        return why;
    return fault_coded(call->arena, FAULT_CONFLICT, "ResourceConflictException",
                       "Function already exist: " STR_FMT, STR_ARG(f->name));
}

const struct fault *lambda_create(struct lambda_service *s, const struct call *call,
                                  const struct function_ref *ref,
                                  const struct function_draft *draft, const struct header *tags,
                                  size_t tag_count, str zip, const struct function **ret_function)
{
    TRY(may(call, ref, STR("lambda:CreateFunction")));
    struct function *f = ARENA_NEW(call->arena, struct function);
    struct function_version *v = ARENA_NEW(call->arena, struct function_version);
    if (!f || !v)
        return &fault_no_memory;
    *v = (struct function_version) { .version = STR("$LATEST"),
                                     .runtime = STR(""),
                                     .handler = STR(""),
                                     .role = STR(""),
                                     .description = STR(""),
                                     .dead_letter_arn = STR(""),
                                     .timeout_s = 3,
                                     .memory_mb = 128,
                                     .modified_ms = call->now_ms,
                                     .code_size = (int64_t)zip.len,
                                     .revision_id = function_revision(s, call) };
    apply(draft, v);
    *f = (struct function) { .account = ref->account,
                             .region = ref->region,
                             .name = ref->name,
                             .next_version = 1,
                             .reserved = -1,
                             .versions = v,
                             .version_count = 1,
                             .tags = tags,
                             .tag_count = tag_count };
    struct function_ref bare = *ref;
    bare.qualifier = STR("");
    if (!arn_parse(function_ref_arn(&bare, call->arena), &f->arn))
        return &fault_no_memory;
    TRY(check_settings(s, call, v));
    TRY(check_role(s, call, &bare, v->role));
    TRY(check_zip(call, zip));
    if (function_find(call->world, ref))
        return fault_coded(call->arena, FAULT_CONFLICT, "ResourceConflictException",
                           "Function already exist: " STR_FMT, STR_ARG(ref->name));
    pthread_mutex_lock(&s->code_lock);
    const struct fault *why = code_keep(s, zip, call->arena, &v->code_hash);
    if (!why)
        why = create(s, call, f, v->code_hash);
    pthread_mutex_unlock(&s->code_lock);
    *ret_function = f;
    return why;
}

/* ---- changed ---- */

struct updating {
    struct lambda_service *service;
    const struct function_draft *draft;
    str hash, before;
    int64_t size;
};

/* A copy of the versions in which $LATEST can be written. */
static struct function_version *latest_of(const struct call *call, struct function *f)
{
    struct function_version *versions =
        ARENA_ARRAY(call->arena, struct function_version, f->version_count + 1);
    if (!versions || !f->version_count)
        return NULL;
    memcpy(versions, f->versions, f->version_count * sizeof *versions);
    f->versions = versions;
    return versions;
}

static const struct fault *set_code(void *context, const struct call *call, struct function *f)
{
    struct updating *u = context;
    struct function_version *v = latest_of(call, f);
    if (!v)
        return &fault_no_memory;
    TRY(function_same_revision(call, u->draft->revision_id, v->revision_id));
    u->before = v->code_hash;
    v->code_hash = u->hash;
    v->code_size = u->size;
    v->modified_ms = call->now_ms;
    v->revision_id = function_revision(u->service, call);
    return NULL;
}

const struct fault *lambda_update_code(struct lambda_service *s, const struct call *call,
                                       const struct function_ref *ref, str revision_id, str zip,
                                       bool dry_run, const struct function **ret_function)
{
    TRY(may(call, ref, STR("lambda:UpdateFunctionCode")));
    const struct function *now = function_find(call->world, ref);
    if (!now)
        return lambda_not_found(call, ref);
    TRY(check_zip(call, zip));
    if (dry_run) {
        *ret_function = now;
        return function_same_revision(call, revision_id, now->versions[0].revision_id);
    }
    const struct function_draft draft = { .revision_id = revision_id };
    struct updating u = { .service = s, .draft = &draft, .size = (int64_t)zip.len };
    pthread_mutex_lock(&s->code_lock);
    const struct fault *why = code_keep(s, zip, call->arena, &u.hash);
    if (!why)
        why = function_change(s, call, ref, set_code, &u, ret_function);
    if (!why && !str_eq(u.before, u.hash))
        drop(s, u.before, call->arena);
    else if (why && u.hash.len)
        drop(s, u.hash, call->arena);
    pthread_mutex_unlock(&s->code_lock);
    if (!why)
        pool_retire(s->pool, now->arn.text);
    return why;
}

static const struct fault *set_configuration(void *context, const struct call *call,
                                             struct function *f)
{
    struct updating *u = context;
    struct function_version *v = latest_of(call, f);
    if (!v)
        return &fault_no_memory;
    TRY(function_same_revision(call, u->draft->revision_id, v->revision_id));
    apply(u->draft, v);
    v->modified_ms = call->now_ms;
    v->revision_id = function_revision(u->service, call);
    return check_settings(u->service, call, v);
}

const struct fault *lambda_update_configuration(struct lambda_service *s, const struct call *call,
                                                const struct function_ref *ref,
                                                const struct function_draft *draft,
                                                const struct function **ret_function)
{
    TRY(may(call, ref, STR("lambda:UpdateFunctionConfiguration")));
    if (!function_find(call->world, ref))
        return lambda_not_found(call, ref);
    struct function_ref bare = *ref;
    bare.qualifier = STR("");
    if (!str_is_none(draft->role))
        TRY(check_role(s, call, &bare, draft->role));
    struct updating u = { .service = s, .draft = draft };
    TRY(function_change(s, call, ref, set_configuration, &u, ret_function));
    pool_retire(s->pool, (*ret_function)->arn.text);
    return NULL;
}

/* ---- removed ---- */

static const struct fault *remove_version(void *context, const struct call *call,
                                          struct function *f)
{
    const struct function_ref *ref = context;
    for (size_t i = 0; i < f->alias_count; i++) {
        if (str_eq(f->aliases[i].version, ref->qualifier))
            return fault_coded(
                call->arena, FAULT_CONFLICT, "ResourceConflictException",
                "Unable to delete version because the following aliases reference it: [" STR_FMT
                "]",
                STR_ARG(f->aliases[i].name));
    }
    struct function_version *kept =
        ARENA_ARRAY(call->arena, struct function_version, f->version_count + 1);
    struct function_policy *policies =
        ARENA_ARRAY(call->arena, struct function_policy, f->policy_count + 1);
    size_t count = 0, policy_count = 0;
    if (!kept || !policies)
        return &fault_no_memory;
    for (size_t i = 0; i < f->version_count; i++)
        if (!str_eq(f->versions[i].version, ref->qualifier))
            kept[count++] = f->versions[i];
    for (size_t i = 0; i < f->policy_count; i++)
        if (!str_eq(f->policies[i].qualifier, ref->qualifier))
            policies[policy_count++] = f->policies[i];
    f->versions = kept;
    f->version_count = count;
    f->policies = policies;
    f->policy_count = policy_count;
    return NULL;
}

const struct fault *lambda_delete(struct lambda_service *s, const struct call *call,
                                  const struct function_ref *ref)
{
    TRY(may(call, ref, STR("lambda:DeleteFunction")));
    const struct function *f = function_find(call->world, ref);
    if (!f || (ref->qualifier.len && !function_version(f, ref->qualifier)))
        return lambda_not_found(call, ref);
    if (str_eq(ref->qualifier, STR("$LATEST")))
        return invalid(call,
                       "$LATEST version cannot be deleted without deleting the function." STR_FMT,
                       STR(""));
    if (ref->qualifier.len && function_alias(f, ref->qualifier))
        return invalid(call, "An alias cannot be deleted by DeleteFunction: " STR_FMT,
                       ref->qualifier);
    str key = function_state_key(ref, call->arena);
    if (str_is_none(key))
        return &fault_no_memory;
    if (ref->qualifier.len)
        TRY(function_change(s, call, ref, remove_version, (void *)ref, NULL));
    else
        TRY(s->state->ops->remove(s->state, key, world_revision(call->world, key), call->arena));
    pool_retire(s->pool, f->arn.text);
    if (!ref->qualifier.len)
        function_log_remove(s->log, ref);
    pthread_mutex_lock(&s->code_lock);
    for (size_t i = 0; i < f->version_count; i++)
        drop(s, f->versions[i].code_hash, call->arena);
    pthread_mutex_unlock(&s->code_lock);
    return NULL;
}

/* ---- read ---- */

const struct fault *lambda_get(struct lambda_service *s, const struct call *call,
                               const struct function_ref *ref, str action,
                               const struct function **ret_function,
                               const struct function_version **ret_version)
{
    (void)s;
    TRY(may(call, ref, action));
    const struct function *f = function_find(call->world, ref);
    const struct function_version *v = f ? function_version(f, ref->qualifier) : NULL;
    if (!v)
        return lambda_not_found(call, ref);
    *ret_function = f;
    *ret_version = v;
    return NULL;
}

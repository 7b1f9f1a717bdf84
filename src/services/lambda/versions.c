/* services/lambda/versions.c - versions, which never change, and aliases, which lead to them. */
#include "services/lambda/change.h"

struct publishing {
    struct lambda_service *service;
    str description, code_hash, revision_id;
    str version; /* that came of it */
};

static bool is_same(const struct function_version *a, const struct function_version *b,
                    str description)
{
    if (!str_eq(a->code_hash, b->code_hash) || !str_eq(a->runtime, b->runtime) ||
        !str_eq(a->handler, b->handler) || !str_eq(a->role, b->role) ||
        a->timeout_s != b->timeout_s || a->memory_mb != b->memory_mb ||
        !str_eq(a->dead_letter_arn, b->dead_letter_arn) ||
        a->environment_count != b->environment_count || !str_eq(a->description, description))
        return false;
    for (size_t i = 0; i < a->environment_count; i++)
        if (!str_eq(a->environment[i].name, b->environment[i].name) ||
            !str_eq(a->environment[i].value, b->environment[i].value))
            return false;
    return true;
}

static const struct fault *publish(void *context, const struct call *call, struct function *f)
{
    struct publishing *p = context;
    const struct function_version *latest = function_version(f, STR("$LATEST"));
    if (!latest)
        return fault(call->arena, FAULT_DEFECT, NULL, "a function has no $LATEST");
    TRY(function_same_revision(call, p->revision_id, latest->revision_id));
    if (!str_is_none(p->code_hash) &&
        !str_eq(p->code_hash, code_sha256_base64(latest->code_hash, call->arena)))
        return fault_coded(
            call->arena, FAULT_SYNTAX, "InvalidParameterValueException",
            "CodeSHA256 (" STR_FMT ") is different from current CodeSHA256 in $LATEST (" STR_FMT
            "). Please try again with the CodeSHA256 in $LATEST.",
            STR_ARG(p->code_hash), STR_ARG(code_sha256_base64(latest->code_hash, call->arena)));
    str description = str_is_none(p->description) ? latest->description : p->description;
    /* "Lambda doesn't publish a version if the function's configuration and code haven't changed
     * since the last version" (API Reference, PublishVersion). */
    const struct function_version *last = &f->versions[f->version_count - 1];
    if (f->version_count > 1 && is_same(last, latest, description)) {
        p->version = last->version;
        return NULL;
    }
    struct function_version *versions =
        ARENA_ARRAY(call->arena, struct function_version, f->version_count + 1);
    if (!versions)
        return &fault_no_memory;
    memcpy(versions, f->versions, f->version_count * sizeof *versions);
    struct function_version *made = &versions[f->version_count++];
    *made = *latest;
    made->version = arena_strf(call->arena, "%lld", (long long)f->next_version++);
    made->description = description;
    made->modified_ms = call->now_ms;
    made->revision_id = function_revision(p->service, call);
    f->versions = versions;
    p->version = made->version;
    return NULL;
}

const struct fault *lambda_publish(struct lambda_service *s, const struct call *call,
                                   const struct function_ref *ref, str description, str code_hash,
                                   str revision_id, const struct function **ret_function,
                                   const struct function_version **ret_version)
{
    struct publishing p = {
        .service = s, .description = description, .code_hash = code_hash, .revision_id = revision_id
    };
    TRY(lambda_ask(call, ref, function_find(call->world, ref), STR("lambda:PublishVersion"), NULL,
                   0));
    TRY(function_change(s, call, ref, publish, &p, ret_function));
    *ret_version = function_version(*ret_function, p.version);
    return *ret_version ? NULL : &fault_no_memory;
}

/* ---- aliases ---- */

struct naming {
    struct lambda_service *service;
    const struct alias_draft *draft;
    const struct function_ref *ref;
    bool create;
};

static const struct fault *no_alias(const struct call *call, const struct function_ref *ref,
                                    str name)
{
    struct function_ref whole = *ref;
    whole.qualifier = name;
    return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                       "Cannot find alias arn: " STR_FMT,
                       STR_ARG(function_ref_arn(&whole, call->arena)));
}

static bool alias_name_ok(str name)
{
    bool digits = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
        digits = digits && ascii_is_digit(c);
    }
    return name.len > 0 && name.len <= 128 && !digits; /* digits alone are a version */
}

static const struct fault *check_alias(const struct naming *n, const struct call *call,
                                       const struct function *f, const struct function_alias *there)
{
    const struct alias_draft *d = n->draft;
    if (n->create && !alias_name_ok(d->name))
        return fault_coded(
            call->arena, FAULT_SYNTAX, "ValidationException",
            "1 validation error detected: Value '" STR_FMT
            "' at 'name' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
            STR_ARG(d->name));
    struct function_ref whole = *n->ref;
    whole.qualifier = d->name;
    if (n->create && there)
        return fault_coded(call->arena, FAULT_CONFLICT, "ResourceConflictException",
                           "Alias already exists: " STR_FMT,
                           STR_ARG(function_ref_arn(&whole, call->arena)));
    if (!n->create && !there)
        return no_alias(call, n->ref, d->name);
    whole.qualifier = d->version;
    if (!str_is_none(d->version) &&
        (function_alias(f, d->version) || !function_version(f, d->version)))
        return lambda_not_found(call, &whole);
    if (n->create && str_is_none(d->version))
        return fault_coded(
            call->arena, FAULT_SYNTAX, "ValidationException",
            "1 validation error detected: Value null at 'functionVersion' failed to satisfy "
            "constraint: Member must not be null");
    return there ? function_same_revision(call, d->revision_id, there->revision_id) : NULL;
}

static const struct fault *put_alias(void *context, const struct call *call, struct function *f)
{
    const struct naming *n = context;
    const struct alias_draft *d = n->draft;
    const struct function_alias *there = function_alias(f, d->name);
    TRY(check_alias(n, call, f, there));
    struct function_alias *aliases =
        ARENA_ARRAY(call->arena, struct function_alias, f->alias_count + 1);
    if (!aliases)
        return &fault_no_memory;
    struct function_alias put =
        there ? *there : (struct function_alias) { .name = d->name, .description = STR("") };
    put.version = str_is_none(d->version) ? put.version : d->version;
    put.description = str_is_none(d->description) ? put.description : d->description;
    put.revision_id = function_revision(n->service, call);
    size_t count = 0;
    for (size_t i = 0; i < f->alias_count; i++) /* in order of name */
        if (str_cmp(f->aliases[i].name, put.name) < 0)
            aliases[count++] = f->aliases[i];
    aliases[count++] = put;
    for (size_t i = 0; i < f->alias_count; i++)
        if (str_cmp(f->aliases[i].name, put.name) > 0)
            aliases[count++] = f->aliases[i];
    f->aliases = aliases;
    f->alias_count = count;
    return NULL;
}

const struct fault *lambda_put_alias(struct lambda_service *s, const struct call *call,
                                     const struct function_ref *ref,
                                     const struct alias_draft *draft, bool create,
                                     const struct function **ret_function,
                                     const struct function_alias **ret_alias)
{
    struct naming n = { .service = s, .draft = draft, .ref = ref, .create = create };
    TRY(lambda_ask(call, ref, function_find(call->world, ref),
                   create ? STR("lambda:CreateAlias") : STR("lambda:UpdateAlias"), NULL, 0));
    TRY(function_change(s, call, ref, put_alias, &n, ret_function));
    *ret_alias = function_alias(*ret_function, draft->name);
    return *ret_alias ? NULL : &fault_no_memory;
}

static const struct fault *remove_alias(void *context, const struct call *call, struct function *f)
{
    const str *name = context;
    struct function_alias *aliases =
        ARENA_ARRAY(call->arena, struct function_alias, f->alias_count + 1);
    struct function_policy *policies =
        ARENA_ARRAY(call->arena, struct function_policy, f->policy_count + 1);
    size_t count = 0, policy_count = 0;
    if (!aliases || !policies)
        return &fault_no_memory;
    for (size_t i = 0; i < f->alias_count; i++)
        if (!str_eq(f->aliases[i].name, *name))
            aliases[count++] = f->aliases[i];
    for (size_t i = 0; i < f->policy_count; i++)
        if (!str_eq(f->policies[i].qualifier, *name))
            policies[policy_count++] = f->policies[i];
    f->aliases = aliases;
    f->alias_count = count;
    f->policies = policies;
    f->policy_count = policy_count;
    return NULL;
}

const struct fault *lambda_delete_alias(struct lambda_service *s, const struct call *call,
                                        const struct function_ref *ref, str name)
{
    TRY(lambda_ask(call, ref, function_find(call->world, ref), STR("lambda:DeleteAlias"), NULL, 0));
    return function_change(s, call, ref, remove_alias, &name, NULL);
}

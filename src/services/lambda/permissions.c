/* services/lambda/permissions.c - the policies of a function, its versions and its aliases,
 * statement by statement (permissions spec 8). */
#include "policy/decision.h"
#include "policy/permission.h"
#include "services/lambda/change.h"

static const struct fault *no_policy(const struct call *call)
{
    return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                       "The resource you requested does not exist.");
}

/* What a qualifier names must be there; $LATEST is refused for policies by policy/permission.c. */
static const struct fault *check_qualifier(const struct call *call, const struct function_ref *ref,
                                           const struct function *f)
{
    return !ref->qualifier.len || function_version(f, ref->qualifier) ? NULL
                                                                      : lambda_not_found(call, ref);
}

static const struct fault *set_policy(const struct call *call, struct function *f,
                                      const struct function_policy *policy)
{
    struct function_policy *policies =
        ARENA_ARRAY(call->arena, struct function_policy, f->policy_count + 1);
    size_t count = 0;
    if (!policies)
        return &fault_no_memory;
    for (size_t i = 0; i < f->policy_count; i++)
        if (!str_eq(f->policies[i].qualifier, policy->qualifier))
            policies[count++] = f->policies[i];
    policies[count++] = *policy;
    f->policies = policies;
    f->policy_count = count;
    return NULL;
}

struct adding {
    struct lambda_service *service;
    const struct function_ref *ref;
    const struct permission *permission;
    str statement;
};

static const struct fault *add(void *context, const struct call *call, struct function *f)
{
    struct adding *a = context;
    const struct function_policy *now = function_policy(f, a->ref->qualifier);
    TRY(check_qualifier(call, a->ref, f));
    const struct permission_home home = {
        .function_arn = f->arn.text,
        .sids = now ? now->sids : NULL,
        .sid_count = now ? now->count : 0,
        .policy_size = now ? now->text.len : 0,
        .revision_id = now ? now->revision_id : STR_NONE,
    };
    struct permission permission = *a->permission;
    permission.qualifier = a->ref->qualifier;
    TRY(permission_statement(&permission, &home, call->arena, &a->statement));
    str *statements = ARENA_ARRAY(call->arena, str, (now ? now->count : 0) + 1);
    if (!statements)
        return &fault_no_memory;
    struct function_policy next = { .qualifier = a->ref->qualifier,
                                    .revision_id = function_revision(a->service, call),
                                    .statements = statements };
    for (size_t i = 0; now && i < now->count; i++)
        statements[next.count++] = now->statements[i];
    statements[next.count++] = a->statement;
    return set_policy(call, f, &next);
}

const struct fault *lambda_add_permission(struct lambda_service *s, const struct call *call,
                                          const struct function_ref *ref,
                                          const struct permission *permission, str *ret_statement)
{
    struct adding a = { .service = s, .ref = ref, .permission = permission };
    const struct context_key principal = { .name = STR("lambda:Principal"),
                                           .values = &permission->principal,
                                           .count = 1 };
    TRY(lambda_ask(call, ref, function_find(call->world, ref), STR("lambda:AddPermission"),
                   &principal, str_is_none(permission->principal) ? 0 : 1));
    TRY(function_change(s, call, ref, add, &a, NULL));
    *ret_statement = a.statement;
    return NULL;
}

struct removing {
    struct lambda_service *service;
    const struct function_ref *ref;
    str sid, revision_id;
};

static const struct fault *take_away(void *context, const struct call *call, struct function *f)
{
    struct removing *r = context;
    const struct function_policy *now = function_policy(f, r->ref->qualifier);
    if (!now)
        return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                           "No policy is associated with the given resource.");
    TRY(function_same_revision(call, r->revision_id, now->revision_id));
    str *statements = ARENA_ARRAY(call->arena, str, now->count + 1);
    if (!statements)
        return &fault_no_memory;
    struct function_policy next = { .qualifier = now->qualifier,
                                    .revision_id = function_revision(r->service, call),
                                    .statements = statements };
    for (size_t i = 0; i < now->count; i++)
        if (!str_eq(now->sids[i], r->sid))
            statements[next.count++] = now->statements[i];
    if (next.count == now->count)
        return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFoundException",
                           "Statement " STR_FMT " is not found in resource policy.",
                           STR_ARG(r->sid));
    return set_policy(call, f, &next);
}

const struct fault *lambda_remove_permission(struct lambda_service *s, const struct call *call,
                                             const struct function_ref *ref, str sid,
                                             str revision_id)
{
    struct removing r = { .service = s, .ref = ref, .sid = sid, .revision_id = revision_id };
    TRY(lambda_ask(call, ref, function_find(call->world, ref), STR("lambda:RemovePermission"), NULL,
                   0));
    return function_change(s, call, ref, take_away, &r, NULL);
}

const struct fault *lambda_get_policy(struct lambda_service *s, const struct call *call,
                                      const struct function_ref *ref,
                                      const struct function_policy **ret_policy)
{
    (void)s;
    const struct function *f = function_find(call->world, ref);
    TRY(lambda_ask(call, ref, f, STR("lambda:GetPolicy"), NULL, 0));
    const struct function_policy *policy = f ? function_policy(f, ref->qualifier) : NULL;
    if (!policy)
        return no_policy(call);
    *ret_policy = policy;
    return NULL;
}

/* The keys that every request of a caller carries: permissions spec 5, ses-receiving spec 13.1. */
#include "base/when.h"
#include "policy/decision.h"

#include <assert.h>

enum { KEYS_MAX = 16 }; /* of the caller itself */

struct keys {
    struct arena *arena;
    struct context_key *items;
    size_t count;
    bool failed;
};

static void add_list(struct keys *keys, str name, const str *values, size_t count, bool multivalued)
{
    str *kept = ARENA_ARRAY(keys->arena, str, count);
    if (!kept && count) {
        keys->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        kept[i] = values[i];
    keys->items[keys->count++] = (struct context_key) {
        .name = name,
        .values = kept,
        .count = count,
        .multivalued = multivalued,
    };
}

static void add(struct keys *keys, str name, str value)
{
    if (!str_is_none(value))
        add_list(keys, name, &value, 1, false);
}

static void add_made(struct keys *keys, str name, str value) /* none: the arena is full */
{
    keys->failed |= str_is_none(value);
    add(keys, name, value);
}

/* "user/team/amber": the name is the last part. */
static str name_of(str resource)
{
    for (size_t i = resource.len; i > 0; i--) {
        if (resource.ptr[i - 1] == '/')
            return str_from(resource, i);
    }
    return resource;
}

static void add_service(struct keys *keys, const struct caller *caller)
{
    add(keys, STR("aws:SourceAccount"), caller->service.source_account);
    add(keys, STR("aws:SourceArn"), caller->service.source_arn.text);
    /* Older policies asked for the account under this name. */
    add(keys, STR("aws:Referer"), caller->service.source_account);
    add(keys, STR("aws:PrincipalIsAWSService"), STR("true"));
    add(keys, STR("aws:PrincipalServiceName"), caller->service.principal);
    add_list(keys, STR("aws:PrincipalServiceNamesList"), &caller->service.principal, 1, true);
}

static void add_principal(struct keys *keys, const struct caller *caller)
{
    struct arena *arena = keys->arena;
    add(keys, STR("aws:PrincipalAccount"), caller->account);
    add(keys, STR("aws:PrincipalIsAWSService"), STR("false"));
    switch (caller->kind) {
    case CALLER_ROOT:
        add(keys, STR("aws:PrincipalArn"), caller_name(caller, arena));
        add(keys, STR("aws:PrincipalType"), STR("Account"));
        add(keys, STR("aws:userid"), caller->account);
        break;
    case CALLER_USER:
        add(keys, STR("aws:PrincipalArn"), caller->user.arn.text);
        add(keys, STR("aws:PrincipalType"), STR("User"));
        add(keys, STR("aws:username"), name_of(caller->user.arn.resource));
        break;
    case CALLER_ASSUMED_ROLE: /* the role's ARN, not the session's:
                                 reference_policies_condition-keys */
        add(keys, STR("aws:PrincipalArn"), caller->assumed_role.role.text);
        add(keys, STR("aws:PrincipalType"), STR("AssumedRole"));
        break;
    case CALLER_FEDERATED:
        add(keys, STR("aws:PrincipalArn"), caller->federated.session.text);
        add(keys, STR("aws:PrincipalType"), STR("FederatedUser"));
        add_made(keys, STR("aws:userid"),
                 arena_strf(arena, STR_FMT ":" STR_FMT, STR_ARG(caller->account),
                            STR_ARG(name_of(caller->federated.session.resource))));
        break;
    case CALLER_ANONYMOUS:
    case CALLER_SERVICE:
        break;
    }
}

const struct fault *request_context(const struct caller *caller, int64_t now_ms,
                                    const struct context_key *extra, size_t extra_count,
                                    struct arena *arena, const struct context_key **ret_keys,
                                    size_t *ret_count)
{
    struct keys keys = { .arena = arena };
    keys.items = ARENA_ARRAY(arena, struct context_key, KEYS_MAX + extra_count);
    if (!keys.items)
        return &fault_no_memory;
    char when[WHEN_SIZE];
    add_made(&keys, STR("aws:CurrentTime"), arena_str(arena, when_iso(when, now_ms)));
    add_made(&keys, STR("aws:EpochTime"), arena_strf(arena, "%lld", (long long)(now_ms / 1000)));
    add(&keys, STR("aws:SecureTransport"), caller->secure_transport ? STR("true") : STR("false"));
    add(&keys, STR("aws:SourceIp"), caller->source_ip);
    add(&keys, STR("kms:ViaService"), caller->via_service);
    if (caller->kind == CALLER_SERVICE)
        add_service(&keys, caller);
    else if (caller->kind == CALLER_ANONYMOUS)
        add(&keys, STR("aws:PrincipalType"), STR("Anonymous"));
    else
        add_principal(&keys, caller);
    assert(keys.count <= KEYS_MAX && "a caller has at most KEYS_MAX keys of its own");
    if (keys.failed)
        return &fault_no_memory;
    for (size_t i = 0; i < extra_count; i++)
        keys.items[keys.count++] = extra[i];
    *ret_keys = keys.items;
    *ret_count = keys.count;
    return NULL;
}

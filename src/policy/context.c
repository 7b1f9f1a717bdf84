/* The keys that every request of a caller carries: permissions spec 5, ses-receiving spec 13.1. */
#include "base/when.h"
#include "policy/asked.h"

#include <assert.h>

enum { KEYS_MAX = 12 }; /* of the caller itself */

/* One piece of memory: the keys, those of the caller with their values and the texts of the clock.
 */
struct keys {
    struct arena *arena;
    struct context_key *items;
    struct own {
        str values[KEYS_MAX];
        char now[WHEN_SIZE], epoch[WHEN_SIZE];
    } * own;
    size_t count;
    bool failed;
};

static inline void put(struct keys *keys, str name, uint32_t hash, str value, bool multivalued)
{
    assert(keys->count < KEYS_MAX && "a caller has at most KEYS_MAX keys of its own");
    str *kept = &keys->own->values[keys->count];
    *kept = value;
    keys->items[keys->count++] = (struct context_key) {
        .name = name,
        .values = kept,
        .count = 1,
        .multivalued = multivalued,
        .hash = hash,
    };
}

#define ADD(keys, name, value)                                                                     \
    do {                                                                                           \
        const str value_ = (value);                                                                \
        if (!str_is_none(value_))                                                                  \
            put(keys, STR(name), key_hash(STR(name)), value_, false);                              \
    } while (0)
/* None: the arena is full. */
#define ADD_MADE(keys, name, value)                                                                \
    do {                                                                                           \
        const str made_ = (value);                                                                 \
        (keys)->failed |= str_is_none(made_);                                                      \
        ADD(keys, name, made_);                                                                    \
    } while (0)

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
    ADD(keys, "aws:SourceAccount", caller->service.source_account);
    ADD(keys, "aws:SourceArn", caller->service.source_arn.text);
    /* Older policies asked for the account under this name. */
    ADD(keys, "aws:Referer", caller->service.source_account);
    ADD(keys, "aws:PrincipalIsAWSService", STR("true"));
    ADD(keys, "aws:PrincipalServiceName", caller->service.principal);
    put(keys, STR("aws:PrincipalServiceNamesList"), key_hash(STR("aws:PrincipalServiceNamesList")),
        caller->service.principal, true);
}

static void add_principal(struct keys *keys, const struct caller *caller)
{
    struct arena *arena = keys->arena;
    ADD(keys, "aws:PrincipalAccount", caller->account);
    ADD(keys, "aws:PrincipalIsAWSService", STR("false"));
    switch (caller->kind) {
    case CALLER_ROOT:
        ADD(keys, "aws:PrincipalArn", caller_name(caller, arena));
        ADD(keys, "aws:PrincipalType", STR("Account"));
        ADD(keys, "aws:userid", caller->account);
        break;
    case CALLER_USER:
        ADD(keys, "aws:PrincipalArn", caller->user.arn.text);
        ADD(keys, "aws:PrincipalType", STR("User"));
        ADD(keys, "aws:username", name_of(caller->user.arn.resource));
        ADD(keys, "aws:userid", caller->user_id);
        break;
    case CALLER_ASSUMED_ROLE: /* the role's ARN, not the session's:
                                 reference_policies_condition-keys */
        ADD(keys, "aws:PrincipalArn", caller->assumed_role.role.text);
        ADD(keys, "aws:PrincipalType", STR("AssumedRole"));
        ADD(keys, "aws:userid", caller->user_id);
        break;
    case CALLER_FEDERATED:
        ADD(keys, "aws:PrincipalArn", caller->federated.session.text);
        ADD(keys, "aws:PrincipalType", STR("FederatedUser"));
        ADD_MADE(keys, "aws:userid",
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
    keys.own = ARENA_NEW(arena, struct own);
    if (!keys.items || !keys.own)
        return &fault_no_memory;
    ADD(&keys, "aws:CurrentTime", when_iso(keys.own->now, now_ms));
    ADD(&keys, "aws:EpochTime", when_epoch(keys.own->epoch, now_ms));
    ADD(&keys, "aws:SecureTransport", caller->secure_transport ? STR("true") : STR("false"));
    ADD(&keys, "aws:SourceIp", caller->source_ip);
    ADD(&keys, "kms:ViaService", caller->via_service);
    if (caller->kind == CALLER_SERVICE)
        add_service(&keys, caller);
    else if (caller->kind == CALLER_ANONYMOUS)
        ADD(&keys, "aws:PrincipalType", STR("Anonymous"));
    else
        add_principal(&keys, caller);
    if (keys.failed)
        return &fault_no_memory;
    for (size_t i = 0; i < extra_count; i++)
        keys.items[keys.count++] = extra[i];
    *ret_keys = keys.items;
    *ret_count = keys.count;
    return NULL;
}

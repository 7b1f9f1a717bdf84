/* services/kms/grants.c - grants made, listed, revoked and retired. What they allow is
 * grant_policy.c's to say and the policy engine's to decide. */
#include "services/kms/embedded.h"

#include "base/random_id.h"
#include "services/iam/principals.h"
#include "services/kms/grant_policy.h"
#include "services/world.h"

enum { GRANT_ID_LEN = 64, GRANTS_MOST = 1000, NAME_MOST = 256 };

static const struct fault *check_principal(const struct call *call, const char *path, str principal)
{
    const struct principal_register known = principals_of(call->world);
    struct arn arn;
    struct caller who;
    const bool is_account = account_id_ok(principal);
    if (is_account)
        return NULL;
    if (!arn_parse(principal, &arn) || !caller_named(principal, call->arena, &who) ||
        (who.kind != CALLER_ROOT && who.kind != CALLER_FEDERATED &&
         !known.exists(known.self, &arn)))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidArnException",
                           "ARN does not refer to a valid principal: " STR_FMT " (%s)",
                           STR_ARG(principal), path);
    return NULL;
}

static const struct fault *check_draft(const struct call *call, const struct kms_grant *draft)
{
    TRY(check_principal(call, "granteePrincipal", draft->grantee));
    if (!str_is_none(draft->retiring))
        TRY(check_principal(call, "retiringPrincipal", draft->retiring));
    if (!str_is_none(draft->name) && (!draft->name.len || draft->name.len > NAME_MOST))
        return kms_invalid(call, "name", "Member must have length between 1 and 256");
    if (!draft->operation_count)
        return kms_invalid(call, "operations",
                           "Member must have length greater than or equal to 1");
    for (size_t i = 0; i < draft->operation_count; i++)
        if (!grant_operation_ok(draft->operations[i]))
            return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                               "The operation " STR_FMT
                               " is not valid for a grant on a symmetric encryption key",
                               STR_ARG(draft->operations[i]));
    return NULL;
}

static const struct fault *ask_to_create(const struct call *call, const struct kms_found *found,
                                         const struct kms_grant *draft)
{
    const str aws = str_is_none(call->caller->via_service) ? STR("false") : STR("true"),
              type = kms_constraint_name(draft->constraint);
    struct context_key more[5];
    size_t count = 0;
    more[count++] = kms_context("kms:GranteePrincipal", &draft->grantee);
    more[count++] = kms_context("kms:GrantIsForAWSResource", &aws);
    more[count++] = (struct context_key) { .name = STR("kms:GrantOperations"),
                                           .values = draft->operations,
                                           .count = draft->operation_count,
                                           .multivalued = true };
    if (!str_is_none(draft->retiring))
        more[count++] = kms_context("kms:RetiringPrincipal", &draft->retiring);
    if (!str_is_none(type))
        more[count++] = kms_context("kms:GrantConstraintType", &type);
    const struct encryption_context context = { draft->context, draft->context_count };
    return kms_ask(call, found,
                   &(struct kms_question) { .action = STR("kms:CreateGrant"),
                                            .context = &context,
                                            .more = more,
                                            .more_count = count });
}

static bool same(const struct kms_grant *a, const struct kms_grant *b)
{
    bool equal = str_eq(a->name, b->name) && str_eq(a->grantee, b->grantee) &&
                 str_eq(a->retiring, b->retiring) && a->constraint == b->constraint &&
                 a->operation_count == b->operation_count && a->context_count == b->context_count;
    for (size_t i = 0; equal && i < a->operation_count; i++)
        equal = str_eq(a->operations[i], b->operations[i]);
    for (size_t i = 0; equal && i < a->context_count; i++)
        equal = str_eq(a->context[i].name, b->context[i].name) &&
                str_eq(a->context[i].value, b->context[i].value);
    return equal;
}

/* A named grant that is asked for again is the one there is: KMS API, CreateGrant, Name. */
static const struct fault *add(struct kms_service *kms, const struct call *call,
                               struct kms_key *key, void *context)
{
    (void)kms;
    struct kms_grant *draft = context;
    struct kms_grant *grants = ARENA_ARRAY(call->arena, struct kms_grant, key->grant_count + 1);
    if (!grants)
        return &fault_no_memory;
    TRY(kms_usable(call, key));
    for (size_t i = 0; i < key->grant_count; i++)
        if (!str_is_none(draft->name) && same(&key->grants[i], draft)) {
            draft->id = key->grants[i].id;
            return NULL;
        }
    if (key->grant_count >= GRANTS_MOST)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceededException",
                           "The key has %d grants already", GRANTS_MOST);
    if (key->grant_count)
        memcpy(grants, key->grants, key->grant_count * sizeof grants[0]);
    grants[key->grant_count++] = *draft;
    key->grants = grants;
    return NULL;
}

const struct fault *kms_create_grant(struct kms_service *kms, const struct call *call, str key_id,
                                     const struct kms_grant *wish, bool dry_run, str *ret_grant_id)
{
    char id[GRANT_ID_LEN + 1];
    struct kms_found found;
    struct kms_grant draft = *wish;
    TRY(kms_find(kms, call, key_id, BY_KEY, STR("kms:CreateGrant"), &found));
    TRY(ask_to_create(call, &found, &draft));
    TRY(check_draft(call, &draft));
    TRY(kms_usable(call, found.key));
    if (dry_run)
        return kms_dry_run(call);
    draft.id = arena_str(call->arena, random_hex(kms->outside->entropy, id, GRANT_ID_LEN));
    draft.created_ms = call->now_ms;
    if (str_is_none(draft.id))
        return &fault_no_memory;
    TRY(kms_change(kms, call, found.key, add, &draft));
    *ret_grant_id = draft.id;
    return NULL;
}

const struct fault *kms_list_grants(struct kms_service *kms, const struct call *call, str key_id,
                                    const struct kms_key **ret_key)
{
    struct kms_found found;
    TRY(kms_find(kms, call, key_id, BY_KEY, STR("kms:ListGrants"), &found));
    TRY(kms_ask(call, &found, &(struct kms_question) { .action = STR("kms:ListGrants") }));
    *ret_key = found.key;
    return NULL;
}

static const struct fault *no_grant(const struct call *call, str id)
{
    return fault_coded(call->arena, FAULT_ABSENT, "NotFoundException",
                       "Grant ID " STR_FMT " not found", STR_ARG(id));
}

static const struct fault *take_out(struct kms_service *kms, const struct call *call,
                                    struct kms_key *key, void *context)
{
    (void)kms;
    const str id = *(const str *)context;
    struct kms_grant *grants = ARENA_ARRAY(call->arena, struct kms_grant, key->grant_count + 1);
    size_t count = 0;
    if (!grants)
        return &fault_no_memory;
    for (size_t i = 0; i < key->grant_count; i++)
        if (!str_eq(key->grants[i].id, id))
            grants[count++] = key->grants[i];
    if (count == key->grant_count)
        return no_grant(call, id);
    key->grants = grants;
    key->grant_count = count;
    return NULL;
}

const struct fault *kms_revoke_grant(struct kms_service *kms, const struct call *call, str key_id,
                                     str grant_id, bool dry_run)
{
    struct kms_found found;
    TRY(kms_find(kms, call, key_id, BY_KEY, STR("kms:RevokeGrant"), &found));
    TRY(kms_ask(call, &found, &(struct kms_question) { .action = STR("kms:RevokeGrant") }));
    if (dry_run)
        return kms_dry_run(call);
    return kms_change(kms, call, found.key, take_out, &grant_id);
}

/* Of all grants of the key only the one to be retired may speak for its retirement. */
static const struct fault *ask_to_retire(const struct call *call, const struct kms_found *found,
                                         const struct kms_grant *grant)
{
    struct kms_key alone = *found->key;
    const struct kms_found one = { .key = &alone };
    const struct encryption_context context = { grant->context, grant->context_count };
    alone.grants = grant;
    alone.grant_count = 1;
    TRY(grant_policy_make(&alone, call->arena, &alone.grants_policy));
    return kms_ask(
        call, &one,
        &(struct kms_question) { .action = STR("kms:RetireGrant"), .context = &context });
}

const struct fault *kms_retire_grant(struct kms_service *kms, const struct call *call, str key_id,
                                     str grant_id, bool dry_run)
{
    struct kms_found found;
    const struct kms_grant *grant = NULL;
    TRY(kms_find(kms, call, key_id, BY_KEY, STR("kms:RetireGrant"), &found));
    for (size_t i = 0; i < found.key->grant_count; i++)
        if (str_eq(found.key->grants[i].id, grant_id))
            grant = &found.key->grants[i];
    if (!grant)
        return no_grant(call, grant_id);
    TRY(ask_to_retire(call, &found, grant));
    if (dry_run)
        return kms_dry_run(call);
    return kms_change(kms, call, found.key, take_out, &grant_id);
}

const struct fault *kms_list_retirable(struct kms_service *kms, const struct call *call,
                                       str principal, struct kms_grant_of **ret_grants,
                                       size_t *ret_count)
{
    (void)kms;
    size_t room = 0, count = 0;
    str after = STR_NONE;
    const struct kms_key *key;
    TRY(kms_ask_account(call, STR("kms:ListRetirableGrants"), STR("*"), NULL, 0));
    for (; (key = kms_key_next(call->world, call->caller->account, call->region, after));
         after = key->id)
        room += key->grant_count;
    struct kms_grant_of *grants = ARENA_ARRAY(call->arena, struct kms_grant_of, room + 1);
    if (!grants)
        return &fault_no_memory;
    for (after = STR_NONE;
         (key = kms_key_next(call->world, call->caller->account, call->region, after));
         after = key->id)
        for (size_t i = 0; !kms_key_is_gone(key, call->now_ms) && i < key->grant_count; i++)
            if (str_eq(key->grants[i].retiring, principal))
                grants[count++] = (struct kms_grant_of) { key, &key->grants[i] };
    *ret_grants = grants;
    *ret_count = count;
    return NULL;
}

/* services/kms/aliases.c - names for keys. An alias is asked for by its own ARN and by its key:
 * both must allow a change (KMS guide, alias-access). */
#include "services/kms/embedded.h"

#include "services/world.h"

enum { TRIES = 16 };

static str arn_of_alias(const struct call *call, str name)
{
    return arena_strf(call->arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":" STR_FMT,
                      STR_ARG(region_partition(call->region)), STR_ARG(call->region),
                      STR_ARG(call->caller->account), STR_ARG(name));
}

static const struct fault *no_alias(const struct call *call, str name)
{
    const str arn = arn_of_alias(call, name);
    return fault_coded(call->arena, FAULT_ABSENT, "NotFoundException",
                       "Alias " STR_FMT " is not found.", STR_ARG(arn));
}

static const struct fault *check_name(const struct call *call, str name)
{
    if (!str_starts(name, STR("alias/")))
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                           "Alias must start with the prefix \"alias/\". Please see "
                           "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html");
    if (!kms_alias_name_ok(name))
        return kms_invalid(call, "aliasName",
                           "Member must satisfy regular expression pattern: ^[a-zA-Z0-9/_-]+$");
    if (kms_managed_name(name))
        return fault_coded(call->arena, FAULT_DENIED, "NotAuthorizedException", "%s", "");
    return NULL;
}

static const struct fault *ask_alias(const struct call *call, str action, str name)
{
    const str arn = arn_of_alias(call, name);
    return str_is_none(arn) ? &fault_no_memory : kms_ask_account(call, action, arn, NULL, 0);
}

static const struct fault *ask_key(struct kms_service *kms, const struct call *call, str key_id,
                                   str action, struct kms_found *ret_found)
{
    TRY(kms_find(kms, call, key_id, BY_KEY, action, ret_found));
    TRY(kms_ask(call, ret_found, &(struct kms_question) { .action = action }));
    if (!str_eq(ret_found->key->account, call->caller->account))
        return kms_not_found(call, ret_found->key->arn.text);
    return kms_not_pending(call, ret_found->key);
}

static const struct fault *put(struct kms_service *kms, const struct call *call,
                               const struct kms_alias *alias, str name, uint64_t expected)
{
    AUTO_BUF value = buf_new(1024);
    uint64_t revision;
    kms_alias_encode(alias, &value);
    const str key = kms_alias_state_key(call->arena, call->caller->account, call->region, name);
    if (value.failed || str_is_none(key))
        return &fault_no_memory;
    return kms->state->ops->put(kms->state, key, buf_str(&value), expected, call->arena, &revision);
}

const struct fault *kms_create_alias(struct kms_service *kms, const struct call *call, str name,
                                     str key_id)
{
    struct kms_found found;
    const str action = STR("kms:CreateAlias");
    TRY(check_name(call, name));
    TRY(ask_alias(call, action, name));
    TRY(ask_key(kms, call, key_id, action, &found));
    const struct kms_alias alias = { .key_id = found.key->id,
                                     .created_ms = call->now_ms,
                                     .updated_ms = call->now_ms };
    const struct fault *why = put(kms, call, &alias, name, REVISION_NEW);
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    const str arn = arn_of_alias(call, name);
    return fault_coded(call->arena, FAULT_CONFLICT, "AlreadyExistsException",
                       "An alias with the name " STR_FMT " already exists", STR_ARG(arn));
}

/* The record as it is now, read again until nobody comes between. */
static const struct fault *with_alias(struct kms_service *kms, const struct call *call, str name,
                                      const struct kms_key *target)
{
    const str key = kms_alias_state_key(call->arena, call->caller->account, call->region, name);
    if (str_is_none(key))
        return &fault_no_memory;
    for (int i = 0; i < TRIES; i++) {
        struct record record;
        const void *there;
        const struct fault *why = kms->state->ops->get(kms->state, key, call->arena, &record);
        if (why)
            return why->kind == FAULT_ABSENT ? no_alias(call, name) : why;
        record.key = key;
        TRY(kms_alias_compile(&record, call->arena, &there));
        struct kms_alias alias = *(const struct kms_alias *)there;
        if (target) {
            alias.key_id = target->id;
            alias.updated_ms = call->now_ms;
            why = put(kms, call, &alias, name, record.revision);
        } else {
            why = kms->state->ops->remove(kms->state, key, record.revision, call->arena);
        }
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return fault_coded(call->arena, FAULT_UNAVAILABLE, "KMSInternalException",
                       "The alias is being changed by too many requests at once");
}

const struct fault *kms_update_alias(struct kms_service *kms, const struct call *call, str name,
                                     str key_id)
{
    struct kms_found now, found;
    const str action = STR("kms:UpdateAlias");
    TRY(check_name(call, name));
    TRY(ask_alias(call, action, name));
    const struct kms_alias *alias =
        kms_alias_find(call->world, call->caller->account, call->region, name);
    if (!alias)
        return no_alias(call, name);
    TRY(kms_find(kms, call, alias->key_id, BY_KEY, action, &now));
    TRY(kms_ask(call, &now, &(struct kms_question) { .action = action }));
    TRY(ask_key(kms, call, key_id, action, &found));
    return with_alias(kms, call, name, found.key);
}

const struct fault *kms_delete_alias(struct kms_service *kms, const struct call *call, str name)
{
    struct kms_found found;
    const str action = STR("kms:DeleteAlias");
    TRY(check_name(call, name));
    TRY(ask_alias(call, action, name));
    const struct kms_alias *alias =
        kms_alias_find(call->world, call->caller->account, call->region, name);
    if (!alias)
        return no_alias(call, name);
    TRY(kms_find(kms, call, alias->key_id, BY_KEY, action, &found));
    TRY(kms_ask(call, &found, &(struct kms_question) { .action = action }));
    return with_alias(kms, call, name, NULL);
}

const struct fault *kms_list_aliases(struct kms_service *kms, const struct call *call, str key_id,
                                     str after, size_t max, const struct kms_alias ***ret_aliases,
                                     size_t *ret_count, bool *ret_more)
{
    const struct kms_alias **aliases = ARENA_ARRAY(call->arena, const struct kms_alias *, max),
                           *alias;
    struct kms_found found = { 0 };
    size_t count = 0;
    TRY(kms_ask_account(call, STR("kms:ListAliases"), STR("*"), NULL, 0));
    if (!aliases)
        return &fault_no_memory;
    if (!str_is_none(key_id))
        TRY(kms_find(kms, call, key_id, BY_KEY, STR("kms:ListAliases"), &found));
    while ((alias = kms_alias_next(call->world, call->caller->account, call->region, after)) &&
           count < max) {
        after = alias->name;
        const struct kms_key *key =
            kms_key_find(call->world, alias->account, alias->region, alias->key_id);
        if (key && !kms_key_is_gone(key, call->now_ms) && (!found.key || key == found.key))
            aliases[count++] = alias;
    }
    *ret_aliases = aliases;
    *ret_count = count;
    *ret_more = alias != NULL;
    return NULL;
}

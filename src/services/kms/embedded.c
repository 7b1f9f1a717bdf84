/* services/kms/embedded.c - the service itself: finding a key, asking for it, changing it. */
#include "services/kms/embedded.h"

#include "services/world.h"

enum { CHANGE_TRIES = 16, RECORD_MAX = 16 * 1024 * 1024 };

/* ---- faults all operations share ---- */

const struct fault *kms_not_found(const struct call *call, str arn)
{
    return fault_coded(call->arena, FAULT_ABSENT, "NotFoundException",
                       "Key '" STR_FMT "' does not exist", STR_ARG(arn));
}

static const struct fault *no_alias(const struct call *call, str arn)
{
    return fault_coded(call->arena, FAULT_ABSENT, "NotFoundException",
                       "Alias " STR_FMT " is not found.", STR_ARG(arn));
}

static const struct fault *bad_id(const struct call *call, str key_id)
{
    return fault_coded(call->arena, FAULT_ABSENT, "NotFoundException",
                       "Invalid keyId '" STR_FMT "'", STR_ARG(key_id));
}

/* A state is a conflict, as in KMS's own model: whoever tries again later may find it changed. */
const struct fault *kms_not_pending(const struct call *call, const struct kms_key *key)
{
    return key->state == KEY_PENDING_DELETION
               ? fault_coded(call->arena, FAULT_CONFLICT, "KMSInvalidStateException",
                             STR_FMT " is pending deletion.", STR_ARG(key->arn.text))
               : NULL;
}

const struct fault *kms_usable(const struct call *call, const struct kms_key *key)
{
    TRY(kms_not_pending(call, key));
    return key->state == KEY_DISABLED
               ? fault_coded(call->arena, FAULT_CONFLICT, "DisabledException",
                             STR_FMT " is disabled.", STR_ARG(key->arn.text))
               : NULL;
}

const struct fault *kms_dry_run(const struct call *call)
{
    return fault_coded(call->arena, FAULT_SEQUENCE, "DryRunOperationException",
                       "The request would have succeeded, but the DryRun option is set.");
}

const struct fault *kms_invalid(const struct call *call, const char *path, const char *constraint)
{
    return fault_coded(
        call->arena, FAULT_SYNTAX, "ValidationException",
        "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", path,
        constraint);
}

/* ---- deletion ---- */

static const struct fault *remove_as_seen(struct kms_service *kms, const struct world *world,
                                          str name, struct arena *arena)
{
    return str_is_none(name)
               ? &fault_no_memory
               : kms->state->ops->remove(kms->state, name, world_revision(world, name), arena);
}

/* The key first, as this world saw it: one that was brought back meanwhile stays, aliases and all.
 * A stop in between leaves aliases of no key, which the next start removes. */
static void bury(struct kms_service *kms, const struct world *world, const struct kms_key *key,
                 struct arena *arena)
{
    str after = STR_NONE;
    if (remove_as_seen(kms, world, kms_key_state_key(arena, key->account, key->region, key->id),
                       arena))
        return;
    for (const struct kms_alias *alias;
         (alias = kms_alias_next(world, key->account, key->region, after)); after = alias->name)
        if (str_eq(alias->key_id, key->id))
            remove_as_seen(kms, world,
                           kms_alias_state_key(arena, key->account, key->region, alias->name),
                           arena);
    journal_notef(kms->outside->journal, JOURNAL_INFO, STR("services"), STR("key-deleted"),
                  "\"key\":\"" STR_FMT "\"", STR_ARG(key->arn.text));
}

/* Nobody may have looked for them while their time came, or the server was down. */
static void bury_due(struct kms_service *kms, const struct world *world, struct arena *arena)
{
    const int64_t now_ms = kms->outside->clock->wall_ms(kms->outside->clock);
    str at = STR_NONE;
    const void *key;
    while (world_next(world, STR("kms-key/"), at, &at, &key))
        if (kms_key_is_gone(key, now_ms))
            bury(kms, world, key, arena);
}

/* A managed alias may wait for its key: its next use makes it. */
static void remove_dangling(struct kms_service *kms, const struct world *world, struct arena *arena)
{
    str at = STR_NONE;
    const void *found;
    while (world_next(world, STR("kms-alias/"), at, &at, &found)) {
        const struct kms_alias *alias = found;
        if (!kms_managed_name(alias->name) &&
            !kms_key_find(world, alias->account, alias->region, alias->key_id))
            remove_as_seen(kms, world, at, arena);
    }
}

static void clean_up(struct kms_service *kms, struct arena *arena)
{
    const struct world *world = worlds_now(kms->worlds);
    bury_due(kms, world, arena);
    remove_dangling(kms, world, arena);
    world_unref(world);
}

/* ---- finding ---- */

static void let_go(void *world)
{
    world_unref(world);
}

/* The newest world, held until the call's arena is reset. */
static const struct fault *look_again(struct kms_service *kms, const struct call *call,
                                      const struct world **ret_world)
{
    const struct world *now = worlds_now(kms->worlds);
    if (!arena_on_reset(call->arena, let_go, (void *)(uintptr_t)now)) {
        world_unref(now);
        return &fault_no_memory;
    }
    *ret_world = now;
    return NULL;
}

const struct fault *kms_find_now(struct kms_service *kms, const struct call *call,
                                 const struct kms_key *key, const struct kms_key **ret_key)
{
    const struct world *now;
    TRY(look_again(kms, call, &now));
    const struct kms_key *found = kms_key_find(now, key->account, key->region, key->id);
    if (!found)
        return kms_not_found(call, key->arn.text);
    *ret_key = found;
    return NULL;
}

/* Nobody of another account is told whether a key exists. */
static const struct fault *absent(const struct call *call, str account, str arn, str action)
{
    if (!str_eq(account, call->caller->account))
        TRY(authorize(call, &(struct ask) { .action = action,
                                            .resource = arn,
                                            .resource_account = account,
                                            .resource_kind = EXHIBIT_RESOURCE,
                                            .resource_policy_name = STR("the key's policy") }));
    return kms_not_found(call, arn);
}

static str arn_of(const struct call *call, str account, str kind, str name)
{
    return arena_strf(call->arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":" STR_FMT STR_FMT,
                      STR_ARG(region_partition(call->region)), STR_ARG(call->region),
                      STR_ARG(account), STR_ARG(kind), STR_ARG(name));
}

static const struct fault *find_by_id(struct kms_service *kms, const struct call *call, str account,
                                      str id, enum kms_by by, str action,
                                      const struct kms_key **ret_key)
{
    const struct kms_key *key = kms_key_find(call->world, account, call->region, id);
    if (key && kms_key_is_gone(key, call->now_ms)) {
        if (by != BY_REHEARSAL)
            bury(kms, call->world, key, call->arena);
        key = NULL;
    }
    *ret_key = key;
    return key ? NULL : absent(call, account, arn_of(call, account, STR("key/"), id), action);
}

static const struct fault *find_by_alias(struct kms_service *kms, const struct call *call,
                                         str account, str name, enum kms_by by, str action,
                                         const struct kms_key **ret_key)
{
    const struct kms_alias *alias = kms_alias_find(call->world, account, call->region, name);
    if (kms_managed_name(name) && str_eq(account, call->caller->account) &&
        !str_is_none(managed_description(name)))
        return managed_find(kms, call, name, by == BY_REHEARSAL, ret_key);
    const str arn = arn_of(call, account, STR(""), name);
    if (!alias)
        return str_eq(account, call->caller->account) ? no_alias(call, arn)
                                                      : absent(call, account, arn, action);
    return find_by_id(kms, call, account, alias->key_id, by, action, ret_key);
}

const struct fault *kms_find(struct kms_service *kms, const struct call *call, str key_id,
                             enum kms_by by, str action, struct kms_found *ret_found)
{
    struct arn arn;
    str account = call->caller->account, name = key_id;
    struct kms_found found = { 0 };
    if (str_is_none(key_id))
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationException",
                           "1 validation error detected: Value null at 'keyId' failed to satisfy "
                           "constraint: Member must not be null");
    if (str_starts(key_id, STR("arn:"))) {
        if (!arn_parse(key_id, &arn) || !str_eq(arn.service, STR("kms")) ||
            !account_id_ok(arn.account) || !str_eq(arn.partition, region_partition(call->region)))
            return bad_id(call, key_id);
        if (!str_eq(arn.region, call->region))
            return fault_coded(call->arena, FAULT_ABSENT, "NotFoundException",
                               "Invalid arn " STR_FMT, STR_ARG(arn.region));
        account = arn.account;
        name = str_starts(arn.resource, STR("key/")) ? str_from(arn.resource, sizeof("key/") - 1)
                                                     : arn.resource;
    }
    if (str_is_none(account))
        return bad_id(call, key_id);
    if (kms_key_id_ok(name)) {
        TRY(find_by_id(kms, call, account, name, by, action, &found.key));
    } else if (by != BY_KEY && kms_alias_name_ok(name)) {
        TRY(find_by_alias(kms, call, account, name, by, action, &found.key));
        found.alias = name;
    } else {
        return bad_id(call, key_id);
    }
    *ret_found = found;
    return NULL;
}

/* ---- asking ---- */

struct keys {
    struct context_key *of;
    size_t count;
};

static void add(struct keys *keys, const struct context_key *key)
{
    keys->of[keys->count++] = *key;
}

/* One key a pair, and the list of their names: KMS guide, conditions-kms. */
static const struct fault *add_encryption_context(const struct call *call, struct keys *keys,
                                                  const struct encryption_context *context)
{
    str *names = ARENA_ARRAY(call->arena, str, context->count + 1);
    if (!names)
        return &fault_no_memory;
    for (size_t i = 0; i < context->count; i++) {
        const struct header *pair = &context->pairs[i];
        const str name =
            arena_strf(call->arena, "kms:EncryptionContext:" STR_FMT, STR_ARG(pair->name));
        if (str_is_none(name))
            return &fault_no_memory;
        names[i] = pair->name;
        add(keys, &(struct context_key) { .name = name, .values = &pair->value, .count = 1 });
    }
    if (context->count)
        add(keys, &(struct context_key) { .name = STR("kms:EncryptionContextKeys"),
                                          .values = names,
                                          .count = context->count,
                                          .multivalued = true });
    return NULL;
}

static const struct fault *add_tags(const struct call *call, struct keys *keys,
                                    const struct kms_key *key)
{
    for (size_t i = 0; i < key->tag_count; i++) {
        const str name =
            arena_strf(call->arena, "aws:ResourceTag/" STR_FMT, STR_ARG(key->tags[i].name));
        if (str_is_none(name))
            return &fault_no_memory;
        add(keys,
            &(struct context_key) { .name = name, .values = &key->tags[i].value, .count = 1 });
    }
    return NULL;
}

static size_t count_aliases(const struct call *call, const struct kms_key *key, str *to)
{
    size_t count = 0;
    str after = STR_NONE;
    for (const struct kms_alias *alias;
         (alias = kms_alias_next(call->world, key->account, key->region, after));
         after = alias->name) {
        if (!str_eq(alias->key_id, key->id))
            continue;
        if (to)
            to[count] = alias->name;
        count++;
    }
    return count;
}

static const struct fault *add_aliases(const struct call *call, struct keys *keys,
                                       const struct kms_key *key)
{
    const size_t count = count_aliases(call, key, NULL);
    str *names = ARENA_ARRAY(call->arena, str, count + 1);
    if (!names)
        return &fault_no_memory;
    count_aliases(call, key, names);
    if (count)
        add(keys, &(struct context_key) { .name = STR("kms:ResourceAliases"),
                                          .values = names,
                                          .count = count,
                                          .multivalued = true });
    return NULL;
}

/* When SES acts itself it acts for the rule's account. What S3 or SNS ask for on behalf of a
 * service principal is asked by no account: that is why the keys which AWS manages for those two,
 * open to the principals of the account, stay shut to SES (ses-receiving spec 13.1, 13.2 row 8). */
static bool has_caller_account(const struct caller *caller)
{
    return !str_is_none(caller->account) &&
           (caller->kind != CALLER_SERVICE || str_is_none(caller->via_service));
}

static const struct fault *policy_names(const struct call *call, const struct kms_key *key,
                                        str *ret_policy, str *ret_grants)
{
    const str of = str_is_none(key->managed) ? key->id : key->managed;
    *ret_policy = arena_strf(call->arena, "key policy of " STR_FMT, STR_ARG(of));
    *ret_grants = arena_strf(call->arena, "grants of key " STR_FMT, STR_ARG(of));
    return str_is_none(*ret_policy) || str_is_none(*ret_grants) ? &fault_no_memory : NULL;
}

const struct fault *kms_ask(const struct call *call, const struct kms_found *found,
                            const struct kms_question *question)
{
    static const str spec = STR_INIT("SYMMETRIC_DEFAULT"), usage = STR_INIT("ENCRYPT_DECRYPT"),
                     origin = STR_INIT("AWS_KMS"), no = STR_INIT("false");
    enum { FIXED = 8 };
    const struct kms_key *key = found->key;
    static const struct encryption_context none;
    const struct encryption_context *context = question->context ? question->context : &none;
    struct keys keys = { .of = ARENA_ARRAY(call->arena, struct context_key,
                                           FIXED + context->count + key->tag_count +
                                               question->more_count) };
    str policy, grants;
    if (!keys.of)
        return &fault_no_memory;
    if (has_caller_account(call->caller))
        add(&keys, &(struct context_key) { .name = STR("kms:CallerAccount"),
                                           .values = &call->caller->account,
                                           .count = 1 });
    add(&keys, &(struct context_key) { STR("kms:KeySpec"), &spec, 1 });
    add(&keys, &(struct context_key) { STR("kms:KeyUsage"), &usage, 1 });
    add(&keys, &(struct context_key) { STR("kms:KeyOrigin"), &origin, 1 });
    add(&keys, &(struct context_key) { STR("kms:MultiRegion"), &no, 1 });
    if (!str_is_none(found->alias))
        add(&keys, &(struct context_key) { STR("kms:RequestAlias"), &found->alias, 1 });
    TRY(add_encryption_context(call, &keys, context));
    TRY(add_tags(call, &keys, key));
    TRY(add_aliases(call, &keys, key));
    for (size_t i = 0; i < question->more_count; i++)
        add(&keys, &question->more[i]);
    TRY(policy_names(call, key, &policy, &grants));
    return authorize(call, &(struct ask) { .action = question->action,
                                           .resource = key->arn.text,
                                           .resource_account = key->account,
                                           .resource_policy = key->policy,
                                           .resource_kind = EXHIBIT_RESOURCE,
                                           .resource_policy_name = policy,
                                           .resource_policy_fixed = managed_fixed(key->managed),
                                           .grants = key->grants_policy,
                                           .grants_name = grants,
                                           .context = keys.of,
                                           .context_count = keys.count });
}

const struct fault *kms_ask_account(const struct call *call, str action, str resource,
                                    const struct context_key *more, size_t count)
{
    struct context_key *keys = ARENA_ARRAY(call->arena, struct context_key, count + 1);
    if (!keys)
        return &fault_no_memory;
    if (count)
        memcpy(keys, more, count * sizeof keys[0]);
    if (has_caller_account(call->caller))
        keys[count++] = kms_context("kms:CallerAccount", &call->caller->account);
    return authorize(call, &(struct ask) { .action = action,
                                           .resource = resource,
                                           .resource_account = call->caller->account,
                                           .context = keys,
                                           .context_count = count });
}

/* ---- changing ---- */

static const struct fault *put_key(struct kms_service *kms, const struct call *call,
                                   const struct kms_key *key, uint64_t expected)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    uint64_t revision;
    kms_key_encode(key, &value);
    const str name = kms_key_state_key(call->arena, key->account, key->region, key->id);
    if (value.failed || str_is_none(name))
        return &fault_no_memory;
    return kms->state->ops->put(kms->state, name, buf_str(&value), expected, call->arena,
                                &revision);
}

const struct fault *kms_put_new(struct kms_service *kms, const struct call *call,
                                const struct kms_key *key)
{
    return put_key(kms, call, key, REVISION_NEW);
}

const struct fault *kms_change(struct kms_service *kms, const struct call *call,
                               const struct kms_key *key, kms_change_fn *change, void *context)
{
    const str name = kms_key_state_key(call->arena, key->account, key->region, key->id);
    if (str_is_none(name))
        return &fault_no_memory;
    for (int i = 0; i < CHANGE_TRIES; i++) {
        struct record record;
        const void *now;
        const struct fault *why = kms->state->ops->get(kms->state, name, call->arena, &record);
        if (why)
            return why->kind == FAULT_ABSENT ? kms_not_found(call, key->arn.text) : why;
        record.key = name;
        TRY(kms_key_compile(&record, call->arena, &now));
        struct kms_key copy = *(const struct kms_key *)now;
        TRY(change(kms, call, &copy, context));
        why = put_key(kms, call, &copy, record.revision);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return fault_coded(call->arena, FAULT_UNAVAILABLE, "KMSInternalException",
                       "The key is being changed by too many requests at once");
}

/* ---- the service ---- */

const struct fault *kms_embedded_open(struct state *state, struct worlds *worlds,
                                      struct outside *outside, const struct root_key *root,
                                      struct arena *arena, struct kms_service **ret_service)
{
    struct kms_service *kms = ARENA_NEW(arena, struct kms_service);
    if (!kms)
        return &fault_no_memory;
    *kms = (struct kms_service) {
        .port = { .generate_data_key = kms_port_generate, .decrypt = kms_port_decrypt },
        .rehearsal = { .port = { .generate_data_key = kms_rehearse_generate,
                                 .decrypt = kms_rehearse_decrypt },
                       .service = kms },
        .state = state,
        .worlds = worlds,
        .outside = outside,
        .ring = keyring_new(root, outside->entropy, arena),
    };
    if (!kms->ring)
        return &fault_no_memory;
    clean_up(kms, arena);
    *ret_service = kms;
    return NULL;
}

#include "services/iam/managed.h"

#include "base/json.h"
#include "base/outside.h"
#include "base/random_id.h"
#include "policy/validate.h"
#include "services/iam/role.h"
#include "services/iam/user.h"
#include "services/world.h"

#include <stdio.h>

enum {
    KEY_ROOM = 192,
    POLICY_ID_LEN = 21,
    VERSIONS_MOST = 5,
    DESCRIPTION_MOST = 1000,
    RECORD_MAX = 1024 * 1024,
};
static const str prefix = STR_INIT("policy/");

/* ---- the aggregate ---- */

static const struct fault *read_versions(const struct json *json, struct arena *arena,
                                         struct managed_policy *to)
{
    const struct json *list = json_get(json, "versions");
    size_t count = json_size(list);
    struct policy_version *versions = ARENA_ARRAY(arena, struct policy_version, count + 1);
    for (size_t i = 0; versions && i < count; i++) {
        struct document *document = ARENA_NEW(arena, struct document);
        const struct json *item = json_at(list, i);
        versions[i] = (struct policy_version) { .id = json_str(item, "id"),
                                                .text = json_str(item, "document"),
                                                .document = document,
                                                .created_ms = json_int(item, "created_ms", 0) };
        if (!document)
            return &fault_no_memory;
        TRY(policy_parse(versions[i].text, arena, document));
    }
    to->versions = versions;
    to->version_count = count;
    to->last_version = json_int(json, "last", (int64_t)count);
    to->current = managed_version(to, json_str(json, "default"));
    if (!versions)
        return &fault_no_memory;
    return to->current
               ? NULL
               : fault(arena, FAULT_SYNTAX, NULL, "a managed policy wants a default version");
}

static const struct fault *name_exhibits(struct managed_policy *policy, struct arena *arena)
{
    static const struct {
        enum exhibit_kind kind;
        const char *words;
    } roles[] = { { EXHIBIT_IDENTITY, "managed policy" },
                  { EXHIBIT_BOUNDARY, "permissions boundary" },
                  { EXHIBIT_SESSION, "session policy" } };
    struct exhibit *to[] = { &policy->as_identity, &policy->as_boundary, &policy->as_session };
    for (size_t i = 0; i < 3; i++) {
        str shown = arena_strf(arena, "%s " STR_FMT, roles[i].words, STR_ARG(policy->name));
        if (str_is_none(shown))
            return &fault_no_memory;
        *to[i] = (struct exhibit) { .kind = roles[i].kind,
                                    .name = shown,
                                    .document = policy->current->document };
    }
    return NULL;
}

static const struct fault *read_tags(const struct json *list, struct arena *arena,
                                     struct managed_policy *to)
{
    struct tag *tags = ARENA_ARRAY(arena, struct tag, json_size(list) + 1);
    for (size_t i = 0; tags && i < json_size(list); i++)
        tags[to->tag_count++] =
            (struct tag) { json_str(json_at(list, i), "key"), json_str(json_at(list, i), "value") };
    to->tags = tags;
    return tags ? NULL : &fault_no_memory;
}

const struct fault *managed_compile(const struct record *record, struct arena *arena,
                                    const void **ret_aggregate)
{
    struct managed_policy *policy = ARENA_NEW(arena, struct managed_policy);
    str key = arena_str(arena, record->key), kind, name;
    const struct json *json;
    if (!policy || str_is_none(key))
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    if (!str_cut(key, '/', &kind, &key) || !str_cut(key, '/', &policy->account, &name))
        return fault(arena, FAULT_SYNTAX, NULL, "a managed policy's key wants account and name");
    policy->name = json_str(json, "name");
    policy->path = json_str(json, "path");
    policy->id = json_str(json, "id");
    policy->description = json_str(json, "description");
    policy->created_ms = json_int(json, "created_ms", 0);
    policy->updated_ms = json_int(json, "updated_ms", policy->created_ms);
    str partition = json_str(json, "partition");
    str arn = arena_strf(arena, "arn:" STR_FMT ":iam::" STR_FMT ":policy" STR_FMT STR_FMT,
                         STR_ARG(partition), STR_ARG(policy->account), STR_ARG(policy->path),
                         STR_ARG(policy->name));
    if (str_is_none(arn) || !arn_parse(arn, &policy->arn))
        return &fault_no_memory;
    TRY(read_versions(json, arena, policy));
    TRY(read_tags(json_get(json, "tags"), arena, policy));
    TRY(name_exhibits(policy, arena));
    *ret_aggregate = policy;
    return NULL;
}

static void write_policy(const struct managed_policy *policy, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "partition", policy->arn.partition);
    json_add_str(&w, "name", policy->name);
    json_add_str(&w, "path", policy->path);
    json_add_str(&w, "id", policy->id);
    if (!str_is_none(policy->description))
        json_add_str(&w, "description", policy->description);
    json_add_int(&w, "created_ms", policy->created_ms);
    json_add_int(&w, "updated_ms", policy->updated_ms);
    json_add_str(&w, "default", policy->current->id);
    json_add_int(&w, "last", policy->last_version);
    json_name(&w, STR("versions"));
    json_open(&w, '[');
    for (size_t i = 0; i < policy->version_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "id", policy->versions[i].id);
        json_add_str(&w, "document", policy->versions[i].text);
        json_add_int(&w, "created_ms", policy->versions[i].created_ms);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_name(&w, STR("tags"));
    json_open(&w, '[');
    for (size_t i = 0; i < policy->tag_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "key", policy->tags[i].key);
        json_add_str(&w, "value", policy->tags[i].value);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

/* ---- looking up ---- */

static str key_in(char room[KEY_ROOM], str account, str name)
{
    size_t len = 0;
    const str parts[] = { prefix, account, STR("/"), name };
    if (prefix.len + account.len + 1 + name.len > KEY_ROOM)
        return STR("");
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        for (size_t k = 0; k < parts[i].len; k++)
            room[len++] = i == 3 ? ascii_lower(parts[i].ptr[k]) : parts[i].ptr[k];
    return (str) { room, len };
}

/* "policy/PATH/NAME" as the account and the name its record has. */
static bool key_of_arn(char room[KEY_ROOM], str text, struct arn *ret_arn, str *ret_key)
{
    if (!arn_parse(text, ret_arn) || !str_eq(ret_arn->service, STR("iam")) ||
        !str_starts(ret_arn->resource, prefix))
        return false;
    size_t at = ret_arn->resource.len;
    while (ret_arn->resource.ptr[at - 1] != '/')
        at--;
    *ret_key = key_in(room, ret_arn->account, str_from(ret_arn->resource, at));
    return ret_key->len > 0 && at < ret_arn->resource.len;
}

/* AWS's own policies are in every partition. */
static bool is_named(const struct managed_policy *policy, const struct arn *arn)
{
    return str_eq(policy->account, STR("aws")) ? str_eq(policy->arn.resource, arn->resource)
                                               : str_eq(policy->arn.text, arn->text);
}

const struct managed_policy *managed_find_arn(const struct world *world, str text)
{
    char room[KEY_ROOM];
    struct arn arn;
    str key;
    if (!key_of_arn(room, text, &arn, &key))
        return NULL;
    const struct managed_policy *policy = world_find(world, key);
    return policy && is_named(policy, &arn) ? policy : NULL;
}

bool managed_next(const struct world *world, str account, str after, str *ret_key,
                  const struct managed_policy **ret_policy)
{
    char room[KEY_ROOM];
    str start = key_in(room, account, STR(""));
    const void *aggregate = NULL;
    for (str key = after; start.len && world_next(world, start, key, &key, &aggregate);)
        if (aggregate) {
            *ret_key = key;
            *ret_policy = aggregate;
            return true;
        }
    return false;
}

const struct policy_version *managed_version(const struct managed_policy *policy, str id)
{
    for (size_t i = 0; i < policy->version_count; i++)
        if (str_eq(policy->versions[i].id, id))
            return &policy->versions[i];
    return NULL;
}

bool managed_is_attached(const struct holder *holder, str arn)
{
    for (size_t i = 0; i < holder->attached_count; i++)
        if (str_eq(holder->attached[i], arn))
            return true;
    return false;
}

size_t managed_attachments(const struct world *world, str account, str arn, bool as_boundary)
{
    static const struct holder_kind *const kinds[] = { &role_kind, &user_kind };
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct holder *holder;
        str key = STR("");
        while (holder_next(world, kinds[i], account, key, &key, &holder))
            count += as_boundary ? str_eq(holder->boundary, arn) : managed_is_attached(holder, arn);
    }
    return count;
}

const struct fault *managed_absent(struct arena *arena, str arn)
{
    return fault_coded(arena, FAULT_ABSENT, "NoSuchEntity", "Policy " STR_FMT " was not found.",
                       STR_ARG(arn));
}

/* ---- changes ---- */

static const struct fault *get(struct state *state, const struct call *call, str text,
                               struct record *ret_record, struct managed_policy *ret_policy)
{
    char room[KEY_ROOM];
    struct arn arn;
    str key;
    const void *found;
    if (!key_of_arn(room, text, &arn, &key))
        return managed_absent(call->arena, text);
    key = arena_str(call->arena, key);
    const struct fault *why = state->ops->get(state, key, call->arena, ret_record);
    if (why)
        return why->kind == FAULT_ABSENT ? managed_absent(call->arena, text) : why;
    ret_record->key = key;
    TRY(managed_compile(ret_record, call->arena, &found));
    *ret_policy = *(const struct managed_policy *)found;
    return is_named(ret_policy, &arn) ? NULL : managed_absent(call->arena, text);
}

static const struct fault *put(struct state *state, const struct call *call,
                               const struct managed_policy *policy, str key, uint64_t expected,
                               struct record *ret_record)
{
    AUTO_BUF value = buf_new(RECORD_MAX);
    write_policy(policy, &value);
    if (value.failed)
        return &fault_no_memory;
    *ret_record = (struct record) { .key = key, .value = arena_str(call->arena, buf_str(&value)) };
    if (str_is_none(ret_record->value) || str_is_none(key))
        return &fault_no_memory;
    return state->ops->put(state, key, ret_record->value, expected, call->arena,
                           &ret_record->revision);
}

static const struct fault *check_document(const struct call *call, str document)
{
    const struct policy_home home = { .type = POLICY_IDENTITY, .holder = HOLDER_MANAGED };
    TRY(iam_check_document(call->arena, "policyDocument", document));
    return policy_validate(document, &home, call->arena, NULL);
}

const struct fault *managed_create(struct state *state, const struct call *call,
                                   struct entropy *entropy, const struct managed_draft *draft,
                                   const struct managed_policy **ret_policy)
{
    struct arena *arena = call->arena;
    char id[POLICY_ID_LEN + 1] = "ANPA", room[KEY_ROOM];
    struct record record;
    const void *made;
    str path = str_is_none(draft->path) ? STR("/") : draft->path;
    TRY(iam_check_name(arena, "policyName", draft->name, IAM_POLICY_NAME_MOST));
    TRY(iam_check_path(arena, path));
    if (draft->description.len > DESCRIPTION_MOST)
        return iam_invalid(arena, "description",
                           "Member must have length less than or equal to 1000");
    TRY(iam_check_tags(arena, draft->tags, draft->tag_count));
    TRY(check_document(call, draft->document));
    random_upper_token(entropy, id + 4, POLICY_ID_LEN - 4);
    const struct policy_version first = { .id = STR("v1"),
                                          .text = draft->document,
                                          .created_ms = call->now_ms };
    const struct managed_policy policy = {
        .arn = { .partition = region_partition(call->region) },
        .name = draft->name,
        .path = path,
        .id = { id, POLICY_ID_LEN },
        .description = draft->description,
        .created_ms = call->now_ms,
        .updated_ms = call->now_ms,
        .versions = &first,
        .version_count = 1,
        .current = &first,
        .last_version = 1,
        .tags = draft->tags,
        .tag_count = draft->tag_count,
    };
    str key = arena_str(arena, key_in(room, call->caller->account, draft->name));
    const struct fault *why = put(state, call, &policy, key, REVISION_NEW, &record);
    if (why && why->kind == FAULT_CONFLICT)
        return fault_coded(arena, FAULT_CONFLICT, "EntityAlreadyExists",
                           "A policy called " STR_FMT
                           " already exists. Duplicate names are not allowed.",
                           STR_ARG(draft->name));
    TRY(why);
    TRY(managed_compile(&record, arena, &made));
    *ret_policy = made;
    return NULL;
}

static const struct fault *delete_conflict(struct arena *arena, const char *says)
{
    return fault_coded(arena, FAULT_CONFLICT, "DeleteConflict", "%s", says);
}

const struct fault *managed_delete(struct state *state, struct worlds *worlds,
                                   const struct call *call, str arn)
{
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        struct managed_policy policy;
        TRY(get(state, call, arn, &record, &policy));
        const struct world *now = worlds_now(worlds);
        bool held = managed_attachments(now, policy.account, arn, false) ||
                    managed_attachments(now, policy.account, arn, true);
        world_unref(now);
        if (held)
            return delete_conflict(call->arena, "Cannot delete a policy attached to entities.");
        if (policy.version_count > 1)
            return delete_conflict(
                call->arena, "This policy has more than one version. Before you delete a policy, "
                             "you must delete the policy's versions. The default version is "
                             "deleted with the policy.");
        const struct fault *why =
            state->ops->remove(state, record.key, record.revision, call->arena);
        if (!why || why->kind != FAULT_CONFLICT)
            return why && why->kind == FAULT_ABSENT ? managed_absent(call->arena, arn) : why;
    }
    return iam_too_busy(call->arena);
}

static const struct fault *add_version(const struct call *call, struct managed_policy *policy,
                                       str document, bool set_as_default)
{
    struct policy_version *versions =
        ARENA_ARRAY(call->arena, struct policy_version, policy->version_count + 1);
    if (policy->version_count >= VERSIONS_MOST)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded",
                           "A managed policy can have up to 5 versions. Before you create a new "
                           "version, you must delete an existing version.");
    str id = arena_strf(call->arena, "v%lld", (long long)policy->last_version + 1);
    if (!versions || str_is_none(id))
        return &fault_no_memory;
    memcpy(versions, policy->versions, policy->version_count * sizeof(*versions));
    struct policy_version *added = &versions[policy->version_count];
    *added = (struct policy_version) { .id = id, .text = document, .created_ms = call->now_ms };
    policy->versions = versions;
    policy->version_count++;
    policy->last_version++;
    policy->updated_ms = call->now_ms;
    if (set_as_default)
        policy->current = added;
    return NULL;
}

const struct fault *managed_create_version(struct state *state, const struct call *call, str arn,
                                           str document, bool set_as_default,
                                           struct policy_version *ret_version, bool *ret_is_default)
{
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        struct managed_policy policy;
        TRY(get(state, call, arn, &record, &policy));
        TRY(check_document(call, document));
        TRY(add_version(call, &policy, document, set_as_default));
        const struct fault *why = put(state, call, &policy, record.key, record.revision, &record);
        if (why && why->kind == FAULT_CONFLICT)
            continue;
        TRY(why);
        *ret_version = policy.versions[policy.version_count - 1];
        *ret_is_default = set_as_default;
        return NULL;
    }
    return iam_too_busy(call->arena);
}

const struct fault *managed_no_version(struct arena *arena, str arn, str version)
{
    return fault_coded(arena, FAULT_ABSENT, "NoSuchEntity",
                       "Policy " STR_FMT " version " STR_FMT
                       " does not exist or is not attachable.",
                       STR_ARG(arn), STR_ARG(version));
}

const struct fault *managed_set_default(struct state *state, const struct call *call, str arn,
                                        str version)
{
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        struct managed_policy policy;
        TRY(get(state, call, arn, &record, &policy));
        policy.current = managed_version(&policy, version);
        if (!policy.current)
            return managed_no_version(call->arena, arn, version);
        policy.updated_ms = call->now_ms;
        const struct fault *why = put(state, call, &policy, record.key, record.revision, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return iam_too_busy(call->arena);
}

static const struct fault *drop_version(const struct call *call, struct managed_policy *policy,
                                        str version)
{
    const struct policy_version *gone = managed_version(policy, version);
    struct policy_version *versions =
        ARENA_ARRAY(call->arena, struct policy_version, policy->version_count + 1);
    size_t count = 0;
    if (!gone)
        return managed_no_version(call->arena, policy->arn.text, version);
    if (gone == policy->current)
        return delete_conflict(call->arena, "Cannot delete the default version of a policy.");
    if (!versions)
        return &fault_no_memory;
    for (size_t i = 0; i < policy->version_count; i++)
        if (&policy->versions[i] != gone)
            versions[count++] = policy->versions[i];
    policy->versions = versions;
    policy->version_count = count;
    return NULL; /* `current` still points at its old place, which says the same */
}

const struct fault *managed_delete_version(struct state *state, const struct call *call, str arn,
                                           str version)
{
    for (int i = 0; i < IAM_TRIES; i++) {
        struct record record;
        struct managed_policy policy;
        TRY(get(state, call, arn, &record, &policy));
        TRY(drop_version(call, &policy, version));
        const struct fault *why = put(state, call, &policy, record.key, record.revision, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return iam_too_busy(call->arena);
}

#include "services/iam/role.h"

#include "base/json.h"
#include "base/outside.h"
#include "base/random_id.h"
#include "base/utf8.h"
#include "policy/validate.h"
#include "services/world.h"

#include <stdlib.h>

enum {
    KEY_ROOM = 128,
    ROLE_ID_LEN = 21,
    NAME_MOST = 64,
    POLICY_NAME_MOST = 128,
    PATH_MOST = 512,
    DESCRIPTION_MOST = 1000,
    INLINE_MOST = 10240,    /* of all inline policies together */
    DOCUMENT_MOST = 131072, /* of the parameter */
    SESSION_LEAST = 3600,
    SESSION_MOST = 43200,
    TRIES = 16,
};

/* ---- the aggregate ---- */

static const struct fault *document_new(str text, struct arena *arena,
                                        const struct document **ret_document)
{
    struct document *document = ARENA_NEW(arena, struct document);
    if (!document)
        return &fault_no_memory;
    TRY(policy_parse(text, arena, document));
    *ret_document = document;
    return NULL;
}

static const struct fault *read_policies(const struct json *list, struct arena *arena,
                                         struct role *role)
{
    size_t count = json_size(list);
    struct role_policy *policies = ARENA_ARRAY(arena, struct role_policy, count + 1);
    struct exhibit *exhibits = ARENA_ARRAY(arena, struct exhibit, count + 1);
    if (!policies || !exhibits)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct role_policy *p = &policies[i];
        p->name = json_str(json_at(list, i), "name");
        p->text = json_str(json_at(list, i), "document");
        TRY(document_new(p->text, arena, &p->document));
        str shown = arena_strf(arena, "inline policy " STR_FMT " of role " STR_FMT,
                               STR_ARG(p->name), STR_ARG(role->name));
        if (str_is_none(shown))
            return &fault_no_memory;
        exhibits[i] =
            (struct exhibit) { .kind = EXHIBIT_IDENTITY, .name = shown, .document = p->document };
    }
    role->policies = policies;
    role->exhibits = exhibits;
    role->policy_count = count;
    return NULL;
}

const struct fault *role_compile(const struct record *record, struct arena *arena,
                                 const void **ret_aggregate)
{
    struct role *role = ARENA_NEW(arena, struct role);
    str key = arena_str(arena, record->key), kind;
    const struct json *json;
    if (!role || str_is_none(key))
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    if (!str_cut(key, '/', &kind, &key) || !str_cut(key, '/', &role->account, &role->name))
        return fault(arena, FAULT_SYNTAX, NULL, "a role's key wants account and name");
    role->path = json_str(json, "path");
    role->role_id = json_str(json, "role_id");
    role->created_ms = json_int(json, "created_ms", 0);
    role->description = json_str(json, "description");
    role->max_session = json_int(json, "max_session", SESSION_LEAST);
    role->trust_text = json_str(json, "trust");
    str arn =
        arena_strf(arena, "arn:" STR_FMT ":iam::" STR_FMT ":role" STR_FMT STR_FMT,
                   STR_ARG(str_is_none(json_str(json, "partition")) ? STR("aws")
                                                                    : json_str(json, "partition")),
                   STR_ARG(role->account), STR_ARG(role->path), STR_ARG(role->name));
    if (str_is_none(arn) || !arn_parse(arn, &role->arn))
        return &fault_no_memory;
    TRY(document_new(role->trust_text, arena, &role->trust));
    TRY(read_policies(json_get(json, "policies"), arena, role));
    *ret_aggregate = role;
    return NULL;
}

const struct role *role_find(const struct world *world, str account, str name)
{
    char key[KEY_ROOM];
    if (account.len + name.len + sizeof("role//") > sizeof(key) || account.len == 0 ||
        name.len == 0)
        return NULL;
    size_t len = 0;
    const str parts[] = { STR("role/"), account, STR("/"), name };
    for (size_t i = 0; i < 4; i++) {
        memcpy(key + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return world_find(world, (str) { key, len });
}

const struct role *role_find_arn(const struct world *world, str role_arn)
{
    struct arn arn;
    if (!arn_parse(role_arn, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_starts(arn.resource, STR("role/")))
        return NULL;
    size_t at = arn.resource.len;
    while (arn.resource.ptr[at - 1] != '/')
        at--;
    const struct role *role = role_find(world, arn.account, str_from(arn.resource, at));
    return role && str_eq(role->arn.text, role_arn) ? role : NULL;
}

/* ---- what IAM says ---- */

static const struct fault *no_role(struct arena *arena, str name)
{
    return fault_coded(arena, FAULT_ABSENT, "NoSuchEntity",
                       "The role with name " STR_FMT " cannot be found.", STR_ARG(name));
}

static const struct fault *invalid(struct arena *arena, const char *path, const char *constraint)
{
    return fault_coded(
        arena, FAULT_SYNTAX, "ValidationError",
        "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", path,
        constraint);
}

static const struct fault *check_name(struct arena *arena, const char *path, str name, size_t most)
{
    if (str_is_none(name))
        return fault_coded(
            arena, FAULT_SYNTAX, "ValidationError",
            "1 validation error detected: Value null at '%s' failed to satisfy constraint: "
            "Member must not be null",
            path);
    if (name.len == 0)
        return invalid(arena, path, "Member must have length greater than or equal to 1");
    if (name.len > most)
        return fault_coded(
            arena, FAULT_SYNTAX, "ValidationError",
            "1 validation error detected: Value at '%s' failed to satisfy constraint: "
            "Member must have length less than or equal to %zu",
            path, most);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !strchr("+=,.@_-", c))
            return fault_coded(
                arena, FAULT_SYNTAX, "ValidationError",
                "The specified value for %s is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-",
                path);
    }
    return NULL;
}

static const struct fault *check_document(struct arena *arena, const char *path, str document)
{
    if (str_is_none(document))
        return check_name(arena, path, document, 0);
    if (document.len == 0)
        return invalid(arena, path, "Member must have length greater than or equal to 1");
    if (document.len > DOCUMENT_MOST)
        return invalid(arena, path, "Member must have length less than or equal to 131072");
    struct cursor at = cursor_of(document); /* U+0020 to U+00FF, tab and line ends */
    while (cursor_left(&at) > 0) {
        uint32_t c = utf8_next(&at);
        if (c > 0xff || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
            return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                               "The specified value for %s is invalid. It must contain only "
                               "printable ASCII characters.",
                               path);
    }
    return NULL;
}

static const struct fault *too_long(struct arena *arena, str role)
{
    return fault_coded(arena, FAULT_LIMIT, "LimitExceeded",
                       "Maximum policy size of %d bytes exceeded for role " STR_FMT, INLINE_MOST,
                       STR_ARG(role));
}

static const struct fault *check_trust(struct arena *arena, str trust)
{
    return policy_validate(trust, &(struct policy_home) { .type = POLICY_TRUST }, arena, NULL);
}

static const struct fault *check_path(struct arena *arena, str path)
{
    bool ok = path.len >= 1 && path.len <= PATH_MOST && path.ptr[0] == '/' &&
              path.ptr[path.len - 1] == '/';
    for (size_t i = 0; ok && i < path.len; i++)
        ok = path.ptr[i] >= 0x21 && path.ptr[i] <= 0x7e;
    if (!ok)
        return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                           "The specified value for path is invalid. It must begin and end with / "
                           "and contain only "
                           "alphanumeric characters and/or / characters.");
    return NULL;
}

/* ---- changes ---- */

static str role_key(const struct call *call, str name)
{
    return arena_strf(call->arena, "role/" STR_FMT "/" STR_FMT, STR_ARG(call->caller->account),
                      STR_ARG(name));
}

static const struct fault *role_get(struct state *state, const struct call *call, str name,
                                    struct record *ret_record, struct role *ret_role)
{
    TRY(check_name(call->arena, "roleName", name, NAME_MOST));
    str key = role_key(call, name);
    if (str_is_none(key))
        return &fault_no_memory;
    const struct fault *why = state->ops->get(state, key, call->arena, ret_record);
    if (why)
        return why->kind == FAULT_ABSENT ? no_role(call->arena, name) : why;
    ret_record->key = key;
    const void *found;
    TRY(role_compile(ret_record, call->arena, &found));
    *ret_role = *(const struct role *)found;
    return NULL;
}

static void write_role(const struct role *role, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "partition", role->arn.partition);
    json_add_str(&w, "path", role->path);
    json_add_str(&w, "role_id", role->role_id);
    json_add_int(&w, "created_ms", role->created_ms);
    if (!str_is_none(role->description))
        json_add_str(&w, "description", role->description);
    json_add_int(&w, "max_session", role->max_session);
    json_add_str(&w, "trust", role->trust_text);
    json_name(&w, STR("policies"));
    json_open(&w, '[');
    for (size_t i = 0; i < role->policy_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "name", role->policies[i].name);
        json_add_str(&w, "document", role->policies[i].text);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

static const struct fault *role_put(struct state *state, const struct call *call,
                                    const struct role *role, uint64_t expected,
                                    struct record *ret_record)
{
    AUTO_BUF value = buf_new(1024 * 1024);
    write_role(role, &value);
    str key = role_key(call, role->name);
    if (value.failed || str_is_none(key))
        return &fault_no_memory;
    *ret_record = (struct record) { .key = key, .value = arena_str(call->arena, buf_str(&value)) };
    if (str_is_none(ret_record->value))
        return &fault_no_memory;
    return state->ops->put(state, key, ret_record->value, expected, call->arena,
                           &ret_record->revision);
}

static const struct fault *too_busy(struct arena *arena)
{
    return fault_coded(
        arena, FAULT_CONFLICT, "ConcurrentModification",
        "The request was rejected because multiple requests to change this object were submitted "
        "simultaneously.");
}

const struct fault *role_create(struct state *state, const struct call *call,
                                struct entropy *entropy, const struct role_draft *draft,
                                const struct role **ret_role)
{
    struct arena *arena = call->arena;
    str path = str_is_none(draft->path) ? STR("/") : draft->path;
    TRY(check_name(arena, "roleName", draft->name, NAME_MOST));
    TRY(check_path(arena, path));
    TRY(check_document(arena, "assumeRolePolicyDocument", draft->trust));
    if (draft->description.len > DESCRIPTION_MOST)
        return invalid(arena, "description", "Member must have length less than or equal to 1000");
    if (draft->max_session && draft->max_session < SESSION_LEAST)
        return invalid(arena, "maxSessionDuration",
                       "Member must have value greater than or equal to 3600");
    if (draft->max_session > SESSION_MOST)
        return invalid(arena, "maxSessionDuration",
                       "Member must have value less than or equal to 43200");
    TRY(check_trust(arena, draft->trust));

    char id[ROLE_ID_LEN + 1] = "AROA";
    random_upper_token(entropy, id + 4, ROLE_ID_LEN - 4);
    struct role role = {
        .arn = { .partition = region_partition(call->region) },
        .name = draft->name,
        .path = path,
        .role_id = { id, ROLE_ID_LEN },
        .account = call->caller->account,
        .created_ms = call->now_ms,
        .description = draft->description,
        .max_session = draft->max_session ? draft->max_session : SESSION_LEAST,
        .trust_text = draft->trust,
    };
    struct record record;
    const struct fault *why = role_put(state, call, &role, REVISION_NEW, &record);
    if (why && why->kind == FAULT_CONFLICT)
        return fault_coded(arena, FAULT_CONFLICT, "EntityAlreadyExists",
                           "Role with name " STR_FMT " already exists.", STR_ARG(draft->name));
    TRY(why);
    const void *made;
    if (ret_role) {
        TRY(role_compile(&record, arena, &made));
        *ret_role = made;
    }
    return NULL;
}

const struct fault *role_delete(struct state *state, const struct call *call, str name)
{
    for (int i = 0; i < TRIES; i++) {
        struct record record;
        struct role role;
        TRY(role_get(state, call, name, &record, &role));
        if (role.policy_count > 0)
            return fault_coded(call->arena, FAULT_CONFLICT, "DeleteConflict",
                               "Cannot delete entity, must delete policies first.");
        const struct fault *why =
            state->ops->remove(state, record.key, record.revision, call->arena);
        if (!why || why->kind != FAULT_CONFLICT)
            return why && why->kind == FAULT_ABSENT ? no_role(call->arena, name) : why;
    }
    return too_busy(call->arena);
}

const struct fault *role_update_trust(struct state *state, const struct call *call, str name,
                                      str trust)
{
    for (int i = 0; i < TRIES; i++) {
        struct record record;
        struct role role;
        TRY(check_name(call->arena, "roleName", name, NAME_MOST));
        TRY(check_document(call->arena, "policyDocument", trust));
        TRY(role_get(state, call, name, &record, &role));
        TRY(check_trust(call->arena, trust));
        role.trust_text = trust;
        const struct fault *why = role_put(state, call, &role, record.revision, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return too_busy(call->arena);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct role_policy *)a)->name, ((const struct role_policy *)b)->name);
}

/* The role's policies less `name`, with room for one more. */
static struct role_policy *policies_without(const struct role *role, str name, struct arena *arena,
                                            size_t *ret_count)
{
    struct role_policy *policies = ARENA_ARRAY(arena, struct role_policy, role->policy_count + 1);
    size_t count = 0;
    for (size_t i = 0; policies && i < role->policy_count; i++)
        if (!str_eq(role->policies[i].name, name))
            policies[count++] = role->policies[i];
    *ret_count = count;
    return policies;
}

const struct fault *role_put_policy(struct state *state, const struct call *call, str name,
                                    str policy_name, str document)
{
    for (int i = 0; i < TRIES; i++) {
        struct record record;
        struct role role;
        TRY(check_name(call->arena, "roleName", name, NAME_MOST));
        TRY(check_name(call->arena, "policyName", policy_name, POLICY_NAME_MOST));
        TRY(check_document(call->arena, "policyDocument", document));
        TRY(role_get(state, call, name, &record, &role));
        const struct policy_home home = { .type = POLICY_IDENTITY,
                                          .holder = HOLDER_ROLE,
                                          .target = name };
        size_t count, size = policy_size(document);
        TRY(policy_validate(document, &home, call->arena, NULL));
        struct role_policy *policies = policies_without(&role, policy_name, call->arena, &count);
        if (!policies)
            return &fault_no_memory;
        for (size_t k = 0; k < count; k++)
            size += policy_size(policies[k].text);
        if (size > INLINE_MOST)
            return too_long(call->arena, name);
        policies[count++] = (struct role_policy) { .name = policy_name, .text = document };
        qsort(policies, count, sizeof(*policies), by_name);
        role.policies = policies;
        role.policy_count = count;
        const struct fault *why = role_put(state, call, &role, record.revision, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return too_busy(call->arena);
}

const struct fault *role_delete_policy(struct state *state, const struct call *call, str name,
                                       str policy_name)
{
    for (int i = 0; i < TRIES; i++) {
        struct record record;
        struct role role;
        TRY(check_name(call->arena, "policyName", policy_name, POLICY_NAME_MOST));
        TRY(role_get(state, call, name, &record, &role));
        size_t count;
        struct role_policy *policies = policies_without(&role, policy_name, call->arena, &count);
        if (!policies)
            return &fault_no_memory;
        if (count == role.policy_count)
            return fault_coded(call->arena, FAULT_ABSENT, "NoSuchEntity",
                               "The role policy with name " STR_FMT " cannot be found.",
                               STR_ARG(policy_name));
        role.policies = policies;
        role.policy_count = count;
        const struct fault *why = role_put(state, call, &role, record.revision, &record);
        if (!why || why->kind != FAULT_CONFLICT)
            return why;
    }
    return too_busy(call->arena);
}

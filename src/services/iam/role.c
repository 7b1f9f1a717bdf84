#include "services/iam/role.h"

#include "base/outside.h"
#include "base/random_id.h"
#include "services/iam/principals.h"
#include "services/world.h"

enum {
    ROLE_ID_LEN = 21,
    DESCRIPTION_MOST = 1000,
    SESSION_LEAST = 3600,
    SESSION_MOST = 43200,
};

/* ---- the aggregate ---- */

const struct fault *role_compile(const struct record *record, struct arena *arena,
                                 const void **ret_aggregate)
{
    struct role *role = ARENA_NEW(arena, struct role);
    struct document *trust = ARENA_NEW(arena, struct document);
    const struct json *json;
    if (!role || !trust)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    TRY(holder_read(&role_kind, record, json, arena, &role->holder));
    role->description = json_str(json, "description");
    role->max_session = json_int(json, "max_session", SESSION_LEAST);
    role->trust_text = json_str(json, "trust");
    TRY(policy_parse(role->trust_text, arena, trust));
    role->trust = trust;
    *ret_aggregate = role;
    return NULL;
}

static void write_role(const struct holder *holder, struct json_writer *w)
{
    const struct role *role = (const struct role *)holder;
    if (!str_is_none(role->description))
        json_add_str(w, "description", role->description);
    json_add_int(w, "max_session", role->max_session);
    json_add_str(w, "trust", role->trust_text);
}

const struct holder_kind role_kind = {
    .holder = HOLDER_ROLE,
    .prefix = STR_INIT("role/"),
    .word = "role",
    .title = "Role",
    .name_path = "roleName",
    .arn_kind = STR_INIT("role"),
    .inline_most = 10240,
    .attach_quota = "PoliciesPerRole",
    .size = sizeof(struct role),
    .compile = role_compile,
    .write = write_role,
};

const struct role *role_find(const struct world *world, str account, str name)
{
    return (const struct role *)holder_find(world, &role_kind, account, name);
}

const struct role *role_find_arn(const struct world *world, str role_arn)
{
    return (const struct role *)holder_find_arn(world, &role_kind, role_arn);
}

/* ---- changes ---- */

static const struct fault *check_trust(const struct call *call, str trust)
{
    const struct principal_register principals = principals_of(call->world);
    return policy_validate(
        trust, &(struct policy_home) { .type = POLICY_TRUST, .principals = &principals },
        call->arena, NULL);
}

static const struct fault *check_limits(struct arena *arena, str description, int64_t max_session)
{
    if (description.len > DESCRIPTION_MOST)
        return iam_invalid(arena, "description",
                           "Member must have length less than or equal to 1000");
    if (max_session && max_session < SESSION_LEAST)
        return iam_invalid(arena, "maxSessionDuration",
                           "Member must have value greater than or equal to 3600");
    if (max_session > SESSION_MOST)
        return iam_invalid(arena, "maxSessionDuration",
                           "Member must have value less than or equal to 43200");
    return NULL;
}

const struct fault *role_create(struct state *state, const struct call *call,
                                struct entropy *entropy, const struct role_draft *draft,
                                const struct role **ret_role)
{
    struct arena *arena = call->arena;
    str path = str_is_none(draft->path) ? STR("/") : draft->path;
    TRY(iam_check_name(arena, "roleName", draft->name, IAM_NAME_MOST));
    TRY(iam_check_path(arena, path));
    TRY(iam_check_document(arena, "assumeRolePolicyDocument", draft->trust));
    TRY(check_limits(arena, draft->description, draft->max_session));
    TRY(check_trust(call, draft->trust));
    TRY(holder_check_boundary(call, draft->boundary));

    char id[ROLE_ID_LEN + 1] = "AROA";
    random_upper_token(entropy, id + 4, ROLE_ID_LEN - 4);
    struct role role = {
        .holder = { .arn = { .partition = region_partition(call->region) },
                    .name = draft->name,
                    .path = path,
                    .id = { id, ROLE_ID_LEN },
                    .account = call->caller->account,
                    .created_ms = call->now_ms,
                    .boundary = draft->boundary,
                    .tags = draft->tags,
                    .tag_count = draft->tag_count },
        .description = draft->description,
        .max_session = draft->max_session ? draft->max_session : SESSION_LEAST,
        .trust_text = draft->trust,
    };
    return holder_create(state, call, &role_kind, &role.holder, (const struct holder **)ret_role);
}

const struct fault *role_delete(struct state *state, const struct call *call, str name)
{
    return holder_delete(state, call, &role_kind, name, NULL);
}

struct role_change {
    struct holder_change base;
    str trust, description;
    int64_t max_session;
};

static const struct fault *make_role(struct holder_change *base, const struct call *call,
                                     const struct holder_kind *kind, struct holder *holder)
{
    (void)kind;
    const struct role_change *change = (const struct role_change *)base;
    struct role *role = (struct role *)holder;
    if (!str_is_none(change->trust)) {
        TRY(check_trust(call, change->trust));
        role->trust_text = change->trust;
    }
    if (!str_is_none(change->description))
        role->description = change->description;
    if (change->max_session)
        role->max_session = change->max_session;
    return NULL;
}

const struct fault *role_update_trust(struct state *state, const struct call *call, str name,
                                      str trust)
{
    struct role_change change = { .base = { make_role }, .trust = trust };
    TRY(iam_check_name(call->arena, "roleName", name, IAM_NAME_MOST));
    TRY(iam_check_document(call->arena, "policyDocument", trust));
    return holder_change(state, call, &role_kind, name, &change.base);
}

const struct fault *role_update(struct state *state, const struct call *call, str name,
                                str description, int64_t max_session)
{
    struct role_change change = { .base = { make_role },
                                  .description = description,
                                  .max_session = max_session };
    TRY(check_limits(call->arena, description, max_session));
    return holder_change(state, call, &role_kind, name, &change.base);
}

const struct fault *role_put_policy(struct state *state, const struct call *call, str name,
                                    str policy_name, str document)
{
    return holder_put_policy(state, call, &role_kind, name, policy_name, document);
}

const struct fault *role_delete_policy(struct state *state, const struct call *call, str name,
                                       str policy_name)
{
    return holder_delete_policy(state, call, &role_kind, name, policy_name);
}

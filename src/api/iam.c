/* api/iam.c - the IAM Query operations that roles alone have. */
#include "api/api.h"
#include "api/iam_shape.h"
#include "api/params.h"
#include "api/run.h"
#include "base/xml.h"
#include "services/iam/role.h"

static const struct fault *may(const struct api_call *call, str action)
{
    return iam_may(call, &(struct iam_question) { .action = action,
                                                  .kind = &role_kind,
                                                  .name = api_param(call, "RoleName") });
}

static void write_role(struct buf *out, const struct role *role)
{
    iam_write_names(out, &role_kind, &role->holder);
    iam_leaf_encoded(out, "AssumeRolePolicyDocument", role->trust_text);
    xml_leaf(out, "Description", role->description);
    xml_leaf_int(out, "MaxSessionDuration", role->max_session);
}

static void write_whole_role(struct buf *out, const struct role *role)
{
    xml_open(out, "Role");
    write_role(out, role);
    iam_write_more(out, &role->holder);
    xml_close(out, "Role");
}

static const struct fault *read_duration(const struct api_call *call, int64_t *ret_seconds)
{
    return param_number(call, "MaxSessionDuration", "maxSessionDuration", 3600, 43200, 0,
                        ret_seconds);
}

const struct fault *run_iam_CreateRole(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    struct role_draft draft = {
        .name = api_param(call, "RoleName"),
        .path = api_param(call, "Path"),
        .trust = api_param(call, "AssumeRolePolicyDocument"),
        .description = api_param(call, "Description"),
        .boundary = api_param(call, "PermissionsBoundary"),
    };
    TRY(iam_read_tags(call, &draft.tags, &draft.tag_count));
    TRY(iam_may(call, &(struct iam_question) { .action = STR("iam:CreateRole"),
                                               .kind = &role_kind,
                                               .name = draft.name,
                                               .path = draft.path,
                                               .boundary = draft.boundary,
                                               .tags = draft.tags,
                                               .tag_count = draft.tag_count }));
    TRY(read_duration(call, &draft.max_session));
    const struct role *role;
    TRY(role_create(api->state, &call->call, api->outside->entropy, &draft, &role));
    write_whole_role(&answer->text, role);
    return NULL;
}

static const struct fault *find_role(const struct api_call *call, const struct role **ret_role)
{
    const struct holder *holder = NULL;
    TRY(iam_find(call, &role_kind, api_param(call, "RoleName"), &holder));
    *ret_role = (const struct role *)holder;
    return NULL;
}

const struct fault *run_iam_GetRole(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    (void)api;
    const struct role *role = NULL;
    TRY(may(call, STR("iam:GetRole")));
    TRY(find_role(call, &role));
    write_whole_role(&answer->text, role);
    return NULL;
}

const struct fault *run_iam_ListRoles(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    struct iam_list list;
    const struct holder *holder;
    str path = api_param(call, "PathPrefix"), key = STR("");
    TRY(iam_may_list(call, STR("iam:ListRoles"), STR("role")));
    TRY(iam_list_begin(call, &answer->text, "Roles", &list));
    while (holder_next(c->world, &role_kind, c->caller->account, key, &key, &holder)) {
        if (!str_starts(holder->path, path) || !iam_list_takes(&list, key))
            continue;
        xml_open(&answer->text, "member");
        write_role(&answer->text, (const struct role *)holder);
        xml_close(&answer->text, "member");
    }
    iam_list_end(&list, "Roles");
    return NULL;
}

const struct fault *run_iam_UpdateAssumeRolePolicy(struct api *api, const struct api_call *call,
                                                   struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("iam:UpdateAssumeRolePolicy")));
    return role_update_trust(api->state, &call->call, api_param(call, "RoleName"),
                             api_param(call, "PolicyDocument"));
}

const struct fault *run_iam_UpdateRole(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)answer;
    int64_t seconds;
    TRY(may(call, STR("iam:UpdateRole")));
    TRY(read_duration(call, &seconds));
    return role_update(api->state, &call->call, api_param(call, "RoleName"),
                       api_param(call, "Description"), seconds);
}

const struct fault *run_iam_UpdateRoleDescription(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    const struct role *role = NULL;
    str description;
    TRY(may(call, STR("iam:UpdateRoleDescription")));
    TRY(iam_need(call, "Description", "description", &description));
    TRY(role_update(api->state, &call->call, api_param(call, "RoleName"), description, 0));
    TRY(find_role(call, &role));
    struct role changed = *role;
    changed.description = description;
    write_whole_role(&answer->text, &changed);
    return NULL;
}

const struct fault *run_iam_DeleteRole(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("iam:DeleteRole")));
    return role_delete(api->state, &call->call, api_param(call, "RoleName"));
}

/* There are no instance profiles here, so no role is in one; tools ask before they delete a role. */
const struct fault *run_iam_ListInstanceProfilesForRole(struct api *api,
                                                        const struct api_call *call,
                                                        struct api_answer *answer)
{
    (void)api;
    const struct role *role = NULL;
    struct iam_list list;
    TRY(may(call, STR("iam:ListInstanceProfilesForRole")));
    TRY(find_role(call, &role));
    TRY(iam_list_begin(call, &answer->text, "InstanceProfiles", &list));
    iam_list_end(&list, "InstanceProfiles");
    return NULL;
}

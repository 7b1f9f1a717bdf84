/* api/iam.c - the IAM Query operations on roles. */
#include "api/api.h"
#include "api/run.h"
#include "base/percent.h"
#include "base/when.h"
#include "base/xml.h"
#include "services/authorize.h"
#include "services/iam/role.h"

/* A role that does not exist (yet) is asked about by the ARN it would have. */
static const struct fault *may(const struct api_call *call, str action, str path)
{
    const struct call *c = &call->call;
    str name = api_param(call, "RoleName"), account = c->caller->account;
    const struct role *role = role_find(c->world, account, name);
    str arn = role ? role->arn.text
                   : arena_strf(c->arena, "arn:" STR_FMT ":iam::" STR_FMT ":role" STR_FMT STR_FMT,
                                STR_ARG(region_partition(c->region)), STR_ARG(account),
                                STR_ARG(str_is_none(path) ? STR("/") : path), STR_ARG(name));
    if (str_is_none(arn))
        return &fault_no_memory;
    return authorize(
        c, &(struct ask) { .action = action, .resource = arn, .resource_account = account });
}

/* Documents travel percent-encoded in IAM's answers. */
static void leaf_encoded(struct buf *out, const char *name, str document)
{
    AUTO_BUF encoded = buf_new(1024 * 1024);
    percent_encode(&encoded, document, PERCENT_ALL);
    xml_leaf(out, name, buf_str(&encoded));
    out->failed |= encoded.failed;
}

static void write_role(struct buf *out, const struct role *role)
{
    char when[WHEN_SIZE];
    xml_open(out, "Role");
    xml_leaf(out, "Path", role->path);
    xml_leaf(out, "RoleName", role->name);
    xml_leaf(out, "RoleId", role->role_id);
    xml_leaf(out, "Arn", role->arn.text);
    xml_leaf(out, "CreateDate", when_iso(when, role->created_ms));
    leaf_encoded(out, "AssumeRolePolicyDocument", role->trust_text);
    xml_leaf(out, "Description", role->description);
    xml_leaf_int(out, "MaxSessionDuration", role->max_session);
    xml_close(out, "Role");
}

/* What a role can have at AWS and cannot here yet is refused, never dropped in silence. */
static const struct fault *refuse_unbuilt(const struct api_call *call)
{
    for (size_t i = 0; i < call->param_count; i++) {
        str name = call->params[i].name;
        if (str_starts(name, STR("Tags.member.")) || str_eq(name, STR("PermissionsBoundary")))
            return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                               "The parameter " STR_FMT " of CreateRole is not implemented",
                               STR_ARG(name));
    }
    return NULL;
}

const struct fault *run_iam_CreateRole(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    struct role_draft draft = {
        .name = api_param(call, "RoleName"),
        .path = api_param(call, "Path"),
        .trust = api_param(call, "AssumeRolePolicyDocument"),
        .description = api_param(call, "Description"),
    };
    str seconds = api_param(call, "MaxSessionDuration");
    uint64_t duration = 0;
    TRY(may(call, STR("iam:CreateRole"), draft.path));
    TRY(refuse_unbuilt(call));
    if (!str_is_none(seconds) &&
        (!str_u64(seconds, &duration) || duration == 0 || duration > INT32_MAX))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationError",
                           "1 validation error detected: Value at 'maxSessionDuration' failed to "
                           "satisfy constraint: "
                           "Member must have value greater than or equal to 3600");
    draft.max_session = (int64_t)duration;
    const struct role *role;
    TRY(role_create(api->state, &call->call, api->outside->entropy, &draft, &role));
    write_role(&answer->text, role);
    return NULL;
}

static const struct fault *find_role(const struct api_call *call, const struct role **ret_role)
{
    str name = api_param(call, "RoleName");
    if (str_is_none(name))
        return fault_coded(
            call->call.arena, FAULT_SYNTAX, "ValidationError",
            "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: "
            "Member must not be null");
    const struct role *role = role_find(call->call.world, call->call.caller->account, name);
    if (!role)
        return fault_coded(call->call.arena, FAULT_ABSENT, "NoSuchEntity",
                           "The role with name " STR_FMT " cannot be found.", STR_ARG(name));
    *ret_role = role;
    return NULL;
}

const struct fault *run_iam_GetRole(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    (void)api;
    const struct role *role;
    TRY(may(call, STR("iam:GetRole"), STR_NONE));
    TRY(find_role(call, &role));
    write_role(&answer->text, role);
    return NULL;
}

const struct fault *run_iam_UpdateAssumeRolePolicy(struct api *api, const struct api_call *call,
                                                   struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("iam:UpdateAssumeRolePolicy"), STR_NONE));
    return role_update_trust(api->state, &call->call, api_param(call, "RoleName"),
                             api_param(call, "PolicyDocument"));
}

const struct fault *run_iam_DeleteRole(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("iam:DeleteRole"), STR_NONE));
    return role_delete(api->state, &call->call, api_param(call, "RoleName"));
}

const struct fault *run_iam_PutRolePolicy(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("iam:PutRolePolicy"), STR_NONE));
    return role_put_policy(api->state, &call->call, api_param(call, "RoleName"),
                           api_param(call, "PolicyName"), api_param(call, "PolicyDocument"));
}

const struct fault *run_iam_GetRolePolicy(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    (void)api;
    const struct role *role;
    str name = api_param(call, "PolicyName");
    TRY(may(call, STR("iam:GetRolePolicy"), STR_NONE));
    TRY(find_role(call, &role));
    for (size_t i = 0; i < role->policy_count; i++) {
        if (!str_eq(role->policies[i].name, name))
            continue;
        xml_leaf(&answer->text, "RoleName", role->name);
        xml_leaf(&answer->text, "PolicyName", name);
        leaf_encoded(&answer->text, "PolicyDocument", role->policies[i].text);
        return NULL;
    }
    return fault_coded(call->call.arena, FAULT_ABSENT, "NoSuchEntity",
                       "The role policy with name " STR_FMT " cannot be found.", STR_ARG(name));
}

const struct fault *run_iam_ListRolePolicies(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    (void)api;
    const struct role *role;
    TRY(may(call, STR("iam:ListRolePolicies"), STR_NONE));
    TRY(find_role(call, &role));
    xml_open(&answer->text, "PolicyNames");
    for (size_t i = 0; i < role->policy_count; i++)
        xml_leaf(&answer->text, "member", role->policies[i].name);
    xml_close(&answer->text, "PolicyNames");
    xml_leaf_bool(&answer->text, "IsTruncated", false);
    return NULL;
}

const struct fault *run_iam_DeleteRolePolicy(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("iam:DeleteRolePolicy"), STR_NONE));
    return role_delete_policy(api->state, &call->call, api_param(call, "RoleName"),
                              api_param(call, "PolicyName"));
}

/* api/iam_managed.c - the IAM Query operations on managed policies. */
#include "api/api.h"
#include "api/iam_shape.h"
#include "api/params.h"
#include "api/run.h"
#include "base/xml.h"
#include "services/iam/role.h"
#include "services/iam/user.h"

static const struct fault *need_arn(const struct api_call *call, str action, str *ret_arn)
{
    TRY(iam_need(call, "PolicyArn", "policyArn", ret_arn));
    return iam_may_policy(call, action, *ret_arn, NULL, 0);
}

static const struct fault *find(const struct api_call *call, str action, str *ret_arn,
                                const struct managed_policy **ret_policy)
{
    TRY(need_arn(call, action, ret_arn));
    *ret_policy = managed_find_arn(call->call.world, *ret_arn);
    return *ret_policy ? NULL : managed_absent(call->call.arena, *ret_arn);
}

static void write_policy(struct buf *out, const struct call *call,
                         const struct managed_policy *policy, bool whole)
{
    str account = call->caller->account, arn = policy->arn.text;
    xml_leaf(out, "PolicyName", policy->name);
    xml_leaf(out, "PolicyId", policy->id);
    xml_leaf(out, "Arn", arn);
    xml_leaf(out, "Path", policy->path);
    xml_leaf(out, "DefaultVersionId", policy->current->id);
    xml_leaf_int(out, "AttachmentCount",
                 (int64_t)managed_attachments(call->world, account, arn, false));
    xml_leaf_int(out, "PermissionsBoundaryUsageCount",
                 (int64_t)managed_attachments(call->world, account, arn, true));
    xml_leaf_bool(out, "IsAttachable", true);
    if (whole)
        xml_leaf(out, "Description", policy->description);
    iam_leaf_when(out, "CreateDate", policy->created_ms);
    iam_leaf_when(out, "UpdateDate", policy->updated_ms);
    if (whole)
        iam_write_tags(out, policy->tags, policy->tag_count);
}

static void write_version(struct buf *out, const char *element,
                          const struct policy_version *version, bool is_default, bool whole)
{
    xml_open(out, element);
    if (whole)
        iam_leaf_encoded(out, "Document", version->text);
    xml_leaf(out, "VersionId", version->id);
    xml_leaf_bool(out, "IsDefaultVersion", is_default);
    iam_leaf_when(out, "CreateDate", version->created_ms);
    xml_close(out, element);
}

const struct fault *run_iam_CreatePolicy(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    const struct call *c = &call->call;
    struct managed_draft draft = { .name = api_param(call, "PolicyName"),
                                   .path = api_param(call, "Path"),
                                   .description = api_param(call, "Description"),
                                   .document = api_param(call, "PolicyDocument") };
    const struct managed_policy *policy;
    TRY(iam_read_tags(call, &draft.tags, &draft.tag_count));
    str arn =
        arena_strf(c->arena, "arn:" STR_FMT ":iam::" STR_FMT ":policy" STR_FMT STR_FMT,
                   STR_ARG(region_partition(c->region)), STR_ARG(c->caller->account),
                   STR_ARG(str_is_none(draft.path) ? STR("/") : draft.path), STR_ARG(draft.name));
    TRY(iam_may_policy(call, STR("iam:CreatePolicy"), arn, draft.tags, draft.tag_count));
    TRY(managed_create(api->state, c, api->outside->entropy, &draft, &policy));
    xml_open(&answer->text, "Policy");
    write_policy(&answer->text, c, policy, true);
    xml_close(&answer->text, "Policy");
    return NULL;
}

const struct fault *run_iam_GetPolicy(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    (void)api;
    const struct managed_policy *policy;
    str arn;
    TRY(find(call, STR("iam:GetPolicy"), &arn, &policy));
    xml_open(&answer->text, "Policy");
    write_policy(&answer->text, &call->call, policy, true);
    xml_close(&answer->text, "Policy");
    return NULL;
}

const struct fault *run_iam_DeletePolicy(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    (void)answer;
    str arn;
    TRY(need_arn(call, STR("iam:DeletePolicy"), &arn));
    return managed_delete(api->state, api->worlds, &call->call, arn);
}

/* ---- versions ---- */

const struct fault *run_iam_CreatePolicyVersion(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    struct policy_version version;
    bool is_default;
    str arn;
    TRY(need_arn(call, STR("iam:CreatePolicyVersion"), &arn));
    TRY(managed_create_version(api->state, &call->call, arn, api_param(call, "PolicyDocument"),
                               str_eq(api_param(call, "SetAsDefault"), STR("true")), &version,
                               &is_default));
    write_version(&answer->text, "PolicyVersion", &version, is_default, false);
    return NULL;
}

const struct fault *run_iam_GetPolicyVersion(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    (void)api;
    const struct managed_policy *policy;
    str arn, id;
    TRY(iam_need(call, "VersionId", "versionId", &id));
    TRY(find(call, STR("iam:GetPolicyVersion"), &arn, &policy));
    const struct policy_version *version = managed_version(policy, id);
    if (!version)
        return managed_no_version(call->call.arena, arn, id);
    write_version(&answer->text, "PolicyVersion", version, version == policy->current, true);
    return NULL;
}

const struct fault *run_iam_ListPolicyVersions(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)api;
    const struct managed_policy *policy;
    struct iam_list list;
    str arn;
    TRY(find(call, STR("iam:ListPolicyVersions"), &arn, &policy));
    TRY(iam_list_begin(call, &answer->text, "Versions", &list));
    for (size_t i = policy->version_count; i-- > 0;) { /* the newest first: keys count down */
        char place[2] = { (char)('9' - (char)i), '\0' };
        str key = arena_str(call->call.arena, (str) { place, 1 });
        if (iam_list_takes(&list, key))
            write_version(&answer->text, "member", &policy->versions[i],
                          &policy->versions[i] == policy->current, false);
    }
    iam_list_end(&list, "Versions");
    return NULL;
}

const struct fault *run_iam_SetDefaultPolicyVersion(struct api *api, const struct api_call *call,
                                                    struct api_answer *answer)
{
    (void)answer;
    str arn, id;
    TRY(iam_need(call, "VersionId", "versionId", &id));
    TRY(need_arn(call, STR("iam:SetDefaultPolicyVersion"), &arn));
    return managed_set_default(api->state, &call->call, arn, id);
}

const struct fault *run_iam_DeletePolicyVersion(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)answer;
    str arn, id;
    TRY(iam_need(call, "VersionId", "versionId", &id));
    TRY(need_arn(call, STR("iam:DeletePolicyVersion"), &arn));
    return managed_delete_version(api->state, &call->call, arn, id);
}

/* ---- lists ---- */

struct wish { /* ListPolicies */
    bool only_attached, boundaries, permissions;
    str path;
};

static bool is_wished(const struct call *call, const struct wish *wish,
                      const struct managed_policy *policy)
{
    str account = call->caller->account, arn = policy->arn.text;
    if (!str_starts(policy->path, wish->path))
        return false;
    if (wish->only_attached && !managed_attachments(call->world, account, arn, false))
        return false;
    if (wish->boundaries)
        return managed_attachments(call->world, account, arn, true) > 0;
    return !wish->permissions || managed_attachments(call->world, account, arn, false) > 0;
}

static const struct fault *read_wish(const struct api_call *call, struct wish *ret_wish)
{
    str usage = api_param(call, "PolicyUsageFilter");
    *ret_wish = (struct wish) {
        .only_attached = str_eq(api_param(call, "OnlyAttached"), STR("true")),
        .boundaries = str_eq(usage, STR("PermissionsBoundary")),
        .permissions = str_eq(usage, STR("PermissionsPolicy")),
        .path = api_param(call, "PathPrefix"),
    };
    if (!str_is_none(usage) && !ret_wish->boundaries && !ret_wish->permissions)
        return param_invalid(call->call.arena, usage, "policyUsageFilter",
                             "Member must satisfy enum value set: [PermissionsPolicy, "
                             "PermissionsBoundary]");
    return NULL;
}

const struct fault *run_iam_ListPolicies(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    str scope = api_param(call, "Scope");
    /* in the order of their keys: digits before letters */
    const str accounts[] = { c->caller->account, STR("aws") };
    struct wish wish;
    struct iam_list list;
    TRY(iam_may_list(call, STR("iam:ListPolicies"), STR("policy")));
    TRY(read_wish(call, &wish));
    if (!str_is_none(scope) && !str_eq(scope, STR("All")) && !str_eq(scope, STR("AWS")) &&
        !str_eq(scope, STR("Local")))
        return param_invalid(c->arena, scope, "scope",
                             "Member must satisfy enum value set: [AWS, Local, All]");
    TRY(iam_list_begin(call, &answer->text, "Policies", &list));
    for (size_t i = 0; i < 2; i++) {
        const struct managed_policy *policy;
        str key = STR("");
        if (str_eq(scope, i == 0 ? STR("AWS") : STR("Local")))
            continue;
        while (managed_next(c->world, accounts[i], key, &key, &policy)) {
            if (!is_wished(c, &wish, policy) || !iam_list_takes(&list, key))
                continue;
            xml_open(&answer->text, "member");
            write_policy(&answer->text, c, policy, false);
            xml_close(&answer->text, "member");
        }
    }
    iam_list_end(&list, "Policies");
    return NULL;
}

/* The page holds users and roles together, in three lists; groups come to an empty one. */
static void write_entities(const struct call *call, const struct holder_kind *kind, str arn,
                           const struct wish *wish, str mark, struct iam_list *list)
{
    const struct holder *holder;
    bool role = kind == &role_kind;
    str key = STR("");
    while (holder_next(call->world, kind, call->caller->account, key, &key, &holder)) {
        bool attached = managed_is_attached(holder, arn);
        bool bound = str_eq(holder->boundary, arn);
        if (!str_starts(holder->path, wish->path) ||
            !(wish->boundaries    ? bound
              : wish->permissions ? attached
                                  : bound || attached) ||
            !iam_list_takes(list,
                            arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(mark), STR_ARG(key))))
            continue;
        xml_open(list->out, "member");
        xml_leaf(list->out, role ? "RoleName" : "UserName", holder->name);
        xml_leaf(list->out, role ? "RoleId" : "UserId", holder->id);
        xml_close(list->out, "member");
    }
}

const struct fault *run_iam_ListEntitiesForPolicy(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    (void)api;
    const struct managed_policy *policy;
    struct wish wish;
    struct iam_list list;
    str arn, filter = api_param(call, "EntityFilter");
    TRY(find(call, STR("iam:ListEntitiesForPolicy"), &arn, &policy));
    TRY(read_wish(call, &wish));
    TRY(iam_list_begin(call, &answer->text, "PolicyGroups", &list));
    xml_close(&answer->text, "PolicyGroups");
    xml_open(&answer->text, "PolicyRoles");
    if (str_is_none(filter) || str_eq(filter, STR("Role")))
        write_entities(&call->call, &role_kind, arn, &wish, STR("1"), &list);
    xml_close(&answer->text, "PolicyRoles");
    xml_open(&answer->text, "PolicyUsers");
    if (str_is_none(filter) || str_eq(filter, STR("User")))
        write_entities(&call->call, &user_kind, arn, &wish, STR("2"), &list);
    iam_list_end(&list, "PolicyUsers");
    return NULL;
}

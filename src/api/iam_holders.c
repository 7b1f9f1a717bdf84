/* api/iam_holders.c - the IAM operations that exist once for roles and once for users: policies
 * inline and attached, permissions boundaries, tags. */
#include "api/api.h"
#include "api/iam_shape.h"
#include "api/params.h"
#include "api/run.h"
#include "base/xml.h"
#include "services/iam/role.h"
#include "services/iam/user.h"

static const struct about { /* how one kind spells what both have */
    const struct holder_kind *kind;
    const char *name; /* the parameter */
} roles = { &role_kind, "RoleName" }, users = { &user_kind, "UserName" };

static str name_of(const struct api_call *call, const struct about *about)
{
    return api_param(call, about->name);
}

static const struct fault *may(const struct api_call *call, const struct about *about, str action)
{
    return iam_may(call, &(struct iam_question) { .action = action,
                                                  .kind = about->kind,
                                                  .name = name_of(call, about),
                                                  .policy_arn = api_param(call, "PolicyArn") });
}

/* ---- inline ---- */

static const struct fault *put_policy(struct api *api, const struct api_call *call,
                                      const struct about *about, str action)
{
    TRY(may(call, about, action));
    return holder_put_policy(api->state, &call->call, about->kind, name_of(call, about),
                             api_param(call, "PolicyName"), api_param(call, "PolicyDocument"));
}

static const struct fault *get_policy(const struct api_call *call, const struct about *about,
                                      str action, struct buf *out)
{
    const struct holder *holder = NULL;
    str name = api_param(call, "PolicyName");
    TRY(may(call, about, action));
    TRY(iam_find(call, about->kind, name_of(call, about), &holder));
    for (size_t i = 0; i < holder->policy_count; i++) {
        if (!str_eq(holder->policies[i].name, name))
            continue;
        xml_leaf(out, about->name, holder->name);
        xml_leaf(out, "PolicyName", name);
        iam_leaf_encoded(out, "PolicyDocument", holder->policies[i].text);
        return NULL;
    }
    return fault_coded(call->call.arena, FAULT_ABSENT, "NoSuchEntity",
                       "The %s policy with name " STR_FMT " cannot be found.", about->kind->word,
                       STR_ARG(name));
}

static const struct fault *list_policies(const struct api_call *call, const struct about *about,
                                         str action, struct buf *out)
{
    const struct holder *holder = NULL;
    struct iam_list list;
    TRY(may(call, about, action));
    TRY(iam_find(call, about->kind, name_of(call, about), &holder));
    TRY(iam_list_begin(call, out, "PolicyNames", &list));
    for (size_t i = 0; i < holder->policy_count; i++)
        if (iam_list_takes(&list, holder->policies[i].name))
            xml_leaf(out, "member", holder->policies[i].name);
    iam_list_end(&list, "PolicyNames");
    return NULL;
}

static const struct fault *delete_policy(struct api *api, const struct api_call *call,
                                         const struct about *about, str action)
{
    TRY(may(call, about, action));
    return holder_delete_policy(api->state, &call->call, about->kind, name_of(call, about),
                                api_param(call, "PolicyName"));
}

/* ---- attached ---- */

static const struct fault *attach(struct api *api, const struct api_call *call,
                                  const struct about *about, str action)
{
    str arn;
    TRY(may(call, about, action));
    TRY(iam_need(call, "PolicyArn", "policyArn", &arn));
    return holder_attach(api->state, api->worlds, &call->call, about->kind, name_of(call, about),
                         arn);
}

static const struct fault *detach(struct api *api, const struct api_call *call,
                                  const struct about *about, str action)
{
    str arn;
    TRY(may(call, about, action));
    TRY(iam_need(call, "PolicyArn", "policyArn", &arn));
    return holder_detach(api->state, &call->call, about->kind, name_of(call, about), arn);
}

static const struct fault *list_attached(const struct api_call *call, const struct about *about,
                                         str action, struct buf *out)
{
    const struct holder *holder = NULL;
    struct iam_list list;
    str path = api_param(call, "PathPrefix");
    TRY(may(call, about, action));
    TRY(iam_find(call, about->kind, name_of(call, about), &holder));
    TRY(iam_list_begin(call, out, "AttachedPolicies", &list));
    for (size_t i = 0; i < holder->attached_count; i++) {
        const struct managed_policy *policy =
            managed_find_arn(call->call.world, holder->attached[i]);
        if (!policy || !str_starts(policy->path, path) ||
            !iam_list_takes(&list, holder->attached[i]))
            continue;
        xml_open(out, "member");
        xml_leaf(out, "PolicyName", policy->name);
        xml_leaf(out, "PolicyArn", holder->attached[i]);
        xml_close(out, "member");
    }
    iam_list_end(&list, "AttachedPolicies");
    return NULL;
}

/* ---- boundaries ---- */

static const struct fault *put_boundary(struct api *api, const struct api_call *call,
                                        const struct about *about, str action)
{
    str arn = api_param(call, "PermissionsBoundary");
    TRY(iam_may(call, &(struct iam_question) { .action = action,
                                               .kind = about->kind,
                                               .name = name_of(call, about),
                                               .boundary = arn }));
    TRY(iam_need(call, "PermissionsBoundary", "permissionsBoundary", &arn));
    return holder_set_boundary(api->state, &call->call, about->kind, name_of(call, about), arn);
}

static const struct fault *delete_boundary(struct api *api, const struct api_call *call,
                                           const struct about *about, str action)
{
    TRY(may(call, about, action));
    return holder_set_boundary(api->state, &call->call, about->kind, name_of(call, about),
                               STR_NONE);
}

/* ---- tags ---- */

static const struct fault *tag(struct api *api, const struct api_call *call,
                               const struct about *about, str action)
{
    struct iam_question q = { .action = action, .kind = about->kind, .name = name_of(call, about) };
    TRY(iam_read_tags(call, &q.tags, &q.tag_count));
    TRY(iam_may(call, &q));
    return holder_tag(api->state, &call->call, about->kind, q.name, q.tags, q.tag_count);
}

static const struct fault *untag(struct api *api, const struct api_call *call,
                                 const struct about *about, str action)
{
    const str *keys;
    size_t count;
    TRY(may(call, about, action));
    TRY(param_list(call, STR("TagKeys"), "", IAM_TAGS_MOST, "tagKeys", &keys, &count));
    return holder_untag(api->state, &call->call, about->kind, name_of(call, about), keys, count);
}

static const struct fault *list_tags(const struct api_call *call, const struct about *about,
                                     str action, struct buf *out)
{
    const struct holder *holder = NULL;
    struct iam_list list;
    TRY(may(call, about, action));
    TRY(iam_find(call, about->kind, name_of(call, about), &holder));
    TRY(iam_list_begin(call, out, "Tags", &list));
    for (size_t i = 0; i < holder->tag_count; i++) {
        if (!iam_list_takes(&list, holder->tags[i].key))
            continue;
        xml_open(out, "member");
        xml_leaf(out, "Key", holder->tags[i].key);
        xml_leaf(out, "Value", holder->tags[i].value);
        xml_close(out, "member");
    }
    iam_list_end(&list, "Tags");
    return NULL;
}

/* ---- by name ---- */

#define CHANGES(operation, what, about)                                                            \
    const struct fault *run_iam_##operation(struct api *api, const struct api_call *call,          \
                                            struct api_answer *answer)                             \
    {                                                                                              \
        (void)answer;                                                                              \
        return what(api, call, &about, STR("iam:" #operation));                                    \
    }
#define SHOWS(operation, what, about)                                                              \
    const struct fault *run_iam_##operation(struct api *api, const struct api_call *call,          \
                                            struct api_answer *answer)                             \
    {                                                                                              \
        (void)api;                                                                                 \
        return what(call, &about, STR("iam:" #operation), &answer->text);                          \
    }

CHANGES(PutRolePolicy, put_policy, roles)
CHANGES(PutUserPolicy, put_policy, users)
SHOWS(GetRolePolicy, get_policy, roles)
SHOWS(GetUserPolicy, get_policy, users)
SHOWS(ListRolePolicies, list_policies, roles)
SHOWS(ListUserPolicies, list_policies, users)
CHANGES(DeleteRolePolicy, delete_policy, roles)
CHANGES(DeleteUserPolicy, delete_policy, users)
CHANGES(AttachRolePolicy, attach, roles)
CHANGES(AttachUserPolicy, attach, users)
CHANGES(DetachRolePolicy, detach, roles)
CHANGES(DetachUserPolicy, detach, users)
SHOWS(ListAttachedRolePolicies, list_attached, roles)
SHOWS(ListAttachedUserPolicies, list_attached, users)
CHANGES(PutRolePermissionsBoundary, put_boundary, roles)
CHANGES(PutUserPermissionsBoundary, put_boundary, users)
CHANGES(DeleteRolePermissionsBoundary, delete_boundary, roles)
CHANGES(DeleteUserPermissionsBoundary, delete_boundary, users)
CHANGES(TagRole, tag, roles)
CHANGES(TagUser, tag, users)
CHANGES(UntagRole, untag, roles)
CHANGES(UntagUser, untag, users)
SHOWS(ListRoleTags, list_tags, roles)
SHOWS(ListUserTags, list_tags, users)

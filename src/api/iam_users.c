/* api/iam_users.c - the IAM Query operations that users alone have: themselves, and their access
 * keys. Who is a user and names none means itself. */
#include "api/api.h"
#include "api/iam_shape.h"
#include "api/params.h"
#include "api/run.h"
#include "base/xml.h"
#include "services/iam/user.h"

static str last_part(str resource)
{
    size_t at = resource.len;
    while (at > 0 && resource.ptr[at - 1] != '/')
        at--;
    return str_from(resource, at);
}

static const struct fault *user_meant(const struct api_call *call, str *ret_name)
{
    const struct caller *caller = call->call.caller;
    *ret_name = api_param(call, "UserName");
    if (str_is_none(*ret_name) && caller->kind == CALLER_USER)
        *ret_name = last_part(caller->user.arn.resource);
    return str_is_none(*ret_name)
               ? fault_coded(call->call.arena, FAULT_SYNTAX, "ValidationError",
                             "Must specify userName when calling with non-User credentials")
               : NULL;
}

static const struct fault *may(const struct api_call *call, str action, str name)
{
    return iam_may(call,
                   &(struct iam_question) { .action = action, .kind = &user_kind, .name = name });
}

/* ---- users ---- */

const struct fault *run_iam_CreateUser(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    struct user_draft draft = { .name = api_param(call, "UserName"),
                                .path = api_param(call, "Path"),
                                .boundary = api_param(call, "PermissionsBoundary") };
    const struct user *user;
    TRY(iam_read_tags(call, &draft.tags, &draft.tag_count));
    TRY(iam_may(call, &(struct iam_question) { .action = STR("iam:CreateUser"),
                                               .kind = &user_kind,
                                               .name = draft.name,
                                               .path = draft.path,
                                               .boundary = draft.boundary,
                                               .tags = draft.tags,
                                               .tag_count = draft.tag_count }));
    TRY(user_create(api->state, &call->call, api->outside->entropy, &draft, &user));
    xml_open(&answer->text, "User");
    iam_write_names(&answer->text, &user_kind, &user->holder);
    iam_write_more(&answer->text, &user->holder);
    xml_close(&answer->text, "User");
    return NULL;
}

/* The root user is no user of IAM's, but GetUser without a name shows it. */
static void write_root(struct buf *out, const struct call *call)
{
    xml_open(out, "User");
    xml_leaf(out, "UserId", call->caller->account);
    xml_leaf(out, "Arn", caller_name(call->caller, call->arena));
    iam_leaf_when(out, "CreateDate", 0);
    xml_close(out, "User");
}

const struct fault *run_iam_GetUser(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    (void)api;
    const struct holder *holder = NULL;
    str name;
    if (call->call.caller->kind == CALLER_ROOT && !api_has_param(call, "UserName")) {
        write_root(&answer->text, &call->call);
        return NULL;
    }
    TRY(user_meant(call, &name));
    TRY(may(call, STR("iam:GetUser"), name));
    TRY(iam_find(call, &user_kind, name, &holder));
    xml_open(&answer->text, "User");
    iam_write_names(&answer->text, &user_kind, holder);
    iam_write_more(&answer->text, holder);
    xml_close(&answer->text, "User");
    return NULL;
}

const struct fault *run_iam_ListUsers(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    struct iam_list list;
    const struct holder *holder;
    str path = api_param(call, "PathPrefix"), key = STR("");
    TRY(iam_may_list(call, STR("iam:ListUsers"), STR("user")));
    TRY(iam_list_begin(call, &answer->text, "Users", &list));
    while (holder_next(c->world, &user_kind, c->caller->account, key, &key, &holder)) {
        if (!str_starts(holder->path, path) || !iam_list_takes(&list, key))
            continue;
        xml_open(&answer->text, "member");
        iam_write_names(&answer->text, &user_kind, holder);
        xml_close(&answer->text, "member");
    }
    iam_list_end(&list, "Users");
    return NULL;
}

/* Another name would move the record and every access key's with it; no tool asks for that. */
const struct fault *run_iam_UpdateUser(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)answer;
    str name = api_param(call, "UserName"), path = api_param(call, "NewPath");
    TRY(may(call, STR("iam:UpdateUser"), name));
    if (api_has_param(call, "NewUserName"))
        return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                           "The parameter NewUserName of UpdateUser is not implemented");
    if (str_is_none(path))
        return NULL;
    return user_move(api->state, &call->call, name, path);
}

const struct fault *run_iam_DeleteUser(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)answer;
    str name = api_param(call, "UserName");
    TRY(may(call, STR("iam:DeleteUser"), name));
    return user_delete(api->state, &call->call, name);
}

/* There are no groups here, so no user is in one; tools ask before they delete a user. */
const struct fault *run_iam_ListGroupsForUser(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)api;
    const struct holder *holder = NULL;
    struct iam_list list;
    str name = api_param(call, "UserName");
    TRY(may(call, STR("iam:ListGroupsForUser"), name));
    TRY(iam_find(call, &user_kind, name, &holder));
    TRY(iam_list_begin(call, &answer->text, "Groups", &list));
    iam_list_end(&list, "Groups");
    return NULL;
}

/* ---- access keys ---- */

const struct fault *run_iam_CreateAccessKey(struct api *api, const struct api_call *call,
                                            struct api_answer *answer)
{
    struct access_key_made made;
    str name;
    TRY(user_meant(call, &name));
    TRY(may(call, STR("iam:CreateAccessKey"), name));
    TRY(access_key_create(api->state, &call->call, api->vault, name, &made));
    xml_open(&answer->text, "AccessKey");
    xml_leaf(&answer->text, "UserName", name);
    xml_leaf(&answer->text, "AccessKeyId", made.id);
    xml_leaf(&answer->text, "Status", STR("Active"));
    xml_leaf(&answer->text, "SecretAccessKey", made.secret); /* here, and never again */
    iam_leaf_when(&answer->text, "CreateDate", made.created_ms);
    xml_close(&answer->text, "AccessKey");
    return NULL;
}

const struct fault *run_iam_ListAccessKeys(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    (void)api;
    const struct holder *holder = NULL;
    struct iam_list list;
    str name;
    TRY(user_meant(call, &name));
    TRY(may(call, STR("iam:ListAccessKeys"), name));
    TRY(iam_find(call, &user_kind, name, &holder));
    const struct user *user = (const struct user *)holder;
    TRY(iam_list_begin(call, &answer->text, "AccessKeyMetadata", &list));
    for (size_t i = 0; i < user->key_count; i++) {
        static const str places[ACCESS_KEYS_MOST] = { STR_INIT("1"), STR_INIT("2") };
        if (!iam_list_takes(&list, places[i]))
            continue;
        xml_open(&answer->text, "member");
        xml_leaf(&answer->text, "UserName", holder->name);
        xml_leaf(&answer->text, "AccessKeyId", user->keys[i].id);
        xml_leaf(&answer->text, "Status", user->keys[i].active ? STR("Active") : STR("Inactive"));
        iam_leaf_when(&answer->text, "CreateDate", user->keys[i].created_ms);
        xml_close(&answer->text, "member");
    }
    iam_list_end(&list, "AccessKeyMetadata");
    return NULL;
}

const struct fault *run_iam_UpdateAccessKey(struct api *api, const struct api_call *call,
                                            struct api_answer *answer)
{
    (void)answer;
    str name, id, status;
    TRY(user_meant(call, &name));
    TRY(may(call, STR("iam:UpdateAccessKey"), name));
    TRY(iam_need(call, "AccessKeyId", "accessKeyId", &id));
    TRY(iam_need(call, "Status", "status", &status));
    if (!str_eq(status, STR("Active")) && !str_eq(status, STR("Inactive")))
        return param_invalid(call->call.arena, status, "status",
                             "Member must satisfy enum value set: [Active, Inactive]");
    return access_key_update(api->state, &call->call, name, id, str_eq(status, STR("Active")));
}

const struct fault *run_iam_DeleteAccessKey(struct api *api, const struct api_call *call,
                                            struct api_answer *answer)
{
    (void)answer;
    str name, id;
    TRY(user_meant(call, &name));
    TRY(may(call, STR("iam:DeleteAccessKey"), name));
    TRY(iam_need(call, "AccessKeyId", "accessKeyId", &id));
    return access_key_delete(api->state, &call->call, name, id);
}

const struct fault *run_iam_GetAccessKeyLastUsed(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    (void)api;
    const struct call *c = &call->call;
    const struct user *user;
    str id;
    TRY(iam_need(call, "AccessKeyId", "accessKeyId", &id));
    bool known =
        access_key_find(c->world, id, &user) && str_eq(user->holder.account, c->caller->account);
    TRY(may(call, STR("iam:GetAccessKeyLastUsed"), known ? user->holder.name : STR("*")));
    if (!known)
        return access_key_absent(c->arena, id);
    const struct access_key_use *use = access_key_use(c->world, id);
    xml_leaf(&answer->text, "UserName", user->holder.name);
    xml_open(&answer->text, "AccessKeyLastUsed");
    if (use->used_ms)
        iam_leaf_when(&answer->text, "LastUsedDate", use->used_ms);
    xml_leaf(&answer->text, "ServiceName", use->used_ms ? use->used_service : STR("N/A"));
    xml_leaf(&answer->text, "Region", use->used_ms ? use->used_region : STR("N/A"));
    xml_close(&answer->text, "AccessKeyLastUsed");
    return NULL;
}

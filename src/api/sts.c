/* api/sts.c - who am I, and becoming a role. GetCallerIdentity needs no permission, as at AWS;
 * AssumeRole is decided by the role's trust policy in services/sts. */
#include "services/sts/sts.h"
#include "api/api.h"
#include "api/params.h"
#include "api/run.h"
#include "base/when.h"
#include "base/xml.h"
#include "policy/validate.h"
#include "services/authorize.h"
#include "services/iam/managed.h"
#include "services/iam/role.h"
#include "services/iam/user.h"

enum {
    SESSION_LEAST_S = 900,
    SESSION_MOST_S = 43200,
    SESSION_USUAL_S = 3600,
    USER_MOST_S = 129600,
    USER_USUAL_S = 43200,
    CHAINED_MOST_S = 3600, /* IAM User Guide, "Role chaining" */
    POLICY_MOST = 2048,
};

const struct fault *run_sts_GetCallerIdentity(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)api;
    const struct caller *caller = call->call.caller;
    if (caller->kind == CALLER_ANONYMOUS)
        return fault_coded(call->call.arena, FAULT_DENIED, "MissingAuthenticationToken",
                           "Request is missing Authentication Token");
    xml_leaf(&answer->text, "Arn", caller_name(caller, call->call.arena));
    xml_leaf(&answer->text, "UserId",
             str_is_none(caller->user_id) ? caller->account : caller->user_id);
    xml_leaf(&answer->text, "Account", caller->account);
    return NULL;
}

/* ---- AssumeRole ---- */

/* API AssumeRole; every limit is that page's. */
static const struct param_text role_arn_rule = {
    "roleArn", 20, 2048, "+=,.@_-/:", "[\\u0009\\u000A\\u000D\\u0020-\\u007E]+", true
};
static const struct param_text session_name_rule = { "roleSessionName", 2,   64, "_+=,.@-",
                                                     "[\\w+=,.@-]*",    true };
static const struct param_text external_id_rule = { "externalId",       2,    1224, "_+=,.@:/-",
                                                    "[\\w+=,.@:\\/-]*", false };
static const struct param_text identity_rule = { "sourceIdentity", 2,    64, "_+=,.@-",
                                                 "[\\w+=,.@-]*",   false };

static const struct fault *read_tags(const struct api_call *call, struct assume_role *ask)
{
    struct arena *arena = call->call.arena;
    const str *keys, *values, *transitive;
    size_t key_count, value_count, transitive_count;
    TRY(param_list(call, STR("Tags"), ".Key", SESSION_TAGS_MOST, "tags", &keys, &key_count));
    TRY(param_list(call, STR("Tags"), ".Value", SESSION_TAGS_MOST, "tags", &values, &value_count));
    TRY(param_list(call, STR("TransitiveTagKeys"), "", SESSION_TAGS_MOST, "transitiveTagKeys",
                   &transitive, &transitive_count));
    if (key_count != value_count)
        return param_invalid(arena, STR_NONE, "tags.1.member.value", "Member must not be null");
    struct session_tag *tags = ARENA_ARRAY(arena, struct session_tag, key_count + 1);
    if (!tags)
        return &fault_no_memory;
    for (size_t i = 0; i < key_count; i++) {
        tags[i] = (struct session_tag) { .key = keys[i], .value = values[i] };
        if (keys[i].len == 0 || keys[i].len > 128 || values[i].len > 256)
            return param_invalid(arena, keys[i], "tags.1.member.key",
                                 "Member must have length between 1 and 128");
        for (size_t k = 0; k < i; k++)
            if (str_eq_nocase(keys[k], keys[i]))
                return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                                   "Duplicate tag keys found. Please note that Tag keys are case "
                                   "insensitive.");
        for (size_t k = 0; k < transitive_count; k++)
            tags[i].transitive = tags[i].transitive || str_eq_nocase(transitive[k], keys[i]);
    }
    ask->tags = tags;
    ask->tag_count = key_count;
    return NULL;
}

static size_t packed_size(const struct assume_role *ask)
{
    size_t size = policy_size(ask->policy);
    for (size_t i = 0; i < ask->policy_arn_count; i++)
        size += ask->policy_arns[i].len;
    for (size_t i = 0; i < ask->tag_count; i++)
        size += ask->tags[i].key.len + ask->tags[i].value.len;
    return size;
}

/* They are policies of the role's account, or AWS's own. */
static const struct fault *check_policy_arn(const struct call *call, str role_account, str arn)
{
    const struct managed_policy *policy = managed_find_arn(call->world, arn);
    if (policy && (str_eq(policy->account, role_account) || str_eq(policy->account, STR("aws"))))
        return NULL;
    return fault_coded(call->arena, FAULT_SYNTAX, "MalformedPolicyDocument",
                       "Policy " STR_FMT " does not exist or is not attachable.", STR_ARG(arn));
}

static const struct fault *read_policies(const struct api_call *call, str role_account,
                                         struct assume_role *ask)
{
    struct arena *arena = call->call.arena;
    TRY(param_list(call, STR("PolicyArns"), ".arn", SESSION_POLICY_ARNS_MOST, "policyArns",
                   &ask->policy_arns, &ask->policy_arn_count));
    for (size_t i = 0; i < ask->policy_arn_count; i++)
        TRY(check_policy_arn(&call->call, role_account, ask->policy_arns[i]));
    ask->policy = api_param(call, "Policy");
    if (ask->policy.len > POLICY_MOST)
        return param_invalid(arena, ask->policy, "policy",
                             "Member must have length less than or equal to 2048");
    if (!str_is_none(ask->policy))
        TRY(policy_validate(ask->policy,
                            &(struct policy_home) { .type = POLICY_IDENTITY,
                                                    .holder = HOLDER_MANAGED,
                                                    .target = STR_NONE,
                                                    .caller = STR_NONE },
                            arena, NULL));
    if (packed_size(ask) > SESSION_PACKED_MOST)
        return fault_coded(arena, FAULT_SYNTAX, "PackedPolicyTooLarge",
                           "Packed policy consumes %zu%% of allotted space, please use smaller "
                           "policy.",
                           (packed_size(ask) * 100 + SESSION_PACKED_MOST - 1) /
                               SESSION_PACKED_MOST);
    return NULL;
}

static const struct fault *read_assume_role(const struct api_call *call, struct assume_role *ask)
{
    struct arena *arena = call->call.arena;
    struct arn arn;
    *ask = (struct assume_role) {
        .role_arn = api_param(call, "RoleArn"),
        .session_name = api_param(call, "RoleSessionName"),
        .external_id = api_param(call, "ExternalId"),
        .source_identity = api_param(call, "SourceIdentity"),
    };
    TRY(param_text(arena, ask->role_arn, &role_arn_rule));
    TRY(param_text(arena, ask->session_name, &session_name_rule));
    TRY(param_text(arena, ask->external_id, &external_id_rule));
    TRY(param_text(arena, ask->source_identity, &identity_rule));
    if (!arn_parse(ask->role_arn, &arn))
        return fault_coded(arena, FAULT_SYNTAX, "ValidationError", STR_FMT " is invalid",
                           STR_ARG(ask->role_arn));
    if (api_has_param(call, "SerialNumber") || api_has_param(call, "TokenCode"))
        return fault_coded(arena, FAULT_UNBUILT, "NotImplemented",
                           "Multi-factor authentication is not implemented");
    TRY(read_tags(call, ask));
    return read_policies(call, arn.account, ask);
}

/* The role is known to exist: it was just assumed. */
static const struct fault *check_duration(const struct call *call, const struct caller *session,
                                          int64_t seconds)
{
    const struct role *role = role_find_arn(call->world, session->assumed_role.role.text);
    if (call->caller->kind == CALLER_ASSUMED_ROLE && seconds > CHAINED_MOST_S)
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationError",
                           "The requested DurationSeconds exceeds the 1 hour session limit for "
                           "roles assumed by role chaining");
    if (!role || seconds > role->max_session)
        return fault_coded(call->arena, FAULT_SYNTAX, "ValidationError",
                           "The requested DurationSeconds exceeds the MaxSessionDuration set for "
                           "this role.");
    return NULL;
}

static void write_credentials(struct buf *out, const struct credentials *credentials)
{
    char when[WHEN_SIZE];
    xml_open(out, "Credentials");
    xml_leaf(out, "AccessKeyId", credentials->access_key_id);
    xml_leaf(out, "SecretAccessKey", credentials->secret_access_key);
    xml_leaf(out, "SessionToken", credentials->session_token);
    xml_leaf(out, "Expiration", when_iso(when, credentials->expires_ms));
    xml_close(out, "Credentials");
}

const struct fault *run_sts_AssumeRole(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    const struct call *c = &call->call;
    struct assume_role ask;
    struct caller session;
    struct credentials credentials;
    int64_t seconds;
    TRY(read_assume_role(call, &ask));
    TRY(param_number(call, "DurationSeconds", "durationSeconds", SESSION_LEAST_S, SESSION_MOST_S,
                     SESSION_USUAL_S, &seconds));
    if (c->caller->kind == CALLER_ROOT)
        return fault_coded(c->arena, FAULT_DENIED, "AccessDenied",
                           "Roles may not be assumed by root accounts.");
    TRY(sts_assume_role(c, &ask, &session));
    TRY(check_duration(c, &session, seconds));
    TRY(api->sts->port.issue(&api->sts->port, c, &session, c->now_ms + seconds * 1000,
                             &credentials));
    write_credentials(&answer->text, &credentials);
    xml_open(&answer->text, "AssumedRoleUser");
    xml_leaf(&answer->text, "AssumedRoleId", session.user_id);
    xml_leaf(&answer->text, "Arn", session.assumed_role.session.text);
    xml_close(&answer->text, "AssumedRoleUser");
    size_t packed = packed_size(&ask);
    if (packed)
        xml_leaf_int(&answer->text, "PackedPolicySize",
                     (int64_t)(packed * 100 + SESSION_PACKED_MOST - 1) / SESSION_PACKED_MOST);
    xml_leaf(&answer->text, "SourceIdentity", session.session->source_identity);
    return NULL;
}

/* ---- users ---- */

/* Needs no permission, as at AWS: the session may what the user may, but for IAM. */
const struct fault *run_sts_GetSessionToken(struct api *api, const struct api_call *call,
                                            struct api_answer *answer)
{
    const struct call *c = &call->call;
    struct credentials credentials;
    int64_t seconds;
    if (c->caller->session)
        return fault_coded(c->arena, FAULT_DENIED, "AccessDenied",
                           "Cannot call GetSessionToken with session credentials");
    if (c->caller->kind != CALLER_USER)
        return fault_coded(c->arena, FAULT_UNBUILT, "NotImplemented",
                           "Sessions of root users are not implemented");
    if (api_has_param(call, "SerialNumber") || api_has_param(call, "TokenCode"))
        return fault_coded(c->arena, FAULT_UNBUILT, "NotImplemented",
                           "Multi-factor authentication is not implemented");
    TRY(param_number(call, "DurationSeconds", "durationSeconds", SESSION_LEAST_S, USER_MOST_S,
                     USER_USUAL_S, &seconds));
    const struct session session = { .kind = SESSION_USER,
                                     .principal_arn = c->caller->user.arn.text,
                                     .principal_id = c->caller->user_id };
    struct caller caller = *c->caller;
    caller.session = &session;
    TRY(api->sts->port.issue(&api->sts->port, c, &caller, c->now_ms + seconds * 1000,
                             &credentials));
    write_credentials(&answer->text, &credentials);
    return NULL;
}

/* Of keys whose account is known without their token. */
const struct fault *run_sts_GetAccessKeyInfo(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    struct arena *arena = call->call.arena;
    str id = api_param(call, "AccessKeyId"), account = STR_NONE;
    const struct user *user;
    TRY(authorize(&call->call, &(struct ask) { .action = STR("sts:GetAccessKeyInfo"),
                                               .resource = STR("*"),
                                               .resource_account = call->call.caller->account }));
    if (str_is_none(id))
        return param_invalid(arena, id, "accessKeyId", "Member must not be null");
    if (str_starts(id, STR("ASIA")))
        return fault_coded(arena, FAULT_UNBUILT, "NotImplemented",
                           "The account of a session is in its token, not in its access key id");
    if (str_eq(id, api->root_key_id))
        account = api->root_account;
    else if (account_id_ok(id))
        account = id;
    else if (access_key_find(call->call.world, id, &user))
        account = user->holder.account;
    if (str_is_none(account))
        return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                           "The access key id " STR_FMT " is not valid", STR_ARG(id));
    xml_leaf(&answer->text, "Account", account);
    return NULL;
}

/* The table of actions. A service has room for 64; an action that is not here costs a text
 * comparison and nothing else, so the table need not be complete.
 *
 * Names: Service Authorization Reference, one page a service. */
#include "policy/actions.h"

/* clang-format off */
#define S3(X) \
    X(AbortMultipartUpload) X(CreateBucket) X(DeleteBucket) X(DeleteBucketPolicy) X(DeleteObject) \
    X(DeleteObjectTagging) X(DeleteObjectVersion) X(GetBucketAcl) X(GetBucketLocation) \
    X(GetBucketPolicy) X(GetBucketPolicyStatus) X(GetBucketVersioning) X(GetEncryptionConfiguration) \
    X(GetObject) X(GetObjectAcl) X(GetObjectAttributes) X(GetObjectTagging) X(GetObjectVersion) \
    X(ListAllMyBuckets) X(ListBucket) X(ListBucketMultipartUploads) X(ListBucketVersions) \
    X(ListMultipartUploadParts) X(PutBucketAcl) X(PutBucketPolicy) X(PutBucketVersioning) \
    X(PutEncryptionConfiguration) X(PutObject) X(PutObjectAcl) X(PutObjectTagging) X(ReplicateObject) \
    X(RestoreObject)
#define KMS(X) \
    X(CancelKeyDeletion) X(CreateAlias) X(CreateGrant) X(CreateKey) X(Decrypt) X(DeleteAlias) \
    X(DescribeKey) X(DisableKey) X(EnableKey) X(Encrypt) X(GenerateDataKey) X(GenerateDataKeyPair) \
    X(GenerateDataKeyPairWithoutPlaintext) X(GenerateDataKeyWithoutPlaintext) X(GenerateRandom) \
    X(GetKeyPolicy) X(GetKeyRotationStatus) X(ListAliases) X(ListKeyPolicies) X(ListKeys) X(PutKeyPolicy) \
    X(ReEncryptFrom) X(ReEncryptTo) X(RevokeGrant) X(ScheduleKeyDeletion) X(Sign) X(TagResource) \
    X(UntagResource) X(UpdateAlias) X(UpdateKeyDescription) X(Verify)
#define SNS(X) \
    X(AddPermission) X(ConfirmSubscription) X(CreateTopic) X(DeleteTopic) X(GetSubscriptionAttributes) \
    X(GetTopicAttributes) X(ListSubscriptions) X(ListSubscriptionsByTopic) X(ListTopics) X(Publish) \
    X(Receive) X(RemovePermission) X(SetSubscriptionAttributes) X(SetTopicAttributes) X(Subscribe) \
    X(TagResource) X(Unsubscribe) X(UntagResource)
#define LAMBDA(X) \
    X(AddPermission) X(CreateAlias) X(CreateFunction) X(DeleteAlias) X(DeleteFunction) X(GetAlias) \
    X(GetFunction) X(GetFunctionConfiguration) X(GetPolicy) X(InvokeAsync) X(InvokeFunction) \
    X(InvokeFunctionUrl) X(ListAliases) X(ListFunctions) X(ListVersionsByFunction) X(PublishVersion) \
    X(RemovePermission) X(UpdateAlias) X(UpdateFunctionCode) X(UpdateFunctionConfiguration)
#define IAM(X) \
    X(AttachRolePolicy) X(AttachUserPolicy) X(CreateAccessKey) X(CreatePolicy) X(CreatePolicyVersion) \
    X(CreateRole) X(CreateUser) X(DeleteAccessKey) X(DeletePolicy) X(DeleteRole) X(DeleteRolePolicy) \
    X(DeleteRolePermissionsBoundary) X(DeleteUser) X(DeleteUserPolicy) X(DetachRolePolicy) \
    X(DetachUserPolicy) X(GetPolicy) X(GetPolicyVersion) X(GetRole) X(GetRolePolicy) X(GetUser) \
    X(GetUserPolicy) X(ListAccessKeys) X(ListAttachedRolePolicies) X(ListAttachedUserPolicies) \
    X(ListPolicies) X(ListRolePolicies) X(ListRoles) X(ListUserPolicies) X(ListUsers) X(PassRole) \
    X(PutRolePermissionsBoundary) X(PutRolePolicy) X(PutUserPolicy) X(SimulateCustomPolicy) \
    X(SimulatePrincipalPolicy) X(TagRole) X(TagUser) X(UntagRole) X(UpdateAssumeRolePolicy) X(UpdateRole)
#define STS(X) \
    X(AssumeRole) X(AssumeRoleWithSAML) X(AssumeRoleWithWebIdentity) X(AssumeRoot) X(DecodeAuthorizationMessage) \
    X(GetAccessKeyInfo) X(GetCallerIdentity) X(GetFederationToken) X(GetSessionToken) X(SetSourceIdentity) \
    X(TagSession)
#define SES(X) \
    X(CloneReceiptRuleSet) X(CreateReceiptFilter) X(CreateReceiptRule) X(CreateReceiptRuleSet) \
    X(DeleteIdentity) X(DeleteReceiptFilter) X(DeleteReceiptRule) X(DeleteReceiptRuleSet) \
    X(DescribeActiveReceiptRuleSet) X(DescribeReceiptRule) X(DescribeReceiptRuleSet) \
    X(GetIdentityVerificationAttributes) X(ListIdentities) X(ListReceiptFilters) X(ListReceiptRuleSets) \
    X(ReorderReceiptRuleSet) X(SendBounce) X(SendEmail) X(SendRawEmail) X(SetActiveReceiptRuleSet) \
    X(SetReceiptRulePosition) X(UpdateReceiptRule) X(VerifyDomainIdentity) X(VerifyEmailIdentity)

#define NAME(action) STR_INIT(#action),
static const str s3[] = { S3(NAME) }, kms[] = { KMS(NAME) }, sns[] = { SNS(NAME) },
                 lambda[] = { LAMBDA(NAME) }, iam[] = { IAM(NAME) }, sts[] = { STS(NAME) },
                 ses[] = { SES(NAME) };

#define ROW(service) { STR_INIT(#service), service, sizeof(service) / sizeof(*service) }
static const struct service {
    str name;
    const str *actions;
    size_t count;
} services[ACTION_SERVICES] = {
    [ACTION_S3] = ROW(s3),         [ACTION_KMS] = ROW(kms), [ACTION_SNS] = ROW(sns),
    [ACTION_LAMBDA] = ROW(lambda), [ACTION_IAM] = ROW(iam), [ACTION_STS] = ROW(sts),
    [ACTION_SES] = ROW(ses),
};
/* clang-format on */

#define FITS(service)                                                                              \
    _Static_assert(sizeof(service) / sizeof(*service) <= 64, "64 actions a service")
FITS(s3);
FITS(kms);
FITS(sns);
FITS(lambda);
FITS(iam);
FITS(sts);
FITS(ses);

struct action action_of(str text)
{
    struct action action = { .in_table = ACTION_SERVICES };
    if (!str_cut(text, ':', &action.service, &action.name))
        return action;
    for (size_t s = 0; s < ACTION_SERVICES; s++) {
        const str service = services[s].name;
        if (service.len != action.service.len || !str_eq_nocase(service, action.service))
            continue;
        for (size_t i = 0; i < services[s].count; i++) {
            const str known = services[s].actions[i];
            if (known.len != action.name.len || !str_eq_nocase(known, action.name))
                continue;
            action.in_table = (enum action_service)s;
            action.bit = UINT64_C(1) << i;
            break;
        }
        break;
    }
    return action;
}

bool action_pattern_compile(str text, struct arena *arena, struct action_pattern *ret_pattern)
{
    struct action_pattern pattern = { .any = str_eq(text, STR("*")) };
    str service, name;
    const bool named = str_cut(text, ':', &service, &name);
    if (named)
        pattern.service = service; /* else it names no service, and matches nothing but as "*" */
    if (!pattern_compile(name, PATTERN_WILD | PATTERN_FOLD, arena, &pattern.name))
        return false;
    *ret_pattern = pattern;
    return true;
}

bool action_pattern_matches(const struct action_pattern *pattern, const struct action *action)
{
    if (pattern->any)
        return true;
    return !str_is_none(pattern->service) && str_eq_nocase(pattern->service, action->service) &&
           pattern_matches(&pattern->name, subject_plain(action->name), NULL);
}

void action_pattern_mask(const struct action_pattern *pattern, uint64_t masks[ACTION_SERVICES])
{
    for (size_t s = 0; s < ACTION_SERVICES; s++) {
        if (!pattern->any && !str_eq_nocase(services[s].name, pattern->service))
            continue;
        for (size_t i = 0; i < services[s].count; i++) {
            const struct action action = { .service = services[s].name,
                                           .name = services[s].actions[i] };
            if (action_pattern_matches(pattern, &action))
                masks[s] |= UINT64_C(1) << i;
        }
    }
}

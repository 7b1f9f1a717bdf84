/* api/operations.c - the one table of operations. A new operation is a row here and a run_... in
 * its service's file; the loop above the table is in router.c. */
#include "api/run.h"
#include "api/ses_send.h"

#define QUERY(svc, op, ...)                                                                        \
    {                                                                                              \
        .service = STR_INIT(#svc), .name = STR_INIT(#op), .dialect = DIALECT_QUERY_XML,            \
        .iam_action = STR_INIT(#svc ":" #op), .run = run_##svc##_##op, __VA_ARGS__                 \
    }
#define JSON(svc, op)                                                                              \
    {                                                                                              \
        .service = STR_INIT(#svc), .name = STR_INIT(#op), .dialect = DIALECT_JSON,                 \
        .iam_action = STR_INIT(#svc ":" #op), .run = run_##svc##_##op                              \
    }
/* AWS: "You can execute this operation no more than once per second." */
#define PACED(svc, op) QUERY(svc, op, .paced = true)
#define QUERY_OPEN(svc, op)                                                                        \
    {                                                                                              \
        .service = STR_INIT(#svc), .name = STR_INIT(#op), .dialect = DIALECT_QUERY_XML,            \
        .iam_action = STR_INIT(#svc ":" #op), .run = run_##svc##_##op, .open = true                \
    }
/* Two rows, one function: the dialect is the shape's business (sqs_shape.h). */
#define BOTH(svc, op) QUERY(svc, op), JSON(svc, op)
#define S3(op, action, verb, on, sub)                                                              \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(#op), .dialect = DIALECT_REST_XML,             \
        .iam_action = STR_INIT("s3:" action), .route = { STR_INIT(verb), on, STR_INIT(sub) },      \
        .run = run_s3_##op                                                                         \
    }
#define S3_BY(op, action, verb, on, field)                                                         \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(#op), .dialect = DIALECT_REST_XML,             \
        .iam_action = STR_INIT("s3:" action),                                                      \
        .route = { .method = STR_INIT(verb), .target = on, .header = STR_INIT(field) },            \
        .run = run_s3_##op                                                                         \
    }
#define S3_STREAM(op, action, verb, on, sub)                                                       \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(#op), .dialect = DIALECT_REST_XML,             \
        .iam_action = STR_INIT("s3:" action), .route = { STR_INIT(verb), on, STR_INIT(sub) },      \
        .stream = &stream_s3_##op                                                                  \
    }

#define LAMBDA(op, action, verb, at, most)                                                         \
    {                                                                                              \
        .service = STR_INIT("lambda"), .name = STR_INIT(#op), .dialect = DIALECT_REST_JSON,        \
        .iam_action = STR_INIT("lambda:" action),                                                  \
        .route = { .method = STR_INIT(verb), .path = STR_INIT(at) }, .run = run_lambda_##op,       \
        .text_max = most                                                                           \
    }
#define SESV2(op, verb, at, most)                                                                  \
    {                                                                                              \
        .service = STR_INIT("ses"), .name = STR_INIT(#op), .dialect = DIALECT_REST_JSON,           \
        .iam_action = STR_INIT("ses:" #op),                                                        \
        .route = { .method = STR_INIT(verb), .path = STR_INIT(at) }, .run = run_sesv2_##op,        \
        .text_max = most                                                                           \
    }
/* A zip of 50 MB as Base64 in JSON; an event of 6 MB. */
enum { ZIP_TEXT_MAX = 70 * 1024 * 1024, EVENT_TEXT_MAX = 6 * 1024 * 1024 + 1024 };
#define FUNCTION "/2015-03-31/functions/{}"

/* clang-format off */
const struct operation operations[] = {
    PACED(ses, CreateReceiptRuleSet),
    PACED(ses, CloneReceiptRuleSet),
    PACED(ses, DeleteReceiptRuleSet),
    PACED(ses, DescribeReceiptRuleSet),
    PACED(ses, ListReceiptRuleSets),
    PACED(ses, SetActiveReceiptRuleSet),
    PACED(ses, DescribeActiveReceiptRuleSet),
    PACED(ses, ReorderReceiptRuleSet),
    PACED(ses, CreateReceiptRule),
    PACED(ses, UpdateReceiptRule),
    PACED(ses, DeleteReceiptRule),
    PACED(ses, DescribeReceiptRule),
    PACED(ses, SetReceiptRulePosition),
    PACED(ses, CreateReceiptFilter),
    PACED(ses, DeleteReceiptFilter),
    PACED(ses, ListReceiptFilters),
    PACED(ses, SendBounce),
    QUERY(ses, SendEmail),
    QUERY(ses, SendRawEmail),
    PACED(ses, VerifyDomainDkim),
    PACED(ses, VerifyDomainIdentity),
    PACED(ses, VerifyEmailIdentity),
    PACED(ses, GetIdentityDkimAttributes),
    PACED(ses, GetIdentityVerificationAttributes),
    PACED(ses, ListIdentities),
    PACED(ses, DeleteIdentity),

    /* operation           method    path                          text_max */
    SESV2(CreateEmailIdentity, "POST",   "/v2/email/identities",       0),
    SESV2(ListEmailIdentities, "GET",    "/v2/email/identities",       0),
    SESV2(ListEmailIdentities, "POST",   "/v2/email/list-identities",  0), /* since 2026 */
    SESV2(GetEmailIdentity,    "GET",    "/v2/email/identities/{}",    0),
    SESV2(DeleteEmailIdentity, "DELETE", "/v2/email/identities/{}",    0),
    SESV2(SendEmail,           "POST",   "/v2/email/outbound-emails",  SEND_V2_TEXT_MAX),

    /* operation         IAM action             method    target        sub-resource */
    S3(ListBuckets,        "ListAllMyBuckets",    "GET",    REST_SERVICE, ""),
    S3(CreateBucket,       "CreateBucket",        "PUT",    REST_BUCKET,  ""),
    S3(HeadBucket,         "ListBucket",          "HEAD",   REST_BUCKET,  ""),
    S3(DeleteBucket,       "DeleteBucket",        "DELETE", REST_BUCKET,  ""),
    S3(GetBucketLocation,  "GetBucketLocation",   "GET",    REST_BUCKET,  "location"),
    S3(ListObjects,        "ListBucket",          "GET",    REST_BUCKET,  ""),
    S3(ListObjectsV2,      "ListBucket",          "GET",    REST_BUCKET,  "list-type=2"),
    S3(PutBucketPolicy,    "PutBucketPolicy",     "PUT",    REST_BUCKET,  "policy"),
    S3(GetBucketPolicy,    "GetBucketPolicy",     "GET",    REST_BUCKET,  "policy"),
    S3(DeleteBucketPolicy, "DeleteBucketPolicy",  "DELETE", REST_BUCKET,  "policy"),
    S3(PutBucketEncryption,    "PutEncryptionConfiguration", "PUT",    REST_BUCKET, "encryption"),
    S3(GetBucketEncryption,    "GetEncryptionConfiguration", "GET",    REST_BUCKET, "encryption"),
    S3(DeleteBucketEncryption, "PutEncryptionConfiguration", "DELETE", REST_BUCKET, "encryption"),
    S3_BY(CopyObject,      "PutObject",           "PUT",    REST_OBJECT,  "x-amz-copy-source"), /* and s3:GetObject of the source */
    S3_STREAM(PutObject,   "PutObject",           "PUT",    REST_OBJECT,  ""),
    S3(GetObject,          "GetObject",           "GET",    REST_OBJECT,  ""),
    S3(HeadObject,         "GetObject",           "HEAD",   REST_OBJECT,  ""),
    S3(DeleteObject,       "DeleteObject",        "DELETE", REST_OBJECT,  ""),

    QUERY(iam, CreateRole),
    QUERY(iam, GetRole),
    QUERY(iam, ListRoles),
    QUERY(iam, UpdateRole, .empty_result = true),
    QUERY(iam, UpdateRoleDescription),
    QUERY(iam, UpdateAssumeRolePolicy),
    QUERY(iam, DeleteRole),
    QUERY(iam, ListInstanceProfilesForRole),

    QUERY(iam, PutRolePolicy),
    QUERY(iam, GetRolePolicy),
    QUERY(iam, ListRolePolicies),
    QUERY(iam, DeleteRolePolicy),
    QUERY(iam, PutUserPolicy),
    QUERY(iam, GetUserPolicy),
    QUERY(iam, ListUserPolicies),
    QUERY(iam, DeleteUserPolicy),
    QUERY(iam, AttachRolePolicy),
    QUERY(iam, DetachRolePolicy),
    QUERY(iam, ListAttachedRolePolicies),
    QUERY(iam, AttachUserPolicy),
    QUERY(iam, DetachUserPolicy),
    QUERY(iam, ListAttachedUserPolicies),
    QUERY(iam, PutRolePermissionsBoundary),
    QUERY(iam, DeleteRolePermissionsBoundary),
    QUERY(iam, PutUserPermissionsBoundary),
    QUERY(iam, DeleteUserPermissionsBoundary),
    QUERY(iam, TagRole),
    QUERY(iam, UntagRole),
    QUERY(iam, ListRoleTags),
    QUERY(iam, TagUser),
    QUERY(iam, UntagUser),
    QUERY(iam, ListUserTags),

    QUERY(iam, CreateUser),
    QUERY(iam, GetUser),
    QUERY(iam, ListUsers),
    QUERY(iam, UpdateUser),
    QUERY(iam, DeleteUser),
    QUERY(iam, ListGroupsForUser),
    QUERY(iam, CreateAccessKey),
    QUERY(iam, ListAccessKeys),
    QUERY(iam, UpdateAccessKey),
    QUERY(iam, DeleteAccessKey),
    QUERY(iam, GetAccessKeyLastUsed),

    QUERY(iam, CreatePolicy),
    QUERY(iam, GetPolicy),
    QUERY(iam, DeletePolicy),
    QUERY(iam, ListPolicies),
    QUERY(iam, ListEntitiesForPolicy),
    QUERY(iam, CreatePolicyVersion),
    QUERY(iam, GetPolicyVersion),
    QUERY(iam, ListPolicyVersions),
    QUERY(iam, SetDefaultPolicyVersion),
    QUERY(iam, DeletePolicyVersion),

    QUERY(iam, SimulateCustomPolicy),
    QUERY(iam, SimulatePrincipalPolicy),

    JSON(kms, CancelKeyDeletion),
    JSON(kms, CreateAlias),
    JSON(kms, CreateGrant),
    JSON(kms, CreateKey),
    JSON(kms, Decrypt),
    JSON(kms, DeleteAlias),
    JSON(kms, DescribeKey),
    JSON(kms, DisableKey),
    JSON(kms, DisableKeyRotation),
    JSON(kms, EnableKey),
    JSON(kms, EnableKeyRotation),
    JSON(kms, Encrypt),
    JSON(kms, GenerateDataKey),
    JSON(kms, GenerateDataKeyWithoutPlaintext),
    JSON(kms, GenerateRandom),
    JSON(kms, GetKeyPolicy),
    JSON(kms, GetKeyRotationStatus),
    JSON(kms, ListAliases),
    JSON(kms, ListGrants),
    JSON(kms, ListKeyPolicies),
    JSON(kms, ListKeyRotations),
    JSON(kms, ListKeys),
    JSON(kms, ListResourceTags),
    JSON(kms, ListRetirableGrants),
    JSON(kms, PutKeyPolicy),
    JSON(kms, ReEncrypt),
    JSON(kms, RetireGrant),
    JSON(kms, RevokeGrant),
    JSON(kms, RotateKeyOnDemand),
    JSON(kms, ScheduleKeyDeletion),
    JSON(kms, TagResource),
    JSON(kms, UntagResource),
    JSON(kms, UpdateAlias),
    JSON(kms, UpdateKeyDescription),
    QUERY(sns, AddPermission),
    QUERY_OPEN(sns, ConfirmSubscription),
    QUERY(sns, CreateTopic),
    QUERY(sns, DeleteTopic),
    QUERY(sns, GetSubscriptionAttributes),
    QUERY(sns, GetTopicAttributes),
    QUERY(sns, ListSubscriptions),
    QUERY(sns, ListSubscriptionsByTopic),
    QUERY(sns, ListTagsForResource),
    QUERY(sns, ListTopics),
    QUERY(sns, Publish),
    QUERY(sns, PublishBatch),
    QUERY(sns, RemovePermission),
    QUERY(sns, SetSubscriptionAttributes),
    QUERY(sns, SetTopicAttributes),
    QUERY(sns, Subscribe),
    QUERY(sns, TagResource),
    QUERY_OPEN(sns, Unsubscribe),
    QUERY(sns, UntagResource),
    /* operation                        IAM action                          method    path                                                   text_max */
    LAMBDA(CreateFunction,                "CreateFunction",                   "POST",   "/2015-03-31/functions",                               ZIP_TEXT_MAX),
    LAMBDA(ListFunctions,                 "ListFunctions",                    "GET",    "/2015-03-31/functions",                               0),
    LAMBDA(GetFunction,                   "GetFunction",                      "GET",    FUNCTION,                                              0),
    LAMBDA(DeleteFunction,                "DeleteFunction",                   "DELETE", FUNCTION,                                              0),
    LAMBDA(GetFunctionConfiguration,      "GetFunctionConfiguration",         "GET",    FUNCTION "/configuration",                             0),
    LAMBDA(UpdateFunctionConfiguration,   "UpdateFunctionConfiguration",      "PUT",    FUNCTION "/configuration",                             0),
    LAMBDA(UpdateFunctionCode,            "UpdateFunctionCode",               "PUT",    FUNCTION "/code",                                      ZIP_TEXT_MAX),
    LAMBDA(PublishVersion,                "PublishVersion",                   "POST",   FUNCTION "/versions",                                  0),
    LAMBDA(ListVersionsByFunction,        "ListVersionsByFunction",           "GET",    FUNCTION "/versions",                                  0),
    LAMBDA(CreateAlias,                   "CreateAlias",                      "POST",   FUNCTION "/aliases",                                   0),
    LAMBDA(ListAliases,                   "ListAliases",                      "GET",    FUNCTION "/aliases",                                   0),
    LAMBDA(GetAlias,                      "GetAlias",                         "GET",    FUNCTION "/aliases/{}",                                0),
    LAMBDA(UpdateAlias,                   "UpdateAlias",                      "PUT",    FUNCTION "/aliases/{}",                                0),
    LAMBDA(DeleteAlias,                   "DeleteAlias",                      "DELETE", FUNCTION "/aliases/{}",                                0),
    LAMBDA(AddPermission,                 "AddPermission",                    "POST",   FUNCTION "/policy",                                    0),
    LAMBDA(GetPolicy,                     "GetPolicy",                        "GET",    FUNCTION "/policy",                                    0),
    LAMBDA(RemovePermission,              "RemovePermission",                 "DELETE", FUNCTION "/policy/{}",                                 0),
    LAMBDA(Invoke,                        "InvokeFunction",                   "POST",   FUNCTION "/invocations",                               EVENT_TEXT_MAX),
    LAMBDA(PutFunctionConcurrency,        "PutFunctionConcurrency",           "PUT",    "/2017-10-31/functions/{}/concurrency",                0),
    LAMBDA(DeleteFunctionConcurrency,     "DeleteFunctionConcurrency",        "DELETE", "/2017-10-31/functions/{}/concurrency",                0),
    LAMBDA(GetFunctionConcurrency,        "GetFunctionConcurrency",           "GET",    "/2019-09-30/functions/{}/concurrency",                0),
    LAMBDA(PutFunctionEventInvokeConfig,  "PutFunctionEventInvokeConfig",     "PUT",    "/2019-09-25/functions/{}/event-invoke-config",        0),
    LAMBDA(GetFunctionEventInvokeConfig,  "GetFunctionEventInvokeConfig",     "GET",    "/2019-09-25/functions/{}/event-invoke-config",        0),
    LAMBDA(UpdateFunctionEventInvokeConfig, "UpdateFunctionEventInvokeConfig", "POST",  "/2019-09-25/functions/{}/event-invoke-config",        0),
    LAMBDA(DeleteFunctionEventInvokeConfig, "DeleteFunctionEventInvokeConfig", "DELETE", "/2019-09-25/functions/{}/event-invoke-config",       0),
    LAMBDA(ListFunctionEventInvokeConfigs, "ListFunctionEventInvokeConfigs",  "GET",    "/2019-09-25/functions/{}/event-invoke-config/list",   0),
    LAMBDA(TagResource,                   "TagResource",                      "POST",   "/2017-03-31/tags/{}",                                 0),
    LAMBDA(UntagResource,                 "UntagResource",                    "DELETE", "/2017-03-31/tags/{}",                                 0),
    LAMBDA(ListTags,                      "ListTags",                         "GET",    "/2017-03-31/tags/{}",                                 0),

    BOTH(sqs, ChangeMessageVisibility),
    BOTH(sqs, ChangeMessageVisibilityBatch),
    BOTH(sqs, CreateQueue),
    BOTH(sqs, DeleteMessage),
    BOTH(sqs, DeleteMessageBatch),
    BOTH(sqs, DeleteQueue),
    BOTH(sqs, GetQueueAttributes),
    BOTH(sqs, GetQueueUrl),
    BOTH(sqs, ListQueueTags),
    BOTH(sqs, ListQueues),
    BOTH(sqs, PurgeQueue),
    BOTH(sqs, ReceiveMessage),
    BOTH(sqs, SendMessage),
    BOTH(sqs, SendMessageBatch),
    BOTH(sqs, SetQueueAttributes),
    BOTH(sqs, TagQueue),
    BOTH(sqs, UntagQueue),

    QUERY(sts, AssumeRole),
    QUERY(sts, GetAccessKeyInfo),
    QUERY(sts, GetCallerIdentity),
    QUERY(sts, GetSessionToken),
};
/* clang-format on */
const size_t operation_count = sizeof operations / sizeof operations[0];

/* api/operations.c - the one table of operations. A new operation is a row here and a run_... in
 * its service's file; the loop above the table is in router.c. */
#include "api/run.h"

#define QUERY(svc, op)                                                                             \
    {                                                                                              \
        .service = STR_INIT(#svc), .name = STR_INIT(#op), .dialect = DIALECT_QUERY_XML,            \
        .iam_action = STR_INIT(#svc ":" #op), .run = run_##svc##_##op                              \
    }
#define JSON(svc, op)                                                                              \
    {                                                                                              \
        .service = STR_INIT(#svc), .name = STR_INIT(#op), .dialect = DIALECT_JSON,                 \
        .iam_action = STR_INIT(#svc ":" #op), .run = run_##svc##_##op                              \
    }
#define QUERY_OPEN(svc, op)                                                                        \
    {                                                                                              \
        .service = STR_INIT(#svc), .name = STR_INIT(#op), .dialect = DIALECT_QUERY_XML,            \
        .iam_action = STR_INIT(#svc ":" #op), .run = run_##svc##_##op, .open = true                \
    }
#define S3(op, action, verb, on, sub)                                                              \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(#op), .dialect = DIALECT_REST_XML,             \
        .iam_action = STR_INIT("s3:" action), .route = { STR_INIT(verb), on, STR_INIT(sub) },      \
        .run = run_s3_##op                                                                         \
    }
#define S3_STREAM(op, action, verb, on, sub)                                                       \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(#op), .dialect = DIALECT_REST_XML,             \
        .iam_action = STR_INIT("s3:" action), .route = { STR_INIT(verb), on, STR_INIT(sub) },      \
        .stream = &stream_s3_##op                                                                  \
    }

/* clang-format off */
const struct operation operations[] = {
    QUERY(ses, CreateReceiptRuleSet),
    QUERY(ses, DeleteReceiptRuleSet),
    QUERY(ses, DescribeReceiptRuleSet),
    QUERY(ses, ListReceiptRuleSets),
    QUERY(ses, SetActiveReceiptRuleSet),
    QUERY(ses, DescribeActiveReceiptRuleSet),
    QUERY(ses, CreateReceiptRule),
    QUERY(ses, UpdateReceiptRule),
    QUERY(ses, DeleteReceiptRule),
    QUERY(ses, DescribeReceiptRule),
    QUERY(ses, VerifyDomainIdentity),

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
    S3_STREAM(PutObject,   "PutObject",           "PUT",    REST_OBJECT,  ""),
    S3(GetObject,          "GetObject",           "GET",    REST_OBJECT,  ""),
    S3(HeadObject,         "GetObject",           "HEAD",   REST_OBJECT,  ""),
    S3(DeleteObject,       "DeleteObject",        "DELETE", REST_OBJECT,  ""),

    QUERY(iam, CreateRole),
    QUERY(iam, GetRole),
    QUERY(iam, UpdateAssumeRolePolicy),
    QUERY(iam, PutRolePolicy),
    QUERY(iam, GetRolePolicy),
    QUERY(iam, ListRolePolicies),
    QUERY(iam, DeleteRolePolicy),
    QUERY(iam, DeleteRole),
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

    QUERY(sts, AssumeRole),
    QUERY(sts, GetCallerIdentity),
};
/* clang-format on */
const size_t operation_count = sizeof operations / sizeof operations[0];

/* api/run.h - what runs behind the rows of operations.c, by service. Each is an operation_fn (see
 * operation.h) in the file named above its group. */
#ifndef SESAME_API_RUN_H
#define SESAME_API_RUN_H

#include "api/operation.h"

/* ses.c */
operation_fn run_ses_CreateReceiptRuleSet, run_ses_DeleteReceiptRuleSet,
    run_ses_DescribeReceiptRuleSet, run_ses_ListReceiptRuleSets, run_ses_SetActiveReceiptRuleSet,
    run_ses_DescribeActiveReceiptRuleSet;
operation_fn run_ses_CreateReceiptRule, run_ses_UpdateReceiptRule, run_ses_DeleteReceiptRule,
    run_ses_DescribeReceiptRule;
operation_fn run_ses_CloneReceiptRuleSet, run_ses_ReorderReceiptRuleSet,
    run_ses_SetReceiptRulePosition;

/* ses_identities.c */
operation_fn run_ses_VerifyDomainIdentity, run_ses_VerifyEmailIdentity,
    run_ses_GetIdentityVerificationAttributes, run_ses_ListIdentities, run_ses_DeleteIdentity;
operation_fn run_ses_VerifyDomainDkim, run_ses_GetIdentityDkimAttributes;
operation_fn run_ses_CreateReceiptFilter, run_ses_DeleteReceiptFilter, run_ses_ListReceiptFilters;

/* ses_bounce.c */
operation_fn run_ses_SendBounce;

/* ses_send.c */
operation_fn run_ses_SendEmail, run_ses_SendRawEmail;

/* ses_v2.c, ses_v2_send.c */
operation_fn run_sesv2_CreateEmailIdentity, run_sesv2_GetEmailIdentity,
    run_sesv2_ListEmailIdentities, run_sesv2_DeleteEmailIdentity, run_sesv2_SendEmail;

/* s3.c, s3_objects.c, s3_encryption.c */
operation_fn run_s3_ListBuckets;
operation_fn run_s3_CreateBucket, run_s3_HeadBucket, run_s3_DeleteBucket,
    run_s3_GetBucketLocation, run_s3_ListObjects, run_s3_ListObjectsV2;
operation_fn run_s3_PutBucketPolicy, run_s3_GetBucketPolicy, run_s3_DeleteBucketPolicy;
operation_fn run_s3_PutBucketEncryption, run_s3_GetBucketEncryption, run_s3_DeleteBucketEncryption;
operation_fn run_s3_GetObject, run_s3_HeadObject, run_s3_DeleteObject;
operation_fn run_s3_CopyObject; /* s3_copy.c */
extern const struct operation_stream stream_s3_PutObject;

/* iam.c */
operation_fn run_iam_CreateRole, run_iam_GetRole, run_iam_ListRoles, run_iam_UpdateRole,
    run_iam_UpdateRoleDescription, run_iam_UpdateAssumeRolePolicy, run_iam_DeleteRole,
    run_iam_ListInstanceProfilesForRole;

/* iam_holders.c */
operation_fn run_iam_PutRolePolicy, run_iam_GetRolePolicy, run_iam_ListRolePolicies,
    run_iam_DeleteRolePolicy, run_iam_PutUserPolicy, run_iam_GetUserPolicy,
    run_iam_ListUserPolicies, run_iam_DeleteUserPolicy, run_iam_AttachRolePolicy,
    run_iam_DetachRolePolicy, run_iam_ListAttachedRolePolicies, run_iam_AttachUserPolicy,
    run_iam_DetachUserPolicy, run_iam_ListAttachedUserPolicies, run_iam_PutRolePermissionsBoundary,
    run_iam_DeleteRolePermissionsBoundary, run_iam_PutUserPermissionsBoundary,
    run_iam_DeleteUserPermissionsBoundary, run_iam_TagRole, run_iam_UntagRole,
    run_iam_ListRoleTags, run_iam_TagUser, run_iam_UntagUser, run_iam_ListUserTags;

/* iam_users.c */
operation_fn run_iam_CreateUser, run_iam_GetUser, run_iam_ListUsers, run_iam_UpdateUser,
    run_iam_DeleteUser, run_iam_CreateAccessKey, run_iam_ListAccessKeys, run_iam_UpdateAccessKey,
    run_iam_DeleteAccessKey, run_iam_GetAccessKeyLastUsed,
    run_iam_ListGroupsForUser;

/* iam_managed.c */
operation_fn run_iam_CreatePolicy, run_iam_GetPolicy, run_iam_DeletePolicy, run_iam_ListPolicies,
    run_iam_ListEntitiesForPolicy, run_iam_CreatePolicyVersion, run_iam_GetPolicyVersion,
    run_iam_ListPolicyVersions, run_iam_SetDefaultPolicyVersion, run_iam_DeletePolicyVersion;

/* iam_simulate.c */
operation_fn run_iam_SimulateCustomPolicy, run_iam_SimulatePrincipalPolicy;

/* kms.c */
operation_fn run_kms_CancelKeyDeletion, run_kms_CreateAlias, run_kms_CreateKey,
    run_kms_DeleteAlias, run_kms_DescribeKey, run_kms_DisableKey, run_kms_DisableKeyRotation,
    run_kms_EnableKey, run_kms_EnableKeyRotation, run_kms_GetKeyPolicy,
    run_kms_GetKeyRotationStatus, run_kms_ListAliases, run_kms_ListKeyPolicies,
    run_kms_ListKeyRotations, run_kms_ListKeys, run_kms_ListResourceTags, run_kms_PutKeyPolicy,
    run_kms_RotateKeyOnDemand, run_kms_ScheduleKeyDeletion, run_kms_TagResource,
    run_kms_UntagResource, run_kms_UpdateAlias, run_kms_UpdateKeyDescription;

/* kms_use.c */
operation_fn run_kms_Encrypt, run_kms_Decrypt, run_kms_ReEncrypt, run_kms_GenerateDataKey,
    run_kms_GenerateDataKeyWithoutPlaintext, run_kms_GenerateRandom;

/* kms_grants.c */
operation_fn run_kms_CreateGrant, run_kms_ListGrants, run_kms_ListRetirableGrants,
    run_kms_RetireGrant, run_kms_RevokeGrant;
/* sns.c */
operation_fn run_sns_CreateTopic, run_sns_DeleteTopic, run_sns_ListTopics,
    run_sns_GetTopicAttributes, run_sns_SetTopicAttributes, run_sns_AddPermission,
    run_sns_RemovePermission, run_sns_TagResource, run_sns_UntagResource,
    run_sns_ListTagsForResource;
operation_fn run_sns_Subscribe, run_sns_ConfirmSubscription, run_sns_Unsubscribe,
    run_sns_ListSubscriptions, run_sns_ListSubscriptionsByTopic,
    run_sns_GetSubscriptionAttributes, run_sns_SetSubscriptionAttributes;
operation_fn run_sns_Publish, run_sns_PublishBatch;
/* lambda.c */
operation_fn run_lambda_CreateFunction, run_lambda_UpdateFunctionCode, run_lambda_UpdateFunctionConfiguration,
    run_lambda_GetFunction, run_lambda_GetFunctionConfiguration, run_lambda_ListFunctions, run_lambda_DeleteFunction;

/* lambda_versions.c */
operation_fn run_lambda_PublishVersion, run_lambda_ListVersionsByFunction;
operation_fn run_lambda_CreateAlias, run_lambda_GetAlias, run_lambda_UpdateAlias, run_lambda_DeleteAlias,
    run_lambda_ListAliases;

/* lambda_calls.c */
operation_fn run_lambda_Invoke, run_lambda_AddPermission, run_lambda_RemovePermission, run_lambda_GetPolicy;
operation_fn run_lambda_PutFunctionConcurrency, run_lambda_GetFunctionConcurrency,
    run_lambda_DeleteFunctionConcurrency;
operation_fn run_lambda_PutFunctionEventInvokeConfig, run_lambda_GetFunctionEventInvokeConfig,
    run_lambda_UpdateFunctionEventInvokeConfig, run_lambda_DeleteFunctionEventInvokeConfig,
    run_lambda_ListFunctionEventInvokeConfigs;
operation_fn run_lambda_TagResource, run_lambda_UntagResource, run_lambda_ListTags;

/* sqs.c */
operation_fn run_sqs_ChangeMessageVisibility, run_sqs_ChangeMessageVisibilityBatch,
    run_sqs_CreateQueue, run_sqs_DeleteMessage, run_sqs_DeleteMessageBatch, run_sqs_DeleteQueue,
    run_sqs_GetQueueAttributes, run_sqs_GetQueueUrl, run_sqs_ListQueueTags, run_sqs_ListQueues,
    run_sqs_PurgeQueue, run_sqs_ReceiveMessage, run_sqs_SendMessage, run_sqs_SendMessageBatch,
    run_sqs_SetQueueAttributes, run_sqs_TagQueue, run_sqs_UntagQueue;

/* sts.c */
operation_fn run_sts_AssumeRole, run_sts_GetAccessKeyInfo, run_sts_GetCallerIdentity,
    run_sts_GetSessionToken;

#endif

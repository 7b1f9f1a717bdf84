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
operation_fn run_ses_VerifyDomainIdentity;

/* s3.c, s3_objects.c, s3_encryption.c */
operation_fn run_s3_ListBuckets;
operation_fn run_s3_CreateBucket, run_s3_HeadBucket, run_s3_DeleteBucket,
    run_s3_GetBucketLocation, run_s3_ListObjects, run_s3_ListObjectsV2;
operation_fn run_s3_PutBucketPolicy, run_s3_GetBucketPolicy, run_s3_DeleteBucketPolicy;
operation_fn run_s3_PutBucketEncryption, run_s3_GetBucketEncryption, run_s3_DeleteBucketEncryption;
operation_fn run_s3_GetObject, run_s3_HeadObject, run_s3_DeleteObject;
extern const struct operation_stream stream_s3_PutObject;

/* iam.c */
operation_fn run_iam_CreateRole, run_iam_GetRole, run_iam_UpdateAssumeRolePolicy,
    run_iam_DeleteRole;
operation_fn run_iam_PutRolePolicy, run_iam_GetRolePolicy, run_iam_ListRolePolicies,
    run_iam_DeleteRolePolicy;

/* iam_simulate.c */
operation_fn run_iam_SimulateCustomPolicy, run_iam_SimulatePrincipalPolicy;

/* sts.c */
operation_fn run_sts_AssumeRole, run_sts_GetCallerIdentity;

#endif

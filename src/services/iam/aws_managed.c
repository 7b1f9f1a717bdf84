/* services/iam/aws_managed.c - managed policies of AWS that tutorials and deployment tools attach, as
 * far as they are about services that are here (AWS Managed Policy Reference Guide). What a policy
 * says about other services is left out where it is long: nothing here would ask for it. */
#include "base/digest.h"
#include "base/json.h"
#include "services/iam/managed.h"

#define ALLOW(actions) "{\"Effect\":\"Allow\",\"Action\":[" actions "],\"Resource\":\"*\"}"
#define POLICY(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"
#define LOGS "\"logs:CreateLogGroup\",\"logs:CreateLogStream\",\"logs:PutLogEvents\""

/* clang-format off */
static const struct {
    str path, name, document;
} policies[] = {
    { STR_INIT("/"), STR_INIT("AdministratorAccess"),
      STR_INIT(POLICY("{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}")) },
    { STR_INIT("/"), STR_INIT("AmazonS3FullAccess"), STR_INIT(POLICY(ALLOW("\"s3:*\",\"s3-object-lambda:*\""))) },
    { STR_INIT("/"), STR_INIT("AmazonS3ReadOnlyAccess"),
      STR_INIT(POLICY(ALLOW("\"s3:Get*\",\"s3:List*\",\"s3:Describe*\",\"s3-object-lambda:Get*\",\"s3-object-lambda:List*\""))) },
    { STR_INIT("/"), STR_INIT("AmazonSESFullAccess"), STR_INIT(POLICY(ALLOW("\"ses:*\""))) },
    { STR_INIT("/"), STR_INIT("AmazonSESReadOnlyAccess"),
      STR_INIT(POLICY(ALLOW("\"ses:Get*\",\"ses:List*\",\"ses:BatchGetMetricData\""))) },
    { STR_INIT("/"), STR_INIT("AmazonSNSFullAccess"), STR_INIT(POLICY(ALLOW("\"sns:*\""))) },
    { STR_INIT("/"), STR_INIT("AmazonSNSReadOnlyAccess"),
      STR_INIT(POLICY(ALLOW("\"sns:GetTopicAttributes\",\"sns:List*\",\"sns:CheckIfPhoneNumberIsOptedOut\","
          "\"sns:GetEndpointAttributes\",\"sns:GetDataProtectionPolicy\",\"sns:GetPlatformApplicationAttributes\","
          "\"sns:GetSMSAttributes\",\"sns:GetSMSSandboxAccountStatus\",\"sns:GetSubscriptionAttributes\""))) },
    { STR_INIT("/"), STR_INIT("AmazonSQSFullAccess"), STR_INIT(POLICY(ALLOW("\"sqs:*\""))) },
    { STR_INIT("/"), STR_INIT("AmazonSQSReadOnlyAccess"),
      STR_INIT(POLICY(ALLOW("\"sqs:GetQueueAttributes\",\"sqs:GetQueueUrl\",\"sqs:ListDeadLetterSourceQueues\","
          "\"sqs:ListQueues\",\"sqs:ListMessageMoveTasks\",\"sqs:ListQueueTags\""))) },
    { STR_INIT("/"), STR_INIT("AWSKeyManagementServicePowerUser"),
      STR_INIT(POLICY(ALLOW("\"kms:CreateAlias\",\"kms:CreateKey\",\"kms:DeleteAlias\",\"kms:Describe*\","
          "\"kms:GenerateRandom\",\"kms:Get*\",\"kms:List*\",\"kms:TagResource\",\"kms:UntagResource\","
          "\"iam:ListGroups\",\"iam:ListRoles\",\"iam:ListUsers\""))) },
    { STR_INIT("/"), STR_INIT("AWSLambda_FullAccess"),
      STR_INIT(POLICY(ALLOW("\"cloudformation:DescribeStacks\",\"cloudformation:ListStackResources\","
          "\"cloudwatch:ListMetrics\",\"cloudwatch:GetMetricData\",\"ec2:DescribeSecurityGroups\",\"ec2:DescribeSubnets\","
          "\"ec2:DescribeVpcs\",\"kms:ListAliases\",\"iam:GetPolicy\",\"iam:GetPolicyVersion\",\"iam:GetRole\","
          "\"iam:GetRolePolicy\",\"iam:ListAttachedRolePolicies\",\"iam:ListRolePolicies\",\"iam:ListRoles\",\"lambda:*\","
          "\"logs:DescribeLogGroups\",\"states:DescribeStateMachine\",\"states:ListStateMachines\",\"tag:GetResources\","
          "\"xray:GetTraceSummaries\",\"xray:BatchGetTraces\"") ","
          "{\"Effect\":\"Allow\",\"Action\":\"iam:PassRole\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":"
          "{\"iam:PassedToService\":\"lambda.amazonaws.com\"}}},"
          "{\"Effect\":\"Allow\",\"Action\":[\"logs:DescribeLogStreams\",\"logs:GetLogEvents\",\"logs:FilterLogEvents\","
          "\"logs:StartLiveTail\",\"logs:StopLiveTail\"],\"Resource\":\"arn:aws:logs:*:*:log-group:/aws/lambda/*\"}")) },
    { STR_INIT("/"), STR_INIT("AWSLambda_ReadOnlyAccess"),
      STR_INIT(POLICY(ALLOW("\"kms:ListAliases\",\"iam:GetPolicy\",\"iam:GetPolicyVersion\",\"iam:GetRole\","
          "\"iam:GetRolePolicy\",\"iam:ListAttachedRolePolicies\",\"iam:ListRolePolicies\",\"iam:ListRoles\","
          "\"logs:DescribeLogGroups\",\"lambda:Get*\",\"lambda:List*\""))) },
    { STR_INIT("/"), STR_INIT("AWSLambdaExecute"),
      STR_INIT(POLICY("{\"Effect\":\"Allow\",\"Action\":[\"logs:*\"],\"Resource\":\"arn:aws:logs:*:*:*\"},"
          "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:PutObject\"],\"Resource\":\"arn:aws:s3:::*\"}")) },
    { STR_INIT("/service-role/"), STR_INIT("AWSLambdaBasicExecutionRole"), STR_INIT(POLICY(ALLOW(LOGS))) },
    { STR_INIT("/service-role/"), STR_INIT("AWSLambdaRole"), STR_INIT(POLICY(ALLOW("\"lambda:InvokeFunction\""))) },
    { STR_INIT("/service-role/"), STR_INIT("AWSLambdaSQSQueueExecutionRole"),
      STR_INIT(POLICY(ALLOW("\"sqs:ReceiveMessage\",\"sqs:DeleteMessage\",\"sqs:GetQueueAttributes\"," LOGS))) },
    { STR_INIT("/"), STR_INIT("IAMFullAccess"),
      STR_INIT(POLICY(ALLOW("\"iam:*\",\"organizations:DescribeAccount\",\"organizations:DescribeOrganization\","
          "\"organizations:DescribeOrganizationalUnit\",\"organizations:DescribePolicy\",\"organizations:ListChildren\","
          "\"organizations:ListParents\",\"organizations:ListPoliciesForTarget\",\"organizations:ListRoots\","
          "\"organizations:ListPolicies\",\"organizations:ListTargetsForPolicy\""))) },
    { STR_INIT("/"), STR_INIT("IAMReadOnlyAccess"),
      STR_INIT(POLICY(ALLOW("\"iam:GenerateCredentialReport\",\"iam:GenerateServiceLastAccessedDetails\",\"iam:Get*\","
          "\"iam:List*\",\"iam:SimulateCustomPolicy\",\"iam:SimulatePrincipalPolicy\""))) },
    { STR_INIT("/"), STR_INIT("PowerUserAccess"),
      STR_INIT(POLICY("{\"Effect\":\"Allow\",\"NotAction\":[\"iam:*\",\"organizations:*\",\"account:*\"],\"Resource\":\"*\"},"
          ALLOW("\"account:GetAccountInformation\",\"account:GetGovCloudAccountInformation\","
          "\"account:GetPrimaryEmail\",\"account:ListRegions\",\"iam:CreateServiceLinkedRole\","
          "\"iam:DeleteServiceLinkedRole\",\"iam:ListRoles\",\"organizations:DescribeOrganization\""))) },
    { STR_INIT("/"), STR_INIT("ReadOnlyAccess"), /* of the services that are here */
      STR_INIT(POLICY(ALLOW("\"iam:Generate*\",\"iam:Get*\",\"iam:List*\",\"iam:Simulate*\",\"kms:Describe*\",\"kms:Get*\","
          "\"kms:List*\",\"lambda:Get*\",\"lambda:List*\",\"s3:DescribeJob\",\"s3:Get*\",\"s3:List*\","
          "\"ses:BatchGetMetricData\",\"ses:Describe*\",\"ses:Get*\",\"ses:List*\",\"sns:Check*\",\"sns:Get*\","
          "\"sns:List*\",\"sqs:Get*\",\"sqs:List*\",\"sqs:Receive*\",\"sts:GetAccessKeyInfo\",\"sts:GetCallerIdentity\","
          "\"sts:GetSessionToken\""))) },
};
/* clang-format on */

/* All alike: the day most of them came into being, 2015-02-06. */
static const int64_t created_ms = 1423246786000;

/* Ids have to stay what they are; nobody cares what they are. */
static void put_id(struct json_writer *w, str name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char hash[SHA256_SIZE];
    char id[21] = "ANPA";
    sha256_of(name, hash);
    for (size_t i = 4; i < sizeof id; i++)
        id[i] = letters[hash[i] % 32];
    json_add_str(w, "id", (str) { id, sizeof id });
}

const struct fault *aws_managed_record(size_t index, struct arena *arena, struct record *ret_record,
                                       bool *ret_end)
{
    AUTO_BUF value = buf_new(64 * 1024), key = buf_new(256);
    *ret_end = index >= sizeof(policies) / sizeof(*policies);
    if (*ret_end)
        return NULL;
    struct json_writer w = json_writer(&value);
    json_open(&w, '{');
    json_add_str(&w, "partition", STR("aws"));
    json_add_str(&w, "name", policies[index].name);
    json_add_str(&w, "path", policies[index].path);
    put_id(&w, policies[index].name);
    json_add_int(&w, "created_ms", created_ms);
    json_add_str(&w, "default", STR("v1"));
    json_name(&w, STR("versions"));
    json_open(&w, '[');
    json_open(&w, '{');
    json_add_str(&w, "id", STR("v1"));
    json_add_str(&w, "document", policies[index].document);
    json_add_int(&w, "created_ms", created_ms);
    json_close(&w, '}');
    json_close(&w, ']');
    json_close(&w, '}');
    buf_add(&key, STR("policy/aws/"));
    for (size_t i = 0; i < policies[index].name.len; i++)
        buf_addc(&key, ascii_lower(policies[index].name.ptr[i]));
    *ret_record = (struct record) { .key = arena_str(arena, buf_str(&key)),
                                    .value = arena_str(arena, buf_str(&value)) };
    return value.failed || key.failed || str_is_none(ret_record->value) ? &fault_no_memory : NULL;
}

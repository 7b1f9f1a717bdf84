/* What each service says when a policy of its kind is saved, and where it points. */
#include "policy/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct refusal_case {
    const char *says;     /* what is special about the document */
    const char *document; /* > stands before the first byte that is blamed, and is not part of it */
    const char *wants;    /* "Code: message"; NULL: it is taken */
};

static bool is_admin(const void *self, const struct arn *principal)
{
    (void)self;
    return str_ends(principal->resource, STR("/admin"));
}
static const struct principal_register only_admin = { is_admin, NULL };

static void check(const struct refusal_case *c, const struct policy_home *home)
{
    AUTO_ARENA *arena = arena_new(8 << 20);
    const str marked = str_of(c->document);
    const size_t mark = str_find(marked, '>');
    const str text = arena_strf(arena, STR_FMT STR_FMT, STR_ARG(str_head(marked, mark)),
                                STR_ARG(str_from(marked, mark + 1)));
    struct span at = { 9999, 9999 };
    const struct fault *why = policy_validate(text, home, arena, &at);
    const str got = why ? arena_strf(arena, "%s: " STR_FMT, why->code ? why->code : "no code",
                                     STR_ARG(why->says))
                        : STR("");
    if (!str_eq(got, str_of(c->wants ? c->wants : "")))
        fail_msg("%s: " STR_FMT, c->says, STR_ARG(got));
    if (why && mark < marked.len && at.from != mark)
        fail_msg("%s: byte %u is blamed, not %zu", c->says, at.from, mark);
}

#define CHECK(cases, ...)                                                                          \
    do {                                                                                           \
        const struct policy_home home = { __VA_ARGS__ };                                           \
        for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++)                               \
            check(&(cases)[i], &home);                                                             \
    } while (0)

#define DOC(statements) "{\"Version\":\"2012-10-17\",\"Statement\":" statements "}"
#define BAD             "MalformedPolicyDocument: "
#define MAY             "{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\","
#define ACT             "\"Action\":\"s3:ListBucket\""
#define RES             "\"Resource\":\"*\""
#define DATE(text)                                                                                 \
    DOC("{\"Effect\":\"Allow\"," ACT "," RES ",\"Condition\":{\"DateLessThan\":{\"a\":" text "}}"  \
                                                                                             "}")
#define OF(resource) DOC(MAY "\"Resource\":" resource "}")
#define LEGACY       BAD "The policy failed legacy parsing"

/* clang-format off */
static const struct refusal_case identities[] = {
    { "the smallest",                    OF("\"*\""), NULL },
    { "no JSON",                         "{\"Version\":>x}", BAD "Syntax errors in policy." },
    { "a member too much",               "{\"Version\":\"2012-10-17\",>\"Extra\":1,\"Statement\":[]}", BAD "Syntax errors in policy." },
    { "an operator nobody knows",        DOC(MAY RES ",\"Condition\":{>\"x\":{\"a\":\"1\"}}}"), BAD "Syntax errors in policy." },
    { "such an operator without keys",   DOC(MAY RES ",\"Condition\":{\"x\":{}}}"), NULL },
    { "a number and a truth as values",  DOC(MAY RES ",\"Condition\":{\"Null\":{\"a\":false},\"NumericEquals\":{\"b\":5}}}"), NULL },
    { "no version",                      ">{\"Statement\":" MAY RES "}}", BAD "Policy document must be version 2012-10-17 or greater." },
    { "the shape before the version",    "{\"Version\":\"2008-10-17\",\"Statement\":{\"Effect\":>\"maybe\"}}", BAD "Syntax errors in policy." },
    { "the version before the effect",   "{\"Version\":>\"2008-10-17\",\"Statement\":{\"Effect\":\"allow\"}}", BAD "Policy document must be version 2012-10-17 or greater." },
    { "an effect in the wrong case",     DOC("{\"Effect\":>\"aLLow\"," ACT "," RES "}"), LEGACY },
    { "a date that is none",             DATE(">\"b\""),                              LEGACY },
    { "a month past the twelfth",        DATE(">\"2017-13\""),                        LEGACY },
    { "a day past the thirty-first",     DATE(">\"2017-02-32\""),                     LEGACY },
    { "an hour past the last",           DATE(">\"2017-02-02T24:00\""),               LEGACY },
    { "a minute past the last",          DATE(">\"2017-02-02T23:60\""),               LEGACY },
    { "ten digits of a second",          DATE(">\"2016-12-13t2:00:00.1999999999Z\""), LEGACY },
    { "a zone of one digit",             DATE(">\"2016-12-13t2:00:00+2\""),           LEGACY },
    { "seconds before the epoch",        DATE(">\"-5x\""),                            LEGACY },
    { "one of several dates",            DATE("[\"2017\",>\"soon\"]"),                LEGACY },
    { "a year",                          DATE("\"2017\""),                            NULL },
    { "UNIX seconds",                    DATE("\"1499000000\""),                      NULL },
    { "a day, an hour, no zone",         DATE("\"2017-02-02T23\""),                   NULL },
    { "a zone",                          DATE("\"2016-12-13t2:00:00.593194+23:59\""), NULL },
    { "a western zone",                  DATE("\"2016-12-13T02:00:00-08:00\""),       NULL },
    { "an ARN that lacks a field",       OF(">\"arn:aws:s3::b\""),                    LEGACY },
    { "an ARN without a service",        OF(">\"arn:aws::::b\""),                     LEGACY },
    { "a short ARN",                     OF("\"arn:aws:sns:us-east-1\""),             NULL },
    { "a wrong resource, then a legacy one", DOC("[" MAY "\"Resource\":>\"b\"}," MAY "\"Resource\":\"arn:aws:s3::b\"}]"), BAD "Resource b must be in ARN format or \"*\"." },
    { "of a list the first by the alphabet", OF("[\"b\",\"*\",>\"a\"]"),              BAD "Resource a must be in ARN format or \"*\"." },
    { "another partition",               OF(">\"a:b:cadfsdf\""),                      BAD "Partition \"b\" is not valid for resource \"arn:b:cadfsdf:*:*:*\"." },
    { "no service at all",               OF(">\"arn:aws\""),                          BAD "Resource vendor must be fully qualified and cannot contain regexes." },
    { "a bucket in a region",            OF(">\"arn:aws:s3:us-east-1::b\""),          BAD "Resource arn:aws:s3:us-east-1::b can not contain region information." },
    { "an access point in a region",     OF("\"arn:aws:s3:us-east-1:111122223333:accesspoint/p\""), NULL },
    { "a role in a region",              OF(">\"arn:aws:iam:us-east-1:111122223333:role/r\""), BAD "IAM resource arn:aws:iam:us-east-1:111122223333:role/r cannot contain region information." },
    { "an IAM path of no kind",          OF(">\"arn:aws:iam::111122223333:root\""),   BAD "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/." },
    { "every role",                      OF("[\"arn:aws:iam::*:role/*\",\"arn:aws:iam::111122223333:*\"]"), NULL },
    { "the page's doubled colon",        OF("\"arn:aws:kms:us-east-1::111122223333:key/key-id\""), NULL },
    { "a name twice",                    DOC("[{\"Sid\":\"a\",\"Effect\":\"Allow\"," ACT "," RES "},{\"Sid\":>\"a\",\"Effect\":\"Allow\"}]"), BAD "Statement IDs (SID) in a single policy must be unique." },
    { "no name twice",                   DOC("[{\"Sid\":\"\",\"Effect\":\"Allow\"," ACT "," RES "},{\"Sid\":\"\",\"Effect\":\"Allow\"," ACT "," RES "}]"), NULL },
    { "a trust policy in the wrong place", DOC("{\"Effect\":\"Allow\",\"Principal\":>{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}"), BAD "Policy document should not specify a principal." },
    { "no actions in the second, no resources in the first", DOC("[{\"Effect\":\"Allow\"," ACT "},>{\"Effect\":\"Allow\"," RES "}]"), BAD "Policy statement must contain actions." },
    { "no resources, a wrong action",    DOC(">{\"Effect\":\"Allow\",\"Action\":\"x\"}"), BAD "Policy statement must contain resources." },
    { "a wrong resource, a wrong action", DOC("{\"Effect\":\"Allow\",\"Action\":\"x\",\"Resource\":>\"b\"}"), BAD "Resource b must be in ARN format or \"*\"." },
    { "an action without a service",     DOC("{\"Effect\":\"Allow\",\"NotAction\":>\"List\"," RES "}"), BAD "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc." },
    { "an action of two colons",         DOC("{\"Effect\":\"Allow\",\"Action\":>\"s3:a:b\"," RES "}"), BAD "Actions/Condition can contain only one colon." },
    { "a service with a blank",          DOC("{\"Effect\":\"Allow\",\"Action\":>\"s 3:a\"," RES "}"), BAD "Vendor s 3 is not valid" },
};

#define TRUSTS(rest) DOC("{\"Effect\":\"Allow\"," rest "}")
#define SES          "\"Principal\":{\"Service\":\"ses.amazonaws.com\"}"
#define ASSUME       "\"Action\":\"sts:AssumeRole\""
static const struct refusal_case trusts[] = {
    { "the page's",               TRUSTS(SES "," ASSUME), NULL },
    { "every action of roles",    TRUSTS(SES ",\"Action\":[\"sts:AssumeRole*\",\"STS:TagSession\"]"), NULL },
    { "no JSON",                  "{>invalid", BAD "This policy contains invalid Json" },
    { "a version of tomorrow",    "{\"Version\":>\"2030-01-01\",\"Statement\":[]}", BAD "The policy must contain a valid version string" },
    { "no statement",             ">{\"Version\":\"2012-10-17\"}", BAD "Could not parse the policy: Statement is empty!" },
    { "no effect",                DOC("[>{" SES "," ASSUME "}]"), BAD "Missing required field Effect" },
    { "an effect in lower case",  DOC("{\"Effect\":>\"allow\"," SES "," ASSUME "}"), BAD "Invalid effect: allow" },
    { "nobody",                   DOC(">{\"Effect\":\"Allow\"," ASSUME "}"), BAD "Missing required field Principal" },
    { "an empty principal",       TRUSTS("\"Principal\":>{}," ASSUME), BAD "Missing required field Principal cannot be empty!" },
    { "everyone but",             TRUSTS("\"NotPrincipal\":>{\"AWS\":\"*\"}," ASSUME), BAD "Allow with NotPrincipal is not allowed." },
    { "a user nobody made",       TRUSTS("\"Principal\":{\"AWS\":[\"111122223333\",>\"arn:aws:iam::111122223333:user/x\"]}," ASSUME), BAD "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:user/x\"" },
    { "a user who exists",        TRUSTS("\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:user/admin\"}," ASSUME), NULL },
    { "a service of nobody",      TRUSTS("\"Principal\":{\"Service\":>\"ses.example\"}," ASSUME), BAD "Invalid principal in policy: \"SERVICE\":\"ses.example\"" },
    { "a type of nobody",         TRUSTS("\"Principal\":{>\"service\":\"ses.amazonaws.com\"}," ASSUME), BAD "Invalid principal in policy: \"service\":\"ses.amazonaws.com\"" },
    { "no action",                DOC(">{\"Effect\":\"Allow\"," SES "}"), BAD "Missing required field Action" },
    { "every action",             TRUSTS(SES ",\"Action\":>\"*\""), BAD "AssumeRole policy may only specify STS AssumeRole actions." },
    { "another action of sts",    TRUSTS(SES ",\"Action\":>\"sts:GetCallerIdentity\""), BAD "AssumeRole policy may only specify STS AssumeRole actions." },
    { "a resource",               TRUSTS(SES "," ASSUME ",\"Resource\":>\"*\""), BAD "Has prohibited field Resource" },
    { "all resources but one",    TRUSTS(SES "," ASSUME ",\"NotResource\":>\"*\""), BAD "AssumeRole policy must not contain resources." },
    { "a name twice",             DOC("[{\"Sid\":\"a\",\"Effect\":\"Allow\"," SES "," ASSUME "},{\"Sid\":>\"a\",\"Effect\":\"Allow\"," SES "," ASSUME "}]"), BAD "The Statement Ids in the policy are not unique" },
};

#define MAIL(rest)  DOC("{\"Effect\":\"Allow\"," rest "}")
#define PUT         "\"Action\":\"s3:PutObject\""
#define OBJECTS     "\"Resource\":\"arn:aws:s3:::mail/*\""
#define MALFORMED   "MalformedPolicy: "
static const struct refusal_case buckets[] = {
    { "the page's",               MAIL(SES "," PUT "," OBJECTS), NULL },
    { "no byte",                  ">", MALFORMED "Policies must be valid JSON and the first byte must be '{'" },
    { "half of it",               "{\"Version\":>", MALFORMED "This policy contains invalid Json" },
    { "no statement",             ">{}", MALFORMED "Missing required field Statement" },
    { "a principal who is not",   MAIL("\"Principal\":{\"AWS\":>\"arn:aws:iam::111122223333:user/nobody-here\"}," PUT "," OBJECTS), MALFORMED "Invalid principal in policy" },
    { "an unknown action",        MAIL(SES ",\"Action\":[\"s3:Put*\",>\"s3:PutMail\"]," OBJECTS), MALFORMED "Policy has invalid action" },
    { "another bucket",           MAIL(SES "," PUT ",\"Resource\":>\"arn:aws:s3:::other/*\""), MALFORMED "Policy has invalid resource" },
    { "an action on the bucket",  MAIL(SES ",\"Action\":>\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail\""), MALFORMED "Action does not apply to any resource(s) in statement" },
    { "an unknown operator",      MAIL(SES "," PUT "," OBJECTS ",\"Condition\":{>\"StringIs\":{\"aws:SourceAccount\":\"1\"}}"), MALFORMED "Invalid Condition type : StringIs" },
    { "a key of other actions",   MAIL("\"Principal\":\"*\",\"Action\":[\"s3:ListBucket\",\"s3:GetBucketAcl\"],\"Resource\":\"arn:aws:s3:::mail\",\"Condition\":{\"StringEquals\":{\"s3:prefix\":>\"a\"}}"), MALFORMED "Conditions do not apply to combination of actions and resources in statement" },
    { "no address",               MAIL("\"Principal\":\"*\"," PUT "," OBJECTS ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":[\"10.0.0.0/8\",>\"home\"]}}"), MALFORMED "Invalid IP address in Conditions" },
};

#define EXC     "MalformedPolicyDocumentException: "
#define ROOT    "{\"Sid\":\"Enable IAM User Permissions\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:root\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}"
#define USE     "\"Action\":\"kms:GenerateDataKey*\",\"Resource\":\"*\""
#define LOCKED  EXC "The new key policy will not allow you to update the key policy in the future."
static const struct refusal_case keys[] = {
    { "the default and the page's",  DOC("[" ROOT ",{\"Effect\":\"Allow\"," SES "," USE "}]"), NULL },
    { "the page's alone",            DOC("[{\"Effect\":\"Allow\"," SES "," USE "}]"), LOCKED },
    { "a keeper by name",            DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:user/admin\"},\"Action\":[\"kms:Put*\"],\"Resource\":\"*\"}"), NULL },
    { "the account, but to use it",  DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"}," USE "}"), LOCKED },
    { "a keeper who is denied",      DOC("[" ROOT ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"kms:PutKeyPolicy\",\"Resource\":\"*\"}]"), LOCKED },
    { "no JSON",                     "{>x", EXC "This policy contains invalid Json" },
    { "nobody",                      DOC("[" ROOT ",>{\"Effect\":\"Allow\"," USE "}]"), EXC "Policy contains a statement with no principal." },
    { "a user nobody made",          DOC("[" ROOT ",{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":>\"arn:aws:iam::111122223333:user/x\"}," USE "}]"), EXC "Policy contains a statement with one or more invalid principals." },
    { "no action",                   DOC("[" ROOT ",>{\"Effect\":\"Allow\"," SES ",\"Resource\":\"*\"}]"), EXC "Missing required field Action" },
    { "no resource",                 DOC("[" ROOT ",>{\"Effect\":\"Allow\"," SES ",\"Action\":\"kms:Decrypt\"}]"), EXC "Missing required field Resource" },
};

#define TOPIC   "\"Resource\":\"arn:aws:sns:us-east-1:111122223333:mail\""
#define PUBLISH "\"Action\":\"SNS:Publish\""
#define PARAM   "InvalidParameter: Invalid parameter: "
#define SCOPE   PARAM "Policy statement action out of service scope!"
static const struct refusal_case topics[] = {
    { "the page's",                MAIL(SES "," PUBLISH "," TOPIC), NULL },
    { "the default one",           "{\"Version\":\"2008-10-17\",\"Id\":\"__default_policy_ID\",\"Statement\":[{\"Sid\":\"__default_statement_ID\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":[\"SNS:GetTopicAttributes\",\"SNS:SetTopicAttributes\",\"SNS:AddPermission\",\"SNS:RemovePermission\",\"SNS:DeleteTopic\",\"SNS:Subscribe\",\"SNS:ListSubscriptionsByTopic\",\"SNS:Publish\"]," TOPIC ",\"Condition\":{\"StringEquals\":{\"AWS:SourceOwner\":\"111122223333\"}}}]}", NULL },
    { "no JSON",                   "{>", PARAM "Policy Error: null" },
    { "no statement",              DOC(">[]"), PARAM "Policy Error: null" },
    { "an unknown member",         MAIL(SES "," PUBLISH "," TOPIC ",>\"Actions\":\"*\""), PARAM "Policy Error: null" },
    { "another service's action",  MAIL(SES ",\"Action\":>\"s3:PutObject\"," TOPIC), SCOPE },
    { "an action on all topics",   MAIL(SES ",\"Action\":>\"sns:ListTopics\"," TOPIC), SCOPE },
    { "every action, topics or no", MAIL(SES ",\"Action\":>\"sns:*\"," TOPIC), SCOPE },
    { "an account of three digits", MAIL("\"Principal\":{\"AWS\":>\"arn:aws:iam::123:root\"}," PUBLISH "," TOPIC), PARAM "Policy Error: PrincipalNotFound" },
    { "another topic",             MAIL(SES "," PUBLISH ",\"Resource\":>\"arn:aws:sns:us-east-1:111122223333:other\""), PARAM "Policy statement must apply to a single resource!" },
};

#define INVOKE   "\"Sid\":\"s\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\""
#define FUNCTION "\"Resource\":\"arn:aws:lambda:us-east-1:111122223333:function:mail\""
#define VALUE    "InvalidParameterValueException: "
static const struct refusal_case functions[] = {
    { "what the page's call makes", DOC("[{" INVOKE "," FUNCTION "}]"), NULL },
    { "an alias of it",             DOC("[{" INVOKE ",\"Resource\":\"arn:aws:lambda:us-east-1:111122223333:function:mail:live\"}]"), NULL },
    { "another function",           DOC("[{" INVOKE ",\"Resource\":>\"arn:aws:lambda:us-east-1:111122223333:function:mailbox\"}]"), VALUE "The Resource of a function's policy is the function, a version or an alias of it" },
    { "an action with a star in it", DOC("[{\"Sid\":\"s\",\"Effect\":\"Allow\"," SES ",\"Action\":>\"lambda:Invoke*\"," FUNCTION "}]"), VALUE "1 validation error detected: Value 'lambda:Invoke*' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])" },
    { "a name twice",               DOC("[{" INVOKE "," FUNCTION "},{\"Sid\":>\"s\",\"Effect\":\"Allow\"," SES ",\"Action\":\"*\"," FUNCTION "}]"), VALUE "The statement id (s) provided already exists. Please provide a new statement id, or remove the existing statement." },
};
/* clang-format on */

static void identity_policies_are_judged_in_the_order_of_iam(void **state)
{
    (void)state;
    CHECK(identities, .type = POLICY_IDENTITY, .holder = HOLDER_ROLE, .target = STR("r"));
}
static void trust_policies_are_judged_from_effect_to_resource(void **state)
{
    (void)state;
    CHECK(trusts, .type = POLICY_TRUST, .principals = &only_admin);
}
static void bucket_policies_are_judged_in_the_words_of_s3(void **state)
{
    (void)state;
    CHECK(buckets, .type = POLICY_BUCKET, .target = STR("arn:aws:s3:::mail"),
          .principals = &only_admin);
}
static void a_key_policy_leaves_its_keeper_the_key(void **state)
{
    (void)state;
    CHECK(keys, .type = POLICY_KEY, .target = STR("arn:aws:kms:us-east-1:111122223333:key/k"),
          .caller = STR("arn:aws:iam::111122223333:user/admin"), .principals = &only_admin);
}
static void a_topic_policy_is_about_the_topic(void **state)
{
    (void)state;
    CHECK(topics, .type = POLICY_TOPIC, .target = STR("arn:aws:sns:us-east-1:111122223333:mail"));
}
static void a_function_policy_is_what_calls_add_up_to(void **state)
{
    (void)state;
    CHECK(functions, .type = POLICY_FUNCTION,
          .target = STR("arn:aws:lambda:us-east-1:111122223333:function:mail"));
}

/* Nobody says which bucket or topic: some Resources are of none. */
/* clang-format off */
static const struct refusal_case of_any_bucket[] = {
    { "the page's",               MAIL(SES "," PUT "," OBJECTS), NULL },
    { "a colon too many",         MAIL(SES "," PUT ",\"Resource\":>\"arn:aws:s3::::mail/*\""), MALFORMED "Policy has invalid resource" },
    { "one behind the bucket",    MAIL(SES "," PUT ",\"Resource\":>\"arn:aws:s3:::mail:/*\""), MALFORMED "Policy has invalid resource" },
};
static const struct refusal_case of_any_topic[] = {
    { "the page's",               MAIL(SES "," PUBLISH "," TOPIC), NULL },
    { "every topic",              MAIL(SES "," PUBLISH ",\"Resource\":>\"*\""), PARAM "Policy statement must apply to a single resource!" },
    { "some topics",              MAIL(SES "," PUBLISH ",\"Resource\":>\"arn:aws:sns:us-east-1:111122223333:m*\""), PARAM "Policy statement must apply to a single resource!" },
    { "a colon too many",         MAIL(SES "," PUBLISH ",\"Resource\":>\"arn:aws:sns:us-east-1::111122223333:mail\""), PARAM "Policy statement must apply to a single resource!" },
    { "a bucket",                 MAIL(SES "," PUBLISH ",\"Resource\":>\"arn:aws:s3:::mail\""), PARAM "Policy statement must apply to a single resource!" },
};
static const struct refusal_case of_any_caller[] = {
    { "the default and the page's", DOC("[" ROOT ",{\"Effect\":\"Allow\"," SES "," USE "}]"), NULL },
    { "the page's alone",           DOC("[{\"Effect\":\"Allow\"," SES "," USE "}]"), LOCKED },
    { "some role's",                DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/r\"},\"Action\":\"kms:PutKeyPolicy\",\"Resource\":\"*\"}"), NULL },
    { "a service's",                DOC("{\"Effect\":\"Allow\"," SES ",\"Action\":\"kms:*\",\"Resource\":\"*\"}"), LOCKED },
    { "all that is denied",         DOC("{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}"), LOCKED },
};
/* clang-format on */
static void a_resource_is_of_the_kind_even_when_nobody_says_which(void **state)
{
    (void)state;
    CHECK(of_any_bucket, .type = POLICY_BUCKET);
    CHECK(of_any_topic, .type = POLICY_TOPIC);
}
static void a_key_policy_leaves_somebody_the_key_when_nobody_says_who_saves_it(void **state)
{
    (void)state;
    CHECK(of_any_caller, .type = POLICY_KEY);
}

/* Each is fine at its largest and refused one byte later; blanks are free where the service says
 * so. */
static void every_kind_has_its_size(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct size_case {
        struct policy_home home;
        const char *document; /* %*s: where it is filled up */
        size_t      max;
        bool        blanks_are_free;
        const char *wants;
    } cases[] = {
        { { .type = POLICY_IDENTITY }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\",\"Action\":\"s3:*\"," RES "}"), 6144, true,
          "LimitExceeded: Cannot exceed quota for PolicySize: 6144" },
        { { .type = POLICY_IDENTITY, .holder = HOLDER_ROLE, .target = STR_INIT("r") }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\",\"Action\":\"s3:*\"," RES "}"), 10240, true,
          "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role r" },
        { { .type = POLICY_IDENTITY, .holder = HOLDER_USER, .target = STR_INIT("u") }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\",\"Action\":\"s3:*\"," RES "}"), 2048, true,
          "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user u" },
        { { .type = POLICY_IDENTITY, .holder = HOLDER_GROUP, .target = STR_INIT("g") }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\",\"Action\":\"s3:*\"," RES "}"), 5120, true,
          "LimitExceeded: Maximum policy size of 5120 bytes exceeded for group g" },
        { { .type = POLICY_TRUST }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\"," SES "," ASSUME "}"), 2048, true,
          "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048" },
        { { .type = POLICY_BUCKET }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\"," SES "," PUT "," OBJECTS "}"), 20480, true,
          "MalformedPolicy: Policy exceeds the maximum allowed document size." },
        { { .type = POLICY_KEY }, DOC("[{\"Sid\":\"%s\",\"Effect\":\"Allow\"," SES "," USE "}," ROOT "]"), 32768, false,
          "LimitExceededException: The policy exceeds the maximum size of 32768 bytes." },
        { { .type = POLICY_TOPIC }, DOC("{\"Sid\":\"%s\",\"Effect\":\"Allow\"," SES "," PUBLISH "," TOPIC "}"), 30720, false,
          "InvalidParameter: Invalid parameter: Policy is larger than 30720 bytes" },
    };
    /* clang-format on */
    static char fill[40000];
    memset(fill, 'x', sizeof fill);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct size_case *c = &cases[i];
        AUTO_ARENA *arena = arena_new(8 << 20);
        const size_t frame = strlen(c->document) - 2;
        for (size_t over = 0; over < 2; over++) {
            const size_t len = c->max - frame + over;
            char text[50000];
            const char *at = strstr(c->document, "%s");
            int size = snprintf(text, sizeof text, "%.*s%.*s%s", (int)(at - c->document),
                                c->document, (int)len, fill, at + 2);
            if (c->blanks_are_free)
                size += snprintf(text + size, sizeof text - (size_t)size, "%*s", 900, "");
            const struct fault *why =
                policy_validate((str) { text, (size_t)size }, &c->home, arena, NULL);
            const str got =
                why ? arena_strf(arena, "%s: " STR_FMT, why->code, STR_ARG(why->says)) : STR("");
            if (!str_eq(got, str_of(over ? c->wants : "")))
                fail_msg("%s with %zu over: " STR_FMT, c->wants, over, STR_ARG(got));
        }
    }
}

static void the_kinds_go_by_the_words_of_the_command(void **state)
{
    (void)state;
    static const char *const names[] = {
        "bucket", "trust", "identity", "key", "topic", "function"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        enum policy_type type;
        assert_true(policy_type_of(str_of(names[i]), &type));
        assert_int_equal(type, i);
        assert_true(str_eq(policy_type_name(type), str_of(names[i])));
    }
    enum policy_type untouched = POLICY_KEY;
    assert_false(policy_type_of(STR("Bucket"), &untouched));
    assert_int_equal(untouched, POLICY_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_policies_are_judged_in_the_order_of_iam),
        cmocka_unit_test(trust_policies_are_judged_from_effect_to_resource),
        cmocka_unit_test(bucket_policies_are_judged_in_the_words_of_s3),
        cmocka_unit_test(a_key_policy_leaves_its_keeper_the_key),
        cmocka_unit_test(a_topic_policy_is_about_the_topic),
        cmocka_unit_test(a_function_policy_is_what_calls_add_up_to),
        cmocka_unit_test(a_resource_is_of_the_kind_even_when_nobody_says_which),
        cmocka_unit_test(a_key_policy_leaves_somebody_the_key_when_nobody_says_who_saves_it),
        cmocka_unit_test(every_kind_has_its_size),
        cmocka_unit_test(the_kinds_go_by_the_words_of_the_command),
    };
    return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}

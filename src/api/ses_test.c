/* The SES operations as a client meets them: parameters in, XML or an error out. */
#include "api/api.h"
#include "api/run.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct stage *stage;
static struct api api;

static int begin(void **state)
{
    (void)state;
    stage = calloc(1, sizeof(*stage));
    stage_begin(stage);
    api = (struct api) { .outside = &stage->outside,
                         .state = stage->state,
                         .worlds = stage->worlds,
                         .verify_identities_auto = true };
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    free(stage);
    return 0;
}

/* Runs an operation on "A=1&B=2" and shows the inside of its result, or "Code: message". */
static const char *run_as(const struct caller *caller, operation_fn *run, const char *form)
{
    struct header params[400];
    struct api_call call = { .call = stage_call_as(stage, caller), .params = params };
    str rest = str_of(form), pair;
    bool more = rest.len > 0;
    while (more) {
        struct header *param = &params[call.param_count++];
        more = str_cut(rest, '&', &pair, &rest);
        if (!str_cut(pair, '=', &param->name, &param->value))
            param->value = STR("");
    }
    call.account = caller->account;
    struct api_answer answer = { .text = buf_new(OPERATION_ANSWER_MAX) };
    const struct fault *why = run(&api, &call, &answer);
    const char *shown = why ? stage_says(stage, why)
                            : arena_strf(stage->arena, STR_FMT, STR_ARG(buf_str(&answer.text))).ptr;
    buf_free(&answer.text);
    return shown;
}

static const char *run(operation_fn *operation, const char *form)
{
    return run_as(&stage->caller, operation, form);
}

#define RUN(op, form, shows) assert_string_equal(run(run_ses_##op, form), shows)

#define VIOLATION(path, constraint)                                                                \
    "Value at '" path "' failed to satisfy constraint: Member must " constraint
#define ONE_ERROR        "ValidationError: 1 validation error detected: "
#define PATTERN          "satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$"
#define LENGTH           "have length greater than or equal to 1"
#define EMPTY(path)      VIOLATION(path, LENGTH) "; " VIOLATION(path, PATTERN)
#define ACTION(rest)     "RuleSetName=main&Rule.Name=r&Rule.Actions.member.1." rest
#define RECIPIENTS(rest) "RuleSetName=main&Rule.Name=r&Rule.Recipients" rest
#define BOUNCED(rest)                                                                              \
    "OriginalMessageId=i&BounceSender=s@example.com&BouncedRecipientInfoList.member.1.Recipient="   \
    "a@b.test&BouncedRecipientInfoList.member.1." rest
#define UNNUMBERED(path) ONE_ERROR VIOLATION(path, "be numbered: member.1, member.2 and so on")
#define ONE_ACTION(path)                                                                           \
    "Value at '" path "' failed to satisfy constraint: Exactly one action type must be specified for " \
    "each ReceiptAction"
#define BOUNCE_TYPE(n)                                                                             \
    VIOLATION("bouncedRecipientInfoList." #n ".member.bounceType",                                  \
              "satisfy enum value set: [DoesNotExist, MessageTooLarge, ExceededQuota, "             \
              "ContentRejected, Undefined, TemporaryFailure]")
#define DSN_ACTION                                                                                 \
    VIOLATION("bouncedRecipientInfoList.1.member.recipientDsnFields.action",                        \
              "satisfy enum value set: [failed, delayed, delivered, relayed, expanded]")
#define DSN_STATUS                                                                                 \
    VIOLATION("bouncedRecipientInfoList.1.member.recipientDsnFields.status", "not be null")
#define ZERO             "MalformedInput: 0 is not a valid index"
#define BOOLEAN          "MalformedInput: boolean must follow xsd1.1 definition"
#define ORDER_NAMES                                                                                \
    "satisfy constraint: [Member must have length less than or equal to 100, Member must " LENGTH   \
    ", Member must " PATTERN "]"
#define FIELD(rest)      "rule.actions.1.member." rest

static void a_rule_comes_back_as_it_was_made_with_its_defaults(void **state)
{
    (void)state;
    RUN(CreateReceiptRuleSet, "RuleSetName=main", "");
    RUN(DescribeReceiptRuleSet, "RuleSetName=main",
        "<Metadata><Name>main</Name><CreatedTimestamp>2026-03-02T09:15:42.000Z</CreatedTimestamp>"
        "</Metadata><Rules></Rules>");
    RUN(CreateReceiptRule, "RuleSetName=main&Rule.Name=plain", "");
    RUN(DescribeReceiptRule, "RuleSetName=main&RuleName=plain",
        "<Rule><Name>plain</Name><Enabled>false</Enabled><TlsPolicy>Optional</TlsPolicy>"
        "<Actions></Actions><ScanEnabled>false</ScanEnabled></Rule>");
    RUN(CreateReceiptRule,
        "RuleSetName=main&After=plain&Rule.Name=full&Rule.Enabled=true&Rule.ScanEnabled=true"
        "&Rule.TlsPolicy=Require"
        "&Rule.Recipients.member.2=.example.com&Rule.Recipients.member.1=Example.com"
        "&Rule.Recipients.member.3=example.com"
        "&Rule.Actions.member.2.SNSAction.TopicArn=arn:aws:sns:us-east-1:111122223333:t"
        "&Rule.Actions.member.1.S3Action.ObjectKeyPrefix=in/"
        "&Rule.Actions.member.1.S3Action.BucketName=b"
        "&Rule.Actions.member.3.AddHeaderAction.HeaderName=X-Test"
        "&Rule.Actions.member.3.AddHeaderAction.HeaderValue=<a>"
        "&Rule.Actions.member.4.LambdaAction.FunctionArn="
        "arn:aws:lambda:us-east-1:111122223333:function:f"
        "&Rule.Actions.member.5.WorkmailAction.OrganizationArn=o"
        "&Rule.Actions.member.6.ConnectAction.InstanceARN=i"
        "&Rule.Actions.member.6.ConnectAction.IAMRoleARN=r"
        "&Rule.Actions.member.7.StopAction.Scope=RuleSet",
        "");
    RUN(DescribeReceiptRule, "RuleSetName=main&RuleName=full",
        "<Rule><Name>full</Name><Enabled>true</Enabled><TlsPolicy>Require</TlsPolicy>"
        "<Recipients><member>.example.com</member><member>example.com</member></Recipients>"
        "<Actions><member><S3Action><BucketName>b</BucketName><ObjectKeyPrefix>in/</"
        "ObjectKeyPrefix>"
        "</S3Action></member><member><SNSAction><Encoding>UTF-8</Encoding>"
        "<TopicArn>arn:aws:sns:us-east-1:111122223333:t</TopicArn></SNSAction></member>"
        "<member><AddHeaderAction><HeaderName>X-Test</HeaderName><HeaderValue>&lt;a&gt;"
        "</HeaderValue></AddHeaderAction></member><member><LambdaAction><FunctionArn>"
        "arn:aws:lambda:us-east-1:111122223333:function:f</FunctionArn></LambdaAction></member>"
        "<member><WorkmailAction><OrganizationArn>o</OrganizationArn></WorkmailAction></member>"
        "<member><ConnectAction><InstanceARN>i</InstanceARN><IAMRoleARN>r</IAMRoleARN>"
        "</ConnectAction></member><member><StopAction><Scope>RuleSet</Scope></StopAction></member>"
        "</Actions><ScanEnabled>true</ScanEnabled></Rule>");
    RUN(UpdateReceiptRule,
        "RuleSetName=main&Rule.Name=full&Rule.Enabled=1&Rule.ScanEnabled=0"
        "&Rule.Actions.member.01.StopAction.Scope=RuleSet",
        "");
    RUN(DescribeReceiptRule, "RuleSetName=main&RuleName=full",
        "<Rule><Name>full</Name><Enabled>true</Enabled><TlsPolicy>Optional</TlsPolicy><Actions>"
        "<member><StopAction><Scope>RuleSet</Scope></StopAction></member></Actions>"
        "<ScanEnabled>false</ScanEnabled></Rule>");
    RUN(UpdateReceiptRule, "RuleSetName=main&Rule.Name=full&Rule.Recipients=&Rule.Actions=", "");
    RUN(DescribeReceiptRule, "RuleSetName=main&RuleName=full",
        "<Rule><Name>full</Name><Enabled>false</Enabled><TlsPolicy>Optional</TlsPolicy>"
        "<Actions></Actions><ScanEnabled>false</ScanEnabled></Rule>");
}

static void the_active_set_is_described_when_there_is_one(void **state)
{
    (void)state;
    RUN(DescribeActiveReceiptRuleSet, "", "");
    RUN(CreateReceiptRuleSet, "RuleSetName=set.with-dots", "");
    RUN(SetActiveReceiptRuleSet, "RuleSetName=set.with-dots", "");
    const char *set = "<Metadata><Name>set.with-dots</Name><CreatedTimestamp>"
                      "2026-03-02T09:15:42.000Z</CreatedTimestamp></Metadata><Rules></Rules>";
    RUN(DescribeActiveReceiptRuleSet, "", set);
    RUN(DeleteReceiptRuleSet, "RuleSetName=set.with-dots",
        "CannotDelete: Cannot delete active rule set: set.with-dots");
    RUN(SetActiveReceiptRuleSet, "RuleSetName=", "");
    RUN(DescribeActiveReceiptRuleSet, "", "");
    RUN(DeleteReceiptRuleSet, "RuleSetName=set.with-dots", "");
    RUN(ListReceiptRuleSets, "", "<RuleSets></RuleSets>");
}

struct shape_case {
    operation_fn *run;
    const char *form, *says;
};

static const struct shape_case shapes[] = {
    { run_ses_CreateReceiptRuleSet,
      "RuleSetName=", "ValidationError: 2 validation errors detected: " EMPTY("ruleSetName") },
    { run_ses_CreateReceiptRuleSet, "RuleSetName=a b",
      ONE_ERROR VIOLATION("ruleSetName", PATTERN) },
    { run_ses_CreateReceiptRuleSet, "", "InvalidParameterValue: RuleSetName is required." },
    { run_ses_CreateReceiptRuleSet, "RuleSetName=-a",
      "InvalidParameterValue: Not a valid ruleSetName: -a" },
    { run_ses_CreateReceiptRuleSet, "RuleSetName=a.",
      "InvalidParameterValue: Not a valid ruleSetName: a." },
    { run_ses_DescribeReceiptRuleSet, "RuleSetName=x",
      "RuleSetDoesNotExist: Rule set does not exist: x" },
    { run_ses_SetActiveReceiptRuleSet, "RuleSetName=a/b",
      ONE_ERROR VIOLATION("ruleSetName", PATTERN) },
    { run_ses_DescribeReceiptRule, "RuleSetName=main",
      "InvalidParameterValue: RuleName is required." },
    { run_ses_DescribeReceiptRule, "RuleSetName=a b&RuleName=",
      "ValidationError: 3 validation errors detected: " VIOLATION("ruleSetName",
                                                                  PATTERN) "; " EMPTY("ruleName") },
    { run_ses_DescribeReceiptRule, "RuleSetName=main&RuleName=x",
      "RuleDoesNotExist: Rule does not exist: x" },
    { run_ses_DeleteReceiptRule, "RuleSetName=main&RuleName=x_",
      "InvalidParameterValue: Not a valid ruleName: x_" },
    { run_ses_ListReceiptRuleSets, "NextToken=invalid",
      "InvalidParameterValue: Invalid token: invalid" },
    { run_ses_CreateReceiptRule, "RuleSetName=main", ONE_ERROR VIOLATION("rule", "not be null") },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Enabled=true",
      ONE_ERROR VIOLATION("rule.name", "not be null") },
    { run_ses_CreateReceiptRule, "RuleSetName=main&After=&Rule.Name=",
      "ValidationError: 4 validation errors detected: " EMPTY("after") "; " EMPTY("rule.name") },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Name=r&Rule.TlsPolicy=Maybe",
      ONE_ERROR VIOLATION("rule.tlsPolicy", "satisfy enum value set: [Optional, Require]") },
    { run_ses_CreateReceiptRule, ACTION("AddHeaderAction.HeaderName=X"),
      ONE_ERROR VIOLATION(FIELD("addHeaderAction.headerValue"), "not be null") },
    { run_ses_CreateReceiptRule, ACTION("BounceAction.StatusCode=5.1.1"),
      "ValidationError: 3 validation errors detected: " VIOLATION(
          FIELD("bounceAction.smtpReplyCode"),
          "not be null") "; " VIOLATION(FIELD("bounceAction.sender"),
                                        "not be null") "; " VIOLATION(FIELD("bounceAction.message"),
                                                                      "not be null") },
    { run_ses_CreateReceiptRule, ACTION("ConnectAction.IAMRoleARN=r"),
      ONE_ERROR VIOLATION(FIELD("connectAction.instanceARN"), "not be null") },
    { run_ses_CreateReceiptRule, ACTION("ConnectAction.InstanceARN=r"),
      ONE_ERROR VIOLATION(FIELD("connectAction.iAMRoleARN"), "not be null") },
    { run_ses_CreateReceiptRule, ACTION("WorkmailAction.TopicArn=t"),
      ONE_ERROR VIOLATION(FIELD("workmailAction.organizationArn"), "not be null") },
    { run_ses_CreateReceiptRule, ACTION("LambdaAction.InvocationType=Later"),
      "ValidationError: 2 validation errors detected: " VIOLATION(
          FIELD("lambdaAction.functionArn"),
          "not be null") "; " VIOLATION(FIELD("lambdaAction.invocationType"),
                                        "satisfy enum value set: [RequestResponse, Event]") },
    { run_ses_CreateReceiptRule, ACTION("SNSAction.Encoding=UTF-16"),
      "ValidationError: 2 validation errors detected: " VIOLATION(
          FIELD("sNSAction.encoding"),
          "satisfy enum value set: [Base64, UTF-8]") "; " VIOLATION(FIELD("sNSAction.topicArn"),
                                                                    "not be null") },
    { run_ses_CreateReceiptRule, ACTION("S3Action.ObjectKeyPrefix=p"),
      ONE_ERROR VIOLATION(FIELD("s3Action.bucketName"), "not be null") },
    { run_ses_CreateReceiptRule, ACTION("StopAction.TopicArn=t"),
      ONE_ERROR VIOLATION(FIELD("stopAction.scope"), "not be null") },
    { run_ses_CreateReceiptRule, ACTION("StopAction.Scope=World"),
      ONE_ERROR VIOLATION(FIELD("stopAction.scope"), "satisfy enum value set: [RuleSet]") },
    { run_ses_CreateReceiptRule,
      ACTION("StopAction.Scope=RuleSet") "&Rule.Actions.member.3.StopAction.Scope=RuleSet",
      ONE_ERROR ONE_ACTION("rule.actions.2.member") },
    { run_ses_CreateReceiptRule,
      ACTION(
          "StopAction.Scope=RuleSet") "&Rule.Actions.member.99999999999.StopAction.Scope=RuleSet",
      ONE_ERROR ONE_ACTION("rule.actions") },
    { run_ses_CreateReceiptRule,
      ACTION("StopAction.Scope=RuleSet") "&Rule.Actions.member.1.S3Action.BucketName=b",
      ONE_ERROR ONE_ACTION("rule.actions.1.member") },
    { run_ses_CreateReceiptRule,
      "RuleSetName=main&Rule.Name=r&Rule.Actions.member.01.StopAction.Scope=RuleSet"
      "&Rule.Actions.member.2.StopAction.Scope=RuleSet",
      ONE_ERROR ONE_ACTION("rule.actions") },
    { run_ses_CreateReceiptRule, ACTION("PrintAction.Printer=p"),
      ONE_ERROR ONE_ACTION("rule.actions.1.member") },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Name=r&Rule.Recipients.member.2=a",
      ONE_ERROR VIOLATION("rule.recipients.1.member", "not be null") },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.0=a"), ZERO },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.01=a"),
      "MalformedInput: Value found where not expected" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.x=a"),
      "MalformedInput: Start of list found where not expected" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.=a"),
      "MalformedInput: Start of list found where not expected" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.12=a"),
      "MalformedInput: Excessively sparse input would skip 11 list elements" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.1=a&Rule.Recipients.member.1500=b"),
      "MalformedInput: Excessively sparse input would skip 1,499 list elements" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.214748369=a"),
      "MalformedInput: Excessively sparse input would skip 214,748,368 list elements" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.214748370=a"),
      "MalformedInput: Index 214748370 is illegal" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.1.Mailbox=a&Rule.Recipients.member.1=b"),
      UNNUMBERED("rule.recipients") },
    { run_ses_CreateReceiptRule, RECIPIENTS(".1=a"), UNNUMBERED("rule.recipients") },
    { run_ses_CreateReceiptRule, RECIPIENTS("=a"), UNNUMBERED("rule.recipients") },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.99999999999999999999999=a"),
      "MalformedInput: Index 99999999999999999999999 is illegal" },
    { run_ses_CreateReceiptRule, ACTION("StopAction.Scope=RuleSet")
      "&Rule.Actions.member.0.StopAction.Scope=RuleSet", ZERO },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Name=r&Rule.Enabled=bogus", BOOLEAN },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Name=r&Rule.ScanEnabled=TRUE", BOOLEAN },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Name=r&Rule.ScanEnabled=",
      "MalformedInput: missing value for boolean type" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.1=not valid"),
      "InvalidParameterValue: Invalid recipient: not valid" },
    { run_ses_CreateReceiptRule, RECIPIENTS(".member.1=a&Rule.Recipients.member.2="),
      "InvalidParameterValue: Invalid recipient: " },
    { run_ses_CreateReceiptRule, ACTION("AddHeaderAction.HeaderName=X&Rule.Actions.member.1."
                                        "AddHeaderAction.HeaderValue=a\nb"),
      "InvalidParameterValue: Invalid header value: a0x000ab" },
    { run_ses_ReorderReceiptRuleSet, "RuleSetName=main&RuleNames.member.0=a", ZERO },
    { run_ses_ReorderReceiptRuleSet, "RuleSetName=main&RuleNames.member.1=a&RuleNames.member.3=b",
      ONE_ERROR VIOLATION("ruleNames", ORDER_NAMES) },
    { run_ses_ReorderReceiptRuleSet, "RuleSetName=main&RuleNames.member.1=a b",
      ONE_ERROR VIOLATION("ruleNames", ORDER_NAMES) },
    { run_ses_CreateReceiptRule,
      "RuleSetName=main&Rule.Name=r&Rule.Actions.1.StopAction.Scope=RuleSet",
      UNNUMBERED("rule.actions") },
    { run_ses_CreateReceiptRule, "RuleSetName=main&Rule.Name=r&Rule.Shape=round",
      "NotImplemented: The member Shape of a receipt rule is not implemented" },
    { run_ses_CreateReceiptRule,
      ACTION("S3Action.BucketName=b&Rule.Actions.member.1.S3Action.Tag=t"),
      "NotImplemented: The member S3Action.Tag of a receipt rule is not implemented" },
    { run_ses_CreateReceiptRule,
      ACTION("StopAction.Scope=RuleSet") "&Rule.Actions.member.2.AddHeaderAction.HeaderName=X"
                                         "&Rule.Actions.member.2.AddHeaderAction.HeaderValue=v",
      "InvalidParameterValue: Stop action, if any, must be placed at the end of the actions list" },
    { run_ses_CreateReceiptRule, "Rule.Name=r", "InvalidParameterValue: RuleSetName is required." },
    { run_ses_CreateReceiptRule, "RuleSetName=x&Rule.Name=-r",
      "InvalidParameterValue: Not a valid ruleName: -r" },
    { run_ses_CreateReceiptRule, "RuleSetName=x&Rule.Name=r",
      "RuleSetDoesNotExist: Rule set does not exist: x" },
    { run_ses_VerifyDomainIdentity, "", ONE_ERROR VIOLATION("domain", "not be null") },
    { run_ses_SendBounce, "",
      "ValidationError: 3 validation errors detected: " VIOLATION("originalMessageId", "not be null")
      "; " VIOLATION("bounceSender", "not be null")
      "; " VIOLATION("bouncedRecipientInfoList", "not be null") },
    { run_ses_SendBounce, BOUNCED(""),
      "InvalidParameterValue: A bounce type or DSN fields are required for a@b.test" },
    { run_ses_SendBounce, BOUNCED("BounceType=Gone"), ONE_ERROR BOUNCE_TYPE(1) },
    { run_ses_SendBounce, BOUNCED("RecipientDsnFields.Action=lost"),
      "ValidationError: 2 validation errors detected: " DSN_ACTION "; " DSN_STATUS },
    { run_ses_SendBounce, BOUNCED("RecipientDsnFields.Status=5.0.0&RecipientDsnFields=x"
                                  "&BouncedRecipientInfoList.member.1.RecipientDsnFields.Action="
                                  "failed delayed"),
      ONE_ERROR DSN_ACTION },
    { run_ses_SendBounce, BOUNCED("RecipientDsnFields.Action=failed"), ONE_ERROR DSN_STATUS },
    { run_ses_SendBounce,
      BOUNCED("RecipientDsnFields.Action=failed&BouncedRecipientInfoList.member.1."
              "RecipientDsnFields.Status="),
      "InvalidParameterValue: A DSN status is required for a@b.test" },
    { run_ses_SendBounce,
      BOUNCED("BounceType=Undefined&BouncedRecipientInfoList.member.3.BounceType=Gone"),
      "ValidationError: 3 validation errors detected: " VIOLATION(
          "bouncedRecipientInfoList.2.member.recipient",
          "not be null") "; " VIOLATION("bouncedRecipientInfoList.3.member.recipient",
                                        "not be null") "; " BOUNCE_TYPE(3) },
    { run_ses_SendBounce,
      BOUNCED("BounceType=DoesNotExist&MessageDsn.ExtensionFields.member.1.Name=a b"
              "&MessageDsn.ExtensionFields.member.1.Value=v"),
      "InvalidParameterValue: Invalid header name: a b" },
    { run_ses_SendBounce,
      BOUNCED("BounceType=DoesNotExist&MessageDsn.ArrivalDate=yesterday"),
      "InvalidParameterValue: Not a timestamp: yesterday" },
};

static void requests_of_a_wrong_shape_are_told_all_that_is_wrong_at_once(void **state)
{
    (void)state;
    RUN(CreateReceiptRuleSet, "RuleSetName=main", "");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const char *says = run(shapes[i].run, shapes[i].form);
        if (strcmp(says, shapes[i].says) != 0)
            fail_msg("%s\n  answers %s\n  not     %s", shapes[i].form, says, shapes[i].says);
    }
    RUN(DescribeReceiptRuleSet, "RuleSetName=main",
        "<Metadata><Name>main</Name><CreatedTimestamp>2026-03-02T09:15:42.000Z</CreatedTimestamp>"
        "</Metadata><Rules></Rules>");
}

static void rule_sets_are_listed_a_hundred_at_a_time_by_name(void **state)
{
    (void)state;
    for (int i = 104; i >= 0; i--) {
        str name = arena_strf(stage->arena, "s%03d", i);
        str key =
            arena_strf(stage->arena, "rule-set/111122223333/us-east-1/" STR_FMT, STR_ARG(name));
        stage_put(stage, key.ptr,
                  arena_strf(stage->arena,
                             "{\"Name\":\"" STR_FMT "\",\"Account\":\"111122223333\",\"Region\":"
                             "\"us-east-1\",\"CreatedMs\":0,\"Rules\":[]}",
                             STR_ARG(name)));
    }
    const char *page = run(run_ses_ListReceiptRuleSets, "");
    assert_non_null(strstr(page, "<member><Name>s000</Name><CreatedTimestamp>1970-01-01T00:00:00"
                                 ".000Z</CreatedTimestamp></member><member><Name>s001</Name>"));
    assert_non_null(strstr(page, "s099"));
    assert_null(strstr(page, "s100"));
    assert_non_null(strstr(page, "<NextToken>czA5OQ==</NextToken>"));
    page = run(run_ses_ListReceiptRuleSets, "NextToken=czA5OQ==");
    assert_null(strstr(page, "s099"));
    assert_non_null(strstr(page, "s104"));
    assert_null(strstr(page, "NextToken"));
}

static void a_domain_answers_its_token(void **state)
{
    (void)state;
    const char *first = run(run_ses_VerifyDomainIdentity, "Domain=example.com");
    assert_int_equal(strlen(first), strlen("<VerificationToken></VerificationToken>") + 44);
    assert_string_equal(run(run_ses_VerifyDomainIdentity, "Domain=EXAMPLE.com"), first);
}

static void who_did_not_sign_may_nothing(void **state)
{
    (void)state;
    struct caller nobody = { .kind = CALLER_ANONYMOUS };
    static operation_fn *const all[] = {
        run_ses_CreateReceiptRuleSet,
        run_ses_DeleteReceiptRuleSet,
        run_ses_DescribeReceiptRuleSet,
        run_ses_ListReceiptRuleSets,
        run_ses_SetActiveReceiptRuleSet,
        run_ses_DescribeActiveReceiptRuleSet,
        run_ses_CreateReceiptRule,
        run_ses_UpdateReceiptRule,
        run_ses_DeleteReceiptRule,
        run_ses_DescribeReceiptRule,
        run_ses_VerifyDomainIdentity,
        run_ses_SendBounce,
        run_iam_CreateRole,
        run_iam_GetRole,
        run_iam_PutRolePolicy,
        run_iam_DeleteRole,
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *says = run_as(&nobody, all[i], "RuleSetName=main&RoleName=r");
        assert_int_equal(strncmp(says, "AccessDenied: ", 14), 0);
    }
}

#define TRUST                                                                                      \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":" \
    "\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"
#define TRUST_ENCODED                                                                              \
    "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C"  \
    "%22Principal%22%3A%7B%22Service%22%3A%22ses.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3A"   \
    "AssumeRole%22%7D%5D%7D"

static void a_role_is_shown_with_its_documents_percent_encoded(void **state)
{
    (void)state;
    const char *made = run(run_iam_CreateRole, "RoleName=writer&AssumeRolePolicyDocument=" TRUST);
    assert_non_null(strstr(made, "<Role><Path>/</Path><RoleName>writer</RoleName><RoleId>AROA"));
    assert_non_null(strstr(made,
                           "<Arn>arn:aws:iam::111122223333:role/writer</Arn>"
                           "<CreateDate>2026-03-02T09:15:42Z</CreateDate>"
                           "<AssumeRolePolicyDocument>" TRUST_ENCODED "</AssumeRolePolicyDocument>"
                           "<MaxSessionDuration>3600</MaxSessionDuration></Role>"));
    assert_string_equal(run(run_iam_GetRole, "RoleName=writer"), made);
    assert_string_equal(
        run(run_iam_PutRolePolicy,
            "RoleName=writer&PolicyName=p&PolicyDocument={\"Version\":\"2012-10-17\",\"Statement\":"
            "{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\"}}"),
        "");
    assert_string_equal(run(run_iam_GetRolePolicy, "RoleName=writer&PolicyName=p"),
                        "<RoleName>writer</RoleName><PolicyName>p</PolicyName><PolicyDocument>"
                        "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22"
                        "%3A%22Allow%22%2C%22Action%22%3A%22s3%3APutObject%22%2C%22Resource%22%3A"
                        "%22%2A%22%7D%7D</PolicyDocument>");
    assert_string_equal(run(run_iam_ListRolePolicies, "RoleName=writer"),
                        "<PolicyNames><member>p</member></PolicyNames>"
                        "<IsTruncated>false</IsTruncated>");
    assert_string_equal(run(run_iam_DeleteRolePolicy, "RoleName=writer&PolicyName=p"), "");
    assert_string_equal(run(run_iam_DeleteRole, "RoleName=writer"), "");
    assert_string_equal(run(run_iam_GetRole, "RoleName=writer"),
                        "NoSuchEntity: The role with name writer cannot be found.");
    assert_string_equal(
        run(run_iam_CreateRole,
            "RoleName=writer&PermissionsBoundary=p&AssumeRolePolicyDocument=" TRUST),
        "NoSuchEntity: Scope ARN: p does not exist or is not attachable.");
}

static void sts_says_who_one_is(void **state)
{
    (void)state;
    assert_string_equal(run(run_sts_GetCallerIdentity, ""),
                        "<Arn>arn:aws:iam::111122223333:root</Arn><UserId>111122223333</UserId>"
                        "<Account>111122223333</Account>");
    struct caller session = { .kind = CALLER_ASSUMED_ROLE,
                              .account = STR("111122223333"),
                              .user_id = STR("AROAX:s") };
    assert_true(
        arn_parse(STR("arn:aws:iam::111122223333:role/writer"), &session.assumed_role.role));
    assert_true(arn_parse(STR("arn:aws:sts::111122223333:assumed-role/writer/s"),
                          &session.assumed_role.session));
    const char *says = run_as(&session, run_sts_GetCallerIdentity, "");
    assert_non_null(strstr(says, "<Arn>arn:aws:sts::111122223333:assumed-role/writer/s</Arn>"));
    assert_non_null(strstr(says, "<UserId>AROAX:s</UserId><Account>111122223333</Account>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
        T(a_rule_comes_back_as_it_was_made_with_its_defaults),
        T(the_active_set_is_described_when_there_is_one),
        T(requests_of_a_wrong_shape_are_told_all_that_is_wrong_at_once),
        T(rule_sets_are_listed_a_hundred_at_a_time_by_name),
        T(a_domain_answers_its_token),
        T(who_did_not_sign_may_nothing),
        T(a_role_is_shown_with_its_documents_percent_encoded),
        T(sts_says_who_one_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

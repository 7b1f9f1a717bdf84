/* Lambda's AddPermission: parameters in, a statement or Lambda's own refusal out. */
#include "policy/document.h"
#include "policy/permission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define FUNCTION "arn:aws:lambda:us-east-1:111122223333:function:mail"
#define RULE     "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/rs:receipt-rule/r"

#define BY(sid, action_, principal_, ...)                                                          \
    { .statement_id = STR_INIT(sid), .action = STR_INIT(action_),                                  \
      .principal = STR_INIT(principal_), __VA_ARGS__ }
#define CALL(...) BY("s", "lambda:InvokeFunction", "ses.amazonaws.com", __VA_ARGS__)

static const struct statement_case {
    const char *says;
    struct permission call;
    const char *statement; /* behind {"Sid":"s","Effect":"Allow", */
} statements[] = {
    { "the call of the page", CALL(.source_account = STR_INIT("111122223333"),
                                   .source_arn = STR_INIT(RULE)),
      "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\","
      "\"Resource\":\"" FUNCTION "\",\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":"
      "\"111122223333\"},\"ArnLike\":{\"AWS:SourceArn\":\"" RULE "\"}}}" },
    { "nothing is conditioned when nothing is said", CALL(),
      "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\","
      "\"Resource\":\"" FUNCTION "\"}" },
    { "an alias", CALL(.qualifier = STR_INIT("live")),
      "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\","
      "\"Resource\":\"" FUNCTION ":live\"}" },
    { "an account is its root", BY("s", "lambda:InvokeFunction", "444455556666", ),
      "\"Principal\":{\"AWS\":\"arn:aws:iam::444455556666:root\"},\"Action\":"
      "\"lambda:InvokeFunction\",\"Resource\":\"" FUNCTION "\"}" },
    { "a role", BY("s", "lambda:InvokeFunction", "arn:aws:iam::444455556666:role/r", ),
      "\"Principal\":{\"AWS\":\"arn:aws:iam::444455556666:role/r\"},\"Action\":"
      "\"lambda:InvokeFunction\",\"Resource\":\"" FUNCTION "\"}" },
    { "everyone of an organization", BY("s", "lambda:InvokeFunction", "*", .principal_org_id = STR_INIT("o-1234567890")),
      "\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"" FUNCTION
      "\",\"Condition\":{\"StringEquals\":{\"aws:PrincipalOrgID\":\"o-1234567890\"}}}" },
};

static void a_call_becomes_a_statement_that_can_be_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        AUTO_ARENA *a = arena_new(1 << 18);
        const struct permission_home home = { .function_arn = STR(FUNCTION) };
        str got;
        assert_null(permission_statement(&statements[i].call, &home, a, &got));
        str want = arena_strf(a, "{\"Sid\":\"s\",\"Effect\":\"Allow\",%s", statements[i].statement);
        if (!str_eq(got, want))
            fail_msg("%s: " STR_FMT, statements[i].says, STR_ARG(got));
        struct document document;
        assert_null(policy_parse(arena_strf(a, "{\"Version\":\"2012-10-17\",\"Statement\":[" STR_FMT
                                            "]}", STR_ARG(got)), a, &document));
    }
}

static const struct refusal_case {
    const char *says;
    struct permission call;
    const char *code, *begins;
} refusals[] = {
    { "the statement's name is needed",
      { .action = STR_INIT("lambda:InvokeFunction"), .principal = STR_INIT("*") },
      "ValidationException", "1 validation error detected: Value null at 'statementId'" },
    { "and has no blanks", BY("a b", "lambda:InvokeFunction", "*", ), "ValidationException",
      "1 validation error detected: Value 'a b' at 'statementId' failed to satisfy constraint: "
      "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)" },
    { "actions are Lambda's", BY("s", "s3:PutObject", "*", ), "ValidationException",
      "1 validation error detected: Value 's3:PutObject' at 'action'" },
    { "accounts have twelve digits", CALL(.source_account = STR_INIT("1")), "ValidationException",
      "1 validation error detected: Value '1' at 'sourceAccount'" },
    { "$LATEST has no policy", CALL(.qualifier = STR_INIT("$LATEST")),
      "InvalidParameterValueException", "We currently do not support adding policies for $LATEST." },
    { "nobody by that name", BY("s", "lambda:InvokeFunction", "somebody", ),
      "InvalidParameterValueException", "The provided principal was invalid." },
    { "the name is taken", BY("taken", "lambda:InvokeFunction", "*", ), "ResourceConflictException",
      "The statement id (taken) provided already exists." },
    { "the policy has moved on", CALL(.revision_id = STR_INIT("old")),
      "PreconditionFailedException", "The Revision Id provided does not match" },
    { "the policy is full", CALL(.source_arn = STR_INIT(RULE)), "PolicyLengthExceededException",
      "The final policy size (" },
};

static void a_call_is_refused_in_lambdas_words(void **state)
{
    (void)state;
    static const str taken[] = { STR_INIT("taken") };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        AUTO_ARENA *a = arena_new(1 << 18);
        const bool full = str_eq(str_of(refusals[i].code), STR("PolicyLengthExceededException"));
        const struct permission_home home = { .function_arn = STR(FUNCTION),
                                              .sids = taken,
                                              .sid_count = 1,
                                              .policy_size = full ? FUNCTION_POLICY_MAX - 8 : 100,
                                              .revision_id = STR("new") };
        str statement;
        const struct fault *f = permission_statement(&refusals[i].call, &home, a, &statement);
        if (!f || !f->code || !str_eq(str_of(f->code), str_of(refusals[i].code)) ||
            !str_starts(f->says, str_of(refusals[i].begins)))
            fail_msg("%s: " STR_FMT, refusals[i].says, STR_ARG(f ? f->says : STR("taken")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_becomes_a_statement_that_can_be_read),
        cmocka_unit_test(a_call_is_refused_in_lambdas_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which policies have a say for whom: services, roles, root users, strangers. */
#include "services/authorize.h"
#include "services/iam/role.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACCOUNT "111122223333"
#define RULE    "arn:aws:ses:us-east-1:" ACCOUNT ":receipt-rule-set/main:receipt-rule/store"

/* The bucket policy of the SES page "Giving permissions to Amazon SES for email receiving". */
#define SES_PUTS                                                                                   \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"AllowSESPuts\",\"Effect\":\"Allow\","   \
    "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\","               \
    "\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringEquals\":{"                       \
    "\"AWS:SourceAccount\":\"" ACCOUNT "\",\"AWS:SourceArn\":\"" RULE "\"}}}]}"
#define ROLE_PUTS(account)                                                                         \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":"      \
    "\"arn:aws:iam::" account ":role/writer\"},\"Action\":\"s3:PutObject\","                       \
    "\"Resource\":\"arn:aws:s3:::mail/*\"}}"
#define MAY_PUT                                                                                    \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\"," \
    "\"Resource\":\"arn:aws:s3:::mail/*\"}}"
#define MUST_NOT_PUT                                                                               \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Sid\":\"Never\",\"Effect\":\"Deny\","            \
    "\"Action\":\"s3:*\",\"Resource\":\"*\"}}"
#define TRUST_SES                                                                                  \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","                             \
    "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}}"

static const struct document *policy(struct stage *stage, const char *json)
{
    struct document *document = ARENA_NEW(stage->arena, struct document);
    assert_null(policy_parse(str_of(json), stage->arena, document));
    return document;
}

static const struct fault *put_object(const struct call *call, const char *owner,
                                      const struct document *bucket_policy)
{
    return authorize(call, &(struct ask) {
                               .action = STR("s3:PutObject"),
                               .resource = STR("arn:aws:s3:::mail/in/7f3a"),
                               .resource_account = str_of(owner),
                               .resource_policy = bucket_policy,
                               .resource_kind = EXHIBIT_RESOURCE,
                               .resource_policy_name = STR("bucket policy of mail"),
                           });
}

static void denied(const struct fault *why)
{
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_DENIED);
    assert_string_equal(why->code, "AccessDenied");
    assert_non_null(denial_of(why));
}

static struct caller ses(const char *account, const char *rule_arn)
{
    struct arn arn;
    assert_true(arn_parse(str_of(rule_arn), &arn));
    return caller_ses(str_of(account), arn);
}

static void a_service_may_what_the_resource_policy_gives_it_and_nothing_else(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    const struct document *page = policy(&stage, SES_PUTS);
    struct caller right = ses(ACCOUNT, RULE);
    struct call call = stage_call_as(&stage, &right);
    assert_null(put_object(&call, ACCOUNT, page));
    denied(put_object(&call, ACCOUNT, NULL)); /* its own account is no reason */

    struct caller other_rule =
        ses(ACCOUNT, "arn:aws:ses:us-east-1:" ACCOUNT ":receipt-rule-set/main:receipt-rule/other");
    call = stage_call_as(&stage, &other_rule);
    const struct fault *why = put_object(&call, ACCOUNT, page);
    denied(why);
    const struct decision *decision = &denial_of(why)->decision;
    assert_int_equal(decision->verdict, VERDICT_IMPLICIT_DENY);
    assert_int_equal(decision->lacks[0].kind, LACK_CONDITION);
    assert_true(str_eq(decision->lacks[0].statement->sid, STR("AllowSESPuts")));
    assert_true(str_eq(decision->lacks[0].condition->key, STR("AWS:SourceArn")));
    assert_true(str_eq(decision->lacks[0].exhibit->name, STR("bucket policy of mail")));
    stage_end(&stage);
}

static struct caller session(struct stage *stage, const char *account)
{
    struct caller made = { .kind = CALLER_ASSUMED_ROLE, .account = str_of(account) };
    str role = arena_strf(stage->arena, "arn:aws:iam::%s:role/writer", account);
    str name = arena_strf(stage->arena, "arn:aws:sts::%s:assumed-role/writer/s", account);
    assert_true(arn_parse(role, &made.assumed_role.role));
    assert_true(arn_parse(name, &made.assumed_role.session));
    return made;
}

static void make_role(struct stage *stage, const char *account)
{
    struct caller root = caller_root(str_of(account));
    struct call call = stage_call_as(stage, &root);
    struct role_draft draft = { .name = STR("writer"), .trust = STR(TRUST_SES) };
    assert_null(role_create(stage->state, &call, stage->outside.entropy, &draft, NULL));
}

static void put_policy(struct stage *stage, const char *account, const char *name, const char *text)
{
    struct caller root = caller_root(str_of(account));
    struct call call = stage_call_as(stage, &root);
    assert_null(role_put_policy(stage->state, &call, STR("writer"), str_of(name), str_of(text)));
}

static void a_denial_still_knows_the_caller_when_whoever_asked_has_returned(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct caller passing = ses(ACCOUNT, RULE);
    struct call call = stage_call_as(&stage, &passing);
    const struct fault *why = put_object(&call, ACCOUNT, NULL);
    denied(why);
    memset(&passing, 0xA5, sizeof passing);
    const struct caller *caller = denial_of(why)->request.caller;
    assert_int_equal(caller->kind, CALLER_SERVICE);
    assert_true(str_eq(caller->service.principal, STR("ses.amazonaws.com")));
    stage_end(&stage);
}

static void an_assumed_role_may_what_all_its_inline_policies_give_it_together(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    make_role(&stage, ACCOUNT);
    struct caller writer = session(&stage, ACCOUNT);
    struct call call = stage_call_as(&stage, &writer);
    const struct fault *why = put_object(&call, ACCOUNT, NULL);
    denied(why);
    assert_int_equal(denial_of(why)->decision.lacks[0].kind, LACK_POLICY);

    put_policy(&stage, ACCOUNT, "may", MAY_PUT);
    call = stage_call_as(&stage, &writer);
    assert_null(put_object(&call, ACCOUNT, NULL));
    /* The grants of SES are not the role's: the source keys are gone. */
    assert_null(put_object(&call, ACCOUNT, policy(&stage, SES_PUTS)));

    put_policy(&stage, ACCOUNT, "must-not", MUST_NOT_PUT);
    call = stage_call_as(&stage, &writer);
    why = put_object(&call, ACCOUNT, NULL);
    denied(why);
    assert_int_equal(denial_of(why)->decision.verdict, VERDICT_EXPLICIT_DENY);
    assert_true(str_eq(denial_of(why)->decision.statement->sid, STR("Never")));
    assert_true(str_eq(denial_of(why)->decision.exhibit->name,
                       STR("inline policy must-not of role writer")));
    stage_end(&stage);
}

static void another_account_must_be_let_in_by_both_sides(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    make_role(&stage, "444455556666");
    const struct document *names_it = policy(&stage, ROLE_PUTS("444455556666"));
    struct caller writer = session(&stage, "444455556666");
    struct call call = stage_call_as(&stage, &writer);
    denied(put_object(&call, ACCOUNT, names_it)); /* its own account gives it nothing */

    put_policy(&stage, "444455556666", "may", MAY_PUT);
    call = stage_call_as(&stage, &writer);
    assert_null(put_object(&call, ACCOUNT, names_it));
    denied(put_object(&call, ACCOUNT, NULL));
    denied(put_object(&call, ACCOUNT, policy(&stage, ROLE_PUTS("777788889999"))));
    stage_end(&stage);
}

static void a_session_outlives_its_role_without_any_right(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    make_role(&stage, ACCOUNT);
    put_policy(&stage, ACCOUNT, "may", MAY_PUT);
    struct caller writer = session(&stage, ACCOUNT);
    stage_remove(&stage, "role/" ACCOUNT "/writer");
    struct call call = stage_call_as(&stage, &writer);
    denied(put_object(&call, ACCOUNT, NULL));
    stage_end(&stage);
}

static void a_root_user_may_everything_in_its_account_and_nothing_in_another(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct call call = stage_call(&stage);
    assert_null(put_object(&call, ACCOUNT, NULL));
    denied(put_object(&call, "444455556666", NULL));
    denied(put_object(&call, ACCOUNT,
                      policy(&stage, "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":"
                                     "\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\","
                                     "\"Resource\":\"arn:aws:s3:::mail/*\"}}")));
    assert_null(authorize(&call, &(struct ask) { .action = STR("ses:CreateReceiptRuleSet"),
                                                 .resource = STR("*"),
                                                 .resource_account = STR(ACCOUNT) }));
    stage_end(&stage);
}

static void who_did_not_sign_may_what_anyone_may(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct caller nobody = { .kind = CALLER_ANONYMOUS };
    struct call call = stage_call_as(&stage, &nobody);
    denied(put_object(&call, ACCOUNT, NULL));
    assert_null(put_object(&call, ACCOUNT,
                           policy(&stage, "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":"
                                          "\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
                                          "\"Resource\":\"arn:aws:s3:::mail/*\"}}")));
    denied(authorize(
        &call, &(struct ask) { .action = STR("ses:ListReceiptRuleSets"), .resource = STR("*") }));
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_may_what_the_resource_policy_gives_it_and_nothing_else),
        cmocka_unit_test(a_denial_still_knows_the_caller_when_whoever_asked_has_returned),
        cmocka_unit_test(an_assumed_role_may_what_all_its_inline_policies_give_it_together),
        cmocka_unit_test(another_account_must_be_let_in_by_both_sides),
        cmocka_unit_test(a_session_outlives_its_role_without_any_right),
        cmocka_unit_test(a_root_user_may_everything_in_its_account_and_nothing_in_another),
        cmocka_unit_test(who_did_not_sign_may_what_anyone_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

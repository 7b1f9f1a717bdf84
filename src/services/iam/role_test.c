/* Roles as IAM keeps them: what is taken, what is refused, and in which words. */
#include "services/iam/role.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define TRUST                                                                                      \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":" \
    "\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"
#define MAY                                                                                        \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\"," \
    "\"Resource\":\"arn:aws:s3:::b/*\"}}"

static void a_role_lives_from_create_to_delete(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct call call = stage_call(&stage);
    const struct role *role;
    struct role_draft draft = { .name = STR("r"),
                                .path = STR("/service-role/"),
                                .trust = STR(TRUST),
                                .description = STR("writes mail") };
    assert_null(role_create(stage.state, &call, stage.outside.entropy, &draft, &role));
    assert_true(str_eq(role->holder.arn.text, STR("arn:aws:iam::111122223333:role/service-role/r")));
    assert_true(str_starts(role->holder.id, STR("AROA")));
    assert_int_equal(role->holder.id.len, 21);
    assert_int_equal(role->max_session, 3600);
    assert_string_equal(
        stage_says(&stage, role_create(stage.state, &call, stage.outside.entropy, &draft, NULL)),
        "EntityAlreadyExists: Role with name r already exists.");

    assert_null(role_put_policy(stage.state, &call, STR("r"), STR("z"), STR(MAY)));
    assert_null(role_put_policy(stage.state, &call, STR("r"), STR("a"), STR(MAY)));
    assert_null(role_put_policy(stage.state, &call, STR("r"), STR("z"), STR(MAY " ")));
    call = stage_call(&stage);
    role = role_find(call.world, STR("111122223333"), STR("r"));
    assert_int_equal(role->holder.policy_count, 2);
    assert_true(str_eq(role->holder.policies[0].name, STR("a")));
    assert_true(str_eq(role->holder.policies[1].text, STR(MAY " ")));
    assert_true(str_eq(role->description, STR("writes mail")));
    assert_ptr_equal(role_find_arn(call.world, role->holder.arn.text), role);
    assert_null(role_find_arn(call.world, STR("arn:aws:iam::111122223333:role/r")));
    assert_null(role_find(call.world, STR("444455556666"), STR("r")));

    assert_null(role_update_trust(stage.state, &call, STR("r"), STR(TRUST "\n")));
    assert_string_equal(stage_says(&stage, role_delete(stage.state, &call, STR("r"))),
                        "DeleteConflict: Cannot delete entity, must delete policies first.");
    assert_string_equal(
        stage_says(&stage, role_delete_policy(stage.state, &call, STR("r"), STR("q"))),
        "NoSuchEntity: The role policy with name q cannot be found.");
    assert_null(role_delete_policy(stage.state, &call, STR("r"), STR("a")));
    assert_null(role_delete_policy(stage.state, &call, STR("r"), STR("z")));
    call = stage_call(&stage);
    assert_true(
        str_eq(role_find(call.world, STR("111122223333"), STR("r"))->trust_text, STR(TRUST "\n")));
    assert_null(role_delete(stage.state, &call, STR("r")));
    assert_string_equal(stage_says(&stage, role_delete(stage.state, &call, STR("r"))),
                        "NoSuchEntity: The role with name r cannot be found.");
    stage_end(&stage);
}

struct document_case {
    const char *document, *says; /* says NULL: taken */
};

#define ONE(rest) "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\"" rest "}}"
#define RES       ",\"Resource\":\"arn:aws:s3:::b\""
#define ACT       ",\"Action\":\"s3:ListBucket\""
#define MALFORMED "MalformedPolicyDocument: "

static const struct document_case identity[] = {
    { MAY, NULL },
    { ONE(",\"NotAction\":\"s3:ListBucket\",\"NotResource\":\"*\""), NULL },
    { ONE(",\"Action\":[\"s3:Get*\",\"*\"],\"Resource\":[\"*\",\"arn:aws:kms:us-east-1::1:key/"
          "k\"]"),
      NULL },
    { "{nope", MALFORMED "Syntax errors in policy." },
    { "\"text\"", MALFORMED "Syntax errors in policy." },
    { "{\"Version\":\"2012-10-17\"}", MALFORMED "Syntax errors in policy." },
    { "{\"Version\":\"2012-10-17\",\"Statement\":[]}", MALFORMED "Syntax errors in policy." },
    { ONE(",\"Effect\":\"Allow\"" ACT RES), MALFORMED "Syntax errors in policy." },
    { ONE(ACT RES ",\"Extra\":1"), MALFORMED "Syntax errors in policy." },
    { ONE(ACT RES ",\"NotResource\":\"*\""), MALFORMED "Syntax errors in policy." },
    { ONE(ACT RES ",\"Condition\":{\"x\":{\"a\":\"1\"}}"), MALFORMED "Syntax errors in policy." },
    { ONE(ACT RES ",\"Condition\":\"a\""), MALFORMED "Syntax errors in policy." },
    { "{\"Version\":\"2008-10-17\",\"Statement\":{\"Effect\":\"Allow\"" ACT RES "}}",
      MALFORMED "Policy document must be version 2012-10-17 or greater." },
    { "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"allow\"" ACT RES "}}",
      MALFORMED "The policy failed legacy parsing" },
    { ONE(ACT ",\"Resource\":\"arn:aws:s3::b\""), MALFORMED "The policy failed legacy parsing" },
    { "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"a\",\"Effect\":\"Allow\"" ACT RES
      "},{\"Sid\":\"a\",\"Effect\":\"Allow\"" ACT RES "}]}",
      MALFORMED "Statement IDs (SID) in a single policy must be unique." },
    { "\xe2\x82\xac", "ValidationError: The specified value for policyDocument is invalid. It must "
                      "contain only printable ASCII characters." },
    { ONE(RES), MALFORMED "Policy statement must contain actions." },
    { ONE(ACT), MALFORMED "Policy statement must contain resources." },
    { ONE(ACT ",\"Resource\":\"b\""), MALFORMED "Resource b must be in ARN format or \"*\"." },
    { ONE(ACT ",\"Resource\":\"aws:s3:::b\""),
      MALFORMED "Partition \"s3\" is not valid for resource \"arn:s3:::b:*\"." },
    { ONE(ACT ",\"Resource\":\"arn:aws\""),
      MALFORMED "Resource vendor must be fully qualified and cannot contain regexes." },
    { ONE(ACT ",\"Resource\":\"arn:aws:s3:us-east-1::b\""),
      MALFORMED "Resource arn:aws:s3:us-east-1::b can not contain region information." },
    { ONE(",\"Action\":\"List\"" RES),
      MALFORMED "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc." },
    { ONE(",\"Action\":\"s3:a:b\"" RES),
      MALFORMED "Actions/Condition can contain only one colon." },
    { ONE(ACT RES ",\"Principal\":\"*\""),
      MALFORMED "Policy document should not specify a principal." },
};

#define SES    ",\"Principal\":{\"Service\":\"ses.amazonaws.com\"}"
#define ASSUME ",\"Action\":\"sts:AssumeRole\""
static const struct document_case trust[] = {
    { TRUST, NULL },
    { ONE(SES ",\"Action\":[\"sts:AssumeRole\",\"sts:TagSession\"]"), NULL },
    { "{nope", MALFORMED "This policy contains invalid Json" },
    { "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
      MALFORMED "Could not parse the policy: Statement is empty!" },
    { ONE(ASSUME), MALFORMED "Missing required field Principal" },
    { ONE(ASSUME ",\"Principal\":{}"),
      MALFORMED "Missing required field Principal cannot be empty!" },
    { ONE(SES ",\"Action\":\"*\""),
      MALFORMED "AssumeRole policy may only specify STS AssumeRole actions." },
    { ONE(SES ",\"Action\":\"s3:PutObject\""),
      MALFORMED "AssumeRole policy may only specify STS AssumeRole actions." },
    { ONE(SES ASSUME RES), MALFORMED "Has prohibited field Resource" },
    { ONE(SES ASSUME ",\"NotResource\":\"*\""),
      MALFORMED "AssumeRole policy must not contain resources." },
    { ONE(ASSUME ",\"NotPrincipal\":{\"AWS\":\"*\"}"),
      MALFORMED "Allow with NotPrincipal is not allowed." },
    { ONE(SES ASSUME ",\"Extra\":1"), MALFORMED "Syntax errors in policy." },
};

static void documents_are_judged_in_iams_words(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct call call = stage_call(&stage);
    struct role_draft draft = { .name = STR("r"), .trust = STR(TRUST) };
    assert_null(role_create(stage.state, &call, stage.outside.entropy, &draft, NULL));
    for (size_t i = 0; i < sizeof(identity) / sizeof(identity[0]); i++) {
        const struct document_case *c = &identity[i];
        const char *says = stage_says(
            &stage, role_put_policy(stage.state, &call, STR("r"), STR("p"), str_of(c->document)));
        if (strcmp(says, c->says ? c->says : "") != 0)
            fail_msg("%s\n  answers %s", c->document, says);
    }
    for (size_t i = 0; i < sizeof(trust) / sizeof(trust[0]); i++) {
        const struct document_case *c = &trust[i];
        const char *says = stage_says(
            &stage, role_update_trust(stage.state, &call, STR("r"), str_of(c->document)));
        if (strcmp(says, c->says ? c->says : "") != 0)
            fail_msg("%s\n  answers %s", c->document, says);
    }
    /* Whether the role exists is asked before the document is looked at. */
    assert_string_equal(
        stage_says(&stage, role_put_policy(stage.state, &call, STR("no"), STR("p"), STR("{"))),
        "NoSuchEntity: The role with name no cannot be found.");
    stage_end(&stage);
}

static str long_policy(struct stage *stage, size_t sid_len)
{
    char *sid = ARENA_ARRAY(stage->arena, char, sid_len + 1);
    memset(sid, 'x', sid_len);
    return arena_strf(stage->arena,
                      "{\"Version\":\"2012-10-17\",\n  \"Statement\":{\"Sid\":\"%s\",\"Effect\":"
                      "\"Allow\" " ACT RES "}}",
                      sid);
}

static void sizes_are_counted_without_white_space_and_together(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct call call = stage_call(&stage);
    struct role_draft draft = { .name = STR("my-role"), .trust = STR(TRUST) };
    assert_null(role_create(stage.state, &call, stage.outside.entropy, &draft, NULL));
    str half = long_policy(&stage, 5000);
    assert_null(role_put_policy(stage.state, &call, STR("my-role"), STR("a"), half));
    assert_null(role_put_policy(stage.state, &call, STR("my-role"), STR("b"), half));
    assert_string_equal(
        stage_says(&stage, role_put_policy(stage.state, &call, STR("my-role"), STR("c"), half)),
        "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role my-role");
    assert_null(role_put_policy(stage.state, &call, STR("my-role"), STR("b"), half));
    stage_end(&stage);
}

struct name_case {
    const char *name, *says;
};

static void names_are_those_iam_allows(void **state)
{
    (void)state;
    static const struct name_case names[] = {
        { "A+=,.@_-9", "" },
        { "", "ValidationError: 1 validation error detected: Value at 'roleName' failed to satisfy "
              "constraint: Member must have length greater than or equal to 1" },
        { "a/b", "ValidationError: The specified value for roleName is invalid. It must contain "
                 "only alphanumeric characters and/or the following: +=,.@_-" },
        { "0123456789012345678901234567890123456789012345678901234567890123x",
          "ValidationError: 1 validation error detected: Value at 'roleName' failed to satisfy "
          "constraint: Member must have length less than or equal to 64" },
    };
    struct stage stage;
    stage_begin(&stage);
    struct call call = stage_call(&stage);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct role_draft draft = { .name = str_of(names[i].name), .trust = STR(TRUST) };
        assert_string_equal(stage_says(&stage, role_create(stage.state, &call,
                                                           stage.outside.entropy, &draft, NULL)),
                            names[i].says);
    }
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_lives_from_create_to_delete),
        cmocka_unit_test(documents_are_judged_in_iams_words),
        cmocka_unit_test(sizes_are_counted_without_white_space_and_together),
        cmocka_unit_test(names_are_those_iam_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A role is assumed when its trust policy says so, and by nobody else. */
#include "policy/decision.h"
#include "services/iam/role.h"
#include "services/stage_suite.h"
#include "services/sts/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACCOUNT   "111122223333"
#define ROLE      "arn:aws:iam::" ACCOUNT ":role/mail/writer"
#define RULE(set) "arn:aws:ses:us-east-1:" ACCOUNT ":receipt-rule-set/" set ":receipt-rule/store"
#define TRUST                                                                                      \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"AllowSESAssume\",\"Effect\":\"Allow\"," \
    "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\","             \
    "\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"" ACCOUNT "\","                      \
    "\"AWS:SourceArn\":\"" RULE("main") "\"}}}]}"

struct scene {
    struct stage stage;
    struct sts_port *sts;
    struct caller caller, session;
};

static void begin(struct scene *scene)
{
    stage_begin(&scene->stage);
    scene->sts = sts_embedded_open(scene->stage.arena);
    struct call call = stage_call(&scene->stage);
    struct role_draft draft = { .name = STR("writer"), .path = STR("/mail/"), .trust = STR(TRUST) };
    assert_null(role_create(scene->stage.state, &call, scene->stage.outside.entropy, &draft, NULL));
}

static const struct fault *assume(struct scene *scene, const char *account, const char *rule,
                                  const char *role)
{
    struct arn arn;
    assert_true(arn_parse(str_of(rule), &arn));
    scene->caller = caller_ses(str_of(account), arn);
    struct call call = stage_call_as(&scene->stage, &scene->caller);
    return scene->sts->assume_role(scene->sts, &call, str_of(role), STR("store 7f3a"),
                                   &scene->session);
}

static void a_trusted_service_becomes_a_session_without_source_keys(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    assert_null(assume(&scene, ACCOUNT, RULE("main"), ROLE));
    assert_int_equal(scene.session.kind, CALLER_ASSUMED_ROLE);
    assert_true(str_eq(scene.session.account, STR(ACCOUNT)));
    assert_true(str_eq(scene.session.assumed_role.role.text, STR(ROLE)));
    assert_true(str_eq(scene.session.assumed_role.session.text,
                       STR("arn:aws:sts::" ACCOUNT ":assumed-role/writer/store-7f3a")));
    stage_end(&scene.stage);
}

static void a_rule_that_is_not_trusted_is_told_which_condition_stood_in_its_way(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    const struct fault *why = assume(&scene, ACCOUNT, RULE("clone"), ROLE);
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_DENIED);
    const struct lack *lack = &denial_of(why)->decision.lacks[0];
    assert_int_equal(lack->kind, LACK_CONDITION);
    assert_int_equal(lack->where, EXHIBIT_TRUST);
    assert_true(str_eq(lack->exhibit->name, STR("trust policy of role writer")));
    assert_true(str_eq(lack->condition->key, STR("AWS:SourceArn")));
    assert_true(str_eq(lack->got[0], STR(RULE("clone"))));
    stage_end(&scene.stage);
}

static void what_is_no_role_of_the_rules_account_is_refused(void **state)
{
    (void)state;
    static const char *const roles[] = {
        "arn:aws:iam::" ACCOUNT ":role/writer", /* lies on another path */
        "arn:aws:iam::" ACCOUNT ":role/mail/nobody",
        "arn:aws:iam::" ACCOUNT ":user/writer",
        "arn:aws:iam::444455556666:role/mail/writer",
        "arn:aws:iam::" ACCOUNT ":role/",
        "writer",
        "",
    };
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        const struct fault *why = assume(&scene, ACCOUNT, RULE("main"), roles[i]);
        assert_non_null(why);
        assert_int_equal(why->kind, FAULT_DENIED);
        assert_string_equal(why->code, "AccessDenied");
    }
    /* The role would trust this rule, but the rule acts for another account. */
    assert_non_null(assume(&scene, "444455556666", RULE("main"), ROLE));
    stage_end(&scene.stage);
}

static void a_session_name_has_only_characters_that_arns_may_have(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4096);
    assert_true(
        str_eq(sts_session_name(arena, STR("a/b:c*d=e,f.g@h_i-j")), STR("a-b-c-d=e,f.g@h_i-j")));
    assert_int_equal(sts_session_name(arena, STR("0123456789012345678901234567890123456789"
                                                 "0123456789012345678901234567890123456789"))
                         .len,
                     64);
    assert_true(str_eq(sts_session_name(arena, STR("")), STR("-")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_service_becomes_a_session_without_source_keys),
        cmocka_unit_test(a_rule_that_is_not_trusted_is_told_which_condition_stood_in_its_way),
        cmocka_unit_test(what_is_no_role_of_the_rules_account_is_refused),
        cmocka_unit_test(a_session_name_has_only_characters_that_arns_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A role is assumed when its trust policy says so, and by nobody else. */
#include "policy/decision.h"
#include "services/iam/role.h"
#include "services/root_key.h"
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
    struct sts_service *service;
    struct sts_port *sts;
    struct caller caller, session;
};

static const struct root_key root_of_keys = { "the root of all keys in here" };

static void begin(struct scene *scene)
{
    stage_begin(&scene->stage);
    scene->service = sts_embedded_open(&root_of_keys, &scene->stage.outside, scene->stage.arena);
    scene->sts = &scene->service->port;
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

/* ---- credentials ---- */

static struct credentials issue_for(struct scene *scene, int64_t seconds)
{
    struct credentials made;
    struct call call = stage_call(&scene->stage);
    assert_null(assume(scene, ACCOUNT, RULE("main"), ROLE));
    call = stage_call(&scene->stage);
    assert_null(
        scene->sts->issue(scene->sts, &call, &scene->session, call.now_ms + seconds * 1000, &made));
    return made;
}

static enum token_verdict read_back(struct scene *scene, str id, str token, int64_t later_ms,
                                    struct caller *ret_caller, str *ret_secret)
{
    return sts_token_read(scene->service, id, token, scene->stage.now_ms + later_ms,
                          scene->stage.arena, ret_caller, ret_secret);
}

static void a_token_says_who_it_is_until_it_expires_and_across_restarts(void **state)
{
    (void)state;
    struct scene scene;
    struct caller caller;
    str secret;
    begin(&scene);
    struct credentials made = issue_for(&scene, 900);
    assert_true(str_starts(made.access_key_id, STR("ASIA")));
    assert_int_equal(made.access_key_id.len, 20);
    assert_int_equal(made.secret_access_key.len, 40);
    scene.service =
        sts_embedded_open(&root_of_keys, &scene.stage.outside, scene.stage.arena); /* a restart */
    assert_int_equal(
        read_back(&scene, made.access_key_id, made.session_token, 899999, &caller, &secret),
        TOKEN_GOOD);
    assert_true(str_eq(secret, made.secret_access_key));
    assert_int_equal(caller.kind, CALLER_ASSUMED_ROLE);
    assert_true(str_eq(caller.assumed_role.session.text, scene.session.assumed_role.session.text));
    assert_true(str_eq(caller.assumed_role.role.text, STR(ROLE)));
    assert_true(str_eq(caller.user_id, scene.session.user_id));
    assert_int_equal(
        read_back(&scene, made.access_key_id, made.session_token, 900000, &caller, &secret),
        TOKEN_EXPIRED);
    stage_end(&scene.stage);
}

static void a_token_is_good_for_its_own_key_alone_and_whole(void **state)
{
    (void)state;
    static const struct root_key other = { "another server's root of all key" };
    struct scene scene;
    struct caller caller;
    str secret;
    begin(&scene);
    struct credentials made = issue_for(&scene, 900), more = issue_for(&scene, 900);
    assert_int_equal(read_back(&scene, more.access_key_id, made.session_token, 0, &caller, &secret),
                     TOKEN_DAMAGED);
    for (size_t i = 0; i < made.session_token.len; i++) {
        char *bent = (char *)arena_str(scene.stage.arena, made.session_token).ptr;
        bent[i] = bent[i] == 'A' ? 'B' : 'A';
        str token = { bent, made.session_token.len };
        assert_int_equal(read_back(&scene, made.access_key_id, token, 0, &caller, &secret),
                         TOKEN_DAMAGED);
        assert_int_equal(read_back(&scene, made.access_key_id, str_head(made.session_token, i), 0,
                                   &caller, &secret),
                         TOKEN_DAMAGED);
    }
    scene.service = sts_embedded_open(&other, &scene.stage.outside, scene.stage.arena);
    assert_int_equal(read_back(&scene, made.access_key_id, made.session_token, 0, &caller, &secret),
                     TOKEN_DAMAGED);
    stage_end(&scene.stage);
}

static void a_token_carries_policy_tags_and_identity(void **state)
{
    (void)state;
    static const unsigned char key[CIPHER_KEY_SIZE] = { 9 };
    static const str arns[] = { STR_INIT("arn:aws:iam::aws:policy/A"),
                                STR_INIT("arn:aws:iam::" ACCOUNT ":policy/B") };
    static const struct session_tag tags[] = {
        { STR_INIT("team"), STR_INIT("mail"), true },
        { STR_INIT("empty"), STR_INIT(""), false },
    };
    const struct session session = {
        .kind = SESSION_ROLE,
        .issued_ms = 5,
        .expires_ms = INT64_MAX,
        .principal_arn = STR(ROLE),
        .principal_id = STR("AROAX"),
        .name = STR("s"),
        .source_identity = STR("jane"),
        .policy = STR("{\"Statement\":[]}"),
        .policy_arns = arns,
        .policy_arn_count = 2,
        .tags = tags,
        .tag_count = 2,
    };
    struct stage stage;
    struct session back;
    stage_begin(&stage);
    str token = session_seal(&session, key, STR("ASIAX"), stage.outside.entropy, stage.arena);
    assert_true(session_open(token, key, STR("ASIAX"), stage.arena, &back));
    assert_int_equal(back.expires_ms, INT64_MAX);
    assert_true(str_eq(back.source_identity, STR("jane")));
    assert_true(str_eq(back.policy, session.policy));
    assert_non_null(back.document);
    assert_int_equal(back.policy_arn_count, 2);
    assert_true(str_eq(back.policy_arns[1], arns[1]));
    assert_int_equal(back.tag_count, 2);
    assert_true(back.tags[0].transitive && !back.tags[1].transitive);
    assert_true(str_eq(back.tags[0].value, STR("mail")) && str_eq(back.tags[1].value, STR("")));
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_says_who_it_is_until_it_expires_and_across_restarts),
        cmocka_unit_test(a_token_is_good_for_its_own_key_alone_and_whole),
        cmocka_unit_test(a_token_carries_policy_tags_and_identity),
        cmocka_unit_test(a_trusted_service_becomes_a_session_without_source_keys),
        cmocka_unit_test(a_rule_that_is_not_trusted_is_told_which_condition_stood_in_its_way),
        cmocka_unit_test(what_is_no_role_of_the_rules_account_is_refused),
        cmocka_unit_test(a_session_name_has_only_characters_that_arns_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

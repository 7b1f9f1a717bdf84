/* Making and changing rule sets: SES's checks, in SES's order and words. */
#include "services/iam/role.h"
#include "services/ses/identities.h"
#include "services/ses/rule_sets.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Stands for the targets: writes down what it was asked to try, and may say no. */
struct fake_test {
    struct rule_test base;
    char asked[256];
    const char *no_such; /* this bucket is absent */
};

static struct stage *stage;

static const struct fault *try(struct rule_test *test, const struct receipt_rule *rule,
                               const struct action *action, enum rule_target target)
{
    struct fake_test *fake = (struct fake_test *)test;
    assert_true(action >= rule->actions && action < rule->actions + rule->action_count);
    size_t len = strlen(fake->asked);
    snprintf(fake->asked + len, sizeof(fake->asked) - len, STR_FMT "/" STR_FMT "%s ",
             STR_ARG(rule->name), STR_ARG(action_kind_name(action->kind)),
             target == RULE_TARGET_TOPIC ? "'s topic" : "");
    if (fake->no_such && target == RULE_TARGET_OWN && action->kind == ACTION_S3 &&
        str_eq(action->s3.bucket_name, str_of(fake->no_such)))
        return fault_coded(stage->arena, FAULT_ABSENT, "InvalidS3Configuration",
                           "No such bucket: %s", fake->no_such);
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    stage = calloc(1, sizeof(*stage));
    stage_begin(stage);
    struct call call = stage_call(stage);
    assert_null(rule_set_create(stage->state, &call, STR("main")));
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    free(stage);
    return 0;
}

static const char *create(const char *after, const char *name)
{
    struct call call = stage_call(stage);
    struct receipt_rule rule = { .name = str_of(name) };
    return stage_says(stage,
                      rule_create(stage->state, &call, STR("main"), str_of(after), &rule, NULL));
}

static const char *names(void)
{
    struct call call = stage_call(stage);
    const struct receipt_rule_set *set;
    assert_null(rule_set_describe(&call, STR("main"), &set));
    str all = STR("");
    for (size_t i = 0; i < set->rule_count; i++)
        all = arena_strf(stage->arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? " " : "",
                         STR_ARG(set->rules[i].name));
    return all.len ? all.ptr : "";
}

static void a_rule_goes_to_the_front_or_behind_the_one_it_names(void **state)
{
    (void)state;
    assert_string_equal(create(NULL, "a"), "");
    assert_string_equal(create(NULL, "b"), "");
    assert_string_equal(create("b", "c"), "");
    assert_string_equal(create("a", "d"), "");
    assert_string_equal(names(), "b c a d");
    assert_string_equal(create("x", "e"), "RuleDoesNotExist: Rule does not exist: x");
    assert_string_equal(create("x", "a"), "AlreadyExists: Rule already exists: a");

    struct call call = stage_call(stage);
    struct receipt_rule changed = { .name = STR("c"), .enabled = true };
    assert_null(rule_update(stage->state, &call, STR("main"), &changed, NULL));
    call = stage_call(stage);
    const struct receipt_rule *rule;
    assert_null(rule_describe(&call, STR("main"), STR("c"), &rule));
    assert_true(rule->enabled);
    assert_string_equal(names(), "b c a d");
    assert_null(rule_delete(stage->state, &call, STR("main"), STR("c")));
    assert_null(rule_delete(stage->state, &call, STR("main"), STR("c")));
    assert_string_equal(names(), "b a d");
    changed.name = STR("c");
    assert_string_equal(
        stage_says(stage, rule_update(stage->state, &call, STR("main"), &changed, NULL)),
        "RuleDoesNotExist: Rule does not exist: c");
}

static void sets_are_made_activated_and_deleted(void **state)
{
    (void)state;
    struct call call = stage_call(stage);
#define SAYS(expr, words) assert_string_equal(stage_says(stage, expr), words)
    SAYS(rule_set_create(stage->state, &call, STR("main")),
         "AlreadyExists: Rule set already exists: main");
    SAYS(rule_set_create(stage->state, &call, STR("-main")),
         "InvalidParameterValue: Not a valid ruleSetName: -main");
    SAYS(rule_set_create(stage->state, &call, STR_NONE),
         "InvalidParameterValue: RuleSetName is required.");
    assert_null(rule_set_active(call.world, STR("111122223333"), STR("us-east-1")));
    SAYS(rule_set_activate(stage->state, &call, STR("x")),
         "RuleSetDoesNotExist: Rule set does not exist: x");
    assert_null(rule_set_activate(stage->state, &call, STR("main")));
    assert_null(rule_set_activate(stage->state, &call, STR("main")));
    call = stage_call(stage);
    assert_true(str_eq(rule_set_active(call.world, STR("111122223333"), STR("us-east-1"))->name,
                       STR("main")));
    assert_null(rule_set_active(call.world, STR("111122223333"), STR("eu-west-1")));
    assert_null(rule_set_active(call.world, STR("444455556666"), STR("us-east-1")));
    SAYS(rule_set_delete(stage->state, &call, STR("main")),
         "CannotDelete: Cannot delete active rule set: main");
    assert_null(rule_set_activate(stage->state, &call, STR("")));
    assert_null(rule_set_activate(stage->state, &call, STR_NONE));
    assert_null(rule_set_delete(stage->state, &call, STR("main")));
    assert_null(rule_set_delete(stage->state, &call, STR("main")));
    call = stage_call(stage);
    assert_null(rule_set_active(call.world, STR("111122223333"), STR("us-east-1")));
}

static void the_quotas_are_forty_sets_two_hundred_rules_and_ten_actions(void **state)
{
    (void)state;
    struct call call = stage_call(stage);
    for (int i = 1; i < RULE_SETS_MAX; i++) {
        str name = arena_strf(stage->arena, "s%02d", i);
        assert_null(rule_set_create(stage->state, &call, name));
    }
    SAYS(rule_set_create(stage->state, &call, STR("over")), "LimitExceeded: Too many rule sets");
    struct call elsewhere = call;
    elsewhere.region = STR("eu-west-1");
    assert_null(rule_set_create(stage->state, &elsewhere, STR("over")));

    struct receipt_rule_set full = { .name = STR("full"),
                                     .account = STR("111122223333"),
                                     .region = STR("us-east-1"),
                                     .rule_count = RULES_MAX };
    struct receipt_rule *rules = ARENA_ARRAY(stage->arena, struct receipt_rule, RULES_MAX);
    for (int i = 0; i < RULES_MAX; i++)
        rules[i].name = arena_strf(stage->arena, "r%d", i);
    full.rules = rules;
    AUTO_BUF text = buf_new(1 << 20);
    rule_set_write(&full, &text);
    stage_put(stage, "rule-set/111122223333/us-east-1/full", buf_str(&text));
    struct receipt_rule rule = { .name = STR("over") };
    SAYS(rule_create(stage->state, &call, STR("full"), STR("absent"), &rule, NULL),
         "LimitExceeded: Too many rules"); /* before After is looked for */

    const struct action stop = { .kind = ACTION_STOP };
    const struct action eleven[11] = { stop, stop };
    rule.actions = eleven;
    rule.action_count = 11;
    SAYS(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, NULL),
         "LimitExceeded: Too many actions"); /* before the places of stops */

    const struct receipt_rule_set *const *sets;
    size_t count;
    bool more;
    call = stage_call(stage);
    assert_null(rule_sets_list(&call, STR_NONE, 30, &sets, &count, &more));
    assert_int_equal(count, 30);
    assert_true(more);
    assert_true(str_eq(sets[0]->name, STR("full")));
    assert_null(rule_sets_list(&call, sets[29]->name, 30, &sets, &count, &more));
    assert_int_equal(count, 11);
    assert_false(more);
}

struct action_case {
    struct action action;
    const char *says;
};

#define TOPIC .topic_arn = STR_INIT("arn:aws:sns:us-east-1:111122223333:t")
#define BOUNCE(code, text, from)                                                                   \
    .kind = ACTION_BOUNCE, .bounce = { .smtp_reply_code = STR_INIT(code),                          \
                                       .message = STR_INIT(text),                                  \
                                       .sender = STR_INIT(from) }
#define HEADER(name, value)                                                                        \
    .kind = ACTION_ADD_HEADER, .add_header = { STR_INIT(name), STR_INIT(value) }
#define BAD "InvalidParameterValue: "

static const struct action_case action_cases[] = {
    { { HEADER("X-Test", "a\tb") }, "" },
    { { HEADER("X bad", "v") }, BAD "Invalid header name: X bad" },
    { { HEADER("X:bad", "v") }, BAD "Invalid header name: X:bad" },
    { { HEADER("", "v") }, BAD "Invalid header name: " },
    { { HEADER("X-Test", "a\nb") }, BAD "Invalid header value: a0x000ab" },
    { { .kind = ACTION_SNS, TOPIC }, "" },
    { { .kind = ACTION_SNS, .topic_arn = STR_INIT("t") }, "InvalidSnsTopic: Invalid SNS topic: t" },
    { { .kind = ACTION_STOP, .topic_arn = STR_INIT("") }, "InvalidSnsTopic: Invalid SNS topic: " },
    { { .kind = ACTION_S3, .s3 = { .bucket_name = STR_INIT("") } },
      BAD "Bucket name must not be empty" },
    { { .kind = ACTION_S3, .s3 = { .bucket_name = STR_INIT("gone") } },
      "InvalidS3Configuration: No such bucket: gone" },
    { { .kind = ACTION_S3,
        .s3 = { .bucket_name = STR_INIT("b"),
                .iam_role_arn = STR_INIT("arn:aws:iam::444455556666:role/r") } },
      BAD "Could not assume the provided IAM role" },
    { { .kind = ACTION_LAMBDA, .lambda = { .function_arn = STR_INIT("") } },
      BAD "Lambda function ARN must not be empty" },
    { { .kind = ACTION_LAMBDA, .lambda = { .function_arn = STR_INIT("f") } },
      "InvalidLambdaFunction: Invalid Lambda function: f" },
    { { .kind = ACTION_LAMBDA,
        .lambda = { .function_arn =
                        STR_INIT("arn:aws:lambda:us-east-1:111122223333:function:f") } },
      "" },
    { { BOUNCE("", "no", "x") }, BAD "Invalid SMTP reply code: " },
    { { BOUNCE("550", "", "x") }, BAD "Invalid SMTP response message: " },
    { { BOUNCE("550", "no", "a@other.example") }, BAD "Identity is not verified: a@other.example" },
    { { BOUNCE("550", "no", "example.com") }, BAD "Identity is not verified: example.com" },
    { { BOUNCE("550", "no", "a@sub.Example.com") }, "" },
    { { .kind = ACTION_WORKMAIL, .workmail = { STR_INIT("anything") } }, "" },
    { { .kind = ACTION_CONNECT,
        .connect = { .instance_arn = STR_INIT("i"), .iam_role_arn = STR_INIT("r") } },
      "" },
};

static void each_action_is_looked_at_before_a_rule_is_taken(void **state)
{
    (void)state;
    struct call call = stage_call(stage);
    str token;
    assert_null(identity_verify_domain(stage->state, &call, stage->outside.entropy,
                                       STR("example.com"), true, &token));
    for (size_t i = 0; i < sizeof(action_cases) / sizeof(action_cases[0]); i++) {
        struct fake_test targets = { .base = { try }, .no_such = "gone" };
        struct receipt_rule rule = { .name = arena_strf(stage->arena, "r%zu", i),
                                     .actions = &action_cases[i].action,
                                     .action_count = 1 };
        call = stage_call(stage);
        const char *says = stage_says(
            stage, rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, &targets.base));
        if (strcmp(says, action_cases[i].says) != 0)
            fail_msg("case %zu answers %s", i, says);
    }
}

static void actions_are_tried_in_their_order_and_the_first_fault_is_the_answer(void **state)
{
    (void)state;
    const struct action actions[] = {
        { .kind = ACTION_S3, .s3 = { .bucket_name = STR_INIT("b") } },
        { .kind = ACTION_S3, .s3 = { .bucket_name = STR_INIT("gone") } },
        { .kind = ACTION_ADD_HEADER, .add_header = { STR_INIT("X bad"), STR_INIT("v") } },
        { .kind = ACTION_STOP },
    };
    struct receipt_rule rule = { .name = STR("r"), .actions = actions, .action_count = 4 };
    struct fake_test targets = { .base = { try }, .no_such = "gone" };
    struct call call = stage_call(stage);
    SAYS(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, &targets.base),
         "InvalidS3Configuration: No such bucket: gone");
    assert_string_equal(targets.asked, "r/S3's topic r/S3 r/S3's topic r/S3 ");
    assert_string_equal(names(), "");

    targets = (struct fake_test) { .base = { try } };
    SAYS(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, &targets.base),
         "InvalidParameterValue: Invalid header name: X bad");

    const struct action stopped[] = { actions[3], actions[0] };
    targets = (struct fake_test) { .base = { try } };
    rule.actions = stopped;
    rule.action_count = 2;
    SAYS(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, &targets.base),
         "InvalidParameterValue: Stop action, if any, must be placed at the end of the actions "
         "list");
    assert_string_equal(targets.asked, "");
}

#define TRUST                                                                                      \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\","         \
    "\"Action\":\"sts:AssumeRole\"}}"
#define MAY_PASS                                                                                   \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"iam:PassRole\"," \
    "\"Resource\":\"arn:aws:iam::111122223333:role/writer\",\"Condition\":{\"StringEquals\":{"     \
    "\"iam:PassedToService\":\"ses.amazonaws.com\"}}}}"

static void a_role_is_handed_to_ses_only_by_those_who_may_pass_it(void **state)
{
    (void)state;
    struct role_draft draft = { .name = STR("admin"), .trust = STR(TRUST) };
    struct call call = stage_call(stage);
    assert_null(role_create(stage->state, &call, stage->outside.entropy, &draft, NULL));
    struct caller admin = { .kind = CALLER_ASSUMED_ROLE, .account = STR("111122223333") };
    assert_true(arn_parse(STR("arn:aws:iam::111122223333:role/admin"), &admin.assumed_role.role));
    assert_true(arn_parse(STR("arn:aws:sts::111122223333:assumed-role/admin/s"),
                          &admin.assumed_role.session));
    const struct action action = { .kind = ACTION_S3,
                                   .s3 = { .bucket_name = STR_INIT("b"),
                                           .iam_role_arn = STR_INIT(
                                               "arn:aws:iam::111122223333:role/writer") } };
    struct receipt_rule rule = { .name = STR("r"), .actions = &action, .action_count = 1 };
    call = stage_call_as(stage, &admin);
    const struct fault *why = rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, NULL);
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_DENIED);
    call = stage_call(stage);
    assert_null(role_put_policy(stage->state, &call, STR("admin"), STR("pass"), STR(MAY_PASS)));
    call = stage_call_as(stage, &admin);
    assert_null(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, NULL));
}

static void what_could_not_be_read_back_is_not_taken(void **state)
{
    (void)state;
    const str nul = { "a\0b", 3 };
    struct receipt_rule rule = { .name = STR("r"), .recipients = &nul, .recipient_count = 1 };
    struct call call = stage_call(stage);
    SAYS(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, NULL),
         "InvalidParameterValue: Invalid recipient: a0x0000b");
    const struct action action = { .kind = ACTION_S3,
                                   .s3 = { .bucket_name = STR_INIT("b"),
                                           .object_key_prefix = nul } };
    rule = (struct receipt_rule) { .name = STR("r"), .actions = &action, .action_count = 1 };
    SAYS(rule_create(stage->state, &call, STR("main"), STR_NONE, &rule, NULL),
         "InvalidParameterValue: The rule holds characters that are not text");
    assert_string_equal(names(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
        T(a_rule_goes_to_the_front_or_behind_the_one_it_names),
        T(sets_are_made_activated_and_deleted),
        T(the_quotas_are_forty_sets_two_hundred_rules_and_ten_actions),
        T(each_action_is_looked_at_before_a_rule_is_taken),
        T(actions_are_tried_in_their_order_and_the_first_fault_is_the_answer),
        T(a_role_is_handed_to_ses_only_by_those_who_may_pass_it),
        T(what_could_not_be_read_back_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

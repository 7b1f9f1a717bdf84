#include "receive/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define S3(bucket) "{\"S3Action\":{\"BucketName\":\"" bucket "\"}}"
#define RULE(name, enabled, recipients, actions)                                                   \
    "{\"Name\":\"" name "\",\"Enabled\":" enabled ",\"Recipients\":[" recipients                   \
    "],\"Actions\":[" actions "]}"
#define SET(rules)                                                                                 \
    "{\"Name\":\"main\",\"Account\":\"111122223333\",\"Region\":\"us-east-1\",\"Rules\":[" rules   \
    "]}"

static struct forward_path rcpts[] = {
    { .text = STR_INIT("a@example.com"), .mailbox = { STR_INIT("a"), STR_INIT("example.com") } },
    { .text = STR_INIT("b+x@example.com"),
      .mailbox = { STR_INIT("b+x"), STR_INIT("example.com") } },
    { .text = STR_INIT("c@sub.example.com"),
      .mailbox = { STR_INIT("c"), STR_INIT("sub.example.com") } },
};
static const struct envelope envelope = { .rcpt_to = rcpts, .rcpt_count = 3 };

struct plan_case {
    const char *says, *set, *steps; /* "rule/action*recipients ..." */
};
/* clang-format off */
static const struct plan_case cases[] = {
    { "all enabled rules that match run, in order",
      SET(RULE("one", "true", "\"a@example.com\"", S3("x")) "," RULE("two", "true", "\"example.com\"", S3("y"))),
      "one/S3*1 two/S3*2 " },
    { "a rule without conditions takes every recipient, in one execution",
      SET(RULE("all", "true", "", S3("x"))), "all/S3*3 " },
    { "a disabled rule does not run", SET(RULE("off", "false", "", S3("x"))), "" },
    { "a rule that means nobody here does not run", SET(RULE("no", "true", "\"other.example\"", S3("x"))), "" },
    { "a label is matched by its plain address, a subdomain by its dot",
      SET(RULE("label", "true", "\"b@example.com\"", S3("x")) "," RULE("sub", "true", "\".example.com\"", S3("x"))),
      "label/S3*1 sub/S3*1 " },
    { "nothing follows a Stop",
      SET(RULE("one", "true", "", S3("x") ",{\"StopAction\":{\"Scope\":\"RuleSet\"}}") "," RULE("two", "true", "", S3("y"))),
      "one/S3*3 one/Stop*3 " },
    { "behind a function that may pass over the Stop, what follows is planned",
      SET(RULE("one", "true", "", "{\"LambdaAction\":{\"FunctionArn\":\"f\",\"InvocationType\":\"RequestResponse\"}},{\"StopAction\":{\"Scope\":\"RuleSet\"}}") "," RULE("two", "true", "", S3("y"))),
      "one/Lambda*3 one/Stop*3 two/S3*3 " },
    { "a Stop in a rule that does not match stops nothing",
      SET(RULE("one", "true", "\"no@example.com\"", "{\"StopAction\":{\"Scope\":\"RuleSet\"}}") "," RULE("two", "true", "", S3("y"))),
      "two/S3*3 " },
    { "a topic's notice is a step behind the effect",
      SET(RULE("one", "true", "", "{\"S3Action\":{\"BucketName\":\"x\",\"TopicArn\":\"arn:aws:sns:us-east-1:111122223333:t\"}}," S3("y"))),
      "one/S3*3 one/S3 notice*3 one/S3*3 " },
    { "an SNS action's topic is its target, not a notice",
      SET(RULE("one", "true", "", "{\"SNSAction\":{\"TopicArn\":\"arn:aws:sns:us-east-1:111122223333:t\"}}")),
      "one/SNS*3 " },
    { "a rule with no action is no step", SET(RULE("one", "true", "", "")), "" },
};
/* clang-format on */

static void the_plan_is_what_the_rule_set_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        AUTO_BUF got = buf_new(4096);
        struct receipt_rule_set set;
        struct plan plan;
        assert_null(rule_set_read(str_of(cases[i].set), a, &set));
        assert_null(plan_make(&set, &envelope, a, &plan));
        for (size_t s = 0; s < plan.count; s++)
            buf_addf(&got, STR_FMT "/" STR_FMT "*%zu ", STR_ARG(plan.steps[s].rule->name),
                     STR_ARG(step_name(&plan.steps[s])), plan.steps[s].recipient_count);
        buf_addc(&got, '\0');
        if (strcmp(got.ptr, cases[i].steps) != 0)
            fail_msg("%s: got \"%s\", wanted \"%s\"", cases[i].says, got.ptr, cases[i].steps);
    }
}

static void one_rule_that_scans_scans_the_message(void **state)
{
    (void)state;
#define SCAN(recipient) "{\"Name\":\"scan\",\"Enabled\":true,\"ScanEnabled\":true,\"Recipients\":[\"" recipient "\"],\"Actions\":[" S3("y") "]}"
    static const struct {
        const char *set;
        bool scan;
    } sets[] = {
        { SET(RULE("one", "true", "", S3("x"))), false },
        { SET(RULE("one", "true", "", S3("x")) "," SCAN("a@example.com")), true },
        { SET(RULE("one", "true", "", S3("x")) "," SCAN("other@example.com")), false },
        { SET(RULE("one", "true", "", "{\"StopAction\":{\"Scope\":\"RuleSet\"}}") "," SCAN("a@example.com")), false },
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        struct receipt_rule_set set;
        struct plan plan;
        assert_null(rule_set_read(str_of(sets[i].set), a, &set));
        assert_null(plan_make(&set, &envelope, a, &plan));
        assert_int_equal(plan.scan, sets[i].scan);
    }
}

static void every_rule_says_why_it_ran_or_did_not(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct receipt_rule_set set;
    struct match *m;
    assert_null(rule_set_read(
        STR(SET(RULE("off", "false", "", S3("x")) "," RULE(
            "one", "true", "\"a@example.com\"",
            "{\"StopAction\":{\"Scope\":\"RuleSet\"}}") "," RULE("two", "true", "", S3("y")))),
        a, &set));
    struct envelope envelope = { .rcpt_to = rcpts, .rcpt_count = 1 };
    assert_null(plan_matches(&set, &envelope, a, &m));
    assert_false(match_runs(&m[0]));
    assert_true(str_eq(match_why(&m[0], &envelope, false, a), STR("the rule is disabled")));
    assert_true(match_runs(&m[1]));
    assert_true(str_eq(match_why(&m[1], &envelope, false, a),
                       STR("recipient a@example.com matches the condition a@example.com")));
    assert_false(match_runs(&m[2]));
    assert_true(str_eq(match_why(&m[2], &envelope, false, a),
                       STR("the Stop action of rule one ended the evaluation")));

    envelope.rcpt_to = rcpts + 1;
    assert_null(plan_matches(&set, &envelope, a, &m));
    assert_false(match_runs(&m[1]));
    assert_true(
        str_eq(match_why(&m[1], &envelope, false, a),
               STR("recipient b+x@example.com does not match the condition a@example.com")));
    assert_true(match_runs(&m[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_what_the_rule_set_says),
        cmocka_unit_test(one_rule_that_scans_scans_the_message),
        cmocka_unit_test(every_rule_says_why_it_ran_or_did_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

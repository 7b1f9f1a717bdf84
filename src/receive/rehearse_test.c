/* A rule is asked about action by action; nothing is read and nothing behind a Stop is asked. */
#include "receive/rehearse.h"

#include "base/json.h"
#include "policy/decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ARN "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store"

struct test_port {
    struct s3_port port;
    const struct fault *says;
    size_t asked;
    str key;
};

/* Decides as a bucket without a policy would, and says what the test wants. */
static const struct fault *put(struct s3_port *port, const struct call *call,
                               const struct put_object *what)
{
    struct test_port *p = (struct test_port *)port;
    p->asked++;
    p->key = what->key;
    struct request request = { .caller = call->caller,
                               .action = STR("s3:PutObject"),
                               .resource_account = STR("111122223333") };
    arn_parse(object_arn(call->arena, what->bucket, what->key), &request.resource);
    assert_non_null(call->witness);
    call->witness->saw(call->witness, &request, NULL, 0);
    return p->says;
}

struct hall {
    struct arena *arena;
    struct test_port bucket;
    struct ports ports;
    struct receipt_rule rule;
    struct acting acting;
};

static struct hall *hall_open(const struct action *actions, size_t count)
{
    struct arena *a = arena_new(8 << 20);
    struct hall *h = ARENA_NEW(a, struct hall);
    h->arena = a;
    h->bucket = (struct test_port) { .port = { put } };
    h->ports.s3 = &h->bucket.port;
    h->rule = (struct receipt_rule) {
        .name = STR("store"), .enabled = true, .actions = actions, .action_count = count
    };
    h->acting = (struct acting) { .ports = &h->ports,
                                  .account = STR("111122223333"),
                                  .region = STR("us-east-1"),
                                  .rule_set = STR("main"),
                                  .rule = &h->rule,
                                  .arena = a };
    return h;
}

static const struct json *rehearsed(struct hall *h, str *ret_json)
{
    AUTO_BUF out = buf_new(1 << 20);
    const struct json *told;
    assert_null(rehearse_rule(&h->acting, true, &out));
    *ret_json = arena_str(h->arena, buf_str(&out));
    assert_null(json_parse(*ret_json, h->arena, &told));
    return told;
}

#define STORE(...)                                                                                 \
    {                                                                                              \
        .kind = ACTION_S3, .s3 = {.bucket_name = STR_INIT("mail"), __VA_ARGS__ }                   \
    }
static const struct action many[] = {
    { .kind = ACTION_ADD_HEADER },
    STORE(.object_key_prefix = STR_INIT("in")),
    STORE(.kms_key_arn = STR_INIT("arn:aws:kms:us-east-1:111122223333:key/k")),
    { .kind = ACTION_S3,
      .topic_arn = STR_INIT("arn:aws:sns:us-east-1:111122223333:t"),
      .s3 = { .bucket_name = STR_INIT("mail") } },
    { .kind = ACTION_STOP },
    STORE(.object_key_prefix = STR_INIT("behind")),
};

static void each_action_is_asked_up_to_a_stop(void **state)
{
    (void)state;
    static const struct {
        const char *action, *outcome;
        size_t decisions;
    } wanted[] = {
        { "AddHeader", "asks nobody", 0 },
        { "S3", "allowed", 1 },
        { "S3", "unbuilt", 0 },
        { "S3", "allowed", 1 },
        { "S3 notice", "unbuilt", 0 },
        { "Stop", "asks nobody", 0 },
    };
    struct hall *h = hall_open(many, sizeof(many) / sizeof(*many));
    str json;
    const struct json *actions = json_get(rehearsed(h, &json), "actions");
    assert_int_equal(json_size(actions), sizeof(wanted) / sizeof(*wanted));
    for (size_t i = 0; i < json_size(actions); i++) {
        const struct json *one = json_at(actions, i);
        assert_true(str_eq(json_str(one, "action"), str_of(wanted[i].action)));
        assert_true(str_eq(json_str(one, "outcome"), str_of(wanted[i].outcome)));
        assert_int_equal(json_size(json_get(one, "decisions")), wanted[i].decisions);
    }
    assert_int_equal(h->bucket.asked, 2);
    arena_free(h->arena);
}

static void a_rule_works_only_when_every_action_does(void **state)
{
    (void)state;
    static const struct fault no_bucket = { .kind = FAULT_ABSENT,
                                            .code = "NoSuchBucket",
                                            .says = STR_INIT("no such bucket") };
    static const struct {
        size_t from, count;
        const struct fault *says;
        bool allowed;
        const char *told;
    } cases[] = {
        { 0, 2, NULL, true, "would write s3://mail/in/" REHEARSAL_ID " as ses.amazonaws.com" },
        { 0, 2, &no_bucket, false, "could not write to bucket mail: no such bucket" },
        { 1, 2, NULL, false,
          "this program has no KMS, by which the S3 action would encrypt (KmsKeyArn)" },
        { 4, 1, NULL, true, "needs no permission" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct hall *h = hall_open(many + cases[i].from, cases[i].count);
        h->bucket.says = cases[i].says;
        str json;
        const struct json *told = rehearsed(h, &json), *actions = json_get(told, "actions");
        assert_int_equal(json_bool(told, "allowed", !cases[i].allowed), cases[i].allowed);
        const struct json *last = json_at(actions, json_size(actions) - 1);
        if (!str_eq(json_str(last, "says"), str_of(cases[i].told)))
            fail_msg(STR_FMT, STR_ARG(json_str(last, "says")));
        arena_free(h->arena);
    }
}

static void a_rehearsal_reads_like_this(void **state)
{
    (void)state;
    struct hall *h = hall_open(many, 2);
    h->rule.enabled = false;
    str json;
    const struct json *told = rehearsed(h, &json);
    assert_true(str_eq(json_str(told, "arn"), STR(ARN)));
    AUTO_BUF page = buf_new(1 << 20);
    assert_null(rehearsal_print(json, h->arena, &page));
    const str begins = STR("rule store of rule set main, account 111122223333, us-east-1: every "
                           "action is allowed\n"
                           "  the rule is disabled, so no mail comes to it\n"
                           "  action 1, AddHeader: asks nobody\n"
                           "    needs no permission\n"
                           "  action 2, S3: allowed\n"
                           "    would write s3://mail/in/" REHEARSAL_ID " as ses.amazonaws.com\n"
                           "    ImplicitDeny: ses.amazonaws.com may not s3:PutObject on ");
    if (!str_starts(buf_str(&page), begins))
        fail_msg(STR_FMT, STR_ARG(buf_str(&page)));
    arena_free(h->arena);
}

static void without_room_it_says_so(void **state)
{
    (void)state;
    struct hall *h = hall_open(many, 2);
    for (size_t room = 1; room < 512; room += 16) {
        AUTO_BUF little = buf_new(room);
        const struct fault *f = rehearse_rule(&h->acting, true, &little);
        assert_non_null(f);
        assert_int_equal(f->kind, FAULT_LIMIT);
    }
    arena_free(h->arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_is_asked_up_to_a_stop),
        cmocka_unit_test(a_rule_works_only_when_every_action_does),
        cmocka_unit_test(a_rehearsal_reads_like_this),
        cmocka_unit_test(without_room_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The text of a rule set: every kind of action comes back as it went in. */
#include "services/ses/action_fields.h"
#include "services/ses/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct action every_kind[] = {
    { .kind = ACTION_S3,
      .topic_arn = STR_INIT("arn:aws:sns:us-east-1:111122223333:t"),
      .s3 = { .bucket_name = STR_INIT("demo-mail"),
              .object_key_prefix = STR_INIT(""),
              .kms_key_arn = STR_INIT("arn:aws:kms:us-east-1:111122223333:key/k"),
              .iam_role_arn = STR_INIT("arn:aws:iam::111122223333:role/r") } },
    { .kind = ACTION_S3, .s3 = { .bucket_name = STR_INIT("b") } },
    { .kind = ACTION_SNS,
      .topic_arn = STR_INIT("arn:aws:sns:us-east-1:111122223333:t"),
      .sns = { .encoding = SNS_BASE64 } },
    { .kind = ACTION_SNS, .topic_arn = STR_INIT("arn:aws:sns:us-east-1:111122223333:t") },
    { .kind = ACTION_LAMBDA,
      .lambda = { .function_arn = STR_INIT("arn:aws:lambda:us-east-1:111122223333:function:f") } },
    { .kind = ACTION_LAMBDA,
      .lambda = { .function_arn = STR_INIT("arn:aws:lambda:us-east-1:111122223333:function:f"),
                  .invocation_type = INVOCATION_REQUEST_RESPONSE } },
    { .kind = ACTION_BOUNCE,
      .bounce = { .smtp_reply_code = STR_INIT("550"),
                  .status_code = STR_INIT("5.1.1"),
                  .message = STR_INIT("no \"such\" box\n"),
                  .sender = STR_INIT("mailer@example.com") } },
    { .kind = ACTION_ADD_HEADER,
      .add_header = { .header_name = STR_INIT("X-Test"),
                      .header_value = STR_INIT("caf\xc3\xa9 <&>") } },
    { .kind = ACTION_WORKMAIL,
      .workmail = { .organization_arn =
                        STR_INIT("arn:aws:workmail:us-east-1:1:organization/m-1") } },
    { .kind = ACTION_CONNECT,
      .connect = { .instance_arn = STR_INIT("arn:aws:connect:us-east-1:1:instance/i"),
                   .iam_role_arn = STR_INIT("arn:aws:iam::111122223333:role/r") } },
    { .kind = ACTION_STOP, .topic_arn = STR_INIT("arn:aws:sns:us-east-1:111122223333:t") },
    { .kind = ACTION_STOP },
};
enum { ACTIONS = sizeof(every_kind) / sizeof(every_kind[0]) };

static void every_kind_of_action_comes_back_as_it_went_in(void **state)
{
    (void)state;
    const str recipients[] = { STR("example.com"), STR("a+b@example.com") };
    const struct receipt_rule rules[] = {
        { .name = STR("all"),
          .enabled = true,
          .tls_required = true,
          .scan_enabled = true,
          .recipients = recipients,
          .recipient_count = 2,
          .actions = every_kind,
          .action_count = ACTIONS },
        { .name = STR("none") },
    };
    const struct receipt_rule_set set = { .name = STR("main"),
                                          .account = STR("111122223333"),
                                          .region = STR("us-east-1"),
                                          .created_ms = 1772442942000,
                                          .rules = rules,
                                          .rule_count = 2 };
    AUTO_BUF text = buf_new(1 << 20);
    rule_set_write(&set, &text);
    assert_false(text.failed);

    AUTO_ARENA *arena = arena_new(1 << 20);
    struct receipt_rule_set back;
    assert_null(rule_set_read(buf_str(&text), arena, &back));
    assert_true(str_eq(back.text, buf_str(&text)));
    assert_true(str_eq(back.name, set.name));
    assert_true(str_eq(back.account, set.account));
    assert_true(str_eq(back.region, set.region));
    assert_int_equal(back.created_ms, set.created_ms);
    assert_int_equal(back.rule_count, 2);
    const struct receipt_rule *all = &back.rules[0], *none = &back.rules[1];
    assert_true(all->enabled && all->tls_required && all->scan_enabled);
    assert_int_equal(all->recipient_count, 2);
    assert_true(str_eq(all->recipients[1], recipients[1]));
    assert_int_equal(all->action_count, ACTIONS);
    for (size_t i = 0; i < ACTIONS; i++) {
        assert_int_equal(all->actions[i].kind, every_kind[i].kind);
        for (size_t f = 0; f < action_field_count; f++) {
            if (action_fields[f].kind != every_kind[i].kind)
                continue;
            str was = action_field_get(&action_fields[f], &every_kind[i]);
            str is = action_field_get(&action_fields[f], &all->actions[i]);
            assert_true(str_eq(was, is));
            assert_int_equal(str_is_none(was), str_is_none(is)); /* absent is not empty */
        }
    }
    assert_false(none->enabled || none->tls_required || none->scan_enabled);
    assert_int_equal(none->recipient_count + none->action_count, 0);

    AUTO_BUF again = buf_new(1 << 20);
    rule_set_write(&back, &again);
    assert_true(str_eq(buf_str(&again), buf_str(&text)));
}

static void text_that_is_no_rule_set_is_refused(void **state)
{
    (void)state;
#define SET(rules)                                                                                 \
    "{\"Name\":\"n\",\"Account\":\"1\",\"Region\":\"r\",\"CreatedMs\":1,\"Rules\":" rules "}"
#define ACTION(a) SET("[{\"Name\":\"x\",\"Actions\":[" a "]}]")
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        SET("{}"),
        SET("[{}]"),
        SET("[{\"Name\":\"x\",\"Recipients\":[1]}]"),
        ACTION("{}"),
        ACTION("{\"PrintAction\":{}}"),
        ACTION("{\"S3Action\":{}}"),
        ACTION("{\"S3Action\":{\"BucketName\":\"b\"},\"StopAction\":{\"Scope\":\"RuleSet\"}}"),
        ACTION("{\"StopAction\":{\"Scope\":\"World\"}}"),
        ACTION("{\"SNSAction\":{\"TopicArn\":\"t\",\"Encoding\":\"UTF-9\"}}"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        struct receipt_rule_set set;
        const struct fault *why = rule_set_read(str_of(bad[i]), arena, &set);
        assert_non_null(why);
        assert_int_equal(why->kind, FAULT_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_action_comes_back_as_it_went_in),
        cmocka_unit_test(text_that_is_no_rule_set_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

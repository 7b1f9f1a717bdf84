#include "receive/setup.h"

#include "policy/decision.h"
#include "testing/clock.h"
#include "testing/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct test_port {
    struct s3_port port;
    struct buf object;
    str bucket, key, remedy;
    const struct fault *says;
};

static const struct fault *put(struct s3_port *port, const struct call *call,
                               const struct put_object *what)
{
    struct test_port *p = (struct test_port *)port;
    str chunk;
    assert_int_equal(call->caller->kind, CALLER_SERVICE);
    assert_true(
        str_eq(call->caller->service.source_arn.text,
               STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store")));
    p->bucket = what->bucket;
    p->key = what->key;
    p->remedy = what->remedy_resource;
    buf_clear(&p->object);
    while (!what->body->read(what->body, &chunk) && chunk.len)
        buf_add(&p->object, chunk);
    assert_int_equal(p->object.len, what->body->size);
    return p->says;
}

struct hall {
    struct arena *arena;
    struct fake_clock clock;
    struct captured_journal *journal;
    struct outside outside;
    struct test_port bucket;
    struct ports ports, rehearsal;
    struct setup *setup;
    struct caller caller;
    struct call call;
};

static struct hall *hall_open(void)
{
    struct arena *a = arena_new(8 << 20);
    struct hall *h = ARENA_NEW(a, struct hall);
    h->arena = a;
    h->clock = fake_clock_at("2026-03-02T09:15:42Z");
    h->journal = captured_journal_new();
    h->outside =
        (struct outside) { .clock = &h->clock.clock, .journal = captured_journal(h->journal) };
    h->bucket = (struct test_port) { .port = { put }, .object = buf_new(1 << 16) };
    h->ports.s3 = &h->bucket.port;
    h->caller = caller_root(STR("111122223333"));
    h->call = (struct call) {
        .caller = &h->caller, .region = STR("us-east-1"), .now_ms = h->clock.wall_ms, .arena = a
    };
    assert_null(setup_open(&h->ports, &h->rehearsal, &h->outside, NULL, a, &h->setup));
    return h;
}

static void hall_close(struct hall *h)
{
    setup_close(h->setup);
    buf_free(&h->bucket.object);
    captured_journal_free(h->journal);
    arena_free(h->arena);
}

static const struct fault *test_one(struct hall *h, const struct action *action)
{
    struct receipt_rule rule = { .name = STR("store"), .actions = action, .action_count = 1 };
    struct setup_trial t = setup_begin(h->setup, &h->call, "CreateReceiptRule", STR("main"));
    const struct fault *f = t.test.run(&t.test, &rule, action, RULE_TARGET_TOPIC);
    if (!f)
        f = t.test.run(&t.test, &rule, action, RULE_TARGET_OWN);
    setup_end(&t, &rule, f);
    return f;
}

static const struct setup_question anything = { .max = 0 };

static const struct action store = { .kind = ACTION_S3,
                                     .s3 = { .bucket_name = STR_INIT("mail"),
                                             .object_key_prefix = STR_INIT("in") } };

static void the_setup_object_has_four_fields_and_ends_in_a_bare_newline(void **state)
{
    (void)state;
    struct hall *h = hall_open();
    assert_null(test_one(h, &store));
    assert_true(str_eq(h->bucket.bucket, STR("mail")));
    assert_true(str_eq(h->bucket.key, STR("in/AMAZON_SES_SETUP_NOTIFICATION")));
    assert_true(str_eq(h->bucket.remedy, STR("arn:aws:s3:::mail/in/*")));
    str text = buf_str(&h->bucket.object);
    assert_true(str_starts(text, STR("Date: Mon, 02 Mar 2026 09:15:42 +0000\r\n"
                                     "To: recipient@example.com\r\n"
                                     "From: Amazon Web Services <no-reply-aws@amazon.com>\r\n"
                                     "Subject: Amazon SES Setup Notification\r\n\r\n")));
    size_t crlf = 0, bare = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\n')
            continue;
        if (text.ptr[i - 1] == '\r')
            crlf++;
        else
            bare++;
    }
    assert_int_equal(crlf, 14); /* as the original has: spec 17 */
    assert_int_equal(bare, 1);
    assert_true(str_ends(text, STR("\n")));
    hall_close(h);
}

static const struct fault no_bucket = { .kind = FAULT_ABSENT,
                                        .code = "NoSuchBucket",
                                        .says = STR_INIT("no bucket named mail") };
static const struct fault refused = { .kind = FAULT_DENIED,
                                      .code = "AccessDenied",
                                      .says = STR_INIT("the long reason") };
static const struct caller ses = { .kind = CALLER_SERVICE,
                                   .service = { .principal = STR_INIT("ses.amazonaws.com") } };
static const struct lack no_policy = { .kind = LACK_POLICY, .where = EXHIBIT_TRUST };
static const struct denial trust = {
    .request = { .caller = &ses, .action = STR_INIT("sts:AssumeRole") },
    .decision = { .verdict = VERDICT_IMPLICIT_DENY, .lacks = &no_policy, .lack_count = 1 }
};
static const struct fault no_trust = { .kind = FAULT_DENIED,
                                       .says = STR_INIT("not trusted"),
                                       .denial = &trust };

static void aws_gives_short_answers(void **state)
{
    (void)state;
    static const struct {
        const struct fault *happens;
        const char *code, *says;
    } cases[] = {
        { &no_bucket, "InvalidS3Configuration", "No such bucket: mail" },
        { &refused, "InvalidS3Configuration", "Could not write to bucket: mail" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hall *h = hall_open();
        h->bucket.says = cases[i].happens;
        const struct fault *f = test_one(h, &store);
        assert_non_null(f);
        assert_string_equal(f->code, cases[i].code);
        assert_true(str_eq(f->says, str_of(cases[i].says)));
        assert_ptr_equal(f->because, cases[i].happens);
        hall_close(h);
    }
}

static void the_long_reason_is_in_the_log_and_on_the_list(void **state)
{
    (void)state;
    struct hall *h = hall_open();
    h->bucket.says = &refused;
    assert_non_null(test_one(h, &store));
    assert_int_equal(captured_journal_count(h->journal, "the long reason"), 1);
    AUTO_BUF list = buf_new(1 << 20);
    setup_write_recent(h->setup, &anything, &list);
    assert_true(
        str_eq(buf_str(&list),
               STR("[{\"at\":\"2026-03-02T09:15:42.000Z\",\"outcome\":\"refused\",\"operation\":"
                   "\"CreateReceiptRule\",\"account\":\"111122223333\",\"region\":\"us-east-1\","
                   "\"ruleSet\":\"main\",\"rule\":\"store\",\"action\":\"S3\",\"answered\":\"Could "
                   "not write to bucket: mail\",\"says\":\"the long reason\",\"targets\":[{"
                   "\"action\":1,\"kind\":\"S3\",\"target\":\"own\",\"outcome\":\"failed\","
                   "\"says\":\"the long reason\",\"decisions\":[]}],\"warnings\":[]}]")));
    for (int i = 0; i < 100; i++) /* it stays bounded */
        test_one(h, &store);
    buf_clear(&list);
    setup_write_recent(h->setup, &anything, &list);
    size_t count = 0;
    for (str rest = buf_str(&list);
         (rest = str_from(rest, str_find_str(rest, STR("\"at\""))), rest.len);
         rest = str_from(rest, 1))
        count++;
    assert_int_equal(count, 64);
    hall_close(h);
}

static void a_reason_longer_than_a_line_is_cut(void **state)
{
    (void)state;
    struct hall *h = hall_open();
    char *words = malloc(100 * 1000);
    memset(words, 'w', 100 * 1000);
    struct fault long_words = { .kind = FAULT_DENIED,
                                .code = "AccessDenied",
                                .says = { words, 100 * 1000 } };
    h->bucket.says = &long_words;
    assert_non_null(test_one(h, &store));
    assert_int_equal(captured_journal_count(h->journal, "\"says\":\"www"), 1);
    assert_int_equal(captured_journal_count(h->journal, "www\",\"cut\":true"), 1);
    AUTO_BUF list = buf_new(1 << 20);
    setup_write_recent(h->setup, &anything, &list);
    str text = buf_str(&list);
    assert_true(str_starts(text, STR("[{\"at\":\"2026-03-02T09:15:42.000Z\",\"outcome\":\"refused\",")));
    assert_true(text.len < 256 * 1024);
    free(words);
    hall_close(h);
}

static void what_cannot_run_yet_is_not_tested_and_never_in_the_clear(void **state)
{
    (void)state;
    struct hall *h = hall_open();
    struct action encrypted = store,
                  sns = { .kind = ACTION_SNS,
                          .topic_arn = STR("arn:aws:sns:us-east-1:111122223333:t") };
    encrypted.s3.kms_key_arn = STR("arn:aws:kms:us-east-1:111122223333:key/k");
    assert_null(test_one(h, &encrypted));
    assert_null(test_one(h, &sns));
    assert_null(h->bucket.bucket.ptr);
    AUTO_BUF list = buf_new(1 << 20);
    setup_write_recent(h->setup, &anything, &list);
    assert_true(str_eq(buf_str(&list), STR("[]"))); /* and nothing is claimed of it */
    struct action nameless = { .kind = ACTION_S3, .s3 = { .bucket_name = STR("") } };
    const struct fault *f = test_one(h, &nameless);
    assert_string_equal(f->code, "InvalidParameterValue");
    assert_true(str_eq(f->says, STR("Bucket name must not be empty")));
    hall_close(h);
}

static const struct fault no_role = { .kind = FAULT_DENIED,
                                      .code = "AccessDenied",
                                      .says = STR_INIT("x is not the ARN of a role") };

static const struct fault *untrusted(struct sts_port *port, const struct call *call, str role,
                                     str session, struct caller *ret)
{
    (void)port, (void)call, (void)session, (void)ret;
    return str_ends(role, STR("role/r")) ? &no_trust : &no_role;
}

static void a_role_that_does_not_trust_ses_is_told_apart(void **state)
{
    (void)state;
    struct hall *h = hall_open();
    struct sts_port sts = { untrusted };
    h->ports.sts = &sts;
    struct action with_role = store;
    static const str arns[] = { STR_INIT("arn:aws:iam::111122223333:role/r"),
                                STR_INIT("arn:aws:iam::111122223333:user/r"), STR_INIT("x") };
    for (size_t i = 0; i < sizeof arns / sizeof arns[0]; i++) {
        with_role.s3.iam_role_arn = arns[i];
        const struct fault *f = test_one(h, &with_role);
        assert_string_equal(f->code, "InvalidParameterValue");
        assert_true(str_eq(f->says, STR("Could not assume the provided IAM role")));
        assert_null(h->bucket.bucket.ptr);
    }
    hall_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_setup_object_has_four_fields_and_ends_in_a_bare_newline),
        cmocka_unit_test(aws_gives_short_answers),
        cmocka_unit_test(the_long_reason_is_in_the_log_and_on_the_list),
        cmocka_unit_test(a_reason_longer_than_a_line_is_cut),
        cmocka_unit_test(what_cannot_run_yet_is_not_tested_and_never_in_the_clear),
        cmocka_unit_test(a_role_that_does_not_trust_ses_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

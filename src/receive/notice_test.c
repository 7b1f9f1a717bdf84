/* receive/notice_test.c - ses-receiving spec 11: each document, each member. */
#include "receive/notice.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/utf8.h"
#include "mail/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define ID "3n8q0v5t1c7k2d9jr4hm6s0ub8gl1pf7e5a2ti01"

typedef const struct fault *write_notice(const struct notice *, struct buf *);

static str file(struct arena *a, const char *folder, const char *name)
{
    char path[512];
    AUTO_BUF text = buf_new(1 << 20);
    snprintf(path, sizeof path, "%s/%s/%s", VECTORS, folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        buf_addc(&text, (char)c);
    fclose(f);
    return arena_str(a, buf_str(&text));
}

static const struct action *action_of(str rule_set, struct arena *a)
{
    struct receipt_rule_set set;
    assert_null(rule_set_read(rule_set, a, &set));
    return &set.rules[0].actions[0];
}

/* ---- the examples of section 11.7 ---- */

struct example {
    const char *folder;
    write_notice *write;
    str source, recipient;
    struct verdicts verdicts;
    int64_t processing_ms;
};

/* clang-format off */
static const struct example examples[] = {
    { "s3", notice_write, STR_INIT("bounce+a1@mailer.example.net"), STR_INIT("sales@example.com"),
      { CHECKED_PASS, CHECKED_PASS, CHECKED_PASS, CHECKED_GRAY, CHECKED_FAIL, STR_INIT("quarantine") }, 512 },
    { "sns", notice_write_content, STR_INIT("bounce+a1@mailer.example.net"), STR_INIT("sales@example.com"),
      { CHECKED_PASS, CHECKED_PASS, CHECKED_PASS, CHECKED_GRAY, CHECKED_FAIL, STR_INIT("quarantine") }, 512 },
    { "lambda", notice_write_event, STR_INIT("sender@example.net"), STR_INIT("user+tag@example.com"),
      { CHECKED_DISABLED, CHECKED_DISABLED, CHECKED_PASS, CHECKED_PASS, CHECKED_PASS, STR_INIT("none") }, 380 },
};
/* clang-format on */

enum { RECEIVED_AT = 1772442942 }; /* 2026-03-02T09:15:42Z */

static void the_examples_are_told_octet_by_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *e = &examples[i];
        AUTO_ARENA *a = arena_new(1 << 20);
        struct forward_path path = { .text = e->recipient };
        const struct forward_path *paths[] = { &path };
        struct envelope envelope = { .message_id = STR(ID),
                                     .mail_from = { .text = e->source },
                                     .received_ms = RECEIVED_AT * 1000LL + 317 };
        struct step step = { .action = action_of(file(a, e->folder, "rule-set.json"), a),
                             .recipients = paths,
                             .recipient_count = 1 };
        struct notice notice = { .envelope = &envelope,
                                 .stored = file(a, e->folder, "stored.eml"),
                                 .step = &step,
                                 .verdicts = e->verdicts,
                                 .processing_ms = e->processing_ms };
        AUTO_BUF got = buf_new(1 << 20);
        assert_null(e->write(&notice, &got));
        str want = file(a, e->folder, "want.json");
        if (!str_eq(buf_str(&got), want))
            print_error("%s\n got: " STR_FMT "\nwant: " STR_FMT "\n", e->folder,
                        STR_ARG(buf_str(&got)), STR_ARG(want));
        assert_true(str_eq(buf_str(&got), want));
    }
}

/* ---- one message, told with one action ---- */

#define STOP "{\"StopAction\":{\"Scope\":\"RuleSet\",\"TopicArn\":\"t\"}}"

static void told_of(str head, str reverse_path, const char *action, write_notice *write,
                    struct buf *out)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    str rules =
        arena_strf(a,
                   "{\"Name\":\"main\",\"Account\":\"111122223333\",\"Region\":\"eu-west-1\","
                   "\"CreatedMs\":1,\"Rules\":[{\"Name\":\"r\",\"Enabled\":true,"
                   "\"Actions\":[%s]}]}",
                   action);
    struct envelope envelope = { .message_id = STR(ID),
                                 .mail_from = { .null = !reverse_path.len, .text = reverse_path },
                                 .received_ms = RECEIVED_AT * 1000LL };
    struct step step = { .action = action_of(rules, a) };
    struct notice notice = {
        .envelope = &envelope, .stored = head, .step = &step, .verdicts = verdicts_unverified(false)
    };
    assert_null(write(&notice, out));
}

static const struct json *parsed(const struct buf *text, struct arena *a)
{
    const struct json *root;
    const struct fault *f = json_parse(buf_str(text), a, &root);
    if (f)
        print_error(STR_FMT "\n", STR_ARG(f->says));
    assert_null(f);
    return root;
}

/* The member `name` of one of the documents' objects, as compact JSON. */
static void assert_told(str head, const char *object, const char *name, const char *want)
{
    AUTO_ARENA *a = arena_new(64 << 20);
    AUTO_BUF text = buf_new(1 << 20), got = buf_new(1 << 20);
    told_of(head, STR("a@sender.example"), STOP, notice_write, &text);
    const struct json *mail = json_get(parsed(&text, a), "mail");
    const struct json *in = strcmp(object, "mail") ? json_get(mail, object) : mail;
    struct json_writer w = json_writer(&got);
    if (json_get(in, name))
        json_put_value(&w, json_get(in, name));
    if (!str_eq(buf_str(&got), str_of(want)))
        print_error(STR_FMT "\n", STR_ARG(buf_str(&got)));
    assert_true(str_eq(buf_str(&got), str_of(want)));
}

struct member_case {
    const char *says;
    str head;
    const char *object, *name, *want; /* "": the member is not there */
};

/* clang-format off */
static const struct member_case members[] = {
    { "destination: To, Cc, then Bcc, bare", STR_INIT("Bcc: b@x.test\r\nCc: C <c@x.test>\r\nTo: T <T@X.test>, t2@x.test\r\n\r\n"),
      "mail", "destination", "[\"T@X.test\",\"t2@x.test\",\"c@x.test\",\"b@x.test\"]" },
    { "duplicates stay",            STR_INIT("To: a@x.test, a@x.test\r\nTo: a@x.test\r\n\r\n"), "mail", "destination", "[\"a@x.test\",\"a@x.test\",\"a@x.test\"]" },
    { "nobody",                     STR_INIT("Subject: s\r\n\r\n"),               "mail", "destination", "[]" },
    { "headers in order, names as written", STR_INIT("b: 1\r\nA: 2\r\nb: 3\r\n\r\n"), "mail", "headers",
      "[{\"name\":\"b\",\"value\":\"1\"},{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"b\",\"value\":\"3\"}]" },
    { "a fold is one space more",   STR_INIT("C: multipart/alternative; \r\n\tboundary=x\r\n\r\n"), "mail", "headers",
      "[{\"name\":\"C\",\"value\":\"multipart/alternative;  boundary=x\"}]" },
    { "encoded words, not in quotes", STR_INIT("F: \"=?utf-8?q?a?=\" =?utf-8?q?=C3=A9?=\r\n\r\n"), "mail", "headers",
      "[{\"name\":\"F\",\"value\":\"\\\"=?utf-8?q?a?=\\\" \xc3\xa9\"}]" },
    { "octets that are no UTF-8",   STR_INIT("F: a\xff\0b\r\n\r\n"), "mail", "headers", "[{\"name\":\"F\",\"value\":\"a\xef\xbf\xbd\xef\xbf\xbd" "b\"}]" },
    { "an empty field",             STR_INIT("F:\r\n\r\n"),          "mail", "headers", "[{\"name\":\"F\",\"value\":\"\"}]" },
    { "no fields",                  STR_INIT("\r\nbody"),            "mail", "headers", "[]" },
    { "not truncated",              STR_INIT("F: v\r\n\r\n"),        "mail", "headersTruncated", "false" },
    { "a message without a body",   STR_INIT("F: v\r\n"),            "mail", "headersTruncated", "false" },
    { "source",                     STR_INIT("From: x@y.test\r\n\r\n"), "mail", "source", "\"a@sender.example\"" },
    { "returnPath is the envelope's", STR_INIT("Return-Path: <forged@x.test>\r\n\r\n"), "commonHeaders", "returnPath", "\"a@sender.example\"" },
    { "from",                       STR_INIT("From: \"B, C\" <b@x.test>, d@x.test\r\n\r\n"), "commonHeaders", "from", "[\"\\\"B, C\\\" <b@x.test>\",\"d@x.test\"]" },
    { "no From",                    STR_INIT("To: x@y.test\r\n\r\n"), "commonHeaders", "from", "" },
    { "sender is a string",         STR_INIT("Sender: S <s@x.test>\r\n\r\n"), "commonHeaders", "sender", "\"s@x.test\"" },
    { "no sender",                  STR_INIT("A: b\r\n\r\n"), "commonHeaders", "sender", "" },
    { "a Sender of nobody",         STR_INIT("Sender: \r\n\r\n"), "commonHeaders", "sender", "\"\"" },
    { "replyTo",                    STR_INIT("reply-to: R <r@x.test>\r\n\r\n"), "commonHeaders", "replyTo", "[\"R <r@x.test>\"]" },
    { "date, as it stands",         STR_INIT("Date:  Mon, 2 Mar 26\r\n\r\n"), "commonHeaders", "date", "\"Mon, 2 Mar 26\"" },
    { "to of an empty group",       STR_INIT("To: undisclosed-recipients:;\r\n\r\n"), "commonHeaders", "to", "[]" },
    { "cc",                         STR_INIT("Cc: c@x.test (C)\r\n\r\n"), "commonHeaders", "cc", "[\"C <c@x.test>\"]" },
    { "bcc",                        STR_INIT("Bcc: b@x.test\r\n\r\n"), "commonHeaders", "bcc", "[\"b@x.test\"]" },
    { "no bcc",                     STR_INIT("To: b@x.test\r\n\r\n"), "commonHeaders", "bcc", "" },
    { "messageId with its brackets", STR_INIT("Message-Id: <1@x.test>\r\n\r\n"), "commonHeaders", "messageId", "\"<1@x.test>\"" },
    { "subject, decoded",           STR_INIT("Subject: =?utf-8?b?SGk=?=\r\n =?utf-8?q?_you?=\r\n\r\n"), "commonHeaders", "subject", "\"Hi you\"" },
    { "an empty subject",           STR_INIT("Subject:\r\n\r\n"), "commonHeaders", "subject", "\"\"" },
};

struct action_case {
    const char *rule, *want;
};
static const struct action_case actions[] = {
    { "{\"S3Action\":{\"BucketName\":\"b\"}}",
      "{\"type\":\"S3\",\"bucketName\":\"b\",\"objectKey\":\"" ID "\"}" },
    { "{\"S3Action\":{\"BucketName\":\"b\",\"ObjectKeyPrefix\":\"\",\"TopicArn\":\"t\"}}",
      "{\"type\":\"S3\",\"topicArn\":\"t\",\"bucketName\":\"b\",\"objectKeyPrefix\":\"\",\"objectKey\":\"" ID "\"}" },
    { "{\"S3Action\":{\"BucketName\":\"b\",\"ObjectKeyPrefix\":\"in/\",\"KmsKeyArn\":\"k\"}}",
      "{\"type\":\"S3\",\"bucketName\":\"b\",\"objectKeyPrefix\":\"in/\",\"objectKey\":\"in/" ID "\"}" },
    { "{\"SNSAction\":{\"TopicArn\":\"t\"}}",            "{\"type\":\"SNS\",\"topicArn\":\"t\",\"encoding\":\"UTF8\"}" },
    { "{\"SNSAction\":{\"TopicArn\":\"t\",\"Encoding\":\"Base64\"}}", "{\"type\":\"SNS\",\"topicArn\":\"t\",\"encoding\":\"BASE64\"}" },
    { "{\"BounceAction\":{\"SmtpReplyCode\":\"550\",\"StatusCode\":\"5.1.1\",\"Message\":\"m\",\"Sender\":\"s@x.test\",\"TopicArn\":\"t\"}}",
      "{\"type\":\"Bounce\",\"topicArn\":\"t\",\"smtpReplyCode\":\"550\",\"statusCode\":\"5.1.1\",\"message\":\"m\",\"sender\":\"s@x.test\"}" },
    { "{\"BounceAction\":{\"SmtpReplyCode\":\"550\",\"Message\":\"m\",\"Sender\":\"s@x.test\"}}",
      "{\"type\":\"Bounce\",\"smtpReplyCode\":\"550\",\"message\":\"m\",\"sender\":\"s@x.test\"}" },
    { "{\"LambdaAction\":{\"FunctionArn\":\"f\"}}",      "{\"type\":\"Lambda\",\"functionArn\":\"f\",\"invocationType\":\"Event\"}" },
    { "{\"LambdaAction\":{\"FunctionArn\":\"f\",\"InvocationType\":\"RequestResponse\",\"TopicArn\":\"t\"}}",
      "{\"type\":\"Lambda\",\"topicArn\":\"t\",\"functionArn\":\"f\",\"invocationType\":\"RequestResponse\"}" },
    { STOP,                                              "{\"type\":\"Stop\",\"topicArn\":\"t\"}" },
    { "{\"WorkmailAction\":{\"OrganizationArn\":\"o\",\"TopicArn\":\"t\"}}", "{\"type\":\"WorkMail\",\"topicArn\":\"t\",\"organizationArn\":\"o\"}" },
    { "{\"ConnectAction\":{\"InstanceARN\":\"i\",\"IAMRoleARN\":\"r\"}}", "{\"type\":\"Connect\",\"instanceArn\":\"i\"}" },
};
/* clang-format on */

static void every_member_of_mail_is_as_ses_has_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        print_message("# %s\n", members[i].says);
        assert_told(members[i].head, members[i].object, members[i].name, members[i].want);
    }
}

static void every_action_is_told_by_its_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        AUTO_BUF text = buf_new(1 << 20), got = buf_new(1 << 16);
        told_of(STR("A: b\r\n\r\n"), STR("a@b.test"), actions[i].rule, notice_write, &text);
        struct json_writer w = json_writer(&got);
        json_put_value(&w, json_get(json_get(parsed(&text, a), "receipt"), "action"));
        print_message("# " STR_FMT "\n", STR_ARG(buf_str(&got)));
        assert_true(str_eq(buf_str(&got), str_of(actions[i].want)));
    }
}

static void the_null_path_is_an_empty_source(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF text = buf_new(1 << 20);
    told_of(STR("A: b\r\n\r\n"), STR(""), STOP, notice_write, &text);
    const struct json *mail = json_get(parsed(&text, a), "mail");
    assert_true(str_eq(json_str(mail, "source"), STR("")));
    assert_true(str_eq(json_str(json_get(mail, "commonHeaders"), "returnPath"), STR("")));
}

static void verdicts_before_verification_are_honest(void **state)
{
    (void)state;
    struct verdicts scanned = verdicts_unverified(true), not = verdicts_unverified(false);
    assert_true(str_eq(checked_name(scanned.spam), STR("GRAY")));
    assert_true(str_eq(checked_name(scanned.virus), STR("GRAY")));
    assert_true(str_eq(checked_name(not .spam), STR("DISABLED")));
    assert_true(str_eq(checked_name(not .virus), STR("DISABLED")));
    assert_true(str_eq(checked_name(not .spf), STR("PROCESSING_FAILED")));
    assert_true(str_eq(checked_name(not .dkim), STR("PROCESSING_FAILED")));
    assert_true(str_eq(checked_name(not .dmarc), STR("PROCESSING_FAILED")));
}

/* ---- content ---- */

#define SNS(encoding) "{\"SNSAction\":{\"TopicArn\":\"t\",\"Encoding\":\"" encoding "\"}}"

static void content_is_the_stored_form(void **state)
{
    (void)state;
    str stored = STR("A: b\r\n\r\n\"\\/\t\x01 M\xc3\xa4rz \xe4\xff\0 \xf0\x9f\x98\x80\r\n");
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF text = buf_new(1 << 20), base64 = buf_new(1 << 20);
    told_of(stored, STR("a@b.test"), SNS("UTF-8"), notice_write_content, &text);
    assert_true(str_ends(buf_str(&text), STR(",\"content\":\"A: b\\r\\n\\r\\n\\\"\\\\/\\t\\u0001 "
                                             "M\xc3\xa4rz \xef\xbf\xbd\xef\xbf\xbd"
                                             "\xef\xbf\xbd \xf0\x9f\x98\x80\\r\\n\"}")));
    parsed(&text, a);

    told_of(stored, STR("a@b.test"), SNS("Base64"), notice_write_content, &base64);
    AUTO_BUF back = buf_new(1 << 20);
    assert_true(base64_decode(&back, json_str(parsed(&base64, a), "content")));
    assert_true(str_eq(buf_str(&back), stored));
}

static void a_buffer_too_small_is_said(void **state)
{
    (void)state;
    struct envelope envelope = { .message_id = STR(ID) };
    struct action stop = { .kind = ACTION_STOP };
    struct step step = { .action = &stop };
    struct notice notice = { .envelope = &envelope, .stored = STR("A: b\r\n\r\n"), .step = &step };
    AUTO_BUF all = buf_new(1 << 16);
    assert_null(notice_write(&notice, &all));
    for (size_t max = 0; max < all.len; max++) {
        AUTO_BUF out = buf_new(max);
        assert_non_null(notice_write(&notice, &out));
    }
}

/* ---- truncation: section 11.6 ---- */

static const struct json *mail_of(str head, struct arena *a)
{
    AUTO_BUF text = buf_new(8 << 20);
    told_of(head, STR("a@b.test"), STOP, notice_write, &text);
    return json_get(parsed(&text, a), "mail");
}

static void add_field(struct buf *head, size_t value_size, const char *unit)
{
    buf_add(head, STR("X: "));
    for (size_t i = 0; i < value_size; i++)
        buf_add(head, str_of(unit));
    buf_add(head, STR("\r\n"));
}

static void headers_are_cut_at_10240_octets_of_names_and_values(void **state)
{
    (void)state;
    static const struct {
        size_t last; /* octets of the last value; names have one, the others 1023 */
        size_t want;
        bool truncated;
    } cases[] = { { 1022, 10, false }, { 1023, 10, false }, { 1024, 9, true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA *a = arena_new(64 << 20);
        AUTO_BUF head = buf_new(1 << 20);
        for (int k = 0; k < 9; k++)
            add_field(&head, 1023, "x");
        add_field(&head, cases[i].last, "x");
        buf_add(&head, STR("\r\n"));
        const struct json *mail = mail_of(buf_str(&head), a);
        assert_int_equal(json_size(json_get(mail, "headers")), cases[i].want);
        assert_int_equal(json_bool(mail, "headersTruncated", false), cases[i].truncated);
    }
}

static void what_is_cut_from_the_list_is_still_in_common_headers(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(64 << 20);
    AUTO_BUF head = buf_new(1 << 20);
    buf_add(&head, STR("A: b\r\n"));
    add_field(&head, 20000, "x");
    buf_add(&head, STR("C: d\r\nSubject: s\r\nTo: x@y.test\r\n\r\n"));
    const struct json *mail = mail_of(buf_str(&head), a);
    assert_int_equal(json_size(json_get(mail, "headers")),
                     1); /* none behind the one that is too long */
    assert_true(json_bool(mail, "headersTruncated", false));
    assert_true(str_eq(json_str(json_get(mail, "commonHeaders"), "subject"), STR("s")));
    assert_int_equal(json_size(json_get(mail, "destination")), 1);
}

static void decoded_values_count(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(64 << 20);
    AUTO_BUF head = buf_new(1 << 20);
    for (int i = 0; i < 9; i++)
        add_field(&head, 1023, "x");
    add_field(&head, 90, "=?utf-8?q?abcdefghij?= "); /* 900 octets decoded, 2070 raw */
    buf_add(&head, STR("\r\n"));
    assert_false(json_bool(mail_of(buf_str(&head), a), "headersTruncated", true));
    buf_clear(&head);
    for (int i = 0; i < 9; i++)
        add_field(&head, 1023, "x");
    add_field(&head, 400, "\xff"); /* 400 octets raw, 1200 as U+FFFD */
    buf_add(&head, STR("\r\n"));
    assert_true(json_bool(mail_of(buf_str(&head), a), "headersTruncated", false));
}

/* ---- hostile ---- */

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void a_strangers_header_section_is_told_in_bounded_time(void **state)
{
    (void)state;
    static const struct {
        const char *says, *name, *unit;
        size_t fields, units;
    } cases[] = {
        { "five thousand short fields", "X", "y", 5000, 1 },
        { "five thousand fields To", "To", "a@b.test, ", 5000, 2 },
        { "fields without values", "X", "", 30000, 0 },
        { "one field of 100 KB", "X", "x", 1, 100000 },
        { "To of 100 KB", "To", "Name <a@b.test>, ", 1, 6000 },
        { "nested groups", "To", "a:", 1, 50000 },
        { "nested comments", "From", "(", 10, 50000 },
        { "bad octets", "Subject", "\xff", 3, 100000 },
        { "encoded words", "Subject", "=?iso-2022-jp?b?GyRCRnxLXBsoQg==?= ", 1, 10000 },
        { "a new charset in each word", "Subject",
          "=?iso-2022-cn-ext?q?a?= =?ibm1390?q?a?= =?tscii?q?a?= =?euc-tw?q?a?= =?big5-hkscs?q?a?= "
          "=?iso-2022-kr?q?a?= =?utf-7?q?a?= =?ibm939?q?a?= =?armscii-8?q?a?= =?iso-2022-jp-3?q?a?= ", 1, 5000 },
        { "half encoded words", "Subject", "=?utf-8?q?", 1, 20000 },
        { "quotes", "From", "\"\\", 10, 10000 },
        { "folds", "Subject", "x\r\n ", 1, 30000 },
        { "more than a megabyte", "X", "x", 20, 100000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_BUF head = buf_new(8 << 20), text = buf_new(16 << 20);
        AUTO_ARENA *a = arena_new(256 << 20);
        for (size_t f = 0; f < cases[i].fields; f++) {
            buf_addf(&head, "%s: ", cases[i].name);
            for (size_t u = 0; u < cases[i].units; u++)
                buf_add(&head, str_of(cases[i].unit));
            buf_add(&head, STR("\r\n"));
        }
        buf_add(&head, STR("\r\nbody\r\n"));
        int64_t began_ms = cpu_ms();
        told_of(buf_str(&head), STR("a@b.test"), STOP, notice_write, &text);
        int64_t took_ms = cpu_ms() - began_ms;
        print_message("# %s: %d ms, %zu octets\n", cases[i].says, (int)took_ms, text.len);
        assert_true(took_ms < 3000);
        assert_true(utf8_valid(buf_str(&text)));
        parsed(&text, a);
    }
}

static void the_same_step_has_one_id_and_no_other_has_it(void **state)
{
    (void)state;
    char one[REQUEST_ID_LEN + 1], two[REQUEST_ID_LEN + 1], three[REQUEST_ID_LEN + 1];
    str id = notice_dedupe_id(STR(ID), 0, one);
    assert_int_equal(id.len, REQUEST_ID_LEN);
    assert_true(id.ptr[14] == '8' && strchr("89ab", id.ptr[19]));
    assert_true(str_eq(id, notice_dedupe_id(STR(ID), 0, two)));
    assert_false(str_eq(id, notice_dedupe_id(STR(ID), 1, two)));
    assert_false(
        str_eq(id, notice_dedupe_id(STR("3n8q0v5t1c7k2d9jr4hm6s0ub8gl1pf7e5a2tig1"), 0, three)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_are_told_octet_by_octet),
        cmocka_unit_test(every_member_of_mail_is_as_ses_has_it),
        cmocka_unit_test(every_action_is_told_by_its_members),
        cmocka_unit_test(the_null_path_is_an_empty_source),
        cmocka_unit_test(verdicts_before_verification_are_honest),
        cmocka_unit_test(content_is_the_stored_form),
        cmocka_unit_test(a_buffer_too_small_is_said),
        cmocka_unit_test(headers_are_cut_at_10240_octets_of_names_and_values),
        cmocka_unit_test(what_is_cut_from_the_list_is_still_in_common_headers),
        cmocka_unit_test(decoded_values_count),
        cmocka_unit_test(a_strangers_header_section_is_told_in_bounded_time),
        cmocka_unit_test(the_same_step_has_one_id_and_no_other_has_it),
    };
    return cmocka_run_group_tests_name("receive/notice", tests, NULL, NULL);
}

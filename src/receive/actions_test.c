/* What each kind of action does with a message, whom it asks, and how a function bends what
 * follows. */
#include "receive/notice.h"
#include "receive/post_suite.h"

#include "base/base64.h"
#include "base/cipher.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define KEY           "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define TOPIC         "arn:aws:sns:us-east-1:111122223333:mail"
#define FUNCTION      "arn:aws:lambda:us-east-1:111122223333:function:f"
#define ROLE          "arn:aws:iam::111122223333:role/mail"
#define SNS(encoding) "{\"SNSAction\":{\"TopicArn\":\"" TOPIC "\",\"Encoding\":\"" encoding "\"}}"
#define LAMBDA(more)  "{\"LambdaAction\":{\"FunctionArn\":\"" FUNCTION "\"" more "}}"
#define WAITED        ",\"InvocationType\":\"RequestResponse\""

static struct post *post_of(const char *actions)
{
    struct post *p = post_open(actions);
    post_with_services(p);
    return p;
}

static str metadata(const struct post *p, const char *name)
{
    for (size_t i = 0; i < p->bucket.metadata_count; i++)
        if (str_eq(p->bucket.metadata[i].name, str_of(name)))
            return p->bucket.metadata[i].value;
    return STR_NONE;
}

static void an_encrypted_object_is_the_version_1_envelope_of_the_stored_form(void **state)
{
    (void)state;
    struct post *plain = post_of("{\"S3Action\":{\"BucketName\":\"mail\"}}");
    struct post *p = post_of("{\"S3Action\":{\"BucketName\":\"mail\",\"KmsKeyArn\":\"" KEY "\"}}");
    assert_true(post_attempt(plain));
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_int_equal(plain->bucket.metadata_count, 0);
    assert_int_equal(p->bucket.metadata_count, 7);
    str matdesc = STR("{\"aws:ses:message-id\":\"" ID "\",\"aws:ses:rule-name\":\"store\","
                      "\"aws:ses:source-account\":\"111122223333\",\"kms_cmk_id\":\"" KEY "\"}");
    assert_true(str_eq(metadata(p, "x-amz-matdesc"), matdesc));
    assert_true(str_eq(metadata(p, "x-amz-key-v2"), STR("d3JhcHBlZA==")));
    assert_true(str_eq(metadata(p, "x-amz-cek-alg"), STR("AES/GCM/NoPadding")));
    assert_true(str_eq(metadata(p, "x-amz-wrap-alg"), STR("kms")));
    assert_true(str_eq(metadata(p, "x-amz-tag-len"), STR("128")));
    assert_true(str_eq(buf_str(&p->key.context),
                       STR("aws:ses:message-id=" ID ";aws:ses:rule-name=store;"
                           "aws:ses:source-account=111122223333;kms_cmk_id=" KEY ";")));
    str clear = buf_str(&plain->bucket.object), sealed = buf_str(&p->bucket.object);
    assert_int_equal(sealed.len, clear.len + 16);
    assert_true(str_eq(metadata(p, "x-amz-unencrypted-content-length"),
                       arena_strf(p->arena, "%zu", clear.len)));
    unsigned char key[32], iv[12], opened[4096];
    memset(key, 'k', sizeof key);
    AUTO_BUF decoded = buf_new(64);
    assert_true(base64_decode(&decoded, metadata(p, "x-amz-iv")));
    assert_int_equal(decoded.len, sizeof iv);
    memcpy(iv, decoded.ptr, sizeof iv);
    assert_true(cipher_open(key, iv, STR(""), sealed, opened));
    assert_memory_equal(opened, clear.ptr, clear.len);
    post_close(plain);
    post_close(p);
}

static void without_its_key_nothing_is_written(void **state)
{
    (void)state;
    static const struct fault no_key = { .kind = FAULT_DENIED,
                                         .says = STR_INIT("the key is disabled") };
    struct post *p = post_of("{\"S3Action\":{\"BucketName\":\"mail\",\"KmsKeyArn\":\"" KEY "\"}}");
    p->key.says = &no_key;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    assert_int_equal(p->bucket.puts, 0);
    assert_holds(post_timeline(p), "could not use the key " KEY ": the key is disabled");
    p->key.says = NULL;
    assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1);
    post_close(p);
}

static void with_a_role_key_bucket_and_topic_are_asked_as_the_role(void **state)
{
    (void)state;
    struct post *p = post_of("{\"S3Action\":{\"BucketName\":\"mail\",\"KmsKeyArn\":\"" KEY
                             "\",\"IamRoleArn\":\"" ROLE "\",\"TopicArn\":\"" TOPIC "\"}}");
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    const char *session = "arn:aws:sts::111122223333:assumed-role/mail/" ID;
    assert_string_equal(p->key.caller, session);
    assert_string_equal(p->topic.caller, session);
    assert_true(str_starts(str_of(p->bucket.caller), str_of(session)));
    post_close(p);
}

static void a_topic_of_an_sns_action_gets_the_message_with_its_content(void **state)
{
    (void)state;
    struct post *p = post_of(SNS("Base64"));
    const struct json *told;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_string_equal(p->topic.caller, "ses.amazonaws.com");
    assert_string_equal(p->topic.subject, "Amazon SES Email Receipt Notification");
    assert_null(json_parse(buf_str(&p->topic.message), p->arena, &told));
    assert_true(
        str_eq(json_str(json_get(json_get(told, "receipt"), "action"), "encoding"), STR("BASE64")));
    AUTO_BUF content = buf_new(4096);
    assert_true(base64_decode(&content, json_str(told, "content")));
    assert_true(str_starts(buf_str(&content), STR("Return-Path: <me@sender.example>\r\n")));
    assert_true(str_ends(buf_str(&content), STR("Subject: x\r\n\r\nhello\0\r\n")));
    post_close(p);
}

static str relay(struct mailer_port *port, str forward_path, struct arena *a)
{
    (void)port, (void)forward_path;
    return arena_str(a, STR("smtp://relay.test:25"));
}

/* A message whose stored form is too long for a topic by far. */
static struct post *post_of_long(struct mailer_port *mailer)
{
    struct post *p = post_of(SNS("UTF-8"));
    char *body = arena_alloc(p->arena, NOTICE_CONTENT_MAX, 1);
    memset(body, 'x', NOTICE_CONTENT_MAX);
    memcpy(body, "S: x\r\n\r\n", 8);
    p->spool.body = (str) { body, NOTICE_CONTENT_MAX };
    p->ports.mailer = mailer;
    p->stamp.hostname = STR_NONE; /* as SES calls itself */
    return p;
}

static void a_message_too_long_to_publish_is_given_up_at_once_kept_and_bounced(void **state)
{
    (void)state;
    struct mailer_port mailer = { .target = relay };
    struct post *p = post_of_long(&mailer);
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DEAD);
    assert_int_equal(p->topic.published, 0);
    str story = post_timeline(p);
    assert_holds(
        story,
        "longer than the 153600 octets that SES publishes; sends a bounce to me@sender.example");
    assert_int_equal(p->spool.put, 1);
    assert_int_equal(p->spool.errand_kind, SPOOL_OUTGOING);
    str dsn = buf_str(&p->spool.errand_body);
    assert_holds(dsn, "\r\nFrom: mailer-daemon@inbound-smtp.us-east-1.amazonaws.com\r\n"
                      "To: me@sender.example\r\n");
    assert_holds(dsn,
                 "\r\nDiagnostic-Code: smtp; 552 5.3.4 Message too large\r\nStatus: 5.3.4\r\n");
    assert_holds(dsn, "\r\nS: x\r\n\r\n------=_Part_0_"); /* the header section, not the body */
    post_close(p);
}

static void nor_is_it_published_where_its_sender_cannot_be_told(void **state)
{
    (void)state;
    struct post *p = post_of_long(NULL);
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DEAD);
    assert_int_equal(p->spool.put, 1); /* for whoever looks for it */
    assert_holds(post_timeline(p), "kept, not sent: outgoing mail is off");
    post_close(p);

    struct mailer_port mailer = { .target = relay };
    p = post_of_long(&mailer);
    p->delivery.oversize_silent = true;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DEAD);
    assert_int_equal(p->spool.put, 0);
    assert_holds(post_timeline(p), "--oversize-bounce no");
    post_close(p);

    static const struct fault full = { .kind = FAULT_LIMIT, .says = STR_INIT("the disk is full") };
    p = post_of_long(&mailer);
    p->spool.full = &full; /* asked again: the bounce is not lost */
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    p->spool.full = NULL;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DEAD);
    assert_int_equal(p->spool.put, 1);
    post_close(p);
}

static void a_notice_that_fails_is_retried_alone_and_under_the_same_id(void **state)
{
    (void)state;
    struct post *p = post_of("{\"S3Action\":{\"BucketName\":\"mail\",\"TopicArn\":\"" TOPIC "\"}}");
    char first[64];
    p->topic.says = &denied;
    assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1);
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    p->topic.says = NULL;
    assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1);
    assert_int_equal(p->topic.published, 2);
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    memcpy(first, p->topic.message_id, sizeof first);
    assert_int_equal(strlen(first), 36);
    /* The same step of the same message, once more. */
    struct post *again =
        post_of("{\"S3Action\":{\"BucketName\":\"mail\",\"TopicArn\":\"" TOPIC "\"}}");
    assert_true(post_attempt(again));
    assert_string_equal(again->topic.message_id, first);
    assert_true(str_find_str(buf_str(&again->topic.message), STR("\"content\"")) ==
                again->topic.message.len);
    post_close(again);
    post_close(p);
}

static void topics_and_functions_of_another_region_are_not_called(void **state)
{
    (void)state;
    struct post *p = post_of("{\"SNSAction\":{\"TopicArn\":\"arn:aws:sns:eu-west-1:111122223333:"
                             "mail\"}}");
    assert_true(post_attempt(p));
    assert_int_equal(p->topic.published, 0);
    assert_holds(post_timeline(p), "publishes in its own Region only");
    post_close(p);
    p = post_of("{\"LambdaAction\":{\"FunctionArn\":\"arn:aws:lambda:eu-west-1:111122223333:"
                "function:f\"}}");
    assert_true(post_attempt(p));
    assert_int_equal(p->function.invoked, 0);
    assert_holds(post_timeline(p), "invokes functions of its own Region only");
    post_close(p);
}

/* One function, then a header and the bucket. */
static struct post *bent(const char *invocation, const char *answer)
{
    struct post *p =
        post_of(str_eq(str_of(invocation), STR("wait"))
                    ? LAMBDA(WAITED ",\"TopicArn\":\"" TOPIC "\"") "," HEADER("X-A", "1") "," S3
                    : LAMBDA("") "," HEADER("X-A", "1") "," S3);
    p->function.answers = str_of(answer);
    assert_true(post_attempt(p));
    return p;
}

static void a_disposition_stops_the_rule_exactly_when_it_is_one(void **state)
{
    (void)state;
    static const struct {
        const char *invocation, *answer;
        bool stops;
    } cases[] = {
        { "wait", "{\"disposition\":\"STOP_RULE\"}", true },
        { "wait", "{\"disposition\":\"STOP_RULE_SET\"}", true },
        { "wait", "{\"disposition\":\"CONTINUE\"}", false },
        { "wait", "{\"disposition\":\"stop_rule\"}", false },
        { "wait", "{\"disposition\":7}", false },
        { "wait", "{}", false },
        { "wait", "null", false },
        { "wait", "\"STOP_RULE\"", false },
        { "wait", "[\"STOP_RULE\"]", false },
        { "wait", "no JSON", false },
        { "wait", "", false },
        { "event", "{\"disposition\":\"STOP_RULE\"}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct post *p = bent(cases[i].invocation, cases[i].answer);
        assert_int_equal(p->spool.record.state, SPOOL_DONE);
        assert_int_equal(p->bucket.puts, cases[i].stops ? 0 : 1);
        bool waits = str_eq(str_of(cases[i].invocation), STR("wait"));
        assert_int_equal(p->topic.published, waits); /* the function ran: its notice goes out */
        assert_int_equal(p->function.type, waits ? INVOKE_REQUEST_RESPONSE : INVOKE_EVENT);
        post_close(p);
    }
}

static void a_disposition_holds_after_a_restart(void **state)
{
    (void)state;
    struct post *p = post_of(LAMBDA(WAITED ",\"TopicArn\":\"" TOPIC "\"") "," S3);
    p->function.answers = STR("{\"disposition\":\"STOP_RULE\"}");
    p->topic.says = &denied; /* the attempt ends between the function and what it stopped */
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    p->topic.says = NULL;
    p->function.answers = STR("null");
    assert_true(post_attempt(p)); /* knows only what the notes say */
    assert_int_equal(p->function.invoked, 1);
    assert_int_equal(p->bucket.puts, 0);
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_holds(post_timeline(p), "it answered STOP_RULE");
    post_close(p);
}

static void a_function_that_fails_is_invoked_again_under_the_same_id(void **state)
{
    (void)state;
    struct post *p = post_of(LAMBDA(WAITED) "," S3);
    char first[64];
    p->function.error = STR("Unhandled");
    p->function.answers = STR("{\"errorMessage\":\"boom\"}");
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    assert_int_equal(p->bucket.puts, 0);
    assert_holds(post_timeline(p), "boom");
    memcpy(first, p->function.request_id, sizeof first);
    p->function.error = STR_NONE;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_string_equal(first, p->function.request_id);
    assert_holds(buf_str(&p->function.payload), "{\"Records\":[{\"eventSource\":\"aws:ses\"");
    post_close(p);
}

static void a_message_whose_target_is_busy_is_held_and_not_run(void **state)
{
    (void)state;
    struct post *p = post_of(HEADER("X-A", "1") "," S3 "," LAMBDA(WAITED));
    assert_null(
        shares_open(&p->spool.spool, 2, &p->entropy.entropy, p->arena, &p->delivery.shares));
    const struct share function = { .target = STR(FUNCTION), .weight = 1 };
    assert_true(share_take(p->delivery.shares, &function, false)); /* another message runs it */
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.held, 1);
    assert_int_equal(p->function.invoked, 0);
    assert_int_equal(p->bucket.puts, 1);
    share_give(p->delivery.shares, &function, GIVER_LEASES_NEXT);
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_int_equal(p->spool.record.attempt, 1);
    assert_int_equal(p->bucket.puts, 1); /* noted before it was held */
    assert_int_equal(p->function.invoked, 1);
    struct buf text = buf_new(1 << 16);
    metrics_text(p->metrics, &text);
    assert_holds(buf_str(&text),
                 "sesame_received_total{rule_set=\"main\",rule=\"store\",action=\"S3\"} 1\n");
    buf_free(&text);
    shares_close(p->delivery.shares);
    post_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encrypted_object_is_the_version_1_envelope_of_the_stored_form),
        cmocka_unit_test(without_its_key_nothing_is_written),
        cmocka_unit_test(with_a_role_key_bucket_and_topic_are_asked_as_the_role),
        cmocka_unit_test(a_topic_of_an_sns_action_gets_the_message_with_its_content),
        cmocka_unit_test(a_message_too_long_to_publish_is_given_up_at_once_kept_and_bounced),
        cmocka_unit_test(nor_is_it_published_where_its_sender_cannot_be_told),
        cmocka_unit_test(a_notice_that_fails_is_retried_alone_and_under_the_same_id),
        cmocka_unit_test(topics_and_functions_of_another_region_are_not_called),
        cmocka_unit_test(a_disposition_stops_the_rule_exactly_when_it_is_one),
        cmocka_unit_test(a_disposition_holds_after_a_restart),
        cmocka_unit_test(a_function_that_fails_is_invoked_again_under_the_same_id),
        cmocka_unit_test(a_message_whose_target_is_busy_is_held_and_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

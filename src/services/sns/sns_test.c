/* Publishing, and the errands it leaves, run by hand: with a queue, a function and a key of our
 * own. */
#include "services/sns/sns.h"

#include "base/digest.h"
#include "base/json.h"
#include "services/sns/embedded.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What the other services were asked, and what they answer. */
struct doubles {
    struct kms_port kms;
    struct sqs_port sqs;
    struct lambda_port lambda;
    const struct fault *kms_says, *decrypt_says, *sqs_says, *lambda_says;
    char asked[2048]; /* one line a call */
    char text[8192];  /* the last message or payload */
    size_t attribute_count;
};

static struct doubles *doubles_of(void *port, size_t at)
{
    return (struct doubles *)(void *)((char *)port - at);
}

static void tell(struct doubles *d, const struct call *call, const char *what, str of)
{
    AUTO_ARENA *arena = arena_new(64 * 1024);
    str who = caller_name(call->caller, arena);
    size_t len = strlen(d->asked);
    snprintf(d->asked + len, sizeof d->asked - len, "%s " STR_FMT " as " STR_FMT "%s" STR_FMT "\n",
             what, STR_ARG(of), STR_ARG(who), call->caller->via_service.len ? " via " : "",
             STR_ARG(call->caller->via_service));
}

static const struct fault *make_key(struct kms_port *port, const struct call *call, str key_id,
                                    const struct encryption_context *context,
                                    struct data_key *ret_key)
{
    struct doubles *d = doubles_of(port, offsetof(struct doubles, kms));
    tell(d, call, "GenerateDataKey", key_id);
    assert_int_equal(context->count, 1);
    assert_true(str_eq(context->pairs[0].name, STR("aws:sns:topicArn")));
    memset(ret_key->plaintext, 'k', sizeof ret_key->plaintext);
    ret_key->ciphertext = STR("wrapped");
    ret_key->key_arn = STR("arn:aws:kms:us-east-1:111122223333:key/1");
    return d->kms_says;
}

static const struct fault *open_key(struct kms_port *port, const struct call *call, str key_id,
                                    str ciphertext, const struct encryption_context *context,
                                    str *ret_plaintext)
{
    struct doubles *d = doubles_of(port, offsetof(struct doubles, kms));
    tell(d, call, "Decrypt", ciphertext);
    (void)key_id, (void)context;
    *ret_plaintext = STR("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
    return d->decrypt_says;
}

static const struct fault *take_message(struct sqs_port *port, const struct call *call,
                                        str queue_arn, str message,
                                        const struct message_attribute *attributes, size_t count)
{
    struct doubles *d = doubles_of(port, offsetof(struct doubles, sqs));
    (void)attributes;
    tell(d, call, "SendMessage", queue_arn);
    snprintf(d->text, sizeof d->text, STR_FMT, STR_ARG(message));
    d->attribute_count = count;
    return d->sqs_says;
}

static const struct fault *run_function(struct lambda_port *port, const struct call *call,
                                        const struct invoke *invoke, struct invoked *ret_invoked)
{
    struct doubles *d = doubles_of(port, offsetof(struct doubles, lambda));
    tell(d, call, invoke->type == INVOKE_EVENT ? "Invoke Event" : "Invoke", invoke->function_arn);
    snprintf(d->text, sizeof d->text, STR_FMT, STR_ARG(invoke->payload));
    *ret_invoked = (struct invoked) { .status = 202 };
    return d->lambda_says;
}

struct scene {
    struct stage stage;
    struct spool *spool;
    struct doubles doubles;
    struct ports ports;
    struct sns_service *sns;
};

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    stage_begin(&s->stage);
    s->doubles.kms = (struct kms_port) { make_key, open_key };
    s->doubles.sqs = (struct sqs_port) { take_message };
    s->doubles.lambda = (struct lambda_port) { run_function };
    s->ports = (struct ports) { .kms = &s->doubles.kms,
                                .sqs = &s->doubles.sqs,
                                .lambda = &s->doubles.lambda };
    struct arena *arena = s->stage.arena;
    str folder = arena_strf(arena, "%s/spool", s->stage.folder.path);
    assert_null(spool_log_open(folder, &(struct spool_limits) { .segment_bytes = 1 << 20 },
                               &s->stage.outside, arena, &s->spool));
    struct sns_settings settings = { .spool = s->spool,
                                     .state = s->stage.state,
                                     .worlds = s->stage.worlds,
                                     .outside = &s->stage.outside,
                                     .ports = &s->ports,
                                     .rehearsal_ports = &s->ports,
                                     .directory =
                                         arena_strf(arena, "%s/sns", s->stage.folder.path) };
    assert_null(sns_embedded_open(&settings, arena, &s->sns));
    sns_tell_url(s->sns, STR("http://sns.example:4566/"));
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;
    sns_embedded_close(s->sns);
    s->spool->ops->stop(s->spool);
    s->spool->ops->close(s->spool);
    stage_end(&s->stage);
    free(s);
    return 0;
}

/* ---- what the tests say ---- */

#define TOPIC    STR("arn:aws:sns:us-east-1:111122223333:mail")
#define QUEUE    STR("arn:aws:sqs:us-east-1:111122223333:inbox")
#define FUNCTION STR("arn:aws:lambda:us-east-1:111122223333:function:f")
#define DEAD     STR("arn:aws:sqs:us-east-1:111122223333:dead")

static void make_topic(struct scene *s, const char *name, const char *value)
{
    struct call call = stage_call(&s->stage);
    struct header pair = { str_of(name), str_of(value) };
    struct sns_pairs attributes = { &pair, name ? 1 : 0 };
    str arn;
    const struct fault *why =
        sns_create_topic(s->sns, &call, STR("mail"), attributes, (struct sns_pairs) { 0 }, &arn);
    assert_string_equal(stage_says(&s->stage, why), "");
    assert_true(str_eq(arn, TOPIC));
}

static str subscribe(struct scene *s, str protocol, str endpoint, const struct header *attributes,
                     size_t count)
{
    struct call call = stage_call(&s->stage);
    struct sns_subscribe wanted = { TOPIC, protocol, endpoint, { attributes, count } };
    str arn;
    bool pending;
    assert_string_equal(
        stage_says(&s->stage, sns_subscribe(s->sns, &call, &wanted, &arn, &pending)), "");
    assert_false(pending);
    return arn;
}

static const struct fault *publish_as(struct scene *s, const struct caller *caller, str message)
{
    struct call call = stage_call_as(&s->stage, caller);
    str id;
    return s->sns->port.publish(&s->sns->port, &call,
                                &(struct publish) { .topic_arn = TOPIC,
                                                    .subject = STR("a subject"),
                                                    .message = message,
                                                    .message_id = STR("m-1") },
                                &id);
}

static void publish(struct scene *s, str message)
{
    assert_string_equal(stage_says(&s->stage, publish_as(s, &s->stage.caller, message)), "");
}

/* Leases the next errand and runs it as that attempt. */
static struct errand_end run(struct scene *s, int number, str *ret_body)
{
    struct arena *arena = s->stage.arena;
    struct lease lease;
    int64_t taken_ms;
    assert_null(s->spool->ops->lease(s->spool, 1000, arena, &lease));
    assert_non_null(lease.impl);
    struct errand_attempt attempt = { .number = number,
                                      .since_ms = s->stage.now_ms,
                                      .now_ms = s->stage.now_ms,
                                      .world = stage_call(&s->stage).world,
                                      .arena = arena };
    assert_null(errand_read(&lease.entry, arena, &attempt.errand, &taken_ms));
    assert_null(s->spool->ops->read(&lease, 0, lease.body_size, arena, &attempt.body));
    struct errand_runner *runner = &s->sns->runner.runner;
    struct errand_end end = runner->run(runner, &attempt);
    if (ret_body)
        *ret_body = attempt.body;
    assert_null(s->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
    return end;
}

static bool nothing_left(struct scene *s)
{
    struct lease lease;
    assert_null(s->spool->ops->lease(s->spool, 50, s->stage.arena, &lease));
    return !lease.impl;
}

/* ---- publishing ---- */

static void test_ses_reaches_a_topic_of_its_own_account_by_the_default_policy(void **state)
{
    struct scene *s = *state;
    struct arn rule;
    make_topic(s, NULL, NULL);
    assert_true(arn_parse(
        STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/r"), &rule));
    struct caller own = caller_ses(STR("111122223333"), rule);
    struct caller other = caller_ses(STR("444455556666"), rule);
    assert_null(publish_as(s, &own, STR("x")));
    const struct fault *why = publish_as(s, &other, STR("x"));
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_DENIED);
    assert_true(str_eq(why->denial->decision.lacks[0].condition->key, STR("AWS:SourceOwner")));
}

static void test_without_subscribers_nothing_is_written(void **state)
{
    struct scene *s = *state;
    struct spool_health before, after;
    make_topic(s, NULL, NULL);
    s->spool->ops->health(s->spool, &before);
    publish(s, STR("unheard"));
    s->spool->ops->health(s->spool, &after);
    assert_int_equal(before.commits, after.commits);
}

static void test_a_rehearsal_judges_and_leaves_nothing(void **state)
{
    struct scene *s = *state;
    make_topic(s, "KmsMasterKeyId", "alias/mine");
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    struct sns_port *rehearsal = &s->sns->rehearsal.port;
    struct publish what = { .topic_arn = TOPIC, .subject = STR_NONE, .message = STR("x") };
    struct call call = stage_call(&s->stage);
    str id;
    assert_null(rehearsal->publish(rehearsal, &call, &what, &id));
    assert_true(nothing_left(s));
    s->doubles.kms_says = fault_coded(s->stage.arena, FAULT_DENIED, "AccessDenied", "no");
    assert_string_equal(stage_says(&s->stage, rehearsal->publish(rehearsal, &call, &what, &id)),
                        "KMSAccessDenied: the topic's KMS key cannot be used");
    struct caller stranger = caller_root(STR("444455556666"));
    call = stage_call_as(&s->stage, &stranger);
    assert_int_equal(rehearsal->publish(rehearsal, &call, &what, &id)->kind, FAULT_DENIED);
}

/* ---- delivering ---- */

static void test_a_queue_gets_the_envelope_from_sns_for_the_topic(void **state)
{
    struct scene *s = *state;
    const struct json *json;
    make_topic(s, NULL, NULL);
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    publish(s, STR("hello"));
    struct errand_end end = run(s, 1, NULL);
    assert_int_equal(end.settlement, SETTLE_DONE);
    assert_string_equal(s->doubles.asked, "SendMessage arn:aws:sqs:us-east-1:111122223333:inbox as "
                                          "sns.amazonaws.com\n");
    assert_null(json_parse(str_of(s->doubles.text), s->stage.arena, &json));
    assert_true(str_eq(json_str(json, "Message"), STR("hello")));
    assert_true(str_eq(json_str(json, "MessageId"), STR("m-1")));
    assert_true(
        str_starts(json_str(json, "UnsubscribeURL"),
                   STR("http://sns.example:4566/?Action=Unsubscribe&SubscriptionArn=arn:")));
    assert_int_equal(s->doubles.attribute_count, 0);
}

static void test_a_raw_message_has_its_attributes_beside_it(void **state)
{
    struct scene *s = *state;
    static const struct header raw = { STR_INIT("RawMessageDelivery"), STR_INIT("true") };
    static const struct message_attribute attribute = { STR_INIT("a"), STR_INIT("Number"),
                                                        STR_INIT("1") };
    make_topic(s, NULL, NULL);
    subscribe(s, STR("sqs"), QUEUE, &raw, 1);
    struct call call = stage_call(&s->stage);
    str id;
    assert_null(sns_publish(s->sns, &call,
                            &(struct sns_publish) { .topic_arn = TOPIC,
                                                    .subject = STR_NONE,
                                                    .message = STR("bare"),
                                                    .structure = STR_NONE,
                                                    .message_id = STR_NONE,
                                                    .attributes = &attribute,
                                                    .attribute_count = 1 },
                            &id));
    run(s, 1, NULL);
    assert_string_equal(s->doubles.text, "bare");
    assert_int_equal(s->doubles.attribute_count, 1);
}

static void test_a_function_gets_an_event(void **state)
{
    struct scene *s = *state;
    const struct json *json;
    make_topic(s, NULL, NULL);
    str arn = subscribe(s, STR("lambda"), FUNCTION, NULL, 0);
    publish(s, STR("hello"));
    assert_int_equal(run(s, 1, NULL).settlement, SETTLE_DONE);
    assert_string_equal(s->doubles.asked, "Invoke Event arn:aws:lambda:us-east-1:111122223333:"
                                          "function:f as sns.amazonaws.com\n");
    assert_null(json_parse(str_of(s->doubles.text), s->stage.arena, &json));
    json = json_at(json_get(json, "Records"), 0);
    assert_true(str_eq(json_str(json, "EventSource"), STR("aws:sns")));
    assert_true(str_eq(json_str(json, "EventSubscriptionArn"), arn));
    const struct json *sns = json_get(json, "Sns");
    assert_true(str_eq(json_str(sns, "Subject"), STR("a subject")));
    assert_true(str_eq(json_str(sns, "Message"), STR("hello")));
    assert_non_null(json_get(sns, "MessageAttributes"));
    assert_true(str_starts(json_str(sns, "SigningCertUrl"),
                           STR("http://sns.example:4566/SimpleNotificationService-")));
}

static void test_one_message_is_stored_once_for_all_and_given_to_each(void **state)
{
    struct scene *s = *state;
    static const struct header choosy = { STR_INIT("FilterPolicy"), STR_INIT("{\"a\":[\"x\"]}") };
    make_topic(s, NULL, NULL);
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    subscribe(s, STR("lambda"), FUNCTION, NULL, 0);
    subscribe(s, STR("sqs"), DEAD, &choosy, 1);
    publish(s, STR("hello"));
    run(s, 1, NULL);
    run(s, 1, NULL);
    assert_true(nothing_left(s));
    assert_non_null(strstr(s->doubles.asked, ":inbox"));
    assert_non_null(strstr(s->doubles.asked, "function:f"));
}

static void test_a_server_side_failure_is_tried_again_and_a_final_one_is_not(void **state)
{
    struct scene *s = *state;
    make_topic(s, NULL, NULL);
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    s->doubles.sqs_says = fault(s->stage.arena, FAULT_UNAVAILABLE, NULL, "not now");
    publish(s, STR("x"));
    struct errand_end end = run(s, 1, NULL);
    assert_int_equal(end.settlement, SETTLE_RETRY);
    assert_int_equal(end.retry_at_ms, s->stage.now_ms);
    publish(s, STR("x"));
    end = run(s, 20, NULL);
    assert_int_equal(end.retry_at_ms, s->stage.now_ms + 20000);
    publish(s, STR("x"));
    assert_int_equal(run(s, 100016, NULL).settlement, SETTLE_DEAD);

    s->doubles.sqs_says = fault_coded(s->stage.arena, FAULT_DENIED, "AccessDenied", "not you");
    publish(s, STR("x"));
    end = run(s, 1, NULL);
    assert_int_equal(end.settlement, SETTLE_DEAD);
    assert_non_null(end.why);
}

static void test_what_is_given_up_goes_to_the_dead_letter_queue(void **state)
{
    struct scene *s = *state;
    static const struct header redrive = {
        STR_INIT("RedrivePolicy"),
        STR_INIT("{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:111122223333:dead\"}")
    };
    make_topic(s, NULL, NULL);
    subscribe(s, STR("lambda"), FUNCTION, &redrive, 1);
    s->doubles.lambda_says =
        fault_coded(s->stage.arena, FAULT_ABSENT, "ResourceNotFoundException", "no such function");
    publish(s, STR("x"));
    struct errand_end end = run(s, 1, NULL);
    assert_int_equal(end.settlement, SETTLE_DONE);
    assert_true(str_find_str(fault_sentence(end.why, s->stage.arena),
                             STR("moved to the dead-letter queue")) < 100);
    assert_non_null(
        strstr(s->doubles.asked, "SendMessage arn:aws:sqs:us-east-1:111122223333:dead"));
    s->doubles.sqs_says = fault_coded(s->stage.arena, FAULT_DENIED, "AccessDenied", "not you");
    publish(s, STR("x"));
    assert_int_equal(run(s, 1, NULL).settlement, SETTLE_DEAD);
}

static void test_who_unsubscribed_meanwhile_gets_nothing(void **state)
{
    struct scene *s = *state;
    make_topic(s, NULL, NULL);
    str arn = subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    publish(s, STR("too late"));
    struct call call = stage_call(&s->stage);
    assert_null(sns_unsubscribe(s->sns, &call, arn));
    assert_int_equal(run(s, 1, NULL).settlement, SETTLE_DONE);
    assert_string_equal(s->doubles.asked, "");
}

/* ---- encrypted topics ---- */

static void test_an_encrypted_topics_message_is_sealed_at_rest(void **state)
{
    struct scene *s = *state;
    struct arn rule;
    str body;
    make_topic(s, "KmsMasterKeyId", "alias/mine");
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    assert_true(arn_parse(
        STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/r"), &rule));
    struct caller ses = caller_ses(STR("111122223333"), rule);
    assert_null(publish_as(s, &ses, STR("a secret")));
    assert_string_equal(
        s->doubles.asked,
        "GenerateDataKey arn:aws:kms:us-east-1:111122223333:alias/mine as ses.amazonaws.com via sns.us-east-1.amazonaws.com\n"
        "Decrypt wrapped as ses.amazonaws.com via sns.us-east-1.amazonaws.com\n");
    s->doubles.asked[0] = '\0';
    assert_int_equal(run(s, 1, &body).settlement, SETTLE_DONE);
    assert_int_equal(str_find_str(body, STR("secret")), body.len);
    assert_string_equal(
        s->doubles.asked,
        "Decrypt wrapped as ses.amazonaws.com via sns.us-east-1.amazonaws.com\n"
        "SendMessage arn:aws:sqs:us-east-1:111122223333:inbox as sns.amazonaws.com\n");
    assert_non_null(strstr(s->doubles.text, "\"Message\" : \"a secret\""));
}

static void test_a_key_that_denies_leaves_nothing_published(void **state)
{
    struct scene *s = *state;
    make_topic(s, "KmsMasterKeyId", "alias/mine");
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    s->doubles.decrypt_says = fault_coded(s->stage.arena, FAULT_DENIED, "AccessDenied", "no");
    assert_string_equal(stage_says(&s->stage, publish_as(s, &s->stage.caller, STR("x"))),
                        "KMSAccessDenied: the topic's KMS key cannot be used");
    assert_true(nothing_left(s));
}

static void test_a_key_that_is_disabled_later_holds_the_message_back(void **state)
{
    struct scene *s = *state;
    make_topic(s, "KmsMasterKeyId", "alias/mine");
    subscribe(s, STR("sqs"), QUEUE, NULL, 0);
    publish(s, STR("x"));
    s->doubles.decrypt_says =
        fault_coded(s->stage.arena, FAULT_CONFLICT, "DisabledException", "off");
    assert_int_equal(run(s, 1, NULL).settlement, SETTLE_RETRY);
    assert_null(strstr(s->doubles.asked, "SendMessage"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_ses_reaches_a_topic_of_its_own_account_by_the_default_policy),
        TEST(test_without_subscribers_nothing_is_written),
        TEST(test_a_rehearsal_judges_and_leaves_nothing),
        TEST(test_a_queue_gets_the_envelope_from_sns_for_the_topic),
        TEST(test_a_raw_message_has_its_attributes_beside_it),
        TEST(test_a_function_gets_an_event),
        TEST(test_one_message_is_stored_once_for_all_and_given_to_each),
        TEST(test_a_server_side_failure_is_tried_again_and_a_final_one_is_not),
        TEST(test_what_is_given_up_goes_to_the_dead_letter_queue),
        TEST(test_who_unsubscribed_meanwhile_gets_nothing),
        TEST(test_an_encrypted_topics_message_is_sealed_at_rest),
        TEST(test_a_key_that_denies_leaves_nothing_published),
        TEST(test_a_key_that_is_disabled_later_holds_the_message_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

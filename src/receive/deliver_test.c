/* Delivery from the queue to its end: attempts, retries, dead letters. */
#include "receive/post_suite.h"

#include "receive/retry.h"
#include "receive/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- the tests ---- */

static void a_message_becomes_an_object_with_the_block_above_its_bytes(void **state)
{
    (void)state;
    struct post *p = post_open(HEADER("X-One", "1") "," S3_IN("in") "," HEADER("X-Two", "2"));
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_string_equal(p->bucket.key, "mail/in/" ID);
    assert_string_equal(
        p->bucket.caller,
        "ses.amazonaws.com 111122223333 "
        "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store");
    str object = buf_str(&p->bucket.object);
    assert_true(str_starts(object, STR("Return-Path: <me@sender.example>\r\n"
                                       "Received: from client.example ([192.0.2.1])\r\n"
                                       " by mx.example with SMTP id " ID "\r\n"
                                       " for you@example.com;\r\n"
                                       " Mon, 02 Mar 2026 09:15:42 +0000 (UTC)\r\n"
                                       "X-SES-RECEIPT: A")));
    /* what was added stands below the block and above the sender's first field; nothing of later
     * actions */
    assert_true(str_ends(object, STR("\r\nX-One: 1\r\nSubject: x\r\n\r\nhello\0\r\n")));
    assert_int_equal(p->spool.notes_written, 0); /* commit and settled: two frames */
    post_close(p);
}

static void the_whole_four_hours(void **state)
{
    (void)state;
    static const int64_t waits_s[] = { 10, 30, 60, 120, 240, 480 };
    struct post *p = post_open(S3);
    int64_t received = p->clock.wall_ms, last = received;
    unsigned attempts = 0;
    p->bucket.says = &denied;
    for (; p->spool.record.state != SPOOL_DEAD; attempts++) {
        assert_true(post_attempt(p));
        if (attempts > 0 && attempts <= 6)
            assert_int_equal(p->clock.wall_ms - last, waits_s[attempts - 1] * 1000);
        else if (attempts > 6)
            assert_true(p->clock.wall_ms - last <= 15 * 60 * 1000);
        last = p->clock.wall_ms;
    }
    assert_int_equal(p->clock.wall_ms - received,
                     RETRY_FOR_MS); /* not before, and not long after */
    assert_int_equal(p->bucket.puts, attempts);
    /* the explanation is written when it is new: at first, and when it is the last */
    assert_int_equal(captured_journal_count(p->journal, "expired"), 1);
    str story = post_timeline(p);
    assert_holds(story, "\"state\":\"dead\"");
    assert_holds(
        story,
        "\"outcome\":\"expired\",\"says\":\"could not write to bucket mail: the bucket says no\"");
    assert_true(p->spool.notes.len < 2000);
    post_close(p);
}

static void a_mended_policy_delivers_at_the_next_attempt(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    p->bucket.says = &denied;
    assert_true(post_attempt(p));
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    p->bucket.says = NULL;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_holds(post_timeline(p), "\"outcome\":\"done\",\"says\":\"wrote s3://mail/" ID "\"");
    post_close(p);
}

static void a_day_of_standing_still_does_not_expire_mail_untried(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    p->bucket.says = &denied;
    assert_true(post_attempt(p));
    fake_clock_turn(&p->clock, 24 * 3600 * 1000LL);
    p->bucket.says = NULL;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    post_close(p);
}

static void a_step_in_retry_holds_up_the_later_ones_until_it_is_given_up(void **state)
{
    (void)state;
    struct post *p = post_open("{\"LambdaAction\":{\"FunctionArn\":\"arn:aws:lambda:us-east-1:"
                               "111122223333:function:f\"}}," S3);
    assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 0);
    assert_holds(post_timeline(p), "this program has no Lambda");
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1); /* it had its turn */
    assert_string_equal(p->bucket.key, "mail/" ID);
    post_close(p);
}

static void a_redrive_runs_just_what_was_given_up_with_four_fresh_hours(void **state)
{
    (void)state;
    struct post *p = post_open(
        "{\"SNSAction\":{\"TopicArn\":\"arn:aws:sns:us-east-1:111122223333:t\"}}," S3_IN("two"));
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1);
    post_note(&p->spool, history_redrive_note(p->clock.wall_ms, p->arena));
    p->spool.record.state = SPOOL_QUEUED;
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1); /* done stays done */
    post_close(p);

    p = post_open(S3);
    p->bucket.says = &denied;
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    unsigned puts = p->bucket.puts;
    fake_clock_turn(&p->clock, 3600 * 1000);
    post_note(&p->spool, history_redrive_note(p->clock.wall_ms, p->arena));
    p->spool.record.state = SPOOL_QUEUED;
    p->spool.record.due_ms = 0;
    int64_t redriven = p->clock.wall_ms;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    assert_int_equal(p->spool.record.due_ms - redriven, 10 * 1000);
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    assert_int_equal(p->clock.wall_ms - redriven, RETRY_FOR_MS);
    assert_true(p->bucket.puts > puts);
    post_close(p);
}

static void a_notice_that_fails_never_writes_the_object_again(void **state)
{
    (void)state;
    struct post *p = post_open("{\"S3Action\":{\"BucketName\":\"mail\",\"TopicArn\":\"arn:aws:sns:"
                               "us-east-1:111122223333:t\"}}");
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.notes_written,
                     1); /* before the next step: the object is not to be written again */
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 1);
    str story = post_timeline(p);
    assert_holds(story, "\"action\":\"S3 notice\",\"outcome\":\"expired\"");
    assert_holds(story, "this program has no SNS");
    post_close(p);
}

static void an_action_with_a_key_leaves_no_plaintext(void **state)
{
    (void)state;
    struct post *p = post_open("{\"S3Action\":{\"BucketName\":\"mail\",\"KmsKeyArn\":\"arn:aws:kms:"
                               "us-east-1:111122223333:key/k\"}}");
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    assert_int_equal(p->bucket.puts, 0);
    assert_holds(post_timeline(p), "KmsKeyArn");
    post_close(p);
}

static void nobody_is_told_of_an_effect_that_was_given_up(void **state)
{
    (void)state;
    struct post *p = post_open("{\"S3Action\":{\"BucketName\":\"mail\",\"TopicArn\":\"arn:aws:sns:"
                               "us-east-1:111122223333:t\"}}");
    p->bucket.says = &denied;
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    str story = post_timeline(p);
    assert_true(str_find_str(story, STR("S3 notice")) == story.len);
    p->bucket.says = NULL; /* redriven, the effect is done, and now the notice has its turn */
    post_note(&p->spool, history_redrive_note(p->clock.wall_ms, p->arena));
    p->spool.record.state = SPOOL_QUEUED;
    p->spool.record.attempt = 0;
    p->spool.record.due_ms = 0;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    assert_holds(post_timeline(p), "\"action\":\"S3 notice\",\"outcome\":\"retry\"");
    AUTO_BUF text = buf_new(1 << 16);
    metrics_text(p->metrics, &text);
    assert_holds(buf_str(&text),
                 "sesame_received_total{rule_set=\"main\",rule=\"store\",action=\"S3\"} 1\n");
    post_close(p);
}

static void a_stop_ends_the_evaluation(void **state)
{
    (void)state;
    struct post *p = post_open(S3 ",{\"StopAction\":{\"Scope\":\"RuleSet\"}}");
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_holds(post_timeline(p), "\"action\":\"Stop\",\"outcome\":\"done\"");
    post_close(p);
}

static void what_cannot_be_read_is_kept_for_a_person(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    p->spool.record.entry.rules = STR("{");
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DEAD);
    assert_int_equal(captured_journal_count(p->journal, "unreadable"), 1);
    post_close(p);
}

static void the_timeline_is_told_exactly(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    p->bucket.says = &denied;
    assert_true(post_attempt(p));
    assert_true(
        str_eq(post_timeline(p),
               STR("{\"messageId\":\"" ID "\",\"account\":\"111122223333\",\"state\":\"retrying\","
                   "\"receivedAt\":\"2026-03-02T09:15:42.000Z\",\"region\":\"us-east-1\","
                   "\"peer\":\"192.0.2.1\","
                   "\"connection\":{\"ehlo\":\"client.example\",\"tls\":false},"
                   "\"envelope\":{\"from\":\"me@sender.example\",\"recipients\":[\"you@example."
                   "com\"]},\"ruleSet\":\"main\","
                   "\"rules\":[{\"rule\":\"store\",\"matched\":true,\"why\":\"the rule has no "
                   "recipient conditions, so it takes every recipient\"}],"
                   "\"attempts\":[{\"at\":\"2026-03-02T09:15:42.000Z\",\"rule\":\"store\","
                   "\"action\":\"S3\",\"outcome\":\"retry\","
                   "\"says\":\"could not write to bucket mail: the bucket says no\"}]}")));
    AUTO_BUF text = buf_new(1 << 16);
    assert_null(timeline_print(post_timeline(p), p->arena, &text));
    assert_true(
        str_eq(buf_str(&text), STR("message " ID " of account 111122223333: retrying\n"
                                   "  received 2026-03-02T09:15:42.000Z from 192.0.2.1 "
                                   "(client.example), in the clear\n"
                                   "  from <me@sender.example> to <you@example.com>\n"
                                   "  rule set main\n"
                                   "    rule store matched: the rule has no recipient conditions, "
                                   "so it takes every recipient\n"
                                   "  attempts\n"
                                   "    2026-03-02T09:15:42.000Z  rule store, S3: retry\n"
                                   "      could not write to bucket mail: the bucket says no\n")));
    post_close(p);
}

static void the_facts_of_a_denial_are_told_one_a_line(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF text = buf_new(1 << 16);
    assert_null(timeline_print(
        STR("{\"attempts\":[{\"at\":\"x\",\"says\":\"it may "
            "not\",\"denial\":{\"action\":\"s3:PutObject\","
            "\"policy\":\"resource\",\"sid\":\"AllowSESPuts\",\"element\":\"Condition\","
            "\"operator\":\"StringEquals\",\"key\":\"aws:SourceArn\",\"wanted\":[\"a\",\"b\"],"
            "\"got\":null,\"remedy\":{\"Effect\":\"Allow\"}}}]}"),
        a, &text));
    assert_holds(buf_str(&text), "      it may not\n"
                                 "        policy    resource\n"
                                 "        sid       AllowSESPuts\n"
                                 "        element   Condition\n"
                                 "        operator  StringEquals\n"
                                 "        key       aws:SourceArn\n"
                                 "        wanted    [\"a\",\"b\"]\n"
                                 "        got       absent\n"
                                 "      this statement would allow it:\n"
                                 "      {\"Effect\":\"Allow\"}\n");
}

/* Two hundred rules, of which one runs: every one of the others still says why it did not. */
static void a_long_rule_set_tells_of_every_rule(void **state)
{
    (void)state;
    enum { RULES = 200 };
    struct post *p = post_open(S3);
    struct buf set = buf_new(1 << 20);
    buf_add(&set, STR("{\"Name\":\"main\",\"Account\":\"111122223333\",\"Region\":\"us-east-1\","
                      "\"Rules\":["));
    for (unsigned i = 0; i < RULES; i++)
        buf_addf(&set,
                 "%s{\"Name\":\"r%u\",\"Enabled\":%s,\"Recipients\":[\"%s%u@example.com\"],"
                 "\"Actions\":[" S3 "]}",
                 i ? "," : "", i, i == 7 ? "false" : "true", i == 150 ? "you+" : "other", i);
    buf_add(&set, STR(",{\"Name\":\"last\",\"Enabled\":true,\"Actions\":[" S3 "]}]}"));
    p->spool.record.entry.rules = buf_str(&set);
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    str story = post_timeline(p), rest = story;
    size_t rules = 0;
    for (size_t at; (at = str_find_str(rest, STR("\"rule\":\"r"))) < rest.len; rules++)
        rest = str_from(rest, at + 1);
    assert_int_equal(rules, RULES);
    assert_holds(story, "{\"rule\":\"r7\",\"matched\":false,\"why\":\"the rule is disabled\"}");
    assert_holds(story, "{\"rule\":\"r8\",\"matched\":false,\"why\":\"no recipient matches\"}");
    assert_holds(story, "{\"rule\":\"last\",\"matched\":true,");
    buf_free(&set);
    post_close(p);
}

/* A policy may be longer than a line of the log; the line then still says whose it is. */
static void the_log_names_the_message_whatever_is_said(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    char *words = malloc(100 * 1000);
    memset(words, 'w', 100 * 1000);
    struct fault long_words = { .kind = FAULT_DENIED, .says = { words, 100 * 1000 } };
    p->bucket.says = &long_words;
    assert_true(post_attempt(p));
    str log = captured_journal_text(p->journal, p->arena);
    assert_holds(log, "\"id\":\"" ID "\"");
    assert_holds(log, "\"outcome\":\"retry\",\"says\":\"could not write to bucket mail: www");
    assert_holds(log, "www\",\"cut\":true");
    assert_true(log.len < 8000);
    assert_true(post_timeline(p).len > 100 * 1000);
    free(words);
    post_close(p);
}

/* A hundred steps, each of which wants a good part of what one may have. */
static void each_step_has_memory_of_its_own(void **state)
{
    (void)state;
    struct buf actions = buf_new(1 << 20);
    for (unsigned i = 0; i < 100; i++)
        buf_addf(&actions, "%s" S3_IN("%u"), i ? "," : "", i);
    buf_addc(&actions, '\0');
    struct post *p = post_open(actions.ptr);
    p->bucket.needs = 1 << 20;
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_DONE);
    assert_int_equal(p->bucket.puts, 100);
    buf_free(&actions);
    post_close(p);
}

/* Notes that do not fit even after four hours are kept with their message, for a person. */
static void what_never_fits_is_not_tried_for_ever(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    int64_t received = p->clock.wall_ms;
    p->spool.notes.max = 4 << 20;
    for (unsigned i = 0; i < 40 * 1000; i++)
        buf_addf(&p->spool.notes, "%s{\"step\":0,\"at\":1,\"outcome\":\"retry\"}", i ? "," : "[");
    buf_add(&p->spool.notes, STR("]\n"));
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    fake_clock_turn(&p->clock, RETRY_FOR_MS - 1000 * 1000); /* not one by one: each reads all of them */
    assert_true(post_attempt(p));
    assert_int_equal(p->spool.record.state, SPOOL_RETRYING);
    while (p->spool.record.state != SPOOL_DEAD)
        assert_true(post_attempt(p));
    int64_t ended = p->clock.wall_ms;
    assert_true(ended - received >= RETRY_FOR_MS);
    post_close(p);
}

static void attempts_are_counted(void **state)
{
    (void)state;
    struct post *p = post_open(S3);
    p->bucket.says = &denied;
    post_attempt(p);
    p->bucket.says = NULL;
    post_attempt(p);
    AUTO_BUF text = buf_new(1 << 16);
    metrics_text(p->metrics, &text);
    str t = buf_str(&text);
    assert_holds(t, "sesame_received_total{rule_set=\"main\",rule=\"store\",action=\"S3\"} 1\n");
    assert_holds(
        t, "sesame_publish_failure_total{rule_set=\"main\",rule=\"store\",action=\"S3\"} 1\n");
    assert_holds(
        t, "sesame_publish_success_total{rule_set=\"main\",rule=\"store\",action=\"S3\"} 1\n");
    post_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_becomes_an_object_with_the_block_above_its_bytes),
        cmocka_unit_test(the_whole_four_hours),
        cmocka_unit_test(a_mended_policy_delivers_at_the_next_attempt),
        cmocka_unit_test(a_day_of_standing_still_does_not_expire_mail_untried),
        cmocka_unit_test(a_step_in_retry_holds_up_the_later_ones_until_it_is_given_up),
        cmocka_unit_test(a_redrive_runs_just_what_was_given_up_with_four_fresh_hours),
        cmocka_unit_test(a_notice_that_fails_never_writes_the_object_again),
        cmocka_unit_test(an_action_with_a_key_leaves_no_plaintext),
        cmocka_unit_test(nobody_is_told_of_an_effect_that_was_given_up),
        cmocka_unit_test(a_stop_ends_the_evaluation),
        cmocka_unit_test(what_cannot_be_read_is_kept_for_a_person),
        cmocka_unit_test(the_timeline_is_told_exactly),
        cmocka_unit_test(the_facts_of_a_denial_are_told_one_a_line),
        cmocka_unit_test(a_long_rule_set_tells_of_every_rule),
        cmocka_unit_test(the_log_names_the_message_whatever_is_said),
        cmocka_unit_test(each_step_has_memory_of_its_own),
        cmocka_unit_test(what_never_fits_is_not_tried_for_ever),
        cmocka_unit_test(attempts_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* receive/bounce_test.c - who is told that his message did not arrive, and what. */
#include "receive/bounce.h"

#include "receive/actions.h"
#include "receive/office_suite.h"
#include "receive/send_bounce.h"
#include "services/stage_suite.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct forward_path path = { .text = STR_INIT("gone@example.com") };
static const struct forward_path *const paths[] = { &path };

static struct bounce bounce_of(const struct office *o, str stored)
{
    return (struct bounce) { .head = &o->head,
                             .hostname = STR("inbound-smtp.us-west-2.amazonaws.com"),
                             .stored = stored,
                             .sender = STR("mailer@example.com"),
                             .smtp_reply_code = STR("550"),
                             .status_code = STR("5.1.1"),
                             .message = STR("Mailbox does not exist"),
                             .recipients = paths,
                             .recipient_count = 1,
                             .step = 2 };
}

#define PLAIN STR("Subject: s\r\n\r\nbody\r\n")

/* ---- loops ---- */

struct barred_case {
    const char *says;
    str stored;
    bool barred;
};
/* clang-format off */
static const struct barred_case barreds[] = {
    { "an ordinary message",          STR_INIT("Subject: s\r\n\r\n"),                                  false },
    { "one that no program wrote",    STR_INIT("Auto-Submitted: no\r\n\r\n"),                          false },
    { "so says its parameter",        STR_INIT("Auto-Submitted: No; x=y\r\n\r\n"),                     false },
    { "a vacation message",           STR_INIT("auto-submitted: auto-replied\r\n\r\n"),                true  },
    { "a generated one",              STR_INIT("Auto-Submitted:\r\n auto-generated\r\n\r\n"),          true  },
    { "no is a whole word",           STR_INIT("Auto-Submitted: notification\r\n\r\n"),                true  },
    { "a second field counts",        STR_INIT("Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n\r\n"), true },
    { "a DSN",                        STR_INIT("Content-Type: multipart/report;\r\n report-type=delivery-status\r\n\r\n"), true },
    { "in capitals",                  STR_INIT("CONTENT-TYPE: MULTIPART/REPORT\r\n\r\n"),              true  },
    { "a report that is text",        STR_INIT("Content-Type: multipart/reporting\r\n\r\n"),           false },
    { "what its body says is no field", STR_INIT("Subject: s\r\n\r\nAuto-Submitted: auto-replied\r\n"), false },
};
/* clang-format on */

static void nobody_is_told_who_could_tell_back(void **state)
{
    (void)state;
    struct office *o = office_open();
    for (size_t i = 0; i < sizeof barreds / sizeof *barreds; i++) {
        struct bounce b = bounce_of(o, barreds[i].stored);
        print_message("# %s\n", barreds[i].says);
        assert_int_equal(bounce_barred(&b, o->arena).ptr != NULL, barreds[i].barred);
    }
    struct bounce b = bounce_of(o, PLAIN);
    str says;
    o->head.envelope.mail_from = (struct reverse_path) { .null = true, .text = STR("") };
    assert_null(bounce_put(&o->way, &b, o->clock.wall_ms, o->arena, &says));
    assert_true(str_eq(says, STR("sent no bounce: the message has the null reverse path")));
    o->head.envelope.mail_from = (struct reverse_path) { .text = STR("nobody") };
    assert_null(bounce_put(&o->way, &b, o->clock.wall_ms, o->arena, &says));
    assert_true(str_eq(says, STR("sent no bounce: the reverse path is no address")));
    struct spool_health health;
    o->spool->ops->health(o->spool, &health);
    assert_int_equal(health.queued, 0);
    office_close(o);
}

static void without_a_way_out_it_is_kept_and_that_is_said(void **state)
{
    (void)state;
    struct office *o = office_open();
    struct bounce b = bounce_of(o, PLAIN);
    struct lease lease;
    str says, body;
    o->way.mailer = NULL;
    assert_null(bounce_put(&o->way, &b, o->clock.wall_ms, o->arena, &says));
    assert_true(str_starts(says, STR("wrote a bounce to me@sender.example as errand ")));
    assert_true(str_find_str(says, STR(": kept, not sent: outgoing mail is off (--relay ")) <
                says.len);
    assert_true(str_eq(office_take(o, &lease, &body).target, STR("smtp://sender.example")));
    assert_true(str_starts(body, STR("Date: ")));
    assert_null(o->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
    office_close(o);
}

/* ---- the errand ---- */

static str message_id_of(str text)
{
    str from = str_from(text, str_find_str(text, STR("Message-ID: ")));
    return str_head(from, str_find_str(from, STR("\r\n")));
}

static void a_bounce_is_an_errand_with_the_notification_in_it(void **state)
{
    (void)state;
    struct office *o = office_open();
    struct bounce b = bounce_of(o, PLAIN);
    str says, body[2];
    for (int i = 0; i < 2; i++) {
        struct lease lease;
        assert_null(bounce_put(&o->way, &b, o->clock.wall_ms, o->arena, &says));
        struct errand errand = office_take(o, &lease, &body[i]);
        assert_true(str_starts(says, STR("sends a bounce to me@sender.example as errand ")));
        assert_true(str_ends(says, errand.id));
        assert_true(str_eq(errand.account, STR("111122223333")));
        assert_true(str_eq(errand.region, STR("us-west-2")));
        assert_true(str_eq(errand.target, STR("smtp://relay.test:25")));
        assert_true(str_eq(errand.about, STR("bounce of message " ID " to me@sender.example")));
        assert_true(str_eq(errand.head, STR("{\"from\":\"\",\"to\":\"me@sender.example\"}")));
        assert_null(o->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
        fake_clock_turn(&o->clock, 5000);
    }
    assert_true(str_starts(body[0], STR("Date: Thu, 1 Oct 2015 13:48:58 +0000\r\n"
                                        "From: mailer@example.com\r\n"
                                        "To: me@sender.example\r\n"
                                        "Message-ID: <0000015023a9ad70-")));
    assert_true(str_find_str(body[0], STR("Arrival-Date: Thu, 01 Oct 15 13:48:54 UTC\r\n"
                                          "\r\n"
                                          "Action: failed\r\n"
                                          "Final-Recipient: rfc822; gone@example.com\r\n")) <
                body[0].len);
    assert_true(
        str_find_str(body[0], STR("Diagnostic-Code: smtp; 550 5.1.1 Mailbox does not exist\r\n")) <
        body[0].len);
    /* A step that runs twice tells the sender the same thing, and he can see that it is. */
    assert_true(str_eq(message_id_of(body[0]), message_id_of(body[1])));
    b.step = 3;
    struct lease lease;
    assert_null(bounce_put(&o->way, &b, o->clock.wall_ms, o->arena, &says));
    office_take(o, &lease, &body[1]);
    assert_false(str_eq(message_id_of(body[0]), message_id_of(body[1])));
    assert_null(o->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
    office_close(o);
}

/* ---- SendBounce ---- */

struct committed {
    atomic_bool done;
};

static void on_committed(void *context, const struct fault *f)
{
    assert_null(f);
    atomic_store(&((struct committed *)context)->done, true);
}

static void put_mail(struct office *o)
{
    AUTO_BUF head = buf_new(4096);
    o->head.envelope.rcpt_to = &path;
    o->head.envelope.rcpt_count = 1;
    head_encode(&o->head, &head);
    struct spool_draft *draft;
    struct spool_entry entry = {
        .id = STR(ID), .kind = SPOOL_MAIL, .head = buf_str(&head), .rules = STR("{}")
    };
    struct committed committed = { 0 };
    assert_null(o->spool->ops->draft(o->spool, NULL, NULL, &draft));
    o->spool->ops->write(draft, PLAIN);
    o->spool->ops->commit(draft, &entry, 1, on_committed, &committed);
    while (!atomic_load(&committed.done))
        sched_yield();
}

static void a_message_can_be_bounced_for_a_day_by_its_account_in_its_region(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        str account, region;
        int64_t later_ms;
        const char *answer;
    } calls[] = {
        { "an hour later", STR_INIT("111122223333"), STR_INIT("us-west-2"), 3600 * 1000,
          "Email address is not verified. The following identities failed the check in region "
          "us-west-2: mailer@example.com" },
        { "a day later", STR_INIT("111122223333"), STR_INIT("us-west-2"), 24 * 3600 * 1000,
          "Email address is not verified. The following identities failed the check in region "
          "us-west-2: mailer@example.com" },
        { "later still", STR_INIT("111122223333"), STR_INIT("us-west-2"), 24 * 3600 * 1000 + 1,
          "Could not find original message " ID },
        { "another account", STR_INIT("444455556666"), STR_INIT("us-west-2"), 0,
          "Could not find original message " ID },
        { "another region", STR_INIT("111122223333"), STR_INIT("eu-west-1"), 0,
          "Could not find original message " ID },
    };
    struct office *o = office_open();
    struct stage stage;
    stage_begin(&stage);
    const struct world *world = stage_call(&stage).world;
    put_mail(o);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct caller caller = { .kind = CALLER_ROOT, .account = calls[i].account };
        struct call call = { .caller = &caller,
                             .world = world,
                             .region = calls[i].region,
                             .now_ms = o->head.envelope.received_ms + calls[i].later_ms,
                             .arena = o->arena };
        struct send_bounce request = { .original_message_id = STR(ID),
                                       .sender = STR("mailer@example.com"),
                                       .hostname = STR("mx.test") };
        str id;
        const struct fault *f = send_bounce(&o->way, &call, &request, &id);
        print_message("# %s\n", calls[i].says);
        assert_string_equal(f->code, "MessageRejected");
        assert_true(str_eq(f->says, str_of(calls[i].answer)));
    }
    stage_end(&stage);
    office_close(o);
}

/* ---- the action's own question ---- */

static void the_sender_has_to_be_verified_at_each_attempt(void **state)
{
    (void)state;
    struct stage stage;
    struct ports ports = { .mailer = NULL };
    struct action action = { .kind = ACTION_BOUNCE,
                             .bounce.sender = STR("mailer@mail.example.com") };
    stage_begin(&stage);
    struct acting as = { .ports = &ports,
                         .world = stage_call(&stage).world,
                         .account = STR("111122223333"),
                         .region = STR("us-east-1"),
                         .arena = stage.arena };
    const struct fault *f = bounce_action_may(&as, &action);
    assert_int_equal(f->kind, FAULT_DENIED); /* which is retried: it may be verified yet */
    assert_true(str_eq(f->says, STR("identity is not verified: mailer@mail.example.com")));

    stage_put(&stage, "identity/us-east-1/example.com/111122223333",
              STR("{\"status\":\"Success\",\"token\":\"t\",\"created_ms\":0}"));
    as.world = stage_call(&stage).world;
    assert_null(bounce_action_may(&as, &action)); /* a domain covers what is below it */
    as.account = STR("444455556666");
    assert_int_equal(bounce_action_may(&as, &action)->kind, FAULT_DENIED);
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_told_who_could_tell_back),
        cmocka_unit_test(without_a_way_out_it_is_kept_and_that_is_said),
        cmocka_unit_test(a_bounce_is_an_errand_with_the_notification_in_it),
        cmocka_unit_test(the_sender_has_to_be_verified_at_each_attempt),
        cmocka_unit_test(a_message_can_be_bounced_for_a_day_by_its_account_in_its_region),
    };
    return cmocka_run_group_tests_name("receive/bounce", tests, NULL, NULL);
}

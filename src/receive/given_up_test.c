/* receive/given_up_test.c - who sent mail that is given up is told, once, and nobody who could tell back. */
#include "receive/office_suite.h"
#include "receive/retry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct outgoing_manner manner = { .hostname = STR_INIT("mx.test") };

#define MESSAGE "Message-ID: <1@x.test>\r\nSubject: s\r\n\r\nsecret body\r\n"

struct given_case {
    const char *says;
    const char *from, *message;
    struct sending last;
    int64_t age_ms;
    bool told;
    const char *holds[5]; /* the notification */
};
/* clang-format off */
static const struct given_case cases[] = {
    { "refused by the other server", "it@example.com", MESSAGE,
      { SENT_REFUSED, .reply = STR_INIT("550 5.1.1 no such user"), .host = STR_INIT("mx.there.test") }, 0, true,
      { "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n", "Status: 5.1.1\r\n", "Remote-MTA: dns; mx.there.test\r\n",
        "recipients:\r\nme@sender.example\r\n\r\nRCPT was answered so\r\n", "Reporting-MTA: dns; mx.test\r\n" } },
    { "four hours over, with its last words", "it@example.com", MESSAGE,
      { SENT_LATER, .reply = STR_INIT("451 4.7.1 greylisted"), .host = STR_INIT("mx.there.test") }, RETRY_FOR_MS, true,
      { "Diagnostic-Code: smtp; 451 4.7.1 greylisted\r\n", "Status: 4.7.1\r\n", "Action: failed\r\n", "It was tried again and again; the last time RCPT" } },
    { "four hours over, and nobody there", "it@example.com", MESSAGE, { SENT_LATER, .status = STR_INIT("4.4.3") }, RETRY_FOR_MS, true,
      { "Diagnostic-Code: x-sesame; RCPT was answered so\r\n", "Status: 4.4.7\r\n" } },
    { "refused by ourselves", "it@example.com", MESSAGE, { SENT_REFUSED, .status = STR_INIT("5.3.4") }, 0, true,
      { "Diagnostic-Code: x-sesame; RCPT was answered so\r\n", "Status: 5.3.4\r\n" } },
    { "not given up yet", "it@example.com", MESSAGE, { SENT_LATER, .reply = STR_INIT("451 4.7.1 greylisted") }, 0, false, { NULL } },
    { "taken", "it@example.com", MESSAGE, { SENT_TAKEN }, 0, false, { NULL } },
    { "the null path", "", MESSAGE, { SENT_REFUSED, .reply = STR_INIT("550 no") }, 0, false, { NULL } },
    { "no address", "nobody", MESSAGE, { SENT_REFUSED, .reply = STR_INIT("550 no") }, 0, false, { NULL } },
    { "a report", "it@example.com", "Content-Type: Multipart/Report; report-type=delivery-status\r\n\r\n", { SENT_REFUSED, .reply = STR_INIT("550 no") }, 0, false, { NULL } },
};
/* clang-format on */

static struct errand_end attempt(struct office *o, const struct given_case *c)
{
    struct errand_runner *runner = outgoing_runner_new(&o->way, &manner, o->arena);
    o->mailer.sent = c->last.sent;
    o->mailer.reply = c->last.reply;
    o->mailer.status = c->last.status;
    o->mailer.host = c->last.host;
    const struct errand_attempt t = {
        .errand = { .id = STR(ID),
                    .account = STR("111122223333"),
                    .region = STR("us-west-2"),
                    .head = arena_strf(o->arena, "{\"from\":\"%s\",\"to\":\"me@sender.example\"}",
                                       c->from) },
        .number = 1,
        .since_ms = o->clock.wall_ms - c->age_ms,
        .now_ms = o->clock.wall_ms,
        .body = str_of(c->message),
        .arena = o->arena,
    };
    return runner->run(runner, &t);
}

static uint64_t queued(const struct office *o)
{
    struct spool_health health;
    o->spool->ops->health(o->spool, &health);
    return health.queued;
}

static void assert_holds(str text, const char *part)
{
    if (str_find_str(text, str_of(part)) == text.len)
        print_error("no \"%s\" in\n" STR_FMT, part, STR_ARG(text));
    assert_true(str_find_str(text, str_of(part)) < text.len);
}

static void its_sender_is_told_and_nobody_who_could_tell_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct given_case *c = &cases[i];
        print_message("# %s\n", c->says);
        struct office *o = office_open();
        const struct errand_end end = attempt(o, c);
        assert_int_equal(queued(o), c->told);
        assert_int_equal(end.settlement, c->last.sent == SENT_TAKEN ? SETTLE_DONE
                                         : c->last.sent == SENT_LATER && !c->age_ms
                                             ? SETTLE_RETRY
                                             : SETTLE_DEAD);
        if (c->told) {
            struct lease lease;
            str text;
            const struct errand errand = office_take(o, &lease, &text);
            assert_true(str_eq(errand.head, STR("{\"from\":\"\",\"to\":\"it@example.com\"}")));
            assert_true(str_eq(errand.about, STR("bounce of errand " ID " to it@example.com")));
            assert_holds(text, "From: mailer-daemon@mx.test\r\nTo: it@example.com\r\n");
            assert_holds(text, "Final-Recipient: rfc822; me@sender.example\r\n");
            assert_holds(text, "\r\n\r\nMessage-ID: <1@x.test>\r\nSubject: s\r\n");
            assert_true(str_find_str(text, STR("secret body")) == text.len);
            for (size_t h = 0; h < 5 && c->holds[h]; h++)
                assert_holds(text, c->holds[h]);
            assert_holds(fault_sentence(end.why, o->arena),
                         arena_strf(o->arena,
                                    "RCPT was answered so; it@example.com is told by errand " STR_FMT,
                                    STR_ARG(errand.id))
                             .ptr);
            assert_null(o->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
        }
        office_close(o);
    }
}

static str message_id_of(str text)
{
    const str from = str_from(text, str_find_str(text, STR("\r\nMessage-ID: ")) + 2);
    return str_head(from, str_find_str(from, STR("\r\n")));
}

/* A crash behind the notification and before the settlement makes it run again. */
static void an_attempt_that_runs_twice_tells_it_under_one_id(void **state)
{
    (void)state;
    struct office *o = office_open();
    str ids[2];
    for (size_t i = 0; i < 2; i++) {
        struct lease lease;
        str text;
        attempt(o, &cases[0]);
        office_take(o, &lease, &text);
        ids[i] = message_id_of(text);
        assert_null(o->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
    }
    assert_true(ids[0].len > 50 && str_eq(ids[0], ids[1]));
    office_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_sender_is_told_and_nobody_who_could_tell_back),
        cmocka_unit_test(an_attempt_that_runs_twice_tells_it_under_one_id),
    };
    return cmocka_run_group_tests_name("receive/given_up", tests, NULL, NULL);
}

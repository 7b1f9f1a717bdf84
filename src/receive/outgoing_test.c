/* receive/outgoing_test.c - mail that leaves: what is left for the workers, and how often it is
 * tried. */
#include "receive/office_suite.h"
#include "receive/retry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct outgoing_manner manner = { .hostname = STR_INIT("mx.test") };

static void a_message_to_many_is_an_errand_for_each_over_one_body(void **state)
{
    (void)state;
    static const str to[] = { STR_INIT("a@one.test"), STR_INIT("b@two.test"),
                              STR_INIT("c@one.test") };
    struct office *o = office_open();
    const struct outgoing_mail mail = { .account = STR("111122223333"),
                                        .region = STR("us-west-2"),
                                        .about = STR("mail 0100"),
                                        .reverse_path = STR("it@example.com"),
                                        .forward_paths = to,
                                        .forward_path_count = 3,
                                        .message = STR("Subject: s\r\n\r\nbody\r\n") };
    str ids[3];
    struct spool_health health;
    assert_null(outgoing_put(&o->way, &mail, o->clock.wall_ms, o->arena, ids));
    o->spool->ops->health(o->spool, &health);
    assert_int_equal(health.queued, 3);
    assert_int_equal(health.commits, 1);
    for (size_t i = 0; i < 3; i++) {
        struct lease lease;
        str body;
        struct errand errand = office_take(o, &lease, &body);
        size_t which = 0;
        while (which < 3 && !str_eq(errand.id, ids[which]))
            which++;
        assert_true(which < 3);
        assert_true(str_eq(errand.account, mail.account) && str_eq(errand.region, mail.region));
        assert_true(str_eq(errand.target, STR("smtp://relay.test:25")));
        assert_true(str_eq(errand.about,
                           arena_strf(o->arena, "mail 0100 to " STR_FMT, STR_ARG(to[which]))));
        assert_true(
            str_eq(errand.head,
                   arena_strf(o->arena, "{\"from\":\"it@example.com\",\"to\":\"" STR_FMT "\"}",
                              STR_ARG(to[which]))));
        assert_true(str_eq(body, mail.message));
        assert_null(o->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
    }
    assert_false(str_eq(ids[0], ids[1]));
    office_close(o);
}

/* ---- the runner ---- */

struct run_case {
    const char *says;
    enum sent sent;
    int64_t age_ms;
    int number;
    enum settlement settlement;
    int64_t retry_in_ms;
};
/* clang-format off */
static const struct run_case runs[] = {
    { "taken",                          SENT_TAKEN,   0,             1, SETTLE_DONE,  0 },
    { "asked again after ten seconds",  SENT_LATER,   0,             1, SETTLE_RETRY, 10 * 1000 },
    { "then after thirty",              SENT_LATER,   10 * 1000,     2, SETTLE_RETRY, 30 * 1000 },
    { "until four hours are over",      SENT_LATER,   RETRY_FOR_MS,  9, SETTLE_DEAD,  0 },
    { "refused for good",               SENT_REFUSED, 0,             1, SETTLE_DEAD,  0 },
};
/* clang-format on */

static void the_mailer_is_asked_for_four_hours(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        struct fake_mailer mailer = fake_mailer_saying(runs[i].sent);
        const struct outgoing_way way = { .mailer = &mailer.port };
        struct errand_runner *runner = outgoing_runner_new(&way, &manner, a);
        struct errand_attempt attempt = {
            .errand = { .head = STR("{\"to\":\"me@sender.example\"}") },
            .number = runs[i].number,
            .since_ms = 1000,
            .now_ms = 1000 + runs[i].age_ms,
            .body = STR("the notification"),
            .arena = a
        };
        struct errand_end end = runner->run(runner, &attempt);
        print_message("# %s\n", runs[i].says);
        assert_int_equal(end.settlement, runs[i].settlement);
        assert_int_equal(end.why == NULL, runs[i].settlement == SETTLE_DONE);
        if (end.settlement == SETTLE_RETRY)
            assert_int_equal(end.retry_at_ms - attempt.now_ms, runs[i].retry_in_ms);
        if (end.why)
            assert_true(str_eq(fault_sentence(end.why, a), STR("RCPT was answered so")));
        assert_string_equal(mailer.to, "me@sender.example");
        assert_string_equal(mailer.from, "");
        assert_true(str_eq(buf_str(&mailer.message), STR("the notification")));
        buf_free(&mailer.message);
    }
}

/* What versions before wrote names no reverse path: it was a bounce. */
static void without_a_reverse_path_it_is_the_null_path(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct fake_mailer mailer = fake_mailer_saying(SENT_TAKEN);
    const struct outgoing_way way = { .mailer = &mailer.port };
    struct errand_runner *runner = outgoing_runner_new(&way, &manner, a);
    struct errand_attempt attempt = { .errand = { .head = STR("{\"to\":\"a@b.test\"}") },
                                      .number = 1,
                                      .arena = a };
    assert_int_equal(runner->run(runner, &attempt).settlement, SETTLE_DONE);
    assert_string_equal(mailer.from, "");
    attempt.errand.head = STR("{");
    assert_int_equal(runner->run(runner, &attempt).settlement, SETTLE_DEAD);
    assert_int_equal(mailer.sends, 1);
    buf_free(&mailer.message);
}

static void while_outgoing_mail_is_off_it_is_kept_at_once(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct errand_runner *runner =
        outgoing_runner_new(&(struct outgoing_way) { .mailer = NULL }, &manner, a);
    struct errand_attempt attempt = {
        .errand = { .head = STR("{\"from\":\"\",\"to\":\"a@b.test\"}") }, .number = 1, .arena = a
    };
    struct errand_end end = runner->run(runner, &attempt);
    assert_int_equal(end.settlement, SETTLE_DEAD);
    assert_true(str_eq(fault_sentence(end.why, a), outgoing_is_off()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_to_many_is_an_errand_for_each_over_one_body),
        cmocka_unit_test(the_mailer_is_asked_for_four_hours),
        cmocka_unit_test(without_a_reverse_path_it_is_the_null_path),
        cmocka_unit_test(while_outgoing_mail_is_off_it_is_kept_at_once),
    };
    return cmocka_run_group_tests_name("receive/outgoing", tests, NULL, NULL);
}

/* smtp/server_time_test.c - how long a peer may take: for a command, a message, a farewell. */
#include "smtp/server_suite.h"

#include <sys/socket.h>
#include <unistd.h>

static void silence_and_dripping_meet_their_time(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.settings.command_timeout_ms = 200;
    h.settings.message_timeout_ms = 400;
    house_open(&h);
    struct client silent = greeted(&h), dripping = greeted(&h), data = greeted(&h);
    TELL(&data, ENVELOPE "DATA\r\n");
    hears(&data, ENVELOPE_OK GO_ON);
    for (int i = 0; i < 6; i++) { /* no pause is as long as the time-out */
        usleep(80000);
        send(dripping.fd, "x", 1, MSG_NOSIGNAL);
        send(data.fd, "y\r\n", 3, MSG_NOSIGNAL);
    }
    hears_end(&silent, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hears_end(&dripping, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hears_end(&data, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hang(&silent), hang(&dripping), hang(&data);
    smtp_server_stop(h.server);
    h.server = NULL;
    assert_true(metric_is(&h, "sesame_smtp_sessions_total{outcome=\"timeout\"} 3\n"));
    assert_int_equal(h.spool.abandoned, 1);
    house_close(&h);
}

static int64_t now_ms(void)
{
    struct clock *clock = clock_real();
    return clock->steady_ms(clock);
}

static void a_deadline_is_met_though_the_peer_falls_silent_before_it(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.settings.command_timeout_ms = 60000;
    h.settings.message_timeout_ms = 300;
    house_open(&h);
    struct client data = greeted(&h); /* the pause of a stretch is longer than the message's time */
    TELL(&data, ENVELOPE "DATA\r\n");
    hears(&data, ENVELOPE_OK GO_ON);
    hears_end(&data, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hang(&data);
    house_close(&h);

    house_build(&h);
    h.settings.command_timeout_ms = 1000;
    house_open(&h);
    struct client half = greeted(&h);
    int64_t from_ms = now_ms();
    usleep(800000);
    TELL(&half, "NO"); /* half a command is no new beginning */
    hears_end(&half, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    assert_true(now_ms() - from_ms < 1700);
    hang(&half);
    house_close(&h);
}

static void who_was_sent_away_cannot_stay_by_talking_on(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.listener.settings.limits.errors_max = 1;
    house_open(&h);
    struct client c = greeted(&h);
    TELL(&c, "A\r\nB\r\n");
    hears_end(&c, "421 4.7.0 mx.test Too many errors\r\n");
    int64_t until_ms = now_ms() + 8000;
    while (send(c.fd, "x", 1, MSG_NOSIGNAL) == 1 && now_ms() < until_ms)
        usleep(100000);
    assert_true(now_ms() < until_ms);
    hang(&c);
    house_close(&h);
}

static void a_refused_chunk_has_the_time_of_a_message(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.settings.command_timeout_ms = 400;
    h.settings.message_timeout_ms = 60000;
    h.listener.settings.limits.message_max = 4;
    house_open(&h);
    struct client c = greeted(&h);
    TELL(&c, ENVELOPE "BDAT 8 LAST\r\n");
    for (int i = 0; i < 8; i++) {
        usleep(100000);
        TELL(&c, "x");
    }
    hears(&c, ENVELOPE_OK "552 5.3.4 Message size exceeds fixed limit\r\n");
    hang(&c);
    house_close(&h);
}

/* The time of a command runs out while the loop is busy elsewhere: who has spoken is heard all the same. */
static void who_spoke_is_not_late_because_we_are(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.settings.loops = 1;
    h.settings.command_timeout_ms = HOUSE_SLOW_MS / 2;
    house_open(&h);
    struct client slow = greeted(&h), spoke = greeted(&h), half = greeted(&h), silent = greeted(&h);
    TELL(&slow, "HELO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<slow@d.test>\r\n");
    usleep(50000);
    TELL(&spoke, "NOOP\r\n");
    TELL(&half, "NO");
    hears(&slow, ENVELOPE_OK);
    hears(&spoke, "250 2.0.0 Ok\r\n");
    hears_end(&half, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hears_end(&silent, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hang(&slow), hang(&spoke), hang(&half), hang(&silent);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_and_dripping_meet_their_time),
        cmocka_unit_test(a_deadline_is_met_though_the_peer_falls_silent_before_it),
        cmocka_unit_test(who_was_sent_away_cannot_stay_by_talking_on),
        cmocka_unit_test(a_refused_chunk_has_the_time_of_a_message),
        cmocka_unit_test(who_spoke_is_not_late_because_we_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

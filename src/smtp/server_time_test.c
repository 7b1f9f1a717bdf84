/* smtp/server_time_test.c - how long a peer may take for a command and for a message. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_and_dripping_meet_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

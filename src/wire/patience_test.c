/* Whose time is over, and who only was not heard yet. */
#include "wire/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

struct line { /* ours, and the peer's */
    int here, there;
    struct wait *wait;
};

static struct line line_new(struct patience *p)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct timeval patience = { .tv_sec = 10 };
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return (struct line) { fds[0], fds[1], wait_new(p, fds[0]) };
}

static void line_end(struct line *l)
{
    wait_free(l->wait);
    close(l->here);
    close(l->there);
}

static bool is_ended(const struct line *l) /* waits for it */
{
    char octet;
    return recv(l->there, &octet, 1, 0) == 0;
}

static bool is_open(const struct line *l)
{
    char octet;
    return recv(l->there, &octet, 1, MSG_DONTWAIT) < 0;
}

static void say(const struct line *l)
{
    assert_int_equal(send(l->there, "x", 1, 0), 1);
}

static void who_is_silent_too_long_is_ended(void **state)
{
    (void)state;
    struct patience *p = patience_start();
    struct line silent = line_new(p), other = line_new(p);
    wait_for_word(silent.wait, 1);
    wait_at_most(other.wait, 1);
    assert_true(is_ended(&silent));
    assert_true(is_ended(&other));
    line_end(&silent);
    line_end(&other);
    patience_stop(p);
}

static void a_word_that_is_not_read_yet_was_in_time(void **state)
{
    (void)state;
    struct patience *p = patience_start();
    struct line spoke = line_new(p), answer = line_new(p), silent = line_new(p);
    say(&spoke);
    say(&answer); /* it should read what we say, and says more */
    wait_for_word(spoke.wait, 1);
    wait_at_most(answer.wait, 1);
    wait_for_word(silent.wait, 1);
    assert_true(is_ended(&silent));
    assert_true(is_ended(&answer));
    assert_true(is_open(&spoke));
    char octet;
    assert_int_equal(recv(spoke.here, &octet, 1, 0), 1); /* the rest of the head does not come */
    assert_true(is_ended(&spoke));
    line_end(&spoke);
    line_end(&answer);
    line_end(&silent);
    patience_stop(p);
}

static void what_waits_for_ever_stays(void **state)
{
    (void)state;
    struct patience *p = patience_start();
    struct line kept = line_new(p), silent = line_new(p);
    wait_for_word(kept.wait, 1);
    wait_at_most(kept.wait, 0);
    wait_for_word(silent.wait, 1);
    assert_true(is_ended(&silent));
    assert_true(is_open(&kept));
    line_end(&kept);
    line_end(&silent);
    wait_for_word(NULL, 1); /* there was no memory for it */
    wait_at_most(NULL, 1);
    wait_free(NULL);
    patience_stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_silent_too_long_is_ended),
        cmocka_unit_test(a_word_that_is_not_read_yet_was_in_time),
        cmocka_unit_test(what_waits_for_ever_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "receive/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_waits_are_those_of_the_specification(void **state)
{
    (void)state;
    static const int64_t seconds[] = { 10, 30, 60, 120, 240, 480, 900, 900, 900 };
    int64_t since = 1700000000000, now = since;
    for (unsigned i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        int64_t next = retry_next_ms(&retry_waits_usual, i + 1, since, now);
        assert_int_equal(next - now, seconds[i] * 1000);
        now = next;
    }
}

static void the_last_try_is_due_when_the_four_hours_end(void **state)
{
    (void)state;
    int64_t since = 1700000000000, end = since + RETRY_FOR_MS;
    assert_int_equal(retry_next_ms(&retry_waits_usual, 20, since, end - 60000), end);
    assert_false(retry_is_over(since, end - 1));
    assert_true(retry_is_over(since, end));
}

static void a_day_of_standing_still_still_earns_a_try(void **state)
{
    (void)state;
    int64_t since = 1700000000000, tomorrow = since + 24 * 3600 * 1000LL;
    /* an attempt that began before the end is not the last, whatever the clock says afterwards */
    assert_false(retry_is_over(since, since + 1000));
    assert_int_equal(retry_next_ms(&retry_waits_usual, 1, since, tomorrow), tomorrow + 10000);
}

static void an_operator_s_own_waits_end_in_their_last(void **state)
{
    (void)state;
    static const struct retry_waits two = { .ms = { 1000, 5000 }, .count = 2 };
    assert_int_equal(retry_next_ms(&two, 1, 0, 100), 1100);
    assert_int_equal(retry_next_ms(&two, 2, 0, 100), 5100);
    assert_int_equal(retry_next_ms(&two, 9, 0, 100), 5100);
    assert_int_equal(retry_next_ms(&two, 1, 0, RETRY_FOR_MS - 10), RETRY_FOR_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_waits_are_those_of_the_specification),
        cmocka_unit_test(the_last_try_is_due_when_the_four_hours_end),
        cmocka_unit_test(a_day_of_standing_still_still_earns_a_try),
        cmocka_unit_test(an_operator_s_own_waits_end_in_their_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

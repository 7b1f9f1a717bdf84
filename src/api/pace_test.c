/* A pace: calls at moments, and whether they may be made. */
#include "api/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define TAKE(ms, may)                                                                              \
    assert_int_equal(pace_take(pace, STR("1"), STR("r"), STR("Op"), 5000 + (ms)), may)

static void one_call_a_second_is_one_call_a_second(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct pace *pace = pace_new(arena, 1);
    TAKE(0, true);
    TAKE(0, false);
    TAKE(999, false); /* what was refused costs nothing */
    TAKE(1000, true);
    TAKE(1500, false);
    TAKE(2500, true); /* and what was not used is not saved up */
    TAKE(2600, false);
    TAKE(60 * 1000, true);
    TAKE(60 * 1000 + 1, false);
}

static void four_a_second_may_come_at_once(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct pace *pace = pace_new(arena, 4);
    for (int i = 0; i < 4; i++)
        TAKE(0, true);
    TAKE(0, false);
    TAKE(249, false);
    TAKE(250, true);
    TAKE(250, false);
    TAKE(1000, true);
    TAKE(1000, true);
    TAKE(1000, true);
    TAKE(1000, false);
}

static void each_account_region_and_operation_has_its_own(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct pace *pace = pace_new(arena, 1);
    TAKE(0, true);
    assert_true(pace_take(pace, STR("2"), STR("r"), STR("Op"), 5000));
    assert_true(pace_take(pace, STR("1"), STR("s"), STR("Op"), 5000));
    assert_true(pace_take(pace, STR("1"), STR("r"), STR("Other"), 5000));
    assert_true(pace_take(pace, STR("1r"), STR(""), STR("Op"), 5000));
    TAKE(0, false);
    for (int i = 0; i < 5000; i++) { /* more than there are places: nothing breaks */
        char name[16];
        const int len = snprintf(name, sizeof name, "%d", i);
        assert_true(pace_take(pace, (str) { name, (size_t)len }, STR("r"), STR("Op"), 6000 + i));
    }
    TAKE(10 * 1000, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_a_second_is_one_call_a_second),
        cmocka_unit_test(four_a_second_may_come_at_once),
        cmocka_unit_test(each_account_region_and_operation_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

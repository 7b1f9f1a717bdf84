/* main/descriptors_test.c - whatever the limit, each has a share and the shares are no more than
 * there is. */
#include "main/descriptors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct config defaults = {
    .smtp_count = 1, .workers = 64, .api_workers = 16, .connections_max = 2000
};

static void everyone_has_a_share_of_whatever_there_is(void **state)
{
    (void)state;
    for (size_t limit = DESCRIPTORS_LEAST; limit < 5000; limit++) {
        const struct descriptors d = descriptors_share(limit, &defaults, 2, 8);
        assert_true(d.own >= 64 && d.api >= 16 && d.sessions >= 32);
        assert_true(d.own + d.api + d.sessions <= limit);
        assert_true(d.sessions <= 2000);
    }
}

static void where_there_is_enough_all_have_what_they_want(void **state)
{
    (void)state;
    const struct descriptors d = descriptors_share(1 << 20, &defaults, 2, 8);
    assert_int_equal(d.sessions, 2000);
    assert_int_equal(d.api, API_CONNECTIONS);
    assert_true(d.own > 3 * 64);
    struct config many = defaults;
    many.connections_max = 1000000;
    assert_true(descriptors_share(1 << 20, &many, 2, 8).sessions == 1000000);
    assert_true(descriptors_share(SIZE_MAX, &many, 256, 1024).sessions == 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_has_a_share_of_whatever_there_is),
        cmocka_unit_test(where_there_is_enough_all_have_what_they_want),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

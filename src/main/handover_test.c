#include "main/handover.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static str value_of(const char *variable)
{
    str name, value;
    assert_true(str_cut(str_of(variable), '=', &name, &value));
    assert_true(str_eq(name, STR(HANDOVER_VARIABLE)));
    return value;
}

static void what_is_left_is_found(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    int answers[] = { 9, 10 }, api[] = { 5 }, smtp[] = { 6, 7 }, more[] = { 8 };
    struct handed listening[] = { { HANDED_SMTP, STR("127.0.0.1:0"), smtp, 2 },
                                  { HANDED_SMTP, STR("127.0.0.1:0"), more, 1 },
                                  { HANDED_API, STR("127.0.0.1:0"), api, 1 } };
    const struct handover left = { .lock = 3,
                                   .asked_ms = 4711,
                                   .runner = 812,
                                   .answers = answers,
                                   .answer_count = 2,
                                   .listening = listening,
                                   .listening_count = 3 };
    struct handover found;
    (void)unused;
    assert_null(handover_read(value_of(handover_write(&left, 811, a)), 811, a, &found));
    assert_true(found.given);
    assert_int_equal(found.lock, 3);
    assert_int_equal(found.asked_ms, 4711);
    assert_int_equal(found.runner, 812);
    assert_int_equal(found.answer_count, 2);
    assert_int_equal(found.answers[1], 10);
    assert_int_equal(handover_take(&found, HANDED_SMTP, STR("127.0.0.1:25")).count, 0);
    struct handed first = handover_take(&found, HANDED_SMTP, STR("127.0.0.1:0"));
    assert_int_equal(first.count, 2);
    assert_int_equal(first.fds[1], 7);
    assert_int_equal(handover_take(&found, HANDED_SMTP, STR("127.0.0.1:0")).fds[0], 8);
    assert_int_equal(handover_take(&found, HANDED_SMTP, STR("127.0.0.1:0")).count, 0);
    assert_int_equal(handover_take(&found, HANDED_API, STR("127.0.0.1:0")).fds[0], 5);
}

static void only_the_process_it_was_left_to_takes_it(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct handover left = { .lock = 3 };
    struct handover found;
    (void)unused;
    assert_null(handover_read(value_of(handover_write(&left, 811, a)), 812, a, &found));
    assert_false(found.given);
    assert_null(handover_read(STR_NONE, 811, a, &found));
    assert_false(found.given);
    assert_null(handover_read(STR("yes"), 811, a, &found));
    assert_false(found.given);
}

static void what_makes_no_sense_is_told(void **unused)
{
    static const char *const wrong[] = {
        "pid=1",
        "pid=1 lock=2",
        "pid=1 lock=x",
        "pid=1 lock=3 answers=",
        "pid=1 lock=3 answers=4,,5",
        "pid=1 lock=3 answers=0",
        "pid=1 lock=3 smtp=127.0.0.1:0",
        "pid=1 lock=3 smtp==4",
        "pid=1 lock=3 smtp=127.0.0.1:0=-4",
        "pid=1 lock=3 more=4",
        "pid=1 lock=99999999999",
    };
    (void)unused;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        struct handover found;
        const struct fault *f = handover_read(str_of(wrong[i]), 1, a, &found);
        assert_true(f && f->kind == FAULT_SYNTAX);
        assert_false(found.given);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_found),
        cmocka_unit_test(only_the_process_it_was_left_to_takes_it),
        cmocka_unit_test(what_makes_no_sense_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

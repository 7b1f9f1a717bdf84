/* The views of bytes: comparing, cutting, counting. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_cut_without_the_separator_keeps_all_in_front(void **state)
{
    (void)state;
    str head, tail;
    assert_false(str_cut(STR("abc"), ':', &head, &tail));
    assert_true(str_eq(head, STR("abc")));
    assert_true(str_is_none(tail));
    assert_true(str_cut(STR("a:b:c"), ':', &head, &tail));
    assert_true(str_eq(head, STR("a")));
    assert_true(str_eq(tail, STR("b:c")));
}

static void a_number_is_digits_only_and_fits(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(str_u64(STR("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_false(str_u64(STR("18446744073709551616"), &n));
    assert_false(str_u64(STR(""), &n));
    assert_false(str_u64(STR("-1"), &n));
    assert_false(str_u64(STR("1 "), &n));
}

static void order_is_by_bytes_then_by_length(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_true(str_cmp(STR("a\0b"), STR("a\0c")) < 0);
    assert_int_equal(str_cmp(STR(""), STR_NONE), 0);
}

static void text_is_compared_without_case_in_ascii_only(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("EhLo"), STR("ehlo")));
    assert_false(str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
    assert_true(str_ends_nocase(STR("a.EXAMPLE"), STR(".example")));
}

static void an_arena_says_no_at_its_limit_and_forgets_at_reset(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096);
    assert_non_null(arena_alloc(a, 3000, 8));
    assert_null(arena_alloc(a, 3000, 8));
    const struct fault *f = fault(a, FAULT_ABSENT, NULL, "no bucket named %s", "x");
    assert_int_equal(f->kind, FAULT_ABSENT);
    arena_reset(a);
    assert_non_null(arena_alloc(a, 3000, 8));
    assert_null(arena_array(a, SIZE_MAX / 2, 4, 8));
    arena_free(a);
}

static void count_one(void *owned)
{
    *(int *)owned += 1;
}

static void what_is_registered_is_released_once(void **state)
{
    (void)state;
    int released = 0;
    struct arena *a = arena_new(1 << 20);
    assert_true(arena_on_reset(a, count_one, &released));
    arena_reset(a);
    assert_int_equal(released, 1);
    arena_reset(a);
    arena_free(a);
    assert_int_equal(released, 1);
}

static void a_buffer_stops_at_its_maximum(void **state)
{
    (void)state;
    AUTO_BUF b = buf_new(300);
    for (int i = 0; i < 29; i++)
        buf_addf(&b, "%09d.", i);
    assert_int_equal(b.len, 290);
    assert_false(b.failed);
    buf_add(&b, STR("12345678901"));
    assert_true(b.failed);
    assert_int_equal(b.len, 290);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_without_the_separator_keeps_all_in_front),
        cmocka_unit_test(a_number_is_digits_only_and_fits),
        cmocka_unit_test(order_is_by_bytes_then_by_length),
        cmocka_unit_test(text_is_compared_without_case_in_ascii_only),
        cmocka_unit_test(an_arena_says_no_at_its_limit_and_forgets_at_reset),
        cmocka_unit_test(what_is_registered_is_released_once),
        cmocka_unit_test(a_buffer_stops_at_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

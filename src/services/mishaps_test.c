/* services/mishaps_test.c - orders: which calls they meet, how often, and what they will not be. */
#include "services/mishaps.h"

#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct mishaps *open_with(struct stage *s, const char *order)
{
    struct mishaps *m;
    AUTO_BUF out = buf_new(4096);
    assert_null(mishaps_open(s->arena, &m));
    assert_null(mishaps_order(m, str_of(order), s->arena, &out));
    assert_true(str_starts(buf_str(&out), STR("{\"id\":\"1\",")));
    return m;
}

struct met_case {
    const char *says, *order, *action, *resource;
    bool meets;
};
/* clang-format off */
static const struct met_case cases[] = {
    { "an order without patterns meets every call of its service", "{\"service\":\"s3\",\"fault\":\"SlowDown\"}", "s3:GetObject", "arn:aws:s3:::b/k", true },
    { "and of no other", "{\"service\":\"s3\",\"fault\":\"SlowDown\"}", "kms:Decrypt", "arn:aws:kms:us-east-1:1:key/a", false },
    { "the operation is a pattern, in either case", "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"operation\":\"putobj*\"}", "s3:PutObject", "arn:aws:s3:::b/k", true },
    { "another operation", "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"operation\":\"PutObject\"}", "s3:GetObject", "arn:aws:s3:::b/k", false },
    { "the resource is a pattern", "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"resource\":\"arn:aws:s3:::b/*\"}", "s3:GetObject", "arn:aws:s3:::b/k", true },
    { "another resource", "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"resource\":\"arn:aws:s3:::b/*\"}", "s3:GetObject", "arn:aws:s3:::c/k", false },
    { "the caller is a pattern", "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"caller\":\"arn:aws:iam::*:root\"}", "s3:GetObject", "arn:aws:s3:::b/k", true },
    { "another caller", "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"caller\":\"ses.amazonaws.com\"}", "s3:GetObject", "arn:aws:s3:::b/k", false },
    { "a function's end is no answer to a call", "{\"service\":\"lambda\",\"fault\":\"Crash\"}", "lambda:InvokeFunction", "arn:aws:lambda:us-east-1:1:function:f", false },
};
/* clang-format on */

static void an_order_meets_what_it_names(void **state)
{
    struct stage *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# %s\n", cases[i].says);
        struct mishaps *m = open_with(s, cases[i].order);
        struct call call = stage_call(s);
        assert_null(mishap_of_call(&call, str_of(cases[i].action), str_of(cases[i].resource)));
        call.mishaps = m;
        const struct fault *f =
            mishap_of_call(&call, str_of(cases[i].action), str_of(cases[i].resource));
        assert_int_equal(f != NULL, cases[i].meets);
        assert_true(!f || (f->kind == FAULT_UNAVAILABLE &&
                           str_ends(f->says, STR("injected by /_sesame/faults)"))));
        mishaps_close(m);
    }
}

static const struct fault *put(const struct call *call)
{
    return mishap_of_call(call, STR("s3:PutObject"), STR("arn:aws:s3:::b/k"));
}

static void it_is_met_as_often_as_it_says_and_orders_in_turn(void **state)
{
    struct stage *s = *state;
    struct call call = stage_call(s);
    AUTO_BUF out = buf_new(4096);
    call.mishaps = open_with(s, "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"times\":2}");
    assert_null(mishaps_order(call.mishaps, STR("{\"service\":\"s3\",\"fault\":\"InternalError\"}"),
                              s->arena, &out));
    assert_string_equal(put(&call)->code, "SlowDown");
    assert_string_equal(put(&call)->code, "SlowDown");
    for (int i = 0; i < 5; i++)
        assert_string_equal(put(&call)->code, "InternalError");
    buf_clear(&out);
    mishaps_write(call.mishaps, &out);
    assert_true(str_find_str(buf_str(&out), STR("\"times\":2,\"met\":2}")) < out.len);
    assert_true(str_find_str(buf_str(&out), STR("\"times\":0,\"met\":5}")) < out.len);
    assert_false(mishaps_cancel(call.mishaps, STR("3")));
    assert_false(mishaps_cancel(call.mishaps, STR("x")));
    assert_true(mishaps_cancel(call.mishaps, STR("2")));
    assert_null(put(&call));
    assert_true(mishaps_cancel(call.mishaps, STR("1")));
    buf_clear(&out);
    mishaps_write(call.mishaps, &out);
    assert_true(str_eq(buf_str(&out), STR("{\"faults\":[]}")));
    mishaps_close(call.mishaps);
}

static void a_function_ends_as_ordered(void **state)
{
    struct stage *s = *state;
    struct call call = stage_call(s);
    struct mishaps *m = open_with(
        s, "{\"service\":\"lambda\",\"fault\":\"Timeout\",\"times\":1,\"resource\":\"*:f\"}");
    assert_int_equal(mishap_of_function(NULL, &call, STR("a:f")), MISHAP_NONE);
    assert_int_equal(mishap_of_function(m, &call, STR("a:g")), MISHAP_NONE);
    assert_int_equal(mishap_of_function(m, &call, STR("a:f")), MISHAP_TIMEOUT);
    assert_int_equal(mishap_of_function(m, &call, STR("a:f")), MISHAP_NONE);
    mishaps_close(m);
}

static void what_is_no_order_is_said(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"service\":\"s3\"}",
        "{\"service\":\"ec2\",\"fault\":\"SlowDown\"}",
        "{\"service\":\"s3\",\"fault\":\"Slowdown\"}",
        "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"bucket\":\"b\"}",
        "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"resource\":7}",
        "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"times\":-1}",
        "{\"service\":\"s3\",\"fault\":\"SlowDown\",\"times\":\"2\"}",
    };
    struct stage *s = *state;
    struct mishaps *m;
    AUTO_BUF out = buf_new(4096);
    assert_null(mishaps_open(s->arena, &m));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct fault *f = mishaps_order(m, str_of(bad[i]), s->arena, &out);
        assert_true(f && f->kind == FAULT_SYNTAX && f->says.len);
    }
    for (int i = 0; i < 100; i++)
        assert_null(
            mishaps_order(m, STR("{\"service\":\"s3\",\"fault\":\"SlowDown\"}"), s->arena, &out));
    assert_int_equal(
        mishaps_order(m, STR("{\"service\":\"s3\",\"fault\":\"SlowDown\"}"), s->arena, &out)->kind,
        FAULT_CONFLICT);
    mishaps_close(m);
}

static int begin(void **state)
{
    static struct stage stage;
    stage_begin(&stage);
    *state = &stage;
    return 0;
}

static int end(void **state)
{
    stage_end(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_order_meets_what_it_names, begin, end),
        cmocka_unit_test_setup_teardown(it_is_met_as_often_as_it_says_and_orders_in_turn, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_function_ends_as_ordered, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_order_is_said, begin, end),
    };
    return cmocka_run_group_tests_name("services/mishaps", tests, NULL, NULL);
}

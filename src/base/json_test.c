/* JSON bodies: reading into the arena, writing with commas in their places. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void values_are_read_in_their_order_and_absence_is_quiet(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct json *v = NULL;
    assert_null(json_parse(
        STR("{\"s\":\"\\u00e9\\n\",\"n\":-12,\"b\":true,\"l\":[1,\"x\",null],\"r\":1.5,\"o\":{}}"),
        a, &v));
    assert_int_equal(json_kind(v), JSON_OBJECT);
    assert_true(str_eq(json_str(v, "s"), STR("\xc3\xa9\n")));
    assert_int_equal(json_int(v, "n", 0), -12);
    assert_true(json_bool(v, "b", false));
    assert_int_equal(json_size(json_get(v, "l")), 3);
    assert_true(str_eq(json_text(json_at(json_get(v, "l"), 1)), STR("x")));
    assert_int_equal(json_kind(json_at(json_get(v, "l"), 2)), JSON_NULL);
    assert_null(json_at(json_get(v, "l"), 3));
    assert_int_equal(json_kind(json_get(v, "r")), JSON_REAL);
    assert_int_equal(json_int(v, "r", 7), 7);
    assert_int_equal(json_int(v, "s", 7), 7);
    assert_true(json_bool(v, "absent", true));
    assert_true(str_is_none(json_str(json_get(NULL, "x"), "y")));
    str name;
    const struct json *value;
    static const char *const order[] = { "s", "n", "b", "l", "r", "o" };
    size_t i = 0;
    for (; json_member(v, i, &name, &value); i++)
        assert_true(str_eq(name, str_of(order[i])));
    assert_int_equal(i, 6);
    assert_null(json_parse(STR("\"alone\""), a, &v));
    assert_true(str_eq(json_text(v), STR("alone")));
}

static void what_we_do_not_want_is_refused(void **state)
{
    (void)state;
    static const str bad[] = {
        STR_INIT(""),
        STR_INIT("{"),
        STR_INIT("{\"a\":1,\"a\":2}"),
        STR_INIT("\"\xff\""),
        STR_INIT("\"\\u0000\""),
        STR_INIT("\"a\0b\""),
        STR_INIT("[1,]"),
        STR_INIT("{} x"),
        STR_INIT("nul"),
        STR_INIT("[01]"),
        STR_INIT("99999999999999999999"),
        STR_INIT("\"\\ud800\""),
        STR_INIT("// c\n{}"),
    };
    AUTO_ARENA *a = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct json *v = NULL;
        const struct fault *f = json_parse(bad[i], a, &v);
        assert_non_null(f);
        assert_int_equal(f->kind, FAULT_SYNTAX);
        assert_true(str_starts(f->says, STR("line ")));
        assert_null(v);
    }
    char deep[400];
    const struct json *v = NULL;
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    assert_int_equal(json_parse((str) { deep, 400 }, a, &v)->kind, FAULT_SYNTAX);
    AUTO_ARENA *small = arena_new(1100);
    const struct fault *f =
        json_parse(STR("[[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9],[1,2,3,4,5,6,7,8,9],"
                       "{\"a\":[1,2,3,4,5,6,7,8,9,10]}]"),
                   small, &v);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_LIMIT);
}

static void commas_come_by_themselves(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(1000);
    struct json_writer w = json_writer(&out);
    json_open(&w, '{');
    json_add_str(&w, "a", STR("x"));
    json_add_str(&w, "none", STR_NONE);
    json_name(&w, STR("list"));
    json_open(&w, '[');
    json_put_int(&w, -1);
    json_open(&w, '{');
    json_close(&w, '}');
    json_put_null(&w);
    json_put_raw(&w, STR("{\"q\":1}"));
    json_close(&w, ']');
    json_add_bool(&w, "b", false);
    json_add_int(&w, "n", INT64_MIN);
    json_add_raw(&w, "r", STR("[]"));
    json_close(&w, '}');
    buf_addc(&out, '\0');
    assert_string_equal(out.ptr,
                        "{\"a\":\"x\",\"none\":null,\"list\":[-1,{},null,{\"q\":1}],\"b\":false,"
                        "\"n\":-9223372036854775808,\"r\":[]}");
}

static void text_is_escaped_so_that_our_own_reader_takes_it(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF out = buf_new(1000);
    const struct json *v = NULL;
    json_quote(&out, STR("\"\\/\b\f\n\r\t\x01\x7f\xc3\xa9\xff\0"));
    assert_true(
        str_eq(buf_str(&out),
               STR("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"")));
    assert_null(json_parse(buf_str(&out), a, &v));
    assert_true(
        str_eq(json_text(v), STR("\"\\/\b\f\n\r\t\x01\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd")));
    buf_clear(&out);
    json_quote(&out, STR_NONE);
    assert_true(str_eq(buf_str(&out), STR("\"\"")));
}

/* Eight octets are looked at together; what is among them must be seen at each place. */
static void an_octet_is_escaped_wherever_it_stands(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(1000);
    for (unsigned c = 1; c < 256; c++) {
        for (size_t at = 0; at < 19; at++) {
            char text[19], want[64];
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            const char *esc = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\b' ? "\\b"
                              : c == '\f' ? "\\f" : c == '\n' ? "\\n" : c == '\r' ? "\\r"
                              : c == '\t' ? "\\t" : c >= 0x80 ? "\xef\xbf\xbd" : NULL;
            char spelled[8];
            snprintf(spelled, sizeof spelled, c < 0x20 ? "\\u%04x" : "%c", c);
            int len = snprintf(want, sizeof want, "\"%.*s%s%s\"", (int)at, text,
                               esc ? esc : spelled, &"aaaaaaaaaaaaaaaaaa"[at]);
            buf_clear(&out);
            json_quote(&out, (str) { text, sizeof text });
            if (!str_eq(buf_str(&out), (str) { want, (size_t)len }))
                fail_msg("octet %u at %zu: " STR_FMT, c, at, STR_ARG(buf_str(&out)));
        }
    }
}

static void what_was_read_is_written_again(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    const str text = STR("{\"a\":[1,-2,2.5,1e+300,true,false,null,\"x\\n\"],\"b\":{\"c\":{},\"d\":[]}}");
    const struct json *value;
    assert_null(json_parse(text, arena, &value));
    AUTO_BUF out = buf_new(1024);
    struct json_writer w = json_writer(&out);
    json_put_value(&w, value);
    const struct json *again;
    assert_null(json_parse(buf_str(&out), arena, &again));
    AUTO_BUF second = buf_new(1024);
    w = json_writer(&second);
    json_put_value(&w, again);
    assert_true(str_eq(buf_str(&out), buf_str(&second)));
    assert_true(str_starts(buf_str(&out), STR("{\"a\":[1,-2,2.5,")));
    assert_true(str_ends(buf_str(&out), STR(",true,false,null,\"x\\n\"],\"b\":{\"c\":{},\"d\":[]}}")));
}

static void a_text_is_laid_out_over_lines(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(1024);
    json_indent(STR("{\"a\" : [1,{ },[ ]],\"b{,\\\"\":{\"c\":\"d: [\"}}"), &out);
    assert_true(str_eq(buf_str(&out), STR("{\n  \"a\": [\n    1,\n    {},\n    []\n  ],\n"
                                          "  \"b{,\\\"\": {\n    \"c\": \"d: [\"\n  }\n}")));
    buf_clear(&out);
    json_indent(STR("\"cut off\\"), &out);
    assert_true(str_eq(buf_str(&out), STR("\"cut off\\")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_in_their_order_and_absence_is_quiet),
        cmocka_unit_test(what_we_do_not_want_is_refused),
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(text_is_escaped_so_that_our_own_reader_takes_it),
        cmocka_unit_test(an_octet_is_escaped_wherever_it_stands),
        cmocka_unit_test(what_was_read_is_written_again),
        cmocka_unit_test(a_text_is_laid_out_over_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

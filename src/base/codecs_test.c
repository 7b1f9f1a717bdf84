/* The small codecs: base64, hexadecimal, percent, UTF-8, checksums. */
#include "base/base64.h"
#include "base/crc.h"
#include "base/hex.h"
#include "base/percent.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void base64_is_that_of_rfc_4648(void **state)
{
    (void)state;
    static const struct {
        str bytes, text;
    } vectors[] = {
        { STR_INIT(""), STR_INIT("") },
        { STR_INIT("f"), STR_INIT("Zg==") },
        { STR_INIT("fo"), STR_INIT("Zm8=") },
        { STR_INIT("foo"), STR_INIT("Zm9v") },
        { STR_INIT("foobar"), STR_INIT("Zm9vYmFy") },
        { STR_INIT("\0\xff\xfe\xfb"), STR_INIT("AP/++w==") },
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        AUTO_BUF out = buf_new(100), back = buf_new(100);
        base64_encode(&out, vectors[i].bytes);
        assert_true(str_eq(buf_str(&out), vectors[i].text));
        assert_true(base64_decode(&back, vectors[i].text));
        assert_true(str_eq(buf_str(&back), vectors[i].bytes));
    }
}

static void base64_has_one_text_for_each_value(void **state)
{
    (void)state;
    static const str bad[] = {
        STR_INIT("Zg"),    STR_INIT("Zg="),   STR_INIT("Zh=="),  STR_INIT("Zm9="), STR_INIT("Zg== "),
        STR_INIT("Z g="),  STR_INIT("===="),  STR_INIT("Zg==Zg=="), STR_INIT("Zm-_"), STR_INIT("Z==="),
        STR_INIT("Zm9v\nZg="), STR_INIT("=Zg="),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO_BUF out = buf_new(100);
        if (base64_decode(&out, bad[i]))
            fail_msg("took '%s'", bad[i].ptr);
        assert_int_equal(out.len, 0);
    }
}

static void hexadecimal_is_written_small_and_read_in_both(void **state)
{
    (void)state;
    char text[8], bytes[4];
    hex_encode(text, "\x00\x9f\xab\xff", 4);
    assert_memory_equal(text, "009fabff", 8);
    assert_true(hex_decode(bytes, STR("009FaBff")));
    assert_memory_equal(bytes, "\x00\x9f\xab\xff", 4);
    assert_false(hex_decode(bytes, STR("0")));
    assert_false(hex_decode(bytes, STR("0g")));
}

static void percent_keeps_what_aws_keeps(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(4096);
    AUTO_BUF out = buf_new(100);
    percent_encode(&out, STR("aZ0-._~/ +*'()!\xc3\xa9"), PERCENT_KEEP_SLASH);
    assert_true(str_eq(buf_str(&out), STR("aZ0-._~/%20%2B%2A%27%28%29%21%C3%A9")));
    buf_clear(&out);
    percent_encode(&out, STR("a/b"), PERCENT_ALL);
    assert_true(str_eq(buf_str(&out), STR("a%2Fb")));
    str text;
    assert_true(percent_decode(STR("a%2fb+c%00"), true, a, &text));
    assert_true(str_eq(text, STR("a/b c\0")));
    assert_true(percent_decode(STR("a+b"), false, a, &text));
    assert_true(str_eq(text, STR("a+b")));
    assert_false(percent_decode(STR("%"), false, a, &text));
    assert_false(percent_decode(STR("%4"), false, a, &text));
    assert_false(percent_decode(STR("%4g"), false, a, &text));
}

static void utf8_is_that_of_rfc_3629(void **state)
{
    (void)state;
    static const struct {
        str text;
        uint32_t character;
    } cases[] = {
        { STR_INIT("\0"), 0 },
        { STR_INIT("\x7f"), 0x7F },
        { STR_INIT("\xc2\x80"), 0x80 },
        { STR_INIT("\xdf\xbf"), 0x7FF },
        { STR_INIT("\xe0\xa0\x80"), 0x800 },
        { STR_INIT("\xed\x9f\xbf"), 0xD7FF },
        { STR_INIT("\xee\x80\x80"), 0xE000 },
        { STR_INIT("\xef\xbf\xbf"), 0xFFFF },
        { STR_INIT("\xf0\x90\x80\x80"), 0x10000 },
        { STR_INIT("\xf4\x8f\xbf\xbf"), 0x10FFFF },
        { STR_INIT("\x80"), UTF8_BAD },             /* a tail alone */
        { STR_INIT("\xc0\x80"), UTF8_BAD },         /* too long a form */
        { STR_INIT("\xc1\xbf"), UTF8_BAD },
        { STR_INIT("\xe0\x9f\xbf"), UTF8_BAD },
        { STR_INIT("\xf0\x8f\xbf\xbf"), UTF8_BAD },
        { STR_INIT("\xed\xa0\x80"), UTF8_BAD },     /* a surrogate */
        { STR_INIT("\xf4\x90\x80\x80"), UTF8_BAD }, /* past the end */
        { STR_INIT("\xf8\x88\x80\x80\x80"), UTF8_BAD },
        { STR_INIT("\xe2\x82"), UTF8_BAD },         /* cut short */
        { STR_INIT("\xff"), UTF8_BAD },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cursor in = cursor_of(cases[i].text);
        char again[4];
        assert_int_equal(utf8_next(&in), cases[i].character);
        assert_int_equal(utf8_valid(cases[i].text), cases[i].character != UTF8_BAD);
        if (cases[i].character == UTF8_BAD) {
            assert_ptr_equal(in.at, cases[i].text.ptr + 1);
        } else {
            assert_ptr_equal(in.at, in.end);
            assert_true(str_eq((str){ again, utf8_put(again, cases[i].character) }, cases[i].text));
        }
    }
    assert_int_equal(utf8_count(STR("a\xc3\xa9\xff\xe2\x82\xac")), 4);
    assert_true(utf8_is_ascii(STR("abc")));
    assert_false(utf8_is_ascii(STR("a\x80")));
}

static void checksums_have_their_check_values(void **state)
{
    (void)state;
    static const char nine[] = "123456789";
    static const char zeros[32];
    assert_int_equal(crc32c(0, nine, 9), 0xE3069283u);
    assert_int_equal(crc32c(0, zeros, 32), 0x8A9136AAu); /* RFC 3720 B.4 */
    assert_int_equal(crc32_ieee(0, nine, 9), 0xCBF43926u);
    assert_true(crc64_nvme(0, nine, 9) == 0xAE8B14860A799888u);
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(7, NULL, 0), 7);
}

static void checksums_go_on_where_they_stopped_and_tables_agree_with_the_processor(void **state)
{
    (void)state;
    unsigned char bytes[100];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof(bytes); len++) {
            uint32_t whole = crc32c(0, bytes + from, len);
            assert_int_equal(whole, crc32c_by_table(0, bytes + from, len));
            size_t half = len / 2;
            assert_int_equal(whole, crc32c(crc32c(0, bytes + from, half), bytes + from + half, len - half));
        }
    }
    static unsigned char many[20000]; /* long ones are summed in stretches */
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = (unsigned char)(i * i >> 3 ^ i);
    for (size_t len = 1000; len < sizeof many - 8; len += 997)
        for (size_t from = 0; from < 8; from += 3)
            assert_int_equal(crc32c(len & 0xffff, many + from, len),
                             crc32c_by_table(len & 0xffff, many + from, len));
    for (size_t len = 3070; len <= 3080; len++)
        assert_int_equal(crc32c(7, many, len), crc32c_by_table(7, many, len));
    assert_int_equal(crc32_ieee(0, bytes, 100), crc32_ieee(crc32_ieee(0, bytes, 33), bytes + 33, 67));
    assert_true(crc64_nvme(0, bytes, 100) == crc64_nvme(crc64_nvme(0, bytes, 33), bytes + 33, 67));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(base64_has_one_text_for_each_value),
        cmocka_unit_test(hexadecimal_is_written_small_and_read_in_both),
        cmocka_unit_test(percent_keeps_what_aws_keeps),
        cmocka_unit_test(utf8_is_that_of_rfc_3629),
        cmocka_unit_test(checksums_have_their_check_values),
        cmocka_unit_test(checksums_go_on_where_they_stopped_and_tables_agree_with_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

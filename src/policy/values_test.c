/* Decimals, moments, networks, truth and bytes. */
#include "policy/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void decimals_compare_by_value_however_long(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        { "10", "10.0", 0 },
        { "1e1", "10", 0 },
        { "0.10", ".1", 0 },
        { "-0", "0.00", 0 },
        { "00120", "1.20e2", 0 },
        { "9", "10", -1 },
        { "-9", "-10", 1 },
        { "-1", "1", -1 },
        { "0", "-1", 1 },
        { "0.05", "0.5", -1 },
        { "120.25", "120.3", -1 },
        { "1.05", "1.050000001", -1 },
        { "123456789012345678901234567890", "123456789012345678901234567891", -1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct decimal a, b;
        assert_true(decimal_read(str_of(cases[i].a), &a));
        assert_true(decimal_read(str_of(cases[i].b), &b));
        if (decimal_cmp(&a, &b) != cases[i].want || decimal_cmp(&b, &a) != -cases[i].want)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
    static const char *const no[] = { "",     "-",  ".",  "many",  "1x", "1e",
                                      "0x10", " 1", "1 ", "1.2.3", "e5" };
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        struct decimal a;
        if (decimal_read(str_of(no[i]), &a))
            fail_msg("%s is no number", no[i]);
    }
}

static void moments_are_w3c_dates_or_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
        uint32_t nanoseconds;
    } cases[] = {
        { "2024-03-05", 1709596800, 0 },
        { "2024-03", 1709251200, 0 },
        { "2024", 1704067200, 0 },
        { "1709596800", 1709596800, 0 },
        { "2024-03-05T02:00:00+02:00", 1709596800, 0 },
        { "2024-03-05T00:00Z", 1709596800, 0 },
        { "2024-02-29T23:59:59.25Z", 1709251199, 250000000 },
        { "1970-01-01T00:00:00Z", 0, 0 },
        { "1969-12-31", -86400, 0 },
        { "0000-01-01", -62167219200, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct moment moment;
        if (!moment_read(str_of(cases[i].text), &moment) || moment.seconds != cases[i].seconds ||
            moment.nanoseconds != cases[i].nanoseconds)
            fail_msg("%s", cases[i].text);
    }
    static const char *const no[] = { "",
                                      "soon",
                                      "2023-02-29",
                                      "2024-13",
                                      "2024-00-01",
                                      "2024-03-05T00:00",
                                      "2024-03-05T24:00Z",
                                      "2024-03-05 00:00Z",
                                      "2024-3-5",
                                      "2024-03-05Z",
                                      "2024-03-05T00:00:00.Z",
                                      "2024-03-05T00:00:00Zx" };
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        struct moment moment;
        if (moment_read(str_of(no[i]), &moment))
            fail_msg("%s is no date", no[i]);
    }
}

static void a_network_holds_addresses_of_its_family(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool want;
    } cases[] = {
        { "203.0.113.0/24", "203.0.113.9", true },
        { "203.0.113.0/24", "203.0.114.9", false },
        { "203.0.113.9", "203.0.113.9", true },
        { "203.0.113.9", "203.0.113.8", false },
        { "0.0.0.0/0", "1.2.3.4", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "203.0.113.8/29", "203.0.113.15", true },
        { "203.0.113.8/29", "203.0.113.16", false },
        { "2001:DB8::/32", "2001:db8:0:0::5", true },
        { "::/0", "2001:db8::1", true },
        { "2001:db8::1", "2001:0db8:0::0:1", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct network network, address;
        assert_true(network_read(str_of(cases[i].network), &network));
        assert_true(network_read(str_of(cases[i].address), &address));
        if (network_holds(&network, &address) != cases[i].want)
            fail_msg("%s and %s", cases[i].network, cases[i].address);
    }
    struct network network;
    assert_false(network_read(STR("203.0.113.0/33"), &network));
    assert_false(network_read(STR("203.0.113.0/"), &network));
    assert_false(network_read(STR("203.0.113"), &network));
    assert_false(network_read(STR("1.2.3.4\0x"), &network));
    assert_false(network_read(STR(""), &network));
}

static void truth_is_a_word_and_bytes_are_base64(void **state)
{
    (void)state;
    bool truth = false;
    assert_true(truth_read(STR("TRUE"), &truth) && truth);
    assert_true(truth_read(STR("false"), &truth) && !truth);
    assert_false(truth_read(STR("yes"), &truth));
    assert_true(base64_same(STR("QmluYXJ5"), STR("QmluYXJ5")));
    assert_true(base64_same(STR("QQ=="), STR("QR=="))); /* the bits beyond the byte say nothing */
    assert_false(base64_same(STR("QQ=="), STR("Qg==")));
    assert_false(base64_same(STR("Q"), STR("Q")));
    assert_true(base64_same(STR(""), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_compare_by_value_however_long),
        cmocka_unit_test(moments_are_w3c_dates_or_seconds),
        cmocka_unit_test(a_network_holds_addresses_of_its_family),
        cmocka_unit_test(truth_is_a_word_and_bytes_are_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

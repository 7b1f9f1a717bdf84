/* Moments as text, and back. */
#include "base/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

static void a_moment_has_its_five_forms(void **state)
{
    (void)state;
    char to[WHEN_SIZE];
    int64_t ms = 1772442942317; /* 2026-03-02 09:15:42.317 UTC */
    assert_string_equal(when_iso_ms(to, ms).ptr, "2026-03-02T09:15:42.317Z");
    assert_string_equal(when_iso(to, ms).ptr, "2026-03-02T09:15:42Z");
    assert_string_equal(when_mail(to, ms).ptr, "Mon, 02 Mar 2026 09:15:42 +0000 (UTC)");
    assert_string_equal(when_mail(to, 1728059474000).ptr, "Fri, 04 Oct 2024 16:31:14 +0000 (UTC)");
    assert_string_equal(when_http(to, ms).ptr, "Mon, 02 Mar 2026 09:15:42 GMT");
    assert_string_equal(when_sigv4(to, ms).ptr, "20260302T091542Z");
    assert_int_equal(when_sigv4(to, ms).len, 16);
    assert_string_equal(when_iso_ms(to, -1).ptr, "1969-12-31T23:59:59.999Z");
    assert_string_equal(when_iso_ms(to, INT64_MIN).ptr, "0000-01-01T00:00:00.000Z");
    assert_string_equal(when_iso_ms(to, INT64_MAX).ptr, "9999-12-31T23:59:59.999Z");
}

static void every_day_is_the_c_librarys_day(void **state)
{
    (void)state;
    for (int64_t day = -720000; day < 2900000; day += 97) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        char ours[WHEN_SIZE], theirs[WHEN_SIZE];
        int64_t back;
        gmtime_r(&seconds, &tm);
        if (tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999)
            continue;
        snprintf(theirs, sizeof(theirs), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_string_equal(when_iso(ours, seconds * 1000).ptr, theirs);
        static const char days[] = "SunMonTueWedThuFriSat";
        assert_memory_equal(when_http(ours, seconds * 1000).ptr, days + 3 * tm.tm_wday, 3);
        assert_true(when_parse_http(str_of(ours), &back));
        assert_true(back == seconds * 1000);
        assert_true(when_parse_iso(str_of(theirs), &back));
        assert_true(back == seconds * 1000);
        assert_true(when_parse_sigv4(when_sigv4(ours, seconds * 1000), &back));
        assert_true(back == seconds * 1000);
    }
}

static void iso_8601_is_read_in_the_forms_policies_use(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        { "2026-03-02", 1772409600000 },
        { "2026-03-02T09:15Z", 1772442900000 },
        { "2026-03-02T09:15:42Z", 1772442942000 },
        { "2026-03-02T09:15:42.3Z", 1772442942300 },
        { "2026-03-02T09:15:42.317999Z", 1772442942317 },
        { "2026-03-02T10:15:42+01:00", 1772442942000 },
        { "2026-03-02T03:45:42-05:30", 1772442942000 },
        { "2024-02-29T00:00:00Z", 1709164800000 },
        { "1969-12-31T23:59:59.999Z", -1 },
    };
    int64_t ms;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(when_parse_iso(str_of(good[i].text), &ms));
        assert_true(ms == good[i].ms);
    }
}

static void what_is_no_moment_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "2026",          "2026-3-2",     "2026-02-29",          "2026-13-01",
        "2026-00-01", "2026-01-00",    "2026-04-31",   "2026-03-02T",         "2026-03-02T09:15:42",
        "2026-03-02T09Z", "2026-03-02T24:00:00Z", "2026-03-02T09:60:00Z", "2026-03-02T09:15:60Z",
        "2026-03-02T09:15:42.Z", "2026-03-02T09:15:42+0100", "2026-03-02T09:15:42Z ", "2026-03-02 09:15:42Z",
        "2100-02-29", "+026-03-02",
    };
    int64_t ms = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (when_parse_iso(str_of(bad[i]), &ms))
            fail_msg("took '%s'", bad[i]);
    assert_false(when_parse_sigv4(STR("20260302T091542"), &ms));
    assert_false(when_parse_sigv4(STR("20260302T091542Z0"), &ms));
    assert_false(when_parse_sigv4(STR("20260230T091542Z"), &ms));
    assert_false(when_parse_http(STR("Tue, 02 Mar 2026 09:15:42 GMT"), &ms)); /* it was a Monday */
    assert_false(when_parse_http(STR("Mon, 02 Mar 2026 09:15:42 UTC"), &ms));
    assert_false(when_parse_http(STR("Mon, 02 Xyz 2026 09:15:42 GMT"), &ms));
    assert_false(when_parse_http(STR("Mon, 02-Mar 2026 09:15:42 GMT"), &ms));
    assert_int_equal(ms, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_has_its_five_forms),
        cmocka_unit_test(every_day_is_the_c_librarys_day),
        cmocka_unit_test(iso_8601_is_read_in_the_forms_policies_use),
        cmocka_unit_test(what_is_no_moment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* wire/dns_record_test.c - a record's octets, and what they say. */
#include "wire/dns_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct record_case {
    const char *says;
    enum dns_kind kind;
    str octets;
    bool well;
    unsigned preference;
    const char *name;
};
#define O(octets) { "" octets, sizeof octets - 1 }
/* clang-format off */
static const struct record_case cases[] = {
    { "a mail exchange",                  DNS_MX, O("\0\12\2mx\4test\0"),           true, 10, "mx.test" },
    { "of the lowest preference",         DNS_MX, O("\xff\xff\1a\0"),                true, 65535, "a" },
    { "the root takes no mail",           DNS_MX, O("\0\0\0"),                        true, 0, "" },
    { "an underscore is let pass",        DNS_MX, O("\0\0\3_mx\0"),                  true, 0, "_mx" },
    { "a name without its end",           DNS_MX, O("\0\12\2mx\4test"),              false, 0, NULL },
    { "a label longer than the record",   DNS_MX, O("\0\12\5mx\0"),                  false, 0, NULL },
    { "octets behind the name",           DNS_MX, O("\0\12\1a\0\0"),                false, 0, NULL },
    { "a compressed name",                DNS_MX, O("\0\12\xc0\14"),                 false, 0, NULL },
    { "a line end in a name",             DNS_MX, O("\0\12\4a\r\nb\0"),            false, 0, NULL },
    { "a dot in a label",                 DNS_MX, O("\0\12\3a.b\0"),                 false, 0, NULL },
    { "nothing but a preference",         DNS_MX, O("\0\12"),                          false, 0, NULL },
    { "an address",                       DNS_A, O("\300\0\2\1"),                    true, 0, NULL },
    { "an address too short",             DNS_A, O("\300\0\2"),                       false, 0, NULL },
    { "an IPv6 address",                  DNS_AAAA, O("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"), true, 0, NULL },
    { "an IPv4 address is none",          DNS_AAAA, O("\300\0\2\1"),                 false, 0, NULL },
    { "nothing",                          DNS_A, O(""),                                  false, 0, NULL },
};
/* clang-format on */

static void records_are_read(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_record r;
        print_message("# %s\n", cases[i].says);
        assert_int_equal(dns_record_read(cases[i].kind, cases[i].octets, a, &r), cases[i].well);
        if (!cases[i].well)
            continue;
        assert_int_equal(r.preference, cases[i].preference);
        if (cases[i].name)
            assert_true(str_eq(r.name, str_of(cases[i].name)));
        else
            assert_memory_equal(r.address, cases[i].octets.ptr, cases[i].octets.len);
    }
}

static void a_name_has_253_octets_at_most(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 16);
    for (size_t last = 60; last < 64; last++) { /* three labels of 63, and one of 60 to 63 */
        char octets[300] = { 0 };
        size_t len = 2;
        for (size_t label = 0; label < 4; label++) {
            const size_t size = label < 3 ? 63 : last;
            octets[len++] = (char)size;
            memset(octets + len, 'x', size);
            len += size;
        }
        struct dns_record r;
        assert_int_equal(dns_record_read(DNS_MX, (str) { octets, len + 1 }, a, &r), last <= 61);
        if (last <= 61)
            assert_int_equal(r.name.len, 3 * 64 + last);
    }
}

static void what_can_be_asked_for(void **state)
{
    (void)state;
    static const struct { const char *name; bool ok; } names[] = {
        { "a.test", true }, { "a", true }, { "_dmarc.a-b.test", true }, { "", false }, { ".", false }, { "a.", false },
        { ".a", false }, { "a..b", false }, { "a b", false }, { "a\n", false }, { "\xc3\xa4.test", false },
        { "[192.0.2.1]", false },
        { "x123456789012345678901234567890123456789012345678901234567890123.test", false },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(dns_name_ok(str_of(names[i].name)), names[i].ok);
    char longest[260];
    memset(longest, 'x', sizeof longest);
    for (size_t i = 50; i < sizeof longest; i += 51)
        longest[i] = '.';
    assert_true(dns_name_ok((str) { longest, 253 }));
    assert_false(dns_name_ok((str) { longest, 254 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(a_name_has_253_octets_at_most),
        cmocka_unit_test(what_can_be_asked_for),
    };
    return cmocka_run_group_tests_name("wire/dns_record", tests, NULL, NULL);
}

/* smtp/route_test.c - zones, and where mail goes by them. */
#include "smtp/route.h"

#include "base/buf.h"
#include "testing/entropy.h"
#include "testing/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* clang-format off */
static const struct table_row zone[] = {
    { "two.test",     DNS_MX, DNS_FOUND, "20 b.test" },
    { "two.test",     DNS_MX, DNS_FOUND, "10 a.test" },
    { "plain.test",   DNS_A, DNS_FOUND, "192.0.2.7" },
    { "null.test",    DNS_MX, DNS_FOUND, "0 ." },
    { "half.test",    DNS_MX, DNS_FOUND, "0 ." },
    { "half.test",    DNS_MX, DNS_FOUND, "5 a.test" },
    { "down.test",    DNS_MX, DNS_FAILED, NULL },
    { "xn--4ca.test", DNS_MX, DNS_FOUND, "1 a.test" },
    { "a.test",       DNS_A, DNS_FOUND, "192.0.2.1" },
    { "a.test",       DNS_AAAA, DNS_FOUND, "2001:db8::1" },
    { "b.test",       DNS_AAAA, DNS_FAILED, NULL },
    { "c.test",       DNS_A, DNS_FOUND, "192.0.2.3" },
    { "c.test",       DNS_AAAA, DNS_FAILED, NULL },
    { "text.test",    DNS_MX, DNS_FOUND, "1 a.test" },
};
static const struct { const char *says, *domain, *hosts; enum sent sent; const char *why; } routes[] = {
    { "by preference",                        "two.test", "a.test b.test", SENT_TAKEN, "" },
    { "as it was written",                    "TWO.test", "a.test b.test", SENT_TAKEN, "" },
    { "without MX to the domain itself",      "plain.test", "plain.test", SENT_TAKEN, "" },
    { "a domain that takes no mail",          "null.test", "", SENT_REFUSED, "takes no mail" },
    { "the root beside another is no host",   "half.test", "a.test", SENT_TAKEN, "" },
    { "a domain that is not there",           "gone.test", "", SENT_REFUSED, "does not exist" },
    { "one that nobody answers for",          "down.test", "", SENT_LATER, "SERVFAIL" },
    { "a U-label is asked for as an A-label", "\xc3\xa4.test", "a.test", SENT_TAKEN, "" },
    { "a literal",                            "[192.0.2.9]", "[192.0.2.9]", SENT_TAKEN, "" },
    { "what is no name",                      "a..test", "", SENT_REFUSED, "no domain name" },
    { "nothing",                              "", "", SENT_REFUSED, "no domain name" },
};
static const struct { const char *says, *host, *addresses; enum sent sent; const char *why; } hosts[] = {
    { "both families, IPv6 first",            "a.test", "[2001:db8::1]:25 192.0.2.1:25", SENT_TAKEN, "" },
    { "one of them is enough",                "c.test", "192.0.2.3:25", SENT_TAKEN, "" },
    { "a family nobody answers for",          "b.test", "", SENT_LATER, "SERVFAIL" },
    { "a host that is not there",             "gone.test", "", SENT_REFUSED, "has no address" },
    { "a name without an address",            "text.test", "", SENT_REFUSED, "has no address" },
    { "a literal",                            "[192.0.2.9]", "192.0.2.9:25", SENT_TAKEN, "" },
    { "an IPv6 literal",                      "[IPv6:2001:db8::9]", "[2001:db8::9]:25", SENT_TAKEN, "" },
    { "without its tag it is none",           "[2001:db8::9]", "", SENT_REFUSED, "is no address" },
    { "a name in brackets",                   "[a.test]", "", SENT_REFUSED, "is no address" },
};
/* clang-format on */

static struct route_means means_of(struct table_resolver *table, struct seeded_entropy *entropy)
{
    return (struct route_means) { .resolver = &table->resolver, .entropy = &entropy->entropy };
}

static void zones_lead_to_hosts(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct table_resolver table = table_resolver(zone, sizeof zone / sizeof *zone);
    struct seeded_entropy entropy = seeded_entropy(1);
    const struct route_means means = means_of(&table, &entropy);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct route route;
        struct sending why = { SENT_TAKEN, STR("") };
        AUTO_BUF found = buf_new(1024);
        print_message("# %s\n", routes[i].says);
        bool well = route_find(&means, str_of(routes[i].domain), a, &route, &why);
        assert_int_equal(well, routes[i].hosts[0] != 0);
        for (size_t h = 0; well && h < route.count; h++)
            buf_addf(&found, "%s" STR_FMT, h ? " " : "", STR_ARG(route.hosts[h].name));
        assert_true(str_eq(buf_str(&found), str_of(routes[i].hosts)));
        assert_int_equal(why.sent, routes[i].sent);
        assert_true(!routes[i].why[0] || str_find_str(why.says, str_of(routes[i].why)) < why.says.len);
    }
}

static void hosts_lead_to_addresses(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct table_resolver table = table_resolver(zone, sizeof zone / sizeof *zone);
    struct seeded_entropy entropy = seeded_entropy(1);
    const struct route_means means = means_of(&table, &entropy);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct route_address addresses[ROUTE_ADDRESSES_MAX];
        size_t count;
        struct sending why = { SENT_TAKEN, STR("") };
        AUTO_BUF found = buf_new(1024);
        const struct route_host host = { .name = str_of(hosts[i].host) };
        print_message("# %s\n", hosts[i].says);
        bool well = route_addresses(&means, &host, 25, a, addresses, &count, &why);
        assert_int_equal(well, hosts[i].addresses[0] != 0);
        for (size_t at = 0; at < count; at++)
            buf_addf(&found, "%s" STR_FMT, at ? " " : "", STR_ARG(addresses[at].text));
        assert_true(str_eq(buf_str(&found), str_of(hosts[i].addresses)));
        assert_int_equal(why.sent, hosts[i].sent);
        assert_true(!hosts[i].why[0] || str_find_str(why.says, str_of(hosts[i].why)) < why.says.len);
    }
}

/* A stranger's zone does not make us dial for ever, nor always the same one of two. */
static void routes_are_bounded_and_equal_hosts_take_turns(void **state)
{
    (void)state;
    enum { ROWS = 40 };
    AUTO_ARENA *a = arena_new(1 << 20);
    struct table_row rows[ROWS];
    for (unsigned i = 0; i < ROWS; i++)
        rows[i] = (struct table_row) { "wide.test", DNS_MX, DNS_FOUND,
                                       arena_cstr(a, arena_strf(a, "%u h%u.test", i / 20, i)) };
    struct table_resolver table = table_resolver(rows, ROWS);
    struct seeded_entropy entropy = seeded_entropy(1);
    const struct route_means means = means_of(&table, &entropy);
    unsigned firsts = 0;
    str first = STR_NONE;
    for (int i = 0; i < 20; i++) {
        struct route route;
        struct sending why;
        assert_true(route_find(&means, STR("wide.test"), a, &route, &why));
        assert_int_equal(route.count, ROUTE_HOSTS_MAX);
        for (size_t h = 0; h < route.count; h++)
            assert_int_equal(route.hosts[h].preference, 0);
        firsts += !str_eq(first, route.hosts[0].name);
        first = route.hosts[0].name;
    }
    assert_true(firsts > 10);
    for (unsigned i = 0; i < ROWS; i++)
        rows[i] = (struct table_row) { "wide.test", i < 20 ? DNS_AAAA : DNS_A, DNS_FOUND,
                                       i < 20 ? "2001:db8::1" : "192.0.2.1" };
    struct route_address addresses[ROUTE_ADDRESSES_MAX];
    size_t count;
    struct sending why;
    assert_true(route_addresses(&means, &(struct route_host) { .name = STR("wide.test") }, 25, a,
                                addresses, &count, &why));
    assert_int_equal(count, ROUTE_ADDRESSES_MAX);
    assert_true(str_eq(addresses[count - 1].text, STR("192.0.2.1:25")));
}

static void the_domain_stands_behind_the_last_at(void **state)
{
    (void)state;
    assert_true(str_eq(route_domain_of(STR("\"a@b\"@c.test")), STR("c.test")));
    assert_true(str_eq(route_domain_of(STR("postmaster")), STR("postmaster")));
    assert_true(str_eq(route_domain_of(STR("a@")), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_lead_to_hosts),
        cmocka_unit_test(hosts_lead_to_addresses),
        cmocka_unit_test(routes_are_bounded_and_equal_hosts_take_turns),
        cmocka_unit_test(the_domain_stands_behind_the_last_at),
    };
    return cmocka_run_group_tests_name("smtp/route", tests, NULL, NULL);
}

/* smtp/ourselves_test.c - which addresses lead back here. */
#include "smtp/ourselves.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool are(const struct ourselves *o, const char *host, int port)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
        return ourselves_are(o, (const struct sockaddr *)&four);
    assert_int_equal(inet_pton(AF_INET6, host, &six.sin6_addr), 1);
    return ourselves_are(o, (const struct sockaddr *)&six);
}

static const struct {
    const char *says, *listener, *host;
    int port;
    bool ours;
} cases[] = {
    { "the listener itself", "127.0.0.1:2525", "127.0.0.1", 2525, true },
    { "another port of it", "127.0.0.1:2525", "127.0.0.1", 25, false },
    { "a neighbour on loopback", "127.0.0.1:2525", "127.0.0.2", 2525, false },
    { "who listens everywhere is there", "0.0.0.0:25", "127.0.0.9", 25, true },
    { "but not out there", "0.0.0.0:25", "192.0.2.1", 25, false },
    { "IPv6 everywhere takes IPv4 too", "[::]:25", "127.0.0.1", 25, true },
    { "and itself", "[::]:25", "::1", 25, true },
    { "an IPv4 address in IPv6's clothes", "127.0.0.1:25", "::ffff:127.0.0.1", 25, true },
    { "the address of no host is this one", "127.0.0.1:25", "0.0.0.0", 25, true },
    { "another listener on IPv6", "[::1]:25", "127.0.0.1", 25, false },
};

static void what_leads_back_here_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ourselves o = { .count = 0 };
        ourselves_add(&o, STR("198.51.100.1:9"));
        ourselves_add(&o, str_of(cases[i].listener));
        print_message("# %s\n", cases[i].says);
        assert_int_equal(o.count, 2);
        assert_int_equal(are(&o, cases[i].host, cases[i].port), cases[i].ours);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_leads_back_here_is_known) };
    return cmocka_run_group_tests_name("smtp/ourselves", tests, NULL, NULL);
}

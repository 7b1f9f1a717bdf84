#include "wire/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
static const struct { const char *says, *address; bool is_public; } cases[] = {
    { "a host on the Internet",                "93.184.216.34",          true  },
    { "loopback",                              "127.0.0.1",              false },
    { "all of loopback",                       "127.255.255.254",        false },
    { "right behind loopback",                 "128.0.0.1",              true  },
    { "any",                                   "0.0.0.0",                false },
    { "private, A",                            "10.1.2.3",               false },
    { "private, B, first",                     "172.16.0.0",             false },
    { "private, B, last",                      "172.31.255.255",         false },
    { "right behind private B",                "172.32.0.0",             true  },
    { "private, C",                            "192.168.1.1",            false },
    { "the metadata of a cloud",               "169.254.169.254",        false },
    { "shared",                                "100.64.0.1",             false },
    { "right before shared",                   "100.63.255.255",         true  },
    { "multicast",                             "224.0.0.1",              false },
    { "broadcast",                             "255.255.255.255",        false },
    { "a host on the Internet, v6",            "2606:2800:220:1::1",     true  },
    { "loopback, v6",                          "::1",                    false },
    { "any, v6",                               "::",                     false },
    { "private, v6",                           "fd00::1",                false },
    { "link-local, v6",                        "fe80::1",                false },
    { "mapped loopback",                       "::ffff:127.0.0.1",       false },
    { "mapped metadata",                       "::ffff:169.254.169.254", false },
    { "mapped public",                         "::ffff:93.184.216.34",   true  },
    { "NAT64 of a private one",                "64:ff9b::10.0.0.1",      false },
    { "NAT64 of a public one",                 "64:ff9b::93.184.216.34", true  },
    { "6to4 of a private one",                 "2002:a00:1::1",          false },
    { "documentation, v6",                     "2001:db8::1",            false },
    { "multicast, v6",                         "ff02::1",                false },
};
/* clang-format on */

static void test_what_is_out_on_the_internet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_in four = { .sin_family = AF_INET };
        struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
        const struct sockaddr *address = (const struct sockaddr *)&four;
        if (inet_pton(AF_INET, cases[i].address, &four.sin_addr) != 1) {
            assert_int_equal(inet_pton(AF_INET6, cases[i].address, &six.sin6_addr), 1);
            address = (const struct sockaddr *)&six;
        }
        if (address_is_public(address) != cases[i].is_public)
            fail_msg("%s: %s", cases[i].says, cases[i].address);
    }
}

static void test_a_path_is_no_host_on_the_internet(void **state)
{
    (void)state;
    struct sockaddr path = { .sa_family = AF_UNIX };
    assert_false(address_is_public(&path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_out_on_the_internet),
        cmocka_unit_test(test_a_path_is_no_host_on_the_internet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

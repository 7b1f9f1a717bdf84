#include "wire/listen.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void an_address_has_a_host_and_a_port(void **unused)
{
    static const struct {
        const char *address, *host, *port; /* host NULL: it is none */
    } cases[] = {
        { "127.0.0.1:25", "127.0.0.1", "25" },
        { "[::1]:0", "::1", "0" },
        { "relay.test:65535", "relay.test", "65535" },
        { "relay.test:65536", NULL, NULL },
        { "relay.test", NULL, NULL },
        { "::1:25", NULL, NULL },
        { ":25", NULL, NULL },
        { "[]:25", NULL, NULL },
        { "relay.test:", NULL, NULL },
        { "", NULL, NULL },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char host[LISTEN_HOST_SIZE], port[LISTEN_PORT_SIZE];
        bool is_one = listen_split(str_of(cases[i].address), host, port);
        assert_int_equal(is_one, cases[i].host != NULL);
        if (is_one) {
            assert_string_equal(host, cases[i].host);
            assert_string_equal(port, cases[i].port);
        }
    }
}

static void only_shared_addresses_are_listened_on_twice(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 16);
    int first, second, third;
    str bound, again;
    (void)unused;
    assert_null(listen_at(STR("127.0.0.1:0"), LISTEN_SHARED, a, &first, &bound));
    assert_null(listen_at(bound, LISTEN_SHARED, a, &second, &again));
    assert_true(str_eq(bound, again));
    assert_non_null(listen_at(bound, 0, a, &third, &again));
    close(first);
    close(second);
}

static void what_is_handed_over_is_still_where_it_was(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 16);
    int fd;
    str bound, again;
    (void)unused;
    assert_null(listen_at(STR("127.0.0.1:0"), 0, a, &fd, &bound));
    int handed = fcntl(fd, F_DUPFD, 3);
    close(fd);
    assert_null(listen_inherited(handed, a, &again));
    assert_true(str_eq(bound, again));
    assert_int_equal(fcntl(handed, F_GETFD), FD_CLOEXEC);
    close(handed);
}

static void what_does_not_listen_is_not_taken_over(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 16);
    str bound;
    int fd = socket(AF_INET, SOCK_STREAM, 0), folder = open("/", O_RDONLY | O_DIRECTORY);
    (void)unused;
    assert_non_null(listen_inherited(fd, a, &bound));
    assert_non_null(listen_inherited(folder, a, &bound));
    close(fd);
    close(folder);
    assert_non_null(listen_inherited(fd, a, &bound));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_a_host_and_a_port),
        cmocka_unit_test(only_shared_addresses_are_listened_on_twice),
        cmocka_unit_test(what_is_handed_over_is_still_where_it_was),
        cmocka_unit_test(what_does_not_listen_is_not_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

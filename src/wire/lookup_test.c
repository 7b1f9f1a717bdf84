/* wire/lookup_test.c - what is found, what is not, and that nobody waits longer than he said. */
#include "wire/lookup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_int asked, ended;

/* "slow" takes a while, "none" is not there, "many" has more addresses than anybody wants. */
static int double_of_getaddrinfo(const char *host, const char *port, const struct addrinfo *wanted,
                                 struct addrinfo **ret_found)
{
    (void)wanted;
    const struct addrinfo literal = { .ai_socktype = SOCK_STREAM };
    asked++;
    if (strcmp(host, "none") == 0)
        return EAI_NONAME;
    if (strcmp(host, "slow") == 0)
        usleep(300 * 1000);
    const int why = getaddrinfo("127.0.0.7", port, &literal, ret_found);
    struct addrinfo *last = *ret_found;
    for (int i = 0; strcmp(host, "many") == 0 && i < 40; i++, last = last->ai_next)
        assert_int_equal(getaddrinfo("127.0.0.8", port, &literal, &last->ai_next), 0);
    ended++;
    return why;
}

static const struct fault *find(const char *host, int64_t within_ms, struct arena *a,
                                struct lookup *ret_lookup)
{
    struct clock *clock = clock_real();
    return lookup_host(double_of_getaddrinfo, host, "25", clock,
                       clock->steady_ms(clock) + within_ms, a, ret_lookup);
}

static void a_name_has_its_addresses_in_order(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct lookup l;
    assert_null(find("many", 5000, a, &l));
    assert_int_equal(l.count, LOOKUP_MAX);
    struct sockaddr_in first;
    memcpy(&first, &l.addresses[0], sizeof first);
    assert_int_equal(ntohl(first.sin_addr.s_addr), 0x7f000007);
    assert_int_equal(ntohs(first.sin_port), 25);
    assert_int_equal(l.sizes[0], sizeof first);
}

static void an_address_is_not_looked_up(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct lookup l;
    const int before = asked;
    assert_null(find("::1", 0, a, &l));
    assert_null(find("127.0.0.1", 0, a, &l));
    assert_int_equal(l.count, 1);
    assert_int_equal(asked, before);
}

static void a_name_that_is_not_there_is_said(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct lookup l;
    const struct fault *f = find("none", 5000, a, &l);
    assert_true(f && str_starts(f->says, STR("none is not found: ")));
}

static void a_slow_answer_holds_nobody_up(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct clock *clock = clock_real();
    struct lookup l;
    const int before = ended;
    const int64_t began_ms = clock->steady_ms(clock);
    const struct fault *f = find("slow", 50, a, &l);
    assert_true(f && str_eq(f->says, STR("slow is not found: its name was not looked up in time")));
    assert_in_range(clock->steady_ms(clock) - began_ms, 50, 290);
    while (ended == before) /* what was left alone ends by itself, and leaves nothing behind */
        usleep(10 * 1000);
}

/* On every machine: /etc/hosts has it. */
static void the_systems_hosts_file_is_read(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct clock *clock = clock_real();
    struct lookup l;
    assert_null(
        lookup_host(getaddrinfo, "localhost", "25", clock, clock->steady_ms(clock) + 5000, a, &l));
    assert_in_range(l.count, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_its_addresses_in_order),
        cmocka_unit_test(an_address_is_not_looked_up),
        cmocka_unit_test(a_name_that_is_not_there_is_said),
        cmocka_unit_test(a_slow_answer_holds_nobody_up),
        cmocka_unit_test(the_systems_hosts_file_is_read),
    };
    return cmocka_run_group_tests_name("wire/lookup", tests, NULL, NULL);
}

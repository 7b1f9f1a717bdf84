/* wire/dns_test.c - the resolver against a name server of ours on loopback. */
#include "wire/dns.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A name server: the first label of what is asked says how it answers. */
struct name_server {
    int fd;
    pthread_t thread;
    atomic_bool ends;
    atomic_uint asked;
    str address;
};

static void put16(struct buf *b, unsigned n)
{
    buf_addc(b, (char)(n >> 8));
    buf_addc(b, (char)n);
}

/* An answer record: the name asked for, by a pointer. */
static void put_record(struct buf *b, unsigned kind, str data)
{
    put16(b, 0xc00c);
    put16(b, kind);
    put16(b, 1);
    put16(b, 0);
    put16(b, 60);
    put16(b, (unsigned)data.len);
    buf_add(b, data);
}

static void answer(const struct name_server *s, str query, const struct sockaddr_in *to)
{
    AUTO_BUF b = buf_new(4096);
    size_t end = 12; /* of the question */
    while (end < query.len && query.ptr[end])
        end += (size_t)(unsigned char)query.ptr[end] + 1;
    end += 5;
    const str first = { query.ptr + 13, (size_t)(unsigned char)query.ptr[12] };
    const unsigned kind = (unsigned char)query.ptr[end - 3];
    const bool mx = str_eq(first, STR("mail")) && kind == DNS_MX;
    const bool a = str_eq(first, STR("mail")) && kind == DNS_A;
    const bool odd = str_eq(first, STR("odd")) && kind == DNS_MX;
    const unsigned rcode = str_eq(first, STR("none")) ? 3 : str_eq(first, STR("broken")) ? 2 : 0;
    if (str_eq(first, STR("silent")))
        return;
    buf_add(&b, str_head(query, 2));
    put16(&b, 0x8180 | rcode);
    put16(&b, 1);
    put16(&b, mx ? 2 : a || odd ? 1 : 0);
    put16(&b, 0);
    put16(&b, 0);
    buf_add(&b, str_from(str_head(query, end), 12));
    if (mx) {
        put_record(&b, DNS_MX, (str) { "\0\24\3two\4test\0", 12 });
        put_record(&b, DNS_MX, (str) { "\0\12\3one\4test\0", 12 });
    } else if (a) {
        put_record(&b, DNS_A, (str) { "\177\0\0\2", 4 });
    } else if (odd) {
        put_record(&b, DNS_MX, (str) { "\0\12\3a b\0", 7 });
    }
    sendto(s->fd, b.ptr, b.len, 0, (const struct sockaddr *)to, sizeof *to);
}

static void *serve(void *context)
{
    struct name_server *s = context;
    while (!s->ends) {
        char query[512];
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        struct pollfd ready = { .fd = s->fd, .events = POLLIN };
        if (poll(&ready, 1, 20) != 1)
            continue;
        ssize_t got = recvfrom(s->fd, query, sizeof query, 0, (struct sockaddr *)&from, &size);
        if (got < 17)
            continue;
        s->asked++;
        answer(s, (str) { query, (size_t)got }, &from);
    }
    return NULL;
}

static void begin(struct name_server *s, struct arena *a)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &size), 0);
    s->address = arena_strf(a, "127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(struct name_server *s)
{
    s->ends = true;
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static int64_t in_ms(int64_t ms)
{
    return clock_real()->steady_ms(clock_real()) + ms;
}

static void questions_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum dns_kind kind;
        enum dns_outcome outcome;
        size_t count;
    } asks[] = {
        { "mail.example", DNS_MX, DNS_FOUND, 2 },     { "mail.example", DNS_A, DNS_FOUND, 1 },
        { "mail.example", DNS_AAAA, DNS_NOTHING, 0 }, { "mail.test", DNS_MX, DNS_FOUND, 2 },
        { "none.example", DNS_MX, DNS_NO_NAME, 0 },   { "broken.example", DNS_MX, DNS_FAILED, 0 },
        { "odd.example", DNS_MX, DNS_FAILED, 0 },     { "no name", DNS_MX, DNS_NO_NAME, 0 },
        { "mail.example", DNS_MX, DNS_FOUND, 2 }, /* out of the cache */
    };
    AUTO_ARENA *a = arena_new(1 << 20);
    struct name_server s = { .fd = -1 };
    struct dns *dns;
    begin(&s, a);
    assert_null(dns_open(s.address, clock_real(), a, &dns));
    struct resolver *r = dns_resolver(dns);
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        unsigned before = s.asked;
        struct dns_answer got = r->ask(r, str_of(asks[i].name), asks[i].kind, in_ms(20000), a);
        print_message("# %s %d: " STR_FMT "\n", asks[i].name, asks[i].kind, STR_ARG(got.says));
        assert_int_equal(got.outcome, asks[i].outcome);
        assert_int_equal(got.count, asks[i].count);
        assert_int_equal(got.says.ptr != NULL, got.outcome == DNS_FAILED);
        if (i + 1 == sizeof asks / sizeof *asks)
            assert_int_equal(s.asked, before);
    }
    struct dns_answer mx = r->ask(r, STR("mail.example"), DNS_MX, in_ms(20000), a);
    size_t one = mx.records[0].preference == 10 ? 0 : 1;
    assert_int_equal(mx.records[one].preference, 10);
    assert_true(str_eq(mx.records[one].name, STR("one.test")));
    assert_true(str_eq(mx.records[1 - one].name, STR("two.test")));
    struct dns_answer address = r->ask(r, STR("mail.example"), DNS_A, in_ms(20000), a);
    assert_memory_equal(address.records[0].address, "\177\0\0\2", 4);
    dns_close(dns);
    end(&s);
}

static void nobody_waits_longer_than_he_said(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct name_server s = { .fd = -1 };
    struct dns *dns;
    begin(&s, a);
    assert_null(dns_open(s.address, clock_real(), a, &dns));
    struct resolver *r = dns_resolver(dns);
    for (int i = 0; i < 3; i++) { /* what is no longer waited for ends with the resolver */
        int64_t began_ms = in_ms(0);
        struct dns_answer got = r->ask(r, STR("silent.example"), DNS_MX, in_ms(100), a);
        assert_int_equal(got.outcome, DNS_FAILED);
        assert_true(str_eq(got.says, STR("no name server answered in time")));
        assert_in_range(in_ms(0) - began_ms, 100, 5000);
    }
    dns_close(dns);
    end(&s);
}

static void a_server_that_is_no_address_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct dns *dns;
    const struct fault *f = dns_open(STR("ns.example:53"), clock_real(), a, &dns);
    assert_int_equal(f->kind, FAULT_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_answered),
        cmocka_unit_test(nobody_waits_longer_than_he_said),
        cmocka_unit_test(a_server_that_is_no_address_is_refused),
    };
    return cmocka_run_group_tests_name("wire/dns", tests, NULL, NULL);
}

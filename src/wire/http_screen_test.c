#include "wire/http_screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define H(name, value)                                                                             \
    {                                                                                              \
        STR_INIT(name), STR_INIT(value)                                                            \
    }
#define HOST H("Host", "x.test")

struct screen_case {
    const char *says;
    str method, target, version;
    struct header headers[5];
    int status;
    uint64_t body_size;
    bool expects;
};

/* clang-format off */
static const struct screen_case cases[] = {
    { "a plain GET passes", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST }, 0, 0, false },
    { "bytes above ASCII pass in a target", STR_INIT("GET"), STR_INIT("/\xc3\xa4"), STR_INIT("HTTP/1.1"), { HOST }, 0, 0, false },
    { "a body with a length passes", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("content-length", "12") }, 0, 12, false },
    { "a chunked body passes", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Transfer-Encoding", "Chunked") }, 0, UINT64_MAX, false },
    { "100-continue is noted", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "1"), H("Expect", "100-Continue") }, 0, 1, true },
    { "100-continue without a body means nothing", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Expect", "100-continue") }, 0, 0, false },
    { "HTTP/1.0 needs no Host", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.0"), { { STR_INIT(""), STR_INIT("") } }, 0, 0, false },
    { "tabs may stand in values", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, H("A", "b\tc") }, 0, 0, false },

    { "Content-Length with Transfer-Encoding", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "1"), H("Transfer-Encoding", "chunked") }, 400, 0, false },
    { "two different Content-Lengths", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "1"), H("Content-Length", "2") }, 400, 0, false },
    { "the same Content-Length twice", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "1"), H("CONTENT-LENGTH", "1") }, 400, 0, false },
    { "a list as Content-Length", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "1, 1") }, 400, 0, false },
    { "a signed Content-Length", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "+1") }, 400, 0, false },
    { "a Content-Length beyond all numbers", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Content-Length", "18446744073709551615") }, 400, 0, false },
    { "an unknown Transfer-Encoding", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Transfer-Encoding", "gzip, chunked") }, 501, 0, false },
    { "two Transfer-Encodings", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.1"),
      { HOST, H("Transfer-Encoding", "chunked"), H("Transfer-Encoding", "chunked") }, 400, 0, false },
    { "Transfer-Encoding in HTTP/1.0", STR_INIT("PUT"), STR_INIT("/"), STR_INIT("HTTP/1.0"),
      { HOST, H("Transfer-Encoding", "chunked") }, 400, 0, false },
    { "a blank before the colon", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, H("A ", "b") }, 400, 0, false },
    { "a tab before the colon", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, H("A\t", "b") }, 400, 0, false },
    { "a NUL in a value", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, H("A", "b\0c") }, 400, 0, false },
    { "a bare CR in a value", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, H("A", "b\rc") }, 400, 0, false },
    { "no Host", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { H("A", "b") }, 400, 0, false },
    { "two Hosts", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, HOST }, 400, 0, false },
    { "an expectation nobody knows", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST, H("Expect", "a miracle") }, 417, 0, false },
    { "a blank in the target", STR_INIT("GET"), STR_INIT("/a b"), STR_INIT("HTTP/1.1"), { HOST }, 400, 0, false },
    { "an absolute target", STR_INIT("GET"), STR_INIT("http://x.test/"), STR_INIT("HTTP/1.1"), { HOST }, 400, 0, false },
    { "a fragment", STR_INIT("GET"), STR_INIT("/a#b"), STR_INIT("HTTP/1.1"), { HOST }, 400, 0, false },
    { "a method that is no word", STR_INIT("G(T"), STR_INIT("/"), STR_INIT("HTTP/1.1"), { HOST }, 400, 0, false },
    { "HTTP of another age", STR_INIT("GET"), STR_INIT("/"), STR_INIT("HTTP/1.2"), { HOST }, 505, 0, false },
};
/* clang-format on */

static void what_can_be_read_in_two_ways_is_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct screen_case *c = &cases[i];
        struct http_head head = { c->method, c->target, c->version, c->headers, 0 };
        struct http_framing framing = { .body_size = 77 };
        while (head.header_count < 5 && c->headers[head.header_count].name.len)
            head.header_count++;
        struct http_refusal refusal = http_screen(&head, &framing);
        if (refusal.status != c->status)
            fail_msg("%s: %d (%s)", c->says, refusal.status, refusal.status ? refusal.why : "");
        if (c->status == 0 &&
            (framing.body_size != c->body_size || framing.expects_continue != c->expects))
            fail_msg("%s: the framing is wrong", c->says);
    }
}

static void too_many_and_too_large_headers_are_refused(void **unused)
{
    static struct header headers[HTTP_HEADERS_MAX + 1];
    static char large[HTTP_HEADER_BYTES_MAX], target[HTTP_TARGET_MAX + 1];
    struct http_head head = { STR("GET"), STR("/"), STR("HTTP/1.1"), headers, HTTP_HEADERS_MAX };
    struct http_framing framing;

    (void)unused;
    headers[0] = (struct header) { STR("Host"), STR("x") };
    for (size_t i = 1; i <= HTTP_HEADERS_MAX; i++)
        headers[i] = (struct header) { STR("A"), STR("b") };
    assert_int_equal(http_screen(&head, &framing).status, 0);
    head.header_count++;
    assert_int_equal(http_screen(&head, &framing).status, 431);

    memset(large, 'x', sizeof large);
    headers[1].value = (str) { large, sizeof large };
    head.header_count = 2;
    assert_int_equal(http_screen(&head, &framing).status, 431);

    memset(target, '/', sizeof target);
    head.header_count = 1;
    head.target = (str) { target, sizeof target };
    assert_int_equal(http_screen(&head, &framing).status, 414);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(too_many_and_too_large_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

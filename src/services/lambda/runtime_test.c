/* The Lambda Runtime API, as runtimes send it: each request whole, byte by byte, and cut in two. */
#include "services/lambda/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROOT "/2018-06-01/runtime/"
#define NONE ""

struct request_case {
    const char *says, *in;
    enum parse how;
    enum runtime_word word;
    const char *id, *body, *rest;
    bool closes;
};
/* clang-format off */
static const struct request_case requests[] = {
    { "the next event is asked for", "GET " ROOT "invocation/next HTTP/1.1\r\nHost: x\r\n\r\n", PARSE_DONE, RUNTIME_NEXT, "", "", "", false },
    { "an answer, and the next is asked for behind it",
      "POST " ROOT "invocation/8f-1/response HTTP/1.1\r\nContent-Length: 4\r\n\r\nnullGET " ROOT "invocation/next HTTP/1.1\r\n\r\n", PARSE_DONE,
      RUNTIME_RESPONSE, "8f-1", "null", "GET " ROOT "invocation/next HTTP/1.1\r\n\r\n", false },
    { "an error", "POST " ROOT "invocation/8f-1/error HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", PARSE_DONE, RUNTIME_ERROR, "8f-1", "{}", "", false },
    { "an error of the init phase", "POST " ROOT "init/error HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", PARSE_DONE,
      RUNTIME_INIT_ERROR, "", "{}", "", true },
    { "an answer in chunks, with trailers",
      "POST " ROOT "invocation/1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: t\r\n\r\nrest", PARSE_DONE,
      RUNTIME_RESPONSE, "1", "abc0123456789", "rest", false },
    { "a body that is none", "POST " ROOT "invocation/1/response HTTP/1.0\r\n\r\n", PARSE_DONE, RUNTIME_RESPONSE, "1", "", "", true },
    { "a path of nobody", "GET /2018-06-01/other HTTP/1.1\r\n\r\n", PARSE_DONE, RUNTIME_OTHER, "", "", "", false },
    { "a method that is not meant", "PUT " ROOT "invocation/next HTTP/1.1\r\n\r\n", PARSE_DONE, RUNTIME_OTHER, "", "", "", false },
    { "two lengths are one too many",
      "POST " ROOT "init/error HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
    { "the same length twice as well", "POST " ROOT "init/error HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
    { "a length that is no number", "POST " ROOT "init/error HTTP/1.1\r\nContent-Length: +4\r\n\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
    { "a coding that is none", "POST " ROOT "init/error HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
    { "a field without a colon", "GET / HTTP/1.1\r\nfield\r\n\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
    { "a chunk without its end", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
    { "not HTTP", "hello\r\n\r\n", PARSE_BAD, RUNTIME_OTHER, NONE, NONE, NONE, false },
};
/* clang-format on */

static void check(const struct request_case *c, const char *bytes, size_t len)
{
    struct runtime_request r;
    size_t used;
    bool expects;
    char *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    enum parse how = runtime_parse(copy, len, &r, &used, &expects);
    if (len == strlen(c->in) && how != c->how)
        fail_msg("%s", c->says);
    if (how == PARSE_DONE) {
        if (r.word != c->word || !str_eq(r.id, str_of(c->id)) || !str_eq(r.body, str_of(c->body)) ||
            r.closes != c->closes)
            fail_msg("%s", c->says);
        assert_int_equal(used, strlen(c->in) - strlen(c->rest));
    } else if (len < strlen(c->in) && c->how == PARSE_DONE && how == PARSE_BAD)
        fail_msg("%s: bad after %zu bytes", c->says, len);
    free(copy);
}

static void requests_are_read_whole_and_in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        for (size_t len = 0; len <= strlen(requests[i].in); len++)
            check(&requests[i], requests[i].in, len);
}

static void what_is_too_large_is_said_so_before_it_comes(void **state)
{
    (void)state;
    struct runtime_request r;
    size_t used;
    bool expects;
    char large[] = "POST " ROOT "invocation/1/response HTTP/1.1\r\nContent-Length: 6393857\r\n\r\n";
    assert_int_equal(runtime_parse(large, sizeof large - 1, &r, &used, &expects), PARSE_DONE);
    assert_true(r.too_large && r.closes && r.word == RUNTIME_RESPONSE);
    char chunks[] =
        "POST " ROOT
        "invocation/1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n";
    assert_int_equal(runtime_parse(chunks, sizeof chunks - 1, &r, &used, &expects), PARSE_BAD);
    char *head = malloc(RUNTIME_HEAD_MAX);
    memset(head, 'a', RUNTIME_HEAD_MAX);
    assert_int_equal(runtime_parse(head, RUNTIME_HEAD_MAX - 1, &r, &used, &expects), PARSE_MORE);
    assert_int_equal(runtime_parse(head, RUNTIME_HEAD_MAX, &r, &used, &expects), PARSE_BAD);
    free(head);
}

static void a_peer_that_waits_to_be_told_is_told_once_its_head_is_there(void **state)
{
    (void)state;
    struct runtime_request r;
    size_t used;
    bool expects;
    char in[] =
        "POST " ROOT
        "invocation/1/response HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}";
    assert_int_equal(runtime_parse(in, sizeof in - 4, &r, &used, &expects), PARSE_MORE);
    assert_false(expects);
    assert_int_equal(runtime_parse(in, sizeof in - 3, &r, &used, &expects), PARSE_MORE);
    assert_true(expects);
    assert_int_equal(runtime_parse(in, sizeof in - 1, &r, &used, &expects), PARSE_DONE);
    assert_false(expects);
}

static void an_event_has_the_heads_that_runtimes_read(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(4096);
    runtime_write_event(
        &(struct runtime_event) { STR("id"), STR("arn:f"), STR("Root=1"), 1772442942000, 17 },
        &out);
    assert_true(str_eq(buf_str(&out),
                       STR("HTTP/1.1 200 OK\r\nContent-Type: "
                           "application/json\r\nLambda-Runtime-Aws-Request-Id: id\r\n"
                           "Lambda-Runtime-Deadline-Ms: "
                           "1772442942000\r\nLambda-Runtime-Invoked-Function-Arn: arn:f\r\n"
                           "Lambda-Runtime-Trace-Id: Root=1\r\nContent-Length: 17\r\n\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_whole_and_in_pieces),
        cmocka_unit_test(what_is_too_large_is_said_so_before_it_comes),
        cmocka_unit_test(a_peer_that_waits_to_be_told_is_told_once_its_head_is_there),
        cmocka_unit_test(an_event_has_the_heads_that_runtimes_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

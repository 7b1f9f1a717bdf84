#include "wire/http_client.h"
#include "wire/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1772442942000 /* 2026-03-02T09:15:42Z */

/* The far side: tells what came, and whether it was signed by the key's owner. */
struct far {
    struct arena *arena;
    struct http_server *server;
    _Atomic bool stop;
    _Atomic unsigned heads;
};

static enum http_next on_begin(void *context, struct http_exchange *x)
{
    x->own = context;
    ((struct far *)context)->heads++;
    return HTTP_READ;
}
static enum http_next on_chunk(struct http_exchange *x, str chunk)
{
    x->answer.text = arena_str(x->arena, chunk); /* the bodies of these tests are small */
    return HTTP_READ;
}
static enum http_next on_end(struct http_exchange *x)
{
    (void)x;
    return HTTP_WORK;
}

static const char *signature_of(struct http_exchange *x, str body)
{
    struct sigv4_field fields[32];
    struct sigv4_request request = { .method = x->method,
                                     .fields = fields,
                                     .field_count = x->header_count };
    struct sigv4_claim claim;
    char hash[2 * SHA256_SIZE];

    for (size_t i = 0; i < x->header_count; i++)
        fields[i] = (struct sigv4_field) { x->headers[i].name, x->headers[i].value };
    str_cut(x->target, '?', &request.raw_path, &request.raw_query);
    if (sigv4_read(&request, NOW, x->arena, &claim))
        return "malformed";
    if (claim.form == SIGV4_ANONYMOUS)
        return "none";
    sha256_hex(body, hash);
    str body_hash = claim.payload == SIGV4_PAYLOAD_BODY ? (str) { hash, sizeof hash } : STR_NONE;
    return sigv4_check(&request, &claim, STR("the secret"), body_hash, NULL, x->arena) ? "wrong"
                                                                                       : "right";
}

static enum http_next on_work(struct http_exchange *x)
{
    struct far *far = x->own;
    str body = x->answer.text.ptr ? x->answer.text : STR("");

    x->answer.status = 200;
    if (str_eq(x->target, STR("/elsewhere"))) {
        x->answer.status = 302;
        http_add(&x->answer, STR("Location"), STR("/"));
    }
    while (str_eq(x->target, STR("/never")) && !far->stop)
        usleep(1000);
    http_add(&x->answer, STR("Content-Type"), STR("text/x-far"));
    x->answer.text =
        arena_strf(x->arena, STR_FMT " " STR_FMT " [" STR_FMT "] type=" STR_FMT " a=" STR_FMT " %s",
                   STR_ARG(x->method), STR_ARG(x->target), STR_ARG(body),
                   STR_ARG(http_header(x, STR("Content-Type"))), STR_ARG(http_header(x, STR("A"))),
                   signature_of(x, body));
    return HTTP_ANSWER;
}
static void on_over(struct http_exchange *x)
{
    (void)x;
}

static int set_up(void **state)
{
    static const struct http_service service = {
        on_begin, on_chunk, on_end, on_work, on_over, NULL, NULL
    };
    struct far *far = calloc(1, sizeof *far);

    far->arena = arena_new(4 << 20);
    struct http_settings settings = {
        .address = STR("127.0.0.1:0"), .service = &service, .context = far, .workers = 1
    };
    assert_null(http_server_start(&settings, far->arena, &far->server));
    *state = far;
    return 0;
}

static int tear_down(void **state)
{
    struct far *far = *state;

    far->stop = true;
    http_server_stop(far->server);
    arena_free(far->arena);
    free(far);
    return 0;
}

static str url(struct far *far, const char *target)
{
    return arena_strf(far->arena, "http://" STR_FMT "%s", STR_ARG(http_server_address(far->server)),
                      target);
}

static void a_request_arrives_as_it_was_meant(void **state)
{
    struct far *far = *state;
    struct header headers[] = { { STR("A"), STR("b") }, { STR("Content-Type"), STR("x/y") } };
    struct http_question q = { .method = STR("GET"), .url = url(far, "/a%2Fb/../c?q=%20&acl") };
    struct http_reply reply;

    assert_null(http_ask(&q, far->arena, &reply));
    assert_int_equal(reply.status, 200);
    assert_true(str_eq(reply.content_type, STR("text/x-far")));
    size_t typed = 0;
    for (size_t i = 0; i < reply.header_count; i++)
        typed += str_eq_nocase(reply.headers[i].name, STR("Content-Type")) &&
                 str_eq(reply.headers[i].value, STR("text/x-far"));
    assert_int_equal(typed, 1);
    assert_true(str_eq(reply.body, STR("GET /a%2Fb/../c?q=%20&acl [] type= a= none")));

    q = (struct http_question) { .method = STR("POST"), .url = url(far, ""), .body = STR("hello") };
    assert_null(http_ask(&q, far->arena, &reply));
    assert_true(str_eq(reply.body, STR("POST / [hello] type= a= none")));

    q = (struct http_question) { .method = STR("PUT"),
                                 .url = url(far, "/p"),
                                 .headers = headers,
                                 .header_count = 2,
                                 .body = STR("a\tb") };
    assert_null(http_ask(&q, far->arena, &reply));
    assert_true(str_eq(reply.body, STR("PUT /p [a\tb] type=x/y a=b none")));

    q = (struct http_question) { .method = STR("HEAD"), .url = url(far, "/h") };
    assert_null(http_ask(&q, far->arena, &reply));
    assert_int_equal(reply.body.len, 0);
}

static void what_we_sign_our_verifier_accepts(void **state)
{
    struct far *far = *state;
    struct header headers[] = { { STR("A"), STR("b  c") } };
    struct sigv4_signer signer = { .access_key_id = STR("AKIAFAR"),
                                   .secret = STR("the secret"),
                                   .security_token = STR_NONE,
                                   .region = STR("us-east-1"),
                                   .service = STR("ses"),
                                   .now_ms = NOW };
    struct http_question q = { .method = STR("POST"),
                               .url = url(far, "/?b=2&a=1%2F&acl"),
                               .headers = headers,
                               .header_count = 1,
                               .body = STR("Action=X"),
                               .signer = &signer };
    struct http_reply reply;

    assert_null(http_ask(&q, far->arena, &reply));
    assert_true(str_ends(reply.body, STR(" right")));
    signer.service = STR("s3");
    assert_null(http_ask(&q, far->arena, &reply));
    assert_true(str_ends(reply.body, STR(" right")));
    signer.secret = STR("another");
    assert_null(http_ask(&q, far->arena, &reply));
    assert_true(str_ends(reply.body, STR(" wrong")));
}

static void redirects_are_answers(void **state)
{
    struct far *far = *state;
    struct http_question q = { .method = STR("GET"), .url = url(far, "/elsewhere") };
    struct http_reply reply;

    assert_null(http_ask(&q, far->arena, &reply));
    assert_int_equal(reply.status, 302);
}

static void limits_end_what_takes_too_long_or_too_much(void **state)
{
    struct far *far = *state;
    struct http_question q = { .method = STR("GET"),
                               .url = url(far, "/never"),
                               .deadline_ms = 100 };
    struct http_reply reply;

    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_UNAVAILABLE);
    far->stop = true;
    q = (struct http_question) { .method = STR("GET"), .url = url(far, "/large"), .body_max = 10 };
    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_LIMIT);
    q = (struct http_question) { .method = STR("GET"),
                                 .url = STR("http://127.0.0.1:1/"),
                                 .deadline_ms = 2000 };
    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_UNAVAILABLE);
}

static void a_body_nobody_wants_is_read_past(void **state)
{
    struct far *far = *state;
    struct http_question q = {
        .method = STR("POST"), .url = url(far, "/large"), .drop_body = true, .body_max = 10
    };
    struct http_reply reply;

    for (int i = 0; i < 3; i++) {
        assert_null(http_ask(&q, far->arena, &reply));
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body.len, 0);
    }
    q.drop_body = false;
    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_LIMIT);
}

static void a_private_address_is_refused_where_only_public_ones_are_wanted(void **state)
{
    struct far *far = *state;
    struct http_question q = { .method = STR("GET"), .url = url(far, "/"), .public_only = true };
    struct http_question anywhere = { .method = STR("GET"), .url = url(far, "/") };
    struct http_reply reply;

    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_DENIED);
    /* What another question connected is no way in either. */
    assert_null(http_ask(&anywhere, far->arena, &reply));
    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_DENIED);
    str address = http_server_address(far->server);
    q.url = arena_strf(far->arena, "http://localhost" STR_FMT "/",
                       STR_ARG(str_from(address, str_find(address, ':'))));
    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_DENIED);
    assert_int_equal(far->heads, 1);
}

static void malformed_questions_go_nowhere(void **state)
{
    static const char *const urls[] = { "",
                                        "ftp://x/",
                                        "file:///etc/passwd",
                                        "http://",
                                        "http:///x",
                                        "http://u:p@h/",
                                        "http://h/a b",
                                        "http://h/a\r\nX: y",
                                        "http://h/#f",
                                        "http://h?x" };
    struct far *far = *state;
    struct http_reply reply;

    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct http_question q = { .method = STR("GET"), .url = str_of(urls[i]) };
        const struct fault *why = http_ask(&q, far->arena, &reply);
        if (!why || why->kind != FAULT_SYNTAX)
            fail_msg("%s", urls[i]);
    }
    struct header broken = { STR("A"), STR("b\r\nC: d") };
    struct http_question q = {
        .method = STR("GET"), .url = url(far, "/"), .headers = &broken, .header_count = 1
    };
    assert_int_equal(http_ask(&q, far->arena, &reply)->kind, FAULT_SYNTAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_arrives_as_it_was_meant),
        TEST(what_we_sign_our_verifier_accepts),
        TEST(redirects_are_answers),
        TEST(limits_end_what_takes_too_long_or_too_much),
        TEST(a_body_nobody_wants_is_read_past),
        TEST(a_private_address_is_refused_where_only_public_ones_are_wanted),
        TEST(malformed_questions_go_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

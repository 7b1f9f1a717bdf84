/* The server over a table of operations of our own, asked through sockets. One fixture serves them
 * all, so they stay together. */
#include "api/api.h"
#include "api/operation.h"
#include "base/when.h"
#include "base/xml.h"
#include "services/account.h"
#include "services/stage_suite.h"
#include "testing/journal.h"
#include "wire/http_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- operations that tell what they saw ---- */

static _Atomic int cancelled, finished;
static _Atomic bool go;

static const struct fault *run_list(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    (void)api;
    xml_leaf(&answer->text, "Account", call->account);
    xml_leaf(&answer->text, "Region", call->call.region);
    xml_leaf(&answer->text, "Token", api_param(call, "NextToken"));
    if (!account_find(call->call.world, call->account))
        return fault(call->call.arena, FAULT_DEFECT, NULL, "the account has not begun");
    return NULL;
}

static const struct fault *run_nothing(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)api, (void)call, (void)answer;
    return NULL;
}

static const struct fault *run_fail(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    struct arena *arena = call->call.arena;
    str how = api_param(call, "How");

    (void)api;
    buf_add(&answer->text, STR("<Half>said"));
    if (str_eq(how, STR("denied")))
        return fault(arena, FAULT_DENIED, NULL, "no <you>");
    if (str_eq(how, STR("coded")))
        return fault_coded(arena, FAULT_ABSENT, "RuleSetDoesNotExist",
                           "Rule set does not exist: x");
    return fault(arena, FAULT_DEFECT, NULL, "secret of the house");
}

static const struct fault *run_get(struct api *api, const struct api_call *call,
                                   struct api_answer *answer)
{
    (void)api;
    if (str_eq(call->key, STR("slow")))
        while (!go)
            usleep(1000);
    if (str_eq(call->key, STR("absent")))
        return fault_coded(call->call.arena, FAULT_ABSENT, "NoSuchKey",
                           "The specified key does not exist.");
    api_add_header(answer, "ETag", STR("\"e\""));
    api_add_header(answer, "Content-Type", STR("text/plain"));
    if (str_eq(call->method, STR("HEAD"))) {
        api_add_header(answer, "Content-Length", STR("12345"));
        return NULL;
    }
    buf_addf(&answer->text, "%s " STR_FMT " " STR_FMT,
             call->call.caller->kind == CALLER_ANONYMOUS ? "anonymous" : "root",
             STR_ARG(call->bucket), STR_ARG(call->key));
    return NULL;
}

static const struct fault *run_policy(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    (void)api;
    buf_addf(&answer->text, "policy %zu " STR_FMT, call->text.len,
             STR_ARG(str_head(call->text, 20)));
    return NULL;
}

struct taking {
    size_t size;
    char first;
};
static const struct fault *put_open(struct api *api, const struct api_call *call, void **ret_stream)
{
    (void)api;
    if (str_eq(call->key, STR("denied")))
        return fault_coded(call->call.arena, FAULT_DENIED, "AccessDenied", "Access Denied");
    *ret_stream = ARENA_NEW(call->call.arena, struct taking);
    return NULL;
}
static const struct fault *put_write(void *stream, str chunk)
{
    struct taking *t = stream;

    if (t->size == 0)
        t->first = chunk.ptr[0];
    t->size += chunk.len;
    return NULL;
}
static const struct fault *put_finish(void *stream, const struct api_call *call,
                                      struct api_answer *answer)
{
    struct taking *t = stream;

    finished++;
    api_add_header(answer, "x-taken",
                   arena_strf(call->call.arena, "%zu %c %llu %zu", t->size,
                              t->first ? t->first : '-', (unsigned long long)call->body_size,
                              call->trailer_count));
    return NULL;
}
static void put_cancel(void *stream)
{
    (void)stream;
    cancelled++;
}
static const struct operation_stream put = { put_open, put_write, put_finish, put_cancel };

#define QUERY(svc, op, fn)                                                                         \
    {                                                                                              \
        .service = STR_INIT(svc), .name = STR_INIT(op), .dialect = DIALECT_QUERY_XML, .run = fn    \
    }
#define S3(op, verb, on, sub, fn, ...)                                                             \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(op), .dialect = DIALECT_REST_XML,              \
        .route = { STR_INIT(verb), on, STR_INIT(sub) }, .run = fn, __VA_ARGS__                     \
    }
/* clang-format off */
const struct operation operations[] = {
    QUERY("ses", "ListReceiptRuleSets", run_list),
    QUERY("ses", "CreateReceiptRuleSet", run_nothing),
    QUERY("ses", "Fail", run_fail),
    QUERY("iam", "DeleteRole", run_nothing),
    S3("GetObject",       "GET",    REST_OBJECT, "",       run_get),
    S3("HeadObject",      "HEAD",   REST_OBJECT, "",       run_get),
    S3("PutBucketPolicy", "PUT",    REST_BUCKET, "policy", run_policy, .text_max = 1000),
    S3("PutObject",       "PUT",    REST_OBJECT, "",       NULL, .stream = &put),
};
/* clang-format on */
const size_t operation_count = sizeof operations / sizeof operations[0];

static void own_pages(void *context, const struct own_page *page, struct arena *arena,
                      struct own_answer *answer)
{
    (void)context, (void)arena;
    answer->status = str_eq(page->path, STR("health")) ? 200 : 404;
    answer->content_type = STR("text/plain");
    buf_addf(&answer->text, STR_FMT " " STR_FMT " ?" STR_FMT " local=%d root=%d",
             STR_ARG(page->method), STR_ARG(page->path), STR_ARG(page->query), page->local,
             page->root);
}

/* ---- a server, and somebody who asks ---- */

#define SECRET "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"

struct fixture {
    struct stage stage;
    struct captured_journal *journal;
    struct outside outside;
    struct api api;
    struct api_server *server;
    uint16_t port;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint64_t port;

    stage_begin(&f->stage);
    f->journal = captured_journal_new();
    f->outside = (struct outside) { .clock = clock_real(),
                                    .entropy = entropy_real(),
                                    .journal = captured_journal(f->journal),
                                    .disk = disk_real() };
    f->api = (struct api) { .outside = &f->outside,
                            .metrics = metrics_new(1000),
                            .state = f->stage.state,
                            .worlds = f->stage.worlds,
                            .root_account = STR("111122223333"),
                            .default_region = STR("us-east-1"),
                            .root_key_id = STR("AKIAROOT"),
                            .root_secret = STR(SECRET) };
    struct api_server_settings settings = {
        .api = &f->api, .address = STR("127.0.0.1:0"), .workers = 2, .own_pages = own_pages
    };
    assert_null(api_server_start(&settings, f->stage.arena, &f->server));
    assert_true(str_u64(str_from(api_server_address(f->server), 10), &port));
    f->port = (uint16_t)port;
    cancelled = finished = 0;
    go = false;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    api_server_stop(f->server);
    metrics_free(f->api.metrics);
    stage_end(&f->stage);
    captured_journal_free(f->journal);
    free(f);
    return 0;
}

struct asked {
    const char *key_id, *service, *region, *method, *target;
    str body;
    const char *header, *value; /* one more */
};

static struct http_reply ask(struct fixture *f, struct asked a)
{
    struct arena *arena = f->stage.arena;
    struct header header = { str_of(a.header), str_of(a.value) };
    struct sigv4_signer signer = { .access_key_id = str_of(a.key_id ? a.key_id : "AKIAROOT"),
                                   .secret = STR(SECRET),
                                   .security_token = STR_NONE,
                                   .region = str_of(a.region ? a.region : "eu-west-1"),
                                   .service = str_of(a.service),
                                   .now_ms = clock_real()->wall_ms(clock_real()) };
    struct http_question q = { .method = str_of(a.method ? a.method : "POST"),
                               .headers = &header,
                               .header_count = a.header != NULL,
                               .body = a.body.ptr ? a.body : STR(""),
                               .signer = a.service ? &signer : NULL };
    struct http_reply reply;

    q.url = arena_strf(arena, "http://127.0.0.1:%u%s", f->port, a.target ? a.target : "/");
    const struct fault *why = http_ask(&q, arena, &reply);
    if (why)
        fail_msg("%.*s", STR_ARG(fault_sentence(why, arena)));
    return reply;
}

static void assert_says(struct http_reply reply, int status, const char *text)
{
    if (reply.status != status || str_find_str(reply.body, str_of(text)) == reply.body.len)
        fail_msg("%d %.*s", reply.status, STR_ARG(reply.body));
}

static str raw(struct fixture *f, const char *text, const char *until)
{
    static char heard[65536];
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(f->port) };
    struct timeval patience = { .tv_sec = 5 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;
    ssize_t n;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    heard[0] = '\0';
    while (!(until && strstr(heard, until)) &&
           (n = recv(fd, heard + len, sizeof heard - 1 - len, 0)) > 0) {
        len += (size_t)n;
        heard[len] = '\0';
    }
    close(fd);
    return (str) { heard, len };
}

static bool has(str text, const char *part)
{
    return str_find_str(text, str_of(part)) < text.len;
}

/* ---- what clients see ---- */

static void a_form_is_answered_in_the_wrapping_of_its_service(void **state)
{
    struct fixture *f = *state;
    struct http_reply reply =
        ask(f, (struct asked) { .service = "ses",
                                .body = STR("Action=ListReceiptRuleSets&Version="
                                            "2010-12-01&NextToken=a%26b") });

    assert_says(
        reply, 200,
        "<ListReceiptRuleSetsResponse xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\">"
        "<ListReceiptRuleSetsResult><Account>111122223333</Account><Region>eu-west-1</Region>"
        "<Token>a&amp;b</Token></ListReceiptRuleSetsResult><ResponseMetadata><RequestId>");
    assert_true(str_eq(reply.content_type, STR("text/xml")));
    assert_says(ask(f, (struct asked) { .service = "email",
                                        .method = "GET",
                                        .target = "/?Action=ListReceiptRuleSets&NextToken=x+y" }),
                200, "<Token>x y</Token>");
    assert_says(
        ask(f, (struct asked) { .service = "ses", .body = STR("Action=CreateReceiptRuleSet") }),
        200, "<CreateReceiptRuleSetResult/>");
    reply = ask(f, (struct asked) { .service = "iam", .body = STR("Action=DeleteRole") });
    assert_says(reply, 200,
                "<DeleteRoleResponse "
                "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata>");
}

static void an_account_id_is_the_root_of_that_account(void **state)
{
    struct fixture *f = *state;

    assert_says(ask(f, (struct asked) { .service = "ses",
                                        .key_id = "444455556666",
                                        .body = STR("Action=ListReceiptRuleSets") }),
                200, "<Account>444455556666</Account>");
    assert_says(
        ask(f,
            (struct asked) { .service = "ses", .key_id = "44445555666", .body = STR("Action=X") }),
        403, "<Code>InvalidClientTokenId</Code>");
    assert_says(ask(f, (struct asked) { .service = "s3",
                                        .key_id = "AKIAOTHER",
                                        .method = "GET",
                                        .target = "/b/k" }),
                403, "<Code>InvalidAccessKeyId</Code>");
}

static void what_is_not_there_is_told_in_the_words_of_aws(void **state)
{
    struct fixture *f = *state;

    assert_says(ask(f, (struct asked) { .service = "ses",
                                        .body = STR("Action=SendTemplatedEmail&Version=2010-12-01") }),
                400,
                "<ErrorResponse "
                "xmlns=\"http://ses.amazonaws.com/doc/2010-12-01/\"><Error><Type>Sender</Type>"
                "<Code>InvalidAction</Code><Message>Could not find operation SendTemplatedEmail for version "
                "2010-12-01. Sesame only receives mail, and sends no more than forwarding needs</Message>"
                "</Error><RequestId>");
    assert_says(
        ask(f, (struct asked) { .service = "ses",
                                .body = STR("Action=ListReceiptRuleSets&Version=2009-01-01") }),
        400, "<Code>InvalidAction</Code>");
    assert_says(ask(f, (struct asked) { .service = "iam", .body = STR("Version=1") }), 400,
                "<Code>MissingAction</Code>");
    assert_says(ask(f, (struct asked) { .service = "ses", .body = STR("Action=%zz") }), 400,
                "MalformedQueryString");
    assert_says(ask(f, (struct asked) { .service = "sns", .body = STR("Action=Publish") }), 400,
                "InvalidAction");
    assert_says(ask(f, (struct asked) { .service = "ec2", .body = STR("Action=RunInstances") }),
                400, "InvalidAction");
    assert_says(ask(f, (struct asked) { .service = "kms",
                                        .body = STR("{}"),
                                        .header = "X-Amz-Target",
                                        .value = "TrentService.CreateKey" }),
                400, "{\"__type\":\"UnknownOperationException\"");
    assert_says(ask(f, (struct asked) { .service = "lambda",
                                        .method = "GET",
                                        .target = "/2015-03-31/functions" }),
                400, "UnknownOperationException");
    assert_says(ask(f, (struct asked) { .service = "s3", .method = "GET", .target = "/b?acl" }),
                501, "<Error><Code>NotImplemented</Code>");
}

static void faults_have_codes_and_secrets_stay_inside(void **state)
{
    struct fixture *f = *state;
    struct http_reply reply =
        ask(f, (struct asked) { .service = "ses", .body = STR("Action=Fail&How=coded") });

    assert_says(reply, 400,
                "<Code>RuleSetDoesNotExist</Code><Message>Rule set does not exist: x</Message>");
    assert_false(has(reply.body, "Half"));
    assert_says(ask(f, (struct asked) { .service = "ses", .body = STR("Action=Fail&How=denied") }),
                403, "<Code>AccessDenied</Code><Message>no &lt;you&gt;</Message>");
    reply = ask(f, (struct asked) { .service = "ses", .body = STR("Action=Fail") });
    assert_says(reply, 500, "<Type>Receiver</Type><Code>InternalFailure</Code>");
    assert_false(has(reply.body, "secret"));
    reply = ask(f, (struct asked) { .service = "s3", .method = "GET", .target = "/b/absent" });
    assert_says(reply, 404,
                "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
                "<Key>absent</Key><Resource>/b/absent</Resource><RequestId>");
    assert_true(str_eq(reply.content_type, STR("application/xml")));
    api_server_stop(f->server);
    f->server = NULL;
    str journal = captured_journal_text(f->journal, f->stage.arena);
    assert_true(has(journal, "secret of the house"));
    assert_true(has(journal, "\"account\":\"111122223333\""));
    assert_false(has(journal, SECRET));
    assert_false(has(journal, "Signature"));
    assert_int_equal(captured_journal_count(f->journal, " denied "), 1);
    AUTO_BUF text = buf_new(1 << 20);
    metrics_text(f->api.metrics, &text);
    assert_true(
        has(buf_str(&text),
            "sesame_api_requests_total{service=\"ses\",operation=\"Fail\",status=\"500\"} 1"));
}

static void strangers_are_judged_by_s3_and_unknown_elsewhere(void **state)
{
    struct fixture *f = *state;

    assert_says(ask(f, (struct asked) { .method = "GET", .target = "/b/k" }), 200, "anonymous b k");
    assert_says(ask(f, (struct asked) { .service = "s3", .method = "GET", .target = "/b/a%20b" }),
                200, "root b a b");
    assert_says(ask(f, (struct asked) { .body = STR("Action=ListReceiptRuleSets"),
                                        .header = "Content-Type",
                                        .value = "application/x-www-form-urlencoded" }),
                403, "<Code>MissingAuthenticationToken</Code>");
    assert_says(ask(f, (struct asked) { .body = STR("{}"),
                                        .header = "X-Amz-Target",
                                        .value = "TrentService.Sign" }),
                400, "MissingAuthenticationTokenException");
    str heard = raw(f, "GET /k HTTP/1.1\r\nHost: b.localhost\r\nConnection: close\r\n\r\n", NULL);
    assert_true(has(heard, "anonymous b k"));
    assert_true(has(heard, "x-amz-request-id: ") && has(heard, "x-amz-id-2: "));
}

static void a_wrong_signature_is_refused_before_the_body(void **state)
{
    struct fixture *f = *state;
    static const char head[] =
        "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
        "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: 20200101T000000Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAROOT/20200101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n\r\n";
    str heard = raw(f, head, NULL);

    assert_true(str_starts(heard, STR("HTTP/1.1 403 ")));
    assert_false(has(heard, " 100 "));
    assert_int_equal(finished, 0);

    struct http_reply reply;
    struct sigv4_signer signer = { .access_key_id = STR("AKIAROOT"),
                                   .secret = STR("wrong"),
                                   .security_token = STR_NONE,
                                   .region = STR("us-east-1"),
                                   .service = STR("ses"),
                                   .now_ms = clock_real()->wall_ms(clock_real()) };
    struct http_question q = { .method = STR("POST"),
                               .body = STR("Action=Fail"),
                               .signer = &signer,
                               .url = arena_strf(f->stage.arena, "http://127.0.0.1:%u/", f->port) };
    assert_null(http_ask(&q, f->stage.arena, &reply));
    assert_says(reply, 403, "<Code>SignatureDoesNotMatch</Code>");

    heard = raw(f, "GET /b/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n", "</Error>");
    assert_true(has(heard, "HTTP/1.1 400 "));
    assert_true(has(heard, "<Code>InvalidArgument</Code><Message>Unsupported Authorization Type<"));
}

static void a_stream_is_opened_written_and_finished(void **state)
{
    struct fixture *f = *state;
    static char body[300000] = { [0 ... 299999] = 'q' };
    struct http_reply reply = ask(
        f, (struct asked) {
               .service = "s3", .method = "PUT", .target = "/b/k", .body = { body, sizeof body } });

    assert_int_equal(reply.status, 200);
    assert_int_equal(finished, 1);
    str heard = raw(
        f, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "x-taken");
    assert_true(has(heard, "HTTP/1.1 100 Continue") && has(heard, "x-taken: 5 h 5 0"));
    heard = raw(
        f, "PUT /b/denied HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        NULL);
    assert_true(str_starts(heard, STR("HTTP/1.1 403 ")) && has(heard, "<Code>AccessDenied</Code>"));
    assert_int_equal(cancelled, 0);
}

static void a_stream_says_how_long_it_is(void **state)
{
    struct fixture *f = *state;
    str heard = raw(f, "PUT /b/k HTTP/1.1\r\nHost: x\r\n\r\n", "</Error>");

    assert_true(has(heard, "HTTP/1.1 411 "));
    assert_true(has(heard, "<Code>MissingContentLength</Code>"));
    assert_int_equal(finished, 0);
    heard = raw(f, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n");
    assert_true(has(heard, "HTTP/1.1 200 "));
}

static void a_body_that_is_not_the_signed_one_is_cancelled(void **state)
{
    struct fixture *f = *state;
    str heard = raw(f,
                    "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nx-amz-content-sha256: "
                    "0000000000000000000000000000000000000000000000000000000000000000\r\n\r\nhello",
                    "</Error>");

    assert_true(has(heard, "XAmzContentSHA256Mismatch"));
    for (int i = 0; i < 2000 && cancelled == 0; i++)
        usleep(1000);
    assert_int_equal(cancelled, 1);
    assert_int_equal(finished, 0);
}

static void chunks_are_taken_apart(void **state)
{
    struct fixture *f = *state;
    str heard = raw(
        f,
        "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 46\r\nx-amz-decoded-content-length: 5\r\n"
        "content-encoding: aws-chunked\r\nx-amz-trailer: x-amz-checksum-crc32\r\n"
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\r\n"
        "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        "\r\n\r\n");

    if (!has(heard, "x-taken: 5 h 5 1"))
        fail_msg("%.*s", STR_ARG(heard));
    assert_int_equal(finished, 1);
    heard = raw(f,
                "PUT /b?policy HTTP/1.1\r\nHost: x\r\nContent-Length: "
                "17\r\nx-amz-decoded-content-length: 5\r\n"
                "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\r\n"
                "5\r\nhello\r\n0\r\n\r\n\r\n",
                "\r\n\r\n");
    assert_true(has(heard, "HTTP/1.1 "));
}

static void a_body_is_gathered_up_to_the_rows_limit(void **state)
{
    struct fixture *f = *state;
    static char body[1001] = { [0 ... 1000] = 'p' };

    assert_says(ask(f, (struct asked) { .service = "s3",
                                        .method = "PUT",
                                        .target = "/b?policy",
                                        .body = { body, 1000 } }),
                200, "policy 1000 pppp");
    assert_says(ask(f, (struct asked) { .service = "s3",
                                        .method = "PUT",
                                        .target = "/b?policy",
                                        .body = { body, 1001 } }),
                400, "<Code>EntityTooLarge</Code>");
    static char form[OPERATION_TEXT_MAX + 1] = { [0 ... OPERATION_TEXT_MAX] = 'a' };
    assert_says(ask(f, (struct asked) { .service = "iam", .body = { form, sizeof form } }), 413,
                "RequestEntityTooLarge");
}

static void head_answers_with_fields_alone(void **state)
{
    str heard = raw(*state, "HEAD /b/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);

    assert_true(has(heard, "HTTP/1.1 200 OK\r\n") && has(heard, "Content-Length: 12345\r\n") &&
                has(heard, "ETag: \"e\""));
    assert_true(str_ends(heard, STR("\r\n\r\n")));
    heard = raw(*state, "HEAD /b/absent HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);
    assert_true(str_starts(heard, STR("HTTP/1.1 404 ")));
    assert_true(str_ends(heard, STR("\r\n\r\n")));
}

static void own_pages_know_who_is_local_and_who_is_root(void **state)
{
    struct fixture *f = *state;

    assert_says(ask(f, (struct asked) { .method = "GET", .target = "/_sesame/health?a=%41" }), 200,
                "GET health ?a=%41 local=1 root=0");
    assert_says(ask(f, (struct asked) { .method = "GET", .target = "/_sesame/messages/x%2Fy" }),
                404, "messages/x/y");
    assert_says(
        ask(f, (struct asked) { .service = "ses", .method = "GET", .target = "/_sesame/health" }),
        200, "root=1");
    assert_says(ask(f, (struct asked) { .service = "ses",
                                        .key_id = "AKIANOBODY",
                                        .method = "GET",
                                        .target = "/_sesame/health" }),
                403, "UnrecognizedClientException");
    assert_says(ask(f, (struct asked) { .method = "GET",
                                        .target = "/_sesame/health",
                                        .header = "X-Forwarded-For",
                                        .value = "192.0.2.1" }),
                200, "local=0");
    assert_says(ask(f, (struct asked) { .method = "GET",
                                        .target = "/_sesame/health",
                                        .header = "Origin",
                                        .value = "http://127.0.0.1:4566" }),
                200, "local=0");
    assert_true(
        has(raw(f, "GET /_sesame/health HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
                NULL),
            "local=0"));
}

static void a_slow_operation_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(f->port) };
    static const char slow[] = "GET /b/slow HTTP/1.1\r\nHost: x\r\n\r\n";
    char heard[1000] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(send(fd, slow, sizeof slow - 1, 0), sizeof slow - 1);
    assert_says(ask(f, (struct asked) { .method = "GET", .target = "/b/quick" }), 200, "quick");
    go = true;
    assert_true(recv(fd, heard, sizeof heard - 1, 0) > 0);
    assert_non_null(strstr(heard, "HTTP/1.1 200"));
    close(fd);
}

/* A connection that has been served once, so that a server that goes away knows it. */
static int known(struct fixture *f)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(f->port) };
    struct timeval patience = { .tv_sec = 5 };
    static const char page[] = "GET /_sesame/health HTTP/1.1\r\nHost: x\r\n\r\n";
    char heard[1000];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(send(fd, page, sizeof page - 1, MSG_NOSIGNAL), sizeof page - 1);
    assert_true(recv(fd, heard, sizeof heard, 0) > 0);
    return fd;
}

static void *hold(void *server)
{
    api_server_hold(server, 5000);
    return NULL;
}

/* A request with the claim of a signature made now; whether it is a right one nobody asks. */
static size_t claiming(char *to, size_t room, const char *line, const char *service,
                       const char *target, const char *body)
{
    char date[WHEN_SIZE], claim[300] = "";
    when_sigv4(date, clock_real()->wall_ms(clock_real()));
    if (service)
        snprintf(claim, sizeof claim,
                 "X-Amz-Date: %s\r\nAuthorization: AWS4-HMAC-SHA256 "
                 "Credential=AKIAROOT/%.8s/eu-west-1/%s/aws4_request, "
                 "SignedHeaders=host;x-amz-date%s, Signature=%064d\r\n",
                 date, date, service, target ? ";x-amz-target" : "", 0);
    return (size_t)snprintf(to, room, "%s HTTP/1.1\r\nHost: x\r\n%s%s%s%sContent-Length: %zu\r\n\r\n%s",
                            line, claim, target ? "X-Amz-Target: " : "", target ? target : "",
                            target ? "\r\n" : "", strlen(body), body);
}

static void who_asks_a_server_that_goes_away_hears_so_in_his_own_dialect(void **state)
{
    /* clang-format off */
    static const struct { const char *line, *service, *target, *body, *type, *says; } cases[] = {
        { "GET /b/k", NULL, NULL, "", "Content-Type: application/xml",
          "<Error><Code>ServiceUnavailable</Code>" },
        { "PUT /b/k", NULL, NULL, "he", "Content-Type: application/xml",
          "<Error><Code>ServiceUnavailable</Code>" },
        { "POST /", "ses", NULL, "Action=X", "Content-Type: text/xml",
          "<Type>Receiver</Type><Code>ServiceUnavailable</Code>" },
        { "POST /", "sqs", "AmazonSQS.ListQueues", "{}", "Content-Type: application/x-amz-json-1.0",
          "ServiceUnavailableException\"" },
        { "POST /", "kms", "TrentService.ListKeys", "{}", "Content-Type: application/x-amz-json-1.1",
          "ServiceUnavailableException\"" },
        { "GET /2015-03-31/functions/", "lambda", NULL, "", "Content-Type: application/json",
          "ServiceUnavailableException\"" },
    };
    /* clang-format on */
    enum { CASES = sizeof cases / sizeof cases[0] };
    static char heard[CASES][8192];
    struct fixture *f = *state;
    int slow = known(f), fds[CASES];
    pthread_t holding;
    static const char get[] = "GET /b/slow HTTP/1.1\r\nHost: x\r\n\r\n";

    for (size_t i = 0; i < CASES; i++)
        fds[i] = known(f);
    assert_int_equal(send(slow, get, sizeof get - 1, MSG_NOSIGNAL), sizeof get - 1);
    usleep(50000);
    pthread_create(&holding, NULL, hold, f->server);
    usleep(50000);
    for (size_t i = 0; i < CASES; i++) {
        char asked[2000];
        size_t len = claiming(asked, sizeof asked, cases[i].line, cases[i].service,
                              cases[i].target, cases[i].body);
        ssize_t n;
        send(fds[i], asked, len, MSG_NOSIGNAL);
        for (len = 0; (n = recv(fds[i], heard[i] + len, sizeof heard[i] - 1 - len, 0)) > 0;)
            len += (size_t)n;
        heard[i][len] = '\0';
        close(fds[i]);
    }
    go = true; /* before anything is judged: the slow one must end in any case */
    pthread_join(holding, NULL);
    close(slow);
    for (size_t i = 0; i < CASES; i++)
        if (!str_starts(str_of(heard[i]), STR("HTTP/1.1 503")) ||
            !strstr(heard[i], cases[i].type) || !strstr(heard[i], cases[i].says))
            fail_msg("%s of %s: %s", cases[i].line, cases[i].service, heard[i]);
}

static void the_screen_is_journaled(void **state)
{
    struct fixture *f = *state;
    str heard = raw(
        f,
        "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        NULL);

    assert_true(str_starts(heard, STR("HTTP/1.1 400 ")));
    assert_int_equal(captured_journal_count(f->journal, " refused "), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_form_is_answered_in_the_wrapping_of_its_service),
        TEST(an_account_id_is_the_root_of_that_account),
        TEST(what_is_not_there_is_told_in_the_words_of_aws),
        TEST(faults_have_codes_and_secrets_stay_inside),
        TEST(strangers_are_judged_by_s3_and_unknown_elsewhere),
        TEST(a_wrong_signature_is_refused_before_the_body),
        TEST(a_stream_is_opened_written_and_finished),
        TEST(a_stream_says_how_long_it_is),
        TEST(a_body_that_is_not_the_signed_one_is_cancelled),
        TEST(chunks_are_taken_apart),
        TEST(a_body_is_gathered_up_to_the_rows_limit),
        TEST(head_answers_with_fields_alone),
        TEST(own_pages_know_who_is_local_and_who_is_root),
        TEST(a_slow_operation_holds_up_nobody),
        TEST(who_asks_a_server_that_goes_away_hears_so_in_his_own_dialect),
        TEST(the_screen_is_journaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The HTTP server through sockets: requests whole, in pieces, hostile and slow. One fixture serves them all,
 * so they stay together. */
#include "wire/http_screen.h"
#include "wire/http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A service with one page per way through the server. What it saw is told in the answer. */
struct seen {
    _Atomic int over, refused, chunks, worked;
    _Atomic bool go; /* /slow waits for it */
};
struct own {
    struct seen *seen;
    uint64_t bytes, left;
    bool ready;
};

static enum http_next answer(struct http_exchange *x, int status, str text)
{
    x->answer.status = status;
    x->answer.text = text;
    http_add(&x->answer, STR("X-Seen"), STR("yes"));
    return HTTP_ANSWER;
}

static enum http_next on_begin(void *context, struct http_exchange *x)
{
    struct own *own = ARENA_NEW(x->arena, struct own);

    own->seen = context;
    x->own = own;
    if (str_starts(x->target, STR("/refused")))
        return answer(x, 403, STR("no"));
    if (str_starts(x->target, STR("/opened")))
        return HTTP_WORK;
    return str_starts(x->target, STR("/close")) ? HTTP_CLOSE : HTTP_READ;
}

static enum http_next on_chunk(struct http_exchange *x, str chunk)
{
    struct own *own = x->own;

    own->bytes += chunk.len;
    own->seen->chunks++;
    if (str_starts(x->target, STR("/dawdle"))) /* on the thread that serves all others too */
        usleep(150000);
    return str_starts(x->target, STR("/enough")) ? answer(x, 413, STR("enough")) : HTTP_READ;
}

static enum http_next on_end(struct http_exchange *x)
{
    struct own *own = x->own;

    own->ready = true;
    if (str_starts(x->target, STR("/echo")))
        return answer(x, 200,
                      arena_strf(x->arena, STR_FMT " " STR_FMT " %llu " STR_FMT, STR_ARG(x->method),
                                 STR_ARG(x->target), (unsigned long long)own->bytes,
                                 STR_ARG(x->peer)));
    return HTTP_WORK;
}

static const struct fault *read_a_lot(void *from, str *ret_piece)
{
    static const char piece[50000] = { [0 ... 49999] = 'z' };
    struct own *own = from;

    *ret_piece = str_head((str) { piece, sizeof piece }, own->left);
    own->left -= ret_piece->len;
    return NULL;
}

static enum http_next on_work(struct http_exchange *x)
{
    struct own *own = x->own;

    own->seen->worked++;
    if (!own->ready) /* before the body */
        return str_starts(x->target, STR("/opened/no")) ? answer(x, 403, STR("not opened"))
                                                        : HTTP_READ;
    if (str_starts(x->target, STR("/later")) && !own->seen->go) {
        x->later_ms = 5;
        return HTTP_LATER;
    }
    if (str_starts(x->target, STR("/kept")))
        return HTTP_KEEP;
    while (str_starts(x->target, STR("/slow")) && !own->seen->go)
        usleep(1000);
    if (str_starts(x->target, STR("/same"))) {
        x->answer.size = 12345;
        return answer(x, 304, STR(""));
    }
    if (str_starts(x->target, STR("/large")) || str_starts(x->target, STR("/broken")) ||
        str_starts(x->target, STR("/huge"))) {
        own->left = str_starts(x->target, STR("/huge")) ? 500000000 : 1000000;
        x->answer.read = read_a_lot;
        x->answer.from = own;
        x->answer.size = str_starts(x->target, STR("/broken")) ? 1000001 : own->left;
    }
    return answer(x, 200, arena_strf(x->arena, "worked %llu", (unsigned long long)own->bytes));
}

static void on_over(struct http_exchange *x)
{
    ((struct own *)x->own)->seen->over++;
}

static void on_refused(void *context, str peer, int status, const char *why)
{
    (void)peer, (void)status, (void)why;
    ((struct seen *)context)->refused++;
}

static const struct http_service service = { on_begin, on_chunk, on_end,
                                             on_work,  on_over,  on_refused, NULL };

struct fixture {
    struct arena *arena;
    struct seen seen;
    struct http_server *server;
    uint16_t port;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint64_t port;

    f->arena = arena_new(1 << 20);
    struct http_settings settings = { .address = STR("127.0.0.1:0"),
                                      .service = &service,
                                      .context = &f->seen,
                                      .workers = 2,
                                      .idle_s = 5,
                                      .grace_ms = 2000 };
    assert_null(http_server_start(&settings, f->arena, &f->server));
    str address = http_server_address(f->server);
    assert_true(str_starts(address, STR("127.0.0.1:")));
    assert_true(str_u64(str_from(address, 10), &port) && port > 0);
    f->port = (uint16_t)port;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_server_stop(f->server);
    arena_free(f->arena);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(f->port) };
    struct timeval patience = { .tv_sec = 5 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void say(int fd, str bytes)
{
    assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

/* Reads until the text stands in what came, or the end. */
static char heard[2 << 20];
static size_t heard_len;
static bool hear(int fd, const char *until)
{
    heard_len = 0;
    heard[0] = '\0';
    while (!until || !strstr(heard, until)) {
        ssize_t n = recv(fd, heard + heard_len, sizeof heard - 1 - heard_len, 0);
        if (n <= 0)
            return !until && n == 0;
        heard_len += (size_t)n;
        heard[heard_len] = '\0';
    }
    return true;
}

static void a_connection_carries_one_request_after_the_other(void **state)
{
    int fd = dial(*state);

    say(fd, STR("GET /echo/a%20b%2Fc?acl&x=%41 HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(fd, "GET /echo/a%20b%2Fc?acl&x=%41 0 127.0.0.1"));
    say(fd, STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"));
    assert_true(hear(fd, "POST /echo 3 "));
    assert_null(strstr(heard, "Connection: close"));
    say(fd, STR("\r\nGET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(fd, "worked 0"));
    if (!strstr(strstr(heard, "worked 0") + 1, "worked 0"))
        assert_true(hear(fd, "worked 0"));
    close(fd);
}

static void requests_come_byte_by_byte(void **state)
{
    str text = STR(
        "PUT /echo/slowly HTTP/1.1\r\nHost: x\r\nA: b \r\nEmpty:\r\nContent-Length: 2\r\n\r\nok");
    int fd = dial(*state);

    for (size_t i = 0; i < text.len; i++) {
        say(fd, str_head(str_from(text, i), 1));
        usleep(200);
    }
    assert_true(hear(fd, "PUT /echo/slowly 2 "));
    close(fd);
}

/* Where a chunked body ends is seen in two ways when its lines end in LF. */
static void nothing_is_read_behind_a_chunked_body(void **state)
{
    static const char *const chunks[] = { "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                                          "3\nabc\n2\nde\n0\n\n" };
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        int fd = dial(f);
        say(fd, STR("POST /worked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
        say(fd, str_of(chunks[i]));
        say(fd, STR("GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"));
        hear(fd, NULL); /* its end, or a reset, since bytes are left unread */
        assert_non_null(strstr(heard, "Connection: close\r\n"));
        assert_non_null(strstr(heard, "worked 5"));
        assert_null(strstr(heard, "smuggled"));
        close(fd);
    }
    assert_int_equal(f->seen.worked, 2);
}

struct bad {
    const char *says;
    str text;
};
/* clang-format off */
static const struct bad bad[] = {
    { "a NUL in a value",             STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\0c\r\nD: e\r\n\r\n") },
    { "a NUL in the last value",      STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n") },
    { "a NUL ending the last value",  STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n") },
    { "a NUL in a name",              STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA\0B: b\r\n\r\n") },
    { "a NUL in the target",          STR_INIT("GET /echo\0x HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "lines that end in LF",         STR_INIT("GET /echo HTTP/1.1\nHost: x\n\n") },
    { "one line that ends in LF",     STR_INIT("GET /echo HTTP/1.1\r\nHost: x\nA: b\r\n\r\n") },
    { "a folded line",                STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nD: e\r\n\r\n") },
    { "a folded last line",           STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n") },
    { "a blank line start",           STR_INIT("GET /echo HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n") },
    { "a bare CR in a value",         STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n") },
    { "a control in a value",         STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n") },
    { "a blank before the colon",     STR_INIT("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\n") },
    { "length and encoding",          STR_INIT("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n") },
    { "two lengths",                  STR_INIT("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n") },
    { "an unknown encoding",          STR_INIT("PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n") },
    { "a blank in the target",        STR_INIT("GET /echo x HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "two blanks in the first line", STR_INIT("GET  /echo HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "no colon",                     STR_INIT("GET /echo HTTP/1.1\r\nHost: x\r\nA\r\n\r\n") },
    { "no version",                   STR_INIT("GET /echo\r\nHost: x\r\n\r\n") },
};
/* clang-format on */

static void ambiguous_requests_are_refused_and_the_connection_closed(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = dial(f);
        say(fd, bad[i].text);
        if (!hear(fd, NULL) ||
            strncmp(heard, "HTTP/1.1 400 ", 13) * strncmp(heard, "HTTP/1.1 501 ", 13) != 0)
            fail_msg("%s: %s", bad[i].says, heard);
        close(fd);
    }
    assert_int_equal(f->seen.over, 0); /* none came to the service */
    assert_true(f->seen.refused >= 10);
}

static void too_large_a_head_is_refused(void **state)
{
    static char head[200 * 1024];
    int fd = dial(*state);
    int n = snprintf(head, sizeof head, "GET /echo HTTP/1.1\r\nHost: x\r\nA: ");

    memset(head + n, 'a', 100 * 1024);
    send(fd, head, (size_t)n + 100 * 1024, MSG_NOSIGNAL);
    hear(fd, "431 ");
    assert_true(strncmp(heard, "HTTP/1.1 431 ", 13) == 0);
    close(fd);
}

static void a_query_has_as_many_parameters_as_the_target_has_room_for(void **state)
{
    static char request[HTTP_TARGET_MAX * 5];
    static const size_t lengths[] = { HTTP_TARGET_MAX, HTTP_TARGET_MAX + 1, HTTP_TARGET_MAX * 4 };

    for (size_t i = 0; i < 3; i++) {
        int fd = dial(*state);
        size_t n = (size_t)sprintf(request, "GET ");
        memset(request + n, '&', lengths[i]);
        memcpy(request + n, "/echo?", 6);
        sprintf(request + n + lengths[i], " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        say(fd, str_of(request));
        assert_true(hear(fd, NULL));
        assert_true(strncmp(heard, i ? "HTTP/1.1 414 " : "HTTP/1.1 200 ", 13) == 0);
        if (i == 0) {
            request[n + lengths[i]] = '\0';
            assert_non_null(strstr(heard, request)); /* and comes whole */
        }
        close(fd);
    }
}

static void a_refusal_precedes_100_continue(void **state)
{
    int fd = dial(*state);

    say(fd, STR("PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\nExpect: "
                "100-continue\r\n\r\n"));
    assert_true(hear(fd, NULL));
    assert_true(strncmp(heard, "HTTP/1.1 403 ", 13) == 0);
    close(fd);

    fd = dial(*state); /* also when it is found on a worker thread */
    say(fd, STR("PUT /opened/no HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: "
                "100-continue\r\n\r\n"));
    assert_true(hear(fd, NULL));
    assert_true(strncmp(heard, "HTTP/1.1 403 ", 13) == 0);
    close(fd);
}

static void who_may_go_on_is_told_to(void **state)
{
    int fd = dial(*state);

    say(fd, STR("PUT /opened/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: "
                "100-continue\r\n\r\n"));
    assert_true(hear(fd, "HTTP/1.1 100 "));
    say(fd, STR("hello"));
    assert_true(hear(fd, "worked 5"));
    close(fd);
}

static void a_body_nobody_wants_is_read_before_the_answer(void **state)
{
    int fd = dial(*state);

    say(fd, STR("PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"));
    say(fd, STR("llo"));
    assert_true(hear(fd, "\r\n\r\nno"));
    say(fd, STR("PUT /enough HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"));
    usleep(20000);
    say(fd, STR("1\r\nb\r\n0\r\n\r\n"));
    assert_true(hear(fd, "enough")); /* and the connection was good till then */
    assert_true(strncmp(heard, "HTTP/1.1 413 ", 13) == 0);
    close(fd);
}

static void head_has_a_length_and_no_body(void **state)
{
    int fd = dial(*state);

    say(fd, STR("HEAD /large HTTP/1.1\r\nHost: x\r\n\r\nHEAD /worked HTTP/1.1\r\nHost: "
                "x\r\nConnection: close\r\n\r\n"));
    assert_true(hear(fd, NULL));
    assert_non_null(strstr(heard, "Content-Length: 1000000\r\n"));
    assert_non_null(strstr(heard, "Content-Length: 8\r\n"));
    assert_null(strstr(heard, "worked"));
    assert_null(strstr(heard, "zz"));
    close(fd);
}

/* RFC 9110 8.6: the length of a 304 is that of the 200 it stands for. */
static void not_modified_has_the_length_of_what_was_not_sent(void **state)
{
    int fd = dial(*state);

    say(fd, STR("GET /same HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(fd, "GET /echo 0 "));
    assert_true(strncmp(heard, "HTTP/1.1 304 ", 13) == 0);
    assert_non_null(strstr(heard, "Content-Length: 12345\r\n"));
    close(fd);
}

static void large_answers_come_in_pieces(void **state)
{
    int fd = dial(*state);

    say(fd, STR("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert_true(hear(fd, NULL));
    const char *body = strstr(heard, "\r\n\r\n") + 4;
    assert_int_equal(heard + heard_len - body, 1000000);
    close(fd);

    fd = dial(*state); /* one that ends too early is broken off, so the client can tell */
    say(fd, STR("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n"));
    hear(fd, NULL);
    body = strstr(heard, "\r\n\r\n") + 4;
    assert_int_equal(heard + heard_len - body, 1000000);
    close(fd);
}

/* Seconds until the server ends a connection on which a byte is said every 100 ms. */
static double drip(int fd, const char *text)
{
    struct timespec start, end;
    char byte;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (; *text; text++) {
        usleep(100000);
        if (send(fd, text, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
            break;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

static void start_impatient(struct fixture *f, int64_t grace_ms)
{
    f->arena = arena_new(1 << 20);
    struct http_settings settings = { .address = STR("127.0.0.1:0"),
                                      .service = &service,
                                      .context = &f->seen,
                                      .idle_s = 1,
                                      .grace_ms = grace_ms,
                                      .pace = 1 << 30 };
    uint64_t port = 0;
    assert_null(http_server_start(&settings, f->arena, &f->server));
    assert_true(str_u64(str_from(http_server_address(f->server), 10), &port));
    f->port = (uint16_t)port;
}

static void stop_impatient(struct fixture *f)
{
    http_server_stop(f->server);
    arena_free(f->arena);
}

#define FIFTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void who_only_drips_is_not_waited_for(void **unused)
{
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char endless[] = "GET /echo HTTP/1.1\r\nHost: x\r\nA: " FIFTY FIFTY;
    static const char body[] = "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    struct fixture f = { 0 };
    double seconds[3];

    (void)unused;
    start_impatient(&f, 0);
    int fd = dial(&f);
    seconds[0] = drip(fd, endless);
    close(fd);
    fd = dial(&f); /* nor for the head of a second request */
    say(fd, str_of(request));
    assert_true(hear(fd, "GET /echo 0 "));
    seconds[1] = drip(fd, endless);
    close(fd);
    fd = dial(&f); /* nor for a body */
    say(fd, str_of(body));
    seconds[2] = drip(fd, FIFTY FIFTY);
    close(fd);
    fd = dial(&f); /* who is quick enough is answered */
    say(fd, str_head(str_of(request), 20));
    usleep(300000);
    say(fd, str_from(str_of(request), 20));
    assert_true(hear(fd, "GET /echo 0 "));
    close(fd);
    stop_impatient(&f);
    for (size_t i = 0; i < 3; i++)
        assert_true(seconds[i] > 0.9 && seconds[i] < 5);
}

static void who_reads_too_slowly_is_left(void **unused)
{
    struct fixture f = { 0 };

    (void)unused;
    start_impatient(&f, 0);
    int fd = dial(&f);
    say(fd, STR("GET /huge HTTP/1.1\r\nHost: x\r\n\r\n"));
    /* As much at a time as lets the server go on sending: there is no silence. */
    for (int i = 0; i < 50 && f.seen.over == 0; i++) {
        assert_true(recv(fd, heard, sizeof heard, 0) > 0);
        usleep(100000);
    }
    assert_int_equal(f.seen.over, 1);
    close(fd);
    stop_impatient(&f);
}

static void slow_work_holds_up_nobody_else(void **state)
{
    struct fixture *f = *state;
    int slow = dial(f), quick = dial(f);

    say(slow, STR("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (f->seen.worked == 0)
        usleep(1000);
    say(quick, STR("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(quick, "worked 0"));
    f->seen.go = true;
    assert_true(hear(slow, "worked 0"));
    close(slow);
    close(quick);
}

/* Ten times as many as there are workers. */
static void what_is_done_later_keeps_no_worker(void **state)
{
    struct fixture *f = *state;
    int waiting[20], quick = dial(f);

    for (int i = 0; i < 20; i++) {
        waiting[i] = dial(f);
        say(waiting[i], STR("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    while (f->seen.worked < 60) /* each of them more than once */
        usleep(1000);
    say(quick, STR("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(quick, "worked 0"));
    f->seen.go = true;
    for (int i = 0; i < 20; i++) {
        assert_true(hear(waiting[i], "worked 0"));
        close(waiting[i]);
    }
    close(quick);
}

static void a_stop_ends_what_would_be_done_later(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char octet;

    say(fd, STR("GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (f->seen.worked == 0)
        usleep(1000);
    http_server_stop(f->server);
    f->server = NULL;
    assert_int_equal(read(fd, &octet, 1), 0);
    assert_int_equal(f->seen.over, 1);
    close(fd);
}

static void a_client_that_leaves_is_noticed(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    say(fd, STR("PUT /worked HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"));
    usleep(20000);
    close(fd);
    for (int i = 0; i < 2000 && f->seen.over == 0; i++)
        usleep(1000);
    assert_int_equal(f->seen.over, 1);
    assert_int_equal(f->seen.worked, 0);
}

static void a_stop_waits_for_answers_under_way(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    say(fd, STR("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (f->seen.worked == 0)
        usleep(1000);
    pthread_t stopping;
    pthread_create(&stopping, NULL, (void *(*)(void *))(void (*)(void))http_server_stop, f->server);
    usleep(50000);
    f->seen.go = true;
    assert_true(hear(fd, "worked 0"));
    pthread_join(stopping, NULL);
    f->server = NULL;
    close(fd);
}

static void *hold(void *server)
{
    http_server_hold(server, 10000);
    return NULL;
}

static void what_is_held_is_served_by_a_successor(void **state)
{
    struct fixture *f = *state;
    struct http_server *successor;
    int slow = dial(f), kept = dial(f), idle = dial(f);
    pthread_t holding;

    say(kept, STR("POST /kept HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhe"));
    say(slow, STR("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
    say(idle, STR("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(idle, "GET /echo 0"));
    while (f->seen.worked < 2)
        usleep(1000);
    pthread_create(&holding, NULL, hold, f->server);
    usleep(50000);
    int late = dial(f);
    say(late, STR("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    say(idle, STR("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(idle, "503"));
    f->seen.go = true; /* only now is it held, and nothing is under way but what is kept */
    assert_true(hear(slow, "worked 0"));
    pthread_join(holding, NULL);

    int fds[4], listening = dup(http_server_listening(f->server));
    assert_int_equal(http_server_kept(f->server, fds, 4), 1);
    int answers = dup(fds[0]);
    struct http_settings settings = { .address = STR("127.0.0.1:0"),
                                      .service = &service,
                                      .context = &f->seen,
                                      .listening = listening };
    assert_null(http_server_start(&settings, f->arena, &successor));
    assert_true(str_eq(http_server_address(successor), http_server_address(f->server)));
    assert_true(hear(late, "GET /echo 0"));
    http_answer_kept(answers, STR("text/plain"), STR("all of it"));
    assert_true(hear(kept, "all of it"));
    http_server_stop(successor);
    close(slow);
    close(kept);
    close(idle);
    close(late);
}

static void what_was_kept_ends_with_a_stop(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char octet;

    say(fd, STR("GET /kept HTTP/1.1\r\nHost: x\r\n\r\n"));
    while (f->seen.worked == 0)
        usleep(1000);
    http_server_hold(f->server, 10000);
    http_server_stop(f->server);
    f->server = NULL;
    assert_int_equal(read(fd, &octet, 1), 0);
    assert_int_equal(f->seen.over, 1);
    close(fd);
}

/* libmicrohttpd says yes to an answer that it forgets while it is being stopped, and then hands over the
 * body: of requests that nobody began. Two dawdlers make the moment: the others' heads wait behind the
 * second of them while the daemon is told to stop. */
static void a_stop_forgets_answers_and_nobody_reads_their_bodies(void **unused)
{
    static const char put[] = "PUT /dawdle HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";
    static const char whole[] = "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhe";
    struct fixture f = { 0 };
    pthread_t stopping;
    int dawdlers[2], others[4];

    (void)unused;
    start_impatient(&f, 220);
    for (int i = 0; i < 2; i++)
        say(dawdlers[i] = dial(&f), (str) { put, sizeof put - 1 });
    for (int i = 0; i < 4; i++)
        others[i] = dial(&f);
    usleep(50000); /* all are known, and the dawdlers begun */
    say(dawdlers[0], STR("d"));
    while (f.seen.chunks == 0)
        usleep(1000);
    say(others[0], (str) { whole, sizeof whole - 1 });
    say(others[1], (str) { whole, sizeof whole - 1 });
    say(dawdlers[1], STR("d"));
    say(others[2], (str) { whole, sizeof whole - 1 });
    say(others[3], (str) { whole, sizeof whole - 1 });
    pthread_create(&stopping, NULL, (void *(*)(void *))(void (*)(void))http_server_stop, f.server);
    pthread_join(stopping, NULL);
    /* On a busy machine the moment is missed, and some of the others were begun as they should. */
    assert_true(f.seen.over >= 2 && f.seen.chunks <= f.seen.over);
    for (int i = 0; i < 4; i++)
        close(others[i]);
    for (int i = 0; i < 2; i++)
        close(dawdlers[i]);
    arena_free(f.arena);
}

static void bad_addresses_are_told_in_a_sentence(void **unused)
{
    static const char *const addresses[] = {
        "", "4566", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", ":0"
    };
    AUTO_ARENA *arena = arena_new(1 << 20);

    (void)unused;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct http_server *server = NULL;
        struct http_settings settings = { .address = str_of(addresses[i]), .service = &service };
        assert_non_null(http_server_start(&settings, arena, &server));
        assert_null(server);
    }
}

static void ipv6_is_served_as_well(void **unused)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct seen seen = { 0 };
    struct http_server *server = NULL;
    struct http_settings settings = { .address = STR("[::1]:0"),
                                      .service = &service,
                                      .context = &seen };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 probe = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };

    (void)unused;
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&probe, sizeof probe) == 0;
    close(fd);
    if (!there) { /* a machine without IPv6: said, and nothing is left running */
        const struct fault *why = http_server_start(&settings, arena, &server);
        assert_true(why && why->says.len > 0);
        return;
    }
    assert_null(http_server_start(&settings, arena, &server));
    assert_true(str_starts(http_server_address(server), STR("[::1]:")));
    http_server_stop(server);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_carries_one_request_after_the_other),
        TEST(requests_come_byte_by_byte),
        TEST(nothing_is_read_behind_a_chunked_body),
        TEST(ambiguous_requests_are_refused_and_the_connection_closed),
        TEST(too_large_a_head_is_refused),
        TEST(a_query_has_as_many_parameters_as_the_target_has_room_for),
        TEST(a_refusal_precedes_100_continue),
        TEST(who_may_go_on_is_told_to),
        TEST(a_body_nobody_wants_is_read_before_the_answer),
        TEST(head_has_a_length_and_no_body),
        TEST(not_modified_has_the_length_of_what_was_not_sent),
        TEST(large_answers_come_in_pieces),
        TEST(slow_work_holds_up_nobody_else),
        TEST(what_is_done_later_keeps_no_worker),
        TEST(a_stop_ends_what_would_be_done_later),
        TEST(a_client_that_leaves_is_noticed),
        TEST(a_stop_waits_for_answers_under_way),
        TEST(what_is_held_is_served_by_a_successor),
        TEST(what_was_kept_ends_with_a_stop),
        cmocka_unit_test(a_stop_forgets_answers_and_nobody_reads_their_bodies),
        cmocka_unit_test(who_only_drips_is_not_waited_for),
        cmocka_unit_test(who_reads_too_slowly_is_left),
        cmocka_unit_test(bad_addresses_are_told_in_a_sentence),
        cmocka_unit_test(ipv6_is_served_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

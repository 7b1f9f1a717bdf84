/* smtp/server_test.c - the whole server over loopback: real sockets, real threads, a spool in
 * memory. */
#include "base/metrics.h"
#include "smtp/server.h"
#include "smtp/spool_double.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"
#include "wire/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a gatekeeper who takes all but nobody@ ---- */

struct smtp_pass {
    int unused;
};

static const struct fault *gate_mail(struct smtp_gatekeeper *g, const struct peer *peer,
                                     const struct reverse_path *path, struct arena *arena,
                                     struct smtp_pass **ret_pass)
{
    (void)g, (void)path;
    assert_true(str_eq(peer->address, STR("127.0.0.1")));
    *ret_pass = ARENA_NEW(arena, struct smtp_pass);
    return NULL;
}

static enum smtp_answer gate_rcpt(struct smtp_pass *pass, const struct envelope *e,
                                  const struct forward_path *path)
{
    (void)pass, (void)e;
    return str_eq(path->mailbox.local_part, STR("nobody")) ? SMTP_NO_MAILBOX : SMTP_TAKE;
}

static const struct fault *gate_entries(struct smtp_pass *pass, const struct envelope *e,
                                        struct arena *arena, struct spool_entry **ret_entries,
                                        size_t *ret_count)
{
    static _Atomic int ids;
    (void)pass;
    assert_true(e->received_ms > 0);
    *ret_entries = ARENA_ARRAY(arena, struct spool_entry, 2);
    (*ret_entries)[0] =
        (struct spool_entry) { .id = arena_strf(arena, "id%d", ++ids), .kind = SPOOL_MAIL };
    (*ret_entries)[1] = (struct spool_entry) { .id = STR("second"), .kind = SPOOL_MAIL };
    *ret_count = 2;
    return NULL;
}

/* ---- the server under test ---- */

struct house {
    struct memory_spool spool;
    struct smtp_gatekeeper gatekeeper;
    struct captured_journal *journal;
    struct metrics *metrics;
    struct outside outside;
    struct arena *arena;
    struct smtp_listener listener;
    struct smtp_server_settings settings;
    struct smtp_server *server;
};

static void house_build(struct house *h)
{
    *h = (struct house) { .journal = captured_journal_new(),
                          .metrics = metrics_new(1000),
                          .arena = arena_new(1 << 20) };
    h->gatekeeper = (struct smtp_gatekeeper) { gate_mail, gate_rcpt, gate_entries };
    memory_spool_open(&h->spool);
    h->outside = (struct outside) { .clock = clock_real(),
                                    .entropy = entropy_real(),
                                    .journal = captured_journal(h->journal) };
    h->listener = (struct smtp_listener) {
        .region = STR("us-east-1"),
        .address = STR("127.0.0.1:0"),
        .gatekeeper = &h->gatekeeper,
        .settings = { .limits = { .line_max = 2048,
                                  .rcpt_max = 100,
                                  .message_max = 41943040,
                                  .errors_max = 20,
                                  .commands_max = 100000 },
                      .hostname = STR("mx.test"),
                      .offer_tls = true },
    };
    h->settings = (struct smtp_server_settings) {
        .listeners = &h->listener,
        .listener_count = 1,
        .loops = 2,
        .connections_max = 100,
        .command_timeout_ms = 10000,
        .message_timeout_ms = 20000,
        .spool = &h->spool.spool,
        .outside = &h->outside,
        .metrics = h->metrics,
    };
}

static void house_open(struct house *h)
{
    const struct fault *f = smtp_server_start(&h->settings, h->arena, &h->server);
    if (f)
        fail_msg(STR_FMT, STR_ARG(f->says));
}

static void house_close(struct house *h)
{
    if (h->server)
        smtp_server_stop(h->server);
    memory_spool_close(&h->spool);
    assert_int_equal(h->spool.drafts,
                     h->spool.committed + h->spool.abandoned); /* none is forgotten */
    captured_journal_free(h->journal);
    metrics_free(h->metrics);
    arena_free(h->arena);
}

/* ---- a client that waits ---- */

struct client {
    int fd;
    SSL *ssl;
    SSL_CTX *context;
    struct buf heard;
};

static struct client dial(const struct house *h)
{
    str address = smtp_server_address(h->server, 0), port;
    assert_true(str_cut(address, ':', &address, &port));
    uint64_t number;
    assert_true(str_u64(port, &number));
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)number),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct client c = { .fd = socket(AF_INET, SOCK_STREAM, 0), .heard = buf_new(16 << 20) };
    assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof to), 0);
    return c;
}

static void hang(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
    buf_free(&c->heard);
}

static void tell(struct client *c, str text)
{
    while (text.len) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, text.ptr, (int)(text.len < 65536 ? text.len : 65536))
                           : send(c->fd, text.ptr, text.len, MSG_NOSIGNAL);
        assert_true(n > 0);
        text = str_from(text, (size_t)n);
    }
}
#define TELL(c, text) tell((c), STR(text))

/* Reads once; false at the end. */
static bool hear_some(struct client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    char *to = buf_reserve(&c->heard, 65536);
    assert_non_null(to);
    if (!c->ssl || !SSL_pending(c->ssl))
        assert_int_equal(poll(&p, 1, 10000), 1);
    ssize_t n = c->ssl ? SSL_read(c->ssl, to, 65536) : recv(c->fd, to, 65536, 0);
    if (n > 0)
        c->heard.len += (size_t)n;
    return n > 0;
}

/* Everything said until exactly this much was said. */
static void hears(struct client *c, const char *want)
{
    str wanted = str_of(want);
    while (c->heard.len < wanted.len && hear_some(c))
        ;
    if (!str_eq(buf_str(&c->heard), wanted))
        fail_msg("heard\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&c->heard)), want);
    buf_clear(&c->heard);
}

static void hears_end(struct client *c, const char *last)
{
    while (hear_some(c))
        ;
    if (!str_ends(buf_str(&c->heard), str_of(last)))
        fail_msg("heard\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&c->heard)), last);
    buf_clear(&c->heard);
}

static void hears_line(struct client *c,
                       const char *begin) /* the last line heard so far begins so */
{
    while (!str_ends(buf_str(&c->heard), STR("\r\n")) && hear_some(c))
        ;
    if (!str_starts(buf_str(&c->heard), str_of(begin)))
        fail_msg("heard\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&c->heard)), begin);
    buf_clear(&c->heard);
}

static void hears_end_of(struct client *c, const char *last) /* says this last, for now */
{
    while (!str_ends(buf_str(&c->heard), str_of(last)))
        assert_true(hear_some(c));
    buf_clear(&c->heard);
}

static struct client greeted(const struct house *h)
{
    struct client c = dial(h);
    hears_line(&c, "220 mx.test ESMTP Sesame ");
    return c;
}

#define ENVELOPE    "HELO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@d.test>\r\n"
#define ENVELOPE_OK "250 mx.test\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
#define GO_ON       "354 End data with <CR><LF>.<CR><LF>\r\n"

static bool metric_is(struct house *h, const char *line)
{
    AUTO_BUF text = buf_new(1 << 20);
    metrics_text(h->metrics, &text);
    str all = buf_str(&text);
    return str_find_str(all, str_of(line)) < all.len;
}

/* ---- tests ---- */

static void a_pipelined_message_is_taken_and_quit_waits_for_it(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.spool.slow_us = 30000;
    house_open(&h);
    struct client c = greeted(&h);
    TELL(&c, ENVELOPE "RCPT TO:<nobody@d.test>\r\nDATA\r\n");
    hears(&c, ENVELOPE_OK "550 5.1.1 Requested action not taken: mailbox unavailable\r\n" GO_ON);
    TELL(&c, "Subject: x\r\n\r\n..dot\r\n\xff\r\n.\r\nQUIT\r\n");
    hears_end(&c, "\r\n221 2.0.0 mx.test closing connection\r\n");
    assert_int_equal(h.spool.committed, 1);
    assert_true(str_eq(buf_str(&h.spool.last), STR("Subject: x\r\n\r\n.dot\r\n\xff\r\n")));
    hang(&c);
    assert_int_equal(captured_journal_count(h.journal, "message-accepted"), 1);
    assert_int_equal(captured_journal_count(h.journal, "\"second\""), 1);
    assert_int_equal(captured_journal_count(h.journal, "\"size\":23"), 1);
    assert_int_equal(captured_journal_count(h.journal, "recipient-refused"), 1);
    assert_true(metric_is(&h, "sesame_smtp_messages_accepted_total 1\n"));
    assert_true(metric_is(&h, "sesame_smtp_refusals_total{reason=\"no_mailbox\"} 1\n"));
    house_close(&h);
}

static void a_large_body_comes_through_a_full_spool_whole(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.spool.full_every = 300000;
    house_open(&h);
    AUTO_BUF body = buf_new(64 << 20);
    AUTO_BUF sent = buf_new(64 << 20);
    for (int i = 0; body.len < 6 << 20; i++) {
        char line[128];
        int n = snprintf(line, sizeof line,
                         "%s line %d of a large body, and some more words to fill it up\r\n",
                         i % 50 ? "a" : ".", i);
        buf_add(&body, (str) { line, (size_t)n });
        if (line[0] == '.')
            buf_addc(&sent, '.');
        buf_add(&sent, (str) { line, (size_t)n });
    }
    buf_add(&sent, STR(".\r\n"));
    struct client c = greeted(&h);
    TELL(&c, ENVELOPE "DATA\r\n");
    hears(&c, ENVELOPE_OK GO_ON);
    tell(&c, buf_str(&sent));
    hears_line(&c, "250 2.0.0 OK id");
    assert_true(h.spool.waits > 5);
    assert_true(str_eq(buf_str(&h.spool.last), buf_str(&body)));
    /* The same in one chunk. */
    char command[128];
    snprintf(command, sizeof command, "MAIL FROM:<>\r\nRCPT TO:<u@d.test>\r\nBDAT %zu LAST\r\n",
             body.len);
    tell(&c, str_of(command));
    tell(&c, buf_str(&body));
    TELL(&c, "NOOP\r\n");
    hears(&c, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
    hears_line(&c, "250 2.0.0 OK id");
    assert_true(str_eq(buf_str(&h.spool.last), buf_str(&body)));
    hang(&c);
    house_close(&h);
}

static void a_commit_that_fails_is_said(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.spool.fails = true;
    h.spool.commit_fault = FAULT_LIMIT;
    house_open(&h);
    struct client c = greeted(&h);
    TELL(&c, ENVELOPE "BDAT 3 LAST\r\na\r\n");
    hears(&c, ENVELOPE_OK "452 4.3.1 Insufficient system storage\r\n");
    h.spool.commit_fault = FAULT_UNAVAILABLE;
    TELL(&c, "MAIL FROM:<a@b.test>\r\nRCPT TO:<u@d.test>\r\nBDAT 0 LAST\r\n");
    hears(&c, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n451 4.3.0 Requested action aborted: local error in "
              "processing\r\n");
    hang(&c);
    assert_int_equal(captured_journal_count(h.journal, "the disk says no"), 2);
    house_close(&h);
}

static void start_tls(struct client *c)
{
    c->context = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->context);
    SSL_set_fd(c->ssl, c->fd);
    assert_int_equal(SSL_connect(c->ssl), 1);
}

static void starttls_forgets_what_was_injected_before_it(void **state)
{
    (void)state;
    struct house h;
    AUTO_TEMP_DIR dir = temp_dir_make();
    house_build(&h);
    char path[512];
    struct tls_settings tls = { .hostname = STR("mx.test"),
                                .directory = str_of(temp_dir_path(&dir, "tls", path)) };
    const struct fault *f = tls_server_open(&tls, h.arena, &h.settings.tls);
    assert_null(f);
    house_open(&h);
    struct client c = greeted(&h);
    TELL(&c, "HELO c.test\r\nSTARTTLS\r\nHELO evil.test\r\nMAIL FROM:<evil@x.test>\r\n");
    hears(&c, "250 mx.test\r\n220 2.0.0 Ready to start TLS\r\n");
    start_tls(&c);
    TELL(&c, "RCPT TO:<u@d.test>\r\nMAIL FROM:<a@b.test>\r\n");
    hears(&c, "503 5.5.1 Send EHLO or HELO first\r\n503 5.5.1 Send EHLO or HELO first\r\n");
    TELL(&c, ENVELOPE "DATA\r\n");
    hears(&c, ENVELOPE_OK GO_ON);
    AUTO_BUF body = buf_new(8 << 20);
    while (body.len < 1 << 20)
        buf_add(&body, STR("a line that is neither long nor short, under TLS\r\n"));
    tell(&c, buf_str(&body));
    TELL(&c, ".\r\nNOOP\r\nQUIT\r\n");
    hears_end(&c, "\r\n250 2.0.0 Ok\r\n221 2.0.0 mx.test closing connection\r\n");
    assert_true(str_eq(buf_str(&h.spool.last), buf_str(&body)));
    hang(&c);
    assert_int_equal(captured_journal_count(h.journal, "\"tls\":\"TLSv1.3\""), 1);
    /* Octets in the clear that arrive after 220 are no handshake. */
    c = greeted(&h);
    TELL(&c, "STARTTLS\r\n");
    hears(&c, "220 2.0.0 Ready to start TLS\r\n");
    TELL(&c, "HELO evil.test\r\nMAIL FROM:<evil@x.test>\r\n");
    while (hear_some(&c))
        ;
    assert_true(c.heard.len < 10); /* at most an alert */
    hang(&c);
    struct tls_server *own = h.settings.tls;
    house_close(&h);
    tls_server_free(own);
}

static void silence_and_dripping_meet_their_time(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.settings.command_timeout_ms = 200;
    h.settings.message_timeout_ms = 400;
    house_open(&h);
    struct client silent = greeted(&h), dripping = greeted(&h), data = greeted(&h);
    TELL(&data, ENVELOPE "DATA\r\n");
    hears(&data, ENVELOPE_OK GO_ON);
    for (int i = 0; i < 6; i++) { /* no pause is as long as the time-out */
        usleep(80000);
        send(dripping.fd, "x", 1, MSG_NOSIGNAL);
        send(data.fd, "y\r\n", 3, MSG_NOSIGNAL);
    }
    hears_end(&silent, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hears_end(&dripping, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hears_end(&data, "421 4.4.2 mx.test Timeout, closing connection\r\n");
    hang(&silent), hang(&dripping), hang(&data);
    smtp_server_stop(h.server);
    h.server = NULL;
    assert_true(metric_is(&h, "sesame_smtp_sessions_total{outcome=\"timeout\"} 3\n"));
    assert_int_equal(h.spool.abandoned, 1);
    house_close(&h);
}

static void too_many_are_told_so(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.settings.connections_max = 3;
    h.settings.connections_per_address = 2;
    house_open(&h);
    struct client a = greeted(&h), b = greeted(&h), c = dial(&h);
    hears_end(&c, "421 4.7.0 mx.test Too many connections from [127.0.0.1]\r\n");
    hang(&c);
    TELL(&a, "QUIT\r\n");
    hears_end(&a, "221 2.0.0 mx.test closing connection\r\n");
    hang(&a);
    a = greeted(&h);
    hang(&a), hang(&b);
    assert_int_equal(captured_journal_count(h.journal, "connection-refused"), 1);
    house_close(&h);

    house_build(&h);
    h.settings.connections_max = 1;
    house_open(&h);
    a = greeted(&h), b = dial(&h);
    hears_end(&b, "421 4.7.0 mx.test Too many connections, try again later\r\n");
    hang(&a), hang(&b);
    house_close(&h);
}

struct flood {
    struct client *client;
    int count;
};

static void *send_flood(void *context)
{
    struct flood *f = context;
    for (int i = 0; i < f->count; i++)
        TELL(f->client, "NOOP\r\n");
    return NULL;
}

/* The client sends 60000 commands before it reads one reply; the server holds neither in memory. */
static void a_flood_of_commands_is_answered_as_it_is_read(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    house_open(&h);
    struct client c = greeted(&h);
    struct flood flood = { &c, 60000 };
    pthread_t thread;
    pthread_create(&thread, NULL, send_flood, &flood);
    usleep(100000);
    size_t want = 60000 * strlen("250 2.0.0 Ok\r\n");
    while (c.heard.len < want && hear_some(&c))
        ;
    pthread_join(thread, NULL);
    assert_int_equal(c.heard.len, want);
    hang(&c);
    house_close(&h);
}

static void an_error_too_many_is_heard_though_more_was_sent(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    house_open(&h);
    struct client c = greeted(&h);
    for (int i = 0; i < 2000; i++)
        TELL(&c, "NONSENSE and more of it\r\n");
    hears_end(&c, "421 4.7.0 mx.test Too many errors\r\n");
    hang(&c);
    house_close(&h);
}

struct sender {
    struct house *house;
    int messages;
};

static void *send_many(void *context)
{
    struct sender *s = context;
    struct client c = greeted(s->house);
    TELL(&c, "HELO c.test\r\n");
    hears(&c, "250 mx.test\r\n");
    for (int i = 0; i < s->messages; i++) {
        TELL(&c, "MAIL FROM:<a@b.test>\r\nRCPT TO:<u@d.test>\r\nDATA\r\n");
        hears(&c, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" GO_ON);
        TELL(&c, "Subject: x\r\n\r\nhello\r\n.\r\n");
        hears_line(&c, "250 2.0.0 OK id");
    }
    hang(&c);
    return NULL;
}

static void many_senders_are_served_at_once(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    house_open(&h);
    pthread_t threads[8];
    struct sender sender = { &h, 40 };
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, send_many, &sender);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(h.spool.committed, 320);
    assert_int_equal(captured_journal_count(h.journal, "message-accepted"), 320);
    house_close(&h);
}

static void *drain(void *context)
{
    struct house *h = context;
    smtp_server_drain(h->server, h->outside.clock->steady_ms(h->outside.clock) + 600);
    return NULL;
}

static void a_drain_lets_transactions_end_and_no_others_begin(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    house_open(&h);
    struct client idle = greeted(&h), busy = greeted(&h), slow = greeted(&h);
    TELL(&busy, ENVELOPE "DATA\r\n");
    hears(&busy, ENVELOPE_OK GO_ON);
    TELL(&slow, ENVELOPE "DATA\r\n");
    hears(&slow, ENVELOPE_OK GO_ON);
    pthread_t thread;
    pthread_create(&thread, NULL, drain, &h);
    hears_end(&idle, "421 4.3.2 mx.test Service closing down, try again later\r\n");
    hang(&idle);
    TELL(&busy, "x\r\n.\r\nMAIL FROM:<a@b.test>\r\n");
    hears_end(&busy, "\r\n421 4.3.2 mx.test Service closing down, try again later\r\n");
    hang(&busy);
    assert_int_equal(h.spool.committed, 1);
    hears_end(&slow,
              "421 4.3.2 mx.test Service closing down, try again later\r\n"); /* at the deadline */
    hang(&slow);
    pthread_join(thread, NULL);
    smtp_server_stop(h.server);
    h.server = NULL;
    assert_true(metric_is(&h, "sesame_smtp_sessions_total{outcome=\"drained\"} 3\n"));
    house_close(&h);
}

static void a_stop_waits_for_a_commit_under_way(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    h.spool.slow_us = 100000;
    house_open(&h);
    struct client c = greeted(&h), gone = greeted(&h);
    TELL(&gone, ENVELOPE "DATA\r\nhalf a mess");
    hears(&gone, ENVELOPE_OK GO_ON);
    hang(&gone);
    TELL(&c, ENVELOPE "BDAT 3 LAST\r\na\r\n");
    hears(&c, ENVELOPE_OK);
    smtp_server_stop(h.server);
    h.server = NULL;
    hears_end(&c, "421 4.3.2 mx.test Service closing down, try again later\r\n");
    hang(&c);
    assert_int_equal(h.spool.committed, 1);
    assert_int_equal(h.spool.abandoned, 1);
    house_close(&h);
}

/* libraries.md's budget: what ten thousand idle strangers cost. */
static void an_idle_session_holds_less_than_4_kb(void **state)
{
    (void)state;
    enum { IDLE = 150 };
    struct house h;
    house_build(&h);
    h.settings.connections_max = IDLE;
    house_open(&h);
    struct client *c = calloc(IDLE, sizeof *c);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < IDLE; i++) {
        c[i] = greeted(&h);
        TELL(&c[i], ENVELOPE "BDAT 3 LAST\r\na\r\n");
        hears_line(&c[i], "250 mx.test");
        TELL(&c[i], "RSET\r\n");
        hears_end_of(&c[i], "250 2.0.0 Ok\r\n");
        buf_free(&c[i].heard);
        buf_free(&h.spool.last);
    }
    size_t each = (mallinfo2().uordblks - before) / IDLE;
    print_message("# %zu octets\n", each);
    assert_in_range(each, 0, 4096); /* under ASan it counts nothing */
    for (int i = 0; i < IDLE; i++)
        hang(&c[i]);
    free(c);
    house_close(&h);
}

static void an_address_in_use_or_wrong_is_a_fault(void **state)
{
    (void)state;
    struct house h;
    house_build(&h);
    static const char *const wrong[] = { "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536",
                                         "::1:25",    ":25",         "192.0.2.1:0" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        h.listener.address = str_of(wrong[i]);
        assert_non_null(smtp_server_start(&h.settings, h.arena, &h.server));
    }
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipelined_message_is_taken_and_quit_waits_for_it),
        cmocka_unit_test(a_large_body_comes_through_a_full_spool_whole),
        cmocka_unit_test(a_commit_that_fails_is_said),
        cmocka_unit_test(starttls_forgets_what_was_injected_before_it),
        cmocka_unit_test(silence_and_dripping_meet_their_time),
        cmocka_unit_test(too_many_are_told_so),
        cmocka_unit_test(a_flood_of_commands_is_answered_as_it_is_read),
        cmocka_unit_test(an_error_too_many_is_heard_though_more_was_sent),
        cmocka_unit_test(many_senders_are_served_at_once),
        cmocka_unit_test(a_drain_lets_transactions_end_and_no_others_begin),
        cmocka_unit_test(a_stop_waits_for_a_commit_under_way),
        cmocka_unit_test(an_idle_session_holds_less_than_4_kb),
        cmocka_unit_test(an_address_in_use_or_wrong_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* smtp/server_test.c - the whole server over loopback: real sockets, real threads, a spool in
 * memory. */
#include "smtp/server_suite.h"
#include "testing/temp_dir.h"
#include "wire/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void house_open_with_tls(struct house *h, const struct temp_dir *dir)
{
    char path[512];
    struct tls_settings tls = { .hostname = STR("mx.test"),
                                .directory = str_of(temp_dir_path(dir, "tls", path)) };
    assert_null(tls_server_open(&tls, h->arena, &h->settings.tls));
    house_open(h);
}

static void house_close_with_tls(struct house *h)
{
    struct tls_server *own = h->settings.tls;
    house_close(h);
    tls_server_free(own);
}

static void start_tls(struct client *c)
{
    c->context = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->context);
    SSL_set_fd(c->ssl, c->fd);
    assert_int_equal(SSL_connect(c->ssl), 1);
}

static struct client greeted_under_tls(const struct house *h)
{
    struct client c = greeted(h);
    TELL(&c, "STARTTLS\r\n");
    hears(&c, "220 2.0.0 Ready to start TLS\r\n");
    start_tls(&c);
    return c;
}

static void starttls_forgets_what_was_injected_before_it(void **state)
{
    (void)state;
    struct house h;
    AUTO_TEMP_DIR dir = temp_dir_make();
    house_build(&h);
    house_open_with_tls(&h, &dir);
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
    house_close_with_tls(&h);
}

/* It closes its TLS in the segment of QUIT: octets that we leave unread, so that our close resets. */
static void who_leaves_tls_at_once_hears_the_last_reply(void **state)
{
    (void)state;
    struct house h;
    AUTO_TEMP_DIR dir = temp_dir_make();
    house_build(&h);
    house_open_with_tls(&h, &dir);
    struct client c = greeted_under_tls(&h);
    TELL(&c, "HELO c.test\r\n");
    hears(&c, "250 mx.test\r\n");
    const int held = 1, free_again = 0;
    setsockopt(c.fd, IPPROTO_TCP, TCP_CORK, &held, sizeof held);
    TELL(&c, "QUIT\r\n");
    assert_int_equal(SSL_shutdown(c.ssl), 0);
    setsockopt(c.fd, IPPROTO_TCP, TCP_CORK, &free_again, sizeof free_again);
    hears(&c, "221 2.0.0 mx.test closing connection\r\n");
    hang(&c);
    house_close_with_tls(&h);
}

/* One record, and so one write and one segment. */
static void what_came_with_the_end_of_a_message_is_answered_with_it(void **state)
{
    (void)state;
    struct house h;
    AUTO_TEMP_DIR dir = temp_dir_make();
    house_build(&h);
    house_open_with_tls(&h, &dir);
    struct client c = greeted_under_tls(&h);
    TELL(&c, ENVELOPE "DATA\r\n");
    hears(&c, ENVELOPE_OK GO_ON);
    TELL(&c, "x\r\n.\r\nNOOP\r\nQUIT\r\n");
    assert_true(hear_some(&c));
    assert_true(str_starts(buf_str(&c.heard), STR("250 2.0.0 OK ")));
    assert_true(
        str_ends(buf_str(&c.heard), STR("\r\n250 2.0.0 Ok\r\n221 2.0.0 mx.test closing connection\r\n")));
    assert_int_equal(h.spool.committed, 1);
    hang(&c);
    house_close_with_tls(&h);
}

/* What TLS made of these octets since the last call: the caller sends it as he likes. */
static str sealed(struct client *c, BIO *to, str text)
{
    char *bytes;
    (void)BIO_reset(to);
    assert_int_equal(SSL_write(c->ssl, text.ptr, (int)text.len), (int)text.len);
    const long len = BIO_get_mem_data(to, &bytes);
    return (str) { bytes, (size_t)len };
}

/* Each line is a record; all come in one segment, but for half of the last. */
static void records_that_come_together_are_all_heard_and_half_a_one_is_waited_for(void **state)
{
    (void)state;
    struct house h;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_BUF all = buf_new(1 << 20);
    house_build(&h);
    house_open_with_tls(&h, &dir);
    struct client c = greeted_under_tls(&h);
    BIO *to = BIO_new(BIO_s_mem());
    SSL_set0_wbio(c.ssl, to);
    buf_add(&all, sealed(&c, to, STR("HELO c.test\r\n")));
    for (int i = 0; i < 200; i++)
        buf_add(&all, sealed(&c, to, STR("NOOP\r\n")));
    const str last = sealed(&c, to, STR("RSET\r\n"));
    buf_add(&all, str_head(last, 7));
    assert_int_equal(send(c.fd, all.ptr, all.len, 0), (ssize_t)all.len);
    hears(&c, "250 mx.test\r\n");
    for (int i = 0; i < 200; i++)
        hears(&c, "250 2.0.0 Ok\r\n");
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(200000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
                100);
    assert_int_equal(send(c.fd, last.ptr + 7, last.len - 7, 0), (ssize_t)last.len - 7);
    hears(&c, "250 2.0.0 Ok\r\n");
    hang(&c);
    house_close_with_tls(&h);
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
        cmocka_unit_test(who_leaves_tls_at_once_hears_the_last_reply),
        cmocka_unit_test(what_came_with_the_end_of_a_message_is_answered_with_it),
        cmocka_unit_test(records_that_come_together_are_all_heard_and_half_a_one_is_waited_for),
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

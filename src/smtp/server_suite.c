/* smtp/server_suite.c - real sockets, real threads, a spool in memory. */
#include "smtp/server_suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a gatekeeper who takes all but nobody@, and thinks about slow@ ---- */

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

static struct smtp_verdict gate_rcpt(struct smtp_pass *pass, const struct envelope *e,
                                     const struct forward_path *path)
{
    (void)pass, (void)e;
    if (str_eq(path->mailbox.local_part, STR("slow")))
        usleep(HOUSE_SLOW_MS * 1000);
    if (!str_eq(path->mailbox.local_part, STR("nobody")))
        return (struct smtp_verdict) { SMTP_TAKE };
    return (struct smtp_verdict) { .answer = SMTP_NO_MAILBOX,
                                   .reason = STR("no_rule"),
                                   .accounts = STR("111122223333"),
                                   .why = STR("no rule matches") };
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

void house_build(struct house *h)
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

void house_open(struct house *h)
{
    const struct fault *f = smtp_server_start(&h->settings, h->arena, &h->server);
    if (f)
        fail_msg(STR_FMT, STR_ARG(f->says));
}

void house_close(struct house *h)
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

struct client dial(const struct house *h)
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

void hang(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
    buf_free(&c->heard);
}

void tell(struct client *c, str text)
{
    while (text.len) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, text.ptr, (int)(text.len < 65536 ? text.len : 65536))
                           : send(c->fd, text.ptr, text.len, MSG_NOSIGNAL);
        assert_true(n > 0);
        text = str_from(text, (size_t)n);
    }
}

bool hear_some(struct client *c)
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

void hears(struct client *c, const char *want)
{
    str wanted = str_of(want);
    while (c->heard.len < wanted.len && hear_some(c))
        ;
    if (!str_eq(buf_str(&c->heard), wanted))
        fail_msg("heard\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&c->heard)), want);
    buf_clear(&c->heard);
}

void hears_end(struct client *c, const char *last)
{
    while (hear_some(c))
        ;
    if (!str_ends(buf_str(&c->heard), str_of(last)))
        fail_msg("heard\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&c->heard)), last);
    buf_clear(&c->heard);
}

void hears_line(struct client *c, const char *begin)
{
    while (!str_ends(buf_str(&c->heard), STR("\r\n")) && hear_some(c))
        ;
    if (!str_starts(buf_str(&c->heard), str_of(begin)))
        fail_msg("heard\n" STR_FMT "instead of\n%s", STR_ARG(buf_str(&c->heard)), begin);
    buf_clear(&c->heard);
}

void hears_end_of(struct client *c, const char *last)
{
    while (!str_ends(buf_str(&c->heard), str_of(last)))
        assert_true(hear_some(c));
    buf_clear(&c->heard);
}

struct client greeted(const struct house *h)
{
    struct client c = dial(h);
    hears_line(&c, "220 mx.test ESMTP Sesame ");
    return c;
}

bool metric_is(struct house *h, const char *line)
{
    AUTO_BUF text = buf_new(1 << 20);
    metrics_text(h->metrics, &text);
    str all = buf_str(&text);
    return str_find_str(all, str_of(line)) < all.len;
}

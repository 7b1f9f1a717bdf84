/* smtp/client.c - what the talk wants, done on a socket. */
#include "smtp/client.h"

#include "smtp/talk.h"
#include "wire/stream.h"

#include <assert.h>
#include <poll.h>

enum { PATIENCE_MS = 2 * 60 * 1000, CHUNK = 4096 };

struct smtp_client {
    struct mailer_port port;
    struct smtp_client_settings settings;
    struct clock *clock;
    struct tls_client *tls;
    const char *host; /* of the relay, for TLS */
};

struct line { /* one connection */
    const struct smtp_client *client;
    struct stream stream;
    int64_t deadline_ms;
    bool shook; /* TLS was begun */
};

static bool until(struct line *l, enum stream_io io)
{
    return (io == STREAM_WANT_READ || io == STREAM_WANT_WRITE) &&
           stream_wait(l->stream.fd, io == STREAM_WANT_READ ? POLLIN : POLLOUT, l->client->clock,
                       l->deadline_ms);
}

static bool send_all(struct line *l, str octets)
{
    while (octets.len) {
        size_t put;
        enum stream_io io = stream_write(&l->stream, octets, &put);
        if (io == STREAM_DONE)
            octets = str_from(octets, put);
        else if (!until(l, io))
            return false;
    }
    return true;
}

static bool receive(struct line *l, char *to, size_t *ret_got)
{
    for (;;) {
        enum stream_io io = stream_read(&l->stream, to, CHUNK, ret_got);
        if (io == STREAM_DONE)
            return true;
        if (!until(l, io))
            return false;
    }
}

static bool shake(struct line *l)
{
    l->shook = true;
    if (!stream_start_tls_as_client(&l->stream, l->client->tls, l->client->host))
        return false;
    for (;;) {
        enum stream_io io = stream_handshake(&l->stream);
        if (io == STREAM_DONE)
            return true;
        if (!until(l, io))
            return false;
    }
}

static struct sending broken_off(const struct line *l, const struct talk *talk, struct arena *a)
{
    bool late = l->client->clock->steady_ms(l->client->clock) >= l->deadline_ms;
    return (struct sending) { SENT_LATER,
                              arena_strf(a, "%s while waiting for the answer to %s",
                                         late ? "the time ran out" : "the connection was lost",
                                         talk_waits_for(talk)) };
}

static struct sending converse(struct line *l, struct talk *talk, struct arena *a)
{
    struct talk_turn turn = { .wish = TALK_READ };
    for (;;) {
        char chunk[CHUNK];
        size_t got;
        bool well = send_all(l, turn.send);
        switch (turn.wish) {
        case TALK_END: /* whether QUIT arrives changes nothing */
            return turn.ending;
        case TALK_SHAKE:
            if (!well || !shake(l))
                return broken_off(l, talk, a);
            turn = talk_is_secure(talk);
            break;
        case TALK_READ:
            if (!well || !receive(l, chunk, &got))
                return broken_off(l, talk, a);
            turn = talk_feed(talk, (str) { chunk, got }, a);
            break;
        }
    }
}

/* One connection. *ret_shaky: it ended in the handshake, so the clear may do what TLS did not. */
static struct sending try_once(const struct smtp_client *c, const struct outgoing *mail,
                               bool may_tls, int64_t deadline_ms, struct arena *a, bool *ret_shaky)
{
    struct line l = { .client = c, .stream = { .fd = -1 }, .deadline_ms = deadline_ms };
    struct talk talk;
    *ret_shaky = false;
    const struct fault *f = stream_dial(c->settings.relay, c->clock, deadline_ms, a, &l.stream.fd);
    if (f)
        return (struct sending) { SENT_LATER, f->says };
    talk_begin(&talk, mail, c->settings.hostname, may_tls);
    struct sending sending = converse(&l, &talk, a);
    *ret_shaky = talk.at == TALK_TLS && l.shook;
    talk_end(&talk);
    stream_close(&l.stream);
    return sending;
}

static str target_of(struct mailer_port *port, str forward_path, struct arena *a)
{
    (void)forward_path; /* the relay takes all there is */
    return arena_strf(a, "smtp://" STR_FMT, STR_ARG(((struct smtp_client *)port)->settings.relay));
}

static struct sending send_mail(struct mailer_port *port, const struct outgoing *mail,
                                struct arena *a)
{
    const struct smtp_client *c = (const struct smtp_client *)port;
    int64_t deadline_ms = c->clock->steady_ms(c->clock) + c->settings.patience_ms;
    bool shaky;
    struct sending sending = try_once(c, mail, true, deadline_ms, a, &shaky);
    if (shaky)
        sending = try_once(c, mail, false, deadline_ms, a, &shaky);
    return sending;
}

const struct fault *smtp_client_open(const struct smtp_client_settings *settings,
                                     struct clock *clock, struct arena *a,
                                     struct mailer_port **ret_mailer)
{
    struct smtp_client *c = ARENA_NEW(a, struct smtp_client);
    if (!c)
        return &fault_no_memory;
    *c = (struct smtp_client) { .port = { .send = send_mail, .target = target_of },
                                .settings = *settings,
                                .clock = clock };
    if (!c->settings.patience_ms)
        c->settings.patience_ms = PATIENCE_MS;
    size_t colon = settings->relay.len;
    while (colon && settings->relay.ptr[colon - 1] != ':')
        colon--;
    assert(colon && "the settings were checked: host:port");
    c->host = arena_cstr(a, str_head(settings->relay, colon - 1));
    if (!c->host)
        return &fault_no_memory;
    TRY(tls_client_open(a, &c->tls));
    *ret_mailer = &c->port;
    return NULL;
}

/* smtp/line.c - what the talk wants, done on a socket. */
#include "smtp/line.h"

#include <poll.h>

enum { CHUNK = 4096, PIECE = 64 * 1024 };

struct line { /* one connection */
    const struct line_call *call;
    struct stream stream;
    struct body *body;
    const struct fault *unread; /* why the message could not be read */
    bool shook;                 /* TLS was begun */
    bool whole;                 /* the message's end was sent, or may have been */
    int64_t deadline_ms;
};

static bool until(struct line *l, enum stream_io io)
{
    return (io == STREAM_WANT_READ || io == STREAM_WANT_WRITE) &&
           stream_wait(l->stream.fd, io == STREAM_WANT_READ ? POLLIN : POLLOUT, l->call->clock,
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
    if (!stream_start_tls_as_client(&l->stream, l->call->tls, l->call->tls_host))
        return false;
    for (;;) {
        enum stream_io io = stream_handshake(&l->stream);
        if (io == STREAM_DONE)
            return true;
        if (!until(l, io))
            return false;
    }
}

static bool put_chunk(struct line *l, struct talk *talk, str chunk)
{
    for (; chunk.len; chunk = str_from(chunk, PIECE)) {
        const str octets = talk_put(talk, str_head(chunk, PIECE));
        if (!octets.ptr || !send_all(l, octets))
            return false;
    }
    return true;
}

/* A message that breaks off is not ended with a dot: the server would take a part for the whole. */
static bool put_message(struct line *l, struct talk *talk)
{
    for (;;) {
        str chunk;
        l->unread = l->body->read(l->body, &chunk);
        if (l->unread)
            return false;
        if (!chunk.len) {
            const str octets = talk_put_end(talk);
            l->whole = octets.ptr != NULL;
            if (!octets.ptr || !send_all(l, octets))
                return false;
            const int64_t answer_by_ms =
                l->call->clock->steady_ms(l->call->clock) + l->call->answer_ms;
            if (answer_by_ms > l->deadline_ms)
                l->deadline_ms = answer_by_ms;
            return true;
        }
        if (!put_chunk(l, talk, chunk))
            return false;
    }
}

static bool shake_and_trust(struct line *l, struct talk *talk)
{
    const bool well = shake(l);
    talk->trusted = talk->trusted || (well && tls_client_checks(l->call->tls));
    return well;
}

static struct sending broken_off(const struct line *l, struct talk *talk, struct arena *a)
{
    const str distrust = stream_tls_distrust(&l->stream);
    if (distrust.ptr && tls_client_checks(l->call->tls)) {
        const str says = arena_strf(a, "the certificate is not one of %s that is trusted: " STR_FMT,
                                    l->call->tls_host, STR_ARG(distrust));
        return talk_break(talk, says.ptr ? says : STR("the certificate is not trusted"));
    }
    bool late = l->call->clock->steady_ms(l->call->clock) >= l->deadline_ms;
    str says =
        l->unread
            ? arena_strf(a, "the message could not be read: " STR_FMT, STR_ARG(l->unread->says))
            : arena_strf(a, "%s while waiting for the answer to %s%s",
                         late ? "the time ran out" : "the connection was lost",
                         talk_waits_for(talk), l->whole ? ", which may have arrived" : "");
    return talk_break(talk, says.ptr ? says : STR("the connection was lost"));
}

static struct sending converse(struct line *l, struct talk *talk, struct arena *a)
{
    struct talk_turn turn = { .wish = TALK_READ };
    if (talk->tls && !shake_and_trust(l, talk))
        return broken_off(l, talk, a);
    for (;;) {
        char chunk[CHUNK];
        size_t got;
        bool well = send_all(l, turn.send);
        switch (turn.wish) {
        case TALK_END: /* whether QUIT arrives changes nothing */
            return turn.ending;
        case TALK_SHAKE:
            if (!well || !shake_and_trust(l, talk))
                return broken_off(l, talk, a);
            turn = talk_is_secure(talk);
            break;
        case TALK_PUT:
            if (!well || !put_message(l, talk))
                return broken_off(l, talk, a);
            turn = (struct talk_turn) { .wish = TALK_READ };
            break;
        case TALK_READ:
            if (!well || !receive(l, chunk, &got))
                return broken_off(l, talk, a);
            turn = talk_feed(talk, (str) { chunk, got }, a);
            break;
        }
    }
}

static bool is_ourselves(const struct line *l)
{
    struct sockaddr_storage there;
    socklen_t size = sizeof there;
    return l->call->own && getpeername(l->stream.fd, (struct sockaddr *)&there, &size) == 0 &&
           ourselves_are(l->call->own, (const struct sockaddr *)&there);
}

struct sending line_hand_over(const struct line_call *call, const struct talk_mail *mail,
                              const struct talk_manner *manner, struct body *body, struct arena *a,
                              struct sending *each, bool *ret_shaky)
{
    struct line l = {
        .call = call, .stream = { .fd = -1 }, .body = body, .deadline_ms = call->deadline_ms
    };
    struct talk talk;
    struct sending ending;
    talk_begin(&talk, mail, manner, each);
    const struct fault *f =
        stream_dial(call->address, call->clock,
                    call->connect_by_ms ? call->connect_by_ms : call->deadline_ms, a, &l.stream.fd);
    if (f)
        ending = talk_break(&talk, f->says);
    else if (is_ourselves(&l))
        ending = talk_break(&talk, STR("that is this server itself: mail would come back"));
    else {
        talk.trusted = stream_is_near(&l.stream);
        ending = converse(&l, &talk, a);
        for (size_t i = 0; talk.at == TALK_MESSAGE && l.whole && i < mail->forward_count; i++)
            each[i].in_doubt = each[i].sent == SENT_LATER && !each[i].reply.ptr;
    }
    if (!f)
        stream_close(&l.stream);
    if (ret_shaky)
        *ret_shaky = talk.at == TALK_TLS && l.shook;
    talk_end(&talk);
    return ending;
}

/* ---- a text ---- */

static const struct fault *read_text(struct body *body, str *ret_chunk)
{
    struct text_body *t = (struct text_body *)body;
    *ret_chunk = t->rest;
    t->rest = STR("");
    return NULL;
}

struct text_body text_body_of(str text)
{
    return (struct text_body) { .body = { .read = read_text, .size = text.len }, .rest = text };
}

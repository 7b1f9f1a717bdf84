/* smtp/session.c - cuts the input into commands and stretches of a message, and keeps the
 * transaction.
 *
 * Whatever is refused is refused after its end: a message after its CRLF.CRLF, a chunk after its
 * last octet, an overlong line after its CRLF. So what a peer meant as content is never read as a
 * command. Who goes on and on is not heard to an end that may never come: the session ends. */
#include "smtp/machine.h"

#include <assert.h>
#include <stdlib.h>

enum {
    ENDLESS_LINE = 512, /* times line_max: by default a megabyte */
    ENDLESS_MESSAGE = 2, /* times message_max */
};

static str copy_into(char *to, size_t room, str text)
{
    text = str_head(text, room);
    if (text.len)
        memcpy(to, text.ptr, text.len);
    return (str) { to, text.len };
}

struct smtp_session *smtp_open(const struct smtp_settings *settings, const struct peer *peer,
                               str banner_token, struct smtp_gatekeeper *gatekeeper,
                               struct arena *work)
{
    const struct smtp_limits *l = &settings->limits;
    assert(l->line_max && l->rcpt_max && l->message_max && l->errors_max && l->commands_max &&
           "all limits are set");
    struct smtp_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->settings = settings;
    s->gatekeeper = gatekeeper;
    s->work = work;
    s->line = buf_new(l->line_max);
    s->envelope.peer = *peer;
    s->envelope.peer.ehlo = STR("");
    s->envelope.peer.address = copy_into(s->address, sizeof s->address, peer->address);
    s->token_len = copy_into(s->token, sizeof s->token, banner_token).len;
    return s;
}

void smtp_close(struct smtp_session *s)
{
    if (!s)
        return;
    arena_reset(s->work);
    buf_free(&s->line);
    free(s->ehlo);
    free(s);
}

enum smtp_state smtp_state(const struct smtp_session *s)
{
    return s->state;
}
bool smtp_in_message(const struct smtp_session *s)
{
    return s->state == SMTP_DATA || s->state == SMTP_CHUNK || s->chunk_open;
}
struct envelope *smtp_envelope(struct smtp_session *s)
{
    return &s->envelope;
}
struct smtp_pass *smtp_pass(const struct smtp_session *s)
{
    return s->pass;
}

static str render(struct smtp_session *s, unsigned reply)
{
    const struct smtp_reply_words words = {
        .hostname = s->settings->hostname,
        .peer = s->envelope.peer.address,
        .id = s->envelope.message_id,
        .token = { s->token, s->token_len },
        .given = &s->verdict.given,
        .compat_ses = s->settings->compat_ses,
    };
    return (str) { s->reply, smtp_reply_write(reply, &words, s->reply, sizeof s->reply) };
}

/* What is at an end says so with 421 and closes. */
static struct smtp_turn last_words(struct smtp_session *s, unsigned reply)
{
    s->state = SMTP_CLOSING;
    s->awaited = WISH_NONE;
    return (struct smtp_turn) { .reply = render(s, reply), .wish = WISH_CLOSE, .refused = reply };
}

struct smtp_turn session_say(struct smtp_session *s, unsigned reply)
{
    int code = smtp_reply_code(reply, &s->verdict.given);
    if (code >= 500 && ++s->errors > s->settings->limits.errors_max)
        return last_words(s, REPLY_ERRORS);
    return (struct smtp_turn) { .reply = render(s, reply),
                                .refused = code >= 400 ? reply : REPLY_NONE };
}

struct smtp_turn session_wish(struct smtp_session *s, enum smtp_wish wish)
{
    s->awaited = wish;
    return (struct smtp_turn) { .wish = wish };
}

void session_remember_sender(struct smtp_session *s, str path)
{
    s->sender_len = copy_into(s->sender, sizeof s->sender, path).len;
    s->recipients = s->recipient_len = 0;
}

void session_remember_recipient(struct smtp_session *s, str path)
{
    if (s->recipients++ == 0)
        s->recipient_len = copy_into(s->recipient, sizeof s->recipient, path).len;
}

str session_sender(const struct smtp_session *s)
{
    return (str) { s->sender, s->sender_len };
}

/* The refusal of a message, at its end. */
static struct smtp_turn say_of_message(struct smtp_session *s, unsigned reply)
{
    struct smtp_turn turn = session_say(s, reply);
    turn.about = ABOUT_MESSAGE;
    turn.sender = session_sender(s);
    turn.path = (str) { s->recipient, s->recipient_len };
    turn.recipients = s->recipients;
    return turn;
}

void session_end_transaction(struct smtp_session *s, struct smtp_turn *turn)
{
    if (s->draft && turn->wish == WISH_NONE)
        turn->wish = WISH_ABANDON;
    s->draft = false;
    s->unfit = REPLY_NONE;
    s->pass = NULL;
    s->verdict = (struct smtp_verdict) { 0 };
    s->rcpt_room = 0;
    s->utf8 = false;
    s->chunk_open = false;
    s->envelope = (struct envelope) { .peer = s->envelope.peer };
    arena_reset(s->work);
    if (s->state != SMTP_GREET && s->state != SMTP_CLOSING)
        s->state = SMTP_READY;
}

struct smtp_turn smtp_greet(struct smtp_session *s)
{
    return session_say(s, s->settings->compat_ses ? REPLY_BANNER_SES : REPLY_BANNER);
}

struct smtp_turn smtp_hang_up(struct smtp_session *s, enum smtp_hang_up why)
{
    static const unsigned says[] = {
        [HANG_UP_TIMEOUT] = REPLY_TIMEOUT,
        [HANG_UP_DRAIN] = REPLY_DRAIN,
        [HANG_UP_FULL] = REPLY_FULL,
        [HANG_UP_ADDRESS] = REPLY_ADDRESS,
        [HANG_UP_CROWDED] = REPLY_CROWDED,
    };
    return last_words(s, says[why]);
}

/* ---- a message ---- */

static struct smtp_turn refuse_message(struct smtp_session *s, unsigned reply)
{
    struct smtp_turn turn = say_of_message(s, reply);
    session_end_transaction(s, &turn);
    return turn;
}

/* A final answer, and the end of the session: nothing behind it is obeyed. */
static struct smtp_turn refuse_and_close(struct smtp_session *s, unsigned reply)
{
    struct smtp_turn turn = say_of_message(s, reply);
    s->state = SMTP_CLOSING;
    turn.wish = WISH_CLOSE;
    return turn;
}

static struct smtp_turn end_of_message(struct smtp_session *s)
{
    /* Which of two faults is named must not depend on how the octets were cut. */
    unsigned unfit = dot_is_bare(&s->dot) ? REPLY_BARE : s->unfit;
    /* Somebody on the way may see another end than we do: what is behind ours may be of the message's
     * author, not of the peer. A chunk's end is counted, so all see the same. */
    if (unfit == REPLY_BARE && s->state == SMTP_DATA)
        return refuse_and_close(s, unfit);
    if (unfit)
        return refuse_message(s, unfit);
    s->state = SMTP_COMMITTING;
    return session_wish(s, WISH_COMMIT);
}

/* Too large by so much that its end is not waited for. A final answer, or it would come again. */
static struct smtp_turn refuse_endless(struct smtp_session *s)
{
    return refuse_and_close(s, REPLY_ENDLESS);
}

static bool is_endless(const struct smtp_session *s, uint64_t size)
{
    return size / ENDLESS_MESSAGE > s->settings->limits.message_max;
}

/* One stretch of a message; *ret_used of it is dealt with. */
static struct smtp_turn stretch(struct smtp_session *s, str bytes, size_t *ret_used)
{
    str clean;
    if (dot_feed(&s->dot, bytes, &clean, ret_used) == PARSE_DONE)
        return end_of_message(s);
    s->envelope.size += clean.len;
    if (is_endless(s, s->envelope.size))
        return refuse_endless(s);
    hops_feed(&s->hops, clean);
    if (s->envelope.size > s->settings->limits.message_max)
        s->unfit = REPLY_TOO_BIG;
    else if (s->dot.bare)
        s->unfit = REPLY_BARE;
    else if (s->hops.count > HOPS_MAX)
        s->unfit = REPLY_LOOP;
    struct smtp_turn turn = { 0 };
    if (!s->unfit && clean.len) {
        turn.wish = WISH_WRITE_DRAFT;
        turn.data = clean;
    } else if (s->unfit && s->draft) { /* swallowed from here on; the draft's room serves others */
        turn.wish = WISH_ABANDON;
        s->draft = false;
    }
    return turn;
}

/* Stretches that come to nothing (a dot, what is swallowed) are passed over: such a turn would look
 * as if it wanted more bytes. */
static struct smtp_turn feed_data(struct smtp_session *s, str bytes)
{
    size_t at = 0;
    struct smtp_turn turn = { 0 };
    while (at < bytes.len && turn.wish == WISH_NONE && turn.reply.len == 0) {
        size_t used;
        turn = stretch(s, str_from(bytes, at), &used);
        at += used;
    }
    turn.consumed = at;
    return turn;
}

/* ---- a chunk (RFC 3030) ---- */

static struct smtp_turn end_of_chunk(struct smtp_session *s)
{
    if (s->chunk_unfit) {
        unsigned reply = s->chunk_unfit;
        s->chunk_unfit = REPLY_NONE;
        s->chunk_open = false;
        bool misplaced =
            reply == REPLY_NEED_EHLO || reply == REPLY_NEED_MAIL || reply == REPLY_NEED_RCPT;
        return misplaced ? session_say(s, reply) : say_of_message(s, reply);
    }
    s->chunk_open = false;
    if (s->chunk_last)
        return end_of_message(s);
    return session_say(s, REPLY_OK);
}

/* A chunk that goes nowhere is still read to its end; the transaction is over at once. */
static struct smtp_turn give_up_chunk(struct smtp_session *s, unsigned unfit)
{
    struct smtp_turn turn = { 0 };
    session_end_transaction(s, &turn);
    s->chunk_unfit = unfit;
    s->chunk_open = true;
    return turn;
}

struct smtp_turn session_chunk_begin(struct smtp_session *s, uint64_t size, bool last,
                                     unsigned unfit)
{
    s->chunk_left = size;
    s->chunk_last = last;
    s->chunk_open = true;
    s->chunk_unfit = unfit;
    if (is_endless(s, size))
        return refuse_endless(s);
    if (unfit)
        return (struct smtp_turn) { 0 };
    if (size > s->settings->limits.message_max - s->envelope.size)
        return give_up_chunk(s, REPLY_TOO_BIG);
    if (s->draft)
        return (struct smtp_turn) { 0 };
    s->state = SMTP_CHUNK;
    return session_wish(s, WISH_OPEN_DRAFT);
}

static struct smtp_turn feed_chunk(struct smtp_session *s, str bytes)
{
    if (s->chunk_left == 0)
        return end_of_chunk(s);
    str octets = s->chunk_left < bytes.len ? str_head(bytes, (size_t)s->chunk_left) : bytes;
    struct smtp_turn turn = { .consumed = octets.len };
    s->chunk_left -= octets.len;
    if (octets.len == 0 || s->chunk_unfit)
        return turn;
    dot_watch(&s->dot, octets);
    hops_feed(&s->hops, octets);
    if (s->dot.bare) {
        turn = give_up_chunk(s, REPLY_BARE);
    } else if (s->hops.count > HOPS_MAX) {
        turn = give_up_chunk(s, REPLY_LOOP);
    } else {
        s->envelope.size += octets.len;
        turn.wish = WISH_WRITE_DRAFT;
        turn.data = octets;
    }
    turn.consumed = octets.len;
    return turn;
}

/* ---- a command ---- */

/* Where the first CRLF of the line ends, counting what came before; 0: not here. */
static size_t find_crlf(str bytes, bool after_cr)
{
    for (size_t from = 0;;) {
        const char *lf = from < bytes.len ? memchr(bytes.ptr + from, '\n', bytes.len - from) : NULL;
        if (!lf)
            return 0;
        from = (size_t)(lf - bytes.ptr) + 1;
        if (from == 1 ? after_cr : lf[-1] == '\r')
            return from;
    }
}

static void keep_part(struct smtp_session *s, str part)
{
    if (part.len == 0)
        return;
    s->line_cr = part.ptr[part.len - 1] == '\r';
    if (s->line_unfit)
        return;
    if (part.len > s->settings->limits.line_max - s->line.len) {
        s->line_unfit = REPLY_LINE_MAX;
    } else {
        buf_add(&s->line, part);
        if (s->line.failed)
            s->line_unfit = REPLY_LOCAL_ERROR;
    }
    if (s->line_unfit)
        buf_free(&s->line);
}

static struct smtp_turn feed_line(struct smtp_session *s, str bytes)
{
    size_t used = find_crlf(bytes, s->line_cr);
    s->line_octets += used ? used : bytes.len;
    if (s->line_octets / ENDLESS_LINE > s->settings->limits.line_max) {
        struct smtp_turn turn = last_words(s, REPLY_ENDLESS_LINE);
        turn.consumed = bytes.len;
        return turn;
    }
    if (used == 0) {
        keep_part(s, bytes);
        return (struct smtp_turn) { .consumed = bytes.len };
    }
    str line = str_head(bytes, used);
    if (s->line.len || s->line_unfit) {
        keep_part(s, line);
        line = buf_str(&s->line);
    } else if (used > s->settings->limits.line_max) {
        s->line_unfit = REPLY_LINE_MAX;
    }
    unsigned unfit = s->line_unfit;
    s->line_unfit = REPLY_NONE;
    s->line_cr = false;
    s->line_octets = 0;
    s->line_used = true;
    struct smtp_turn turn;
    if (++s->commands > s->settings->limits.commands_max)
        turn = last_words(s, REPLY_COMMANDS);
    else if (unfit)
        turn = session_say(s, unfit);
    else
        turn = verbs_run(s, str_head(line, line.len - 2));
    /* RFC 3207 4.2: what came in the clear behind STARTTLS is not to be believed. */
    turn.consumed = turn.wish == WISH_START_TLS ? bytes.len : used;
    return turn;
}

struct smtp_turn smtp_feed(struct smtp_session *s, str bytes)
{
    if (s->line_used) {
        buf_free(&s->line);
        s->line = buf_new(s->settings->limits.line_max);
        s->line_used = false;
    }
    if (s->awaited != WISH_NONE)
        return (struct smtp_turn) { 0 };
    if (s->state == SMTP_CLOSING)
        return (struct smtp_turn) { .consumed = bytes.len };
    if (s->chunk_open)
        return feed_chunk(s, bytes);
    return s->state == SMTP_DATA ? feed_data(s, bytes) : feed_line(s, bytes);
}

/* ---- what the server answers ---- */

static struct smtp_turn draft_granted(struct smtp_session *s, const struct fault *fault)
{
    if (fault) {
        unsigned reply = smtp_reply_of_fault(fault);
        return s->chunk_open ? give_up_chunk(s, reply) : refuse_message(s, reply);
    }
    s->draft = true;
    s->dot = (struct dot) { 0 };
    s->hops = (struct hops) { 0 };
    s->envelope.size = 0;
    if (s->chunk_open)
        return (struct smtp_turn) { 0 };
    s->state = SMTP_DATA;
    return session_say(s, REPLY_GO_ON);
}

static struct smtp_turn commit_granted(struct smtp_session *s, const struct fault *fault)
{
    s->draft = false; /* the spool took it over */
    if (!fault)
        s->errors = s->commands = 0;
    struct smtp_turn turn = say_of_message(s, fault ? smtp_reply_of_fault(fault) : REPLY_TAKEN);
    session_end_transaction(s, &turn);
    return turn;
}

struct smtp_turn smtp_granted(struct smtp_session *s, const struct fault *fault)
{
    enum smtp_wish awaited = s->awaited;
    s->awaited = WISH_NONE;
    switch (awaited) {
    case WISH_OPEN_DRAFT:
        return draft_granted(s, fault);
    case WISH_COMMIT:
        return commit_granted(s, fault);
    case WISH_START_TLS: /* 220 was said: there is nothing left to say in the clear */
        s->state = SMTP_CLOSING;
        return (struct smtp_turn) { .wish = WISH_CLOSE };
    case WISH_NONE:
    case WISH_WRITE_DRAFT:
    case WISH_ABANDON:
    case WISH_CLOSE:
        break;
    }
    assert(false && "only what was asked for is granted");
    return (struct smtp_turn) { 0 };
}

struct smtp_turn smtp_tls_granted(struct smtp_session *s, str version, str cipher)
{
    assert(s->awaited == WISH_START_TLS && "TLS begins because it was asked for");
    struct smtp_turn turn = { 0 };
    s->awaited = WISH_NONE;
    s->state = SMTP_GREET; /* RFC 3207 4.2: everything known from the clear is forgotten */
    session_end_transaction(s, &turn);
    free(s->ehlo);
    s->ehlo = NULL;
    s->envelope.peer.ehlo = STR("");
    s->envelope.peer.tls = true;
    s->envelope.peer.tls_version = version;
    s->envelope.peer.tls_cipher = cipher;
    return turn;
}

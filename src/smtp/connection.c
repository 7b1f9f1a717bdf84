/* smtp/connection.c - reads, feeds, heeds wishes, sends; see the states in connection.h.
 *
 * go_on() does all that can be done now and then waits for exactly one thing. Calls from the
 * spool's threads only post a task; they never touch a connection. */
#include "smtp/connection_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COMMAND_READ = 4 * 1024, /* so much while commands come, then the others have their turn: answering a flood takes long */
    UNSENT_ENOUGH = 32 * 1024, /* replies: stop feeding and send */
    UNSENT_MAX = 128 * 1024,
    SPARE_MANY = 64,
    MESSAGE_READ = 32 * 1024, /* at first, and again when the spool had enough; twice as much after
                                 each full read */
    ROUNDS = 4,               /* full reads of a message in a row before the others have their turn */
    LINGER_MS = 2000,
};

static const struct spool_ops *spool_ops(const struct connection *c)
{
    return c->lane->settings->spool->ops;
}

static void go_on(struct connection *c, bool readable);

/* ---- from other threads ---- */

static void on_resumed(struct loop_task *task)
{
    struct resume *r = (struct resume *)(void *)((char *)task - offsetof(struct resume, task));
    struct connection *c = r->whose;
    __atomic_store_n(&r->posted, false, __ATOMIC_RELEASE);
    if (!c || c->phase != FULL)
        return;
    c->phase = TALK;
    go_on(c, false);
}

static void spool_has_room(void *context)
{
    struct resume *r = context;
    if (!__atomic_exchange_n(&r->posted, true, __ATOMIC_ACQ_REL))
        loop_post(r->lane->loop, &r->task);
}

static void spool_committed(void *context, const struct fault *fault)
{
    struct connection *c = context;
    c->commit_failed = fault != NULL;
    if (fault) { /* lent for this call only */
        c->commit_kind = fault->kind;
        snprintf(c->commit_says, sizeof c->commit_says, STR_FMT, STR_ARG(fault->says));
    }
    loop_post(c->lane->loop, &c->committed);
}

/* ---- an end ---- */

static void forget_rest(struct connection *c)
{
    free((char *)c->rest.ptr);
    c->rest = STR_NONE;
}

static void give_up_draft(struct connection *c)
{
    if (c->draft)
        spool_ops(c)->abandon(c->draft);
    c->draft = NULL;
}

static void end(struct connection *c)
{
    assert(c->phase != COMMIT && c->phase != DEAD && "a commit is waited for");
    struct lane *lane = c->lane;
    give_up_draft(c);
    watch_free(c->watch);
    admission_leave(lane->admission, str_of(c->address)); /* who sees the end may come again */
    stream_close(&c->stream);
    smtp_close(c->session);
    arena_free(c->work);
    buf_free(&c->said);
    forget_rest(c);
    c->phase = DEAD;
    saw_end(lane->watching, c->outcome);
    if (c->previous)
        c->previous->next = c->next;
    else
        lane->open = c->next;
    if (c->next)
        c->next->previous = c->previous;
    if (c->resume) {
        c->resume->whose = NULL;
        c->resume->next = lane->spare_resumes;
        lane->spare_resumes = c->resume;
    }
    c->next = lane->spare;
    lane->spare = c;
    const bool last_of_many = lane->gone >= LANE_CROWD && !lane->open;
    if ((++lane->spare_count > SPARE_MANY || last_of_many) &&
        !lane->sweep_posted) { /* not here: it is still being called */
        lane->sweep_posted = true;
        loop_post(lane->loop, &lane->sweep);
    }
}

void connection_end(struct connection *c, enum smtp_outcome outcome)
{
    c->outcome = outcome;
    end(c);
}

/* ---- wishes ---- */

static struct resume *take_resume(struct connection *c)
{
    struct lane *lane = c->lane;
    struct resume *r = lane->spare_resumes;
    if (r)
        lane->spare_resumes = r->next;
    else if ((r = calloc(1, sizeof *r)))
        *r = (struct resume) { .task.run = on_resumed, .lane = lane };
    if (r)
        r->whose = c;
    return r;
}

static struct smtp_turn open_draft(struct connection *c)
{
    const struct smtp_server_settings *settings = c->lane->settings;
    if (!c->resume)
        c->resume = take_resume(c);
    const struct fault *fault =
        c->resume ? spool_ops(c)->draft(settings->spool, spool_has_room, c->resume, &c->draft)
                  : &fault_no_memory;
    if (fault)
        c->draft = NULL;
    return smtp_granted(c->session, fault);
}

static const struct fault *gather_entries(struct connection *c)
{
    struct envelope *e = smtp_envelope(c->session);
    struct clock *clock = c->lane->settings->outside->clock;
    struct smtp_gatekeeper *gatekeeper = c->listener->gatekeeper;
    e->received_ms = clock->wall_ms(clock);
    TRY(gatekeeper->entries(smtp_pass(c->session), e, c->work, &c->entries, &c->entry_count));
    if (c->entry_count == 0)
        return fault(c->work, FAULT_DEFECT, NULL, "accepted recipients came to no entry");
    e->message_id = c->entries[0].id;
    return NULL;
}

static struct smtp_turn commit(struct connection *c)
{
    const struct fault *fault = gather_entries(c);
    if (fault) {
        saw_fault(c->lane->watching, STR("entries-failed"), smtp_envelope(c->session), fault);
        give_up_draft(c);
        return smtp_granted(c->session, fault);
    }
    struct spool_draft *draft = c->draft;
    c->draft = NULL;
    c->phase = COMMIT;
    spool_ops(c)->commit(draft, c->entries, c->entry_count, spool_committed, c);
    return (struct smtp_turn) { 0 };
}

static void say(struct connection *c, const struct smtp_turn *turn)
{
    if (turn->refused || turn->verdict.why.len)
        saw_refusal(c->lane->watching, c->listener->region, &smtp_envelope(c->session)->peer, turn);
    if (turn->reply.len == 0)
        return;
    buf_add(&c->said, turn->reply);
    c->deadline_ms = connection_now_ms(c->lane) + c->lane->settings->command_timeout_ms;
}

static void heed(struct connection *c, struct smtp_turn turn)
{
    for (;;) {
        say(c, &turn);
        switch (turn.wish) {
        case WISH_NONE:
            return;
        case WISH_OPEN_DRAFT:
            turn = open_draft(c);
            continue;
        case WISH_WRITE_DRAFT:
            if (!spool_ops(c)->write(c->draft, turn.data)) {
                c->phase = FULL;
                c->at_once = MESSAGE_READ;
            }
            return;
        case WISH_COMMIT:
            turn = commit(c);
            continue;
        case WISH_ABANDON:
            give_up_draft(c);
            return;
        case WISH_START_TLS:
            c->phase = SHAKE;
            return;
        case WISH_CLOSE:
            c->phase = LAST;
            c->outcome = turn.refused ? OUTCOME_REFUSED : OUTCOME_QUIT;
            stream_hold_for_end(&c->stream); /* 221, close_notify and FIN wake the peer once */
            give_up_draft(c);
            return;
        }
    }
}

static void hang_up(struct connection *c, enum smtp_hang_up why, enum smtp_outcome outcome)
{
    forget_rest(c);
    heed(c, smtp_hang_up(c->session, why));
    c->outcome = outcome;
}

void connection_hang_up(struct connection *c, enum smtp_hang_up why, enum smtp_outcome outcome)
{
    hang_up(c, why, outcome);
    go_on(c, false);
}

/* ---- bytes ---- */

static void keep_rest(struct connection *c, str rest)
{
    c->rest = STR_NONE;
    if (rest.len == 0)
        return;
    char *copy = malloc(rest.len);
    if (!copy) {
        c->said.failed = true; /* ends the connection */
        return;
    }
    c->rest = (str) { memcpy(copy, rest.ptr, rest.len), rest.len };
}

/* Feeds until the session has had all, or something must come first. */
static void feed(struct connection *c, str bytes)
{
    while (c->phase == TALK && c->said.len - c->said_at < UNSENT_ENOUGH) {
        bool in_message = smtp_in_message(c->session);
        struct smtp_turn turn = smtp_feed(c->session, bytes);
        bytes = str_from(bytes, turn.consumed);
        if (!turn.consumed && !turn.reply.len && turn.wish == WISH_NONE)
            break;
        heed(c, turn);
        if (!in_message && smtp_in_message(c->session)) {
            c->at_once = MESSAGE_READ;
            c->message_octets = bytes.len;
            c->message_deadline_ms =
                connection_now_ms(c->lane) + c->lane->settings->message_timeout_ms;
        }
    }
    if (c->phase != SHAKE && c->phase != LAST)
        keep_rest(c, bytes);
}

static void feed_rest(struct connection *c)
{
    str rest = c->rest;
    c->rest = STR_NONE;
    feed(c, rest);
    free((char *)rest.ptr);
}

static void on_committed(struct loop_task *task)
{
    struct connection *c =
        (struct connection *)(void *)((char *)task - offsetof(struct connection, committed));
    struct watching *watching = c->lane->watching;
    const struct envelope *e = smtp_envelope(c->session);
    assert(c->phase == COMMIT && "a commit is answered once");
    c->phase = TALK;
    if (c->commit_failed) {
        const struct fault fault = { .kind = c->commit_kind, .says = str_of(c->commit_says) };
        saw_fault(watching, STR("commit-failed"), e, &fault);
        heed(c, smtp_granted(c->session, &fault));
    } else {
        saw_message(watching, e, c->entries, c->entry_count);
        heed(c, smtp_granted(c->session, NULL));
    }
    /* What came along with the end of the message is answered along with it, as 250 and 221. */
    if (c->rest.len && c->phase == TALK && !connection_may_drain(c))
        feed_rest(c);
    go_on(c, false);
}

static bool is_late(const struct connection *c)
{
    bool in_message = smtp_in_message(c->session);
    return connection_now_ms(c->lane) > (in_message ? c->message_deadline_ms : c->deadline_ms);
}

static enum stream_io read_and_feed(struct connection *c, bool *ret_full)
{
    size_t got, room = smtp_in_message(c->session) ? c->at_once : COMMAND_READ;
    enum stream_io io = stream_read(&c->stream, c->lane->input, room, &got);
    if (io != STREAM_DONE)
        return io;
    *ret_full = got == room;
    c->message_octets += got;
    if (*ret_full && c->at_once < INPUT_SIZE)
        c->at_once *= 2;
    feed(c, (str) { c->lane->input, got });
    return io;
}

static enum stream_io send_said(struct connection *c)
{
    while (c->said_at < c->said.len) {
        size_t put;
        enum stream_io io = stream_write(&c->stream, str_from(buf_str(&c->said), c->said_at), &put);
        if (io != STREAM_DONE)
            return io;
        c->said_at += put;
    }
    buf_free(&c->said);
    c->said = buf_new(UNSENT_MAX);
    c->said_at = 0;
    return STREAM_DONE;
}

static enum stream_io shake(struct connection *c)
{
    if (!c->stream.ssl && !stream_start_tls(&c->stream, c->lane->settings->tls))
        return STREAM_BROKEN;
    enum stream_io io = stream_handshake(&c->stream);
    if (io == STREAM_DONE) {
        metric_add(c->lane->watching->tls, 1);
        c->phase = TALK;
        c->deadline_ms = connection_now_ms(c->lane) + c->lane->settings->command_timeout_ms;
        heed(c, smtp_tls_granted(c->session, stream_tls_version(&c->stream),
                                 stream_tls_cipher(&c->stream)));
    }
    return io;
}

/* ---- what next ---- */

/* Until when the peer must have done what is waited for. In a message each stretch has the time of
 * a command, and all of them together that of a message. */
static int64_t deadline(const struct connection *c)
{
    bool stretch = c->phase == TALK && c->said_at == c->said.len && smtp_in_message(c->session);
    int64_t idle_ms = connection_now_ms(c->lane) + c->lane->settings->command_timeout_ms;
    if (!stretch)
        return c->deadline_ms;
    return idle_ms < c->message_deadline_ms ? idle_ms : c->message_deadline_ms;
}

/* Nearly all wait for the whole time of a command, in the loop's queue of equal durations; only who
 * has used some of it up has a timer of his own. */
static void wait_for(struct connection *c, enum stream_io io)
{
    int64_t whole_ms = c->lane->settings->command_timeout_ms;
    int64_t left_ms = deadline(c) - connection_now_ms(c->lane);
    unsigned what = io == STREAM_WANT_WRITE ? WATCH_WRITE : WATCH_READ;
    if (left_ms > whole_ms - whole_ms / 64)
        watch_for(c->watch, what, whole_ms);
    else
        watch_within(c->watch, what, left_ms);
}

static void linger(struct connection *c)
{
    enum stream_io io = STREAM_DONE;
    for (int i = 0; i < ROUNDS && io == STREAM_DONE; i++)
        io = stream_discard(&c->stream, c->lane->input, INPUT_SIZE);
    int64_t left_ms = c->deadline_ms - connection_now_ms(c->lane);
    if ((io != STREAM_DONE && io != STREAM_WANT_READ) || left_ms <= 0)
        end(c);
    else
        watch_within(c->watch, WATCH_READ, left_ms);
}

/* The last reply is sent. A peer that still talks must be heard out, or the kernel takes it back.
 */
static void leave(struct connection *c)
{
    stream_finish(&c->stream); /* what was held for the end goes before a close that may reset */
    if (c->outcome == OUTCOME_QUIT || c->lane->ending) {
        end(c);
        return;
    }
    c->phase = LINGER;
    c->deadline_ms = connection_now_ms(c->lane) + LINGER_MS;
    watch_for(c->watch, WATCH_READ, LINGER_MS);
}

bool connection_may_drain(const struct connection *c)
{
    enum smtp_state state = smtp_state(c->session);
    return c->lane->draining && (state == SMTP_GREET || state == SMTP_READY);
}

static void go_on(struct connection *c, bool readable)
{
    for (int rounds = 0;;) {
        if (c->said.failed) {
            connection_end(c, OUTCOME_BROKEN);
            return;
        }
        enum stream_io io = send_said(c);
        if (io == STREAM_WANT_READ || io == STREAM_WANT_WRITE) {
            if (c->phase == COMMIT) /* it will look again when the commit is answered */
                watch_for(c->watch, 0, 0);
            else
                wait_for(c, io);
            return;
        }
        if (io != STREAM_DONE && c->phase != COMMIT) {
            connection_end(c, OUTCOME_GONE);
            return;
        }
        switch (c->phase) {
        case LAST:
            leave(c);
            return;
        case LINGER:
            linger(c);
            return;
        case COMMIT: /* as a rule the peer says nothing until it is answered: the watch stands */
            return;
        case FULL:
            watch_for(c->watch, 0, c->lane->settings->message_timeout_ms);
            return;
        case SHAKE:
            if (!c->stream.ssl && !readable) { /* its hello is still to come */
                wait_for(c, STREAM_WANT_READ);
                return;
            }
            io = shake(c);
            if (io == STREAM_WANT_READ || io == STREAM_WANT_WRITE) {
                if (connection_now_ms(c->lane) > c->deadline_ms)
                    connection_end(c, OUTCOME_TIMEOUT);
                else
                    wait_for(c, io);
                return;
            }
            if (io != STREAM_DONE) {
                connection_end(c, OUTCOME_TLS_FAILED);
                return;
            }
            readable = false; /* what came with the end of it is held: stream_has_more */
            continue;
        case TALK:
            break;
        case DEAD:
            return;
        }
        if (connection_may_drain(c)) { /* before a pipelined MAIL has its turn */
            hang_up(c, HANG_UP_DRAIN, OUTCOME_DRAINED);
            continue;
        }
        if (c->rest.len) {
            feed_rest(c);
            continue;
        }
        if (!readable && !stream_has_more(&c->stream)) {
            wait_for(c, STREAM_WANT_READ);
            return;
        }
        bool full = false;
        io = read_and_feed(c, &full);
        if (io == STREAM_END || io == STREAM_BROKEN) {
            connection_end(c, OUTCOME_GONE);
            return;
        }
        if (io == STREAM_WANT_WRITE) {
            wait_for(c, io);
            return;
        }
        if (c->phase == TALK && is_late(c)) { /* what came has not completed what is waited for */
            hang_up(c, HANG_UP_TIMEOUT, OUTCOME_TIMEOUT);
            continue;
        }
        rounds = full && !smtp_in_message(c->session) ? ROUNDS : rounds + 1;
        if (rounds >= ROUNDS)
            stream_read_ahead(&c->stream, false); /* what is held is still heard, and no more */
        readable = io == STREAM_DONE && full && rounds < ROUNDS;
    }
}

void connection_ready(void *context, unsigned what)
{
    struct connection *c = context;
    if (c->phase == COMMIT) { /* it has said more, or left: heard when the commit is answered */
        watch_for(c->watch, 0, 0);
        return;
    }
    if (!(what & WATCH_TIMEOUT)) {
        stream_read_ahead(&c->stream, true);
        go_on(c, true);
        return;
    }
    if (c->phase == TALK || c->phase == FULL) { /* unsent replies mean it does not even read */
        if (c->said_at == c->said.len) {
            /* It may be us who are late, on a machine that stood still. */
            const bool spoke = c->phase == TALK && stream_is_readable(&c->stream);
            if (!spoke)
                hang_up(c, HANG_UP_TIMEOUT, OUTCOME_TIMEOUT);
            go_on(c, spoke);
            return;
        }
    }
    connection_end(c, c->phase == LINGER ? c->outcome : OUTCOME_TIMEOUT);
}

void connection_go_on(struct connection *c)
{
    go_on(c, false);
}

void connection_prepare(struct connection *c)
{
    c->committed.run = on_committed;
    c->said = buf_new(UNSENT_MAX);
    c->rest = STR_NONE;
    c->at_once = MESSAGE_READ;
}

void connection_greet(struct connection *c)
{
    heed(c, smtp_greet(c->session));
    go_on(c, false);
}

/* smtp/lane.c - all connections of one loop: how one begins, and what is said to all of them. */
#include "base/random_id.h"
#include "base/thread_memory.h"
#include "smtp/connection_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WORK_MAX = 1024 * 1024, /* of a transaction's arena */
    TOKEN_LEN = 20,
    LEAST_RATE =
        500, /* octets of a message a second, while others wait outside; Postfix asks as much */
    SPARE_FEW = 16,
    LOOK_MS = 200, /* a flood of knocks is not answered with a flood of looks */
};

static struct connection *take_spare(struct lane *lane)
{
    struct connection *c = lane->spare;
    if (!c)
        return calloc(1, sizeof *c);
    lane->spare = c->next;
    lane->spare_count--;
    return memset(c, 0, sizeof *c);
}

static void free_spares(struct lane *lane, size_t keep)
{
    while (lane->spare_count > keep) {
        struct connection *c = lane->spare;
        lane->spare = c->next;
        lane->spare_count--;
        free(c);
    }
}

static void on_sweep(struct loop_task *task)
{
    struct lane *lane = (struct lane *)(void *)((char *)task - offsetof(struct lane, sweep));
    lane->sweep_posted = false;
    lane->gone += lane->spare_count;
    free_spares(lane, SPARE_FEW);
    if (lane->open)
        return;
    if (lane->gone >= LANE_CROWD)
        thread_memory_compact();
    lane->gone = 0;
}

void lane_prepare(struct lane *lane)
{
    lane->sweep.run = on_sweep;
}

bool connection_begin(struct lane *lane, const struct smtp_listener *listener, int fd, str address)
{
    char token[TOKEN_LEN + 1];
    struct connection *c = take_spare(lane);
    if (!c)
        return false;
    struct peer peer = { .address = address };
    c->lane = lane;
    c->listener = listener;
    connection_prepare(c);
    snprintf(c->address, sizeof c->address, STR_FMT, STR_ARG(address));
    c->work = arena_new(WORK_MAX);
    c->session = c->work
                     ? smtp_open(&listener->settings, &peer,
                                 random_token(lane->settings->outside->entropy, token, TOKEN_LEN),
                                 listener->gatekeeper, c->work)
                     : NULL;
    c->watch = watch_new(lane->loop, fd, connection_ready, c);
    if (!c->session || !c->watch) {
        smtp_close(c->session);
        arena_free(c->work);
        watch_free(c->watch);
        c->phase = DEAD;
        c->next = lane->spare;
        lane->spare = c;
        lane->spare_count++;
        return false;
    }
    c->stream = (struct stream) { .fd = fd };
    c->next = lane->open;
    if (c->next)
        c->next->previous = c;
    lane->open = c;
    saw_connection(lane->watching);
    connection_greet(c);
    return true;
}

void connections_drain(struct lane *lane)
{
    lane->draining = true;
    for (struct connection *c = lane->open, *next; c; c = next) {
        next = c->next;
        if (c->phase == TALK && connection_may_drain(c))
            connection_go_on(c);
    }
}

void connections_end(struct lane *lane)
{
    lane->draining = lane->ending = true;
    for (struct connection *c = lane->open, *next; c; c = next) {
        next = c->next;
        if (c->phase == TALK || c->phase == FULL) {
            connection_hang_up(c, HANG_UP_DRAIN, OUTCOME_DRAINED);
        } else if (c->phase == SHAKE) {
            c->outcome = OUTCOME_DRAINED;
        }
        if (c->phase != COMMIT && c->phase != DEAD) /* it would not take its last reply */
            connection_end(c, c->outcome);
    }
}

/* ---- when all places are taken ---- */

/* Since when the peer owes us something: its last reply, or the beginning of its message. */
static int64_t waited_ms(const struct connection *c)
{
    const struct smtp_server_settings *settings = c->lane->settings;
    int64_t since_ms = smtp_in_message(c->session)
                           ? c->message_deadline_ms - settings->message_timeout_ms
                           : c->deadline_ms - settings->command_timeout_ms;
    return connection_now_ms(c->lane) - since_ms;
}

/* What waits for the spool is not its peer's fault, and what has had its last word goes anyway. */
static bool takes_a_place_for_nothing(const struct connection *c)
{
    int64_t ms = waited_ms(c);
    if ((c->phase != TALK && c->phase != SHAKE) || ms <= c->lane->settings->crowded_after_ms)
        return false;
    return !smtp_in_message(c->session) || c->message_octets < (uint64_t)ms * LEAST_RATE / 1000;
}

void connections_make_room(struct lane *lane)
{
    int64_t now_ms = connection_now_ms(lane);
    if (lane->settings->crowded_after_ms == 0 || now_ms < lane->next_look_ms)
        return;
    lane->next_look_ms = now_ms + LOOK_MS;
    for (struct connection *c = lane->open, *next; c; c = next) {
        next = c->next;
        if (!takes_a_place_for_nothing(c))
            continue;
        if (c->phase == SHAKE ||
            c->said_at < c->said.len) /* it could not be told, or does not read */
            connection_end(c, OUTCOME_CROWDED_OUT);
        else
            connection_hang_up(c, HANG_UP_CROWDED, OUTCOME_CROWDED_OUT);
    }
}

void connections_free(struct lane *lane)
{
    assert(!lane->open && "every connection has ended");
    free_spares(lane, 0);
    while (lane->spare_resumes) {
        struct resume *next = lane->spare_resumes->next;
        free(lane->spare_resumes);
        lane->spare_resumes = next;
    }
}

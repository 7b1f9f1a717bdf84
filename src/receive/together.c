/* receive/together.c - a worker's few messages: begun one after the other, then waited for.
 *
 * A put is waited for as long as the disk takes, which is many times longer than all the rest of its message. So a
 * worker that finds more messages due begins them too, and sleeps once for all. Nobody's message waits for another's
 * but for the time it takes to begin a few: one that could take longer is begun when those before it have
 * ended, and alone. */
#include "receive/attempt.h"

enum { TOGETHER_MOST = 8 };

struct under_way {
    struct arena *arena;
    struct lease lease;
    str id;
    struct attempt *attempt; /* NULL: an errand, or what cannot be read */
    bool settled;
};

/* What was done before the step that waits is noted, so that it is not done again. */
static void wait_for_share(const struct delivery *d, struct under_way *u,
                           const struct delivered *end)
{
    const struct fault *f = end->note.len ? d->spool->ops->note(&u->lease, end->note) : NULL;
    if (f)
        tell_trouble(d, "note-lost", u->id, f->says);
    share_wait(d->shares, &end->share, &u->lease);
}

static void settle(const struct delivery *d, struct under_way *u, const struct delivered *end)
{
    u->settled = true;
    if (end->waits) {
        wait_for_share(d, u, end);
        return;
    }
    const struct fault *f =
        d->spool->ops->settle(&u->lease, end->settlement, end->retry_at_ms, end->note);
    if (f) /* after a restart the message is there again, and its noted steps are not repeated */
        tell_trouble(d, "settle-lost", u->id, fault_sentence(f, u->arena));
    else
        tell_settled(d, &u->lease, end, u->id);
}

static const struct fault *take(const struct delivery *d, int64_t wait_ms, struct arena *a,
                                struct under_way *u)
{
    *u = (struct under_way) { .arena = a };
    TRY(d->spool->ops->lease(d->spool, wait_ms, a, &u->lease));
    u->id = u->lease.impl ? arena_str(a, u->lease.entry.id) : STR_NONE;
    return NULL;
}

/* True: it has ended, or its put is under way. Else it wants to be alone: nothing is begun until it has ended. */
static bool begin(const struct delivery *d, struct under_way *u)
{
    struct delivered end;
    if (u->lease.entry.kind != SPOOL_MAIL)
        return false;
    u->attempt = attempt_open(d, &u->lease, u->arena, &end);
    if (u->attempt && (!attempt_is_quick(u->attempt) || !attempt_run(u->attempt, true, &end)))
        return u->attempt->begun != NULL;
    settle(d, u, &end);
    return true;
}

static void end(const struct delivery *d, struct under_way *u)
{
    struct delivered end;
    if (u->attempt)
        attempt_run(u->attempt, false, &end);
    else
        end = errand_attempt_run(d, &u->lease, u->arena);
    settle(d, u, &end);
}

static void let_go(const struct under_way *u, struct arena *first)
{
    if (u->arena == first)
        arena_reset(first);
    else
        arena_free(u->arena);
}

/* The first is taken with the caller's arena, in which a fault lives on. */
static const struct fault *deliver(const struct delivery *d, int64_t wait_ms, size_t most,
                                   struct arena *a, bool *ret_any)
{
    struct under_way some[TOGETHER_MOST];
    size_t count = 0, taken = 0;
    const struct fault *f = NULL;
    for (bool more = true; more && taken < most; taken++) {
        struct under_way *u = &some[count];
        struct arena *own = count ? arena_new(DELIVER_ARENA) : a;
        f = own ? take(d, taken ? 0 : wait_ms, own, u) : &fault_no_memory;
        if (f || !u->lease.impl) { /* a fault behind the first is met again by the next to lease */
            if (count)
                arena_free(own);
            break;
        }
        more = begin(d, u);
        if (u->settled)
            let_go(u, a);
        else
            count++;
    }
    for (size_t i = 0; i < count; i++) {
        end(d, &some[i]);
        let_go(&some[i], a);
    }
    *ret_any = taken > 0;
    if (!f && !taken && d->shares)
        shares_nudge(d->shares);
    return taken ? NULL : f;
}

const struct fault *deliver_one(const struct delivery *d, int64_t wait_ms, struct arena *a,
                                bool *ret_any)
{
    return deliver(d, wait_ms, 1, a, ret_any);
}

const struct fault *deliver_some(const struct delivery *d, int64_t wait_ms, struct arena *a,
                                 bool *ret_any)
{
    return deliver(d, wait_ms, TOGETHER_MOST, a, ret_any);
}

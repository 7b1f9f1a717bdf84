/* receive/shares.c - a table of the targets that are being worked for or waited for.
 *
 * The spool keeps who waits; here stands only that somebody does. Whoever gives a share back looks
 * which waiting target may take one now and resumes one entry of each. Its share counts as taken
 * from there on, a promise, or new work would take it first and the entry, read once more for
 * nothing, would wait again. A promise that nobody comes for is void after a while.
 *
 * Between a refused take and its wait the last share of the target may be given back; so a wait
 * looks for itself whether it could go on. */
#include "receive/shares.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { BUCKETS = 256, PROMISE_MS = 2000 };

struct target {
    struct target *next; /* in its bucket */
    struct target *next_waiting, **at_waiting;
    uint64_t group; /* of the spool */
    bool waiting;   /* the spool holds something for it */
    unsigned running, weight, most;
    unsigned promised;   /* of those that run: resumed, and not there yet */
    int64_t promised_ms; /* steady: the last time */
    size_t len;
    char name[];
};

struct shares {
    pthread_mutex_t lock;
    struct spool *spool;
    unsigned workers, running;
    uint64_t next_group, seed;
    int64_t swept_ms; /* steady: promises were last looked at */
    struct target *buckets[BUCKETS];
    struct target *waiting, **last_waiting; /* targets that somebody waits for, in turn */
};

const struct fault *shares_open(struct spool *spool, unsigned workers, struct entropy *entropy,
                                struct arena *a, struct shares **ret_shares)
{
    struct shares *s = ARENA_NEW(a, struct shares);
    if (!s)
        return &fault_no_memory;
    s->spool = spool;
    s->workers = workers;
    s->last_waiting = &s->waiting;
    entropy->fill(entropy, &s->seed, sizeof s->seed);
    pthread_mutex_init(&s->lock, NULL);
    *ret_shares = s;
    return NULL;
}

void shares_close(struct shares *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct target *t; (t = s->buckets[i]); free(t))
            s->buckets[i] = t->next;
    pthread_mutex_destroy(&s->lock);
}

/* Strangers name some of the targets, so their places cannot be foreseen. */
static struct target **place_of(struct shares *s, str name)
{
    uint64_t h = s->seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.ptr[i]) * 0x100000001b3u;
    h ^= h >> 29;
    struct target **at = &s->buckets[h % BUCKETS];
    while (*at && !str_eq((str) { (*at)->name, (*at)->len }, name))
        at = &(*at)->next;
    return at;
}

static struct target *target_of(struct shares *s, const struct share *share)
{
    struct target **at = place_of(s, share->target), *t = *at;
    if (!t) {
        t = calloc(1, sizeof *t + share->target.len);
        if (!t)
            return NULL;
        t->group = ++s->next_group;
        t->len = share->target.len;
        memcpy(t->name, share->target.ptr, share->target.len);
        *at = t;
    }
    t->weight = share->weight ? share->weight : 1; /* as its last user said */
    t->most = share->most;
    return t;
}

static void forget_unused(struct shares *s, struct target *t)
{
    if (t->running || t->waiting)
        return;
    struct target **at = place_of(s, (str) { t->name, t->len });
    *at = t->next;
    free(t);
}

static bool may_take(const struct shares *s, const struct target *t)
{
    unsigned idle = s->workers > s->running ? s->workers - s->running : 0;
    return t->running < t->weight * idle && (!t->most || t->running < t->most);
}

bool share_take(struct shares *s, const struct share *share, bool resumed)
{
    pthread_mutex_lock(&s->lock);
    struct target *t = target_of(s, share);
    if (t && resumed && t->promised) {
        t->promised--;
        pthread_mutex_unlock(&s->lock);
        return true;
    }
    /* Without memory to count it, it runs: the work is not lost, the bound is missed once. */
    bool taken = !t || may_take(s, t);
    if (t && taken) {
        t->running++;
        s->running++;
    } else if (t) {
        forget_unused(s, t);
    }
    pthread_mutex_unlock(&s->lock);
    return taken;
}

static void waits(struct shares *s, struct target *t)
{
    if (t->waiting)
        return;
    t->waiting = true;
    t->next_waiting = NULL;
    t->at_waiting = s->last_waiting;
    *s->last_waiting = t;
    s->last_waiting = &t->next_waiting;
}

static void waits_no_more(struct shares *s, struct target *t)
{
    t->waiting = false;
    *t->at_waiting = t->next_waiting;
    if (t->next_waiting)
        t->next_waiting->at_waiting = t->at_waiting;
    else
        s->last_waiting = t->at_waiting;
}

static int64_t steady_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Those whose entries could not be read again. Should one come yet, it takes its share like new
 * work. */
static void void_old_promises(struct shares *s, int64_t now_ms)
{
    if (now_ms - s->swept_ms < PROMISE_MS)
        return;
    s->swept_ms = now_ms;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct target *t = s->buckets[i], *next; t; t = next) {
            next = t->next;
            if (!t->promised || now_ms - t->promised_ms < PROMISE_MS)
                continue;
            t->running -= t->promised;
            s->running -= t->promised;
            t->promised = 0;
            forget_unused(s, t);
        }
}

static bool resume_one(struct shares *s, struct target *t, bool for_giver, int64_t now_ms)
{
    if (!may_take(s, t))
        return false;
    bool more;
    if (s->spool->ops->resume(s->spool, t->group, for_giver, &more)) {
        t->running++;
        s->running++;
        t->promised++;
        t->promised_ms = now_ms;
    }
    if (!more)
        waits_no_more(s, t);
    forget_unused(s, t);
    return true;
}

/* One entry of each waiting target that may have a share, and so on while there are any. Who leases
 * next takes one of them; for each further one another worker is woken. */
static void resume_some(struct shares *s, enum share_giver giver)
{
    const int64_t now_ms = steady_ms();
    void_old_promises(s, now_ms);
    for (bool any = true; any;) {
        any = false;
        for (struct target *t = s->waiting, *next; t; t = next) {
            next = t->next_waiting;
            if (!resume_one(s, t, giver == GIVER_LEASES_NEXT, now_ms))
                continue;
            giver = GIVER_GOES_ON;
            any = true;
        }
    }
}

void share_give(struct shares *s, const struct share *share, enum share_giver giver)
{
    pthread_mutex_lock(&s->lock);
    struct target *t = *place_of(s, share->target);
    if (t && t->running) {
        t->running--;
        s->running--;
        forget_unused(s, t);
    }
    resume_some(s, giver);
    pthread_mutex_unlock(&s->lock);
}

bool shares_awaited(struct shares *s)
{
    pthread_mutex_lock(&s->lock);
    bool any = s->waiting != NULL;
    pthread_mutex_unlock(&s->lock);
    return any;
}

void shares_nudge(struct shares *s)
{
    pthread_mutex_lock(&s->lock);
    resume_some(s, GIVER_LEASES_NEXT);
    pthread_mutex_unlock(&s->lock);
}

void share_wait(struct shares *s, const struct share *share, struct lease *lease)
{
    pthread_mutex_lock(&s->lock);
    struct target *t = target_of(s, share);
    if (t) {
        s->spool->ops->hold(lease, t->group);
        waits(s, t);
        resume_some(s, GIVER_LEASES_NEXT);
    } else {
        s->spool->ops->release(lease);
    }
    pthread_mutex_unlock(&s->lock);
}

#include "services/lambda/pool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    KEY_ROOM = 512,
    IDLE_MS = 300 * 1000,
    LOOK_MS = 1000,
    MOMENT_MS = 10,
    FAIR_MS = 50, /* so long a busy key may go before the first in line */
};

enum place_state { PLACE_FREE, PLACE_BUSY, PLACE_IDLE, PLACE_ENDING };

struct place {
    struct instance instance; /* first */
    enum place_state state;
    char key[KEY_ROOM], function[KEY_ROOM];
    size_t key_len, function_len;
    int64_t used_ms;
    bool retired;
};

struct waiter { /* on the stack of who waits; who chose it has to wake it, and until then it stays
                 */
    const struct pool_want *want;
    sem_t up;
    _Atomic bool called; /* says to a race detector what the semaphore says to the machine */
    int64_t since_ms;
    struct place *given; /* handed over, busy; it may still be another key's process */
    bool woken;          /* to look for itself */
    struct waiter *next;
};

struct pool {
    struct runner *runner;
    struct outside *outside;
    pthread_mutex_t lock;
    pthread_cond_t closing_changed;
    pthread_t keeper;
    struct waiter *first; /* by how long they have waited */
    struct place *places;
    unsigned count, cores;
    bool closing;
};

static int64_t steady_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct timespec moment(int64_t ms)
{
    return (struct timespec) { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
}

static str key_of(const struct place *p)
{
    return (str) { p->key, p->key_len };
}
static str function_of(const struct place *p)
{
    return (str) { p->function, p->function_len };
}

/* ---- who waits ---- */

/* It may be gone as soon as it has been called. */
static void call_up(struct waiter *w)
{
    atomic_store_explicit(&w->called, true, memory_order_release);
    sem_post(&w->up);
}

static void unlink_waiter(struct pool *pool, struct waiter *w)
{
    for (struct waiter **at = &pool->first; *at; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            return;
        }
    }
}

static struct waiter *hand_over(struct pool *pool, struct place *place, struct waiter *w)
{
    place->state = PLACE_BUSY;
    w->given = place;
    unlink_waiter(pool, w);
    return w;
}

/* A place became free, or this one idle. It goes to the first who wants it as it is, unless the
 * first of all has waited too long for that; else somebody looks again. The caller wakes who is
 * returned. */
static struct waiter *offer(struct pool *pool, struct place *place)
{
    struct waiter *first = pool->first;
    while (first && first->woken)
        first = first->next;
    if (place && first && steady_ms() - first->since_ms > FAIR_MS)
        return hand_over(pool, place, first);
    for (struct waiter *w = first; w && place; w = w->next)
        if (!w->woken && str_eq(w->want->key, key_of(place)))
            return hand_over(pool, place, w);
    if (first)
        first->woken = true;
    return first;
}

/* Opens the lock, and only then wakes: under the lock it would get up to wait for that. */
static void unlock_and_wake(struct pool *pool, struct waiter *w)
{
    struct place *given = w ? w->given : NULL;
    const bool warm = given && str_eq(w->want->key, key_of(given));
    pthread_mutex_unlock(&pool->lock);
    if (warm && w->want->begin)
        w->want->begin(w->want->context, &given->instance);
    if (w)
        call_up(w);
}

/* A place is free. Locked before and behind it. */
static void let_look(struct pool *pool)
{
    struct waiter *w = offer(pool, NULL);
    if (w)
        call_up(w);
}

/* Locked. What was handed over; NULL: look again, or it is too late. */
static struct place *wait_for_place(struct pool *pool, const struct pool_want *want,
                                    int64_t since_ms, int64_t until_ms)
{
    struct waiter w = { .want = want, .since_ms = since_ms };
    const struct timespec until = moment(until_ms);
    int late;
    sem_init(&w.up, 0, 0);
    struct waiter **at = &pool->first; /* who looked in vain keeps the place in line */
    while (*at && (*at)->since_ms <= since_ms)
        at = &(*at)->next;
    w.next = *at;
    *at = &w;
    pthread_mutex_unlock(&pool->lock);
    while ((late = sem_clockwait(&w.up, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&pool->lock);
    if (late && (w.given || w.woken)) { /* chosen at the last moment: who did so still knows `w` */
        pthread_mutex_unlock(&pool->lock);
        while (sem_wait(&w.up) != 0)
            ;
        pthread_mutex_lock(&pool->lock);
    }
    (void)atomic_load_explicit(&w.called, memory_order_acquire);
    if (!w.given)
        unlink_waiter(pool, &w);
    sem_destroy(&w.up);
    return w.given;
}

/* ---- taking one ---- */

static struct place *find_idle(struct pool *pool, str key)
{
    struct place *best = NULL; /* the one used last: its memory is warm, and the others may end */
    for (unsigned i = 0; i < pool->count; i++) {
        struct place *p = &pool->places[i];
        if (p->state == PLACE_IDLE && str_eq(key_of(p), key) &&
            (!best || p->used_ms > best->used_ms))
            best = p;
    }
    return best;
}

static struct place *find_free(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->places[i].state == PLACE_FREE)
            return &pool->places[i];
    return NULL;
}

static struct place *find_oldest_idle(struct pool *pool)
{
    struct place *oldest = NULL;
    for (unsigned i = 0; i < pool->count; i++) {
        struct place *p = &pool->places[i];
        if (p->state == PLACE_IDLE && (!oldest || p->used_ms < oldest->used_ms))
            oldest = p;
    }
    return oldest;
}

static unsigned count_key(struct pool *pool, str key)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pool->count; i++)
        count += pool->places[i].state == PLACE_BUSY && str_eq(key_of(&pool->places[i]), key);
    return count;
}

static unsigned count_busy(struct pool *pool, str function)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pool->count; i++)
        count +=
            pool->places[i].state == PLACE_BUSY && str_eq(function_of(&pool->places[i]), function);
    return count;
}

/* Locked on entry and return, not between: a process takes a moment to end. */
static void end_place(struct pool *pool, struct place *p)
{
    p->state = PLACE_ENDING;
    pthread_mutex_unlock(&pool->lock);
    instance_close(&p->instance);
    pthread_mutex_lock(&pool->lock);
    p->state = PLACE_FREE;
    p->key_len = p->function_len = 0;
}

static void occupy(struct pool *pool, struct place *p, const struct pool_want *want)
{
    p->state = PLACE_BUSY;
    p->retired = false;
    memcpy(p->key, want->key.ptr, want->key.len);
    p->key_len = want->key.len;
    memcpy(p->function, want->function.ptr, want->function.len);
    p->function_len = want->function.len;
    p->instance = (struct instance) { .runner = pool->runner,
                                      .outside = pool->outside,
                                      .slot = (unsigned)(p - pool->places),
                                      .listener = -1,
                                      .output = -1,
                                      .ended = -1 };
}

static const struct fault *too_many(struct arena *arena, const char *why)
{
    return fault_coded(arena, FAULT_UNAVAILABLE, "TooManyRequestsException", "%s", why);
}

/* Locked. One look round; NULL and no fault: nothing now. */
static struct place *look(struct pool *pool, const struct pool_want *want, bool may_start,
                          bool *fresh)
{
    struct place *p = find_idle(pool, want->key);
    *fresh = false;
    if (p) {
        p->state = PLACE_BUSY;
        return p;
    }
    if (!may_start && count_key(pool, want->key) >= pool->cores)
        return NULL;
    p = find_free(pool);
    if (!p && (p = find_oldest_idle(pool)))
        end_place(pool, p);
    if (!p)
        return NULL;
    occupy(pool, p, want);
    *fresh = true;
    return p;
}

const struct fault *pool_acquire(struct pool *pool, const struct pool_want *want,
                                 struct arena *arena, struct instance **ret_instance,
                                 bool *ret_fresh)
{
    const int64_t begun = steady_ms(), until = begun + want->patience_ms;
    struct place *p = NULL;
    bool may_start = false;
    if (want->key.len > KEY_ROOM || want->function.len > KEY_ROOM)
        return fault(arena, FAULT_DEFECT, NULL, "a function's key is longer than it can be");
    pthread_mutex_lock(&pool->lock);
    while (!p) {
        if (want->reserved >= 0 && count_busy(pool, want->function) >= want->reserved) {
            pthread_mutex_unlock(&pool->lock);
            return too_many(arena, "Rate Exceeded.");
        }
        p = look(pool, want, may_start, ret_fresh);
        int64_t now = steady_ms();
        if (p || now >= until)
            break;
        p = wait_for_place(pool, want, begun,
                           may_start || until < begun + MOMENT_MS ? until : begun + MOMENT_MS);
        if (p && !str_eq(key_of(p), want->key)) {
            end_place(pool, p);
            occupy(pool, p, want);
            *ret_fresh = true;
        }
        may_start = may_start || (!p && steady_ms() >= begun + MOMENT_MS);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!p)
        return too_many(arena, "Rate Exceeded.");
    *ret_instance = &p->instance;
    return NULL;
}

void pool_release(struct pool *pool, struct instance *instance, bool keep)
{
    struct place *p = (struct place *)instance;
    struct waiter *w;
    pthread_mutex_lock(&pool->lock);
    p->used_ms = steady_ms();
    if (!keep || p->retired || p->used_ms >= p->instance.keep_until_ms) {
        end_place(pool, p);
        w = offer(pool, NULL);
    } else {
        p->state = PLACE_IDLE;
        w = offer(pool, p);
    }
    unlock_and_wake(pool, w);
}

void pool_retire(struct pool *pool, str function)
{
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++) {
        struct place *p = &pool->places[i];
        if (p->state == PLACE_FREE || !str_eq(function_of(p), function))
            continue;
        p->retired = true;
        if (p->state == PLACE_IDLE) {
            end_place(pool, p);
            let_look(pool);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

unsigned pool_count(struct pool *pool, str function)
{
    unsigned count = 0;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++)
        count +=
            pool->places[i].state != PLACE_FREE && str_eq(function_of(&pool->places[i]), function);
    pthread_mutex_unlock(&pool->lock);
    return count;
}

/* ---- the keeper ---- */

static void *keep_house(void *self)
{
    struct pool *pool = self;
    pthread_mutex_lock(&pool->lock);
    while (!pool->closing) {
        const struct timespec until = moment(steady_ms() + LOOK_MS);
        pthread_cond_clockwait(&pool->closing_changed, &pool->lock, CLOCK_MONOTONIC, &until);
        for (unsigned i = 0; i < pool->count && !pool->closing; i++) {
            struct place *p = &pool->places[i];
            int64_t now = steady_ms();
            if (p->state == PLACE_IDLE &&
                (now - p->used_ms > IDLE_MS || now >= p->instance.keep_until_ms)) {
                end_place(pool, p);
                let_look(pool);
            }
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

const struct fault *pool_open(struct runner *runner, struct outside *outside, unsigned slots,
                              struct arena *arena, struct pool **ret_pool)
{
    struct pool *pool = ARENA_NEW(arena, struct pool);
    struct place *places = ARENA_ARRAY(arena, struct place, slots + 1);
    if (!pool || !places)
        return &fault_no_memory;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *pool = (struct pool) { .runner = runner,
                            .outside = outside,
                            .places = places,
                            .count = slots,
                            .cores = cores > 0 ? (unsigned)cores : 1 };
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->closing_changed, NULL);
    int why = pthread_create(&pool->keeper, NULL, keep_house, pool);
    if (why)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no thread for the functions' processes: %s",
                     strerror(why));
    *ret_pool = pool;
    return NULL;
}

static bool is_busy(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->places[i].state == PLACE_BUSY)
            return true;
    return false;
}

void pool_drain(struct pool *pool, int64_t deadline_ms)
{
    const struct timespec nap = moment(20);
    bool busy = true;
    while (busy && steady_ms() < deadline_ms) {
        pthread_mutex_lock(&pool->lock);
        busy = is_busy(pool);
        pthread_mutex_unlock(&pool->lock);
        if (busy)
            nanosleep(&nap, NULL);
    }
}

void pool_close(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_signal(&pool->closing_changed);
    pthread_mutex_unlock(&pool->lock);
    pthread_join(pool->keeper, NULL);
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->places[i].state != PLACE_FREE)
            instance_close(&pool->places[i].instance);
    pthread_cond_destroy(&pool->closing_changed);
    pthread_mutex_destroy(&pool->lock);
}

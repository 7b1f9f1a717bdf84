/* receive/workers.c - the threads that deliver: few, busy, blocking, straight-line. */
#include "receive/deliver.h"

#include "base/json.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    WORKER_STACK = 512 * 1024,
    LEASE_WAIT_MS = 60 * 1000,
    LOOK_AGAIN_MS =
        2000, /* while work is held: who was to free a share for it may have ended without */
};

struct deliverers {
    struct delivery delivery;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned count, running;
    pthread_t *threads;
};

static void complain(struct outside *outside, const struct fault *f, struct arena *a)
{
    AUTO_BUF line = buf_new(4096);
    struct json_writer w = json_writer(&line);
    json_add_str(&w, "says", fault_sentence(f, a));
    outside->journal->note(outside->journal, JOURNAL_ERROR, STR("receive"), STR("lease-failed"),
                           buf_str(&line));
    nanosleep(&(struct timespec) { .tv_sec = 1 }, NULL);
}

static void *work(void *context)
{
    struct deliverers *all = context;
    thread_begins("delivers", THREAD_BEHIND);
    struct arena *a = arena_new(DELIVER_ARENA);
    for (bool stopped = !a; !stopped; arena_reset(a)) {
        bool any;
        const bool awaited = all->delivery.shares && shares_awaited(all->delivery.shares);
        const struct fault *f =
            deliver_some(&all->delivery, awaited ? LOOK_AGAIN_MS : LEASE_WAIT_MS, a, &any);
        stopped = f && f->kind == FAULT_UNAVAILABLE;
        if (f && !stopped) /* the spool could not be read; it may be able to again */
            complain(all->delivery.outside, f, a);
    }
    arena_free(a);
    pthread_mutex_lock(&all->lock);
    all->running--;
    pthread_cond_signal(&all->ended);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static const struct fault *start(struct deliverers *all, struct arena *a)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    unsigned made = 0;
    pthread_mutex_lock(&all->lock); /* a thread that ends at once waits here to say so */
    while (made < all->count && !pthread_create(&all->threads[made], &attr, work, all))
        made++;
    all->running = all->count = made;
    pthread_mutex_unlock(&all->lock);
    pthread_attr_destroy(&attr);
    return all->count
               ? NULL
               : fault(a, FAULT_UNAVAILABLE, NULL, "no thread for deliveries could be started");
}

const struct fault *deliverers_start(const struct delivery *delivery, unsigned workers,
                                     struct arena *a, struct deliverers **ret_deliverers)
{
    struct deliverers *all = ARENA_NEW(a, struct deliverers);
    if (!all)
        return &fault_no_memory;
    all->delivery = *delivery;
    all->count = workers;
    all->threads = ARENA_ARRAY(a, pthread_t, workers);
    if (!all->threads)
        return &fault_no_memory;
    pthread_mutex_init(&all->lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&all->ended, &steady);
    pthread_condattr_destroy(&steady);
    TRY(start(all, a));
    *ret_deliverers = all;
    return NULL;
}

bool deliverers_stop(struct deliverers *all, int64_t deadline_ms)
{
    struct timespec until = { .tv_sec = deadline_ms / 1000,
                              .tv_nsec = deadline_ms % 1000 * 1000000 };
    int timed_out = 0;
    pthread_mutex_lock(&all->lock);
    while (all->running && !timed_out)
        timed_out = pthread_cond_timedwait(&all->ended, &all->lock, &until);
    bool done = !all->running;
    pthread_mutex_unlock(&all->lock);
    for (unsigned i = 0; done && i < all->count; i++)
        pthread_join(all->threads[i], NULL);
    return done;
}

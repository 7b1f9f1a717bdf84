#include "wire/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Room for SQLite, expat and OpenSSL at their deepest, and for the sanitizers' red zones. */
enum { WORKER_STACK = 1024 * 1024 };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *first, **last;
    struct job *later; /* by when they are due */
    bool stopping;
    unsigned count;
    pthread_t threads[];
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void append(struct workers *w, struct job *job)
{
    job->next = NULL;
    *w->last = job;
    w->last = &job->next;
}

/* What is due stands in line with the rest. */
static void line_up_due(struct workers *w)
{
    while (w->later && (w->stopping || w->later->due_ms <= now_ms())) {
        struct job *due = w->later;
        w->later = due->next;
        append(w, due);
    }
}

static void wait_for_more(struct workers *w)
{
    if (!w->later) {
        pthread_cond_wait(&w->more, &w->lock);
        return;
    }
    struct timespec until = { .tv_sec = w->later->due_ms / 1000,
                              .tv_nsec = w->later->due_ms % 1000 * 1000000 };
    pthread_cond_timedwait(&w->more, &w->lock, &until);
}

static void *work(void *arg)
{
    struct workers *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        line_up_due(w);
        struct job *job = w->first;
        if (!job && w->stopping)
            break;
        if (!job) {
            wait_for_more(w);
            continue;
        }
        w->first = job->next;
        if (!w->first)
            w->last = &w->first;
        pthread_mutex_unlock(&w->lock);
        job->run(job);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct workers *workers_start(unsigned count)
{
    struct workers *w = calloc(1, sizeof *w + count * sizeof w->threads[0]);
    pthread_attr_t attr;

    if (!w)
        return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&w->more, &steady);
    pthread_condattr_destroy(&steady);
    w->last = &w->first;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    while (w->count < count && pthread_create(&w->threads[w->count], &attr, work, w) == 0)
        w->count++;
    pthread_attr_destroy(&attr);
    if (w->count == 0) {
        workers_free(w);
        return NULL;
    }
    return w;
}

bool workers_add(struct workers *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    bool taken = !w->stopping;
    if (taken) {
        append(w, job);
        pthread_cond_signal(&w->more);
    }
    pthread_mutex_unlock(&w->lock);
    return taken;
}

bool workers_add_later(struct workers *w, struct job *job, int64_t ms)
{
    job->due_ms = now_ms() + ms;
    pthread_mutex_lock(&w->lock);
    bool taken = !w->stopping;
    if (taken) {
        struct job **at = &w->later;
        while (*at && (*at)->due_ms <= job->due_ms)
            at = &(*at)->next;
        job->next = *at;
        *at = job;
        pthread_cond_signal(&w->more); /* one may sleep towards a later moment */
    }
    pthread_mutex_unlock(&w->lock);
    return taken;
}

void workers_stop(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    w->count = 0;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    workers_stop(w);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

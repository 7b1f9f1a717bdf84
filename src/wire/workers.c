#include "wire/workers.h"

#include <pthread.h>
#include <stdlib.h>

/* Room for SQLite, expat and OpenSSL at their deepest, and for the sanitizers' red zones. */
enum { WORKER_STACK = 1024 * 1024 };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *first, **last;
    bool stopping;
    unsigned count;
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct workers *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct job *job = w->first;
        if (!job && w->stopping)
            break;
        if (!job) {
            pthread_cond_wait(&w->more, &w->lock);
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
    pthread_cond_init(&w->more, NULL);
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
        job->next = NULL;
        *w->last = job;
        w->last = &job->next;
        pthread_cond_signal(&w->more);
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

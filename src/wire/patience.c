#include "wire/patience.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { LOOK_MS = 250 }; /* how late a wait may end */

struct wait {
    struct patience *patience;
    struct wait *next, **at; /* in patience->waits */
    int fd;
    int64_t until_ms; /* 0: for ever */
    bool for_word;
};

struct patience {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
    struct wait *waits;
    bool stopping;
};

static int64_t steady_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool has_word(int fd)
{
    char octet;

    return recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Under the lock a socket in the list is open: its owner takes it out before closing it. */
static void end_the_late(struct patience *p)
{
    int64_t now_ms = steady_ms();

    for (struct wait *w = p->waits; w; w = w->next)
        if (w->until_ms && now_ms >= w->until_ms && !(w->for_word && has_word(w->fd))) {
            w->until_ms = 0;
            shutdown(w->fd, SHUT_RDWR);
        }
}

static void *look(void *arg)
{
    struct patience *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        int64_t next_ms = steady_ms() + LOOK_MS;
        struct timespec next = { .tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000 };
        pthread_cond_timedwait(&p->stop, &p->lock, &next);
        end_the_late(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct patience *patience_start(void)
{
    struct patience *p = calloc(1, sizeof *p);
    pthread_condattr_t steady;

    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&p->stop, &steady);
    pthread_condattr_destroy(&steady);
    if (pthread_create(&p->thread, NULL, look, p) == 0)
        return p;
    pthread_cond_destroy(&p->stop);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

void patience_stop(struct patience *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->stop);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->stop);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

struct wait *wait_new(struct patience *p, int fd)
{
    struct wait *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->patience = p;
    w->fd = fd;
    pthread_mutex_lock(&p->lock);
    w->next = p->waits;
    w->at = &p->waits;
    if (w->next)
        w->next->at = &w->next;
    p->waits = w;
    pthread_mutex_unlock(&p->lock);
    return w;
}

static void set(struct wait *w, int64_t ms, bool for_word)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->patience->lock);
    w->until_ms = ms ? steady_ms() + ms : 0;
    w->for_word = for_word;
    pthread_mutex_unlock(&w->patience->lock);
}

void wait_at_most(struct wait *w, int64_t ms)
{
    set(w, ms, false);
}

void wait_for_word(struct wait *w, int64_t ms)
{
    set(w, ms, true);
}

void wait_free(struct wait *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->patience->lock);
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    pthread_mutex_unlock(&w->patience->lock);
    free(w);
}

/* store/batcher.c - a list of who waits, and the thread that empties it. */
#include "store/batcher.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { GATHER_US = 1000 };

struct batcher {
    pthread_mutex_t lock; /* of all but the next three */
    const char *name;
    batch_fn *act;
    void *context;
    struct arena *arena; /* the thread's own */
    pthread_cond_t queued;
    struct batch_job *waiting, **waiting_end;
    size_t count;  /* of those */
    size_t wanted; /* so many call the thread */
    bool closing, running;
    pthread_t thread;
};

void batch_job_fail(struct batch_job *job, const struct fault *why, struct arena *arena)
{
    if (job->failed)
        return;
    str says = str_head(fault_sentence(why, arena), sizeof job->says - 1);
    job->failed = true;
    job->kind = why->kind;
    if (says.len)
        memcpy(job->says, says.ptr, says.len);
    job->says[says.len] = '\0';
}

void batcher_add(struct batcher *self, struct batch_job *job)
{
    sem_init(&job->done, 0, 0);
    pthread_mutex_lock(&self->lock);
    *self->waiting_end = job;
    self->waiting_end = &job->next;
    if (++self->count >= self->wanted)
        pthread_cond_signal(&self->queued);
    pthread_mutex_unlock(&self->lock);
}

const struct fault *batch_job_wait(struct batch_job *job, struct arena *arena)
{
    while (sem_wait(&job->done) < 0) /* a signal came */
        ;
    sem_destroy(&job->done);
    return job->failed ? fault(arena, job->kind, NULL, "%s", job->says) : NULL;
}

const struct fault *batcher_wait(struct batcher *self, struct batch_job *job, struct arena *arena)
{
    batcher_add(self, job);
    return batch_job_wait(job, arena);
}

/* Under the lock. Those who were served together come back one by one: who took the first of them would pay the disk for
 * few, again and again. So as many are waited for, though not for long. */
static void gather(struct batcher *self, size_t served)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_US * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    self->wanted = served;
    while (self->count < served && !self->closing &&
           pthread_cond_timedwait(&self->queued, &self->lock, &until) == 0)
        ;
    self->wanted = 1;
}

static void *run(void *context)
{
    struct batcher *self = context;
    thread_begins(self->name, THREAD_GATHERS);
    pthread_mutex_lock(&self->lock);
    for (size_t served = 0;;) {
        if (served > 1)
            gather(self, served);
        while (!self->waiting && !self->closing)
            pthread_cond_wait(&self->queued, &self->lock);
        struct batch_job *jobs = self->waiting;
        if (!jobs)
            break;
        self->waiting = NULL;
        self->waiting_end = &self->waiting;
        served = self->count;
        self->count = 0;
        pthread_mutex_unlock(&self->lock);
        self->act(self->context, jobs, self->arena);
        arena_reset(self->arena);
        /* Each waits on its own, without the lock: waking many costs them no fight over it. */
        for (struct batch_job *next; jobs; jobs = next) {
            next = jobs->next; /* once done it is its owner's again */
            sem_post(&jobs->done);
        }
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

void batcher_close(struct batcher *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->closing = true;
    pthread_cond_signal(&self->queued);
    pthread_mutex_unlock(&self->lock);
    if (self->running)
        pthread_join(self->thread, NULL);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->queued);
    arena_free(self->arena);
    free(self);
}

const struct fault *batcher_open(const char *name, batch_fn *act, void *context, size_t memory,
                                 struct arena *arena, struct batcher **ret_batcher)
{
    struct batcher *self = calloc(1, sizeof *self);
    if (!self)
        return &fault_no_memory;
    self->name = name;
    self->act = act;
    self->context = context;
    self->arena = arena_new(memory);
    self->waiting_end = &self->waiting;
    pthread_mutex_init(&self->lock, NULL);
    self->wanted = 1;
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&self->queued, &steady);
    pthread_condattr_destroy(&steady);
    self->running = self->arena && pthread_create(&self->thread, NULL, run, self) == 0;
    if (!self->running) {
        batcher_close(self);
        return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot start a thread for the disk");
    }
    *ret_batcher = self;
    return NULL;
}

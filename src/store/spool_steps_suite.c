#include "store/spool_steps_suite.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <setjmp.h>
#include <cmocka.h>

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool resumed, ended;
    struct step step;
};

static void on_committed(void *context, const struct fault *f)
{
    struct waiting *w = context;
    pthread_mutex_lock(&w->lock);
    w->step = (struct step) { .committed = f == NULL, .kind = f ? f->kind : FAULT_DEFECT };
    w->ended = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void on_resume(void *context)
{
    struct waiting *w = context;
    pthread_mutex_lock(&w->lock);
    w->resumed = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void wait_for(struct waiting *w, bool *what)
{
    pthread_mutex_lock(&w->lock);
    while (!*what)
        pthread_cond_wait(&w->cond, &w->lock);
    *what = false;
    pthread_mutex_unlock(&w->lock);
}

struct step step_commit_entries(struct spool *spool, const struct spool_entry *entries,
                                size_t count, str body)
{
    struct waiting w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    struct spool_draft *draft;
    const struct fault *f = spool->ops->draft(spool, on_resume, &w, &draft);
    if (f)
        return (struct step) { .kind = f->kind };
    while (body.len) {
        str now = str_head(body, 60000);
        if (!spool->ops->write(draft, now))
            wait_for(&w, &w.resumed);
        body = str_from(body, now.len);
    }
    spool->ops->commit(draft, entries, count, on_committed, &w);
    wait_for(&w, &w.ended);
    return w.step;
}

struct step step_commit(struct spool *spool, const char *id, str body)
{
    char head[128];
    snprintf(head, sizeof head, "head of %s", id);
    struct spool_entry e = { .id = str_of(id),
                             .kind = SPOOL_MAIL,
                             .head = str_of(head),
                             .rules = STR("{\"name\":\"demo\",\"rules\":[]}") };
    return step_commit_entries(spool, &e, 1, body);
}

str step_body(struct arena *arena, size_t size, unsigned seed)
{
    char *to = arena_alloc(arena, size ? size : 1, 1);
    assert_non_null(to);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        to[i] = (char)(x >> 24);
    }
    return (str) { to, size };
}

struct lease step_lease(struct spool *spool, struct arena *arena)
{
    struct lease lease;
    assert_null(spool->ops->lease(spool, 2000, arena, &lease));
    assert_non_null(lease.impl);
    return lease;
}

struct lease step_lease_none(struct spool *spool, struct arena *arena)
{
    struct lease lease;
    assert_null(spool->ops->lease(spool, 0, arena, &lease));
    assert_null(lease.impl);
    return lease;
}

unsigned step_number(const struct lease *lease)
{
    uint64_t n = 0;
    assert_true(str_u64(str_from(lease->entry.id, 1), &n));
    return (unsigned)n;
}

str step_read_all(struct spool *spool, const struct lease *lease, struct arena *arena)
{
    char *to = arena_alloc(arena, (size_t)lease->body_size + 1, 1);
    assert_non_null(to);
    uint64_t at = 0;
    for (;;) {
        str bytes;
        if (spool->ops->read(lease, at, 50000, arena, &bytes))
            return STR_NONE;
        if (!bytes.len)
            break;
        memcpy(to + at, bytes.ptr, bytes.len);
        at += bytes.len;
    }
    return (str) { to, (size_t)at };
}

/* Everything pushed earlier was taken by the committer before, or together with, this one. */
void step_flush(struct spool *spool)
{
    AUTO_ARENA *arena = arena_new((size_t)1 << 20);
    struct spool_entry e = { .id = STR("flush"),
                             .kind = SPOOL_MAIL,
                             .head = STR("f"),
                             .rules = STR(""),
                             .due_ms = INT64_MIN }; /* before all others */
    step_commit_entries(spool, &e, 1, STR(""));
    struct lease lease;
    if (spool->ops->lease(spool, 0, arena, &lease) == NULL && lease.impl)
        spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
}

enum spool_state step_state(struct spool *spool, const char *id)
{
    AUTO_ARENA *arena = arena_new((size_t)8 << 20);
    struct spool_record record;
    const struct fault *f = spool->ops->find(spool, str_of(id), arena, &record);
    return f ? (enum spool_state)99 : record.state;
}

bool step_state_becomes(struct spool *spool, const char *id, enum spool_state state)
{
    for (int i = 0; i < 400; i++) {
        if (step_state(spool, id) == state)
            return true;
        nanosleep(&(struct timespec) { .tv_nsec = 5000000 }, NULL);
    }
    return false;
}

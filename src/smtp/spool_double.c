/* smtp/spool_double.c - the committer is a queue of answers and a thread. */
#include "smtp/spool_double.h"

#include <assert.h>
#include <stdlib.h>

struct job {
    struct job *next;
    spool_committed_fn *committed;
    spool_resume_fn *resume;
    void *context;
};
struct spool_draft {
    struct memory_spool *spool;
    struct buf body;
    spool_resume_fn *resume;
    void *context;
    size_t since_full;
};

static void add_job(struct memory_spool *m, struct job job)
{
    struct job *j = malloc(sizeof *j);
    *j = job;
    j->next = NULL;
    struct job **at = &m->jobs;
    while (*at)
        at = &(*at)->next;
    *at = j;
    pthread_cond_signal(&m->changed);
}

static void *committer(void *context)
{
    struct memory_spool *m = context;
    pthread_mutex_lock(&m->lock);
    while (!m->stop || m->jobs) {
        struct job *j = m->jobs;
        if (!j) {
            pthread_cond_wait(&m->changed, &m->lock);
            continue;
        }
        m->jobs = j->next;
        struct fault fault = { .kind = m->commit_fault, .says = STR("the disk says no") };
        bool fails = m->fails;
        pthread_mutex_unlock(&m->lock);
        usleep(m->slow_us);
        if (j->resume)
            j->resume(j->context);
        else
            j->committed(j->context, fails ? &fault : NULL);
        free(j);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static const struct fault *draft(struct spool *spool, spool_resume_fn *resume, void *context,
                                 struct spool_draft **ret)
{
    struct memory_spool *m = (struct memory_spool *)(void *)spool;
    struct spool_draft *d = calloc(1, sizeof *d);
    *d = (struct spool_draft) {
        .spool = m, .body = buf_new(64 << 20), .resume = resume, .context = context
    };
    __atomic_fetch_add(&m->drafts, 1, __ATOMIC_RELAXED);
    *ret = d;
    return NULL;
}

static bool write_draft(struct spool_draft *d, str chunk)
{
    buf_add(&d->body, chunk);
    d->since_full += chunk.len;
    if (!d->spool->full_every || d->since_full < d->spool->full_every)
        return true;
    d->since_full = 0;
    pthread_mutex_lock(&d->spool->lock);
    d->spool->waits++;
    add_job(d->spool, (struct job) { .resume = d->resume, .context = d->context });
    pthread_mutex_unlock(&d->spool->lock);
    return false;
}

static void commit(struct spool_draft *d, const struct spool_entry *entries, size_t count,
                   spool_committed_fn *done, void *context)
{
    struct memory_spool *m = d->spool;
    assert(count > 0 && entries[0].id.len > 0);
    pthread_mutex_lock(&m->lock);
    buf_free(&m->last);
    m->last = d->body;
    m->committed++;
    add_job(m, (struct job) { .committed = done, .context = context });
    pthread_mutex_unlock(&m->lock);
    free(d);
}

static void abandon(struct spool_draft *d)
{
    __atomic_fetch_add(&d->spool->abandoned, 1, __ATOMIC_RELAXED);
    buf_free(&d->body);
    free(d);
}

static const struct spool_ops memory_ops = {
    .draft = draft, .write = write_draft, .commit = commit, .abandon = abandon
};

void memory_spool_open(struct memory_spool *m)
{
    *m = (struct memory_spool) { .spool.ops = &memory_ops };
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    pthread_create(&m->thread, NULL, committer, m);
}

void memory_spool_close(struct memory_spool *m)
{
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    buf_free(&m->last);
}

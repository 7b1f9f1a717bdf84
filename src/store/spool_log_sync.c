/* store/spool_log_sync.c - the syncer: a thread that waits for the disk in the committer's place.
 *
 * The committer asks for a sync, goes on with what comes meanwhile, and hears of the end of the sync where it
 * waits for more, on its own condition. What it has ready by then is armed: its head, which makes a batch of frames that
 * are written already. The syncer writes that and syncs again at once, so the disk does not wait for threads to
 * wake one another. A sync that failed is the last.
 *
 *     ask --> RUNS --ends, nothing armed--> IDLE
 *              ^ |
 *              +-+ ends well, armed: its head is written ("fired") */
#include "store/spool_log.h"

#include "base/thread.h"

static int write_and_sync(struct spool_log *log, const struct sync_work *work)
{
    int error = 0;
    if (work->head_size)
        error = segment_pwrite(work->segment, work->head, work->head_size, work->head_at);
    return error ? error : log->disk->fdatasync(log->disk, work->segment->fd);
}

static void *syncer_run(void *context)
{
    struct spool_log *log = context;
    struct syncer *s = &log->syncer;
    thread_begins("spool syncer", THREAD_AWAITED);
    pthread_mutex_lock(&log->list_lock);
    for (;;) {
        while (!s->runs && !s->closing)
            pthread_cond_wait(&s->asked, &log->list_lock);
        if (!s->runs)
            break;
        const struct sync_work work = s->work;
        pthread_mutex_unlock(&log->list_lock);
        const int error = write_and_sync(log, &work);
        pthread_mutex_lock(&log->list_lock);
        s->ended++;
        s->error = error;
        s->fired = s->runs = s->is_armed && !error;
        s->is_armed = false;
        s->work = s->armed;
        pthread_cond_signal(&log->list_cond);
    }
    pthread_mutex_unlock(&log->list_lock);
    return NULL;
}

bool syncer_ask(struct spool_log *log, const struct segment *segment)
{
    struct syncer *s = &log->syncer;
    if (!s->begun) {
        pthread_cond_init(&s->asked, NULL);
        s->begun = pthread_create(&s->thread, NULL, syncer_run, log) == 0;
        if (!s->begun)
            pthread_cond_destroy(&s->asked);
    }
    if (!s->begun)
        return false;
    pthread_mutex_lock(&log->list_lock);
    s->work = (struct sync_work) { .segment = segment };
    s->runs = true;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&log->list_lock);
    return true;
}

bool syncer_ended(struct spool_log *log, uint64_t octets, int *ret_error, bool *ret_fired)
{
    struct syncer *s = &log->syncer;
    pthread_mutex_lock(&log->list_lock);
    log->wanted_octets = octets;
    while (!s->ended && (!octets || log->waiting_octets < octets))
        pthread_cond_wait(&log->list_cond, &log->list_lock);
    log->wanted_octets = 0;
    const bool ended = s->ended > 0;
    if (ended) {
        *ret_fired = s->fired || s->ended > 1;
        *ret_error = s->ended > 1 ? 0 : s->error;
        s->ended--;
        s->fired = false;
    }
    pthread_mutex_unlock(&log->list_lock);
    return ended;
}

bool syncer_disarm(struct spool_log *log)
{
    struct syncer *s = &log->syncer;
    pthread_mutex_lock(&log->list_lock);
    const bool in_time = !s->ended;
    if (in_time)
        s->is_armed = false;
    pthread_mutex_unlock(&log->list_lock);
    return in_time;
}

void syncer_arm(struct spool_log *log, const struct sync_work *work)
{
    struct syncer *s = &log->syncer;
    pthread_mutex_lock(&log->list_lock);
    s->armed = *work;
    s->is_armed = !s->ended;
    pthread_mutex_unlock(&log->list_lock);
}

void syncer_close(struct spool_log *log)
{
    struct syncer *s = &log->syncer;
    if (!s->begun)
        return;
    pthread_mutex_lock(&log->list_lock);
    s->closing = true;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&log->list_lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->asked);
}

/* store/spool_log.c - the local spool: its directory, its life, its health.
 *
 *     format        "sesame spool 1\n"; a newer number is refused
 *     log/SLOT      segments (segment.c), eight hex digits; the order is in their headers
 *     bodies/NUMBER large bodies (spool_log_body.c)
 *     history/SLOT  settled timelines (history.c)
 *     dead/ID       dead letters (dead.c)
 *     damaged/      segments in which something could not be read, kept for a person
 *
 * The crash argument, state by state, is in docs/durability.md. In short: a commit is promised when
 * the sync behind its batch returned. Before that a stop leaves a batch that is whole, or one that
 * is dropped whole; after it, only damage can take it, and damage is told from a torn tail by the
 * synced positions in later batches. Settlements follow their effects, so between an effect and its
 * settlement's sync a stop makes the effect happen again: that window, and no other, brings
 * duplicates. */
#include "store/spool_log.h"

#include "store/dead.h"
#include "store/history.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char format_now[] = "sesame spool 1\n";

const struct fault spool_disk_full = { .kind = FAULT_LIMIT, .says = STR_INIT("the disk is full") };
const struct fault spool_disk_failed = {
    .kind = FAULT_UNAVAILABLE,
    .says = STR_INIT("the spool's disk failed; nothing is kept until a restart")
};
const struct fault spool_stopped = { .kind = FAULT_UNAVAILABLE,
                                     .says = STR_INIT("the spool is stopping") };
const struct fault spool_too_long = {
    .kind = FAULT_LIMIT, .says = STR_INIT("an envelope, rule set or note is too long for the spool")
};
const struct fault spool_body_lost = {
    .kind = FAULT_UNAVAILABLE,
    .says = STR_INIT("a body could not be read from or written to the disk")
};

const struct fault spool_body_damaged = { .kind = FAULT_UNAVAILABLE,
                                          .says = STR_INIT("a body is damaged on the disk") };

const char *log_path(const struct spool_log *log, char to[LOG_PATH], const char *fmt, ...)
{
    int n = snprintf(to, LOG_PATH, "%s/", log->directory);
    va_list args;
    va_start(args, fmt);
    vsnprintf(to + n, (size_t)(LOG_PATH - n), fmt, args);
    va_end(args);
    return to;
}

void log_says(struct spool_log *log, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&log->queue_lock);
    vsnprintf(log->says, sizeof log->says, fmt, args);
    pthread_mutex_unlock(&log->queue_lock);
    va_end(args);
}

void log_failed(struct spool_log *log, const char *what, int error)
{
    char why[64];
    if (log->failed)
        return;
    log_says(log, "%s: %s", what, strerror_r(-error, why, sizeof why));
    log->failed = true;
    journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"), STR("disk-failed"),
                  "\"says\":\"%s\",\"errno\":%d", what, -error);
}

void log_damaged(struct spool_log *log, struct segment *s, uint64_t offset, uint64_t frames,
                 const char *says)
{
    pthread_mutex_lock(&log->queue_lock);
    log->damaged_frames += frames;
    if (s)
        s->damaged = true;
    pthread_mutex_unlock(&log->queue_lock);
    if (s)
        journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"), STR("damage"),
                      "\"says\":\"%s\",\"file\":\"log/%08x\",\"offset\":%llu,\"frames\":%llu", says,
                      s->slot, (unsigned long long)offset, (unsigned long long)frames);
    else
        journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"), STR("damage"),
                      "\"says\":\"%s\",\"number\":\"%08llx\"", says, (unsigned long long)offset);
}

/* The calls of struct spool_ops that need no more than a cast. */

static const struct fault *on_draft(struct spool *spool, spool_resume_fn *resume, void *context,
                                    struct spool_draft **ret_draft)
{
    return draft_open((struct spool_log *)spool, resume, context, ret_draft);
}

static void on_commit(struct spool_draft *draft, const struct spool_entry *entries, size_t count,
                      spool_committed_fn *committed, void *context)
{
    draft_commit(draft, entries, count, STR(""), committed, context);
}

static void log_health(struct spool *spool, struct spool_health *ret_health)
{
    struct spool_log *log = (struct spool_log *)spool;
    uint64_t dead_bytes, dead = dead_count(log->dead, &dead_bytes),
                         kept = history_bytes(log->history);
    pthread_mutex_lock(&log->drafts_lock);
    uint64_t drafts = log->draft_bytes, bodies = log->body_bytes;
    pthread_mutex_unlock(&log->drafts_lock);
    pthread_mutex_lock(&log->queue_lock);
    *ret_health = (struct spool_health) {
        .accepting = !log->failed && !log->full,
        .queued = log->queued + log->set_aside,
        .retrying = log->retrying + log->moving,
        .leased = log->leased,
        .held = log->held,
        .dead = dead,
        .segments = log->segment_count,
        .disk_bytes = log->segment_count * log->limits.segment_bytes + bodies + kept + dead_bytes,
        .draft_bytes = drafts,
        .commits = log->commits,
        .batches = log->batches,
        .batches_ahead = log->batches_ahead,
        .synced_bytes = log->synced_bytes,
        .damaged_frames = log->damaged_frames,
    };
    memcpy(ret_health->says, log->says, sizeof ret_health->says);
    pthread_mutex_unlock(&log->queue_lock);
}

static void threads_end(struct spool_log *log)
{
    /* In this order: the keeper and the spiller still push to the committer. */
    if (log->threads > 2) {
        pthread_mutex_lock(&log->keeper_lock);
        log->keeper_closing = true;
        pthread_cond_signal(&log->keeper_cond);
        pthread_mutex_unlock(&log->keeper_lock);
        pthread_join(log->keeper, NULL);
    }
    if (log->threads > 1) {
        pthread_mutex_lock(&log->drafts_lock);
        log->spiller_closing = true;
        pthread_cond_signal(&log->spiller_cond);
        pthread_mutex_unlock(&log->drafts_lock);
        pthread_join(log->spiller, NULL);
    }
    if (log->threads > 0) {
        pthread_mutex_lock(&log->list_lock);
        log->closing = true;
        pthread_cond_signal(&log->list_cond);
        pthread_mutex_unlock(&log->list_lock);
        pthread_join(log->committer, NULL);
    }
}

static void memory_free(struct spool_log *log)
{
    for (size_t i = 0; i < log->bucket_count; i++)
        for (struct entry *e; (e = log->buckets[i]);) {
            log->buckets[i] = e->next;
            free(e);
        }
    for (size_t i = 0; i < 256; i++)
        for (struct body_file *b; (b = log->bodies[i]);) {
            log->bodies[i] = b->next;
            free(b);
        }
    for (struct block *b; (b = log->free_blocks);) {
        log->free_blocks = b->next;
        free(b);
    }
    for (size_t i = 0; i < SEGMENT_SLOTS; i++)
        segment_close(log->segments[i]);
    rules_free(log);
    groups_free(log);
    free(log->buckets);
    free(log->heap);
    free(log->doomed);
    free(log->iov);
}

static void log_close(struct spool *spool)
{
    struct spool_log *log = (struct spool_log *)spool;
    threads_end(log);
    history_close(log->history);
    dead_close(log->dead);
    memory_free(log);
    pthread_cond_destroy(&log->list_cond);
    pthread_cond_destroy(&log->spiller_cond);
    pthread_cond_destroy(&log->resumed_cond);
    pthread_cond_destroy(&log->keeper_cond);
    pthread_mutex_destroy(&log->list_lock);
    pthread_mutex_destroy(&log->queue_lock);
    pthread_mutex_destroy(&log->drafts_lock);
    pthread_mutex_destroy(&log->rules_lock);
    pthread_mutex_destroy(&log->keeper_lock);
    pthread_mutex_destroy(&log->redrive_lock);
    free(log);
}

static const struct spool_ops ops = {
    .draft = on_draft,
    .write = draft_write,
    .commit = on_commit,
    .abandon = draft_abandon,
    .lease = log_lease,
    .read = log_read,
    .note = log_note,
    .settle = log_settle,
    .release = log_release,
    .hold = log_hold,
    .resume = log_resume,
    .find = log_find,
    .recent = log_recent,
    .older = log_older,
    .front = log_front,
    .redrive = log_redrive,
    .health = log_health,
    .stop = log_stop,
    .close = log_close,
};

static uint64_t or_default(uint64_t said, uint64_t otherwise)
{
    return said ? said : otherwise;
}

static struct spool_limits limits_of(const struct spool_limits *said)
{
    static const struct spool_limits none;
    const struct spool_limits *s = said ? said : &none;
    struct spool_limits l = {
        .segment_bytes = or_default(s->segment_bytes, 64 << 20),
        .draft_bytes = or_default(s->draft_bytes, 64 << 20),
        .spill_bytes = or_default(s->spill_bytes, 256 << 10),
        .ahead_bytes = or_default(s->ahead_bytes, 256 << 10),
        .history_bytes = or_default(s->history_bytes, 256 << 20),
        .dead_bytes = or_default(s->dead_bytes, 1 << 30),
        .wait_ms = s->wait_ms,
        .dead_ms = s->dead_ms ? s->dead_ms : (int64_t)14 * 24 * 3600 * 1000,
    };
    if (l.segment_bytes < SEGMENT_MIN)
        l.segment_bytes = SEGMENT_MIN;
    if (l.segment_bytes > 1 << 30)
        l.segment_bytes = 1 << 30;
    l.segment_bytes = page_padded(l.segment_bytes);
    if (l.spill_bytes > l.segment_bytes / 4) /* what does not spill must fit into a segment */
        l.spill_bytes = l.segment_bytes / 4;
    if (l.spill_bytes > 8 << 20)
        l.spill_bytes = 8 << 20;
    return l;
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static struct spool_log *log_new(str directory, const struct spool_limits *limits,
                                 struct outside *outside)
{
    struct spool_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->spool.ops = &ops;
    log->outside = outside;
    log->disk = outside->disk;
    log->limits = limits_of(limits);
    memcpy(log->directory, directory.ptr, directory.len);
    log->waiting.last = &log->waiting.first;
    log->spill_last = &log->spill_first;
    log->next_epoch = log->next_body = 1;
    pthread_mutex_init(&log->list_lock, NULL);
    pthread_mutex_init(&log->queue_lock, NULL);
    pthread_mutex_init(&log->drafts_lock, NULL);
    pthread_mutex_init(&log->rules_lock, NULL);
    pthread_mutex_init(&log->keeper_lock, NULL);
    pthread_mutex_init(&log->redrive_lock, NULL);
    cond_init(&log->list_cond);
    cond_init(&log->spiller_cond);
    cond_init(&log->resumed_cond);
    cond_init(&log->keeper_cond);
    log->iov = calloc(IOV_ROOM, sizeof *log->iov);
    log->bucket_count = 1024;
    log->buckets = calloc(log->bucket_count, sizeof *log->buckets);
    return log;
}

static int directories_make(struct spool_log *log)
{
    static const char *const names[] = { "log", "bodies", "history", "dead" };
    char path[LOG_PATH];
    struct disk *disk = log->disk;
    int error = disk->make_directory(disk, log->directory, 0700);
    if (error && error != -EEXIST)
        return error;
    if (!error) { /* its name lasts when the directory above is synced */
        memcpy(path, log->directory, sizeof log->directory);
        char *slash = strrchr(path, '/');
        if (slash)
            slash[slash == path] = '\0';
        error = disk->sync_directory(disk, slash ? path : ".");
        if (error)
            return error;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        error = disk->make_directory(disk, log_path(log, path, "%s", names[i]), 0700);
        if (error && error != -EEXIST)
            return error;
    }
    return disk->sync_directory(disk, log->directory);
}

static int format_write(struct spool_log *log, const char *path)
{
    struct disk *disk = log->disk;
    int fd = disk->open(disk, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    struct segment file = { .disk = disk, .fd = fd };
    int error = segment_pwrite(&file, format_now, sizeof format_now - 1, 0);
    if (!error)
        error = disk->fdatasync(disk, fd);
    disk->close(disk, fd);
    return error ? error : disk->sync_directory(disk, log->directory);
}

/* An empty file is a first start that did not end: the name came to the disk, the line did not. */
static const struct fault *format_check(struct spool_log *log, struct arena *arena)
{
    char path[LOG_PATH], line[64] = { 0 };
    log_path(log, path, "format");
    int fd = log->disk->open(log->disk, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd >= 0         ? log->disk->pread(log->disk, fd, line, sizeof line - 1, 0)
                : fd == -ENOENT ? 0
                                : fd;
    if (fd >= 0)
        log->disk->close(log->disk, fd);
    bool fresh = n >= 0 && line[0] == 0;
    if (fresh)
        n = format_write(log, path);
    if (n < 0)
        return fault(arena, disk_is_full((int)n) ? FAULT_LIMIT : FAULT_UNAVAILABLE, NULL,
                     "could not read or write %s: %s", path, strerror(-(int)n));
    if (fresh || strcmp(line, format_now) == 0)
        return NULL;
    int version;
    if (sscanf(line, "sesame spool %d", &version) == 1 && version > 1)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the spool in %s has format %d, written by a newer version of Sesame; this "
                     "one reads format 1",
                     log->directory, version);
    return fault(arena, FAULT_UNAVAILABLE, NULL, "%s is not a spool of Sesame", log->directory);
}

static const struct fault *log_start(struct spool_log *log, struct arena *arena)
{
    if (!log->iov || !log->buckets)
        return &fault_no_memory;
    char path[LOG_PATH];
    int error = directories_make(log);
    if (error)
        return fault(arena, disk_is_full(error) ? FAULT_LIMIT : FAULT_UNAVAILABLE, NULL,
                     "could not make the spool in %s: %s", log->directory, strerror(-error));
    TRY(format_check(log, arena));
    TRY(dead_open(str_of(log_path(log, path, "dead")), log->limits.dead_bytes, log->limits.dead_ms,
                  log->outside, arena, &log->dead));
    TRY(history_open(str_of(log_path(log, path, "history")), log->limits.history_bytes,
                     log->outside, arena, &log->history));
    TRY(log_recover(log, arena));
    void *(*const runs[])(void *) = { committer_run, spiller_run, keeper_run };
    pthread_t *const threads[] = { &log->committer, &log->spiller, &log->keeper };
    for (; log->threads < 3; log->threads++)
        if (pthread_create(threads[log->threads], NULL, runs[log->threads], log) != 0)
            return fault(arena, FAULT_UNAVAILABLE, NULL, "could not start a thread for the spool");
    return NULL;
}

const struct fault *spool_log_open(str directory, const struct spool_limits *limits,
                                   struct outside *outside, struct arena *arena,
                                   struct spool **ret_spool)
{
    if (directory.len == 0 || directory.len >= LOG_PATH - 128)
        return fault(arena, FAULT_LIMIT, NULL, "the spool's path is empty or too long");
    struct spool_log *log = log_new(directory, limits, outside);
    if (!log)
        return &fault_no_memory;
    const struct fault *f = log_start(log, arena);
    if (f) {
        log_close(&log->spool);
        return f;
    }
    *ret_spool = &log->spool;
    return NULL;
}

/* store/spool_log_space.c - the log's segments: begun, sealed, freed, kept back.
 *
 * A segment is sealed, with its table, and synced before the next one is begun. Segments are freed
 * oldest first: a settlement lies at or behind its commit, so it is never gone before it. One free
 * segment is always kept back; mail is refused while there is none, so notes and settlements have
 * its room to drain into. */
#include "store/spool_log.h"

#include <errno.h>
#include <stdlib.h>

enum { FREE_MOST = 4 };

static uint32_t slot_unused(struct spool_log *log)
{
    uint32_t slot = 0;
    pthread_mutex_lock(&log->queue_lock);
    while (slot < SEGMENT_SLOTS && log->segments[slot])
        slot++;
    pthread_mutex_unlock(&log->queue_lock);
    return slot;
}

void segment_spare(struct spool_log *log, struct segment *s)
{
    struct segment **at = &log->free_segments;
    /* One with the next epoch on disk stays first: behind a younger one it would be taken for damaged. */
    if (*at && (*at)->begun_in_vain)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    log->free_count++;
}

void space_gone(struct spool_log *log)
{
    if (!log->full) {
        log_says(log, "the disk is full");
        journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"), STR("disk-full"),
                      "\"accepting\":false");
    }
    log->full = true;
}

int reserve_make(struct spool_log *log)
{
    if (log->free_count)
        return 0;
    char path[LOG_PATH];
    uint32_t slot = slot_unused(log);
    if (slot == SEGMENT_SLOTS)
        return -ENOSPC;
    struct segment *s;
    int error = segment_create(log->disk, log_path(log, path, "log/%08x", slot), slot, SEGMENT_LOG,
                               log->limits.segment_bytes, &s);
    if (error)
        return error;
    error = log->disk->sync_directory(log->disk, log_path(log, path, "log"));
    if (error) { /* or the next try would find the name taken */
        log->disk->unlink(log->disk, path);
        segment_close(s);
        return error;
    }
    pthread_mutex_lock(&log->queue_lock);
    log->segments[slot] = s;
    log->segment_count++;
    pthread_mutex_unlock(&log->queue_lock);
    segment_spare(log, s);
    return 0;
}

/* Mail is only taken while a whole segment is kept back for what drains. */
void space_check(struct spool_log *log)
{
    int error = log->failed ? 0 : reserve_make(log);
    if (disk_is_full(error)) {
        space_gone(log);
    } else if (error) {
        log_failed(log, "a segment could not be made", error);
    } else if (log->full && !log->failed) {
        log->full = false;
        log_says(log, "%s", "");
        journal_notef(log->outside->journal, JOURNAL_INFO, STR("store"), STR("disk-has-room"),
                      "\"accepting\":true");
    }
}

struct segment *segment_next(struct spool_log *log, int *ret_error)
{
    *ret_error = reserve_make(log);
    if (*ret_error)
        return NULL;
    struct segment *s = log->free_segments;
    uint64_t salt;
    log->outside->entropy->fill(log->outside->entropy, &salt, sizeof salt);
    *ret_error = segment_begin(s, log->next_epoch, salt);
    if (*ret_error)
        return NULL;
    log->free_segments = s->next;
    log->free_count--;
    log->next_epoch++;
    s->next = NULL;
    s->living = s->living_bytes = s->set_aside = 0;
    pthread_mutex_lock(&log->queue_lock);
    struct segment **at = &log->used;
    while (*at)
        at = &(*at)->next;
    *at = s;
    pthread_mutex_unlock(&log->queue_lock);
    return s;
}

/* Seals the open segment and begins the next. 0, or why not: full (nothing was begun), or final. */
int segment_turn(struct spool_log *log)
{
    int error = reserve_make(log);
    if (!error && !log->open->sealed) {
        error = segment_seal(log->open);
        if (!error)
            error = log->disk->fdatasync(log->disk, log->open->fd);
        if (error == -EMSGSIZE) {
            log_damaged(log, log->open, log->open->end, 1, "a segment has no room for its table");
            error = 0;
        }
        if (error) {
            log_failed(log, "a segment's table could not be written", error);
            return error;
        }
        segment_forget_rows(log->open);
    }
    struct segment *next = error ? NULL : segment_next(log, &error);
    if (error) {
        if (!disk_is_full(error))
            log_failed(log, "a segment could not be begun", error);
        return error;
    }
    log->open = next;
    space_check(log);
    return 0;
}

/* A damaged segment is not written over: it goes aside for a person to look at, with the entries in
 * it that cannot be read, so that they do not hold up the segments behind it for ever. */
static int segment_aside(struct spool_log *log, struct segment *s)
{
    pthread_mutex_lock(&log->queue_lock);
    queue_forget_slot(log, s);
    pthread_mutex_unlock(&log->queue_lock);
    char from[LOG_PATH], to[LOG_PATH], directory[LOG_PATH];
    log_path(log, from, "log/%08x", s->slot);
    log_path(log, to, "damaged/%08x-%016llx", s->slot, (unsigned long long)s->epoch);
    log->disk->make_directory(log->disk, log_path(log, directory, "damaged"), 0700);
    int error = log->disk->rename(log->disk, from, to);
    if (!error)
        error = log->disk->sync_directory(log->disk, directory);
    if (!error)
        error = log->disk->sync_directory(log->disk, log_path(log, directory, "log"));
    return error;
}

/* Oldest first, while nothing in them lives. The header's change is on disk before a younger
 * segment's is begun, so a settlement never goes before its commit. */
void segments_free(struct spool_log *log)
{
    while (!log->failed) {
        pthread_mutex_lock(&log->queue_lock);
        struct segment *s = log->used;
        bool lives = s == log->open || s->living > (s->damaged ? s->set_aside : 0) || s->readers;
        if (!lives) {
            log->used = s->next;
        }
        pthread_mutex_unlock(&log->queue_lock);
        if (lives)
            return;
        char path[LOG_PATH];
        int error = s->damaged ? segment_aside(log, s) : segment_release(s);
        bool keep = !error && !s->damaged && log->free_count < FREE_MOST;
        if (keep) {
            segment_spare(log, s);
            continue;
        }
        if (!error && !s->damaged)
            log->disk->unlink(log->disk, log_path(log, path, "log/%08x", s->slot));
        pthread_mutex_lock(&log->queue_lock);
        log->segments[s->slot] = NULL;
        log->segment_count--;
        pthread_mutex_unlock(&log->queue_lock);
        segment_close(s);
        if (error)
            log_failed(log, "a segment could not be freed", error);
    }
}

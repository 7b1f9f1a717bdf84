/* store/spool_log_body.c - bodies in files of their own: bodies/NUMBER, eight hex digits.
 *
 * A file is a row of blocks of 16384 bytes:
 *
 *      0  u32  CRC32C of bytes 4..16 and the data
 *      4  u32  bytes of data, at most 16368; zeros behind them
 *      8  u64  the body's token, random, as its commit frame has it, xor the block's number
 *     16       data
 *
 * The spiller writes the blocks, syncs the file (and the directory, when any name in it may not be
 * synced yet: a spare file may be one that an abandoned message made, or that a killed process
 * left), and only then hands the commit to the committer. So a commit frame on disk means a whole
 * body on disk. A
 * file is written over with another body only after the settlement of its last entry is on disk;
 * should damage bring such an entry back, the token keeps it from being given another message's
 * bytes. A file no commit names is left over from a stop: the next start takes it as spare or
 * removes it. */
#include "store/spool_log.h"

#include "base/crc.h"
#include "base/thread.h"
#include "store/little.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

void spiller_push(struct spool_log *log, struct spool_draft *d)
{
    if (d->queued)
        return;
    d->queued = true;
    d->next = NULL;
    *log->spill_last = d;
    log->spill_last = &d->next;
    pthread_cond_signal(&log->spiller_cond);
}

static int body_open_spare(struct spool_log *log, struct spool_draft *d)
{
    char path[LOG_PATH];
    pthread_mutex_lock(&log->drafts_lock);
    uint32_t number = log->kept_count ? log->kept[--log->kept_count] : 0;
    pthread_mutex_unlock(&log->drafts_lock);
    if (!number)
        return -ENOENT;
    int fd = log->disk->open(log->disk, log_path(log, path, "bodies/%08x", number),
                             O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        body_spare(log, number);
        return fd;
    }
    d->fd = fd;
    d->file = number;
    return 0;
}

static int body_create(struct spool_log *log, struct spool_draft *d)
{
    char path[LOG_PATH];
    uint32_t number;
    int fd;
    do {
        pthread_mutex_lock(&log->drafts_lock);
        number = log->next_body++;
        pthread_mutex_unlock(&log->drafts_lock);
        fd = number ? log->disk->open(log->disk, log_path(log, path, "bodies/%08x", number),
                                      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                    : -EEXIST;
    } while (fd == -EEXIST);
    if (fd < 0)
        return fd;
    d->fd = fd;
    d->file = number;
    log->names_unsynced = true;
    return 0;
}

static int blocks_write(struct spool_draft *d, struct block *first)
{
    struct disk *disk = d->log->disk;
    while (first) {
        struct iovec iov[64];
        int count = 0;
        const uint64_t from = (uint64_t)d->next_index * BLOCK_BYTES;
        uint64_t offset = from;
        for (; first && count < 64; first = first->next, count++) {
            char *b = first->bytes;
            put_u32(b + 4, first->used);
            put_u64(b + 8, d->token ^ d->next_index++);
            put_u32(b, crc32c(0, b + 4, BLOCK_HEADER - 4 + first->used));
            memset(b + BLOCK_HEADER + first->used, 0, BLOCK_DATA - first->used);
            iov[count] = (struct iovec) { b, BLOCK_BYTES };
        }
        for (int at = 0; at < count;) {
            ssize_t n = disk->pwritev(disk, d->fd, iov + at, count - at, offset);
            if (n <= 0)
                return n ? (int)n : -EIO;
            offset += (uint64_t)n;
            for (; at < count && (size_t)n >= iov[at].iov_len; at++)
                n -= (ssize_t)iov[at].iov_len;
            if (at < count) {
                iov[at].iov_base = (char *)iov[at].iov_base + n;
                iov[at].iov_len -= (size_t)n;
            }
        }
        disk->write_soon(disk, d->fd, from, offset - from);
    }
    return 0;
}

static void spill_blocks(struct spool_draft *d, struct block *blocks)
{
    struct spool_log *log = d->log;
    if (!d->error && d->fd < 0) {
        d->error = body_open_spare(log, d);
        if (d->error)
            d->error = body_create(log, d);
        log->outside->entropy->fill(log->outside->entropy, &d->token, sizeof d->token);
    }
    if (!d->error)
        d->error = blocks_write(d, blocks);
}

/* Everything is written: sync, and let the committer have it. */
static void spill_finish(struct spool_draft *d)
{
    struct spool_log *log = d->log;
    char path[LOG_PATH];
    if (!d->op.fault && !d->error) {
        d->ref = calloc(1, sizeof *d->ref);
        if (!d->ref)
            d->op.fault = &fault_no_memory;
        int error = log->disk->fdatasync(log->disk, d->fd);
        if (!error && log->names_unsynced) {
            error = log->disk->sync_directory(log->disk, log_path(log, path, "bodies"));
            log->names_unsynced = error != 0;
        }
        if (error) {
            log_failed(log, "a body could not be synced", error);
            d->op.fault = &spool_disk_failed;
        }
    }
    if (d->error && !d->op.fault) {
        bool full = d->error == -ENOSPC || d->error == -EDQUOT;
        journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"), STR("body-not-written"),
                      "\"errno\":%d", -d->error);
        d->op.fault = full ? &spool_disk_full : &spool_body_lost;
    }
    if (!d->op.fault) {
        struct commit_head head = { .count = (uint16_t)d->count,
                                    .body_file = d->file,
                                    .body_size = d->size,
                                    .body_token = d->token };
        commit_head_write(d->op.frame + FRAME_HEADER, &head);
        *d->ref =
            (struct body_file) { .number = d->file, .refs = (uint32_t)d->count, .size = d->size };
        for (size_t i = 0; i < d->count; i++)
            d->entries[i]->body_file = d->file;
    }
    committer_push(log, &d->op);
}

static void doomed_unlink(struct spool_log *log) /* drafts lock held */
{
    uint32_t *numbers = log->doomed;
    size_t count = log->doomed_count;
    log->doomed = NULL;
    log->doomed_count = log->doomed_room = 0;
    pthread_mutex_unlock(&log->drafts_lock);
    for (size_t i = 0; i < count; i++) {
        char path[LOG_PATH];
        log->disk->unlink(log->disk, log_path(log, path, "bodies/%08x", numbers[i]));
    }
    free(numbers);
    pthread_mutex_lock(&log->drafts_lock);
}

/* One turn of one draft. Drafts lock held, given up meanwhile. */
static void spill_turn(struct spool_log *log, struct spool_draft *d)
{
    struct block *blocks = d->to_spill;
    d->to_spill = NULL;
    d->to_spill_last = &d->to_spill;
    bool abandoned = d->abandoned;
    pthread_mutex_unlock(&log->drafts_lock);
    if (blocks && !abandoned)
        spill_blocks(d, blocks);
    unsigned written = 0;
    for (struct block *b = blocks; b; b = b->next)
        written++;
    pthread_mutex_lock(&log->drafts_lock);
    blocks_give(log, blocks);
    d->in_flight -= written;
    if (abandoned) {
        pthread_mutex_unlock(&log->drafts_lock);
        draft_free(d, false);
        pthread_mutex_lock(&log->drafts_lock);
        return;
    }
    if (d->waiting && !d->abandoned && d->in_flight <= 1) {
        d->waiting = false;
        log->resuming = d;
        pthread_mutex_unlock(&log->drafts_lock);
        d->resume(d->context);
        pthread_mutex_lock(&log->drafts_lock);
        log->resuming = NULL;
        pthread_cond_broadcast(&log->resumed_cond);
    }
    if (d->finishing && !d->to_spill && !d->queued) {
        pthread_mutex_unlock(&log->drafts_lock);
        spill_finish(d);
        pthread_mutex_lock(&log->drafts_lock);
    }
}

/* Nothing to spill for a second. By the system's clock: it is memory that is given back, no promise kept. */
static bool wait_for_long(struct spool_log *log)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    return pthread_cond_timedwait(&log->spiller_cond, &log->drafts_lock, &until) == ETIMEDOUT;
}

/* What a burst had lies free in malloc's heaps, and whoever looks after them may have looked before. Drafts lock held, given
 * up meanwhile. */
static void memory_back(struct spool_log *log)
{
    pthread_mutex_unlock(&log->drafts_lock);
    malloc_trim(0);
    pthread_mutex_lock(&log->drafts_lock);
}

void *spiller_run(void *context)
{
    struct spool_log *log = context;
    thread_begins("spool spiller", THREAD_PLAIN);
    pthread_mutex_lock(&log->drafts_lock);
    for (;;) {
        struct spool_draft *d = log->spill_first;
        if (d) {
            log->spill_first = d->next;
            if (!log->spill_first)
                log->spill_last = &log->spill_first;
            d->queued = false;
            spill_turn(log, d);
        } else if (log->doomed_count) {
            doomed_unlink(log);
        } else if (log->spiller_closing) {
            break;
        } else if (log->free_block_count > BLOCKS_SPARE) {
            if (wait_for_long(log) && blocks_tidy(log))
                memory_back(log);
        } else {
            log->spiller_sleeps = true;
            pthread_cond_wait(&log->spiller_cond, &log->drafts_lock);
            log->spiller_sleeps = false;
        }
    }
    pthread_mutex_unlock(&log->drafts_lock);
    return NULL;
}

static struct body_file **body_find(struct spool_log *log, uint32_t number)
{
    struct body_file **at = &log->bodies[number % 256];
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

void body_ref(struct spool_log *log, struct body_file *made)
{
    pthread_mutex_lock(&log->drafts_lock);
    struct body_file **at = body_find(log, made->number);
    assert(!*at && "a body file in use was given to a second body");
    *at = made;
    log->body_bytes += made->size;
    pthread_mutex_unlock(&log->drafts_lock);
}

bool body_hold(struct spool_log *log, uint32_t number)
{
    pthread_mutex_lock(&log->drafts_lock);
    struct body_file *b = *body_find(log, number);
    if (b)
        b->refs++;
    pthread_mutex_unlock(&log->drafts_lock);
    return b != NULL;
}

static void body_spare_locked(struct spool_log *log, uint32_t number)
{
    if (log->kept_count < BODIES_KEPT) {
        log->kept[log->kept_count++] = number;
        return;
    }
    if (log->doomed_count == log->doomed_room) {
        size_t room = log->doomed_room ? log->doomed_room * 2 : 16;
        uint32_t *more = realloc(log->doomed, room * sizeof *more);
        if (!more)
            return; /* it stays until the next start sweeps it */
        log->doomed = more;
        log->doomed_room = room;
    }
    log->doomed[log->doomed_count++] = number;
    pthread_cond_signal(&log->spiller_cond);
}

void body_spare(struct spool_log *log, uint32_t number)
{
    pthread_mutex_lock(&log->drafts_lock);
    body_spare_locked(log, number);
    pthread_mutex_unlock(&log->drafts_lock);
}

void body_unref(struct spool_log *log, uint32_t number)
{
    pthread_mutex_lock(&log->drafts_lock);
    struct body_file **at = body_find(log, number), *b = *at;
    if (b && --b->refs == 0) {
        *at = b->next;
        log->body_bytes -= b->size;
        free(b);
        body_spare_locked(log, number);
    }
    pthread_mutex_unlock(&log->drafts_lock);
}

bool body_count(struct spool_log *log, uint32_t number, int refs)
{
    struct body_file **at = body_find(log, number);
    if (!*at) {
        if (refs < 0)
            return true;
        *at = calloc(1, sizeof **at);
        if (!*at)
            return false;
        (*at)->number = number;
    }
    (*at)->refs += (uint32_t)refs;
    return true;
}

struct sweep {
    struct spool_log *log;
    bool failed;
};

static void sweep_name(void *context, const char *name)
{
    struct sweep *sweep = context;
    struct spool_log *log = sweep->log;
    char ours[9];
    unsigned long number = strtoul(name, NULL, 16);
    if (number == 0 || number > UINT32_MAX)
        return;
    snprintf(ours, sizeof ours, "%08x", (unsigned)number);
    if (strcmp(name, ours) != 0)
        return;
    if (number >= log->next_body && number < UINT32_MAX)
        log->next_body = (uint32_t)number + 1;
    struct body_file *b = *body_find(log, (uint32_t)number);
    if (!b || b->refs == 0)
        body_spare(log, (uint32_t)number);
}

/* Entries all of which are settled may still have a body here that nobody counts. */
static void uncounted_free(struct spool_log *log)
{
    for (size_t i = 0; i < 256; i++)
        for (struct body_file **at = &log->bodies[i], *b; (b = *at);) {
            if (b->refs) {
                at = &b->next;
                continue;
            }
            *at = b->next;
            free(b);
        }
}

int bodies_recover(struct spool_log *log)
{
    char path[LOG_PATH];
    struct sweep sweep = { .log = log };
    int error = log->disk->list(log->disk, log_path(log, path, "bodies"), sweep_name, &sweep);
    uncounted_free(log);
    log->names_unsynced = true; /* a kill may have come before their sync */
    return error;
}

static const struct fault *body_fault(struct lease_impl *lease, int error)
{
    struct spool_log *log = lease->log;
    if (error == -EBADMSG) {
        log_damaged(log, NULL, lease->body_file, 1, "a body file is damaged");
        return &spool_body_damaged;
    }
    journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"), STR("body-not-read"),
                  "\"file\":\"bodies/%08x\",\"errno\":%d", lease->body_file, -error);
    return &spool_body_lost;
}

static int block_check(const char *b, uint64_t token, uint32_t index, uint32_t want)
{
    uint32_t used = get_u32(b + 4);
    if (used > BLOCK_DATA || used < want || get_u64(b + 8) != (token ^ index) ||
        crc32c(0, b + 4, BLOCK_HEADER - 4 + used) != get_u32(b))
        return -EBADMSG;
    return 0;
}

const struct fault *body_read(struct lease_impl *lease, uint64_t offset, size_t wanted, char *to)
{
    enum { AT_ONCE = 16 };
    struct disk *disk = lease->log->disk;
    char path[LOG_PATH];
    if (lease->body_fd < 0) {
        int fd = disk->open(disk, log_path(lease->log, path, "bodies/%08x", lease->body_file),
                            O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0)
            return body_fault(lease, fd == -ENOENT ? -EBADMSG : fd);
        lease->body_fd = fd;
    }
    struct segment file = { .disk = disk, .fd = lease->body_fd };
    char *blocks = malloc((size_t)AT_ONCE * BLOCK_BYTES);
    int error = blocks ? 0 : -ENOMEM;
    while (!error && wanted) {
        uint64_t index = offset / BLOCK_DATA, skip = offset % BLOCK_DATA;
        uint64_t count = (skip + wanted + BLOCK_DATA - 1) / BLOCK_DATA;
        count = count < AT_ONCE ? count : AT_ONCE;
        error = segment_pread(&file, blocks, (size_t)count * BLOCK_BYTES, index * BLOCK_BYTES);
        for (uint64_t i = 0; !error && i < count; i++, skip = 0) {
            const char *b = blocks + i * BLOCK_BYTES;
            size_t now = wanted < BLOCK_DATA - skip ? wanted : (size_t)(BLOCK_DATA - skip);
            error =
                block_check(b, lease->body_token, (uint32_t)(index + i), (uint32_t)(skip + now));
            if (!error)
                memcpy(to, b + BLOCK_HEADER + skip, now);
            to += now;
            wanted -= now;
            offset += now;
        }
    }
    free(blocks);
    return error ? body_fault(lease, error) : NULL;
}

/* store/spool_log_commit.c - the committer: one write and one sync for everyone who waits.
 *
 * A batch is laid out and written (spool_log_layout.h), and synced. Then the queue learns of it, then
 * the callbacks are called. No lock is held from the layout to the end of the sync.
 *
 * A small batch is synced by the committer itself. The sync of a large one takes long, so another thread waits for it
 * (spool_log_sync.c), and what comes meanwhile is written ahead:
 *
 *     committer   write A | frames of B . . | publish A | frames of C . . | publish B
 *     syncer                sync A . . . . | head of B, sync B . . . . | head of C, sync C
 *
 * The head is what makes a batch; it is written when the batch before is synced, and says so. So on the
 * disk everything is as if one batch were under way at a time, and what a stop leaves of frames without a
 * head is nothing. */
#include "store/spool_log_layout.h"

#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

void committer_push(struct spool_log *log, struct op *op)
{
    pthread_mutex_lock(&log->list_lock);
    op_list_add(&log->waiting, op);
    if (op->kind == OP_COMMIT) {
        log->waiting_commits++;
        log->waiting_octets += op->frame_len + (op->draft->ref ? 0 : op->draft->size);
    }
    const bool enough = log->wanted_octets && log->waiting_octets >= log->wanted_octets;
    if (enough || (log->committer_idle && (!log->committer_gathers || op->kind == OP_COMMIT)))
        pthread_cond_signal(&log->list_cond);
    pthread_mutex_unlock(&log->list_lock);
}

/* All that waits, behind what is there. */
static void waiting_take(struct spool_log *log, struct op_list *ops)
{
    pthread_mutex_lock(&log->list_lock);
    if (log->waiting.first) {
        log->waiting_commits = 0;
        log->waiting_octets = 0;
        *ops->last = log->waiting.first;
        ops->last = log->waiting.last;
        log->waiting.first = NULL;
        log->waiting.last = &log->waiting.first;
    }
    pthread_mutex_unlock(&log->list_lock);
}

/* Writing. */

/* While the disk takes a batch, the next one comes: its frames are written where they will stay, and its head when the
 * sync has ended. *next gets ops, or none. */
static int wait_and_write_ahead(struct layout *l, struct layout *next, struct op_list *ops)
{
    struct spool_log *log = l->log;
    uint64_t piece = log->limits.ahead_bytes / 2;
    bool fired;
    int error;
    layout_begin_ahead(next, l);
    while (!syncer_ended(log, piece, &error, &fired)) {
        if (!syncer_disarm(log))
            continue;
        waiting_take(log, ops);
        layout_fill(next, ops);
        if (next->frames)
            layout_write_ahead(next);
        if (ops->first || next->error) /* the rest comes later */
            piece = 0;
        if (!next->frames || next->error)
            continue;
        struct sync_work work = { .segment = next->segment, .head_at = next->begin, .head_size = BATCH_HEADER };
        layout_head(next, log->sequence + 2, page_padded(next->at));
        memcpy(work.head, next->header, BATCH_HEADER);
        syncer_arm(log, &work);
    }
    next->under_way = fired;
    if (fired)
        next->at = page_padded(next->at);
    return error;
}

/* A large batch is given to the syncer. */
static int layout_sync(struct layout *l, struct layout *next, struct op_list *ops)
{
    struct spool_log *log = l->log;
    const bool large = l->at - l->begin >= log->limits.ahead_bytes;
    if (!l->under_way && (!large || !syncer_ask(log, l->segment)))
        return log->disk->fdatasync(log->disk, l->segment->fd);
    return wait_and_write_ahead(l, next, ops);
}

static int layout_commit(struct layout *l, struct layout *next, struct op_list *ops)
{
    struct spool_log *log = l->log;
    struct segment *s = l->segment;
    if (!l->under_way) {
        int error = log->failed ? -EIO : layout_write(l);
        if (error && !disk_is_full(error))
            log_failed(log, "the log could not be written", error);
        if (error)
            return error;
    }
    assert(l->begin == s->end && "one batch lies behind the other");
    int error = layout_sync(l, next, ops);
    if (error) {
        log_failed(log, "the log could not be synced", error);
        return -EIO; /* final, also when it says the disk is full */
    }
    const uint64_t bytes = l->at - l->begin;
    s->end = l->at;
    s->row_count += l->rows;
    next->rows_ahead = 0;
    s->tail_batch = ++log->sequence;
    pthread_mutex_lock(&log->queue_lock);
    log->batches++;
    log->batches_ahead += l->written > l->begin;
    log->synced_bytes += bytes;
    pthread_mutex_unlock(&log->queue_lock);
    log->epilogue_due = true;
    return 0;
}

/* After a batch nobody followed: a batch without frames at the place of the next one, which says
 * that all before it was synced. It lets damage of the last batch be told from a torn tail, and is
 * itself written over. */
static void epilogue_write(struct spool_log *log, bool sync)
{
    struct segment *s = log->open;
    log->epilogue_due = false;
    if (log->failed || s->sealed || s->end + SEGMENT_PAGE + segment_closing_bytes(s, 0) > s->bytes)
        return;
    char page[SEGMENT_PAGE] = { 0 };
    struct batch batch = { .sequence = log->sequence + 1,
                           .synced_epoch = s->epoch,
                           .synced_offset = (uint32_t)s->end,
                           .batch_bytes = SEGMENT_PAGE };
    batch_write(page, &batch, s, (uint32_t)s->end);
    int error = segment_pwrite(s, page, sizeof page, s->end);
    if (!error && sync)
        error = log->disk->fdatasync(log->disk, s->fd);
    if (error && !disk_is_full(error))
        log_failed(log, "the log could not be written", error);
}

/* Publishing. */

static void publish_lease_op(struct spool_log *log, struct op *op)
{
    struct entry *e = op->entry;
    if (op->offset && op->kind != OP_SETTLED) {
        e->note_slot = (uint16_t)log->open->slot;
        e->note_offset = op->offset;
    }
    switch (op->kind) {
    case OP_RETRY: /* reckoned while it was leased, maybe before the clock was set back */
        (void)queue_now_ms(log);
        e->due_ms = op->due_ms - (log->fallen_ms - op->lease->fallen_ms);
        e->attempt = e->attempt == UINT16_MAX ? UINT16_MAX : (uint16_t)(e->attempt + 1);
        queue_push(log, e);
        break;
    case OP_RELEASE:
        queue_push(log, e);
        break;
    case OP_SETTLED:
        queue_remove(log, e);
        break;
    case OP_NOTE:
    case OP_COMMIT:
        break;
    }
}

static void publish(struct layout *l, int error)
{
    struct spool_log *log = l->log;
    for (struct op *op = l->ops.first; op; op = op->next)
        if (op->kind == OP_COMMIT && !op->fault && !error && op->draft->ref) {
            body_ref(log, op->draft->ref);
            op->draft->ref = NULL;
        }
    pthread_mutex_lock(&log->queue_lock);
    for (struct op *op = l->ops.first; op; op = op->next) {
        if (op->kind != OP_COMMIT) {
            publish_lease_op(log, op);
            continue;
        }
        if (!op->fault && error)
            op->fault = disk_is_full(error) ? &spool_disk_full : &spool_disk_failed;
        if (op->draft->moves) {
            if (!op->fault)
                queue_moved(log, op->draft->moves, op->draft->entries[0]);
            queue_push(log, op->draft->moves);
            continue;
        }
        if (op->fault)
            continue;
        log->commits++;
        for (size_t i = 0; i < op->draft->count; i++)
            queue_add(log, op->draft->entries[i]);
        memset(op->draft->entries, 0, op->draft->count * sizeof *op->draft->entries);
    }
    queue_unlock(log);
}

static void op_end(struct spool_log *log, struct op *op)
{
    struct spool_draft *d = op->draft;
    struct lease_impl *lease = op->lease;
    switch (op->kind) {
    case OP_COMMIT:
        d->committed(d->committed_context, op->fault);
        /* Behind a sync that failed the commit may be on the disk, and names the file. */
        draft_free(d, !op->fault || log->failed);
        break;
    case OP_NOTE:
        free(op->frame);
        free(op);
        break;
    case OP_SETTLED:
        if (lease->body_file && !log->failed)
            body_unref(log, lease->body_file);
        lease_free(lease);
        break;
    case OP_RETRY:
    case OP_RELEASE:
        lease_free(lease);
        break;
    }
}

static void ops_end(struct spool_log *log, struct op_list *ops)
{
    while (ops->first) {
        struct op *op = ops->first;
        ops->first = op->next;
        op_end(log, op);
    }
    ops->last = &ops->first;
}

/* The disk took the batch not: mail is refused, notes and settlements go back to wait for room.
 * Rules and notes must not be referred to where they never were written. */
static void take_back(struct layout *l, struct op_list *ops)
{
    struct spool_log *log = l->log;
    struct op_list keep, rest = l->ops;
    keep.last = &keep.first;
    l->ops.first = NULL;
    l->ops.last = &l->ops.first;
    while (rest.first) {
        struct op *op = rest.first;
        rest.first = op->next;
        if (op->kind == OP_COMMIT) {
            op_list_add(&l->ops, op);
            continue;
        }
        pthread_mutex_lock(&log->queue_lock);
        struct segment *s = op->entry->note_offset ? log->segments[op->entry->note_slot] : NULL;
        op->lease->chain =
            s ? (struct chain) { s->epoch, op->entry->note_offset } : (struct chain) { 0, 0 };
        pthread_mutex_unlock(&log->queue_lock);
        op_list_add(&keep, op);
    }
    *keep.last = ops->first;
    if (!ops->first)
        ops->last = keep.last;
    ops->first = keep.first;
    if (!keep.first)
        ops->last = &ops->first;
}

/* What is left waits for room on the disk; a sender does not wait with it, nor does an entry that
 * is being moved. */
static void commits_refuse(struct spool_log *log, struct op_list *ops)
{
    struct layout l = { .log = log };
    struct op_list rest = *ops;
    l.ops.last = &l.ops.first;
    ops->first = NULL;
    ops->last = &ops->first;
    while (rest.first) {
        struct op *op = rest.first;
        rest.first = op->next;
        bool commit = op->kind == OP_COMMIT;
        if (commit && !op->fault)
            op->fault = &spool_disk_full;
        op_list_add(commit ? &l.ops : ops, op);
    }
    publish(&l, 0);
    ops_end(log, &l.ops);
}

/* All of ops, in as many batches as it takes, and what came while a large one was synced. False: some must wait for
 * room. */
static bool commit_all(struct spool_log *log, struct op_list *ops)
{
    struct layout two[2], *l = &two[0], *next = &two[1];
    next->ops.first = NULL;
    while (ops->first || next->ops.first) {
        if (!log->free_count)
            space_check(log);
        struct layout *const free_one = l;
        l = next;
        next = free_one;
        next->ops.first = NULL;
        if (!l->ops.first)
            layout_begin(l, log);
        if (!l->under_way)
            layout_fill(l, ops);
        if (!l->ops.first && l->no_memory)
            return false;
        if (!l->ops.first) { /* not even one fits */
            struct op *op = ops->first;
            int error = log->open->end == SEGMENT_PAGE ? -EMSGSIZE : segment_turn(log);
            if (op->kind == OP_COMMIT && error) {
                op->fault = error == -EMSGSIZE    ? &spool_too_long
                            : disk_is_full(error) ? &spool_disk_full
                                                  : &spool_disk_failed;
            } else if (error == -EMSGSIZE || disk_is_full(error)) {
                commits_refuse(log, ops);
                return false;
            }
            continue;
        }
        int error = l->frames ? layout_commit(l, next, ops) : 0;
        if (error) {
            rules_forget(log);
            if (disk_is_full(error)) {
                space_gone(log);
                take_back(l, ops);
            }
            for (struct op *op = l->ops.first; op; op = op->next)
                op->offset = 0;
        }
        publish(l, error);
        ops_end(log, &l->ops);
        segments_free(log);
        if (disk_is_full(error)) {
            commits_refuse(log, ops);
            return false;
        }
    }
    return true;
}

static void wait_ms(struct spool_log *log, int64_t ms) /* list lock held */
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    log->committer_idle = true;
    pthread_cond_timedwait(&log->list_cond, &log->list_lock, &until);
    log->committer_idle = false;
}

/* Nobody waits for notes and settlements; their effects came first. Alone they stay a moment for
 * a commit to ride with, so that their sync is not one more before the next 250. List lock held. */
static void gather(struct spool_log *log)
{
    enum { GATHER_MS = 5 };
    if (!log->waiting.first || log->waiting_commits || log->closing)
        return;
    log->committer_gathers = true;
    wait_ms(log, GATHER_MS);
    log->committer_gathers = false;
}

/* Who is ready to run has mail or a settlement for this batch, or soon will: on a busy machine a sync
 * that starts a moment later takes more with it; on an idle one this returns at once. List lock
 * held. */
static void let_others_add(struct spool_log *log)
{
    pthread_mutex_unlock(&log->list_lock);
    sched_yield();
    pthread_mutex_lock(&log->list_lock);
}

void *committer_run(void *context)
{
    enum { FULL_RETRY_MS = 100, EPILOGUE_MS = 100 };
    struct spool_log *log = context;
    struct op_list ops;
    thread_begins("spool", THREAD_AWAITED);
    ops.last = &ops.first;
    ops.first = NULL;
    bool stuck = false;
    pthread_mutex_lock(&log->list_lock);
    for (;;) {
        if (!log->waiting.first || stuck) {
            if (log->closing)
                break;
            bool timed = stuck || log->full || log->epilogue_due;
            if (timed) {
                wait_ms(log, stuck || log->full ? FULL_RETRY_MS : EPILOGUE_MS);
            } else {
                log->committer_idle = true;
                pthread_cond_wait(&log->list_cond, &log->list_lock);
                log->committer_idle = false;
            }
        }
        gather(log);
        let_others_add(log);
        pthread_mutex_unlock(&log->list_lock);
        waiting_take(log, &ops);
        if (log->full)
            space_check(log);
        if (ops.first) {
            stuck = !commit_all(log, &ops);
            if (!ops.first)
                forward_some(log, &ops);
            if (ops.first && !stuck)
                stuck = !commit_all(log, &ops);
        } else if (log->epilogue_due)
            epilogue_write(log, false);
        segments_free(log);
        pthread_mutex_lock(&log->list_lock);
    }
    pthread_mutex_unlock(&log->list_lock);
    /* What still found no room is given up: its entries are handed out again at the next start. */
    for (struct op *op = ops.first; op; op = op->next)
        op->fault = op->kind == OP_COMMIT && !op->fault ? &spool_disk_full : op->fault;
    ops_end(log, &ops);
    epilogue_write(log, true);
    syncer_close(log);
    return NULL;
}

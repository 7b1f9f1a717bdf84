/* store/spool_log_commit.c - the committer: one write and one sync for everyone who waits.
 *
 * A batch is laid out in memory (frames already carry their heads; only places and serials are
 * filled in here), written by pwritev straight from the drafts' blocks, and synced. Then the queue
 * learns of it, then the callbacks are called. No lock is held from the layout to the end of the
 * sync.
 *
 *     batch frame | rules? commit | note | settled | ... | zeros up to the page
 *
 * A segment that cannot take the next frame beside its table is turned (spool_log_space.c). */
#include "store/spool_log.h"

#include "base/crc.h"
#include "base/thread.h"
#include "store/little.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH_HEADER = FRAME_HEADER + BATCH_FIXED };

static const char zeros[SEGMENT_PAGE];

struct layout { /* one batch as it is being put together */
    struct spool_log *log;
    struct segment *segment;
    uint64_t at; /* the next frame's place */
    int iov_count;
    uint32_t frames;
    size_t rows;        /* added behind row_count, counted when the batch is on disk */
    struct op_list ops; /* all that belong to the batch, also those without a frame */
    bool no_memory;     /* for the rows of a note or settlement: later, then */
    char header[BATCH_HEADER];
};

static void list_add(struct op_list *list, struct op *op)
{
    op->next = NULL;
    *list->last = op;
    list->last = &op->next;
}

void committer_push(struct spool_log *log, struct op *op)
{
    pthread_mutex_lock(&log->list_lock);
    list_add(&log->waiting, op);
    log->waiting_commits += op->kind == OP_COMMIT;
    if (log->committer_idle && (!log->committer_gathers || op->kind == OP_COMMIT))
        pthread_cond_signal(&log->list_cond);
    pthread_mutex_unlock(&log->list_lock);
}

/* Laying out. */

static void iov_put(struct layout *l, const void *from, size_t size)
{
    if (size)
        l->log->iov[l->iov_count++] = (struct iovec) { (void *)(uintptr_t)from, size };
}

static void iov_pad(struct layout *l, uint64_t to)
{
    iov_put(l, zeros, (size_t)(to - l->at));
    l->at = to;
}

static void layout_begin(struct layout *l, struct spool_log *log)
{
    *l = (struct layout) { .log = log, .segment = log->open, .at = log->open->end + BATCH_HEADER };
    l->ops.last = &l->ops.first;
    iov_put(l, l->header, BATCH_HEADER);
}

struct cost {
    uint64_t bytes;
    size_t rows;
    int iovs;
};

static bool rules_needed(const struct layout *l, const struct rules_text *rules)
{
    return rules && rules->epoch != l->segment->epoch;
}

static struct cost op_cost(const struct layout *l, const struct op *op)
{
    struct cost cost = { .bytes = frame_padded(op->frame_len), .rows = 1, .iovs = 2 };
    const struct spool_draft *d = op->draft;
    if (!d)
        return cost;
    if (!d->ref)
        cost.bytes = frame_padded(op->frame_len + d->size);
    for (const struct block *b = d->first; b; b = b->next)
        cost.iovs++;
    cost.rows = d->count;
    for (size_t i = 0; i < d->count; i++) {
        if (!rules_needed(l, d->rules[i]))
            continue;
        cost.bytes += frame_padded(FRAME_HEADER + d->rules[i]->len);
        cost.iovs += 3;
    }
    return cost;
}

static bool fits(const struct layout *l, const struct cost *cost)
{
    uint64_t end = page_padded(l->at + cost->bytes);
    return end + segment_closing_bytes(l->segment, l->rows + cost->rows) <= l->segment->bytes;
}

static void row_put(struct layout *l, const struct row *row)
{
    l->segment->rows[l->segment->row_count + l->rows++] = *row;
}

static uint32_t rules_put(struct layout *l, struct rules_text *rules)
{
    if (!rules)
        return 0;
    if (rules_needed(l, rules)) {
        rules_placed(l->log, rules, l->segment->epoch, (uint32_t)l->at);
        frame_finish(rules->header, FRAME_RULES, 0, rules->offset, 0, rules->len, rules->crc,
                     l->segment);
        iov_put(l, rules->header, FRAME_HEADER);
        iov_put(l, rules->bytes, rules->len);
        l->at += FRAME_HEADER + rules->len;
        iov_pad(l, frame_padded(l->at));
        l->frames++;
    }
    return rules->offset;
}

static void commit_put(struct layout *l, struct op *op)
{
    struct spool_draft *d = op->draft;
    char *head = op->frame + FRAME_HEADER;
    if (!d->ref && !d->moves) {
        struct commit_head fixed = { .count = (uint16_t)d->count, .body_size = d->size };
        commit_head_write(head, &fixed);
    }
    uint32_t rules[ENTRIES_MAX];
    for (size_t i = 0; i < d->count; i++)
        rules[i] = rules_put(l, d->rules[i]);
    struct cursor in = { head + COMMIT_FIXED, op->frame + op->frame_len };
    uint64_t body = d->ref ? 0 : d->size;
    op->offset = (uint32_t)l->at;
    for (size_t i = 0; i < d->count; i++) {
        struct commit_entry e;
        size_t at = (size_t)(in.at - op->frame);
        bool readable = commit_entry_read(&in, &e);
        assert(readable && "our own encoding must be readable");
        (void)readable;
        struct entry *entry = d->entries[i];
        if (!d->moves)
            entry->serial = l->log->next_serial++;
        entry->offset = op->offset;
        entry->length = (uint32_t)(op->frame_len + body);
        entry->slot = (uint16_t)l->segment->slot;
        commit_entry_place(op->frame + at, entry->serial, rules[i]);
        row_put(l, &(struct row) { .kind = FRAME_COMMIT,
                                   .index = (uint16_t)i,
                                   .offset = entry->offset,
                                   .length = entry->length,
                                   .serial = entry->serial,
                                   .id_hash = entry->id_hash,
                                   .due_ms = entry->due_ms,
                                   .attempt = entry->attempt,
                                   .body_file = entry->body_file });
    }
    frame_finish(op->frame, FRAME_COMMIT, d->entries[0]->serial, op->offset,
                 op->frame_len - FRAME_HEADER, (size_t)body, body ? d->body_crc : 0, l->segment);
    iov_put(l, op->frame, op->frame_len);
    for (const struct block *b = d->ref ? NULL : d->first; b; b = b->next)
        iov_put(l, b->bytes + BLOCK_HEADER, b->used);
    l->at += op->frame_len + body;
    iov_pad(l, frame_padded(l->at));
    l->frames++;
}

static void lease_op_put(struct layout *l, struct op *op)
{
    static const enum frame_kind kinds[] = {
        [OP_NOTE] = FRAME_NOTE, [OP_RETRY] = FRAME_RETRY, [OP_SETTLED] = FRAME_SETTLED
    };
    struct entry *e = op->entry;
    struct row row = { .kind = kinds[op->kind],
                       .offset = (uint32_t)l->at,
                       .length = (uint32_t)op->frame_len,
                       .serial = e->serial };
    op->offset = row.offset;
    if (op->kind != OP_SETTLED) {
        bool again = op->kind == OP_RETRY;
        struct note_head head = { .previous_epoch = op->lease->chain.epoch,
                                  .previous_offset = op->lease->chain.offset,
                                  .attempt = again ? e->attempt + 1u : 0,
                                  .due_ms = again ? op->due_ms : 0 };
        note_head_write(op->frame + FRAME_HEADER, &head);
        row.attempt = head.attempt;
        row.due_ms = head.due_ms;
        op->lease->chain = (struct chain) { l->segment->epoch, op->offset };
    }
    frame_finish(op->frame, kinds[op->kind], e->serial, op->offset, op->frame_len - FRAME_HEADER, 0,
                 0, l->segment);
    row_put(l, &row);
    iov_put(l, op->frame, op->frame_len);
    l->at += op->frame_len;
    iov_pad(l, frame_padded(l->at));
    l->frames++;
}

/* Takes ops into the batch until one does not fit: then the batch is written first, or the
 * segment turned. */
static void layout_fill(struct layout *l, struct op_list *ops)
{
    struct spool_log *log = l->log;
    while (ops->first) {
        struct op *op = ops->first;
        op->offset = 0;
        /* that makes room: it may use what is kept back */
        bool moves = op->draft && op->draft->moves;
        if (op->kind == OP_COMMIT && !op->fault && (log->failed || (log->full && !moves)))
            op->fault = log->failed ? &spool_disk_failed : &spool_disk_full;
        bool writes = op->frame && !op->fault && !log->failed;
        if (writes) {
            struct cost cost = op_cost(l, op);
            if (!fits(l, &cost) || l->iov_count + cost.iovs + 1 > IOV_ROOM)
                return;
            if (!segment_reserve_rows(l->segment, l->rows + cost.rows) ||
                (op->draft && !queue_make_room(log, l->rows + op->draft->count))) {
                if (op->kind != OP_COMMIT) {
                    l->no_memory = true;
                    return;
                }
                op->fault = &fault_no_memory;
                writes = false;
            }
        }
        ops->first = op->next;
        if (!ops->first)
            ops->last = &ops->first;
        list_add(&l->ops, op);
        if (writes && op->kind == OP_COMMIT)
            commit_put(l, op);
        else if (writes)
            lease_op_put(l, op);
    }
}

/* Writing. */

static int layout_write(struct layout *l)
{
    struct spool_log *log = l->log;
    struct segment *s = l->segment;
    iov_pad(l, page_padded(l->at));
    /* Whatever lies before this batch was synced: one batch is under way at a time. */
    struct batch batch = { .sequence = log->sequence + 1,
                           .synced_epoch = s->epoch,
                           .synced_offset = (uint32_t)s->end,
                           .batch_bytes = (uint32_t)(l->at - s->end),
                           .frames = l->frames };
    batch_write(l->header, &batch, s, (uint32_t)s->end);
    int error = segment_pwritev(s, log->iov, l->iov_count, s->end);
    if (!error) {
        error = log->disk->fdatasync(log->disk, s->fd);
        if (error) {
            log_failed(log, "the log could not be synced", error);
            return -EIO; /* final, also when it says the disk is full */
        }
    } else if (!disk_is_full(error)) {
        log_failed(log, "the log could not be written", error);
    }
    if (error)
        return error;
    s->end = l->at;
    s->row_count += l->rows;
    s->tail_batch = ++log->sequence;
    pthread_mutex_lock(&log->queue_lock);
    log->batches++;
    log->synced_bytes += batch.batch_bytes;
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
        draft_free(d, !op->fault);
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
            list_add(&l->ops, op);
            continue;
        }
        pthread_mutex_lock(&log->queue_lock);
        struct segment *s = op->entry->note_offset ? log->segments[op->entry->note_slot] : NULL;
        op->lease->chain =
            s ? (struct chain) { s->epoch, op->entry->note_offset } : (struct chain) { 0, 0 };
        pthread_mutex_unlock(&log->queue_lock);
        list_add(&keep, op);
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
        list_add(commit ? &l.ops : ops, op);
    }
    publish(&l, 0);
    ops_end(log, &l.ops);
}

/* All of ops, in as many batches as it takes. False: some must wait for room. */
static bool commit_all(struct spool_log *log, struct op_list *ops)
{
    while (ops->first) {
        if (!log->free_count)
            space_check(log);
        struct layout l;
        layout_begin(&l, log);
        layout_fill(&l, ops);
        if (!l.ops.first && l.no_memory)
            return false;
        if (!l.ops.first) { /* not even one fits */
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
        int error = l.frames ? layout_write(&l) : 0;
        if (error) {
            rules_forget(log);
            if (disk_is_full(error)) {
                space_gone(log);
                take_back(&l, ops);
            }
            for (struct op *op = l.ops.first; op; op = op->next)
                op->offset = 0;
        }
        publish(&l, error);
        ops_end(log, &l.ops);
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
        if (log->waiting.first) {
            log->waiting_commits = 0;
            *ops.last = log->waiting.first;
            ops.last = log->waiting.last;
            log->waiting.first = NULL;
            log->waiting.last = &log->waiting.first;
        }
        pthread_mutex_unlock(&log->list_lock);
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
    return NULL;
}

/* store/spool_log_draft.c - messages that are arriving: memory first, a file of their own when
 * large.
 *
 * The body is copied once, from the socket's buffer into blocks; the committer writes it from
 * there, and its checksum is computed on the way, by the thread that brings the bytes. */
#include "store/spool_log.h"

#include "base/crc.h"

#include <assert.h>
#include <stdlib.h>

enum { IN_FLIGHT_MOST = 32 }; /* blocks of one draft the spiller may still have to write: 512 KB */

static struct block *block_take(struct spool_log *log, bool *ret_dry)
{
    pthread_mutex_lock(&log->drafts_lock);
    struct block *b = log->free_blocks;
    if (b) {
        log->free_blocks = b->next;
        log->free_block_count--;
        if (log->free_block_least > log->free_block_count)
            log->free_block_least = log->free_block_count;
    }
    log->draft_bytes += BLOCK_BYTES;
    *ret_dry = log->draft_bytes > log->limits.draft_bytes;
    pthread_mutex_unlock(&log->drafts_lock);
    if (!b)
        b = malloc(sizeof *b);
    if (!b) {
        pthread_mutex_lock(&log->drafts_lock);
        log->draft_bytes -= BLOCK_BYTES;
        pthread_mutex_unlock(&log->drafts_lock);
        return NULL;
    }
    b->next = NULL;
    b->used = 0;
    return b;
}

void blocks_give(struct spool_log *log, struct block *first) /* drafts lock held */
{
    uint64_t keep = log->limits.draft_bytes / BLOCK_BYTES / 4;
    while (first) {
        struct block *b = first;
        first = b->next;
        log->draft_bytes -= BLOCK_BYTES;
        if (log->free_block_count < keep) {
            b->next = log->free_blocks;
            log->free_blocks = b;
            if (++log->free_block_count > BLOCKS_SPARE && log->spiller_sleeps) {
                log->spiller_sleeps = false; /* it looks whether they are used again */
                pthread_cond_signal(&log->spiller_cond);
            }
        } else {
            free(b);
        }
    }
}

/* Those that nobody wanted since the last time go back to the system: a burst is remembered for a moment, not for
 * ever. */
bool blocks_tidy(struct spool_log *log) /* drafts lock held */
{
    const bool any = log->free_block_least > BLOCKS_SPARE;
    for (; log->free_block_least > BLOCKS_SPARE; log->free_block_least--, log->free_block_count--) {
        struct block *b = log->free_blocks;
        log->free_blocks = b->next;
        free(b);
    }
    log->free_block_least = log->free_block_count;
    return any;
}

const struct fault *draft_open(struct spool_log *log, spool_resume_fn *resume, void *context,
                               struct spool_draft **ret_draft)
{
    if (log->failed)
        return &spool_disk_failed;
    if (log->full)
        return &spool_disk_full;
    struct spool_draft *d = calloc(1, sizeof *d);
    if (!d)
        return &fault_no_memory;
    d->log = log;
    d->resume = resume;
    d->context = context;
    d->fd = -1;
    d->to_spill_last = &d->to_spill;
    *ret_draft = d;
    return NULL;
}

/* Hands the full blocks (at the end: all) to the spiller. False: it has enough for now. */
static bool spill(struct spool_draft *d, bool all)
{
    struct spool_log *log = d->log;
    struct block *first = d->first, *last = NULL;
    unsigned count = 0;
    for (struct block *b = first; b && (all || b->used == BLOCK_DATA); b = b->next) {
        last = b;
        count++;
    }
    pthread_mutex_lock(&log->drafts_lock);
    if (last) {
        d->first = last->next;
        if (!d->first)
            d->last = NULL;
        last->next = NULL;
        *d->to_spill_last = first;
        d->to_spill_last = &last->next;
        d->in_flight += count;
        spiller_push(log, d);
    }
    bool dry = log->draft_bytes > log->limits.draft_bytes;
    bool enough = d->in_flight > 0 && (d->in_flight > IN_FLIGHT_MOST || dry);
    if (enough && !all)
        d->waiting = true;
    pthread_mutex_unlock(&log->drafts_lock);
    return !enough;
}

void draft_gather(struct spool_draft *d, str chunk, bool *ret_dry)
{
    while (chunk.len) {
        if (!d->last || d->last->used == BLOCK_DATA) {
            struct block *b = block_take(d->log, ret_dry);
            if (!b) {
                d->op.fault = &fault_no_memory; /* said at commit */
                return;
            }
            if (d->last)
                d->last->next = b;
            else
                d->first = b;
            d->last = b;
        }
        str now = str_head(chunk, BLOCK_DATA - d->last->used);
        memcpy(d->last->bytes + BLOCK_HEADER + d->last->used, now.ptr, now.len);
        d->body_crc = crc32c(d->body_crc, now.ptr, now.len);
        d->last->used += (uint32_t)now.len;
        d->size += now.len;
        chunk = str_from(chunk, now.len);
    }
}

bool draft_write(struct spool_draft *d, str chunk)
{
    bool dry = false;
    draft_gather(d, chunk, &dry);
    if (d->op.fault)
        return true;
    /* A dry pool gets nothing from a draft without a full block; such a draft just goes on. */
    if (d->size > d->log->limits.spill_bytes || (dry && d->first && d->first->used == BLOCK_DATA))
        d->spilling = true;
    return d->spilling ? spill(d, false) : true;
}

/* With the file: the spiller makes it free for another body. */
void draft_free(struct spool_draft *d, bool keep_file)
{
    struct spool_log *log = d->log;
    pthread_mutex_lock(&log->drafts_lock);
    blocks_give(log, d->first);
    blocks_give(log, d->to_spill);
    pthread_mutex_unlock(&log->drafts_lock);
    if (d->fd >= 0)
        log->disk->close(log->disk, d->fd);
    if (d->file && !keep_file)
        body_spare(log, d->file);
    for (size_t i = 0; d->rules && i < d->count; i++)
        rules_drop(d->rules[i]);
    free(d->rules);
    for (size_t i = 0; d->entries && i < d->count; i++)
        free(d->entries[i]);
    free(d->entries);
    free(d->ref);
    free(d->op.frame);
    free(d);
}

/* No resume comes after this returns, unless it is this very call that resume makes. Drafts lock
 * held. */
static void resume_never(struct spool_draft *d)
{
    struct spool_log *log = d->log;
    d->waiting = false;
    while (log->resuming == d && !pthread_equal(pthread_self(), log->spiller))
        pthread_cond_wait(&log->resumed_cond, &log->drafts_lock);
}

void draft_abandon(struct spool_draft *d)
{
    struct spool_log *log = d->log;
    if (!d->spilling) {
        draft_free(d, false);
        return;
    }
    pthread_mutex_lock(&log->drafts_lock);
    resume_never(d);
    d->abandoned = true;
    spiller_push(log, d);
    pthread_mutex_unlock(&log->drafts_lock);
}

static uint64_t likeness_of(const struct spool_entry *from, const struct rules_text *rules)
{
    const uint64_t under = rules ? (uint64_t)rules->crc << 32 | (uint32_t)rules->len : 0;
    return from->likeness ? crc64_nvme(from->likeness, &under, sizeof under) : 0;
}

/* The commit frame's head, and what the queue will need, made here so that the committer only
 * fills in places. */
static const struct fault *commit_encode(struct spool_draft *d, const struct spool_entry *entries,
                                         size_t count, str notes)
{
    size_t size = COMMIT_FIXED;
    assert(count > 0 && "a commit without entries would promise nothing");
    if (count > ENTRIES_MAX)
        return &spool_too_long;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].id.len > UINT16_MAX || entries[i].head.len > FRAME_HEAD_MAX ||
            entries[i].rules.len > d->log->limits.segment_bytes / 4)
            return &spool_too_long;
        size += ENTRY_FIXED + entries[i].id.len + entries[i].head.len + notes.len;
    }
    if (size > FRAME_HEAD_MAX || size > d->log->limits.segment_bytes / 4)
        return &spool_too_long;
    d->count = count;
    d->op.frame = malloc(FRAME_HEADER + size);
    d->entries = calloc(count, sizeof(struct entry *));
    d->rules = calloc(count, sizeof(struct rules_text *));
    if (!d->op.frame || !d->entries || !d->rules)
        return &fault_no_memory;
    d->op.frame_len = FRAME_HEADER + size;
    char *at = d->op.frame + FRAME_HEADER + COMMIT_FIXED;
    for (size_t i = 0; i < count; i++) {
        const struct spool_entry *from = &entries[i];
        struct entry *e = d->entries[i] = calloc(1, sizeof(struct entry));
        if (!e || (from->rules.len && !(d->rules[i] = rules_take(d->log, from->rules, from->rules_number))))
            return &fault_no_memory;
        *e = (struct entry) { .id_hash = id_hash(from->id),
                              .due_ms = from->due_ms,
                              .likeness = likeness_of(from, d->rules[i]),
                              .index = (uint16_t)i };
        struct commit_entry to = { .due_ms = from->due_ms,
                                   .kind = from->kind,
                                   .id = from->id,
                                   .head = from->head,
                                   .notes = notes };
        commit_entry_write(at, &to);
        at += commit_entry_size(&to);
    }
    return NULL;
}

void draft_commit(struct spool_draft *d, const struct spool_entry *entries, size_t count, str notes,
                  spool_committed_fn *committed, void *context)
{
    struct spool_log *log = d->log;
    d->committed = committed;
    d->committed_context = context;
    d->op.kind = OP_COMMIT;
    d->op.draft = d;
    if (!d->op.fault)
        d->op.fault = commit_encode(d, entries, count, notes);
    if (!d->spilling) {
        committer_push(log, &d->op);
        return;
    }
    spill(d, true);
    pthread_mutex_lock(&log->drafts_lock);
    resume_never(d);
    d->finishing = true;
    spiller_push(log, d);
    pthread_mutex_unlock(&log->drafts_lock);
}

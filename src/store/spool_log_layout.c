/* store/spool_log_layout.c - frames get their places, and go to the disk.
 *
 * A segment that cannot take the next frame beside its table is turned (spool_log_space.c). */
#include "store/spool_log_layout.h"

#include "base/crc.h"
#include "store/little.h"

#include <assert.h>

static const char zeros[SEGMENT_PAGE];

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

void layout_begin(struct layout *l, struct spool_log *log)
{
    const uint64_t begin = log->open->end;
    *l = (struct layout) { .log = log,
                           .segment = log->open,
                           .begin = begin,
                           .at = begin + BATCH_HEADER,
                           .written = begin };
    l->ops.last = &l->ops.first;
    iov_put(l, l->header, BATCH_HEADER);
}

void layout_begin_ahead(struct layout *l, const struct layout *before)
{
    *l = (struct layout) { .log = before->log,
                           .segment = before->segment,
                           .begin = before->at,
                           .at = before->at + BATCH_HEADER,
                           .written = before->at,
                           .rows_ahead = before->rows };
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

/* Behind a table nothing does: its segment was closed, and the next one found no room yet. */
static bool fits(const struct layout *l, const struct cost *cost)
{
    if (l->segment->sealed)
        return false;
    uint64_t end = page_padded(l->at + cost->bytes);
    const size_t rows = l->rows_ahead + l->rows + cost->rows;
    return end + segment_closing_bytes(l->segment, rows) <= l->segment->bytes;
}

static void row_put(struct layout *l, const struct row *row)
{
    segment_put_row(l->segment, l->segment->row_count + l->rows_ahead + l->rows++, row);
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

void layout_fill(struct layout *l, struct op_list *ops)
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
            const size_t rows = l->rows_ahead + l->rows;
            if (!segment_reserve_rows(l->segment, rows + cost.rows) ||
                (op->draft && !queue_make_room(log, rows + op->draft->count))) {
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
        op_list_add(&l->ops, op);
        if (writes && op->kind == OP_COMMIT)
            commit_put(l, op);
        else if (writes)
            lease_op_put(l, op);
    }
}

/* What was laid out since the last time, and zeros up to the end of the page, which the next piece writes over: so no page
 * has to be read for what it held before. */
void layout_write_ahead(struct layout *l)
{
    const uint64_t at = l->at;
    iov_pad(l, page_padded(at));
    l->error = segment_pwritev(l->segment, l->log->iov, l->iov_count, l->written);
    l->iov_count = 0;
    l->at = l->written = at;
}

void layout_head(struct layout *l, uint64_t sequence, uint64_t end)
{
    /* Whatever lies before this batch is synced when its head is written, also where its frames were written ahead. */
    const struct batch batch = { .sequence = sequence,
                                 .synced_epoch = l->segment->epoch,
                                 .synced_offset = (uint32_t)l->begin,
                                 .batch_bytes = (uint32_t)(end - l->begin),
                                 .frames = l->frames };
    batch_write(l->header, &batch, l->segment, (uint32_t)l->begin);
}

int layout_write(struct layout *l)
{
    struct segment *s = l->segment;
    if (l->error)
        return l->error;
    iov_pad(l, page_padded(l->at));
    layout_head(l, l->log->sequence + 1, l->at);
    int error = l->written == l->begin ? 0 : segment_pwrite(s, l->header, BATCH_HEADER, l->begin);
    return error ? error : segment_pwritev(s, l->log->iov, l->iov_count, l->written);
}

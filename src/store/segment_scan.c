/* store/segment_scan.c - reading a segment without its table: what is whole, what was torn, what is
 * damaged.
 *
 * Each batch says how far the log was synced before it. Let S be the highest such position that any
 * readable batch of the segment states (or the end, when a later segment exists). Then:
 *
 *   - a batch that is whole is taken, wherever it lies;
 *   - an unreadable place before S was on the disk once, and someone may have been told 250: that
 *     is damage. It is counted, and the frames behind it are looked for, at every multiple of 8;
 *   - an unreadable place at or behind S belongs to the last write before a stop. Nobody was told
 *     anything: the log ends there, and goes on from there.
 *
 * A torn batch is dropped whole and the next one is written at the same place; one batch is under
 * way at a time. So nothing readable can lie behind a torn place that is not either damage or the
 * remains of that one batch, which has its batch frame in front and no other inside. */
#include "store/segment.h"

#include "store/little.h"

#include <errno.h>
#include <stdlib.h>

struct scan {
    struct segment *segment;
    const char *bytes;
    uint64_t limit; /* where frames and table must end */
    segment_frame_fn *each;
    void *context;
};

static bool frame_at(const struct scan *scan, uint64_t at, struct frame *ret_frame)
{
    if (at + FRAME_HEADER > scan->limit)
        return false;
    str rest = { scan->bytes + at, (size_t)(scan->limit - at) };
    return frame_read(scan->segment, (uint32_t)at, rest, ret_frame) &&
           !str_is_none(ret_frame->body);
}

static bool batch_at(const struct scan *scan, uint64_t at, struct batch *ret_batch)
{
    struct frame f;
    const char *header = scan->bytes + at;
    if (at + FRAME_HEADER > scan->limit || header[16] != FRAME_BATCH ||
        get_u32(header + 4) != BATCH_FIXED || get_u32(header + 8) != 0 || !frame_at(scan, at, &f))
        return false;
    *ret_batch = (struct batch) { .sequence = f.serial,
                                  .synced_epoch = get_u64(f.head.ptr),
                                  .synced_offset = get_u32(f.head.ptr + 8),
                                  .batch_bytes = get_u32(f.head.ptr + 12),
                                  .frames = get_u32(f.head.ptr + 16) };
    return ret_batch->batch_bytes >= SEGMENT_PAGE && ret_batch->batch_bytes % SEGMENT_PAGE == 0 &&
           at + ret_batch->batch_bytes <= scan->limit;
}

static uint64_t synced_position(const struct scan *scan)
{
    uint64_t most = SEGMENT_PAGE;
    for (uint64_t at = SEGMENT_PAGE; at < scan->limit; at += SEGMENT_PAGE) {
        struct batch b;
        if (batch_at(scan, at, &b) && b.synced_epoch == scan->segment->epoch &&
            b.synced_offset > most && b.synced_offset <= at)
            most = b.synced_offset;
    }
    return most;
}

/* All the batch's frames, one behind the other, each whole? */
static bool batch_is_whole(const struct scan *scan, uint64_t at, const struct batch *batch)
{
    uint64_t end = at + batch->batch_bytes;
    at += FRAME_HEADER + BATCH_FIXED;
    for (uint32_t i = 0; i < batch->frames; i++) {
        struct frame f;
        if (!frame_at(scan, at, &f) || f.kind == FRAME_BATCH || f.body_damaged ||
            at + f.length > end)
            return false;
        at += frame_padded(f.length);
    }
    return true;
}

/* Gives every frame that can be read in [at, end); how many of them came damaged or not. */
static uint64_t salvage(const struct scan *scan, uint64_t at, uint64_t end, uint64_t *ret_whole)
{
    uint64_t damaged = 0, whole = 0;
    while (at < end) {
        struct frame f;
        if (!frame_at(scan, at, &f) || at + f.length > end) {
            at += 8;
            continue;
        }
        if (f.kind != FRAME_BATCH) {
            if (f.body_damaged)
                damaged++;
            else
                whole++;
            scan->each(scan->context, &f);
        }
        at += frame_padded(f.length);
    }
    *ret_whole = whole;
    return damaged;
}

static void batch_give(const struct scan *scan, uint64_t at, const struct batch *batch)
{
    at += FRAME_HEADER + BATCH_FIXED;
    for (uint32_t i = 0; i < batch->frames; i++) {
        struct frame f;
        if (!frame_at(scan, at, &f))
            return;
        scan->each(scan->context, &f);
        at += frame_padded(f.length);
    }
}

static uint64_t next_batch(const struct scan *scan, uint64_t at)
{
    struct batch b;
    for (at += SEGMENT_PAGE; at < scan->limit; at += SEGMENT_PAGE)
        if (batch_at(scan, at, &b))
            return at;
    return scan->limit;
}

static void note_damage(struct scanned *said, uint64_t at, uint64_t frames)
{
    if (said->damaged == 0)
        said->damage_at = at;
    said->damaged += frames ? frames : 1;
}

static void scan_batches(const struct scan *scan, uint64_t synced, bool all_synced,
                         struct scanned *said)
{
    uint64_t at = SEGMENT_PAGE;
    while (at < scan->limit) {
        struct batch batch;
        uint64_t whole;
        bool readable = batch_at(scan, at, &batch);
        if (readable && batch_is_whole(scan, at, &batch)) {
            batch_give(scan, at, &batch);
            said->batches++;
            said->last_sequence = batch.sequence;
            at += batch.batch_bytes;
        } else if (readable && (at + batch.batch_bytes <= synced || all_synced)) {
            salvage(scan, at, at + batch.batch_bytes, &whole);
            note_damage(said, at, batch.frames > whole ? batch.frames - whole : 1);
            said->last_sequence = batch.sequence;
            at += batch.batch_bytes;
        } else if (at < synced) {
            uint64_t next = next_batch(scan, at);
            uint64_t end = next < synced ? next : synced;
            note_damage(said, at, salvage(scan, at, end, &whole));
            at = end > at ? page_padded(end) : at + SEGMENT_PAGE;
        } else if (all_synced) {
            /* Sealed once, but its table is gone: the bytes left may be the table's, or lost
             * frames. */
            uint64_t next = next_batch(scan, at);
            uint64_t lost = salvage(scan, at, next, &whole);
            if (next < scan->limit || lost + whole)
                note_damage(said, at, lost);
            at = next;
        } else {
            if (readable)
                said->torn = batch.batch_bytes;
            break;
        }
        said->end = at;
    }
}

/* Reads no further than there is something: a fresh segment is 64 MB of zeros. */
static int load(struct segment *s, char **ret_bytes)
{
    size_t size = (size_t)(s->bytes - SEGMENT_PAGE);
    char *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    int error = segment_pread(s, bytes, size, 0);
    if (error) {
        free(bytes);
        return error;
    }
    *ret_bytes = bytes;
    return 0;
}

int segment_scan(struct segment *s, bool all_synced, segment_frame_fn *each, void *context,
                 struct scanned *ret_scanned)
{
    char *bytes;
    int error = load(s, &bytes);
    if (error)
        return error;
    struct scan scan = { .segment = s,
                         .bytes = bytes,
                         .limit = s->bytes - SEGMENT_PAGE,
                         .each = each,
                         .context = context };
    struct scanned said = { .end = SEGMENT_PAGE };
    scan_batches(&scan, synced_position(&scan), all_synced, &said);
    s->end = said.end;
    s->tail_batch = said.last_sequence;
    free(bytes);
    *ret_scanned = said;
    return 0;
}

int segment_walk(struct segment *s, segment_frame_fn *each, void *context, uint64_t *ret_end)
{
    char *bytes;
    int error = load(s, &bytes);
    if (error)
        return error;
    struct scan scan = { .segment = s, .bytes = bytes, .limit = s->bytes - SEGMENT_PAGE };
    uint64_t at = SEGMENT_PAGE;
    struct frame f;
    while (frame_at(&scan, at, &f) && !f.body_damaged) {
        each(context, &f);
        at += frame_padded(f.length);
    }
    free(bytes);
    s->end = at;
    *ret_end = at;
    return 0;
}

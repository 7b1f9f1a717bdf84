/* store/history.c - settled timelines in a ring of eight segments.
 *
 * Segments as in segment.c, purpose 2, without batches: record frames one behind the other, kind
 * history, with the entry's serial. A sealed segment's table has a row for each, sorted by the hash
 * of the id. A record frame's head:
 *
 *      0 i64 due  8 u32 attempts  12 u16 size of id  14 u16 kind  16 u32 size of head
 *     20 u32 size of notes  24 u32 state  28 u32 size of kept  32 id, head, notes, kept
 *
 * When the ring is full the oldest segment is freed and begun anew. A stop may lose the records of
 * the last moments (not yet synced, or torn): timelines then, never mail. A start reads the open
 * segment up to the first frame that is none and goes on from there. */
#include "store/history_ring.h"

#include "store/little.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { RING = HISTORY_RING, PATH_ROOM = 512, PENDING_MOST = 32 << 20, TOGETHER_MOST = 256 };

static const char *slot_path(const struct history *h, char to[PATH_ROOM], unsigned slot)
{
    snprintf(to, PATH_ROOM, "%s/%08x", h->directory, slot);
    return to;
}

static void complain(struct history *h, const char *what, int error)
{
    if (h->complained)
        return;
    h->complained = true;
    journal_notef(h->outside->journal, JOURNAL_WARNING, STR("store"), STR("history"),
                  "\"says\":\"%s\",\"errno\":%d", what, -error);
}

static void take_record(void *context, const struct frame *f)
{
    struct history *h = context;
    if (f->kind != FRAME_HISTORY || f->head.len < RECORD_FIXED)
        return;
    size_t id = get_u16(f->head.ptr + 12);
    if (id > f->head.len - RECORD_FIXED)
        return;
    struct row row = { .kind = FRAME_HISTORY,
                       .offset = f->offset,
                       .length = f->length,
                       .serial = f->serial,
                       .id_hash = id_hash((str) { f->head.ptr + RECORD_FIXED, id }) };
    segment_add_row(h->open, &row);
}

static int seal_sorted(struct segment *s)
{
    segment_sort_history(s);
    return segment_seal(s);
}

static void slot_drop(struct history *h, unsigned slot)
{
    char path[PATH_ROOM];
    segment_close(h->ring[slot]);
    h->ring[slot] = NULL;
    h->outside->disk->unlink(h->outside->disk, slot_path(h, path, slot));
}

static void serials_look(struct history *h, const struct segment *s)
{
    for (size_t i = 0; i < s->row_count; i++) {
        const uint64_t serial = segment_row(s, i).serial;
        if (serial > h->serial_most)
            h->serial_most = serial;
    }
}

/* Whatever cannot be read is dropped: it is history, and the ring would overwrite it some day. */
static void slot_take(struct history *h, unsigned slot)
{
    char path[PATH_ROOM];
    struct segment *s;
    int error = segment_open(h->outside->disk, slot_path(h, path, slot), slot, &s);
    if (error == -ENOENT)
        return;
    if (error) {
        complain(h, "a history segment cannot be read and is begun anew", error);
        h->outside->disk->unlink(h->outside->disk, path);
        return;
    }
    h->ring[slot] = s;
    if (s->purpose != SEGMENT_HISTORY || s->bytes != h->segment_bytes) {
        slot_drop(h, slot);
        return;
    }
    if (s->epoch >= h->next_epoch)
        h->next_epoch = s->epoch + 1;
    bool damaged;
    if (s->state == SEGMENT_FREE)
        return;
    if (segment_read_table(s, &damaged)) {
        serials_look(h, s);
        segment_forget_rows(s);
        return;
    }
    uint64_t end;
    h->open = s;
    error = segment_walk(s, take_record, h, &end);
    serials_look(h, s);
    h->open = NULL;
    if (error)
        slot_drop(h, slot);
}

/* Of those without a table, the youngest goes on; the others (a table was lost) are sealed again.
 * */
static void open_choose(struct history *h)
{
    for (unsigned i = 0; i < RING; i++) {
        struct segment *s = h->ring[i];
        if (s && s->state == SEGMENT_USED && !s->sealed && (!h->open || s->epoch > h->open->epoch))
            h->open = s;
    }
    for (unsigned i = 0; i < RING; i++) {
        struct segment *s = h->ring[i];
        if (!s || s->state != SEGMENT_USED || s->sealed || s == h->open)
            continue;
        if (s->end + segment_closing_bytes(s, 0) > s->bytes || seal_sorted(s) != 0)
            slot_drop(h, i);
        else
            segment_forget_rows(s);
    }
}

const struct fault *history_open(str directory, uint64_t bytes_max, struct outside *outside,
                                 struct arena *arena, struct history **ret_history)
{
    struct history *h = calloc(1, sizeof *h);
    if (!h || directory.len >= sizeof h->directory) {
        free(h);
        return &fault_no_memory;
    }
    h->outside = outside;
    memcpy(h->directory, directory.ptr, directory.len);
    h->segment_bytes = bytes_max / RING & ~(uint64_t)(SEGMENT_PAGE - 1);
    if (h->segment_bytes < SEGMENT_MIN)
        h->segment_bytes = SEGMENT_MIN;
    if (h->segment_bytes > 1 << 30)
        h->segment_bytes = 1 << 30;
    h->next_epoch = 1;
    pthread_rwlock_init(&h->ring_lock, NULL);
    pthread_mutex_init(&h->lock, NULL);
    int error = outside->disk->make_directory(outside->disk, h->directory, 0700);
    if (error && error != -EEXIST) {
        const struct fault *f = fault(arena, FAULT_UNAVAILABLE, NULL, "could not make %s: %s",
                                      h->directory, strerror(-error));
        history_close(h);
        return f;
    }
    for (unsigned i = 0; i < RING; i++)
        slot_take(h, i);
    open_choose(h);
    *ret_history = h;
    return NULL;
}

/* Adding. */

void history_add(struct history *h, const struct spool_record *record, uint64_t serial)
{
    const struct spool_entry *e = &record->entry;
    size_t head = RECORD_FIXED + e->id.len + e->head.len + record->notes.len;
    const size_t most =
        h->segment_bytes / 4 < FRAME_HEAD_MAX ? h->segment_bytes / 4 : FRAME_HEAD_MAX;
    if (e->id.len > UINT16_MAX || head > most)
        return;
    const str kept = record->kept.len <= most - head ? record->kept : STR_NONE;
    head += kept.len;
    struct pending *p = calloc(1, sizeof *p + frame_padded(FRAME_HEADER + head));
    if (!p)
        return;
    p->serial = serial;
    p->id_hash = id_hash(e->id);
    p->frame_len = FRAME_HEADER + head;
    char *to = p->frame + FRAME_HEADER;
    put_u64(to, (uint64_t)record->due_ms);
    put_u32(to + 8, (uint32_t)record->attempt);
    put_u16(to + 12, (uint16_t)e->id.len);
    put_u16(to + 14, (uint16_t)e->kind);
    put_u32(to + 16, (uint32_t)e->head.len);
    put_u32(to + 20, (uint32_t)record->notes.len);
    put_u32(to + 24, record->state);
    put_u32(to + 28, (uint32_t)kept.len);
    char *at = to + RECORD_FIXED;
    const str texts[] = { e->id, e->head, record->notes, kept };
    for (size_t i = 0; i < 4; i++) {
        if (texts[i].len)
            memcpy(at, texts[i].ptr, texts[i].len);
        at += texts[i].len;
    }
    pthread_mutex_lock(&h->lock);
    if (h->pending_bytes > PENDING_MOST) {
        free(p);
    } else {
        h->pending_bytes += p->frame_len;
        if (h->last)
            h->last->next = p;
        else
            h->first = p;
        h->last = p;
    }
    pthread_mutex_unlock(&h->lock);
}

bool history_waiting(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    bool waits = h->first != NULL;
    pthread_mutex_unlock(&h->lock);
    return waits;
}

/* The slot to begin next: an unused one, or the oldest. */
static unsigned slot_next(const struct history *h)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < RING; i++) {
        if (!h->ring[i] || h->ring[i]->state == SEGMENT_FREE)
            return i;
        if (h->ring[i]->epoch < h->ring[oldest]->epoch)
            oldest = i;
    }
    return oldest;
}

static int ring_turn(struct history *h) /* ring lock held for writing */
{
    char path[PATH_ROOM];
    struct disk *disk = h->outside->disk;
    int error = 0;
    if (h->open) {
        error = seal_sorted(h->open);
        if (!error)
            error = disk->fdatasync(disk, h->open->fd);
        if (error)
            return error;
        segment_forget_rows(h->open);
        h->open = NULL;
    }
    unsigned slot = slot_next(h);
    if (!h->ring[slot]) {
        error = segment_create(disk, slot_path(h, path, slot), slot, SEGMENT_HISTORY,
                               h->segment_bytes, &h->ring[slot]);
        if (!error)
            error = disk->sync_directory(disk, h->directory);
    } else if (h->ring[slot]->state == SEGMENT_USED) {
        error = segment_release(h->ring[slot]);
    }
    uint64_t salt;
    h->outside->entropy->fill(h->outside->entropy, &salt, sizeof salt);
    if (!error)
        error = segment_begin(h->ring[slot], h->next_epoch, salt);
    if (error)
        return error;
    h->next_epoch++;
    h->open = h->ring[slot];
    return 0;
}

static bool has_room(const struct history *h, size_t records, uint64_t bytes)
{
    const struct segment *s = h->open;
    return s && s->end + bytes + segment_closing_bytes(s, records) <= s->bytes;
}

/* As many of first to last as fit behind one another, in one write. On failure one is given up. */
static int records_write(struct history *h, struct pending *first, const struct pending *last,
                         size_t *ret_count)
{
    struct iovec pieces[TOGETHER_MOST];
    uint64_t bytes = 0;
    size_t count = 0;
    *ret_count = 1;
    if (!has_room(h, 1, frame_padded(first->frame_len))) {
        pthread_rwlock_wrlock(&h->ring_lock);
        int error = ring_turn(h);
        pthread_rwlock_unlock(&h->ring_lock);
        if (error)
            return error;
    }
    struct segment *s = h->open;
    for (struct pending *p = first; count < TOGETHER_MOST; p = p->next) {
        const uint64_t size = frame_padded(p->frame_len);
        if (count && !has_room(h, count + 1, bytes + size))
            break;
        p->offset = (uint32_t)(s->end + bytes);
        frame_finish(p->frame, FRAME_HISTORY, p->serial, p->offset, p->frame_len - FRAME_HEADER, 0,
                     0, s);
        pieces[count++] = (struct iovec) { p->frame, size };
        bytes += size;
        if (p == last)
            break;
    }
    int error = segment_pwritev(s, pieces, (int)count, s->end);
    if (!error)
        *ret_count = count;
    return error;
}

/* Now it is found in the segment. */
static void place_record(struct history *h, const struct pending *p)
{
    const struct row row = { .kind = FRAME_HISTORY,
                             .offset = p->offset,
                             .length = (uint32_t)p->frame_len,
                             .serial = p->serial,
                             .id_hash = p->id_hash };
    segment_add_row(h->open, &row);
    h->open->end = p->offset + frame_padded(p->frame_len);
    if (p->serial > h->serial_most)
        h->serial_most = p->serial;
}

void history_flush(struct history *h)
{
    struct segment *written = NULL;
    for (;;) {
        pthread_mutex_lock(&h->lock);
        struct pending *p = h->first, *last = h->last; /* up to there nobody but us changes it */
        pthread_mutex_unlock(&h->lock);
        if (!p)
            break;
        size_t count;
        int error = records_write(h, p, last, &count);
        if (error)
            complain(h, "timelines of settled messages are not kept", error);
        else
            written = h->open;
        struct pending *done = p;
        pthread_mutex_lock(&h->lock);
        for (size_t i = 0; i < count; i++, p = p->next) {
            if (!error)
                place_record(h, p);
            h->pending_bytes -= p->frame_len;
        }
        h->first = p;
        if (!p)
            h->last = NULL;
        pthread_mutex_unlock(&h->lock);
        while (done != p) {
            struct pending *next = done->next;
            free(done);
            done = next;
        }
    }
    if (written)
        h->outside->disk->fdatasync(h->outside->disk, written->fd);
}

uint64_t history_bytes(struct history *h)
{
    uint64_t bytes = 0;
    pthread_rwlock_rdlock(&h->ring_lock);
    for (unsigned i = 0; i < RING; i++)
        bytes += h->ring[i] ? h->ring[i]->bytes : 0;
    pthread_rwlock_unlock(&h->ring_lock);
    return bytes;
}

uint64_t history_serial(struct history *h)
{
    return h->serial_most;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    history_flush(h);
    for (unsigned i = 0; i < RING; i++)
        segment_close(h->ring[i]);
    pthread_rwlock_destroy(&h->ring_lock);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

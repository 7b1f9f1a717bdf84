/* store/history.c - settled timelines in a ring of eight segments.
 *
 * Segments as in segment.c, purpose 2, without batches: record frames one behind the other, kind
 * history, with the entry's serial. A sealed segment's table has a row for each, sorted by the hash
 * of the id. A record frame's head:
 *
 *      0 i64 due  8 u32 attempts  12 u16 size of id  14 u16 kind  16 u32 size of head
 *     20 u32 size of notes  24 u32 state  28 u32 0  32 id, head, notes
 *
 * When the ring is full the oldest segment is freed and begun anew. A stop may lose the records of
 * the last moments (not yet synced, or torn): timelines then, never mail. A start reads the open
 * segment up to the first frame that is none and goes on from there. */
#include "store/history.h"

#include "store/little.h"
#include "store/segment.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { RING = 8, RECORD_FIXED = 32, PATH_ROOM = 512, PENDING_MOST = 32 << 20 };

struct pending { /* added, not on disk yet; the frame's place is filled in when it is written */
    struct pending *next;
    uint64_t serial, id_hash;
    size_t frame_len;
    char frame[];
};

struct history {
    struct outside *outside;
    char directory[PATH_ROOM - 32];
    uint64_t segment_bytes;
    /* Readers hold it while they read a segment, the flusher while it turns the ring. */
    pthread_rwlock_t ring_lock;
    struct segment *ring[RING]; /* by slot */
    struct segment *open;
    uint64_t next_epoch, serial_most;
    pthread_mutex_t lock; /* of what follows, and of the open segment's rows */
    struct pending *first, *last;
    size_t pending_bytes;
    bool complained;
};

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

static int by_hash(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->id_hash != y->id_hash)
        return x->id_hash < y->id_hash ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int seal_sorted(struct segment *s)
{
    if (s->row_count)
        qsort(s->rows, s->row_count, sizeof *s->rows, by_hash);
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
    for (size_t i = 0; i < s->row_count; i++)
        if (s->rows[i].serial > h->serial_most)
            h->serial_most = s->rows[i].serial;
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
    if (e->id.len > UINT16_MAX || head > FRAME_HEAD_MAX || head > h->segment_bytes / 4)
        return;
    struct pending *p = calloc(1, sizeof *p + FRAME_HEADER + head);
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
    char *at = to + RECORD_FIXED;
    const str texts[] = { e->id, e->head, record->notes };
    for (size_t i = 0; i < 3; i++) {
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

static int record_write(struct history *h, struct pending *p)
{
    uint64_t end = frame_padded(p->frame_len);
    if (!h->open || h->open->end + end + segment_closing_bytes(h->open, 1) > h->open->bytes) {
        pthread_rwlock_wrlock(&h->ring_lock);
        int error = ring_turn(h);
        pthread_rwlock_unlock(&h->ring_lock);
        if (error)
            return error;
    }
    struct segment *s = h->open;
    frame_finish(p->frame, FRAME_HISTORY, p->serial, (uint32_t)s->end, p->frame_len - FRAME_HEADER,
                 0, 0, s);
    return segment_pwrite(s, p->frame, p->frame_len, s->end);
}

void history_flush(struct history *h)
{
    struct segment *written = NULL;
    for (;;) {
        pthread_mutex_lock(&h->lock);
        struct pending *p = h->first;
        pthread_mutex_unlock(&h->lock);
        if (!p)
            break;
        int error = record_write(h, p);
        if (error)
            complain(h, "timelines of settled messages are not kept", error);
        pthread_mutex_lock(&h->lock);
        if (!error) {
            struct segment *s = written = h->open;
            struct row row = { .kind = FRAME_HISTORY,
                               .offset = (uint32_t)s->end,
                               .length = (uint32_t)p->frame_len,
                               .serial = p->serial,
                               .id_hash = p->id_hash };
            if (segment_add_row(s, &row) == 0)
                s->end += frame_padded(p->frame_len);
            if (p->serial > h->serial_most)
                h->serial_most = p->serial;
        }
        h->first = p->next;
        if (!h->first)
            h->last = NULL;
        h->pending_bytes -= p->frame_len;
        pthread_mutex_unlock(&h->lock);
        free(p);
    }
    if (written)
        h->outside->disk->fdatasync(h->outside->disk, written->fd);
}

/* Finding. */

static bool record_parse(str head, struct spool_record *ret_record)
{
    if (head.len < RECORD_FIXED)
        return false;
    size_t id = get_u16(head.ptr + 12), said = get_u32(head.ptr + 16),
           notes = get_u32(head.ptr + 20);
    if (id + said + notes != head.len - RECORD_FIXED || get_u16(head.ptr + 14) != SPOOL_MAIL)
        return false;
    const char *at = head.ptr + RECORD_FIXED;
    *ret_record = (struct spool_record) {
        .entry = { .id = { at, id },
                   .kind = SPOOL_MAIL,
                   .head = { at + id, said },
                   .rules = STR("") },
        .state = SPOOL_DONE,
        .attempt = (int)get_u32(head.ptr + 8),
        .due_ms = (int64_t)get_u64(head.ptr),
        .notes = { at + id + said, notes },
    };
    return true;
}

static bool record_copy(const char *frame, size_t frame_len, struct arena *arena,
                        struct spool_record *ret_record)
{
    str head = arena_str(arena, (str) { frame + FRAME_HEADER, frame_len - FRAME_HEADER });
    return head.ptr && record_parse(head, ret_record);
}

static bool record_read(const struct segment *s, const struct row *row, struct arena *arena,
                        struct spool_record *ret_record)
{
    struct frame f;
    char *bytes = row->length >= FRAME_HEADER ? arena_alloc(arena, row->length, 1) : NULL;
    return bytes && segment_pread(s, bytes, row->length, row->offset) == 0 &&
           frame_read(s, row->offset, (str) { bytes, row->length }, &f) &&
           f.kind == FRAME_HISTORY && record_parse(f.head, ret_record);
}

static bool find_pending(struct history *h, str id, struct arena *arena,
                         struct spool_record *ret_record)
{
    uint64_t hash = id_hash(id);
    bool found = false;
    pthread_mutex_lock(&h->lock);
    for (struct pending *p = h->first; p; p = p->next) /* the last of the same id is the newest */
        if (p->id_hash == hash && record_copy(p->frame, p->frame_len, arena, ret_record) &&
            str_eq(ret_record->entry.id, id))
            found = true;
    pthread_mutex_unlock(&h->lock);
    return found;
}

static bool find_open(struct history *h, str id, struct arena *arena,
                      struct spool_record *ret_record)
{
    uint64_t hash = id_hash(id);
    for (size_t from = SIZE_MAX;;) {
        struct row row;
        bool found = false;
        pthread_mutex_lock(&h->lock);
        if (h->open)
            for (size_t i = from < h->open->row_count ? from : h->open->row_count;
                 i-- > 0 && !found;)
                if (h->open->rows[i].id_hash == hash) {
                    row = h->open->rows[i];
                    from = i;
                    found = true;
                }
        pthread_mutex_unlock(&h->lock);
        if (!found)
            return false;
        if (record_read(h->open, &row, arena, ret_record) && str_eq(ret_record->entry.id, id))
            return true;
    }
}

static bool find_sealed(const struct segment *s, str id, struct arena *arena,
                        struct spool_record *ret_record)
{
    uint64_t hash = id_hash(id);
    size_t low = 0, high = s->table_rows;
    struct row row;
    while (low < high) { /* the first row greater than the hash */
        size_t middle = low + (high - low) / 2;
        if (!segment_table_row(s, middle, &row))
            return false;
        if (row.id_hash <= hash)
            low = middle + 1;
        else
            high = middle;
    }
    while (low-- > 0 && segment_table_row(s, low, &row) && row.id_hash == hash)
        if (record_read(s, &row, arena, ret_record) && str_eq(ret_record->entry.id, id))
            return true;
    return false;
}

/* The sealed segments, the youngest first. Ring lock held. */
static size_t sealed_by_age(struct history *h, struct segment *to[RING])
{
    size_t count = 0;
    for (unsigned i = 0; i < RING; i++) {
        struct segment *s = h->ring[i];
        if (!s || s == h->open || s->state != SEGMENT_USED || !s->sealed)
            continue;
        size_t at = count++;
        for (; at && to[at - 1]->epoch < s->epoch; at--)
            to[at] = to[at - 1];
        to[at] = s;
    }
    return count;
}

const struct fault *history_find(struct history *h, str id, struct arena *arena,
                                 struct spool_record *ret_record)
{
    if (find_pending(h, id, arena, ret_record))
        return NULL;
    struct segment *sealed[RING];
    pthread_rwlock_rdlock(&h->ring_lock);
    bool found = find_open(h, id, arena, ret_record);
    size_t count = sealed_by_age(h, sealed);
    for (size_t i = 0; !found && i < count; i++)
        found = find_sealed(sealed[i], id, arena, ret_record);
    pthread_rwlock_unlock(&h->ring_lock);
    return found ? NULL
                 : fault(arena, FAULT_ABSENT, NULL, "no message " STR_FMT " is known", STR_ARG(id));
}

static int newest_first(const void *a, const void *b)
{
    const struct history_item *x = a, *y = b;
    return x->serial > y->serial ? -1 : x->serial < y->serial;
}

struct newest {
    struct history_item *to;
    size_t count, max;
};

static void newest_add(struct newest *n, struct history_item item)
{
    if (n->count < n->max)
        n->to[n->count++] = item;
}

/* A sealed table is sorted by id; for this rare question it is read whole and the latest picked. */
static void newest_of_sealed(struct newest *n, const struct segment *s)
{
    struct history_item *all = calloc(s->table_rows + 1, sizeof *all);
    size_t count = 0;
    for (size_t i = 0; all && i < s->table_rows; i++) {
        struct row row;
        if (segment_table_row(s, i, &row))
            all[count++] = (struct history_item) { row.serial, s->epoch, row.id_hash, row.offset };
    }
    if (all) {
        qsort(all, count, sizeof *all, newest_first);
        for (size_t i = 0; i < count; i++)
            newest_add(n, all[i]);
    }
    free(all);
}

size_t history_newest(struct history *h, struct history_item *to, size_t max)
{
    struct newest n = { .to = to, .max = max };
    pthread_rwlock_rdlock(&h->ring_lock);
    pthread_mutex_lock(&h->lock);
    size_t waiting = 0;
    for (struct pending *p = h->first; p; p = p->next)
        waiting++;
    size_t skip = waiting > max ? waiting - max : 0;
    for (struct pending *p = h->first; p; p = p->next)
        if (skip)
            skip--;
        else
            newest_add(&n, (struct history_item) { .serial = p->serial, .id_hash = p->id_hash });
    for (size_t i = h->open ? h->open->row_count : 0; i-- > 0;) {
        const struct row *row = &h->open->rows[i];
        newest_add(
            &n, (struct history_item) { row->serial, h->open->epoch, row->id_hash, row->offset });
    }
    pthread_mutex_unlock(&h->lock);
    struct segment *sealed[RING];
    size_t count = sealed_by_age(h, sealed);
    for (size_t i = 0; i < count && n.count < max; i++)
        newest_of_sealed(&n, sealed[i]);
    pthread_rwlock_unlock(&h->ring_lock);
    qsort(to, n.count, sizeof *to, newest_first);
    return n.count;
}

static bool load_pending(struct history *h, uint64_t serial, struct arena *arena,
                         struct spool_record *ret_record)
{
    bool found = false;
    pthread_mutex_lock(&h->lock);
    for (struct pending *p = h->first; p && !found; p = p->next)
        found = p->serial == serial && record_copy(p->frame, p->frame_len, arena, ret_record);
    pthread_mutex_unlock(&h->lock);
    return found;
}

const struct fault *history_load(struct history *h, const struct history_item *item,
                                 struct arena *arena, struct spool_record *ret_record)
{
    bool found = !item->epoch && load_pending(h, item->serial, arena, ret_record);
    pthread_rwlock_rdlock(&h->ring_lock);
    struct row row = { .offset = item->offset };
    if (!found && !item->epoch) { /* written in the meantime */
        pthread_mutex_lock(&h->lock);
        for (size_t i = h->open ? h->open->row_count : 0; i-- > 0 && !found;)
            if (h->open->rows[i].serial == item->serial) {
                row = h->open->rows[i];
                found = true;
            }
        pthread_mutex_unlock(&h->lock);
        found = found && record_read(h->open, &row, arena, ret_record);
    }
    for (unsigned i = 0; item->epoch && !found && i < RING; i++) {
        struct segment *s = h->ring[i];
        char header[FRAME_HEADER];
        if (!s || s->epoch != item->epoch ||
            segment_pread(s, header, sizeof header, row.offset) != 0)
            continue;
        uint64_t length = (uint64_t)FRAME_HEADER + get_u32(header + 4);
        row.length = length <= FRAME_HEADER + FRAME_HEAD_MAX ? (uint32_t)length : 0;
        found = record_read(s, &row, arena, ret_record);
    }
    pthread_rwlock_unlock(&h->ring_lock);
    return found ? NULL : fault(arena, FAULT_ABSENT, NULL, "a timeline is no longer kept");
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

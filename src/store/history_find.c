/* store/history_find.c - one timeline by its id, or the newest: in memory, in the open segment by
 * its rows, in the sealed ones by their tables. */
#include "store/history_ring.h"

#include "store/little.h"

#include <stdlib.h>

static bool record_parse(str head, struct spool_record *ret_record)
{
    if (head.len < RECORD_FIXED)
        return false;
    size_t id = get_u16(head.ptr + 12), said = get_u32(head.ptr + 16),
           notes = get_u32(head.ptr + 20), kept = get_u32(head.ptr + 28);
    enum spool_kind kind;
    if (id + said + notes + kept != head.len - RECORD_FIXED ||
        !spool_kind_read(get_u16(head.ptr + 14), &kind))
        return false;
    const char *at = head.ptr + RECORD_FIXED;
    *ret_record = (struct spool_record) {
        .entry = { .id = { at, id }, .kind = kind, .head = { at + id, said }, .rules = STR("") },
        .state = SPOOL_DONE,
        .attempt = (int)get_u32(head.ptr + 8),
        .due_ms = (int64_t)get_u64(head.ptr),
        .notes = { at + id + said, notes },
        .kept = kept ? (str) { at + id + said + notes, kept } : STR_NONE,
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
                 i-- > 0 && !found;) {
                row = segment_row(h->open, i);
                from = i;
                found = row.id_hash == hash;
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
static size_t sealed_by_age(struct history *h, struct segment *to[HISTORY_RING])
{
    size_t count = 0;
    for (unsigned i = 0; i < HISTORY_RING; i++) {
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
    struct segment *sealed[HISTORY_RING];
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

/* Its rows, in no order worth telling. NULL: no memory. */
static struct history_item *table_of_sealed(const struct segment *s, size_t *ret_count)
{
    struct history_item *all = calloc(s->table_rows + 1, sizeof *all);
    size_t count = 0;
    for (size_t i = 0; all && i < s->table_rows; i++) {
        struct row row;
        if (segment_table_row(s, i, &row))
            all[count++] = (struct history_item) { row.serial, s->epoch, row.id_hash, row.offset };
    }
    *ret_count = count;
    return all;
}

/* A sealed table is sorted by id; for this rare question it is read whole and the latest picked. */
static void newest_of_sealed(struct newest *n, const struct segment *s)
{
    size_t count;
    struct history_item *all = table_of_sealed(s, &count);
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
        const struct row row = segment_row(h->open, i);
        newest_add(&n, (struct history_item) { row.serial, h->open->epoch, row.id_hash, row.offset });
    }
    pthread_mutex_unlock(&h->lock);
    struct segment *sealed[HISTORY_RING];
    size_t count = sealed_by_age(h, sealed);
    for (size_t i = 0; i < count && n.count < max; i++)
        newest_of_sealed(&n, sealed[i]);
    pthread_rwlock_unlock(&h->ring_lock);
    qsort(to, n.count, sizeof *to, newest_first);
    return n.count;
}

struct below { /* the highest serials below `before`; a heap's work, done by sorting what overflows
                */
    struct history_item *to;
    size_t count, max;
    uint64_t before;
};

static void below_take(struct below *b, struct history_item *all, size_t count)
{
    size_t few = 0;
    for (size_t i = 0; i < count; i++)
        if (all[i].serial < b->before)
            all[few++] = all[i];
    struct history_item *both = calloc(b->count + few + 1, sizeof *both);
    if (!both)
        return;
    memcpy(both, b->to, b->count * sizeof *both);
    memcpy(both + b->count, all, few * sizeof *both);
    few += b->count;
    qsort(both, few, sizeof *both, newest_first);
    b->count = few < b->max ? few : b->max;
    memcpy(b->to, both, b->count * sizeof *both);
    free(both);
}

/* What waits and what the open segment holds. Ring lock held. */
static void below_take_open(struct below *b, struct history *h)
{
    size_t count = 0;
    pthread_mutex_lock(&h->lock);
    const size_t rows = h->open ? h->open->row_count : 0;
    size_t waiting = 0;
    for (struct pending *p = h->first; p; p = p->next)
        waiting++;
    struct history_item *all = calloc(rows + waiting + 1, sizeof *all);
    for (struct pending *p = all ? h->first : NULL; p; p = p->next)
        all[count++] = (struct history_item) { .serial = p->serial, .id_hash = p->id_hash };
    for (size_t i = 0; all && i < rows; i++) {
        const struct row row = segment_row(h->open, i);
        all[count++] = (struct history_item) { row.serial, h->open->epoch, row.id_hash, row.offset };
    }
    pthread_mutex_unlock(&h->lock);
    if (all)
        below_take(b, all, count);
    free(all);
}

size_t history_before(struct history *h, uint64_t before, struct history_item *to, size_t max)
{
    struct below b = { .to = to, .max = max, .before = before };
    struct segment *sealed[HISTORY_RING];
    pthread_rwlock_rdlock(&h->ring_lock);
    below_take_open(&b, h);
    const size_t count = sealed_by_age(h, sealed);
    for (size_t i = 0; i < count; i++) {
        size_t rows;
        struct history_item *all = table_of_sealed(sealed[i], &rows);
        if (all)
            below_take(&b, all, rows);
        free(all);
    }
    pthread_rwlock_unlock(&h->ring_lock);
    return b.count;
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
        for (size_t i = h->open ? h->open->row_count : 0; i-- > 0 && !found;) {
            row = segment_row(h->open, i);
            found = row.serial == item->serial;
        }
        pthread_mutex_unlock(&h->lock);
        found = found && record_read(h->open, &row, arena, ret_record);
    }
    for (unsigned i = 0; item->epoch && !found && i < HISTORY_RING; i++) {
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

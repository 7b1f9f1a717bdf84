/* store/late_rows.c - an array of rows, chained by a hash of their keys, and the order of those
 * shown. */
#include "store/late_rows.h"

#include "base/crc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 4096, TEXTS_MAX = 8 << 20, NOBODY = -1 };

struct late_row {
    struct object_row row;
    int next; /* in its chain: newest first */
};

_Static_assert(LATE_ROWS_MAX <= UINT16_MAX, "a place in `order` is a uint16_t");

struct late_rows {
    pthread_mutex_t lock;
    struct late_row rows[LATE_ROWS_MAX];
    int chains[CHAINS];
    uint16_t order[LATE_ROWS_MAX]; /* those shown, by bucket and key */
    size_t shown, staged;          /* [0, shown) are found; [shown, staged) are not, yet */
    struct arena *texts;
};

static void empty(struct late_rows *self)
{
    self->shown = self->staged = 0;
    for (size_t i = 0; i < CHAINS; i++)
        self->chains[i] = NOBODY;
}

struct late_rows *late_rows_new(void)
{
    struct late_rows *self = calloc(1, sizeof *self);
    struct arena *texts = arena_new(TEXTS_MAX);
    if (!self || !texts) {
        free(self);
        arena_free(texts);
        return NULL;
    }
    self->texts = texts;
    pthread_mutex_init(&self->lock, NULL);
    empty(self);
    return self;
}

void late_rows_free(struct late_rows *self)
{
    if (!self)
        return;
    pthread_mutex_destroy(&self->lock);
    arena_free(self->texts);
    free(self);
}

static int *chain_of(struct late_rows *self, str bucket, str key)
{
    return &self->chains[crc32c(crc32c(0, bucket.ptr, bucket.len), key.ptr, key.len) % CHAINS];
}

/* Among the first `count`. */
static const struct object_row *find(struct late_rows *self, str bucket, str key, size_t count)
{
    for (int i = *chain_of(self, bucket, key); i != NOBODY; i = self->rows[i].next) {
        const struct object_row *row = &self->rows[i].row;
        if ((size_t)i < count && str_eq(row->key, key) && str_eq(row->bucket, bucket))
            return row;
    }
    return NULL;
}

static bool copy(const struct object_row *from, struct arena *arena, struct object_row *ret_row)
{
    struct object_row row = *from;
    row.bucket = arena_str(arena, from->bucket);
    row.key = arena_str(arena, from->key);
    row.path = arena_str(arena, from->path);
    row.info.etag = arena_str(arena, from->info.etag);
    row.info.headers_json = arena_str(arena, from->info.headers_json);
    if (str_is_none(row.bucket) || str_is_none(row.key) || str_is_none(row.info.etag) ||
        str_is_none(row.info.headers_json) || (str_is_none(row.path) && !str_is_none(from->path)))
        return false;
    *ret_row = row;
    return true;
}

bool late_rows_stage(struct late_rows *self, const struct object_row *row)
{
    pthread_mutex_lock(&self->lock);
    bool fits = self->staged < LATE_ROWS_MAX && !find(self, row->bucket, row->key, self->staged) &&
                copy(row, self->texts, &self->rows[self->staged].row);
    if (fits) {
        int *chain = chain_of(self, row->bucket, row->key);
        self->rows[self->staged].next = *chain;
        *chain = (int)self->staged++;
    }
    pthread_mutex_unlock(&self->lock);
    return fits;
}

/* How many of those in order come before this key. */
static size_t place_of(const struct late_rows *self, str bucket, str key, size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct object_row *row = &self->rows[self->order[middle]].row;
        int order = str_cmp(row->bucket, bucket);
        if (order == 0)
            order = str_cmp(row->key, key);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void late_rows_show(struct late_rows *self)
{
    pthread_mutex_lock(&self->lock);
    for (; self->shown < self->staged; self->shown++) {
        const struct object_row *row = &self->rows[self->shown].row;
        uint16_t *at = self->order + place_of(self, row->bucket, row->key, self->shown);
        memmove(at + 1, at, (size_t)(self->order + self->shown - at) * sizeof *at);
        *at = (uint16_t)self->shown;
    }
    pthread_mutex_unlock(&self->lock);
}

/* Each is the head of its chain when those behind it are gone. */
void late_rows_drop(struct late_rows *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->staged > self->shown) {
        const struct late_row *last = &self->rows[--self->staged];
        *chain_of(self, last->row.bucket, last->row.key) = last->next;
    }
    pthread_mutex_unlock(&self->lock);
}

void late_rows_clear(struct late_rows *self)
{
    pthread_mutex_lock(&self->lock);
    empty(self);
    arena_reset(self->texts);
    pthread_mutex_unlock(&self->lock);
}

size_t late_rows_count(struct late_rows *self)
{
    pthread_mutex_lock(&self->lock);
    size_t count = self->shown;
    pthread_mutex_unlock(&self->lock);
    return count;
}

const struct fault *late_rows_find(struct late_rows *self, str bucket, str key, struct arena *arena,
                                   struct object_row *ret_row)
{
    pthread_mutex_lock(&self->lock);
    const struct object_row *row = find(self, bucket, key, self->shown);
    bool copied = true;
    if (row)
        copied = copy(row, arena, ret_row);
    else
        *ret_row = (struct object_row) { .key = STR_NONE };
    pthread_mutex_unlock(&self->lock);
    return copied ? NULL : &fault_no_memory;
}

const struct fault *late_rows_from(struct late_rows *self, str bucket, str from, size_t max,
                                   struct arena *arena, struct object_row **ret_rows,
                                   size_t *ret_count)
{
    struct object_row *rows = ARENA_ARRAY(arena, struct object_row, max);
    size_t count = 0;
    bool copied = rows != NULL;
    pthread_mutex_lock(&self->lock);
    for (size_t at = place_of(self, bucket, from, self->shown);
         at < self->shown && count < max && copied; at++) {
        const struct object_row *row = &self->rows[self->order[at]].row;
        if (!str_eq(row->bucket, bucket))
            break;
        copied = copy(row, arena, &rows[count++]);
    }
    pthread_mutex_unlock(&self->lock);
    *ret_rows = rows;
    *ret_count = count;
    return copied ? NULL : &fault_no_memory;
}

const struct object_row *const *late_rows_in_order(struct late_rows *self, struct arena *arena)
{
    const struct object_row **rows = ARENA_ARRAY(arena, const struct object_row *, self->shown + 1);
    for (size_t i = 0; rows && i < self->shown; i++)
        rows[i] = &self->rows[self->order[i]].row;
    return rows;
}

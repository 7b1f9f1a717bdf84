/* store/late_rows.c - an array of rows, chained by a hash of their keys. */
#include "store/late_rows.h"

#include "base/crc.h"

#include <pthread.h>
#include <stdlib.h>

enum { CHAINS = 4096, TEXTS_MAX = 8 << 20, NOBODY = -1 };

struct late_row {
    struct object_row row;
    int next; /* in its chain: newest first */
};

struct late_rows {
    pthread_mutex_t lock;
    struct late_row rows[LATE_ROWS_MAX];
    int chains[CHAINS];
    size_t shown, staged; /* [0, shown) are found; [shown, staged) are not, yet */
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

void late_rows_show(struct late_rows *self)
{
    pthread_mutex_lock(&self->lock);
    self->shown = self->staged;
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

static int by_key(const void *a, const void *b)
{
    const struct object_row *one = *(const struct object_row *const *)a;
    const struct object_row *other = *(const struct object_row *const *)b;
    int order = str_cmp(one->bucket, other->bucket);
    return order ? order : str_cmp(one->key, other->key);
}

static bool is_in(const struct object_row *row, str bucket, str prefix, str after)
{
    return str_eq(row->bucket, bucket) && str_starts(row->key, prefix) &&
           (str_is_none(after) || str_cmp(row->key, after) > 0);
}

static int by_own_key(const void *a, const void *b)
{
    const struct object_row *one = a, *other = b;
    return str_cmp(one->key, other->key);
}

const struct fault *late_rows_range(struct late_rows *self, str bucket, str prefix, str after,
                                    struct arena *arena, struct object_row **ret_rows,
                                    size_t *ret_count)
{
    size_t count = 0;
    bool copied = true;
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->shown; i++)
        count += is_in(&self->rows[i].row, bucket, prefix, after);
    struct object_row *rows = ARENA_ARRAY(arena, struct object_row, count + 1), *next = rows;
    for (size_t i = 0; i < self->shown && rows && copied; i++)
        if (is_in(&self->rows[i].row, bucket, prefix, after))
            copied = copy(&self->rows[i].row, arena, next++);
    pthread_mutex_unlock(&self->lock);
    if (!rows || !copied)
        return &fault_no_memory;
    qsort(rows, count, sizeof *rows, by_own_key);
    *ret_rows = rows;
    *ret_count = count;
    return NULL;
}

const struct object_row *const *late_rows_in_order(struct late_rows *self, struct arena *arena)
{
    const struct object_row **rows = ARENA_ARRAY(arena, const struct object_row *, self->shown + 1);
    for (size_t i = 0; rows && i < self->shown; i++)
        rows[i] = &self->rows[i].row;
    if (rows)
        qsort(rows, self->shown, sizeof *rows, by_key);
    return rows;
}

/* store/objects_index_read.c - the index asked: by key, by range, and all of it. */
#include "store/objects_index_file.h"

#include "base/buf.h"
#include "base/crc.h"
#include "store/late_rows.h"
#include "store/little.h"

static struct connection *take_reader(struct objects_index *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->free_count == 0)
        pthread_cond_wait(&self->freed, &self->lock);
    struct connection *reader = self->free[--self->free_count];
    pthread_mutex_unlock(&self->lock);
    return reader;
}

static void give_back(struct objects_index *self, struct connection *reader)
{
    pthread_mutex_lock(&self->lock);
    self->free[self->free_count++] = reader;
    pthread_cond_signal(&self->freed);
    pthread_mutex_unlock(&self->lock);
}

static uint32_t sum_bytes(uint32_t sum, str bytes)
{
    char len[8];
    put_u64(len, str_is_none(bytes) ? UINT64_MAX : bytes.len);
    return crc32c(crc32c(sum, len, sizeof len), bytes.ptr, bytes.len);
}

uint32_t row_sum(const struct object_row *row)
{
    char numbers[5 * 8];
    put_u64(numbers, row->info.size);
    put_u64(numbers + 8, (uint64_t)row->info.modified_ms);
    put_u64(numbers + 16, row->place.pack);
    put_u64(numbers + 24, row->place.at);
    put_u64(numbers + 32, row->place.size);
    uint32_t sum = crc32c(0, numbers, sizeof numbers);
    sum = sum_bytes(sum, row->bucket);
    sum = sum_bytes(sum, row->key);
    sum = sum_bytes(sum, row->path);
    sum = sum_bytes(sum, row->info.etag);
    return sum_bytes(sum, row->info.headers_json);
}

uint32_t pack_sum(const struct pack_row *pack)
{
    char numbers[3 * 8 + 1];
    put_u64(numbers, pack->number);
    put_u64(numbers + 8, pack->end);
    put_u64(numbers + 16, pack->live);
    numbers[24] = pack->punching;
    return crc32c(0, numbers, sizeof numbers);
}

uint32_t mark_sum(const struct pack_mark *mark)
{
    char numbers[2 * 8];
    put_u64(numbers, mark->pack);
    put_u64(numbers + 8, mark->at);
    return crc32c(0, numbers, sizeof numbers);
}

/* The row under a statement that selects COLUMNS. */
static const struct fault *row_of(sqlite3_stmt *s, str bucket, struct arena *arena,
                                  struct object_row *ret_row)
{
    struct object_row row = {
        .bucket = bucket,
        .key = database_column(s, 0, arena),
        .path = database_column(s, 1, arena),
        .info = { .size = (uint64_t)sqlite3_column_int64(s, 2),
                  .modified_ms = sqlite3_column_int64(s, 3),
                  .etag = database_column(s, 4, arena),
                  .headers_json = database_column(s, 5, arena) },
        .place = { .pack = (uint64_t)sqlite3_column_int64(s, 6),
                   .at = (uint64_t)sqlite3_column_int64(s, 7),
                   .size = (uint64_t)sqlite3_column_int64(s, 8) },
    };
    bool path_lost = str_is_none(row.path) && sqlite3_column_type(s, 1) != SQLITE_NULL;
    if (str_is_none(row.key) || str_is_none(row.info.etag) || str_is_none(row.info.headers_json) ||
        path_lost)
        return &fault_no_memory;
    *ret_row = row;
    if (sqlite3_column_type(s, 9) != SQLITE_NULL &&
        sqlite3_column_int64(s, 9) != (sqlite3_int64)row_sum(&row))
        return fault(arena, FAULT_DEFECT, NULL,
                     "the index of objects is damaged: what it says of " STR_FMT " in " STR_FMT
                     " is not what was stored",
                     STR_ARG(row.key), STR_ARG(bucket));
    return NULL;
}

/* Absent: the key of the row is STR_NONE, and no fault. */
const struct fault *row_look_up(struct connection *c, str bucket, str key, struct arena *arena,
                                struct object_row *ret_row)
{
    sqlite3_stmt *find = c->statements[FIND];
    database_bind(find, 1, bucket);
    database_bind(find, 2, key);
    int code = sqlite3_step(find);
    const struct fault *why = NULL;
    if (code == SQLITE_ROW)
        why = row_of(find, bucket, arena, ret_row);
    else if (code == SQLITE_DONE)
        *ret_row = (struct object_row) { .key = STR_NONE };
    else
        why = database_fault(c->db, arena, "could not read the index of objects");
    sqlite3_reset(find);
    return why;
}

static const struct fault *read_mark(struct connection *c, struct arena *arena,
                                     struct pack_mark *ret_mark)
{
    sqlite3_stmt *s = c->statements[GET_MARK];
    const struct fault *why = NULL;
    struct pack_mark mark = { 0 };
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        mark.pack = (uint64_t)sqlite3_column_int64(s, 0);
        mark.at = (uint64_t)sqlite3_column_int64(s, 1);
        if (sqlite3_column_int64(s, 2) != (sqlite3_int64)mark_sum(&mark))
            why = fault(
                arena, FAULT_DEFECT, NULL,
                "the index of objects is damaged: up to where it goes is not what was stored");
    } else if (code != SQLITE_DONE) {
        why = database_fault(c->db, arena, "could not read the index of objects");
    }
    sqlite3_reset(s);
    if (!why)
        *ret_mark = mark;
    return why;
}

const struct fault *objects_index_mark(struct objects_index *self, struct arena *arena,
                                       struct pack_mark *ret_mark)
{
    struct connection *reader = take_reader(self);
    const struct fault *why = read_mark(reader, arena, ret_mark);
    give_back(self, reader);
    return why;
}

/* Beside a server at work a late row may have got to its place meanwhile, or have been replaced
 * there. */
static const struct fault *find_late(struct objects_index *self, struct connection *reader,
                                     str bucket, str key, struct arena *arena,
                                     struct object_row *ret_row)
{
    struct pack_mark mark = { 0 };
    TRY(late_rows_find(self->late, bucket, key, arena, ret_row));
    if (str_is_none(ret_row->key) || self->writer.db)
        return NULL;
    TRY(read_mark(reader, arena, &mark));
    if (!place_is_behind(&ret_row->place, &mark))
        ret_row->key = STR_NONE;
    return NULL;
}

const struct fault *objects_index_find(struct objects_index *self, str bucket, str key,
                                       struct arena *arena, struct object_row *ret_row)
{
    struct object_row row;
    struct connection *reader = take_reader(self);
    const struct fault *why = find_late(self, reader, bucket, key, arena, &row);
    if (!why && str_is_none(row.key))
        why = row_look_up(reader, bucket, key, arena, &row);
    give_back(self, reader);
    if (why)
        return why;
    if (str_is_none(row.key))
        return fault(arena, FAULT_ABSENT, NULL, "there is no object " STR_FMT " in " STR_FMT,
                     STR_ARG(key), STR_ARG(bucket));
    *ret_row = row;
    return NULL;
}

/* A list under way: one scan, begun anew behind each common prefix, so that what the prefix hides
 * is never read. */
struct listing {
    const struct object_range *range;
    struct object_entry *entries;
    size_t count, room;
    str from; /* where the scan begins: this key or a greater one */
    bool more, done;
};

static const struct fault *add_entry(struct listing *l, const struct object_entry *entry,
                                     struct arena *arena)
{
    if (l->count == l->range->max) {
        l->more = l->done = true;
        return NULL;
    }
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct object_entry *wider = ARENA_ARRAY(arena, struct object_entry, room);
        if (!wider)
            return &fault_no_memory;
        if (l->count)
            memcpy(wider, l->entries, l->count * sizeof *wider);
        l->entries = wider;
        l->room = room;
    }
    l->entries[l->count++] = *entry;
    return NULL;
}

static const struct fault *add_row(struct listing *l, const struct object_row *row,
                                   struct arena *arena)
{
    const struct object_info *info = &row->info;
    const struct object_entry entry = {
        .key = row->key,
        .info = { .size = info->size, .modified_ms = info->modified_ms, .etag = info->etag },
    };
    return add_entry(l, &entry, arena);
}

static const struct fault *add_key(struct listing *l, sqlite3_stmt *s, struct arena *arena)
{
    struct object_row row;
    TRY(row_of(s, l->range->bucket, arena, &row));
    return add_row(l, &row, arena);
}

static const struct fault *add_common_prefix(struct listing *l, str prefix, struct arena *arena)
{
    struct object_entry entry = { .key = arena_str(arena, prefix), .common_prefix = true };
    if (str_is_none(entry.key))
        return &fault_no_memory;
    /* One that ended the page before is listed already. */
    if (!str_eq(prefix, l->range->after))
        TRY(add_entry(l, &entry, arena));
    l->from = database_prefix_end(entry.key, arena);
    l->done |= str_is_none(l->from);
    return NULL;
}

/* STR_NONE: the key is listed as itself. */
static str common_prefix_of(const struct object_range *r, str key)
{
    if (!r->delimiter.len)
        return STR_NONE;
    size_t hidden = r->prefix.len + str_find_str(str_from(key, r->prefix.len), r->delimiter);
    return hidden < key.len ? str_head(key, hidden + r->delimiter.len) : STR_NONE;
}

/* One scan: to the end of the range, the end of the page, or the first common prefix. */
static const struct fault *scan(struct connection *c, struct listing *l, struct arena *arena)
{
    const struct object_range *r = l->range;
    sqlite3_stmt *s = c->statements[SCAN];
    database_bind(s, 1, r->bucket);
    database_bind(s, 2, l->from);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        const char *bytes = sqlite3_column_blob(s, 0);
        str key = { bytes ? bytes : "", (size_t)sqlite3_column_bytes(s, 0) };
        if (!str_starts(key, r->prefix))
            break;
        if (str_cmp(key, r->after) <= 0 && !str_is_none(r->after))
            continue; /* `after` itself: the scan begins with it */
        str common = common_prefix_of(r, key);
        if (!str_is_none(common))
            return add_common_prefix(l, common, arena);
        TRY(add_key(l, s, arena));
        if (l->done)
            return NULL;
    }
    l->done = true;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return database_fault(c->db, arena, "could not list the index of objects");
    return NULL;
}

static const struct fault *list_file(struct objects_index *self, struct listing *l,
                                     struct arena *arena)
{
    const struct fault *why = NULL;
    struct connection *reader = take_reader(self);
    while (!l->done && !why) {
        why = scan(reader, l, arena);
        sqlite3_reset(reader->statements[SCAN]);
    }
    give_back(self, reader);
    return why;
}

/* So many rows in one go: a page, or few where the next common prefix may hide what follows. */
enum { LATE_AT_ONCE = 1000, LATE_AT_ONCE_HIDDEN = 8 };

static const struct fault *scan_late(struct late_rows *late, struct listing *l, struct arena *arena)
{
    const struct object_range *r = l->range;
    size_t page = r->max < LATE_AT_ONCE ? r->max + 2 : LATE_AT_ONCE; /* `after`, and one more */
    size_t max = r->delimiter.len ? LATE_AT_ONCE_HIDDEN : page, count;
    struct object_row *rows;
    TRY(late_rows_from(late, r->bucket, l->from, max, arena, &rows, &count));
    for (size_t i = 0; i < count && !l->done; i++) {
        str key = rows[i].key;
        if (str_cmp(key, l->from) < 0)
            continue; /* hidden by the common prefix before it */
        /* The next there can be: a copy ends with a NUL. */
        l->from = (str) { key.ptr, key.len + 1 };
        if (!str_starts(key, r->prefix)) {
            l->done = true;
        } else if (str_is_none(r->after) || str_cmp(key, r->after) > 0) {
            str common = common_prefix_of(r, key);
            TRY(str_is_none(common) ? add_row(l, &rows[i], arena)
                                    : add_common_prefix(l, common, arena));
        }
    }
    l->done |= count < max;
    return NULL;
}

static const struct fault *list_late(struct objects_index *self, struct listing *l,
                                     struct arena *arena)
{
    while (!l->done)
        TRY(scan_late(self->late, l, arena));
    return NULL;
}

/* Both are in order. What is in both is one entry, as the late row says: it is the newer. */
static const struct fault *merge(const struct listing *file, const struct listing *late,
                                 struct listing *both, struct arena *arena)
{
    size_t f = 0, l = 0;
    while (!both->done && (f < file->count || l < late->count)) {
        int order = f == file->count   ? 1
                    : l == late->count ? -1
                                       : str_cmp(file->entries[f].key, late->entries[l].key);
        const struct object_entry *next = order < 0 ? &file->entries[f] : &late->entries[l];
        f += order <= 0;
        l += order >= 0;
        TRY(add_entry(both, next, arena));
    }
    both->more |= file->more || late->more;
    return NULL;
}

/* The late ones first: what goes to the file meanwhile is then found there, or in both. */
const struct fault *objects_index_list(struct objects_index *self, const struct object_range *range,
                                       struct arena *arena, struct object_entry **ret_entries,
                                       size_t *ret_count, bool *ret_more)
{
    str after = str_is_none(range->after) ? STR("") : range->after;
    const struct listing begin = { .range = range,
                                   .from =
                                       str_cmp(after, range->prefix) > 0 ? after : range->prefix };
    struct listing late = begin, file = begin, both = begin;
    TRY(list_late(self, &late, arena));
    TRY(list_file(self, &file, arena));
    if (late.count)
        TRY(merge(&file, &late, &both, arena));
    else
        both = file;
    *ret_entries = both.entries;
    *ret_count = both.count;
    *ret_more = both.more;
    return NULL;
}

const struct fault *objects_index_is_empty(struct objects_index *self, str bucket,
                                           struct arena *arena, bool *ret_empty)
{
    struct object_range one = { .bucket = bucket, .prefix = STR(""), .max = 1 };
    struct object_entry *entries;
    size_t count;
    bool more;
    TRY(objects_index_list(self, &one, arena, &entries, &count, &more));
    *ret_empty = count == 0;
    return NULL;
}

/* A walk merges two orders: the rows of the file and the late ones. */
struct walk {
    object_row_fn *each;
    void *context;
    const struct object_row *const *late;
    size_t late_count;
    struct pack_mark mark; /* late rows before it are among the file's */
};

/* The late rows that come before this key, and one of this key in its stead. False: the walk is
 * over. */
static bool walk_late(struct walk *w, str bucket, str key, bool *ret_replaced)
{
    *ret_replaced = false;
    while (w->late_count > 0) {
        const struct object_row *row = w->late[0];
        int order = str_is_none(key) ? -1 : str_cmp(row->bucket, bucket);
        if (order == 0)
            order = str_cmp(row->key, key);
        if (order > 0)
            return true;
        w->late++;
        w->late_count--;
        if (!place_is_behind(&row->place, &w->mark))
            continue;
        *ret_replaced = order == 0;
        if (!w->each(w->context, row, NULL))
            return false;
    }
    return true;
}

static const struct fault *walk_rows(struct walk *w, sqlite3_stmt *s, struct arena *arena,
                                     bool *ret_on)
{
    struct object_row row;
    bool replaced;
    str bucket = database_column(s, 10, arena);
    const struct fault *damage =
        str_is_none(bucket) ? &fault_no_memory : row_of(s, bucket, arena, &row);
    if (damage && damage->kind != FAULT_DEFECT)
        return damage;
    *ret_on =
        walk_late(w, bucket, row.key, &replaced) && (replaced || w->each(w->context, &row, damage));
    return NULL;
}

static const struct fault *walk_all(struct connection *c, struct walk *w, struct arena *arena)
{
    sqlite3_stmt *s = c->statements[ALL];
    AUTO_ARENA *row_arena = arena_new(16 << 20);
    bool on = true;
    int code = SQLITE_ROW;
    if (!row_arena)
        return &fault_no_memory;
    TRY(read_mark(c, arena, &w->mark));
    while (on && (code = sqlite3_step(s)) == SQLITE_ROW) {
        arena_reset(row_arena);
        TRY(walk_rows(w, s, row_arena, &on));
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return database_fault(c->db, arena, "could not read the index of objects");
    if (on)
        walk_late(w, STR_NONE, STR_NONE, &on);
    return NULL;
}

const struct fault *objects_index_walk(struct objects_index *self, object_row_fn *each,
                                       void *context, struct arena *arena)
{
    struct walk w = {
        each, context, late_rows_in_order(self->late, arena), late_rows_count(self->late), { 0 }
    };
    if (!w.late)
        return &fault_no_memory;
    struct connection *reader = take_reader(self);
    const struct fault *why = question_run(reader, LOOK, arena);
    if (!why)
        why = walk_all(reader, &w, arena);
    sqlite3_reset(reader->statements[ALL]);
    question_run(reader, END, arena);
    give_back(self, reader);
    return why;
}

const struct fault *objects_index_packs(struct objects_index *self, struct arena *arena,
                                        struct pack_row **ret_packs, size_t *ret_count)
{
    struct connection *reader = take_reader(self);
    sqlite3_stmt *s = reader->statements[ALL_PACKS];
    AUTO_BUF rows = buf_new(SIZE_MAX / 2);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct pack_row row = { .number = (uint64_t)sqlite3_column_int64(s, 0),
                                .end = (uint64_t)sqlite3_column_int64(s, 1),
                                .live = (uint64_t)sqlite3_column_int64(s, 2),
                                .punching = sqlite3_column_int(s, 3) };
        row.damaged = sqlite3_column_int64(s, 4) != (sqlite3_int64)pack_sum(&row);
        buf_add(&rows, (str) { (const char *)&row, sizeof row });
    }
    const struct fault *why =
        code == SQLITE_DONE
            ? NULL
            : database_fault(reader->db, arena, "could not read the index of objects");
    sqlite3_reset(s);
    give_back(self, reader);
    *ret_count = rows.len / sizeof **ret_packs;
    *ret_packs = ARENA_ARRAY(arena, struct pack_row, *ret_count + 1);
    if (!why && (rows.failed || !*ret_packs))
        why = &fault_no_memory;
    if (!why && rows.len)
        memcpy(*ret_packs, rows.ptr, rows.len);
    return why;
}

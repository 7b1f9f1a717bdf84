/* store/objects_index.c - the index of keys in its own SQLite file.
 *
 * The objects' key (bucket, key) is bytes, so that the table itself lies in the order S3 lists in.
 * One connection writes; a few others read, each used by one thread at a time. A WAL reader sees what
 * is committed and waits for nobody. */
#include "store/objects_index.h"

#include "base/buf.h"
#include "base/crc.h"
#include "store/database.h"
#include "store/little.h"

#include <pthread.h>
#include <stdlib.h>

enum { READERS = 8 };

#define PACKS                                                                                      \
    "CREATE TABLE pack (number INTEGER PRIMARY KEY, end INTEGER NOT NULL, live INTEGER NOT NULL,"  \
    " punching INTEGER NOT NULL, sum INTEGER NOT NULL);"

/* Version 1 knew no packs and no sums; its rows stay without a sum until they are written again. */
static const struct fault *upgrade(sqlite3 *db, int from, struct arena *arena)
{
    (void)from;
    return database_run(db,
                        "ALTER TABLE object ADD COLUMN pack INTEGER NOT NULL DEFAULT 0;"
                        "ALTER TABLE object ADD COLUMN at INTEGER NOT NULL DEFAULT 0;"
                        "ALTER TABLE object ADD COLUMN frame INTEGER NOT NULL DEFAULT 0;"
                        "ALTER TABLE object ADD COLUMN sum INTEGER;" PACKS,
                        arena);
}

static const struct database_kind kind = {
    .schema = "CREATE TABLE object (bucket BLOB NOT NULL, key BLOB NOT NULL, path BLOB, size "
              "INTEGER NOT NULL,"
              " modified_ms INTEGER NOT NULL, etag BLOB NOT NULL, headers BLOB NOT NULL,"
              " pack INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL DEFAULT 0,"
              " frame INTEGER NOT NULL DEFAULT 0, sum INTEGER,"
              " PRIMARY KEY (bucket, key)) WITHOUT ROWID;" PACKS,
    .version = 2,
    .upgrade = upgrade,
    .holds = "index of objects",
    /* Keys of mail are random, so that each row is another page: these are gathered in memory and in the
     * WAL before they go to their places. */
    .tuning = "PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=4000;",
};

#define COLUMNS "key, path, size, modified_ms, etag, headers, pack, at, frame, sum"

/* clang-format off */
enum question { FIND, SCAN, ALL, ALL_PACKS, BEGIN, PUT_NEW, PUT, REMOVE, PUT_PACK, REMOVE_PACK, COMMIT, ROLLBACK, QUESTIONS };
static const char *const questions[QUESTIONS] = {
    [FIND]      = "SELECT " COLUMNS " FROM object WHERE bucket = ?1 AND key = ?2",
    [SCAN]      = "SELECT " COLUMNS " FROM object WHERE bucket = ?1 AND key >= ?2 ORDER BY key",
    [ALL]       = "SELECT " COLUMNS ", bucket FROM object ORDER BY bucket, key",
    [ALL_PACKS] = "SELECT number, end, live, punching, sum FROM pack ORDER BY number",
    [BEGIN]     = "BEGIN IMMEDIATE",
    [PUT_NEW]   = "INSERT INTO object (bucket, " COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [PUT]       = "INSERT OR REPLACE INTO object (bucket, " COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [REMOVE]    = "DELETE FROM object WHERE bucket = ?1 AND key = ?2",
    [PUT_PACK]  = "INSERT OR REPLACE INTO pack VALUES (?1, ?2, ?3, ?4, ?5)",
    [REMOVE_PACK] = "DELETE FROM pack WHERE number = ?1",
    [COMMIT]    = "COMMIT",
    [ROLLBACK]  = "ROLLBACK",
};
/* clang-format on */

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[QUESTIONS];
};

struct objects_index {
    struct connection writer;
    struct connection readers[READERS];
    struct connection *free[READERS];
    size_t free_count;
    pthread_mutex_t lock;
    pthread_cond_t freed;
};

static const struct fault *prepare(struct connection *c, enum question from, enum question to,
                                   struct arena *arena)
{
    for (enum question q = from; q < to; q++)
        TRY(database_prepare(c->db, questions[q], arena, &c->statements[q]));
    return NULL;
}

static void disconnect(struct connection *c)
{
    for (int q = 0; q < QUESTIONS; q++)
        sqlite3_finalize(c->statements[q]);
    database_close(c->db);
}

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

static uint32_t sum_of(const struct object_row *row)
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

static uint32_t pack_sum(const struct pack_row *pack)
{
    char numbers[3 * 8 + 1];
    put_u64(numbers, pack->number);
    put_u64(numbers + 8, pack->end);
    put_u64(numbers + 16, pack->live);
    numbers[24] = pack->punching;
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
        sqlite3_column_int64(s, 9) != (sqlite3_int64)sum_of(&row))
        return fault(arena, FAULT_DEFECT, NULL,
                     "the index of objects is damaged: what it says of " STR_FMT " in " STR_FMT
                     " is not what was stored",
                     STR_ARG(row.key), STR_ARG(bucket));
    return NULL;
}

/* Absent: the key of the row is STR_NONE, and no fault. */
static const struct fault *look_up(struct connection *c, str bucket, str key, struct arena *arena,
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

const struct fault *objects_index_find(struct objects_index *self, str bucket, str key,
                                       struct arena *arena, struct object_row *ret_row)
{
    struct object_row row;
    struct connection *reader = take_reader(self);
    const struct fault *why = look_up(reader, bucket, key, arena, &row);
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

static const struct fault *add_key(struct listing *l, sqlite3_stmt *s, struct arena *arena)
{
    struct object_row row;
    TRY(row_of(s, l->range->bucket, arena, &row));
    struct object_entry entry = {
        .key = row.key,
        .info = { .size = row.info.size, .modified_ms = row.info.modified_ms, .etag = row.info.etag },
    };
    return add_entry(l, &entry, arena);
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
        size_t hidden =
            r->delimiter.len ? str_find_str(str_from(key, r->prefix.len), r->delimiter) : key.len;
        if (r->prefix.len + hidden < key.len)
            return add_common_prefix(l, str_head(key, r->prefix.len + hidden + r->delimiter.len),
                                     arena);
        TRY(add_key(l, s, arena));
        if (l->done)
            return NULL;
    }
    l->done = true;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return database_fault(c->db, arena, "could not list the index of objects");
    return NULL;
}

const struct fault *objects_index_list(struct objects_index *self, const struct object_range *range,
                                       struct arena *arena, struct object_entry **ret_entries,
                                       size_t *ret_count, bool *ret_more)
{
    str after = str_is_none(range->after) ? STR("") : range->after;
    struct listing l = { .range = range,
                         .from = str_cmp(after, range->prefix) > 0 ? after : range->prefix };
    const struct fault *why = NULL;
    struct connection *reader = take_reader(self);
    while (!l.done && !why) {
        why = scan(reader, &l, arena);
        sqlite3_reset(reader->statements[SCAN]);
    }
    give_back(self, reader);
    if (why)
        return why;
    *ret_entries = l.entries;
    *ret_count = l.count;
    *ret_more = l.more;
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

const struct fault *objects_index_walk(struct objects_index *self, object_row_fn *each,
                                       void *context, struct arena *arena)
{
    struct connection *reader = take_reader(self);
    sqlite3_stmt *s = reader->statements[ALL];
    AUTO_ARENA *row_arena = arena_new(16 << 20);
    const struct fault *why = row_arena ? NULL : &fault_no_memory;
    int code = SQLITE_ROW;
    while (!why && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct object_row row;
        arena_reset(row_arena);
        str bucket = database_column(s, 10, row_arena);
        const struct fault *damage =
            str_is_none(bucket) ? &fault_no_memory : row_of(s, bucket, row_arena, &row);
        if (damage && damage->kind != FAULT_DEFECT)
            why = damage;
        else if (!each(context, &row, damage))
            break;
    }
    if (!why && code != SQLITE_ROW && code != SQLITE_DONE)
        why = database_fault(reader->db, arena, "could not read the index of objects");
    sqlite3_reset(s);
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
    const struct fault *why = code == SQLITE_DONE ? NULL
                                                  : database_fault(reader->db, arena,
                                                                   "could not read the index of objects");
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

static const struct fault *run(struct objects_index *self, enum question q, struct arena *arena)
{
    sqlite3_stmt *s = self->writer.statements[q];
    int code = sqlite3_step(s);
    const struct fault *why =
        code == SQLITE_DONE
            ? NULL
            : database_fault(self->writer.db, arena, "could not change the index of objects");
    sqlite3_reset(s);
    return why;
}

const struct fault *objects_index_begin(struct objects_index *self, struct arena *arena)
{
    return run(self, BEGIN, arena);
}

/* What a damaged row said is unknown, and it makes way for a new one: the bytes it named are lost. */
static const struct fault *look_up_old(struct objects_index *self, str bucket, str key,
                                       struct arena *arena, struct object_row *ret_row, bool *ret_has)
{
    const struct fault *why = look_up(&self->writer, bucket, key, arena, ret_row);
    bool damaged = why && why->kind == FAULT_DEFECT;
    if (damaged)
        *ret_row = (struct object_row) { .key = STR_NONE };
    *ret_has = damaged || (!why && !str_is_none(ret_row->key));
    return damaged ? NULL : why;
}

const struct fault *objects_index_has(struct objects_index *self, str bucket, str key,
                                      struct arena *arena, bool *ret_has)
{
    struct object_row row;
    return look_up_old(self, bucket, key, arena, &row, ret_has);
}

static void bind_row(sqlite3_stmt *s, const struct object_row *row)
{
    database_bind(s, 1, row->bucket);
    database_bind(s, 2, row->key);
    if (str_is_none(row->path))
        sqlite3_bind_null(s, 3);
    else
        database_bind(s, 3, row->path);
    sqlite3_bind_int64(s, 4, (sqlite3_int64)row->info.size);
    sqlite3_bind_int64(s, 5, row->info.modified_ms);
    database_bind(s, 6, row->info.etag);
    database_bind(s, 7, row->info.headers_json);
    sqlite3_bind_int64(s, 8, (sqlite3_int64)row->place.pack);
    sqlite3_bind_int64(s, 9, (sqlite3_int64)row->place.at);
    sqlite3_bind_int64(s, 10, (sqlite3_int64)row->place.size);
    sqlite3_bind_int64(s, 11, sum_of(row));
}

/* Most keys are new, those of mail all: the table is searched once for these. */
const struct fault *objects_index_put(struct objects_index *self, const struct object_row *row,
                                      struct arena *arena, struct object_row *ret_old)
{
    sqlite3_stmt *fresh = self->writer.statements[PUT_NEW];
    *ret_old = (struct object_row) { .key = STR_NONE };
    bind_row(fresh, row);
    int code = sqlite3_step(fresh);
    sqlite3_reset(fresh);
    if (code == SQLITE_DONE)
        return NULL;
    if ((code & 0xff) != SQLITE_CONSTRAINT)
        return database_fault(self->writer.db, arena, "could not change the index of objects");
    bool has;
    TRY(look_up_old(self, row->bucket, row->key, arena, ret_old, &has));
    bind_row(self->writer.statements[PUT], row);
    return run(self, PUT, arena);
}

const struct fault *objects_index_remove(struct objects_index *self, str bucket, str key,
                                         struct arena *arena, struct object_row *ret_old)
{
    bool has;
    TRY(look_up_old(self, bucket, key, arena, ret_old, &has));
    if (!has)
        return NULL;
    sqlite3_stmt *s = self->writer.statements[REMOVE];
    database_bind(s, 1, bucket);
    database_bind(s, 2, key);
    return run(self, REMOVE, arena);
}

const struct fault *objects_index_put_pack(struct objects_index *self, const struct pack_row *pack,
                                           struct arena *arena)
{
    sqlite3_stmt *s = self->writer.statements[PUT_PACK];
    sqlite3_bind_int64(s, 1, (sqlite3_int64)pack->number);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)pack->end);
    sqlite3_bind_int64(s, 3, (sqlite3_int64)pack->live);
    sqlite3_bind_int(s, 4, pack->punching);
    sqlite3_bind_int64(s, 5, pack_sum(pack));
    return run(self, PUT_PACK, arena);
}

const struct fault *objects_index_remove_pack(struct objects_index *self, uint64_t number,
                                              struct arena *arena)
{
    sqlite3_bind_int64(self->writer.statements[REMOVE_PACK], 1, (sqlite3_int64)number);
    return run(self, REMOVE_PACK, arena);
}

const struct fault *objects_index_commit(struct objects_index *self, struct arena *arena)
{
    return run(self, COMMIT, arena);
}

void objects_index_rollback(struct objects_index *self, struct arena *arena)
{
    if (!sqlite3_get_autocommit(self->writer.db))
        run(self, ROLLBACK, arena); /* it fails only where SQLite has rolled back already */
}

void objects_index_close(struct objects_index *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < READERS; i++)
        disconnect(&self->readers[i]);
    disconnect(&self->writer);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->freed);
    free(self);
}

static const struct fault *open_readers(struct objects_index *self, str path, size_t count,
                                        struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        TRY(database_open_reader(path, arena, &self->readers[i].db));
        TRY(prepare(&self->readers[i], FIND, BEGIN, arena));
        self->free[self->free_count++] = &self->readers[i];
    }
    return NULL;
}

static const struct fault *open_index(str path, bool to_change, struct arena *arena,
                                      struct objects_index **ret_index)
{
    struct objects_index *self = calloc(1, sizeof *self);
    if (!self)
        return &fault_no_memory;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->freed, NULL);
    const struct fault *why =
        to_change ? database_open(path, &kind, arena, &self->writer.db) : NULL;
    if (to_change && !why)
        why = prepare(&self->writer, FIND, QUESTIONS, arena);
    if (!why)
        why = open_readers(self, path, to_change ? READERS : 2, arena) /* one walks, one looks up */;
    if (why) {
        objects_index_close(self);
        return why;
    }
    *ret_index = self;
    return NULL;
}

const struct fault *objects_index_open(str path, struct arena *arena,
                                       struct objects_index **ret_index)
{
    return open_index(path, true, arena, ret_index);
}

const struct fault *objects_index_open_reader(str path, struct arena *arena,
                                              struct objects_index **ret_index)
{
    return open_index(path, false, arena, ret_index);
}

/* store/objects_index.c - the index of keys in its own SQLite file.
 *
 * The objects' key (bucket, key) is bytes, so that the table itself lies in the order S3 lists in.
 * One connection writes; a few others read, each used by one thread at a time. A WAL reader sees
 * what is committed and waits for nobody. */
#include "store/objects_index_file.h"

#include "store/late_rows.h"

#include <stdlib.h>

#define PACKS                                                                                      \
    "CREATE TABLE pack (number INTEGER PRIMARY KEY, end INTEGER NOT NULL, live INTEGER NOT NULL,"  \
    " punching INTEGER NOT NULL, sum INTEGER NOT NULL);"

/* At most one row. */
#define MARK                                                                                       \
    "CREATE TABLE mark (one INTEGER PRIMARY KEY CHECK (one = 1), pack INTEGER NOT NULL,"           \
    " at INTEGER NOT NULL, sum INTEGER NOT NULL);"

/* Version 1 knew no packs and no sums; its rows stay without a sum until they are written again.
 * Version 2 had each row on disk before its object was there. */
static const struct fault *upgrade(sqlite3 *db, int from, struct arena *arena)
{
    if (from == 2)
        return database_run(db, MARK, arena);
    return database_run(db,
                        "ALTER TABLE object ADD COLUMN pack INTEGER NOT NULL DEFAULT 0;"
                        "ALTER TABLE object ADD COLUMN at INTEGER NOT NULL DEFAULT 0;"
                        "ALTER TABLE object ADD COLUMN frame INTEGER NOT NULL DEFAULT 0;"
                        "ALTER TABLE object ADD COLUMN sum INTEGER;" PACKS MARK,
                        arena);
}

static const struct database_kind kind = {
    .schema = "CREATE TABLE object (bucket BLOB NOT NULL, key BLOB NOT NULL, path BLOB, size "
              "INTEGER NOT NULL,"
              " modified_ms INTEGER NOT NULL, etag BLOB NOT NULL, headers BLOB NOT NULL,"
              " pack INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL DEFAULT 0,"
              " frame INTEGER NOT NULL DEFAULT 0, sum INTEGER,"
              " PRIMARY KEY (bucket, key)) WITHOUT ROWID;" PACKS MARK,
    .version = 3,
    .upgrade = upgrade,
    .holds = "index of objects",
    /* Keys of mail are random, so that each row is another page: these are gathered in memory and
     * in the WAL before they go to their places. */
    .tuning = "PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=4000;",
};

#define COLUMNS "key, path, size, modified_ms, etag, headers, pack, at, frame, sum"

/* clang-format off */
static const char *const questions[QUESTIONS] = {
    [FIND]      = "SELECT " COLUMNS " FROM object WHERE bucket = ?1 AND key = ?2",
    [SCAN]      = "SELECT " COLUMNS " FROM object WHERE bucket = ?1 AND key >= ?2 ORDER BY key",
    [ALL]       = "SELECT " COLUMNS ", bucket FROM object ORDER BY bucket, key",
    [ALL_PACKS] = "SELECT number, end, live, punching, sum FROM pack ORDER BY number",
    [GET_MARK]  = "SELECT pack, at, sum FROM mark",
    [LOOK]      = "BEGIN", /* and END: what is read between them is of one moment */
    [END]       = "END",
    [BEGIN]     = "BEGIN IMMEDIATE",
    [PUT_NEW]   = "INSERT INTO object (bucket, " COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [PUT]       = "INSERT OR REPLACE INTO object (bucket, " COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [REMOVE]    = "DELETE FROM object WHERE bucket = ?1 AND key = ?2",
    [PUT_PACK]  = "INSERT OR REPLACE INTO pack VALUES (?1, ?2, ?3, ?4, ?5)",
    [REMOVE_PACK] = "DELETE FROM pack WHERE number = ?1",
    [PUT_MARK]  = "INSERT OR REPLACE INTO mark VALUES (1, ?1, ?2, ?3)",
    [COMMIT]    = "COMMIT",
    [ROLLBACK]  = "ROLLBACK",
};
/* clang-format on */

static const struct fault *prepare(struct connection *c, enum question from, enum question to,
                                   struct arena *arena)
{
    for (enum question q = from; q < to; q++)
        TRY(database_prepare(c->db, questions[q], arena, &c->statements[q]));
    return NULL;
}

const struct fault *question_run(struct connection *c, enum question q, struct arena *arena)
{
    sqlite3_stmt *s = c->statements[q];
    int code = sqlite3_step(s);
    const struct fault *why =
        code == SQLITE_DONE ? NULL
                            : database_fault(c->db, arena, "could not use the index of objects");
    sqlite3_reset(s);
    return why;
}

static void disconnect(struct connection *c)
{
    for (int q = 0; q < QUESTIONS; q++)
        sqlite3_finalize(c->statements[q]);
    database_close(c->db);
}

struct late_rows *objects_index_late(struct objects_index *self)
{
    return self->late;
}

const struct fault *objects_index_begin(struct objects_index *self, struct arena *arena)
{
    self->late_put = false;
    return question_run(&self->writer, BEGIN, arena);
}

/* What a damaged row said is unknown, and it makes way for a new one: the bytes it named are lost.
 */
static const struct fault *look_up_old(struct objects_index *self, str bucket, str key,
                                       struct arena *arena, struct object_row *ret_row,
                                       bool *ret_has)
{
    const struct fault *why = row_look_up(&self->writer, bucket, key, arena, ret_row);
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
    TRY(late_rows_find(self->late, bucket, key, arena, &row));
    *ret_has = !str_is_none(row.key);
    return *ret_has ? NULL : look_up_old(self, bucket, key, arena, &row, ret_has);
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
    sqlite3_bind_int64(s, 11, row_sum(row));
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
    return question_run(&self->writer, PUT, arena);
}

/* In their order, so that neighbours share a page. */
const struct fault *objects_index_put_late(struct objects_index *self, object_replaced_fn *replaced,
                                           void *context, struct arena *arena)
{
    size_t count = late_rows_count(self->late);
    const struct object_row *const *rows = late_rows_in_order(self->late, arena);
    if (!rows)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct object_row old;
        TRY(objects_index_put(self, rows[i], arena, &old));
        if (!str_is_none(old.key))
            replaced(context, &old);
    }
    self->late_put = true;
    return NULL;
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
    return question_run(&self->writer, REMOVE, arena);
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
    return question_run(&self->writer, PUT_PACK, arena);
}

const struct fault *objects_index_remove_pack(struct objects_index *self, uint64_t number,
                                              struct arena *arena)
{
    sqlite3_bind_int64(self->writer.statements[REMOVE_PACK], 1, (sqlite3_int64)number);
    return question_run(&self->writer, REMOVE_PACK, arena);
}

const struct fault *objects_index_put_mark(struct objects_index *self, const struct pack_mark *mark,
                                           struct arena *arena)
{
    sqlite3_stmt *s = self->writer.statements[PUT_MARK];
    sqlite3_bind_int64(s, 1, (sqlite3_int64)mark->pack);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)mark->at);
    sqlite3_bind_int64(s, 3, mark_sum(mark));
    return question_run(&self->writer, PUT_MARK, arena);
}

/* Late rows go when they are in the file, so that each is found in one place or the other. */
const struct fault *objects_index_commit(struct objects_index *self, struct arena *arena)
{
    TRY(question_run(&self->writer, COMMIT, arena));
    if (self->late_put)
        late_rows_clear(self->late);
    return NULL;
}

void objects_index_rollback(struct objects_index *self, struct arena *arena)
{
    if (!sqlite3_get_autocommit(self->writer.db))
        question_run(&self->writer, ROLLBACK,
                     arena); /* it fails only where SQLite has rolled back already */
}

void objects_index_close(struct objects_index *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < READERS; i++)
        disconnect(&self->readers[i]);
    disconnect(&self->writer);
    late_rows_free(self->late);
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
    self->late = late_rows_new();
    const struct fault *why = self->late ? NULL : &fault_no_memory;
    if (to_change && !why)
        why = database_open(path, &kind, arena, &self->writer.db);
    if (to_change && !why)
        why = prepare(&self->writer, FIND, QUESTIONS, arena);
    if (!why)
        why =
            open_readers(self, path, to_change ? READERS : 2, arena) /* one walks, one looks up */;
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

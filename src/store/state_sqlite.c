/* store/state_sqlite.c - the state in one SQLite file.
 *
 * One table: record(key, value, revision, sum), keys and values as bytes. Revisions come from one
 * counter for all keys, kept in the table `counter`, so that a key removed and made again never
 * shows an old revision to someone who still holds it.
 *
 * A disk that gives back other bits than it was given must not change an answer: a policy that is
 * gone, or says something else, would decide. SQLite has no checksums, so each record has one
 * (`sum`, over key, value and revision), looked at whenever it is read; and the counter has one
 * over all of them and its own revision: their sum modulo 2^64. A start reads everything and
 * compares, so that a record which is not found any more is noticed too, and lets SQLite look at
 * its pages (integrity_check: lists of free pages that would be used for new records). What is
 * damaged is refused in one sentence. A damaged end of the WAL cannot be told from one that was
 * never written, as in every log: the changes since the last checkpoint may be missing then, all
 * from some point on.
 *
 * A change is one transaction (BEGIN IMMEDIATE ... COMMIT) under synchronous=FULL: SQLite returns
 * from COMMIT after the fdatasync of the WAL. After a stop at any point SQLite finds the changes up
 * to the last whole commit, and nobody was told of more. A commit that met an I/O error is final:
 * what the disk holds is unknown until the file is read again, so no further change is taken
 * before a restart; reading goes on.
 *
 * Two locks: `changing` is held from the transaction to the end of the callbacks, which gives them
 * the order of the changes; `using` only while the connection is in use, so that a callback may
 * read. A callback must not change. */
#include "base/crc.h"
#include "base/outside.h"
#include "store/database.h"
#include "store/little.h"
#include "store/state.h"

#include <pthread.h>
#include <stdlib.h>

/* Version 1 had no sums. */
static const struct fault *upgrade(sqlite3 *, int from, struct arena *);

static const struct database_kind configuration = {
    .schema =
        "CREATE TABLE record (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT "
        "NULL, sum INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL,"
        " sum INTEGER NOT NULL);"
        "INSERT INTO counter VALUES (1, 0, 0);",
    .version = 2,
    .upgrade = upgrade,
    .holds = "configuration",
};

/* clang-format off */
enum question {
    GET, LIST, BEGIN, COUNT, COUNTER, PUT, REMOVE, COMMIT, ROLLBACK, QUESTIONS
};
static const char *const questions[QUESTIONS] = {
    [GET]      = "SELECT value, revision, sum FROM record WHERE key = ?1",
    [LIST]     = "SELECT key, value, revision, sum FROM record WHERE key >= ?1 AND key > ?2 AND (?3 IS NULL OR key < ?3) "
                 "ORDER BY key LIMIT ?4",
    [BEGIN]    = "BEGIN IMMEDIATE",
    [COUNT]    = "UPDATE counter SET revision = ?1, sum = ?2",
    [COUNTER]  = "SELECT revision, sum FROM counter",
    [PUT]      = "INSERT INTO record VALUES (?1, ?2, ?3, ?4) "
                 "ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision, sum = excluded.sum",
    [REMOVE]   = "DELETE FROM record WHERE key = ?1",
    [COMMIT]   = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};
/* clang-format on */

struct watch {
    struct watch *next;
    const struct state_watcher *watcher;
    void *context, *ready; /* prepared, and neither shown nor dropped: under `changing` */
    size_t prefix_len;
    char prefix[];
};

struct state_sqlite {
    struct state state;
    pthread_mutex_t changing, using;
    sqlite3 *db;
    sqlite3_stmt *statements[QUESTIONS];
    struct watch *watches, **watches_end;
    bool failed; /* a commit met an I/O error; under `changing` */
};

/* ---- sums ---- */

/* Never 0, so that a record that is not there is missed. */
static uint64_t sum_of(str key, str value, uint64_t revision)
{
    char numbers[16];
    put_u64(numbers, key.len);
    put_u64(numbers + 8, revision);
    uint32_t crc = crc32c(0, numbers, sizeof numbers);
    crc = crc32c(crc32c(crc, key.ptr, key.len), value.ptr, value.len);
    return (uint64_t)(key.len + value.len + 1) << 32 | crc;
}

/* The counter's own part of the sum over everything. */
static uint64_t sum_of_counter(uint64_t revision)
{
    return revision ? sum_of(STR(""), STR(""), revision) : 0;
}

static str blob_at(sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    return (str) { bytes ? bytes : "",
                   bytes ? (size_t)sqlite3_column_bytes(statement, column) : 0 };
}

static const struct fault *damaged(struct arena *arena, str key)
{
    return fault(arena, FAULT_UNAVAILABLE, NULL,
                 "the record " STR_FMT
                 " of the configuration is damaged: it is not what was stored",
                 STR_ARG(key));
}

/* Of all records and the counter, as they stand; and as it was noted. */
static const struct fault *sum_all(sqlite3 *db, struct arena *arena, bool sums_are_there,
                                   uint64_t *ret_found, uint64_t *ret_noted)
{
    sqlite3_stmt *all = NULL, *counter = NULL;
    const struct fault *why =
        database_prepare(db,
                         sums_are_there ? "SELECT key, value, revision, sum FROM record"
                                        : "SELECT key, value, revision, 0 FROM record",
                         arena, &all);
    int code = SQLITE_DONE;
    uint64_t found = 0;
    while (!why && (code = sqlite3_step(all)) == SQLITE_ROW) {
        uint64_t sum =
            sum_of(blob_at(all, 0), blob_at(all, 1), (uint64_t)sqlite3_column_int64(all, 2));
        if (sums_are_there && sum != (uint64_t)sqlite3_column_int64(all, 3))
            why = damaged(arena, blob_at(all, 0));
        found += sum;
    }
    if (!why && code != SQLITE_DONE)
        why = database_fault(db, arena, "could not read the configuration");
    if (!why)
        why = database_prepare(db,
                               sums_are_there ? "SELECT revision, sum FROM counter"
                                              : "SELECT revision, 0 FROM counter",
                               arena, &counter);
    if (!why && sqlite3_step(counter) != SQLITE_ROW)
        why = fault(arena, FAULT_UNAVAILABLE, NULL, "the configuration has no counter any more");
    if (!why) {
        *ret_found = found + sum_of_counter((uint64_t)sqlite3_column_int64(counter, 0));
        *ret_noted = (uint64_t)sqlite3_column_int64(counter, 1);
    }
    sqlite3_finalize(all);
    sqlite3_finalize(counter);
    return why;
}

/* SQLite heads what it found with a line of its own. */
static str in_one_line(str text, struct arena *arena)
{
    char *line = arena_alloc(arena, text.len, 1);
    if (!line)
        return STR_NONE;
    for (size_t i = 0; i < text.len; i++)
        line[i] = text.ptr[i] == '\n' ? ' ' : text.ptr[i];
    return (str) { line, text.len };
}

static const struct fault *check_pages(sqlite3 *db, struct arena *arena)
{
    sqlite3_stmt *check;
    TRY(database_prepare(db, "PRAGMA integrity_check(1)", arena, &check));
    const struct fault *why = NULL;
    if (sqlite3_step(check) != SQLITE_ROW)
        why = database_fault(db, arena, "could not check the configuration");
    else if (!str_eq(blob_at(check, 0), STR("ok")))
        why = fault(arena, FAULT_UNAVAILABLE, NULL,
                    "the file is damaged, or its disk does not give it back: " STR_FMT,
                    STR_ARG(in_one_line(blob_at(check, 0), arena)));
    sqlite3_finalize(check);
    return why;
}

static const struct fault *check_all(sqlite3 *db, struct arena *arena)
{
    uint64_t found, noted;
    TRY(sum_all(db, arena, true, &found, &noted));
    if (found != noted)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the configuration is damaged: its records are not those that were stored");
    return check_pages(db, arena);
}

static void sql_sum(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    str parts[2];
    for (int i = 0; i < 2; i++) {
        const void *bytes = sqlite3_value_blob(values[i]);
        parts[i] = (str) { bytes ? bytes : "", bytes ? (size_t)sqlite3_value_bytes(values[i]) : 0 };
    }
    sqlite3_result_int64(context, (sqlite3_int64)sum_of(parts[0], parts[1],
                                                        (uint64_t)sqlite3_value_int64(values[2])));
}

static const struct fault *upgrade(sqlite3 *db, int from, struct arena *arena)
{
    uint64_t found, noted;
    if (from != 1)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no version %d is known", from);
    TRY(check_pages(db, arena));
    TRY(sum_all(db, arena, false, &found, &noted));
    if (sqlite3_create_function(db, "sesame_sum", 3, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                sql_sum, NULL, NULL) != SQLITE_OK)
        return database_fault(db, arena, "could not give the configuration its sums");
    TRY(database_run(db,
                     "ALTER TABLE record ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
                     "ALTER TABLE counter ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
                     "UPDATE record SET sum = sesame_sum(key, value, revision);",
                     arena));
    str note = arena_strf(arena, "UPDATE counter SET sum = %lld", (long long)found);
    return str_is_none(note) ? &fault_no_memory : database_run(db, arena_cstr(arena, note), arena);
}

/* ---- one statement ---- */

static struct state_sqlite *own(struct state *state)
{
    return (struct state_sqlite *)state;
}

/* Runs a statement that yields nothing. */
static const struct fault *run(struct state_sqlite *self, enum question which, struct arena *arena)
{
    int code = sqlite3_step(self->statements[which]);
    const struct fault *why =
        code == SQLITE_DONE ? NULL
                            : database_fault(self->db, arena, "could not change the configuration");
    sqlite3_reset(self->statements[which]);
    return why;
}

/* Under `using`. Absent: revision REVISION_NEW and no fault. */
static const struct fault *look_up(struct state_sqlite *self, str key, struct arena *arena,
                                   struct record *ret_record)
{
    sqlite3_stmt *get = self->statements[GET];
    database_bind(get, 1, key);
    int code = sqlite3_step(get);
    const struct fault *why = NULL;
    struct record found = { .revision = REVISION_NEW };
    if (code == SQLITE_ROW) {
        found = (struct record) { .key = arena_str(arena, key),
                                  .value = database_column(get, 0, arena),
                                  .revision = (uint64_t)sqlite3_column_int64(get, 1) };
        if (str_is_none(found.key) || str_is_none(found.value))
            why = &fault_no_memory;
        else if (sum_of(key, found.value, found.revision) != (uint64_t)sqlite3_column_int64(get, 2))
            why = damaged(arena, key);
    } else if (code != SQLITE_DONE) {
        why = database_fault(self->db, arena, "could not read the configuration");
    }
    sqlite3_reset(get);
    if (!why)
        *ret_record = found;
    return why;
}

static const struct fault *state_get(struct state *state, str key, struct arena *arena,
                                     struct record *ret_record)
{
    struct state_sqlite *self = own(state);
    struct record found = { .revision = REVISION_NEW };
    pthread_mutex_lock(&self->using);
    const struct fault *why = look_up(self, key, arena, &found);
    pthread_mutex_unlock(&self->using);
    if (why)
        return why;
    if (found.revision == REVISION_NEW)
        return fault(arena, FAULT_ABSENT, NULL, "no record named " STR_FMT, STR_ARG(key));
    *ret_record = found;
    return NULL;
}

static const struct fault *conflict(struct arena *arena, str key, uint64_t expected,
                                    uint64_t stored)
{
    if (expected == REVISION_NEW)
        return fault(arena, FAULT_CONFLICT, NULL, "the record " STR_FMT " exists already",
                     STR_ARG(key));
    return fault(arena, FAULT_CONFLICT, NULL,
                 "the record " STR_FMT " has changed: revision %llu is wanted, %llu is stored",
                 STR_ARG(key), (unsigned long long)expected, (unsigned long long)stored);
}

static const struct fault *read_counter(struct state_sqlite *self, struct arena *arena,
                                        uint64_t *ret_revision, uint64_t *ret_sum)
{
    sqlite3_stmt *counter = self->statements[COUNTER];
    bool counted = sqlite3_step(counter) == SQLITE_ROW;
    *ret_revision = (uint64_t)sqlite3_column_int64(counter, 0);
    *ret_sum = (uint64_t)sqlite3_column_int64(counter, 1);
    const struct fault *why =
        counted ? NULL : database_fault(self->db, arena, "could not count the change");
    sqlite3_reset(counter);
    return why;
}

/* The inside of the transaction; value STR_NONE removes. */
static const struct fault *change_within(struct state_sqlite *self, str key, str value,
                                         uint64_t expected, struct arena *arena,
                                         uint64_t *ret_revision)
{
    struct record stored = { .revision = REVISION_NEW };
    TRY(look_up(self, key, arena, &stored));
    if (stored.revision != expected)
        return conflict(arena, key, expected, stored.revision);
    uint64_t sum;
    TRY(read_counter(self, arena, ret_revision, &sum));
    sum -= sum_of_counter(*ret_revision);
    if (stored.revision != REVISION_NEW)
        sum -= sum_of(key, stored.value, stored.revision);
    uint64_t revision = ++*ret_revision, own = sum_of(key, value, revision);
    sum += sum_of_counter(revision) + (str_is_none(value) ? 0 : own);
    sqlite3_stmt *count = self->statements[COUNT];
    sqlite3_bind_int64(count, 1, (sqlite3_int64)revision);
    sqlite3_bind_int64(count, 2, (sqlite3_int64)sum);
    TRY(run(self, COUNT, arena));
    enum question which = str_is_none(value) ? REMOVE : PUT;
    sqlite3_stmt *change = self->statements[which];
    database_bind(change, 1, key);
    if (which == PUT) {
        database_bind(change, 2, value);
        sqlite3_bind_int64(change, 3, (sqlite3_int64)revision);
        sqlite3_bind_int64(change, 4, (sqlite3_int64)own);
    }
    return run(self, which, arena);
}

static bool is_watched(const struct watch *w, str key)
{
    return str_starts(key, (str) { w->prefix, w->prefix_len });
}

static void drop_all(const struct state_sqlite *self)
{
    for (struct watch *w = self->watches; w; w = w->next) {
        if (w->ready)
            w->watcher->drop(w->context, w->ready);
        w->ready = NULL;
    }
}

static void show_all(const struct state_sqlite *self)
{
    for (struct watch *w = self->watches; w; w = w->next) {
        if (w->ready)
            w->watcher->show(w->context, w->ready);
        w->ready = NULL;
    }
}

static const struct fault *prepare_all(const struct state_sqlite *self, const struct record *record,
                                       struct arena *arena)
{
    for (struct watch *w = self->watches; w; w = w->next) {
        if (is_watched(w, record->key))
            TRY(w->watcher->prepare(w->context, record, arena, &w->ready));
    }
    return NULL;
}

static const struct fault *change_and_commit(struct state_sqlite *self, str key, str value,
                                             uint64_t expected, struct arena *arena,
                                             uint64_t *ret_revision)
{
    TRY(run(self, BEGIN, arena));
    const struct fault *why = change_within(self, key, value, expected, arena, ret_revision);
    if (!why)
        why = prepare_all(self, &(struct record) { key, value, *ret_revision }, arena);
    if (!why) {
        why = run(self, COMMIT, arena);
        self->failed = why && why->kind != FAULT_LIMIT;
    }
    if (why && !sqlite3_get_autocommit(self->db))
        run(self, ROLLBACK, arena); /* it fails only where SQLite has rolled back already */
    return why;
}

static const struct fault *change(struct state_sqlite *self, str key, str value, uint64_t expected,
                                  struct arena *arena, uint64_t *ret_revision)
{
    pthread_mutex_lock(&self->changing);
    if (self->failed) {
        pthread_mutex_unlock(&self->changing);
        return fault(
            arena, FAULT_UNAVAILABLE, NULL,
            "the configuration takes no changes since its disk failed: restart when it is mended");
    }
    uint64_t revision = 0;
    pthread_mutex_lock(&self->using);
    const struct fault *why = change_and_commit(self, key, value, expected, arena, &revision);
    pthread_mutex_unlock(&self->using);
    if (why) {
        drop_all(self);
    } else {
        show_all(self);
        *ret_revision = revision;
    }
    pthread_mutex_unlock(&self->changing);
    return why;
}

static const struct fault *state_put(struct state *state, str key, str value, uint64_t expected,
                                     struct arena *arena, uint64_t *ret_revision)
{
    return change(own(state), key, str_is_none(value) ? STR("") : value, expected, arena,
                  ret_revision);
}

static const struct fault *state_remove(struct state *state, str key, uint64_t expected,
                                        struct arena *arena)
{
    uint64_t revision;
    if (expected == REVISION_NEW)
        return fault(arena, FAULT_CONFLICT, NULL, "a record that does not exist cannot be removed");
    return change(own(state), key, STR_NONE, expected, arena, &revision);
}

static const struct fault *list_within(struct state_sqlite *self, size_t max, struct arena *arena,
                                       struct record *records, size_t *ret_count)
{
    sqlite3_stmt *list = self->statements[LIST];
    size_t count = 0;
    int code = SQLITE_DONE;
    while (count < max && (code = sqlite3_step(list)) == SQLITE_ROW) {
        struct record record = { .key = database_column(list, 0, arena),
                                 .value = database_column(list, 1, arena),
                                 .revision = (uint64_t)sqlite3_column_int64(list, 2) };
        if (str_is_none(record.key) || str_is_none(record.value))
            return &fault_no_memory;
        if (sum_of(record.key, record.value, record.revision) !=
            (uint64_t)sqlite3_column_int64(list, 3))
            return damaged(arena, record.key);
        records[count++] = record;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return database_fault(self->db, arena, "could not list the configuration");
    *ret_count = count;
    return NULL;
}

static const struct fault *state_list(struct state *state, str prefix, str after, size_t max,
                                      struct arena *arena, struct record **ret_records,
                                      size_t *ret_count)
{
    struct state_sqlite *self = own(state);
    if (max > 100000)
        max = 100000;
    str end = database_prefix_end(prefix, arena);
    struct record *records = ARENA_ARRAY(arena, struct record, max ? max : 1);
    if (!records)
        return &fault_no_memory;
    pthread_mutex_lock(&self->using);
    sqlite3_stmt *list = self->statements[LIST];
    database_bind(list, 1, prefix);
    database_bind(list, 2, after);
    if (str_is_none(end))
        sqlite3_bind_null(list, 3);
    else
        database_bind(list, 3, end);
    sqlite3_bind_int64(list, 4, (sqlite3_int64)max);
    const struct fault *why = list_within(self, max, arena, records, ret_count);
    sqlite3_reset(list);
    pthread_mutex_unlock(&self->using);
    if (!why)
        *ret_records = records;
    return why;
}

static const struct fault *state_watch(struct state *state, str prefix,
                                       const struct state_watcher *watcher, void *context)
{
    struct state_sqlite *self = own(state);
    struct watch *w = calloc(1, sizeof *w + prefix.len + 1);
    if (!w)
        return &fault_no_memory;
    w->watcher = watcher;
    w->context = context;
    w->prefix_len = prefix.len;
    if (prefix.len)
        memcpy(w->prefix, prefix.ptr, prefix.len);
    pthread_mutex_lock(&self->changing);
    *self->watches_end = w;
    self->watches_end = &w->next;
    pthread_mutex_unlock(&self->changing);
    return NULL;
}

static void state_close(struct state *state)
{
    struct state_sqlite *self = own(state);
    for (int i = 0; i < QUESTIONS; i++)
        sqlite3_finalize(self->statements[i]);
    database_close(self->db);
    for (struct watch *w = self->watches, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    pthread_mutex_destroy(&self->changing);
    pthread_mutex_destroy(&self->using);
    free(self);
}

static const struct state_ops ops = {
    .get = state_get,
    .put = state_put,
    .remove = state_remove,
    .list = state_list,
    .watch = state_watch,
    .close = state_close,
};

const struct fault *state_sqlite_open(str path, struct outside *outside, struct arena *arena,
                                      struct state **ret_state)
{
    (void)outside; /* SQLite reaches the disk by itself */
    struct state_sqlite *self = calloc(1, sizeof *self);
    if (!self)
        return &fault_no_memory;
    self->state.ops = &ops;
    self->watches_end = &self->watches;
    pthread_mutex_init(&self->changing, NULL);
    pthread_mutex_init(&self->using, NULL);
    const struct fault *why = database_open(path, &configuration, arena, &self->db);
    if (!why)
        why = check_all(self->db, arena);
    if (why)
        why =
            fault(arena, why->kind, why, "cannot use the configuration in " STR_FMT, STR_ARG(path));
    for (int i = 0; i < QUESTIONS && !why; i++)
        why = database_prepare(self->db, questions[i], arena, &self->statements[i]);
    if (why) {
        state_close(&self->state);
        return why;
    }
    *ret_state = &self->state;
    return NULL;
}

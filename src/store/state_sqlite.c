/* store/state_sqlite.c - the state in one SQLite file.
 *
 * One table: record(key, value, revision), keys and values as bytes. Revisions come from one
 * counter for all keys, kept in the table `counter`, so that a key removed and made again never
 * shows an old revision to someone who still holds it.
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
#include "base/outside.h"
#include "store/database.h"
#include "store/state.h"

#include <pthread.h>
#include <stdlib.h>

static const struct database_kind configuration = {
    .schema =
        "CREATE TABLE record (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT "
        "NULL) WITHOUT ROWID;"
        "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);"
        "INSERT INTO counter VALUES (1, 0);",
    .version = 1,
    .holds = "configuration",
};

/* clang-format off */
enum question {
    GET, LIST, BEGIN, COUNT, COUNTER, PUT, REMOVE, COMMIT, ROLLBACK, QUESTIONS
};
static const char *const questions[QUESTIONS] = {
    [GET]      = "SELECT value, revision FROM record WHERE key = ?1",
    [LIST]     = "SELECT key, value, revision FROM record WHERE key >= ?1 AND key > ?2 AND (?3 IS NULL OR key < ?3) "
                 "ORDER BY key LIMIT ?4",
    [BEGIN]    = "BEGIN IMMEDIATE",
    [COUNT]    = "UPDATE counter SET revision = revision + 1",
    [COUNTER]  = "SELECT revision FROM counter",
    [PUT]      = "INSERT INTO record VALUES (?1, ?2, ?3) "
                 "ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision",
    [REMOVE]   = "DELETE FROM record WHERE key = ?1",
    [COMMIT]   = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};
/* clang-format on */

struct watch {
    struct watch *next;
    state_changed_fn *changed;
    void *context;
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

/* The inside of the transaction; value STR_NONE removes. */
static const struct fault *change_within(struct state_sqlite *self, str key, str value,
                                         uint64_t expected, struct arena *arena,
                                         uint64_t *ret_revision)
{
    struct record stored = { .revision = REVISION_NEW };
    TRY(look_up(self, key, arena, &stored));
    if (stored.revision != expected)
        return conflict(arena, key, expected, stored.revision);
    TRY(run(self, COUNT, arena));
    sqlite3_stmt *counter = self->statements[COUNTER];
    bool counted = sqlite3_step(counter) == SQLITE_ROW;
    *ret_revision = (uint64_t)sqlite3_column_int64(counter, 0);
    const struct fault *why =
        counted ? NULL : database_fault(self->db, arena, "could not count the change");
    sqlite3_reset(counter);
    if (why)
        return why;
    enum question which = str_is_none(value) ? REMOVE : PUT;
    sqlite3_stmt *change = self->statements[which];
    database_bind(change, 1, key);
    if (which == PUT) {
        database_bind(change, 2, value);
        sqlite3_bind_int64(change, 3, (sqlite3_int64)*ret_revision);
    }
    return run(self, which, arena);
}

static const struct fault *change_and_commit(struct state_sqlite *self, str key, str value,
                                             uint64_t expected, struct arena *arena,
                                             uint64_t *ret_revision)
{
    TRY(run(self, BEGIN, arena));
    const struct fault *why = change_within(self, key, value, expected, arena, ret_revision);
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
    if (!why) {
        struct record record = { .key = key, .value = value, .revision = revision };
        for (struct watch *w = self->watches; w; w = w->next)
            if (str_starts(key, (str) { w->prefix, w->prefix_len }))
                w->changed(w->context, &record);
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

static const struct fault *state_watch(struct state *state, str prefix, state_changed_fn *changed,
                                       void *context)
{
    struct state_sqlite *self = own(state);
    struct watch *w = calloc(1, sizeof *w + prefix.len + 1);
    if (!w)
        return &fault_no_memory;
    w->changed = changed;
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
    for (int i = 0; i < QUESTIONS && !why; i++)
        why = database_prepare(self->db, questions[i], arena, &self->statements[i]);
    if (why) {
        state_close(&self->state);
        return why;
    }
    *ret_state = &self->state;
    return NULL;
}

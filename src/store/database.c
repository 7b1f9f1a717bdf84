/* store/database.c - opening SQLite files, and its errors in our words. */
#include "store/database.h"

#include "base/crc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Why the last write to the WAL failed; sqlite3_system_errno does not know it of a COMMIT. */
static int wal_errno(sqlite3 *db)
{
    sqlite3_file *wal = NULL;
    int why = 0;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (wal && wal->pMethods)
        wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &why);
    return why;
}

const struct fault *database_fault(sqlite3 *db, struct arena *arena, const char *doing)
{
    int code = sqlite3_errcode(db);
    if (code == SQLITE_NOMEM)
        return &fault_no_memory;
    /* Of writes SQLite knows ENOSPC as full. A limit of the size of files and a quota are no less so: the write was
     * refused, so what it was to commit is not in the WAL. A sync that says so is another thing: what it meant may be there. */
    const int why = sqlite3_extended_errcode(db) == SQLITE_IOERR_WRITE ? wal_errno(db) : 0;
    const bool full = code == SQLITE_FULL || why == EFBIG || why == EDQUOT;
    enum fault_kind kind = full ? FAULT_LIMIT : FAULT_UNAVAILABLE;
    return fault(arena, kind, NULL, "%s: %s", doing, sqlite3_errmsg(db));
}

const struct fault *database_run(sqlite3 *db, const char *sql, struct arena *arena)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return database_fault(db, arena, "the database refuses a command");
    return NULL;
}

const struct fault *database_prepare(sqlite3 *db, const char *sql, struct arena *arena,
                                     sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL) !=
        SQLITE_OK)
        return database_fault(db, arena, "the database does not have the expected tables");
    return NULL;
}

static void row_sum(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint32_t sum = 0;
    for (int i = 0; i < count; i++) {
        const int kind = sqlite3_value_type(values[i]);
        const int64_t number = kind == SQLITE_INTEGER ? sqlite3_value_int64(values[i])
                                                      : sqlite3_value_bytes(values[i]);
        sum = crc32c(crc32c(sum, &kind, sizeof kind), &number, sizeof number);
        if (kind != SQLITE_INTEGER && number)
            sum = crc32c(sum, sqlite3_value_blob(values[i]), (size_t)number);
    }
    sqlite3_result_int64(context, sum);
}

/* Left alone, SQLite takes 85 KB for each file's first pages at once, whether it will have them or not: a megabyte of memory
 * in a server at rest. A wish: who opened a file before in his own way keeps it. */
static void take_pages_one_by_one(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

static const struct fault *open_file(str path, int flags, struct arena *arena, sqlite3 **ret_db)
{
    const char *name = arena_cstr(arena, path);
    if (!name)
        return &fault_no_memory;
    static pthread_once_t first = PTHREAD_ONCE_INIT;
    pthread_once(&first, take_pages_one_by_one);
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        const struct fault *why =
            db ? fault(arena, FAULT_UNAVAILABLE, NULL, "cannot open the database " STR_FMT ": %s",
                       STR_ARG(path), sqlite3_errmsg(db))
               : &fault_no_memory;
        sqlite3_close_v2(db);
        return why;
    }
    if (sqlite3_create_function(db, "row_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                row_sum, NULL, NULL) != SQLITE_OK) {
        sqlite3_close_v2(db);
        return &fault_no_memory;
    }
    sqlite3_busy_timeout(db, 10000);
    *ret_db = db;
    return NULL;
}

static const struct fault *read_version(sqlite3 *db, struct arena *arena, int *ret_version)
{
    sqlite3_stmt *question;
    TRY(database_prepare(db, "PRAGMA user_version", arena, &question));
    bool found = sqlite3_step(question) == SQLITE_ROW;
    if (found)
        *ret_version = sqlite3_column_int(question, 0);
    const struct fault *why =
        found ? NULL : database_fault(db, arena, "cannot read the database's version");
    sqlite3_finalize(question);
    return why;
}

static const struct fault *set_up(sqlite3 *db, str path, const struct database_kind *kind,
                                  struct arena *arena)
{
    /* In this order: a locked or foreign file must be noticed before anything is written. */
    int version = 0;
    TRY(read_version(db, arena, &version));
    if (version > kind->version)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the %s in " STR_FMT
                     " was written by a newer Sesame: its version is %d, this one knows %d",
                     kind->holds, STR_ARG(path), version, kind->version);
    TRY(database_run(
        db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;", arena));
    if (kind->tuning)
        TRY(database_run(db, kind->tuning, arena));
    if (version == kind->version)
        return NULL;
    if (version != 0 && !kind->upgrade)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the %s in " STR_FMT " has the unknown version %d", kind->holds, STR_ARG(path),
                     version);
    char stamp[64];
    sqlite3_snprintf(sizeof stamp, stamp, "PRAGMA user_version=%d; COMMIT;", kind->version);
    TRY(database_run(db, "BEGIN IMMEDIATE", arena));
    if (version == 0)
        TRY(database_run(db, kind->schema, arena));
    else
        TRY(kind->upgrade(db, version, arena));
    return database_run(db, stamp, arena);
}

const struct fault *database_open(str path, const struct database_kind *kind, struct arena *arena,
                                  sqlite3 **ret_db)
{
    sqlite3 *db = NULL;
    TRY(open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, arena, &db));
    const struct fault *why = set_up(db, path, kind, arena);
    if (why) {
        database_close(db);
        return fault(arena, why->kind, why, "cannot use the database " STR_FMT, STR_ARG(path));
    }
    *ret_db = db;
    return NULL;
}

const struct fault *database_open_reader(str path, struct arena *arena, sqlite3 **ret_db)
{
    /* Not SQLITE_OPEN_READONLY: a reader of a WAL must be able to make the shared memory file. */
    TRY(open_file(path, SQLITE_OPEN_READWRITE, arena, ret_db));
    const struct fault *why = database_run(*ret_db, "PRAGMA query_only=1", arena);
    if (why)
        database_close(*ret_db);
    return why;
}

void database_close(sqlite3 *db)
{
    sqlite3_close_v2(db);
}

void database_bind(sqlite3_stmt *statement, int parameter, str bytes)
{
    /* A NULL pointer would bind NULL, which is not the empty blob. */
    sqlite3_bind_blob64(statement, parameter, bytes.len ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
}

str database_column(sqlite3_stmt *statement, int column, struct arena *arena)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return STR_NONE;
    const char *bytes = sqlite3_column_blob(statement, column);
    int size = sqlite3_column_bytes(statement, column);
    return arena_str(arena, (str) { bytes ? bytes : "", bytes ? (size_t)size : 0 });
}

str database_prefix_end(str prefix, struct arena *arena)
{
    size_t len = prefix.len;
    while (len > 0 && (unsigned char)prefix.ptr[len - 1] == 0xff)
        len--;
    if (len == 0)
        return STR_NONE;
    char *end = arena_alloc(arena, len, 1);
    if (!end)
        return STR_NONE;
    memcpy(end, prefix.ptr, len);
    end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
    return (str) { end, len };
}

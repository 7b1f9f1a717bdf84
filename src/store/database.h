/* store/database.h - a SQLite file as Sesame opens one: WAL, synchronous=FULL, a version that is
 * checked.
 *
 * The connection has no lock of its own (SQLITE_OPEN_NOMUTEX): whoever opened it sees that one
 * thread uses it at a time. */
#ifndef SESAME_STORE_DATABASE_H
#define SESAME_STORE_DATABASE_H

#include "base/fault.h"

#include <sqlite3.h>

struct database_kind {
    const char *schema; /* statements that make version `version` from nothing */
    int version;        /* PRAGMA user_version; a file with a greater one is refused */
    /* Makes `version` out of an older one, within a transaction; NULL: there is no older one. */
    const struct fault *(*upgrade)(sqlite3 *, int from, struct arena *);
    const char *holds;  /* "configuration", for people */
    const char *tuning; /* further pragmas of the connection; NULL: none */
};

const struct fault *database_open(str path, const struct database_kind *, struct arena *,
                                  sqlite3 **ret_db);
/* A second connection that only reads the same file. */
const struct fault *database_open_reader(str path, struct arena *, sqlite3 **ret_db);
void database_close(sqlite3 *); /* NULL is fine */

const struct fault *database_run(sqlite3 *, const char *sql, struct arena *); /* no rows wanted */
const struct fault *database_prepare(sqlite3 *, const char *sql, struct arena *,
                                     sqlite3_stmt **ret_statement);

/* What the connection's last error means to us: FAULT_LIMIT when the disk is full, else
 * FAULT_UNAVAILABLE. `doing`: "could not store the record". */
const struct fault *database_fault(sqlite3 *, struct arena *, const char *doing);

/* A function of SQL on every connection: row_sum(VALUE, ...), the CRC-32C of the values with their kinds and lengths. A row
 * that keeps that of its other columns tells a flipped bit from what was written. */

/* Bytes, never text: SQLite compares blobs with memcmp, which is the order S3 lists in. The bytes
 * must stay until the statement is reset. */
void database_bind(sqlite3_stmt *, int parameter, str bytes);
str database_column(sqlite3_stmt *, int column,
                    struct arena *); /* a copy; STR_NONE for NULL or a full arena */

/* The smallest text greater than all that start with prefix; STR_NONE when there is none. */
str database_prefix_end(str prefix, struct arena *);

#endif

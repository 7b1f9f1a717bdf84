/* store/objects_index_file.h - the index from inside: its connections and what they ask. For
 * objects_index*.c. */
#ifndef SESAME_STORE_OBJECTS_INDEX_FILE_H
#define SESAME_STORE_OBJECTS_INDEX_FILE_H

#include "store/database.h"
#include "store/objects_index.h"

#include <pthread.h>

enum { READERS = 8 };

/* clang-format off */
enum question { FIND, SCAN, ALL, ALL_PACKS, GET_MARK, LOOK, END, BEGIN, PUT_NEW, PUT, REMOVE, PUT_PACK, REMOVE_PACK, PUT_MARK, COMMIT, ROLLBACK, QUESTIONS };
/* clang-format on */

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[QUESTIONS];
};

struct objects_index {
    struct late_rows *late;
    bool late_put; /* in the transaction that is under way */
    struct connection writer;
    struct connection readers[READERS];
    struct connection *free[READERS];
    size_t free_count;
    pthread_mutex_t lock;
    pthread_cond_t freed;
};

/* One without rows, on one thread at a time. */
const struct fault *question_run(struct connection *, enum question, struct arena *);

/* What a row, a pack's row and the mark carry over all that they say. */
uint32_t row_sum(const struct object_row *);
uint32_t pack_sum(const struct pack_row *);
uint32_t mark_sum(const struct pack_mark *);

/* Absent: the key of the row is STR_NONE, and no fault. */
const struct fault *row_look_up(struct connection *, str bucket, str key, struct arena *,
                                struct object_row *ret_row);

#endif

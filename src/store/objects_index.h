/* store/objects_index.h - the ordered index of keys: which objects there are, and in which file
 * each lies.
 *
 * Looking is for any thread; changing is for one thread at a time, between begin and commit. What
 * is looked up is committed. */
#ifndef SESAME_STORE_OBJECTS_INDEX_H
#define SESAME_STORE_OBJECTS_INDEX_H

#include "store/objects.h"

struct objects_index;
struct object_row {
    str bucket, key;
    str path; /* below the bucket's folder, when it is not the plain object_path; else STR_NONE */
    struct object_info info;
};

const struct fault *objects_index_open(str path, struct arena *, struct objects_index **ret_index);
void objects_index_close(struct objects_index *); /* NULL is fine */

/* FAULT_ABSENT: there is no such key. */
const struct fault *objects_index_find(struct objects_index *, str bucket, str key, struct arena *,
                                       struct object_row *ret_row);
const struct fault *objects_index_list(struct objects_index *, const struct object_range *,
                                       struct arena *, struct object_entry **ret_entries,
                                       size_t *ret_count, bool *ret_more);
const struct fault *objects_index_is_empty(struct objects_index *, str bucket, struct arena *,
                                           bool *ret_empty);

const struct fault *objects_index_begin(struct objects_index *, struct arena *);
/* Within the transaction, what it changed itself included. */
const struct fault *objects_index_has(struct objects_index *, str bucket, str key, struct arena *,
                                      bool *ret_has);
/* ret_old: the row that stood there, its key STR_NONE when there was none. */
const struct fault *objects_index_put(struct objects_index *, const struct object_row *,
                                      struct arena *, struct object_row *ret_old);
const struct fault *objects_index_remove(struct objects_index *, str bucket, str key,
                                         struct arena *, struct object_row *ret_old);
const struct fault *objects_index_commit(struct objects_index *,
                                         struct arena *); /* durable when it returns */
void objects_index_rollback(struct objects_index *, struct arena *);

#endif

/* store/objects_index.h - the ordered index of keys: which objects there are, and where each lies.
 *
 * A row has a sum over all that it says, and one that is not as it was written is a fault: never a
 * wrong answer. Looking is for any thread; changing is for one thread at a time, between begin and
 * commit. What is looked up is committed, or stands among the late rows (store/late_rows.h). */
#ifndef SESAME_STORE_OBJECTS_INDEX_H
#define SESAME_STORE_OBJECTS_INDEX_H

#include "store/objects.h"

struct objects_index;
struct object_place { /* in a pack: store/object_pack.h */
    uint64_t pack;    /* its number; 0: the object is a file of its own */
    uint64_t at;
    uint64_t size; /* of the frame, without the zeros behind it */
};
/* Up to where the packs are in the index: an object whose frame lies behind may have no row in it.
 */
struct pack_mark {
    uint64_t pack; /* 0: nowhere yet */
    uint64_t at;
};
static inline bool place_is_behind(const struct object_place *place, const struct pack_mark *mark)
{
    return place->pack > mark->pack || (place->pack == mark->pack && place->at >= mark->at);
}

struct object_row {
    str bucket, key;
    str path; /* below the bucket's folder, when it is not the plain object_path; else STR_NONE */
    struct object_place place;
    struct object_info info;
};
/* What the index knows of a pack as a whole. */
struct pack_row {
    uint64_t number;
    uint64_t end;  /* behind the last frame that was an object */
    uint64_t live; /* objects in it */
    bool punching; /* frames were given up that may not yet be punched out */
    bool damaged;  /* read: this is not what was written */
};

const struct fault *objects_index_open(str path, struct arena *, struct objects_index **ret_index);
/* Only to look: changes nothing, also beside a server that is at work. */
const struct fault *objects_index_open_reader(str path, struct arena *,
                                              struct objects_index **ret_index);
void objects_index_close(struct objects_index *); /* NULL is fine */

/* Rows that are found here and not in the file yet. A commit that put_late belongs to clears them.
 */
struct late_rows;
struct late_rows *objects_index_late(struct objects_index *);

/* FAULT_ABSENT: there is no such key. */
const struct fault *objects_index_find(struct objects_index *, str bucket, str key, struct arena *,
                                       struct object_row *ret_row);
const struct fault *objects_index_list(struct objects_index *, const struct object_range *,
                                       struct arena *, struct object_entry **ret_entries,
                                       size_t *ret_count, bool *ret_more);
const struct fault *objects_index_is_empty(struct objects_index *, str bucket, struct arena *,
                                           bool *ret_empty);
/* Every row of every bucket, in order; a damaged one comes as its fault and what is known of it.
 * `each` answers false to end the walk. */
typedef bool object_row_fn(void *context, const struct object_row *, const struct fault *damage);
const struct fault *objects_index_walk(struct objects_index *, object_row_fn *, void *context,
                                       struct arena *);

/* The packs by number. */
const struct fault *objects_index_packs(struct objects_index *, struct arena *,
                                        struct pack_row **ret_packs, size_t *ret_count);
/* FAULT_DEFECT: it is not what was written. */
const struct fault *objects_index_mark(struct objects_index *, struct arena *,
                                       struct pack_mark *ret_mark);

const struct fault *objects_index_begin(struct objects_index *, struct arena *);
/* Within the transaction, what it changed itself included. */
const struct fault *objects_index_has(struct objects_index *, str bucket, str key, struct arena *,
                                      bool *ret_has);
/* ret_old: the row that stood there, its key STR_NONE when there was none. */
const struct fault *objects_index_put(struct objects_index *, const struct object_row *,
                                      struct arena *, struct object_row *ret_old);
/* All late rows; `replaced` is told each row that stood where one of them goes. */
typedef void object_replaced_fn(void *context, const struct object_row *old);
const struct fault *objects_index_put_late(struct objects_index *, object_replaced_fn *replaced,
                                           void *context, struct arena *);
const struct fault *objects_index_remove(struct objects_index *, str bucket, str key,
                                         struct arena *, struct object_row *ret_old);
const struct fault *objects_index_put_pack(struct objects_index *, const struct pack_row *,
                                           struct arena *);
const struct fault *objects_index_remove_pack(struct objects_index *, uint64_t number,
                                              struct arena *);
const struct fault *objects_index_put_mark(struct objects_index *, const struct pack_mark *,
                                           struct arena *);
const struct fault *objects_index_commit(struct objects_index *,
                                         struct arena *); /* durable when it returns */
void objects_index_rollback(struct objects_index *, struct arena *);

#endif

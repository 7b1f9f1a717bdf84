/* store/object_packs.h - the packs, files in which many small objects lie behind one another: what
 * is written to them, and what is given back.
 *
 * Frames (store/object_pack.h) are appended to the newest pack until it is full. One whose object
 * was removed or replaced is punched out, so that the disk gets its blocks back at once, and a pack
 * without objects is removed. No object's place becomes another's.
 *
 * One thread at a time. A batch goes
 *
 *   packs_write    frames to the end of the newest pack
 *   packs_sync     they are on disk
 *   packs_gains, packs_loses, packs_note    within the transaction: what changes in them
 *   packs_done     the transaction is durable, or there is none: what lost its row is punched out
 *
 * A batch of which every row is late has no transaction: packs_gains, and packs_done with
 * PACKS_LATE.
 *
 * Frames are in the order of time, over all packs, and the index tells up to where they are in it
 * (its mark). So after a stop those behind the mark are read, one after the other to the end, and
 * their rows put into the index. What was written and then came to nothing is cut off at once,
 * durably, or its pack gets no more frames and lies before the next mark. */
#ifndef SESAME_STORE_OBJECT_PACKS_H
#define SESAME_STORE_OBJECT_PACKS_H

#include "store/object_file.h"
#include "store/objects_index.h"

struct packs;
/* Reads what is behind the mark into the index. `size_max`: a pack that has reached it gets no more
 * frames. The root and the index outlive it. */
const struct fault *packs_open(const struct object_root *, struct objects_index *,
                               uint64_t size_max, struct arena *, struct packs **ret_packs);
void packs_close(struct packs *); /* NULL is fine */
/* For an index that is only looked at: what is behind the mark becomes its late rows, as far as
 * they have room. */
const struct fault *packs_follow(const struct object_root *, struct objects_index *,
                                 struct arena *);

struct pack_put { /* one frame to be written */
    struct pack_put *next;
    str head, body;            /* borrowed */
    struct object_place place; /* filled in */
};
/* All of them, or a negative errno. */
int packs_write(struct packs *, struct pack_put *);
int packs_sync(struct packs *); /* what was written is on disk; a failure gives the pack up */
/* Instead: a sync of the whole file system ended so. */
void packs_synced(struct packs *, int error);

void packs_gains(struct packs *, const struct object_place *);
void packs_loses(struct packs *, const struct object_place *);
/* Within the transaction of the index, behind the late rows: the rows of the packs that changed,
 * and the mark. */
const struct fault *packs_note(struct packs *, struct arena *);
/* The pack that is written to is closed, so that it may go when it has no objects. */
void packs_stop(struct packs *);
bool packs_idle(const struct packs *); /* there is nothing that a transaction would have to note */
/* Unsure: the commit failed, and may be durable nevertheless. Then nothing is removed any more. */
enum packs_end { PACKS_COMMITTED, PACKS_LATE, PACKS_ROLLED_BACK, PACKS_UNSURE };
void packs_done(struct packs *, enum packs_end);

/* After a start, once the rows that it found are synced: removes files that are no packs, cuts off
 * what nobody names, and looks through packs that were to be punched. `guard` is called around each
 * step of the work, which may be long. Returns how many frames and files went. */
struct packs_guard {
    void (*lock)(void *context);
    void (*unlock)(void *context);
    bool (*stop)(void *context);
    void *context;
};
uint64_t packs_sweep(struct packs *, const struct packs_guard *);

#endif

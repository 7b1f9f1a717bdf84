/* store/object_packs.h - the packs, files in which many small objects lie behind one another: what is
 * written to them, and what is given back.
 *
 * Frames (store/object_pack.h) are appended to the newest pack until it is full. One whose object was
 * removed or replaced is punched out, so that the disk gets its blocks back at once, and a pack without
 * objects is removed. No object's place becomes another's.
 *
 * One thread at a time. A batch goes
 *
 *   packs_write    frames to the end of the newest pack
 *   packs_sync     they are on disk
 *   packs_gains, packs_loses, packs_wastes, packs_note    within the transaction: what changes in them
 *   packs_done     the transaction is durable, or there is none: what lost its row is punched out */
#ifndef SESAME_STORE_OBJECT_PACKS_H
#define SESAME_STORE_OBJECT_PACKS_H

#include "store/object_file.h"
#include "store/objects_index.h"

struct packs;
/* `size_max`: a pack that has reached it gets no more frames. The root and the index outlive it. */
const struct fault *packs_open(const struct object_root *, struct objects_index *, uint64_t size_max,
                               struct arena *, struct packs **ret_packs);
void packs_close(struct packs *); /* NULL is fine */

struct pack_put { /* one frame to be written */
    struct pack_put *next;
    str head, body;            /* borrowed */
    struct object_place place; /* filled in */
};
/* All of them, or a negative errno. */
int packs_write(struct packs *, struct pack_put *);
int packs_sync(struct packs *);  /* what was written is on disk; a failure gives the pack up */
void packs_synced(struct packs *, int error); /* instead: a sync of the whole file system ended so */

void packs_gains(struct packs *, const struct object_place *);
void packs_loses(struct packs *, const struct object_place *);  /* an object */
void packs_wastes(struct packs *, const struct object_place *); /* a frame that became none */
/* Within the transaction of the index: the rows of the packs that changed. */
const struct fault *packs_note(struct packs *, struct arena *);
void packs_stop(struct packs *); /* for now there are no more frames: a newest pack without objects may go */
bool packs_idle(const struct packs *); /* there is nothing that a transaction would have to note */
/* Unsure: the commit failed, and may be durable nevertheless. Then nothing is removed any more. */
enum packs_end { PACKS_COMMITTED, PACKS_ROLLED_BACK, PACKS_UNSURE };
void packs_done(struct packs *, enum packs_end);

/* After a start, once the rows that it found are synced: removes files that are no packs, cuts off what
 * nobody names, and looks through packs that were to be punched. `guard` is called around each step of the
 * work, which may be long. Returns how many frames and files went. */
struct packs_guard {
    void (*lock)(void *context);
    void (*unlock)(void *context);
    bool (*stop)(void *context);
    void *context;
};
uint64_t packs_sweep(struct packs *, const struct packs_guard *);

#endif

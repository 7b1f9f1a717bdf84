/* store/object_packs_held.h - what is known of the packs, from inside. For object_packs*.c. */
#ifndef SESAME_STORE_OBJECT_PACKS_HELD_H
#define SESAME_STORE_OBJECT_PACKS_HELD_H

#include "store/object_packs.h"

enum { NO_FILE = -1 };

struct pack {
    struct pack_row row, next; /* as it is, and as it will be when the batch is done */
    bool changed, holed;       /* in this batch; `holed`: frames go when it is done */
    bool late;                 /* the index has not been told yet how it is */
    bool unswept; /* a stop came before frames were punched out; the sweep will do it */
};

struct hole {
    struct hole *next;
    struct object_place place;
};

struct packs {
    const struct object_root *root;
    struct objects_index *index;
    uint64_t size_max;
    struct pack *all; /* by number */
    size_t count, room;
    uint64_t newest;                  /* the number last used, by a row or a file */
    int fd;                           /* of the last pack, when it is written to; else NO_FILE */
    uint64_t tail;                    /* where its next frame goes */
    bool written;                     /* since the last sync */
    struct pack_mark mark, next_mark; /* of the index, and as it will be when the batch is done */
    bool given_up;                    /* nothing is counted out any more */
    bool damaged; /* the index is, in what it says of packs: no file is removed for having no row */
    struct hole *losses; /* of this batch */
    struct arena *batch;
};

void packs_stop_writing(struct packs *);
struct pack *packs_find(struct packs *, uint64_t number); /* NULL: there is none */
/* Its number is the greatest. False: no memory. */
bool packs_add(struct packs *, const struct pack_row *);

#endif

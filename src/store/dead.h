/* store/dead.h - dead letters: dead/ID, one file each with body, head, rules and notes.
 *
 * Bounded by age and by bytes, the oldest go first. Any thread; one letter is written at a time. */
#ifndef SESAME_STORE_DEAD_H
#define SESAME_STORE_DEAD_H

#include "base/outside.h"
#include "store/spool.h"

enum { DEAD_PIECE = 256 << 10 }; /* the most a body function is asked for at once */
struct dead_letters;
struct dead_item {
    uint64_t serial, id_hash;
};

/* Makes the directory when it is not there; whoever made it first syncs the one above. */
const struct fault *dead_open(str directory, uint64_t bytes_max, int64_t age_max_ms,
                              struct outside *, struct arena *, struct dead_letters **ret_dead);
/* Gives `size` bytes of the body from `offset`, in whatever memory lives until the next call. */
typedef const struct fault *dead_body_fn(void *context, uint64_t offset, size_t size,
                                         str *ret_bytes);

/* On disk, with its name, when it returns. A letter of the same id is replaced. FAULT_LIMIT: the
 * disk is full. */
const struct fault *dead_put(struct dead_letters *, const struct spool_record *, uint64_t serial,
                             uint64_t body_size, dead_body_fn *, void *context, struct arena *);
const struct fault *dead_find(struct dead_letters *, str id, struct arena *,
                              struct spool_record *ret_record);
/* by serial, the highest first */
size_t dead_newest(struct dead_letters *, struct dead_item *to, size_t max);
/* of those below this serial */
size_t dead_before(struct dead_letters *, uint64_t before, struct dead_item *to, size_t max);
const struct fault *dead_load(struct dead_letters *, const struct dead_item *, struct arena *,
                              struct spool_record *ret_record);

/* For taking one back: its record, then its body from the start. */
struct dead_reader;
const struct fault *dead_read_open(struct dead_letters *, str id, struct arena *,
                                   struct spool_record *ret_record, uint64_t *ret_body_size,
                                   struct dead_reader **ret_reader);
const struct fault *dead_read(struct dead_reader *, uint64_t offset, size_t size, struct arena *,
                              str *ret_bytes);
void dead_read_close(struct dead_reader *);

void dead_remove(struct dead_letters *, uint64_t id_hash); /* it lives again, or never died */
void dead_sweep(struct dead_letters *);                    /* what is too old, or too much */
uint64_t dead_count(struct dead_letters *, uint64_t *ret_bytes);
uint64_t dead_serial(struct dead_letters *); /* the highest one kept */
void dead_close(struct dead_letters *);      /* NULL is fine */

#endif

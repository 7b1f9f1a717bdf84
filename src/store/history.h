/* store/history.h - the timelines of settled entries: a ring of segments bounded by bytes.
 *
 * A record is found from the moment it was added; it is on the disk a little later, and nothing
 * waits for that. Any thread. */
#ifndef SESAME_STORE_HISTORY_H
#define SESAME_STORE_HISTORY_H

#include "base/outside.h"
#include "store/spool.h"

struct history;
struct history_item { /* where one record is */
    uint64_t serial, epoch, id_hash;
    uint32_t offset;
};

/* Makes the directory. Damage in it is counted and left behind, never a reason not to start. */
const struct fault *history_open(str directory, uint64_t bytes_max, struct outside *,
                                 struct arena *, struct history **ret_history);
/* Copies the record; without memory it is dropped, and what it kept when it is too long with it. The
 * entry's rules are not kept. */
void history_add(struct history *, const struct spool_record *, uint64_t serial);
bool history_waiting(struct history *); /* is there something to flush? */
void history_flush(struct history *);   /* writes and syncs what was added; one thread */
const struct fault *history_find(struct history *, str id, struct arena *,
                                 struct spool_record *ret_record);
/* The last `max` that were added, by serial, the highest first. */
size_t history_newest(struct history *, struct history_item *to, size_t max);
/* The `max` highest serials below `before`, wherever they lie: reads every segment's table. */
size_t history_before(struct history *, uint64_t before, struct history_item *to, size_t max);
const struct fault *history_load(struct history *, const struct history_item *, struct arena *,
                                 struct spool_record *ret_record);
uint64_t history_bytes(struct history *);
uint64_t history_serial(struct history *); /* the highest one kept */
void history_close(struct history *);      /* flushes; NULL is fine */

#endif

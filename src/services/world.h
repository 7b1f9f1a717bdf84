/* services/world.h - one consistent, unchanging picture of the configuration.
 *
 * A world is a persistent ordered map from state key to compiled aggregate: one change compiles one
 * aggregate and copies the path to it, readers never wait. Each aggregate has an arena and a
 * reference count of its own. The order of a change is: state committed, world swapped, answer
 * sent. Typed look-ups stand beside each aggregate's type: bucket_find in s3/bucket.h and so on. */
#ifndef SESAME_SERVICES_WORLD_H
#define SESAME_SERVICES_WORLD_H

#include "store/state.h"

struct world;
struct worlds; /* the current one, and the watch that makes the next */

struct outside;
const struct fault *worlds_open(struct state *, struct outside *, struct arena *, struct worlds **ret_worlds);
/* The state still calls its watchers, so it is closed first; worlds still referenced live on. */
void worlds_close(struct worlds *);
const struct world *worlds_now(struct worlds *); /* referenced; give it back with world_unref */

const struct world *world_ref(const struct world *);
void world_unref(const struct world *); /* the last holder frees what no other world shares */

/* What the kind's row compiled from the record of this key; NULL when absent. */
const void *world_find(const struct world *, str key);
uint64_t world_revision(const struct world *, str key); /* for compare-and-set; REVISION_NEW when absent */
/* The next key greater than `after` that starts with prefix; false at the end. */
bool world_next(const struct world *, str prefix, str after, str *ret_key, const void **ret_aggregate);

#endif

/* base/pmap.h - a persistent ordered map from byte strings to shared values.
 *
 * A map never changes: put and remove return a new one that shares all but the path to the change,
 * so a reader keeps its picture for as long as it holds a reference. A treap whose priorities are a
 * hash of the key: the shape depends on the content alone. Any thread may read, reference and
 * release any map. Values are reference-counted by their owner. */
#ifndef SESAME_BASE_PMAP_H
#define SESAME_BASE_PMAP_H

#include "base/str.h"

struct pmap;

struct pmap_values { /* either may be NULL; both must be safe from any thread */
    void (*retain)(const void *value);
    void (*release)(const void *value);
};

/* An empty map. `seed` spoils attempts to choose keys that unbalance the tree. NULL: no memory. */
struct pmap *pmap_new(const struct pmap_values *, uint64_t seed);
struct pmap *pmap_ref(const struct pmap *);
void pmap_unref(const struct pmap *); /* NULL is fine; the last holder frees what no other map shares */

/* A new map (one reference, the caller's); the old one is as it was. Key bytes are copied, the value
 * is retained once. NULL: no memory. */
struct pmap *pmap_put(const struct pmap *, str key, const void *value);
struct pmap *pmap_remove(const struct pmap *, str key); /* an absent key: the same map, referenced again */

size_t pmap_size(const struct pmap *);
const void *pmap_find(const struct pmap *, str key); /* NULL when absent; valid while the map is held */
/* The smallest key that starts with prefix and is greater than `after` (STR_NONE: from the first
 * on). False at the end. The key is valid while the map is held. */
bool pmap_next(const struct pmap *, str prefix, str after, str *ret_key, const void **ret_value);

#endif

/* services/world_kinds.h - what a record of each kind is compiled to: the rows of the world's
 * table.
 *
 * The kind of a key is what stands before its first slash. The table itself is in world.c. */
#ifndef SESAME_SERVICES_WORLD_KINDS_H
#define SESAME_SERVICES_WORLD_KINDS_H

#include "store/state.h"

/* Makes the aggregate of one record. Everything it keeps is copied into the arena, which lives
 * exactly as long as the aggregate; record and key are gone when it returns. FAULT_SYNTAX: the
 * record is not what this kind holds; the world then has no such thing, which denies. */
typedef const struct fault *aggregate_compile_fn(const struct record *, struct arena *,
                                                 const void **ret_aggregate);

struct world_kind {
    str prefix; /* "role/" */
    aggregate_compile_fn *compile;
};

#endif

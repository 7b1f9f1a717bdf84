/* store/state.h - configuration: small documents, one writer wins.
 *
 * One key holds one aggregate: a whole rule set, a whole role with its policies, a whole bucket.
 * Thus every change is one compare-and-set, which any store worth using can promise. */
#ifndef SESAME_STORE_STATE_H
#define SESAME_STORE_STATE_H

#include "base/fault.h"

struct state;

enum { REVISION_NEW = 0 }; /* put: the key must not exist yet */
struct record {
    str key, value;
    uint64_t revision;
};

/* Who is told of changes, in their order, one at a time, before put or remove returns. What may fail
 * is done while the change can still be refused: behind a durable change nothing is left but to show
 * it. value STR_NONE: deleted. */
struct state_watcher {
    /* Makes what will be shown; must not ask the state. A fault refuses the change, with its words. */
    const struct fault *(*prepare)(void *context, const struct record *, struct arena *, void **ret_ready);
    void (*show)(void *context, void *ready); /* it is durable */
    void (*drop)(void *context, void *ready); /* it was not made after all */
};

struct state_ops {
    const struct fault *(*get)(struct state *, str key, struct arena *, struct record *ret_record); /* FAULT_ABSENT */
    /* FAULT_CONFLICT when the stored revision is not `expected`. Durable when it returns. */
    const struct fault *(*put)(struct state *, str key, str value, uint64_t expected, struct arena *,
                               uint64_t *ret_revision);
    const struct fault *(*remove)(struct state *, str key, uint64_t expected, struct arena *);
    /* In byte order of keys, those that start with prefix and are greater than after. */
    const struct fault *(*list)(struct state *, str prefix, str after, size_t max, struct arena *,
                                struct record **ret_records, size_t *ret_count);
    const struct fault *(*watch)(struct state *, str prefix, const struct state_watcher *, void *context); /* both outlive it */
    void (*close)(struct state *);
};
struct state {
    const struct state_ops *ops;
};

struct outside;
/* SQLite, WAL, synchronous=FULL. A newer on-disk version is refused in one sentence. */
const struct fault *state_sqlite_open(str path, struct outside *, struct arena *, struct state **ret_state);

#endif

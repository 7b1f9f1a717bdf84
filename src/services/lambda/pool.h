/* services/lambda/pool.h - the processes there are: who has which, who waits, which end.
 *
 *     FREE --acquire--> BUSY --release--> IDLE --acquire, same key--> BUSY
 *                         |                |
 *                         |                +-- long idle, or its place is wanted --> FREE
 *                         +-- gone --> FREE
 *
 * A process serves one key (a version of a function as configured), one invocation at a time. A key
 * that has as many processes as there are cores waits a moment for one of them before it gets
 * another: where functions are quick, more processes only make more work. */
#ifndef SESAME_SERVICES_LAMBDA_POOL_H
#define SESAME_SERVICES_LAMBDA_POOL_H

#include "services/lambda/instance.h"

struct pool;

struct pool_want {
    str key;              /* which process: ARN, version, revision */
    str function;         /* whose reserved concurrency: the ARN without version */
    int64_t reserved;     /* -1: none */
    int64_t patience_ms;  /* for a place */
    /* Called by who hands a warm process over, before the thread that waits for it is awake: what of
     * its work can be begun. NULL: nothing. */
    void (*begin)(void *context, struct instance *);
    void *context;
};

const struct fault *pool_open(struct runner *, struct outside *, unsigned slots, struct arena *,
                              struct pool **ret_pool);
void pool_drain(struct pool *, int64_t deadline_ms); /* until nobody holds one, or it is that late */
void pool_close(struct pool *); /* nobody holds one any more */

/* *ret_fresh: the instance is an empty place, to be started by the caller. FAULT_UNAVAILABLE with
 * TooManyRequestsException when there was no place in time, or the reserved concurrency is used up. */
const struct fault *pool_acquire(struct pool *, const struct pool_want *, struct arena *,
                                 struct instance **ret_instance, bool *ret_fresh);
/* keep: false: its process is of no more use and is ended. */
void pool_release(struct pool *, struct instance *, bool keep);
/* Idle processes of a function end now, busy ones when they are released. */
void pool_retire(struct pool *, str function);
unsigned pool_count(struct pool *, str function);

#endif

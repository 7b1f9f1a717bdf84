/* store/batcher.h - what waits for the disk waits together: one thread acts for all who wait now.
 *
 * While it acts for some, the next gather. */
#ifndef SESAME_STORE_BATCHER_H
#define SESAME_STORE_BATCHER_H

#include "base/fault.h"

#include <semaphore.h>

struct batch_job { /* embedded as the first member of a real one; zeroed by its maker */
    struct batch_job *next;
    bool failed;
    enum fault_kind kind;
    char says[200];
    sem_t done;
};
/* Does what all the jobs want, in their order, on the batcher's thread. The arena is reset behind
 * it. */
typedef void batch_fn(void *context, struct batch_job *jobs, struct arena *);

struct batcher;
/* The name, of 15 octets at most, is the thread's. */
const struct fault *batcher_open(const char *name, batch_fn *, void *context, size_t memory,
                                 struct arena *, struct batcher **ret_batcher);
void batcher_close(struct batcher *); /* when nobody waits any more; NULL is fine */

/* Waits until the job is done; the fault is made anew in the arena. */
const struct fault *batcher_wait(struct batcher *, struct batch_job *, struct arena *);
/* The same in two halves: the job is taken along from here on, and is its maker's again behind the wait. */
void batcher_add(struct batcher *, struct batch_job *);
const struct fault *batch_job_wait(struct batch_job *, struct arena *);
/* For the batch: the job's first fault stays. */
void batch_job_fail(struct batch_job *, const struct fault *, struct arena *);

#endif

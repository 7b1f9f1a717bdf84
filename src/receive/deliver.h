/* receive/deliver.h - from a leased message to a settled one.
 *
 * A worker leases an entry, makes its plan, runs the steps that have no note yet, notes what came
 * of them and settles; of messages that are only put into buckets it has a few under way at a time. One
 * attempt sees one world from its first step to its last. A step in retry holds up the later steps of
 * its message and nothing else. */
#ifndef SESAME_RECEIVE_DELIVER_H
#define SESAME_RECEIVE_DELIVER_H

#include "base/metrics.h"
#include "base/outside.h"
#include "receive/history.h"
#include "receive/plan.h"
#include "receive/retry.h"
#include "receive/shares.h"
#include "receive/stamp.h"
#include "services/errand.h"
#include "services/ports.h"
#include "services/world.h"
#include "store/spool.h"

struct delivery { /* what every attempt needs; shared by the workers */
    struct spool *spool;
    const struct ports *ports;
    struct outside *outside;
    struct metrics *metrics;
    const struct stamp *stamp;
    struct worlds *worlds;
    const struct world *(*now)(struct worlds *); /* worlds_now; tests bring their own */
    struct shares *shares;                       /* NULL: no target has a bound */
    const struct retry_waits *waits;             /* NULL: the usual ones */
    bool oversize_silent; /* nobody is told that his message was too large for a topic */
    struct errand_runner *runners[SPOOL_OUTGOING + 1]; /* by kind; NULL: this program does none such */
};

struct delivered {
    bool waits; /* the next step's target has all the workers it may have: not settled but held */
    struct share share; /* what it waits for */
    enum settlement settlement;
    int64_t retry_at_ms; /* for SETTLE_RETRY */
    str note;            /* what settles it: not yet written */
    const struct outcome *outcomes;
    size_t outcome_count;
};

/* Of the arena below: one attempt's, with the rule set, and all that was ever said of the message. */
enum { DELIVER_ARENA = 16 << 20 };
/* Leases, attempts, settles and logs one entry that is due within wait_ms. FAULT_UNAVAILABLE: the
 * spool was stopped. *ret_any is false when nothing came. */
const struct fault *deliver_one(const struct delivery *, int64_t wait_ms, struct arena *,
                                bool *ret_any);
/* The same, and with it a few more that are due, while all there is to wait for is the disk. */
const struct fault *deliver_some(const struct delivery *, int64_t wait_ms, struct arena *,
                                 bool *ret_any);

struct deliverers; /* the worker threads */
const struct fault *deliverers_start(const struct delivery *, unsigned workers, struct arena *,
                                     struct deliverers **ret_deliverers);
/* After spool->stop: waits for running attempts until the steady clock says so. True: all ended,
 * and the threads are gone. */
bool deliverers_stop(struct deliverers *, int64_t deadline_ms);

#endif

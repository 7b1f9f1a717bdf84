/* services/errand.h - work a service has taken on and does later: the delivery of a notification to
 * one subscriber, an asynchronous invocation, mail to elsewhere.
 *
 * An errand lies in the spool like mail: it survives the same crashes, is leased, tried, noted and
 * tried again until it is done or given up, and what is given up is kept among the dead with its
 * reasons. It is done at least once: rarely twice, when the process dies between its effect and the
 * note of it, under the same id both times. */
#ifndef SESAME_SERVICES_ERRAND_H
#define SESAME_SERVICES_ERRAND_H

#include "services/ports.h"
#include "store/spool.h"

struct errand {
    enum spool_kind kind; /* SPOOL_NOTIFICATION, SPOOL_INVOCATION, SPOOL_OUTGOING */
    str id;               /* as random_message_id makes them: 40 characters */
    str account, region;  /* in whose name */
    str target;           /* whom it may hold up: a function's or queue's ARN, "http://host:port", "smtp://host:port" */
    str about;            /* what its timeline shows of it: an SNS MessageId, a request id; STR_NONE: nothing */
    str head;             /* JSON, the kind's own: what to do */
    int64_t due_ms;       /* 0: at once */
};

/* Commits them all with one body, or none; durable when it returns. Waits for the shared sync. */
const struct fault *errands_put(struct spool *, const struct errand *, size_t count, str body, int64_t now_ms,
                                struct arena *);
/* What a spool entry of such a kind carries; it lives as long as entry and arena. */
const struct fault *errand_read(const struct spool_entry *, struct arena *, struct errand *ret_errand,
                                int64_t *ret_taken_ms);

/* "mail", "notification", "invocation", "outgoing". */
str errand_kind_name(enum spool_kind);

/* How an attempt ended. */
struct errand_end {
    enum settlement settlement;
    int64_t retry_at_ms; /* SETTLE_RETRY */
    str says;            /* one sentence for the timeline; STR_NONE: nothing to say */
    bool untried;            /* it could not even be tried: no attempt counts, `waits` does */
    const struct fault *why; /* why it failed; a denial is kept whole. NULL: it did not */
};

/* What one attempt is given. The world is the attempt's own from first to last. */
struct errand_attempt {
    struct errand errand;
    int number;        /* 1 on the first; since the last redrive */
    int waits;         /* how often it could not be tried before */
    int64_t since_ms;  /* when it was taken on, or redriven */
    str body;
    const struct world *world;
    int64_t now_ms;
    struct arena *arena;
};

/* Who does the errands of one kind; embedded as the first member of its own struct. Called on
 * delivery workers, and may wait as long as its target's patience allows. */
struct errand_runner {
    struct errand_end (*run)(struct errand_runner *, const struct errand_attempt *);
    /* How many of this target's may run at a time; 0: the default share. */
    unsigned (*share)(struct errand_runner *, const struct world *, str target);
};

#endif

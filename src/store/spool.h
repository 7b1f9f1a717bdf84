/* store/spool.h - the promise behind "250": what is in here will be acted upon.
 *
 *  RECEIVING --commit--> QUEUED --lease--> LEASED --settle--> DONE | DEAD
 *      |                    ^                |                       |
 *      +--abandon--> gone   +--- retry(at) --+        QUEUED <-redrive+
 *
 * Committed means it survives a power cut; a lease has one holder; settle is final. Every call may
 * come from any thread, except that one draft is used by one thread at a time. */
#ifndef SESAME_STORE_SPOOL_H
#define SESAME_STORE_SPOOL_H

#include "base/fault.h"

struct spool;
struct spool_draft; /* a message still arriving */

/* Called exactly once, on the committer's thread, never from inside commit(). NULL fault: the bytes
 * survive a power cut. A fault is lent for the length of the call: FAULT_LIMIT when the disk is
 * full (452), anything else is 451. */
typedef void spool_committed_fn(void *context, const struct fault *);
typedef void spool_resume_fn(void *context); /* a full draft has room again; on any thread */

enum spool_kind {
    SPOOL_MAIL = 1,
    SPOOL_NOTIFICATION, /* to one subscriber of a topic: services/errand.h */
    SPOOL_INVOCATION,   /* of a function, asynchronous */
    SPOOL_OUTGOING,     /* mail to one recipient elsewhere: receive/outgoing.h */
};
/* A kind as it lies on disk. False: this program knows no such kind. */
bool spool_kind_read(unsigned number, enum spool_kind *ret_kind);

struct spool_entry { /* of mail: one account's share of a transaction */
    str id;          /* the message id */
    enum spool_kind kind;
    str head;       /* account, region and envelope, encoded by the owner */
    str rules;      /* the rule set's text: stored once in each segment that refers to it */
    uint64_t rules_number; /* the owner's, while the process lives: the same number, the same text, which so
                              is not compared. 0: none; in a lease also when it is not known any more */
    int64_t due_ms; /* wall clock; not before; 0: at once */
    uint64_t likeness; /* to commit only, and not kept: fresh entries with the same number, under the same
                          rules, begin with the same work. 0: like no other */
};

struct lease {
    struct spool_entry entry;
    uint64_t body_size;
    int attempt; /* 1 on the first delivery */
    str notes;   /* what earlier attempts said: JSON texts, each followed by '\n' */
    bool resumed; /* it was held, and a resume brought it back */
    str kept;     /* the holder's to set: what SETTLE_DONE keeps beside the notes; STR_NONE: nothing */
    void *impl;
};

enum settlement { SETTLE_DONE, SETTLE_RETRY, SETTLE_DEAD };

enum spool_state { SPOOL_QUEUED, SPOOL_RETRYING, SPOOL_DONE, SPOOL_DEAD };

struct spool_record { /* one entry as it stands, or as it ended */
    struct spool_entry entry;
    enum spool_state state;
    int attempt;
    int64_t due_ms; /* of the next attempt, while it lives */
    str notes;
    str kept;        /* of a settled one, what its last holder had kept; else STR_NONE */
    uint64_t serial; /* of the order in which they came; `older` goes on from it */
};

struct spool_health {
    bool accepting; /* false: the disk is full or failed; `says` tells */
    char says[160];
    uint64_t queued, retrying, leased, held, dead;
    uint64_t segments, disk_bytes, draft_bytes;
    uint64_t commits, batches, synced_bytes, damaged_frames; /* since the start */
    uint64_t batches_ahead; /* of the batches: written, in part, while the one before was synced */
};

struct spool_ops {
    /* FAULT_LIMIT when the disk is full, FAULT_UNAVAILABLE when it failed; both static. `resume`
     * may be called after a write that said "enough". */
    const struct fault *(*draft)(struct spool *, spool_resume_fn *resume, void *context,
                                 struct spool_draft **ret_draft);
    /* false: taken, now wait for resume. Never waits. */
    bool (*write)(struct spool_draft *, str chunk);
    /* Takes the draft over. `entries` share the body; all of them or none are committed. */
    void (*commit)(struct spool_draft *, const struct spool_entry *entries, size_t count,
                   spool_committed_fn *, void *context);
    void (*abandon)(struct spool_draft *);

    /* Waits up to hold_ms for an entry that is due. *ret_lease.impl == NULL and no fault: nothing
     * came. FAULT_UNAVAILABLE after `stop`. Texts live in the arena. */
    const struct fault *(*lease)(struct spool *, int64_t hold_ms, struct arena *,
                                 struct lease *ret_lease);
    /* Up to `wanted` octets of the body, as received; fewer only at its end. They live as long as
     * the arena given here and the lease's. */
    const struct fault *(*read)(const struct lease *, uint64_t offset, size_t wanted,
                                struct arena *, str *ret_bytes);
    /* Adds one JSON text to the notes: it rides with the next batch and waits for no disk. */
    const struct fault *(*note)(struct lease *, str note);
    /* Ends the lease; `note` as above. SETTLE_RETRY: due again at retry_at_ms. SETTLE_DEAD: kept in
     * dead/ with body, head and all notes. Waits for no disk. The lease is gone even on a fault. */
    const struct fault *(*settle)(struct lease *, enum settlement, int64_t retry_at_ms, str note);
    /* gives the lease back unused: due at once, no attempt counted */
    void (*release)(struct lease *);
    /* Gives the lease back, and nobody gets it before a resume of this group; no attempt counted.
     * While the group holds anything, what is committed with the likeness of its last entry that was
     * held fresh joins it, so that nobody leases it to find out the same. Held entries cost 16 bytes
     * more than queued ones. After a restart none is held. */
    void (*hold)(struct lease *, uint64_t group);
    /* Lets the group's longest held entry be leased again; false: it has none. caller_leases: the
     * caller leases next, so nobody is called for it who waits in a lease. *ret_more: it has others. */
    bool (*resume)(struct spool *, uint64_t group, bool caller_leases, bool *ret_more);

    /* Living, settled (as far back as the history goes) or dead. FAULT_ABSENT: unknown id. */
    const struct fault *(*find)(struct spool *, str id, struct arena *,
                                struct spool_record *ret_record);
    /* The newest first, up to max; bodies of work for a list. */
    const struct fault *(*recent)(struct spool *, size_t max, struct arena *,
                                  struct spool_record **ret_records, size_t *ret_count);
    /* Of those that came before the one with this serial, up to max, the newest first: for turning
     * pages, from UINT64_MAX on. Reads more than `recent`. */
    const struct fault *(*older)(struct spool *, uint64_t serial, size_t max, struct arena *,
                                 struct spool_record **ret_records, size_t *ret_count);
    /* Up to `most` octets of the front of a body, without a lease. FAULT_ABSENT: unknown, or settled. */
    const struct fault *(*front)(struct spool *, str id, size_t most, struct arena *,
                                 str *ret_bytes, uint64_t *ret_body_size);
    /* A dead letter becomes a queued entry again, with its notes and `note` added; on disk when it
     * returns. FAULT_ABSENT, FAULT_CONFLICT when it lives. */
    const struct fault *(*redrive)(struct spool *, str id, str note);
    void (*health)(struct spool *, struct spool_health *ret_health);
    /* leases no more: waiting lease calls return; the rest still works */
    void (*stop)(struct spool *);
    void (*close)(struct spool *); /* flushes what waits; no lease or draft may be open */
};
struct spool {
    const struct spool_ops *ops;
};

/* Settings of the local log; zero members mean the default. */
struct spool_limits {
    uint64_t segment_bytes; /* 64 MB */
    uint64_t draft_bytes;   /* memory all drafts may hold together: 64 MB */
    uint64_t spill_bytes;   /* a draft beyond this goes to a file of its own: 256 KB */
    uint64_t ahead_bytes;   /* while a batch of so many is synced, the next one is written: 256 KB */
    uint64_t history_bytes; /* the ring of settled timelines: 256 MB */
    uint64_t dead_bytes;    /* bound of the dead-letter store: 1 GB */
    int64_t dead_ms;        /* and its age: 14 days */
    int64_t wait_ms;        /* no entry waits longer, whatever a clock said: 0: any time */
};

struct outside;
const struct fault *spool_log_open(str directory, const struct spool_limits *, struct outside *,
                                   struct arena *, struct spool **ret_spool);

#endif

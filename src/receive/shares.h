/* receive/shares.h - how many workers one target may keep busy: a slow one holds up nobody else.
 *
 * A target is a bucket, a topic, a function or an endpoint, by its name. Work for a target takes a
 * share of it and gives it back; work that finds none goes to the target's list in the spool and
 * costs no worker. The bound moves with the load, as dynamic thresholds of switches do: a target
 * may take a worker while it has fewer than `weight` times those that are idle. So with one slow
 * target of weight 1 half of the workers stay free, with two a third, and never none. */
#ifndef SESAME_RECEIVE_SHARES_H
#define SESAME_RECEIVE_SHARES_H

#include "base/outside.h"
#include "store/spool.h"

struct shares;

/* Lives in the arena; ended by shares_close. */
const struct fault *shares_open(struct spool *, unsigned workers, struct entropy *, struct arena *,
                                struct shares **ret_shares);
void shares_close(struct shares *); /* after the last worker. NULL is fine */

struct share {
    str target;
    unsigned weight; /* 1: may be slow; more: answers from this machine's own disk */
    unsigned most;   /* never more at a time than this; 0: no such bound */
};

/* What a worker does behind a share that it gave back: who may go on now is for itself to lease, or
 * another worker is woken for it. */
enum share_giver { GIVER_LEASES_NEXT, GIVER_GOES_ON };

/* True: the caller works for this target until share_give. resumed: by share_give or share_wait, which
 * then left a share for it; others find it taken. */
bool share_take(struct shares *, const struct share *, bool resumed);
void share_give(struct shares *, const struct share *, enum share_giver);
/* Lets go on who may, now and then: what was resumed and could not be read again never takes its
 * share, and after two seconds is not waited for. The caller leases next. */
void shares_nudge(struct shares *);
bool shares_awaited(struct shares *); /* does anything wait for a share? */
/* After a refused take: the lease goes to the target's list, and comes back when it is its turn. The
 * caller leases next. */
void share_wait(struct shares *, const struct share *, struct lease *);

#endif

/* store/spool_steps_suite.h - a spool's calls one after the other, for tests that want to wait for
 * each. */
#ifndef SESAME_STORE_SPOOL_STEPS_SUITE_H
#define SESAME_STORE_SPOOL_STEPS_SUITE_H

#include "store/spool.h"

/* What a commit came to. */
struct step {
    bool committed;
    enum fault_kind kind; /* when it was not */
};

/* One message with one entry; waits for the callback. `head`, `rules` are made from the id. */
struct step step_commit(struct spool *, const char *id, str body);
struct step step_commit_entries(struct spool *, const struct spool_entry *, size_t count, str body);
str step_body(struct arena *, size_t size, unsigned seed); /* the same for the same seed */

/* A lease of whatever is due within a second; fails the test when nothing is. */
struct lease step_lease(struct spool *, struct arena *);
/* fails the test when something is due */
struct lease step_lease_none(struct spool *, struct arena *);
unsigned step_number(const struct lease *); /* the digits behind its id's first letter */
str step_read_all(struct spool *, const struct lease *, struct arena *);
/* Until all that was pushed before is on disk: a commit of its own, leased and settled. */
void step_flush(struct spool *);
enum spool_state step_state(struct spool *, const char *id); /* 99: unknown */
/* Waits up to two seconds until it has this state. */
bool step_state_becomes(struct spool *, const char *id, enum spool_state);

#endif

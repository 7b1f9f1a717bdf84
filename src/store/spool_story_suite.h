/* store/spool_story_suite.h - a spool_log on a disk in memory, and what a test knows of it. */
#ifndef SESAME_STORE_SPOOL_STORY_SUITE_H
#define SESAME_STORE_SPOOL_STORY_SUITE_H

#include "store/spool_steps_suite.h"
#include "testing/clock.h"
#include "testing/disk_sim.h"
#include "testing/entropy.h"
#include "testing/journal.h"

enum { MESSAGES_MOST = 256 };

struct message { /* what the test knows of one */
    bool begun;
    uint64_t acked_at;    /* the step after which it was promised; 0: it was not */
    uint64_t settling_at; /* from here on it may be gone */
    uint64_t settled_at;  /* from here on it must be gone */
    bool dies;            /* it becomes a dead letter: then it is one, or it lives */
};

struct story { /* a spool on a disk in memory, and what happened to it */
    struct disk_sim *sim;
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct outside outside;
    struct spool *spool;
    struct arena *arena;
    struct message messages[MESSAGES_MOST];
    unsigned count;
};

extern const struct spool_limits small; /* segments of 128 KB, bodies over 8 KB in files */

void story_on(struct story *, struct disk_sim *); /* takes the disk; not open yet */
const struct fault *story_open(struct story *);
void story_close(struct story *);
void story_end(struct story *); /* closes, and frees the disk */

size_t size_of(unsigned n);                     /* of message n's body, step_body(size_of(n), n) */
struct step commit(struct story *, unsigned n); /* message n, with the id "m" and three digits */

#endif

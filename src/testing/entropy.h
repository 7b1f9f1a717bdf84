/* testing/entropy.h - randomness that repeats: the same seed gives the same bytes. Any thread. */
#ifndef SESAME_TESTING_ENTROPY_H
#define SESAME_TESTING_ENTROPY_H

#include "base/outside.h"

struct seeded_entropy {
    struct entropy entropy; /* first: pass &seeded.entropy */
    _Atomic uint64_t state;
};

struct seeded_entropy seeded_entropy(uint64_t seed);
uint64_t seeded_next(struct seeded_entropy *); /* for tests that want numbers */

#endif

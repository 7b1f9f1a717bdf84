/* testing/clock.h - a clock that stands still until it is turned. Any thread. */
#ifndef SESAME_TESTING_CLOCK_H
#define SESAME_TESTING_CLOCK_H

#include "base/outside.h"

struct fake_clock {
    struct clock clock; /* first: pass &fake.clock */
    _Atomic int64_t wall_ms, steady_ms;
};

/* "2026-03-02T09:15:42.317Z"; steady time begins at 1000000. A wrong text is an assertion. */
struct fake_clock fake_clock_at(const char *iso);
void fake_clock_turn(struct fake_clock *, int64_t ms);          /* both go on */
void fake_clock_step_wall(struct fake_clock *, int64_t ms);     /* as when an operator sets the time */

#endif

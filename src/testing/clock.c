/* testing/clock.c - a clock that stands still until it is turned. */
#include "testing/clock.h"

#include "base/when.h"

#include <assert.h>
#include <stdatomic.h>

static int64_t wall(struct clock *clock)
{
    return atomic_load(&((struct fake_clock *)clock)->wall_ms);
}

static int64_t steady(struct clock *clock)
{
    return atomic_load(&((struct fake_clock *)clock)->steady_ms);
}

struct fake_clock fake_clock_at(const char *iso)
{
    int64_t ms = 0;
    bool read = when_parse_iso(str_of(iso), &ms);
    assert(read && "the test's moment is ISO 8601");
    (void)read;
    return (struct fake_clock) { .clock = { .wall_ms = wall, .steady_ms = steady },
                                 .wall_ms = ms,
                                 .steady_ms = 1000000 };
}

void fake_clock_turn(struct fake_clock *c, int64_t ms)
{
    atomic_fetch_add(&c->wall_ms, ms);
    atomic_fetch_add(&c->steady_ms, ms);
}

void fake_clock_step_wall(struct fake_clock *c, int64_t ms)
{
    atomic_fetch_add(&c->wall_ms, ms);
}

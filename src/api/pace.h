/* api/pace.h - how many calls a second AWS lets an account make of one operation in one region.
 *
 * So many at once, and then one each time its share of the second is over. The places are bounded:
 * whoever called last longest ago gives up his, which by then allows everything anyway, unless more
 * callers than there are places come within a second. */
#ifndef SESAME_API_PACE_H
#define SESAME_API_PACE_H

#include "base/arena.h"

#include <stdint.h>

struct pace;

struct pace *pace_new(struct arena *, uint64_t calls_a_second); /* NULL: no memory */
/* May this call be made now? Any thread; `now_ms` is steady. The caller and what he calls are told
 * by account, region and operation together. */
bool pace_take(struct pace *, str account, str region, str operation, int64_t now_ms);

#endif

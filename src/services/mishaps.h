/* services/mishaps.h - failures on order: a developer has the next calls of a service fail as AWS's
 * do, to see what his code, his retries and his dead letters make of it.
 *
 * An order names a failure of a service's own, which calls it meets (operation, resource, caller; a
 * * in each stands for any run of characters) and how many times. A call meets it behind the
 * permission check, so that it is a call that would have succeeded. What fails so says "injected by
 * /_sesame/faults". Kept in memory alone. Any thread. */
#ifndef SESAME_SERVICES_MISHAPS_H
#define SESAME_SERVICES_MISHAPS_H

#include "base/buf.h"
#include "services/ports.h"

struct mishaps;
const struct fault *mishaps_open(struct arena *, struct mishaps **ret_mishaps);
void mishaps_close(struct mishaps *); /* NULL is fine */

/* {"service":"s3","fault":"SlowDown","operation":"PutObject","resource":"...","caller":"...","times":2}:
 * all but the first two may be missing. Writes the order as mishaps_write does. */
const struct fault *mishaps_order(struct mishaps *, str json, struct arena *, struct buf *out);
/* {"faults":[{"id",...,"times","met"}]}: a number of times that is 0 has no end. */
void mishaps_write(struct mishaps *, struct buf *out);
bool mishaps_cancel(struct mishaps *, str id); /* false: there is none of this id */
void mishaps_cancel_all(struct mishaps *);

/* NULL: the call meets none. Costs a look at one number while nothing is ordered. */
const struct fault *mishap_of_call(const struct call *, str action, str resource);

/* What a function is made to do instead of running. */
enum mishap_end { MISHAP_NONE, MISHAP_TIMEOUT, MISHAP_CRASH };
enum mishap_end mishap_of_function(struct mishaps *, const struct call *, str function_arn);

#endif

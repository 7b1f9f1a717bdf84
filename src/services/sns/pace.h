/* services/sns/pace.h - no more than so many deliveries a second to one subscription
 * (maxReceivesPerSecond), by giving each its moment. Any thread. Forgotten with the process. */
#ifndef SESAME_SERVICES_SNS_PACE_H
#define SESAME_SERVICES_SNS_PACE_H

#include "base/fault.h"

struct sns_pace;
struct sns_pace *sns_pace_new(void); /* NULL: no memory */
void sns_pace_free(struct sns_pace *);

/* When a delivery that wants to go at due_ms may go: then, or as soon after as the pace allows. Without
 * memory for another subscription: then. */
int64_t sns_pace_slot(struct sns_pace *, str subscription_arn, int per_second, int64_t due_ms, int64_t now_ms);

#endif

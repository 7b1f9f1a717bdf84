/* services/sns/delivery_policy.h - when a notification that was not taken is tried again, how many a
 * second a subscriber gets, and what HTTP calls it (SNS Developer Guide, "Amazon SNS message delivery
 * retries").
 *
 *     first attempt | no delay | at min delay | backoff, min to max | at max delay | given up
 *                   +---- numRetries in all, in these four phases, each may be empty ----+
 *
 * Pure: no clock. AWS spreads the moments a little ("jittering"); here they are as computed. */
#ifndef SESAME_SERVICES_SNS_DELIVERY_POLICY_H
#define SESAME_SERVICES_SNS_DELIVERY_POLICY_H

#include "base/buf.h"
#include "base/fault.h"

enum backoff { BACKOFF_LINEAR, BACKOFF_ARITHMETIC, BACKOFF_GEOMETRIC, BACKOFF_EXPONENTIAL };

struct retry_policy {
    int min_delay_s, max_delay_s;
    int retries; /* in all */
    int max_delay_retries, no_delay_retries, min_delay_retries;
    enum backoff backoff;
};
extern const struct retry_policy retry_http;    /* what http and https get unless told otherwise */
extern const struct retry_policy retry_managed; /* what SQS and Lambda get, always */

struct delivery_policy { /* as written: what it leaves out is not `has_` */
    bool has_retry, has_throttle, has_request;
    struct retry_policy retry;
    int per_second;
    str content_type;
    bool no_overrides; /* a topic's: disableSubscriptionOverrides */
};

/* A topic's is {"http":{"defaultHealthyRetryPolicy",...}}, a subscription's {"healthyRetryPolicy",...}.
 * FAULT_SYNTAX says what is wrong behind "DeliveryPolicy: "; it has no code. */
const struct fault *delivery_policy_read(str text, bool of_topic, struct arena *, struct delivery_policy *ret_policy);

/* What holds for a subscription: its own over its topic's over the defaults. NULL: it has none. */
struct delivery_policy delivery_policy_effective(const struct delivery_policy *topic,
                                                 const struct delivery_policy *subscription);
/* EffectiveDeliveryPolicy, as GetTopicAttributes and GetSubscriptionAttributes give it. */
void delivery_policy_write(const struct delivery_policy *effective, bool of_topic, struct buf *out);

/* How long after the attempt of this number (1: the first) the next one comes. False: none comes. */
bool retry_after(const struct retry_policy *, int attempt, int64_t *ret_delay_ms);

#endif

/* services/sns/subscription.h - who gets a topic's messages, and how.
 *
 *     PENDING --ConfirmSubscription--> CONFIRMED --Unsubscribe--> ENDED --(three days)--> gone
 *        |                                 ^                        |
 *        +--(three days)--> gone           +--ConfirmSubscription---+   by the token of its last message
 *
 * State: subscription/<account>/<region>/<topic>/<id>, account and region the topic's. */
#ifndef SESAME_SERVICES_SNS_SUBSCRIPTION_H
#define SESAME_SERVICES_SNS_SUBSCRIPTION_H

#include "aws/arn.h"
#include "base/buf.h"
#include "services/sns/delivery_policy.h"
#include "services/sns/filter.h"
#include "services/world.h"
#include "services/world_kinds.h"

enum protocol { PROTOCOL_HTTP, PROTOCOL_HTTPS, PROTOCOL_SQS, PROTOCOL_LAMBDA, PROTOCOLS };
str protocol_name(enum protocol);
bool protocol_of(str name, enum protocol *ret_protocol);

enum subscription_state { SUBSCRIPTION_PENDING, SUBSCRIPTION_CONFIRMED, SUBSCRIPTION_ENDED };

struct subscription {
    str arn; /* the topic's, a colon, and the id */
    struct arn topic;
    str id;
    enum protocol protocol;
    str endpoint;
    str owner, principal; /* the account, and the ARN of who subscribed */
    enum subscription_state state;
    int64_t created_ms;
    str token; /* confirms it until then */
    int64_t token_until_ms;
    bool authenticated;     /* ConfirmationWasAuthenticated */
    bool only_owner_ends;   /* AuthenticateOnUnsubscribe */
    str raw, filter_scope;  /* RawMessageDelivery, FilterPolicyScope, as set; STR_NONE: never */
    str filter_policy, delivery_policy_text, redrive_policy;
    const struct filter *filter; /* NULL: takes everything */
    struct delivery_policy delivery;
    str dead_letter_arn; /* STR_NONE: none */
};
enum { SUBSCRIPTION_TOKEN_LEN = 128, SUBSCRIPTION_TOKEN_MS = 3 * 24 * 3600 * 1000 };

static inline bool subscription_is_raw(const struct subscription *s) { return str_eq(s->raw, STR("true")); }

/* By its own ARN; NULL: there is none, or none any more. */
const struct subscription *subscription_find(const struct world *, str arn);
const struct subscription *subscription_find_any(const struct world *, str arn); /* ENDED ones too */
/* Those of a topic, whatever their state; `after`: the key of the one before, STR_NONE at first. */
bool subscription_next(const struct world *, const struct arn *topic, str *key, const struct subscription **ret_subscription);

str subscription_state_key(struct arena *, const struct arn *topic, str id);
void subscription_encode(const struct subscription *, struct buf *out);
aggregate_compile_fn subscription_compile;

/* RedrivePolicy: {"deadLetterTargetArn":"arn:...:sqs:..."}. FAULT_SYNTAX without a code. */
const struct fault *redrive_policy_read(str text, struct arena *, str *ret_arn);

#endif

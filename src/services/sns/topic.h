/* services/sns/topic.h - a topic: its attributes, who may do what with it, its tags.
 *
 * State: topic/<account>/<region>/<name>. The policy is compiled once, when it is saved. */
#ifndef SESAME_SERVICES_SNS_TOPIC_H
#define SESAME_SERVICES_SNS_TOPIC_H

#include "base/buf.h"
#include "base/header.h"
#include "policy/document.h"
#include "services/sns/delivery_policy.h"
#include "services/world.h"
#include "services/world_kinds.h"

struct topic {
    struct arn arn;
    str name;
    int64_t created_ms;
    str policy_text;
    const struct document *policy;
    str display_name;         /* empty: none */
    str delivery_policy_text; /* STR_NONE: none was set, as with the next three */
    str kms_key_id;
    str signature_version; /* "1" or "2" */
    str tracing_config;
    struct delivery_policy delivery;
    const struct header *tags; /* in the order they came */
    size_t tag_count;
};

/* NULL: there is none. Lives as long as the world. */
const struct topic *topic_find(const struct world *, const struct arn *);

bool topic_name_ok(str name); /* 1 to 256 letters, digits, dashes and underscores */
bool topic_signs_sha256(const struct topic *);

str topic_arn(struct arena *, str region, str account, str name);
str topic_state_key(struct arena *, const struct arn *); /* STR_NONE: the arena is full */
/* What a topic is made with: its owner may do everything. Exactly as SNS prints it. */
str topic_default_policy(struct arena *, str arn, str account);
void topic_encode(const struct topic *, struct buf *out);
aggregate_compile_fn topic_compile;

#endif

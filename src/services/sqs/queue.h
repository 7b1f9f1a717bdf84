/* services/sqs/queue.h - a queue: its attributes, who may do what with it, its tags. Its messages lie
 * elsewhere (messages.h), under the queue's id.
 *
 * State: queue/<account>/<region>/<name>. A queue that is made again under an old name has another id. */
#ifndef SESAME_SERVICES_SQS_QUEUE_H
#define SESAME_SERVICES_SQS_QUEUE_H

#include "base/buf.h"
#include "base/header.h"
#include "policy/document.h"
#include "services/world.h"
#include "services/world_kinds.h"

struct queue {
    struct arn arn;
    str name;
    str id; /* of its messages */
    int64_t created_ms, modified_ms;
    int64_t visibility_s, delay_s, retention_s, wait_s, message_max;
    str policy_text; /* STR_NONE: none was set, as with the next two */
    str redrive_text, redrive_allow_text;
    const struct document *policy;
    str dead_letter_arn; /* STR_NONE: none */
    int64_t max_receives;
    const struct header *tags;
    size_t tag_count;
};

/* NULL: there is none. Lives as long as the world. */
const struct queue *queue_find(const struct world *, str region, str account, str name);
const struct queue *queue_find_arn(const struct world *, str arn);

bool queue_name_ok(str name); /* 1 to 80 letters, digits, dashes and underscores */
str queue_arn(struct arena *, str region, str account, str name);
str queue_state_key(struct arena *, const struct arn *);
void queue_encode(const struct queue *, struct buf *out);
aggregate_compile_fn queue_compile;

/* Sets an attribute by SQS's name; FAULT_SYNTAX, coded as SQS codes it. The value is borrowed. */
const struct fault *queue_set(struct queue *, str name, str value, struct arena *);
/* The i-th attribute, as SQS lists them; false past the end. A value may be STR_NONE: not set. Texts live
 * in the arena. */
bool queue_attribute(const struct queue *, size_t i, struct arena *, str *ret_name, str *ret_value);

#endif

/* services/sns/embedded.h - what the operations of SNS share. */
#ifndef SESAME_SERVICES_SNS_EMBEDDED_H
#define SESAME_SERVICES_SNS_EMBEDDED_H

#include "services/authorize.h"
#include "services/sns/sns.h"

enum { SNS_RECORD_MAX = 512 * 1024, SNS_TRIES = 16 };

/* FAULT_SYNTAX, InvalidParameter: "Invalid parameter: ...". */
const struct fault *sns_invalid(const struct call *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What is not built here, said plainly. */
const struct fault *sns_unbuilt(const struct call *, const char *what);
/* "Invalid parameter: " or "Invalid parameter: Attributes Reason: " before what a reader said. */
const struct fault *sns_refused(const struct call *, bool in_attributes, const struct fault *why);
const struct fault *sns_in_between(const struct call *);

/* The topic of an ARN, in the region of the call. */
const struct fault *sns_find_topic(const struct call *, str arn, const struct topic **ret_topic);
/* May the caller do this to the topic? `also`: further condition keys. */
const struct fault *sns_ask(const struct call *, const struct topic *, str action, const struct context_key *also,
                            size_t also_count);
/* What names no topic: "*". */
const struct fault *sns_ask_any(const struct call *, str action);

/* Reads the topic from the state, lets `change` alter it, puts it back; again if others were faster. */
typedef const struct fault *topic_change_fn(void *context, const struct call *, struct topic *);
const struct fault *sns_change_topic(struct sns_service *, const struct call *, const struct topic *,
                                     topic_change_fn *, void *context);

/* One message on its way to one subscription. */
struct sns_parcel {
    const struct subscription *subscription;
    const struct sns_message *message;
    str data_key, nonce;          /* ciphertext of the key the body is sealed with; STR_NONE: it is not */
    const struct caller *caller;  /* as whom the key was asked for */
    int64_t due_ms;
};
const struct fault *sns_parcel_errand(struct sns_service *, const struct sns_parcel *, struct arena *,
                                      struct errand *ret_errand);
/* A confirmation, to the subscription's own endpoint; durable when it returns. */
const struct fault *sns_send_confirmation(struct sns_service *, const struct call *, const struct subscription *,
                                          enum message_type);

/* The other half of sns_parcel_errand: what the head says. */
struct sns_label {
    str subscription_arn;
    str data_key, nonce;
    struct caller caller;
};
const struct fault *sns_label_read(str head, struct arena *, struct sns_label *ret_label);
/* aws:sns:topicArn: what a topic's data keys are bound to. */
struct encryption_context sns_encryption_context(struct arena *, str topic_arn);

str sns_url(struct sns_service *); /* waits until it was told */

const struct fault *sns_rehearse_publish(struct sns_port *, const struct call *, const struct publish *,
                                         str *ret_message_id);
struct errand_end sns_run_errand(struct errand_runner *, const struct errand_attempt *);

#endif

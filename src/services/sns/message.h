/* services/sns/message.h - one message on its way to subscribers: as it lies in the spool, as each kind
 * of subscriber gets it, and what of it is signed.
 *
 * The forms are those of the SNS Developer Guide, "Parsing Amazon SNS message formats"; the string to
 * sign is that of "Verifying the signatures of Amazon SNS messages". */
#ifndef SESAME_SERVICES_SNS_MESSAGE_H
#define SESAME_SERVICES_SNS_MESSAGE_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/header.h"
#include "services/ports.h"

enum message_type { MESSAGE_NOTIFICATION, MESSAGE_SUBSCRIBE, MESSAGE_UNSUBSCRIBE };
str message_type_name(enum message_type); /* "Notification", "SubscriptionConfirmation", ... */

struct sns_message {
    enum message_type type;
    str message_id, topic_arn;
    int64_t at_ms;
    str subject;                   /* STR_NONE: none */
    str message;                   /* the default one where there are several */
    const struct header *variants; /* MessageStructure json: protocol and its own text */
    size_t variant_count;
    const struct message_attribute *attributes;
    size_t attribute_count;
    str token; /* of a confirmation */
};

/* What a subscriber of this protocol ("http", "sqs", ...) reads. */
str message_text(const struct sns_message *, str protocol);

/* As it lies in the spool. What is decoded lives as long as text and arena. */
void message_encode(const struct sns_message *, struct buf *out);
const struct fault *message_decode(str text, struct arena *, struct sns_message *ret_message);

/* One subscriber's view of it. */
struct envelope_view {
    const struct sns_message *message;
    str text;              /* message_text */
    str subscription_arn;
    str signature_version; /* "1" or "2" */
    str signature, cert_url;
    str url; /* UnsubscribeURL of a notification, SubscribeURL of a confirmation */
};
str message_string_to_sign(const struct envelope_view *, struct arena *);
void message_write(const struct envelope_view *, struct buf *out);        /* for http, https and sqs */
void message_write_lambda(const struct envelope_view *, struct buf *out); /* the event of a function */

#endif

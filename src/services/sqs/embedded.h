/* services/sqs/embedded.h - what the operations of SQS share. */
#ifndef SESAME_SERVICES_SQS_EMBEDDED_H
#define SESAME_SERVICES_SQS_EMBEDDED_H

#include "services/authorize.h"
#include "services/sqs/sqs.h"

const struct fault *sqs_no_such_queue(const struct call *);
const struct fault *sqs_ask(const struct call *, const struct queue *, str action);
/* The queue that a URL names, in the region of the call; and may the caller do this to it? */
const struct fault *sqs_enter(const struct call *, str url, str action, const struct queue **ret_queue);
void sqs_wake(struct sqs_service *); /* those who wait for a message */

const struct fault *sqs_send_as_port(struct sqs_port *, const struct call *, str queue_arn, str message,
                                     const struct message_attribute *, size_t count);

#endif

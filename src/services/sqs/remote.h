/* services/sqs/remote.h - queues at an endpoint the operator names, in place of the embedded ones: SNS's
 * messages and dead letters go there by SendMessage, signed with the operator's credentials.
 *
 * Who may send is for that endpoint's policies to say, of these credentials; sns.amazonaws.com cannot be
 * shown to it. */
#ifndef SESAME_SERVICES_SQS_REMOTE_H
#define SESAME_SERVICES_SQS_REMOTE_H

#include "base/outside.h"
#include "services/ports.h"

struct sqs_remote_settings {
    str endpoint; /* "https://sqs.eu-west-1.amazonaws.com" */
    str access_key_id, secret_access_key;
    struct outside *outside;
};
/* Lives in the arena and borrows the texts. FAULT_SYNTAX: the endpoint is no http URL. */
const struct fault *sqs_remote_open(const struct sqs_remote_settings *, struct arena *, struct sqs_port **ret_port);

#endif

/* api/ses_send.h - what sending by v1 and by v2 share: the way out, and SendEmail's message made. */
#ifndef SESAME_API_SES_SEND_H
#define SESAME_API_SES_SEND_H

#include "api/api.h"
#include "api/operation.h"
#include "mail/compose.h"
#include "receive/send.h"

enum {
    SEND_LIST_MAX = 1000,                /* addresses read, before they are counted and found too many */
    SEND_V1_MAX = 10 * 1024 * 1024,      /* Developer Guide, "Service quotas": a message by v1 */
    SEND_V2_MAX = 40 * 1024 * 1024,      /* and by v2 */
    SEND_V1_TEXT_MAX = 16 * 1024 * 1024, /* in base64, as a form has it */
    SEND_V2_TEXT_MAX = 56 * 1024 * 1024, /* in base64, as JSON */
};

/* Fills host, and sends. */
const struct fault *ses_send(struct api *, const struct api_call *, struct send *, str *ret_message_id);

/* A made message: the destinations are those of To and Cc, and bcc besides. */
struct ses_email {
    struct compose compose; /* less its token */
    const str *bcc;
    size_t bcc_count;
};
const struct fault *ses_send_email(struct api *, const struct api_call *, struct send *,
                                   const struct ses_email *, str *ret_message_id);

#endif

/* receive/send.h - API SendRawEmail and SendEmail: mail of the caller's own, from identities that are
 * verified, left as outgoing errands (outgoing.h).
 *
 *   who, and to whom --> may he, on each identity --> is it well said --> is each verified
 *                                                 --> the message as it leaves --> left
 *
 * Just enough for functions that forward: no templates, no configuration sets, no sending for identities
 * of another account. Each of them is refused by its name. */
#ifndef SESAME_RECEIVE_SEND_H
#define SESAME_RECEIVE_SEND_H

#include "mail/compose.h"
#include "receive/outgoing.h"

enum { SEND_RECIPIENTS_MAX = 50 };

struct send { /* what is text here is as the caller wrote it; STR_NONE: he did not */
    str action;      /* "ses:SendRawEmail", "ses:SendEmail" */
    str api_version; /* "1", "2" */
    str source;      /* "Name <a@b.test>"; absent: the message's From */
    str return_path; /* whom its bounces go to */
    bool source_bounces; /* v1: without a return path it is the source, whatever the message's own says */
    const str *destinations; /* none: the message's To, Cc and Bcc */
    size_t destination_count;
    str octets; /* the message, with any line ends; or */
    const struct compose *made; /* what it is made of, its To and Cc among the destinations; NULL: octets */
    size_t size_max;
    str configuration_set;
    const str *identity_arns; /* for whom it is sent; some may be absent */
    size_t identity_arn_count;
    str host; /* the right side of Message-ID */
    const struct fault *refused; /* what is wrong with the request besides: told to those who may send */
};

/* Durable when it returns. *ret_message_id, in the call's arena: as SES's, "<16 hex>-<uuid>-000000".
 * Faults have v1's codes: InvalidParameterValue, MessageRejected, ConfigurationSetDoesNotExist, AccessDenied. */
const struct fault *send_mail(const struct outgoing_way *, const struct call *, const struct send *,
                              str *ret_message_id);

#endif

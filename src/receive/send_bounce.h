/* receive/send_bounce.h - API SendBounce: a bounce in the caller's words, of a message received in his account
 * and region at most a day ago; ses-receiving spec 12.5.
 *
 * The third part returns Return-Path, Received and the message's own header section (header_section.h); of a
 * message whose timeline is no longer kept there is nothing to answer. */
#ifndef SESAME_RECEIVE_SEND_BOUNCE_H
#define SESAME_RECEIVE_SEND_BOUNCE_H

#include "mail/dsn.h"
#include "receive/bounce.h"

struct send_bounce {
    str original_message_id, sender;
    str hostname;      /* of the endpoint */
    str explanation;   /* STR_NONE: SES's own words */
    str reporting_mta; /* STR_NONE: "dns; " and the hostname */
    int64_t arrival_ms; /* 0: the message's own */
    const struct header *extensions;
    size_t extension_count;
    const struct dsn_recipient *recipients;
    size_t recipient_count;
};

/* As the call's caller, who has been authorised. Durable when it returns; MessageRejected: no such
 * message, a sender not verified, a recipient it did not have, or a sender who cannot be told. */
const struct fault *send_bounce(const struct outgoing_way *, const struct call *,
                                const struct send_bounce *, str *ret_message_id);

#endif

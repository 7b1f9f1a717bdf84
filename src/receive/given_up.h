/* receive/given_up.h - tells the sender of outgoing mail that it was given up: refused for good, or not taken for four
 * hours (RFC 3464; RFC 5321 6.1).
 *
 * The notification goes to the reverse path, from the null one, as outgoing mail of its own: to a domain that is received
 * here it comes in by SMTP, as from anywhere. As SES does it while nobody asks for another way of feedback. */
#ifndef SESAME_RECEIVE_GIVEN_UP_H
#define SESAME_RECEIVE_GIVEN_UP_H

#include "receive/outgoing.h"

struct given_up {
    const struct errand *errand;
    str reverse_path, forward_path;
    str message;         /* its header section at least */
    struct sending last; /* what was said last */
    int64_t since_ms;    /* taken on, or redriven */
    str hostname;        /* Reporting-MTA, and the right side of From and Message-ID */
};

/* Why nobody is told: no two servers shall tell each other for ever. STR_NONE: he is. */
str given_up_barred(const struct given_up *, struct arena *);

/* Durable when it returns. Told twice, by an attempt that ran twice, it has the same Message-ID. *ret_id: the errand's. */
const struct fault *given_up_tell(const struct outgoing_way *, const struct given_up *, int64_t now_ms, struct arena *,
                                  str *ret_id);

#endif

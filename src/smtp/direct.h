/* smtp/direct.h - mail to elsewhere, by the exchanges that the recipient's domain names: a `mailer_port` without a
 * relay.
 *
 * One host after the other, one address after the other, until somebody takes the message or refuses it for
 * good; one deadline for all. STARTTLS is used where it is offered. To ourselves as to anybody, but never past us to an
 * exchange that ranks behind us (RFC 5321 5.1). */
#ifndef SESAME_SMTP_DIRECT_H
#define SESAME_SMTP_DIRECT_H

#include "base/outside.h"
#include "services/ports.h"
#include "smtp/ourselves.h"

struct smtp_direct_settings {
    str hostname;         /* for EHLO */
    unsigned port;        /* where exchanges listen */
    bool private_targets; /* addresses that are not out on the Internet are dialled too */
    int64_t patience_ms;  /* for one message; 0: 2 minutes */
    int64_t answer_ms;    /* for the answer to all of it, beyond that; 0: LINE_ANSWER_MS */
    const struct ourselves *own;
};
/* Of the outside: clock, entropy, resolver. */
const struct fault *smtp_direct_open(const struct smtp_direct_settings *, const struct outside *,
                                     struct arena *, struct mailer_port **ret_mailer);

#endif

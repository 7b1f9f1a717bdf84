/* smtp/client.h - mail to elsewhere: the `mailer_port` of a relay, spoken to over a socket.
 *
 * Blocks its thread, one connection a message, one deadline for all of it. */
#ifndef SESAME_SMTP_CLIENT_H
#define SESAME_SMTP_CLIENT_H

#include "base/outside.h"
#include "services/ports.h"
#include "smtp/ourselves.h"
#include "smtp/talk.h"
#include "wire/tls.h"

struct smtp_client_settings {
    str relay;           /* host:port */
    enum talk_tls tls;   /* OFFERED: unchecked, or else in the clear; REQUIRED, FIRST: with a checked certificate */
    str ca_file;         /* who is trusted then; STR_NONE: whom this machine trusts */
    struct login login; /* user STR_NONE: none; where it lies, it stays as long as the client */
    str hostname;        /* for EHLO */
    const struct ourselves *own; /* a relay that is this server is not spoken to */
    int64_t patience_ms; /* for one message, from the first packet to the last; 0: 2 minutes */
    int64_t answer_ms;   /* for the answer to all of it, beyond that; 0: LINE_ANSWER_MS */
};
const struct fault *smtp_client_open(const struct smtp_client_settings *, struct clock *,
                                     struct arena *, struct mailer_port **ret_mailer);

#endif

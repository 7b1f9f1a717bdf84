/* smtp/lmtp.h - a message to a mail store by LMTP (RFC 2033): each recipient is answered for
 * himself. */
#ifndef SESAME_SMTP_LMTP_H
#define SESAME_SMTP_LMTP_H

#include "base/outside.h"
#include "services/ports.h"

struct lmtp_store {
    str address;  /* host:port */
    str hostname; /* for LHLO */
    struct clock *clock;
    int64_t patience_ms; /* for all of it; 0: 2 minutes */
};
/* Blocks its thread. In the clear: a mail store stands beside us. */
void lmtp_deliver(const struct lmtp_store *, const struct workmail_mail *, struct arena *,
                  struct sending *each);

#endif

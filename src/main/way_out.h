/* main/way_out.h - how mail leaves: by the relay, by the domains' own exchanges, or not at all. */
#ifndef SESAME_MAIN_WAY_OUT_H
#define SESAME_MAIN_WAY_OUT_H

#include "base/outside.h"
#include "main/config.h"
#include "services/ports.h"
#include "smtp/ourselves.h"
#include "smtp/login.h"
#include "wire/dns.h"

struct way_out {
    struct mailer_port *mailer; /* NULL: outgoing mail is off */
    struct dns *dns;
    struct ourselves own; /* way_out_listens fills it */
    struct login login; /* for the relay: main/relay_login.h; user STR_NONE: none */
};

/* The login was read. hostname: for EHLO. private_targets: what --mx-targets is when it is not given. The outside's resolver is set
 * when one is needed. */
const struct fault *way_out_open(struct way_out *, const struct config *, str hostname, bool private_targets,
                                 struct outside *, struct arena *);
void way_out_listens(struct way_out *, str address); /* before any mail is sent: what leads back here */
void way_out_close(struct way_out *);                /* nobody sends any more */

#endif

/* wire/dns.h - the real resolver: libunbound, its cache shared by all who ask.
 *
 * Its work is done on a thread of its own, which begins with the first question: so a process may change its user
 * before that. Who asks waits on his own thread, no longer than he said. What he no longer waits for is resolved
 * all the same, and the cache has it when he asks again. */
#ifndef SESAME_WIRE_DNS_H
#define SESAME_WIRE_DNS_H

#include "base/outside.h"

struct dns;
/* server: "127.0.0.1:5353", "[::1]:53"; STR_NONE: those of /etc/resolv.conf, and where it names none the root's. */
const struct fault *dns_open(str server, struct clock *, struct arena *, struct dns **ret_dns);
struct resolver *dns_resolver(struct dns *);
void dns_close(struct dns *); /* nobody asks any more; NULL is fine */

#endif

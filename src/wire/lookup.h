/* wire/lookup.h - the addresses of a host, as this machine knows them, by a deadline.
 *
 * The system's own look-up (getaddrinfo: /etc/hosts, search domains, DNS, and whatever
 * nsswitch.conf adds) keeps no deadline, so it is done on a thread of its own, and left alone when
 * it takes too long: it ends by itself. */
#ifndef SESAME_WIRE_LOOKUP_H
#define SESAME_WIRE_LOOKUP_H

#include "base/outside.h"

#include <netdb.h>
#include <sys/socket.h>

enum { LOOKUP_MAX = 16 }; /* addresses of one host; more are passed over */

struct lookup {
    struct sockaddr_storage addresses[LOOKUP_MAX]; /* with the port, in the system's order */
    socklen_t sizes[LOOKUP_MAX];
    size_t count;
};

/* As getaddrinfo has it; a test brings a slow one. */
typedef int lookup_fn(const char *host, const char *port, const struct addrinfo *wanted,
                      struct addrinfo **ret_found);

/* Blocks its thread until deadline_ms of the steady clock at most; an address needs no look-up and
 * no thread. */
const struct fault *lookup_host(lookup_fn *, const char *host, const char *port, struct clock *,
                                int64_t deadline_ms, struct arena *, struct lookup *ret_lookup);

#endif

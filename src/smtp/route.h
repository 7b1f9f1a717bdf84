/* smtp/route.h - where mail to a domain goes: its exchanges, their addresses, and why there are none.
 *
 *   RFC 5321 5.1    MX records by preference, equal ones in any order; none: the domain itself
 *   RFC 7505        "0 ." says that the domain takes no mail
 *   RFC 5321 4.1.3  an address literal is its own route
 *
 * DNS is asked, nothing is dialled. What a stranger's zone can make of it is bounded. */
#ifndef SESAME_SMTP_ROUTE_H
#define SESAME_SMTP_ROUTE_H

#include "base/outside.h"
#include "services/ports.h"

#include <sys/socket.h>

enum { ROUTE_HOSTS_MAX = 10, ROUTE_ADDRESSES_MAX = 8 /* of one host */ };

struct route_host {
    str name; /* an address literal with its brackets */
    unsigned preference;
};
struct route {
    struct route_host hosts[ROUTE_HOSTS_MAX]; /* in the order in which they are to be tried */
    size_t count;
    bool implicit; /* there is no MX: the domain itself */
};
struct route_address {
    struct sockaddr_storage address; /* with the port */
    str text;                        /* "192.0.2.1:25", "[2001:db8::1]:25" */
};

struct route_means {
    struct resolver *resolver;
    struct entropy *entropy; /* shuffles equal preferences */
    int64_t deadline_ms;     /* steady */
};

/* Of a forward path, a domain or an address literal. False: *ret_why says why there is no route, SENT_REFUSED
 * for good, SENT_LATER when DNS may say it another time. */
bool route_find(const struct route_means *, str domain, struct arena *, struct route *ret_route,
                struct sending *ret_why);

/* Where a host is, IPv6 first. False: as above, of this host alone. */
bool route_addresses(const struct route_means *, const struct route_host *, unsigned port, struct arena *,
                     struct route_address ret_addresses[ROUTE_ADDRESSES_MAX], size_t *ret_count,
                     struct sending *ret_why);

/* Behind the last @; the whole when there is none. */
str route_domain_of(str forward_path);

#endif

/* services/ses/filters.h - IP address filters: who may connect for an account, per region
 * (ses-receiving spec 3).
 *
 * State: receipt-filters/<account>/<region> holds all filters of an account in a region. */
#ifndef SESAME_SERVICES_SES_FILTERS_H
#define SESAME_SERVICES_SES_FILTERS_H

#include "policy/values.h"
#include "services/ports.h"
#include "services/world_kinds.h"

enum { FILTERS_MAX = 100 };

struct receipt_filter {
    str name;
    bool allow; /* else it blocks */
    str cidr;   /* as it was given: host bits may be set */
    struct network network;
};
struct receipt_filters {
    const struct receipt_filter *list; /* by name */
    size_t count;
};

/* NULL: none. Lives as long as the world. */
const struct receipt_filters *filters_find(const struct world *, str account, str region);

/* A network of IPv4 written within IPv6 (::ffff:192.0.2.0/120) becomes the IPv4 network. */
void filter_network_unmap(struct network *);

/* The address of one who connects; one of IPv4 in IPv6 (::ffff:192.0.2.1) is the IPv4 address it holds. */
bool filter_peer_read(str address, struct network *ret_peer);

/* Which filter speaks of the peer: any Allow that matches, which lets it pass whatever else there is;
 * else any Block that matches, which refuses it. Prefix length plays no part. NULL: none does. */
const struct receipt_filter *filters_judge(const struct receipt_filters *, const struct network *peer);

/* In the caller's account and the call's region; SES's codes and messages (spec 12.6). */
const struct fault *filter_create(struct state *, const struct call *, str name, bool allow, str cidr);
const struct fault *filter_delete(struct state *, const struct call *, str name); /* absent: fine */

/* One address, or a network of one family in its usual spelling: no dot in an IPv6 address, no
 * brackets, no zone. */
bool filter_cidr_read(str cidr, struct network *ret_network);

aggregate_compile_fn filters_compile;

#endif

/* main/descriptors.h - how many descriptors the process may have (RLIMIT_NOFILE, getrlimit(2)), and who gets them.
 *
 * Strangers decide how many connections there are; without a share of their own they would take what deliveries, the
 * spool and the API cannot do without. */
#ifndef SESAME_MAIN_DESCRIPTORS_H
#define SESAME_MAIN_DESCRIPTORS_H

#include "base/outside.h"
#include "main/config.h"

struct descriptors {
    size_t limit;    /* what the process may have open, all told */
    size_t own;      /* kept free of connections: files, databases, deliveries, functions */
    size_t api;      /* HTTP connections */
    size_t sessions; /* SMTP connections; at most what the configuration allows */
};

enum { DESCRIPTORS_LEAST = 128, API_CONNECTIONS = 1000 };

/* Shares `limit` out, at least DESCRIPTORS_LEAST. Where it is small, all get less, nobody nothing. */
struct descriptors descriptors_share(size_t limit, const struct config *, unsigned loops, unsigned functions);

/* Raises the soft limit to the hard one. FAULT_LIMIT: they are too few even so. */
const struct fault *descriptors_raise(struct arena *, size_t *ret_limit);

/* Tells when there are fewer SMTP connections than the configuration allows, or HTTP connections than
 * API_CONNECTIONS. */
void descriptors_note(const struct descriptors *, const struct config *, struct journal *);

#endif

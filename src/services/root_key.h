/* services/root_key.h - the one secret from which the services' own keys are derived.
 *
 * 32 octets, kept apart from the data they protect (mode 0600 in a folder of its own, a file the
 * operator names, or a systemd credential). Lives as long as the server, in memory that no core
 * dump shows. */
#ifndef SESAME_SERVICES_ROOT_KEY_H
#define SESAME_SERVICES_ROOT_KEY_H

#include "base/fault.h"

enum { ROOT_KEY_OCTETS = 32 };
struct root_key {
    unsigned char octets[ROOT_KEY_OCTETS];
};

/* A key for one purpose ("kms 1", "sts 1"): HMAC-SHA-256 of its name. The caller wipes it. */
void root_key_derive(const struct root_key *, str purpose, unsigned char ret_key[ROOT_KEY_OCTETS]);

struct state;
#define ROOT_KEY_CHECK STR("root-key/check") /* the one record of a state that nobody has used */

/* Is this the root key under which the state's secrets were wrapped? A value derived from it is kept
 * there, from which nothing else can be derived. FAULT_CONFLICT: it is another one, and something is
 * wrapped already; while nothing is, any key will do. */
const struct fault *root_key_check(const struct root_key *, struct state *, struct arena *);

#endif

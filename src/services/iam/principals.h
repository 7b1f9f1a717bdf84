/* services/iam/principals.h - which of the principals that a policy names exist: what the services
 * look up when one is saved. */
#ifndef SESAME_SERVICES_IAM_PRINCIPALS_H
#define SESAME_SERVICES_IAM_PRINCIPALS_H

#include "policy/validate.h"
#include "services/world.h"

/* Borrows the world. */
struct principal_register principals_of(const struct world *);

#endif

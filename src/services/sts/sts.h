/* services/sts/sts.h - the embedded STS: a role is assumed when its trust policy says so. */
#ifndef SESAME_SERVICES_STS_STS_H
#define SESAME_SERVICES_STS_STS_H

#include "services/ports.h"

/* Roles are those of the call's world. A session is arn:aws:sts::A:assumed-role/NAME/SESSION and
 * carries no source keys. No such role, a role that does not trust the caller, and a role of
 * another account than a service's rule are all FAULT_DENIED. Lives in the arena; NULL: no memory.
 */
struct sts_port *sts_embedded_open(struct arena *);

/* Letters, digits and =,.@_- : what a session may be called. Others become '-'; at most 64. */
str sts_session_name(struct arena *, str wish);

#endif

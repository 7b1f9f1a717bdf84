/* services/connect/connect.h - Amazon Connect as mail meets it: StartEmailContact, decided here,
 * and handed on to a hook of the operator's.
 *
 * Instances are not kept: whether one exists only its hook can say. */
#ifndef SESAME_SERVICES_CONNECT_CONNECT_H
#define SESAME_SERVICES_CONNECT_CONNECT_H

#include "services/ports.h"

struct connect_service;
struct connect_rehearsal {
    struct connect_port port;
    struct connect_service *service;
};
struct connect_service {
    struct connect_port port;           /* &service->port */
    struct connect_rehearsal rehearsal; /* the same call judged and not made */
    str hook;                           /* its URL; STR_NONE: none was named */
    int64_t patience_ms;                /* for an answer; 0: 30 s */
};
const struct fault *connect_open(str hook, struct arena *, struct connect_service **ret_service);

#endif

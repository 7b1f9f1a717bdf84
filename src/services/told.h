/* services/told.h - a text that is known only when the server listens, and waited for until then. */
#ifndef SESAME_SERVICES_TOLD_H
#define SESAME_SERVICES_TOLD_H

#include "base/str.h"

#include <pthread.h>

struct told {
    pthread_mutex_t lock;
    pthread_cond_t said;
    str text; /* STR_NONE: not yet */
};

void told_open(struct told *);
void told_close(struct told *);
void told_say(struct told *, str text); /* kept as it is: it lives as long as whoever hears it */
str told_hear(struct told *);           /* waits */

#endif

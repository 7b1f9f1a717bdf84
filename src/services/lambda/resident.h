/* services/lambda/resident.h - how much memory processes have, for where no cgroup counts it. */
#ifndef SESAME_SERVICES_LAMBDA_RESIDENT_H
#define SESAME_SERVICES_LAMBDA_RESIDENT_H

#include "base/str.h"

#include <sys/types.h>

struct resident {
    pid_t session; /* 0: nobody is meant */
    unsigned uid;  /* all of this user's as well; 0: the session alone */
    uint64_t size; /* of all of them, in bytes: written */
};
void resident_measure(struct resident *, size_t count);

#endif

/* receive/clerk.h - a witness who writes down each decision as it is made, told whole
 * (policy/explanation.h). */
#ifndef SESAME_RECEIVE_CLERK_H
#define SESAME_RECEIVE_CLERK_H

#include "base/buf.h"
#include "services/ports.h"

struct clerk {
    struct witness witness; /* for struct acting; where the clerk lies he must stay */
    struct arena *arena;
    struct buf decisions; /* JSON objects, separated by commas */
    bool failed;          /* not all of them are there */
};

struct clerk clerk_new(struct arena *);
void clerk_free(struct clerk *);
#define AUTO_CLERK __attribute__((cleanup(clerk_free))) struct clerk

#endif

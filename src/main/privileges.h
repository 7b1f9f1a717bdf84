/* main/privileges.h - giving up what a server does not need.
 *
 * Started as root with --user: first the files are made as that user (lower), then, only to bind,
 * root again for a moment (raise), then the user for good (drop). */
#ifndef SESAME_MAIN_PRIVILEGES_H
#define SESAME_MAIN_PRIVILEGES_H

#include "base/fault.h"

struct privileges {
    bool changes; /* we are root and shall become someone */
    unsigned uid, gid;
    str user;
};

/* user STR_NONE: stay who we are. FAULT_ABSENT: no such user. */
const struct fault *privileges_of(str user, struct arena *, struct privileges *ret_privileges);
const struct fault *privileges_give(const struct privileges *, str path,
                                    struct arena *); /* chown */
/* Gives up what of root's capabilities (capabilities(7)) is wanted neither until the sockets are bound nor afterwards.
 * Before there are threads: a capability is a thread's own, and those that follow have what this one has. False: the kernel
 * would not. */
bool privileges_shrink(const struct privileges *);
/* The capabilities that this thread could still use: names, blanks between; "": none. */
str privileges_left(struct arena *);
const struct fault *privileges_lower(const struct privileges *, struct arena *);
const struct fault *privileges_raise(const struct privileges *, struct arena *);
void privileges_no_dumps(void); /* no core dumps from here on; first of all, before a key is read */
/* For all threads and for good, checked; no core dumps, no new privileges. */
const struct fault *privileges_drop(const struct privileges *, struct arena *);

#endif

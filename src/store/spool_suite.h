/* store/spool_suite.h - what every spool must do, whatever it is made of. */
#ifndef SESAME_STORE_SPOOL_SUITE_H
#define SESAME_STORE_SPOOL_SUITE_H

#include "store/spool.h"

struct spool_maker {
    /* Opens the same spool each time: what was committed before is there again. */
    const struct fault *(*open)(void *context, struct arena *, struct spool **ret_spool);
    void (*clear)(void *context);            /* nothing is in it any more; it is not open */
    void (*turn)(void *context, int64_t ms); /* the wall clock goes on */
    int64_t (*now)(void *context);
    void *context;
};

int spool_suite_run(const struct spool_maker *); /* a cmocka group; how many failed */
int spool_asked_suite_run(const struct spool_maker *); /* the same, of what is asked without a lease */

#endif

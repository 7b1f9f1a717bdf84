/* store/state_suite.h - what every state must do, whatever it is made of. */
#ifndef SESAME_STORE_STATE_SUITE_H
#define SESAME_STORE_STATE_SUITE_H

#include "store/state.h"

struct state_maker {
    /* Opens the same state each time: what was stored before is there again. */
    const struct fault *(*open)(void *context, struct arena *, struct state **ret_state);
    void (*clear)(void *context); /* nothing is stored any more; it is not open */
    void *context;
};

int state_suite_run(const struct state_maker *); /* a cmocka group; how many failed */

#endif

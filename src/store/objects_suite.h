/* store/objects_suite.h - what every store of objects must do, whatever it is made of. */
#ifndef SESAME_STORE_OBJECTS_SUITE_H
#define SESAME_STORE_OBJECTS_SUITE_H

#include "store/objects.h"

struct objects_maker {
    /* Opens the same store each time: what was stored before is there again. */
    const struct fault *(*open)(void *context, struct arena *, struct objects **ret_objects);
    void (*clear)(void *context); /* nothing is stored any more; it is not open */
    void *context;
};

int objects_suite_run(const struct objects_maker *); /* a cmocka group; how many failed */

#endif

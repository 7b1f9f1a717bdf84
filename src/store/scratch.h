/* store/scratch.h - for tests: a folder of its own, gone when the test ends. */
#ifndef SESAME_STORE_SCRATCH_H
#define SESAME_STORE_SCRATCH_H

#include "base/str.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

struct scratch {
    char path[64];
};

static inline int scratch_remove_one(const char *path, const struct stat *s, int kind,
                                     struct FTW *f) {
    (void)s, (void)kind, (void)f;
    return remove(path);
}
static inline struct scratch scratch_make(void) {
    struct scratch s = { "/tmp/sesame-test-XXXXXX" };
    if (!mkdtemp(s.path))
        abort();
    return s;
}
static inline void scratch_clear(struct scratch *s) {
    nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

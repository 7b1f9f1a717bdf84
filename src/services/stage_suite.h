/* services/stage_suite.h - for tests: a state on disk, the worlds over it, and calls into them. */
#ifndef SESAME_SERVICES_STAGE_SUITE_H
#define SESAME_SERVICES_STAGE_SUITE_H

#include "base/outside.h"
#include "services/ports.h"
#include "services/world.h"
#include "testing/temp_dir.h"

struct stage {
    struct temp_dir folder;
    struct arena *arena;
    struct outside outside;
    struct journal journal; /* forgets everything, counts errors */
    size_t errors;
    struct state *state;
    struct worlds *worlds;
    struct caller caller;
    const struct world *held;
    int64_t now_ms;
};

/* Cleared by stage_end; the root of 111122223333 in us-east-1 calls, at 2026-03-02T09:15:42Z. */
void stage_begin(struct stage *);
void stage_end(struct stage *);

/* A call of this caller that sees the world as it is now; good until the next one. */
struct call stage_call(struct stage *);
struct call stage_call_as(struct stage *, const struct caller *);

/* Puts or replaces a record, whatever was there. */
void stage_put(struct stage *, const char *key, str value);
void stage_remove(struct stage *, const char *key);

/* "Code: says" of a fault; "" for none. In the stage's arena. */
const char *stage_says(struct stage *, const struct fault *);

#endif

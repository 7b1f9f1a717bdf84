/* services/lambda/run.h - one invocation, from the version that is meant to the answer it gave. */
#ifndef SESAME_SERVICES_LAMBDA_RUN_H
#define SESAME_SERVICES_LAMBDA_RUN_H

#include "services/lambda/lambda.h"

struct run {
    const struct function *function;
    const struct function_version *version;
    str called_arn; /* as it was called: with the qualifier */
    str payload, request_id;
    int64_t patience_ms; /* 0: the function's own time */
};
/* Decides nothing about the caller. Faults: there was no place, no role, no process; nothing was run.
 * What the function did wrong is in the answer. */
const struct fault *function_run(struct lambda_service *, const struct call *, const struct run *,
                                 struct invoked *);

/* start.c: gives an empty instance its process. *ret_until_ms (steady): as long as its credentials
 * are good. */
const struct fault *function_start(struct lambda_service *, const struct call *, const struct run *,
                                   struct instance *, int64_t *ret_until_ms);

/* async.c */
struct errand_end lambda_errand_run(struct errand_runner *, const struct errand_attempt *);
unsigned lambda_errand_share(struct errand_runner *, const struct world *, str target);
const struct fault *lambda_leave_errand(struct lambda_service *, const struct call *, const struct run *);

#endif

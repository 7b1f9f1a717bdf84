/* policy/oracle_compare.h - one case put to the engine, fast and traced, and to the oracle. */
#ifndef SESAME_POLICY_ORACLE_COMPARE_H
#define SESAME_POLICY_ORACLE_COMPARE_H

#include "policy/oracle.h"

/* STR_NONE: they agree in verdict and in which statements apply. Otherwise what differs; begins
 * with ORACLE_NOT_READ when the engine refuses the case. *ret_verdict is the oracle's. */
str oracle_compare(const json_t *step, struct oracle_sight *, struct arena *,
                   const char **ret_verdict);
#define ORACLE_NOT_READ "not read: "

/* Takes away from a case on which they differ whatever they differ without: what is left is read by
 * a person, and is a line of vectors. */
void oracle_shrink(json_t *step, struct arena *);

/* The oracle beside a vector's own `expect` and `matched`; STR_NONE: as they say. */
str oracle_expected(const json_t *step, struct arena *);

#endif

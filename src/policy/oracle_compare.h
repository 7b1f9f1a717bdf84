/* policy/oracle_compare.h - one case put to the engine, fast and traced, and to the oracle. */
#ifndef SESAME_POLICY_ORACLE_COMPARE_H
#define SESAME_POLICY_ORACLE_COMPARE_H

#include "policy/oracle.h"

/* STR_NONE: they agree in verdict and in which statements apply. Otherwise what differs.
 * *ret_verdict is the oracle's. */
str oracle_compare(const json_t *step, struct arena *, const char **ret_verdict);

/* The oracle beside a vector's own `expect` and `matched`; STR_NONE: as they say. */
str oracle_expected(const json_t *step, struct arena *);

#endif

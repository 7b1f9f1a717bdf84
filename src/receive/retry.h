/* receive/retry.h - when a failed step is tried again, and when it is given up: ses-receiving
 * spec 10. */
#ifndef SESAME_RECEIVE_RETRY_H
#define SESAME_RECEIVE_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RETRY_FOR_MS = 4 * 60 * 60 * 1000, RETRY_WAITS_MAX = 16 };

/* How long to wait behind the first failure, the second, ...; the last holds for ever. */
struct retry_waits {
    int64_t ms[RETRY_WAITS_MAX];
    size_t count; /* at least one */
};
extern const struct retry_waits retry_waits_usual; /* U10: 10 s, 30 s, 1, 2, 4, 8, 15 min */

/* When to try again after the nth failure (1 is the first) of an attempt at now_ms. The last try is
 * due exactly when the four hours since since_ms (reception, or redrive) are over. */
int64_t retry_next_ms(const struct retry_waits *, unsigned failures, int64_t since_ms, int64_t now_ms);

/* Was the attempt that began at `began_ms` made when the four hours were over? Only such a one may
 * be the last. */
bool retry_is_over(int64_t since_ms, int64_t began_ms);

#endif

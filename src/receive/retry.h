/* receive/retry.h - when a failed step is tried again, and when it is given up: ses-receiving
 * spec 10. */
#ifndef SESAME_RECEIVE_RETRY_H
#define SESAME_RECEIVE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum { RETRY_FOR_MS = 4 * 60 * 60 * 1000 };

/* When to try again after the nth failure (1 is the first) of an attempt at now_ms. The last try is
 * due exactly when the four hours since since_ms (reception, or redrive) are over. */
int64_t retry_next_ms(unsigned failures, int64_t since_ms, int64_t now_ms);

/* Was the attempt that began at `began_ms` made when the four hours were over? Only such a one may
 * be the last. */
bool retry_is_over(int64_t since_ms, int64_t began_ms);

#endif

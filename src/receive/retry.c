/* receive/retry.c - the schedule, as a table. */
#include "receive/retry.h"

#include <stddef.h>

/* ses-receiving spec 10, U10: 10 s, 30 s, 1, 2, 4, 8, 15 min; the last row holds for ever. */
static const int64_t waits_ms[] = {
    10 * 1000, 30 * 1000, 60 * 1000, 2 * 60 * 1000, 4 * 60 * 1000, 8 * 60 * 1000, 15 * 60 * 1000,
};
enum { WAITS = sizeof waits_ms / sizeof waits_ms[0] };

int64_t retry_next_ms(unsigned failures, int64_t since_ms, int64_t now_ms)
{
    size_t row = failures ? failures - 1 : 0;
    int64_t next = now_ms + waits_ms[row < WAITS ? row : WAITS - 1];
    int64_t end = since_ms + RETRY_FOR_MS;
    /* A clock set back must not make a message wait longer than its turn: `now_ms` rules. */
    return end > now_ms && next > end ? end : next;
}

bool retry_is_over(int64_t since_ms, int64_t began_ms)
{
    return began_ms - since_ms >= RETRY_FOR_MS;
}

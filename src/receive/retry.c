/* receive/retry.c - the schedule, as a table. */
#include "receive/retry.h"

const struct retry_waits retry_waits_usual = {
    .ms = { 10 * 1000, 30 * 1000, 60 * 1000, 2 * 60 * 1000, 4 * 60 * 1000, 8 * 60 * 1000,
            15 * 60 * 1000 },
    .count = 7,
};

int64_t retry_next_ms(const struct retry_waits *waits, unsigned failures, int64_t since_ms,
                      int64_t now_ms)
{
    const size_t row = failures ? failures - 1 : 0;
    int64_t next = now_ms + waits->ms[row < waits->count ? row : waits->count - 1];
    int64_t end = since_ms + RETRY_FOR_MS;
    /* A clock set back must not make a message wait longer than its turn: `now_ms` rules. */
    return end > now_ms && next > end ? end : next;
}

bool retry_is_over(int64_t since_ms, int64_t began_ms)
{
    return began_ms - since_ms >= RETRY_FOR_MS;
}

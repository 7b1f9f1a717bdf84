/* base/outside.c - the real clock and the real randomness. */
#include "base/outside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t); /* cannot fail for the two below */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_ms(struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t steady_ms(struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

struct clock *clock_real(void)
{
    static struct clock real = { .wall_ms = wall_ms, .steady_ms = steady_ms };
    return &real;
}

/* One system call fills 256 octets, which getrandom(2) gives whole or not at all; most ids want 24.
 * A fork would repeat what its parent had left, so each pool remembers whose it is. */
struct pool {
    pid_t owner;
    size_t left;
    unsigned char octets[256];
};

static void get(void *bytes, size_t size)
{
    for (unsigned char *at = bytes; size;) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno != EINTR) {
            fputs("sesame: the system gives no random numbers; stopping\n", stderr);
            abort();
        }
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

static void fill(struct entropy *entropy, void *bytes, size_t size)
{
    (void)entropy;
    static _Thread_local struct pool pool;
    if (size > sizeof(pool.octets)) {
        get(bytes, size);
        return;
    }
    if (pool.owner != getpid() || pool.left < size) {
        get(pool.octets, sizeof(pool.octets));
        pool.left = sizeof(pool.octets);
        pool.owner = getpid();
    }
    pool.left -= size;
    memcpy(bytes, pool.octets + pool.left, size);
    memset(pool.octets + pool.left, 0, size); /* given out once, kept nowhere */
}

struct entropy *entropy_real(void)
{
    static struct entropy real = { .fill = fill };
    return &real;
}

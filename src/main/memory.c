/* main/memory.c - few arenas with short tails, and a trim when there is a quiet moment after work.
 *
 * Left alone, malloc makes eight arenas a core for our many threads and keeps a tail of freed
 * memory in each that malloc_trim does not touch: 5 MB after a burst of mail. And what lies free
 * between two pieces in use stays until someone trims: after ten thousand sessions all that they
 * had. */
#include "main/memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

enum {
    ARENAS_A_CORE = 2,
    TAIL_MAX = 512 * 1024,    /* of an arena */
    OWN_MAPPING = 512 * 1024, /* setting the one ends malloc's own adaptation of the other */
    QUIET_MS = MEMORY_LOOK_SECONDS * 10,
    WORTH_IT_MS = 20, /* of work since the last trim */
    LOOKS_MOST = 15,  /* there may never be a quiet moment */
};

void memory_begin(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    mallopt(M_ARENA_MAX, ARENAS_A_CORE * (cores > 2 ? (int)cores : 2));
    mallopt(M_TRIM_THRESHOLD, TAIL_MAX);
    mallopt(M_MMAP_THRESHOLD, OWN_MAPPING);
}

static int64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000LL + used.tv_nsec / 1000000;
}

void memory_tidy(struct memory_tidying *t)
{
    int64_t now_ms = cpu_ms();
    bool quiet = now_ms - t->last_cpu_ms < QUIET_MS;
    bool worked = now_ms - t->tidied_cpu_ms > WORTH_IT_MS;
    t->last_cpu_ms = now_ms;
    t->looks++;
    if (!worked || (!quiet && t->looks < LOOKS_MOST))
        return;
    malloc_trim(0);
    t->tidied_cpu_ms = t->last_cpu_ms = cpu_ms();
    t->looks = 0;
}

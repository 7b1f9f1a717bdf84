/* base/thread_memory.c - takes what is kept, and gives back other pieces first. */
#include "base/thread_memory.h"

#include <stdlib.h>

enum { SMALLEST = 24, LARGEST = 1032, STEP = 16, KEPT = 7 }; /* octets; glibc's, 2.26 and later */

void thread_memory_compact(void)
{
    void *kept[KEPT], *other[KEPT];
    for (size_t size = SMALLEST; size <= LARGEST; size += STEP) {
        for (size_t i = 0; i < KEPT; i++)
            kept[i] = malloc(size);
        for (size_t i = 0; i < KEPT; i++)
            other[i] = malloc(size); /* the smallest hole it fits in */
        for (size_t i = 0; i < KEPT; i++)
            free(other[i]);
        for (size_t i = 0; i < KEPT; i++)
            free(kept[i]); /* no room for these is left in the thread's own, so they join their neighbours */
    }
}

/* testing/entropy.c - splitmix64: every next state is one addition away, so threads share it by one
 * atomic add. */
#include "testing/entropy.h"

#include <stdatomic.h>

uint64_t seeded_next(struct seeded_entropy *e)
{
    uint64_t z = atomic_fetch_add(&e->state, 0x9E3779B97F4A7C15u) + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void fill(struct entropy *entropy, void *bytes, size_t size)
{
    for (char *at = bytes; size;) {
        uint64_t n = seeded_next((struct seeded_entropy *)entropy);
        size_t part = size < sizeof(n) ? size : sizeof(n);
        memcpy(at, &n, part);
        at += part;
        size -= part;
    }
}

struct seeded_entropy seeded_entropy(uint64_t seed)
{
    return (struct seeded_entropy) { .entropy = { .fill = fill }, .state = seed };
}

/* wire/loop_memory.c - slabs of small pieces by size; what is larger is malloc's.
 *
 * libevent takes its allocator for the process and passes it no context, so here, and nowhere else
 * in this room, state has file scope. */
#include "wire/loop_memory.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 16, CLASSES = 9, SLAB = 16 * 1024 }; /* up to 128 octets, a piece's head aside */

struct head {
    size_t size; /* as asked for */
    struct head *next_free;
} __attribute__((aligned(STEP)));

static struct {
    pthread_mutex_t lock;
    struct head *free[CLASSES];
    char *at, *end; /* of the slab in use */
} small = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t class_of(size_t size)
{
    return (size + STEP - 1) / STEP;
}

static struct head *take_small(size_t class)
{
    pthread_mutex_lock(&small.lock);
    struct head *h = small.free[class];
    const size_t whole = sizeof *h + class * STEP;
    if (h) {
        small.free[class] = h->next_free;
    } else {
        if ((size_t)(small.end - small.at) < whole) { /* what is left of the old one is lost */
            small.at = aligned_alloc(STEP, SLAB);
            small.end = small.at ? small.at + SLAB : NULL;
        }
        if (small.at) {
            h = (struct head *)(void *)small.at;
            small.at += whole;
        }
    }
    pthread_mutex_unlock(&small.lock);
    return h;
}

static void *take(size_t size)
{
    const size_t class = class_of(size);
    if (size > SIZE_MAX - sizeof(struct head))
        return NULL;
    struct head *h = class < CLASSES ? take_small(class) : malloc(sizeof *h + size);
    if (!h)
        return NULL;
    h->size = size;
    return h + 1;
}

static void give(void *piece)
{
    struct head *h = piece;
    if (!piece)
        return;
    h--;
    const size_t class = class_of(h->size);
    if (class >= CLASSES) {
        free(h);
        return;
    }
    pthread_mutex_lock(&small.lock);
    h->next_free = small.free[class];
    small.free[class] = h;
    pthread_mutex_unlock(&small.lock);
}

static void *resize(void *piece, size_t size)
{
    void *other = piece && size == 0 ? NULL : take(size);
    if (other && piece) {
        const size_t had = ((struct head *)piece - 1)->size;
        memcpy(other, piece, had < size ? had : size);
    }
    if (other || size == 0)
        give(piece);
    return other;
}

static void set(void)
{
    event_set_mem_functions(take, resize, give);
}

void loop_memory_apart(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set);
}

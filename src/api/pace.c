#include "api/pace.h"

#include <pthread.h>
#include <string.h>

enum { PLACES = 1024, SECOND_US = 1000 * 1000 };

struct place {
    uint64_t who;    /* a hash; two who share it share their pace */
    int64_t even_us; /* when all calls made so far would have been paid for at an even pace */
};

struct pace {
    pthread_mutex_t lock;
    int64_t each_us, ahead_us; /* what a call costs; how far ahead of an even pace one may be */
    struct place places[PLACES];
    size_t count;
};

struct pace *pace_new(struct arena *arena, uint64_t calls_a_second)
{
    struct pace *pace = ARENA_NEW(arena, struct pace);
    if (!pace)
        return NULL;
    pthread_mutex_init(&pace->lock, NULL);
    pace->each_us = SECOND_US / (int64_t)calls_a_second;
    pace->ahead_us = SECOND_US - pace->each_us;
    pace->count = 0;
    return pace;
}

/* FNV-1a */
static uint64_t hash(uint64_t so_far, str text)
{
    for (size_t i = 0; i < text.len; i++)
        so_far = (so_far ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return (so_far ^ 0xff) * 0x100000001b3u; /* "a","bc" is not "ab","c" */
}

static struct place *find(struct pace *pace, uint64_t who)
{
    struct place *oldest = pace->places;
    for (size_t i = 0; i < pace->count; i++) {
        if (pace->places[i].who == who)
            return &pace->places[i];
        if (pace->places[i].even_us < oldest->even_us)
            oldest = &pace->places[i];
    }
    struct place *place = pace->count < PLACES ? &pace->places[pace->count++] : oldest;
    *place = (struct place) { .who = who, .even_us = INT64_MIN };
    return place;
}

bool pace_take(struct pace *pace, str account, str region, str operation, int64_t now_ms)
{
    const int64_t now_us = now_ms * 1000;
    const uint64_t who = hash(hash(hash(0xcbf29ce484222325u, account), region), operation);
    pthread_mutex_lock(&pace->lock);
    struct place *place = find(pace, who);
    const bool may = place->even_us <= now_us + pace->ahead_us;
    if (may)
        place->even_us = (place->even_us > now_us ? place->even_us : now_us) + pace->each_us;
    pthread_mutex_unlock(&pace->lock);
    return may;
}

/* smtp/admission.c - one atomic count, and a table of addresses when they are limited. */
#include "smtp/admission.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 4096, KEY_SIZE = 8, ADDRESS_SIZE = 64 };

struct guest {
    struct guest *next;
    unsigned char key[KEY_SIZE];
    size_t count;
};

struct admission {
    size_t max, per_address;
    size_t count; /* atomic */
    pthread_mutex_t lock;
    struct guest *buckets[];
};

struct admission *admission_new(size_t max, size_t per_address)
{
    size_t buckets = per_address ? BUCKETS : 0;
    struct admission *a = calloc(1, sizeof *a + buckets * sizeof *a->buckets);
    if (!a)
        return NULL;
    a->max = max;
    a->per_address = per_address;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void admission_free(struct admission *a)
{
    if (!a)
        return;
    for (size_t i = 0; a->per_address && i < BUCKETS; i++) {
        while (a->buckets[i]) {
            struct guest *next = a->buckets[i]->next;
            free(a->buckets[i]);
            a->buckets[i] = next;
        }
    }
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static void key_of(str address, unsigned char key[KEY_SIZE])
{
    char text[ADDRESS_SIZE];
    unsigned char octets[16] = { 0 };
    snprintf(text, sizeof text, STR_FMT, STR_ARG(address));
    if (inet_pton(AF_INET, text, octets + 4) != 1)
        inet_pton(AF_INET6, text, octets);
    memcpy(key, octets, KEY_SIZE);
}

static struct guest **find(struct admission *a, const unsigned char key[KEY_SIZE])
{
    uint64_t hash;
    memcpy(&hash, key, KEY_SIZE);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    struct guest **at = &a->buckets[(hash >> 52) % BUCKETS];
    while (*at && memcmp((*at)->key, key, KEY_SIZE) != 0)
        at = &(*at)->next;
    return at;
}

/* The address's count goes up; false: it may not. */
static bool enter_address(struct admission *a, str address)
{
    unsigned char key[KEY_SIZE];
    key_of(address, key);
    pthread_mutex_lock(&a->lock);
    struct guest **at = find(a, key);
    if (!*at && (*at = calloc(1, sizeof **at)))
        memcpy((*at)->key, key, KEY_SIZE);
    bool may = *at && (*at)->count < a->per_address;
    if (may)
        (*at)->count++;
    pthread_mutex_unlock(&a->lock);
    return may;
}

static void leave_address(struct admission *a, str address)
{
    unsigned char key[KEY_SIZE];
    key_of(address, key);
    pthread_mutex_lock(&a->lock);
    struct guest **at = find(a, key), *guest = *at;
    if (guest && --guest->count == 0) {
        *at = guest->next;
        free(guest);
    }
    pthread_mutex_unlock(&a->lock);
}

enum admitted admission_enter(struct admission *a, str address)
{
    if (__atomic_fetch_add(&a->count, 1, __ATOMIC_RELAXED) >= a->max) {
        __atomic_fetch_sub(&a->count, 1, __ATOMIC_RELAXED);
        return ADMIT_FULL;
    }
    if (a->per_address && !enter_address(a, address)) {
        __atomic_fetch_sub(&a->count, 1, __ATOMIC_RELAXED);
        return ADMIT_ADDRESS;
    }
    return ADMIT;
}

void admission_leave(struct admission *a, str address)
{
    if (a->per_address)
        leave_address(a, address);
    __atomic_fetch_sub(&a->count, 1, __ATOMIC_RELEASE);
}

size_t admission_count(const struct admission *a)
{
    return __atomic_load_n(&a->count, __ATOMIC_ACQUIRE);
}

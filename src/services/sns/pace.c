#include "services/sns/pace.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 256 };

struct slot {
    struct slot *next;
    double free_ms; /* the next delivery may go then */
    size_t len;
    char arn[];
};

struct sns_pace {
    pthread_mutex_t lock;
    struct slot *buckets[BUCKETS];
};

struct sns_pace *sns_pace_new(void)
{
    struct sns_pace *pace = calloc(1, sizeof *pace);
    if (pace)
        pthread_mutex_init(&pace->lock, NULL);
    return pace;
}

void sns_pace_free(struct sns_pace *pace)
{
    if (!pace)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct slot *s = pace->buckets[i], *next; s; s = next) {
            next = s->next;
            free(s);
        }
    pthread_mutex_destroy(&pace->lock);
    free(pace);
}

static struct slot **bucket_of(struct sns_pace *pace, str arn)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < arn.len; i++)
        hash = (hash ^ (unsigned char)arn.ptr[i]) * UINT64_C(1099511628211);
    return &pace->buckets[(hash ^ hash >> 32) % BUCKETS];
}

/* The slot of this subscription, made when there is none; those whose moment is over are dropped. */
static struct slot *slot_of(struct sns_pace *pace, str arn, int64_t now_ms)
{
    struct slot *found = NULL, **at = bucket_of(pace, arn), **head = at;
    while (*at) {
        struct slot *s = *at;
        if (str_eq((str) { s->arn, s->len }, arn)) {
            found = s;
        } else if (s->free_ms < (double)now_ms) {
            *at = s->next;
            free(s);
            continue;
        }
        at = &s->next;
    }
    if (found)
        return found;
    found = calloc(1, sizeof *found + arn.len);
    if (found) {
        memcpy(found->arn, arn.ptr, arn.len);
        found->len = arn.len;
        found->next = *head;
        *head = found;
    }
    return found;
}

int64_t sns_pace_slot(struct sns_pace *pace, str arn, int per_second, int64_t due_ms,
                      int64_t now_ms)
{
    double moment = (double)(due_ms > now_ms ? due_ms : now_ms);
    if (per_second <= 0)
        return due_ms;
    pthread_mutex_lock(&pace->lock);
    struct slot *slot = slot_of(pace, arn, now_ms);
    if (slot) {
        if (slot->free_ms > moment)
            moment = slot->free_ms;
        slot->free_ms = moment + 1000.0 / per_second;
    }
    pthread_mutex_unlock(&pace->lock);
    return moment > (double)now_ms ? (int64_t)(moment + 0.5) : due_ms;
}

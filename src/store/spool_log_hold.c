/* store/spool_log_hold.c - leases given back for as long as their group is at its limit.
 *
 * Who holds an entry puts it on its group's list at once; the entry itself comes back by way of the
 * committer, behind the notes of its lease, and is then queued or, while it is still on the list,
 * held. So a resume may come before its entry does, and nothing is lost between the two. Only
 * memory knows the lists: after a stop every entry is queued. */
#include "store/spool_log.h"

#include <stdlib.h>

static struct held_group **find(struct spool_log *log, uint64_t number)
{
    struct held_group **at = &log->groups[number % 64];
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static struct held_group *find_or_make(struct spool_log *log, uint64_t number)
{
    struct held_group **at = find(log, number);
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->number = number;
        (*at)->last = &(*at)->first;
    }
    return *at;
}

static void append(struct held_group *g, struct held *held, struct entry *e)
{
    *held = (struct held) { .entry = e };
    *g->last = held;
    g->last = &held->next;
    e->held = true;
}

static struct held_group **joinable(struct spool_log *log, uint64_t likeness)
{
    return &log->joinable[likeness % (sizeof log->joinable / sizeof log->joinable[0])];
}

static void join_no_more(struct spool_log *log, struct held_group *g)
{
    if (g->likeness && *joinable(log, g->likeness) == g)
        *joinable(log, g->likeness) = NULL;
    g->likeness = 0;
}

/* What an entry was held for that nothing was done of yet, its like would be held for too. */
static void let_join(struct spool_log *log, struct held_group *g, uint64_t likeness)
{
    if (!likeness || g->likeness == likeness)
        return;
    join_no_more(log, g);
    struct held_group **at = joinable(log, likeness);
    if (*at)
        (*at)->likeness = 0;
    g->likeness = likeness;
    *at = g;
}

void hold_join(struct spool_log *log, struct entry *e)
{
    struct held_group *g = e->likeness ? *joinable(log, e->likeness) : NULL;
    if (!g || g->likeness != e->likeness ||
        e->due_ms > log->outside->clock->wall_ms(log->outside->clock))
        return;
    struct held *held = malloc(sizeof *held);
    if (held) /* else it is queued, and found out about */
        append(g, held, e);
}

void log_hold(struct lease *lease, uint64_t group)
{
    struct lease_impl *impl = lease->impl;
    struct spool_log *log = impl->log;
    struct held *held = malloc(sizeof *held);
    pthread_mutex_lock(&log->queue_lock);
    struct held_group *g = held ? find_or_make(log, group) : NULL;
    if (g) {
        append(g, held, impl->entry);
        if (!impl->noted && !lease->notes.len)
            let_join(log, g, impl->entry->likeness);
    } else { /* without memory it is looked at again in a second */
        impl->entry->due_ms = queue_now_ms(log) + 1000;
    }
    pthread_mutex_unlock(&log->queue_lock);
    if (!g)
        free(held);
    log_release(lease);
}

/* The entry at *at of the list; the group goes with its last. */
static struct entry *take_out(struct spool_log *log, struct held_group **group, struct held **at)
{
    struct held_group *g = *group;
    struct held *held = *at;
    struct entry *e = held->entry;
    *at = held->next;
    if (!held->next)
        g->last = at;
    free(held);
    if (!g->first) {
        *group = g->next;
        join_no_more(log, g);
        free(g);
    }
    e->held = false;
    return e;
}

bool log_resume(struct spool *spool, uint64_t group, bool caller_leases, bool *ret_more)
{
    struct spool_log *log = (struct spool_log *)spool;
    bool resumed = false;
    pthread_mutex_lock(&log->queue_lock);
    for (struct held_group **g; !resumed && *(g = find(log, group));) {
        struct entry *e = take_out(log, g, &(*g)->first);
        resumed = e->resumed = e->state != ENTRY_DAMAGED; /* then it is not leased: the next one */
        if (e->state == ENTRY_HELD && caller_leases)
            queue_push_for_caller(log, e);
        else if (e->state == ENTRY_HELD)
            queue_push(log, e); /* else it is on its way, and is queued when it comes */
    }
    *ret_more = *find(log, group) != NULL;
    queue_unlock(log);
    return resumed;
}

void hold_forget(struct spool_log *log, const struct entry *e)
{
    for (size_t i = 0; i < 64; i++)
        for (struct held_group **g = &log->groups[i]; *g; g = &(*g)->next)
            for (struct held **at = &(*g)->first; *at; at = &(*at)->next)
                if ((*at)->entry == e) {
                    take_out(log, g, at);
                    return;
                }
}

void groups_free(struct spool_log *log)
{
    for (size_t i = 0; i < 64; i++)
        for (struct held_group *g; (g = log->groups[i]); free(g)) {
            log->groups[i] = g->next;
            for (struct held *h; (h = g->first); free(h))
                g->first = h->next;
        }
}

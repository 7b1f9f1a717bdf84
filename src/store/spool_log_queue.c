/* store/spool_log_queue.c - the living entries: found by id, taken in the order they are due.
 *
 * An entry is in the table of ids while it lives and in the heap while it may be leased. */
#include "store/spool_log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { NOT_IN_HEAP = UINT32_MAX };

static bool sooner(const struct entry *a, const struct entry *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->serial < b->serial;
}

static void heap_set(struct spool_log *log, size_t at, struct entry *e)
{
    log->heap[at] = e;
    e->heap_at = (uint32_t)at;
}

static void heap_rise(struct spool_log *log, size_t at)
{
    struct entry *e = log->heap[at];
    for (; at && sooner(e, log->heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap_set(log, at, log->heap[(at - 1) / 2]);
    heap_set(log, at, e);
}

static void heap_sink(struct spool_log *log, size_t at)
{
    struct entry *e = log->heap[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= log->heap_count)
            break;
        if (child + 1 < log->heap_count && sooner(log->heap[child + 1], log->heap[child]))
            child++;
        if (!sooner(log->heap[child], e))
            break;
        heap_set(log, at, log->heap[child]);
        at = child;
    }
    heap_set(log, at, e);
}

static struct entry *heap_pop(struct spool_log *log)
{
    struct entry *e = log->heap[0], *last = log->heap[--log->heap_count];
    if (e != last) {
        log->heap[0] = last;
        heap_sink(log, 0);
    }
    e->heap_at = NOT_IN_HEAP;
    return e;
}

static void heap_remove(struct spool_log *log, struct entry *e)
{
    size_t at = e->heap_at;
    struct entry *last = log->heap[--log->heap_count];
    e->heap_at = NOT_IN_HEAP;
    if (last == e)
        return;
    heap_set(log, at, last);
    heap_rise(log, at);
    heap_sink(log, last->heap_at);
}

bool queue_make_room(struct spool_log *log, size_t more)
{
    pthread_mutex_lock(&log->queue_lock);
    size_t want = log->entry_count + more;
    bool fine = want < UINT32_MAX;
    if (fine && want > log->heap_room) {
        size_t room = log->heap_room ? log->heap_room * 2 : 1024;
        while (room < want)
            room *= 2;
        struct entry **heap = realloc(log->heap, room * sizeof *heap);
        fine = heap != NULL;
        if (fine) {
            log->heap = heap;
            log->heap_room = room;
        }
    }
    pthread_mutex_unlock(&log->queue_lock);
    return fine;
}

static void buckets_grow(struct spool_log *log)
{
    size_t count = log->bucket_count ? log->bucket_count * 4 : 1024;
    struct entry **buckets = calloc(count, sizeof *buckets);
    if (!buckets)
        return; /* longer chains, nothing worse */
    for (size_t i = 0; i < log->bucket_count; i++)
        for (struct entry *e; (e = log->buckets[i]);) {
            log->buckets[i] = e->next;
            e->next = buckets[e->id_hash % count];
            buckets[e->id_hash % count] = e;
        }
    free(log->buckets);
    log->buckets = buckets;
    log->bucket_count = count;
}

static uint64_t *state_count(struct spool_log *log, const struct entry *e)
{
    switch ((enum entry_state)e->state) {
    case ENTRY_QUEUED:
        return e->attempt ? &log->retrying : &log->queued;
    case ENTRY_LEASED:
        return &log->leased;
    case ENTRY_MOVING:
        return &log->moving;
    case ENTRY_DYING:
        return &log->dying;
    case ENTRY_DAMAGED:
        return &log->set_aside;
    case ENTRY_HELD:
        return &log->held;
    }
    abort(); /* an entry is in one of its states */
}

void queue_state(struct spool_log *log, struct entry *e, enum entry_state state)
{
    --*state_count(log, e);
    log->segments[e->slot]->set_aside += state == ENTRY_DAMAGED;
    e->state = (uint8_t)state;
    ++*state_count(log, e);
}

void queue_add(struct spool_log *log, struct entry *e)
{
    assert(log->entry_count < log->heap_room && "room is made before a batch is written");
    if (log->entry_count >= log->bucket_count)
        buckets_grow(log);
    struct entry **bucket = &log->buckets[e->id_hash % log->bucket_count];
    e->next = *bucket;
    *bucket = e;
    log->entry_count++;
    struct segment *s = log->segments[e->slot];
    s->living++;
    s->living_bytes += e->length;
    bool damaged = e->state == ENTRY_DAMAGED;
    s->set_aside += damaged;
    e->heap_at = NOT_IN_HEAP;
    ++*state_count(log, e);
    if (damaged)
        return;
    hold_join(log, e);
    queue_push(log, e);
}

/* One sleeper is called at a time, and it calls the next one when it finds more than it takes. If
 * each entry called its own, a worker that comes round by itself would take what another was called
 * for, and that one would get up for nothing. The last to fall asleep is called first: what it
 * works with is still in the processor's caches, and with little to do the others' memory is not
 * touched. */
static void call_sleeper(struct spool_log *log)
{
    struct sleeper *s = log->sleepers;
    if (!s || log->calling)
        return;
    log->sleepers = s->next;
    s->chosen = true;
    log->calling = log->call_due = s;
}

/* It may be gone as soon as it has been called. */
static void wake(struct sleeper *s)
{
    atomic_store_explicit(&s->called, true, memory_order_release);
    sem_post(&s->up);
}

/* Called under the lock it would get up only to wait for that. */
void queue_unlock(struct spool_log *log)
{
    struct sleeper *call = log->call_due;
    log->call_due = NULL;
    pthread_mutex_unlock(&log->queue_lock);
    if (call)
        wake(call);
}

void queue_push_for_caller(struct spool_log *log, struct entry *e)
{
    assert(e->heap_at == NOT_IN_HEAP && "an entry is in the heap once");
    /* attempt may have changed while it was leased, so the count moves only now */
    queue_state(log, e, e->held ? ENTRY_HELD : ENTRY_QUEUED);
    if (e->held)
        return;
    heap_set(log, log->heap_count, e);
    heap_rise(log, log->heap_count++);
}

void queue_push(struct spool_log *log, struct entry *e)
{
    queue_push_for_caller(log, e);
    if (e->state == ENTRY_QUEUED)
        call_sleeper(log);
}

void queue_take(struct spool_log *log, struct entry *e, enum entry_state state)
{
    if (e->state == ENTRY_QUEUED)
        heap_remove(log, e);
    queue_state(log, e, state);
}

void queue_moved(struct spool_log *log, struct entry *e, const struct entry *to)
{
    struct segment *from = log->segments[e->slot], *now = log->segments[to->slot];
    from->living--;
    from->living_bytes -= e->length;
    now->living++;
    now->living_bytes += to->length;
    e->slot = to->slot;
    e->offset = to->offset;
    e->length = to->length;
    e->index = 0;
    e->note_slot = 0; /* the notes went with it */
    e->note_offset = 0;
}

void queue_forget_slot(struct spool_log *log, const struct segment *s)
{
    for (size_t i = 0; i < log->bucket_count && s->living; i++)
        for (struct entry **at = &log->buckets[i], *e; (e = *at);) {
            if (e->slot != s->slot || e->state != ENTRY_DAMAGED) {
                at = &e->next;
                continue;
            }
            *at = e->next;
            if (e->held)
                hold_forget(log, e);
            log->set_aside--;
            log->entry_count--;
            free(e);
        }
}

void queue_remove(struct spool_log *log, struct entry *e)
{
    assert(e->heap_at == NOT_IN_HEAP && "only a leased entry is settled");
    struct entry **at = &log->buckets[e->id_hash % log->bucket_count];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    --*state_count(log, e);
    log->entry_count--;
    log->segments[e->slot]->living--;
    log->segments[e->slot]->living_bytes -= e->length;
    free(e);
}

static void wait_until(struct spool_log *log, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    struct sleeper me = { .next = log->sleepers };
    int late;
    sem_init(&me.up, 0, 0);
    log->sleepers = &me;
    pthread_mutex_unlock(&log->queue_lock);
    while ((late = sem_clockwait(&me.up, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&log->queue_lock);
    if (late && me.chosen) { /* at the last moment: who did so still knows it */
        pthread_mutex_unlock(&log->queue_lock);
        while (sem_wait(&me.up) != 0)
            ;
        pthread_mutex_lock(&log->queue_lock);
    }
    (void)atomic_load_explicit(&me.called, memory_order_acquire);
    for (struct sleeper **at = &log->sleepers; !me.chosen && *at; at = &(*at)->next)
        if (*at == &me) {
            *at = me.next;
            break;
        }
    if (log->calling == &me)
        log->calling = NULL;
    sem_destroy(&me.up);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void heap_order(struct spool_log *log)
{
    for (size_t at = log->heap_count / 2; at-- > 0;)
        heap_sink(log, at);
}

/* What waits was told a time by a clock that may have been ahead: set back, that time would come so
 * much later. So whatever is still to come moves back with the clock; what was told before the clock went
 * ahead comes too early then, which harms nobody. */
int64_t queue_now_ms(struct spool_log *log)
{
    enum { DRIFT_MS = 1000 };
    struct clock *clock = log->outside->clock;
    const int64_t wall_ms = clock->wall_ms(clock), steady_ms = clock->steady_ms(clock);
    const int64_t fallen_ms = log->seen_wall_ms + (steady_ms - log->seen_steady_ms) - wall_ms;
    if (log->seen_wall_ms && fallen_ms > DRIFT_MS) {
        for (size_t i = 0; i < log->bucket_count; i++) /* all: who is held or leased comes back */
            for (struct entry *e = log->buckets[i]; e; e = e->next)
                if (e->due_ms > wall_ms)
                    e->due_ms -= fallen_ms;
        heap_order(log);
        log->fallen_ms += fallen_ms;
    }
    log->seen_wall_ms = wall_ms;
    log->seen_steady_ms = steady_ms;
    return wall_ms;
}

/* Waits by the machine's own clock, since a thread really sleeps; what is due is asked of
 * outside's, anew at least five times a second while something waits for its time, since that clock
 * may be turned. */
const struct fault *queue_next_due(struct spool_log *log, int64_t hold_ms, struct entry **ret_entry,
                                   bool *ret_resumed)
{
    enum { LOOK_AGAIN_MS = 200 };
    int64_t end = monotonic_ms() + hold_ms;
    const struct fault *said = NULL;
    *ret_entry = NULL;
    pthread_mutex_lock(&log->queue_lock);
    for (;;) {
        if (log->stopped) {
            said = &spool_stopped;
            break;
        }
        int64_t now_ms = queue_now_ms(log);
        if (log->heap_count && log->heap[0]->due_ms <= now_ms) {
            *ret_entry = heap_pop(log);
            queue_state(log, *ret_entry, ENTRY_LEASED);
            *ret_resumed = (*ret_entry)->resumed;
            (*ret_entry)->resumed = false;
            if (log->heap_count && log->heap[0]->due_ms <= now_ms)
                call_sleeper(log);
            break;
        }
        int64_t left = end - monotonic_ms();
        if (left <= 0)
            break;
        wait_until(log, log->heap_count && left > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : left);
    }
    queue_unlock(log);
    return said;
}

void log_stop(struct spool *spool)
{
    struct spool_log *log = (struct spool_log *)spool;
    pthread_mutex_lock(&log->queue_lock);
    struct sleeper *all = log->sleepers;
    log->stopped = true;
    log->sleepers = NULL;
    for (struct sleeper *s = all; s; s = s->next)
        s->chosen = true;
    queue_unlock(log);
    for (struct sleeper *next; all; all = next) {
        next = all->next;
        wake(all);
    }
}

/* store/spool_log_rules.c - rule sets' texts, shared by the commits that were taken under them.
 *
 * A text is known by its bytes, not by a digest: two rule sets are never taken for one. A number of its
 * owner's spares looking at them. Texts
 * nobody uses stay until 4 MB of them have gathered; one that comes back later is simply written
 * again. */
#include "store/spool_log.h"

#include "base/crc.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SLOTS = sizeof ((struct spool_log *)0)->rules_numbered / sizeof(struct rules_text *) };

static struct rules_text **slot_of(struct spool_log *log, uint64_t number)
{
    return &log->rules_numbered[number % SLOTS];
}

static struct rules_text *take_numbered(struct spool_log *log, uint64_t number)
{
    if (!number)
        return NULL;
    pthread_mutex_lock(&log->rules_lock);
    struct rules_text *r = *slot_of(log, number);
    if (r && r->number != number)
        r = NULL;
    if (r)
        atomic_fetch_add(&r->refs, 1);
    pthread_mutex_unlock(&log->rules_lock);
    return r;
}

/* With the lock. */
static void forget_number(struct spool_log *log, const struct rules_text *r)
{
    if (*slot_of(log, r->number) == r)
        *slot_of(log, r->number) = NULL;
}

struct rules_text *rules_take(struct spool_log *log, str text, uint64_t number)
{
    enum { RULES_KEPT = 4 << 20 };
    struct rules_text *known = take_numbered(log, number);
    if (known)
        return known;
    uint32_t crc = crc32c(0, text.ptr, text.len);
    struct rules_text **bucket = &log->rules[crc % 256];
    pthread_mutex_lock(&log->rules_lock);
    struct rules_text *r = *bucket;
    while (r && !(r->crc == crc && r->len == text.len && memcmp(r->bytes, text.ptr, text.len) == 0))
        r = r->next;
    for (size_t i = 0; !r && log->rules_bytes > RULES_KEPT && i < 256; i++)
        for (struct rules_text **at = &log->rules[i], *old; (old = *at);) {
            if (atomic_load(&old->refs) > 1) {
                at = &old->next;
                continue;
            }
            *at = old->next;
            if (log->rules_last == old)
                log->rules_last = NULL;
            forget_number(log, old);
            log->rules_bytes -= sizeof *old + old->len;
            rules_drop(old);
        }
    if (!r && (r = calloc(1, sizeof *r + text.len))) {
        atomic_init(&r->refs, 1);
        r->crc = crc;
        r->len = text.len;
        memcpy(r->bytes, text.ptr, text.len);
        r->next = *bucket;
        *bucket = r;
        log->rules_bytes += sizeof *r + text.len;
    }
    if (r)
        atomic_fetch_add(&r->refs, 1);
    if (r && number) {
        forget_number(log, r);
        r->number = number;
        *slot_of(log, number) = r;
    }
    pthread_mutex_unlock(&log->rules_lock);
    return r;
}

void rules_drop(struct rules_text *r)
{
    if (r && atomic_fetch_sub(&r->refs, 1) == 1)
        free(r);
}

void rules_placed(struct spool_log *log, struct rules_text *r, uint64_t epoch, uint32_t offset)
{
    pthread_mutex_lock(&log->rules_lock);
    r->epoch = epoch;
    r->offset = offset;
    log->rules_last = r;
    pthread_mutex_unlock(&log->rules_lock);
}

static void drop_recalled(void *text)
{
    rules_drop(text);
}

bool rules_recall(struct spool_log *log, uint64_t epoch, uint32_t offset, struct arena *arena,
                  str *ret_text, uint64_t *ret_number)
{
    uint64_t number = 0;

    pthread_mutex_lock(&log->rules_lock);
    struct rules_text *r = log->rules_last;
    const bool same = r && r->epoch == epoch && r->offset == offset;
    if (same) {
        atomic_fetch_add(&r->refs, 1);
        number = r->number;
    }
    pthread_mutex_unlock(&log->rules_lock);
    if (!same)
        return false;
    if (!arena_on_reset(arena, drop_recalled, r)) {
        rules_drop(r);
        return false;
    }
    *ret_text = (str) { r->bytes, r->len };
    *ret_number = number;
    return true;
}

void rules_forget(struct spool_log *log)
{
    pthread_mutex_lock(&log->rules_lock);
    for (size_t i = 0; i < 256; i++)
        for (struct rules_text *r = log->rules[i]; r; r = r->next)
            r->epoch = 0;
    pthread_mutex_unlock(&log->rules_lock);
}

void rules_free(struct spool_log *log)
{
    for (size_t i = 0; i < 256; i++)
        for (struct rules_text *r; (r = log->rules[i]);) {
            log->rules[i] = r->next;
            rules_drop(r); /* an arena may hold it yet */
        }
}

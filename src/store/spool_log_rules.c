/* store/spool_log_rules.c - rule sets' texts, shared by the commits that were taken under them.
 *
 * A text is known by its bytes, not by a digest: two rule sets are never taken for one. Texts
 * nobody uses stay until 4 MB of them have gathered; one that comes back later is simply written
 * again. */
#include "store/spool_log.h"

#include "base/crc.h"

#include <stdlib.h>

struct rules_text *rules_take(struct spool_log *log, str text)
{
    enum { RULES_KEPT = 4 << 20 };
    uint32_t crc = crc32c(0, text.ptr, text.len);
    struct rules_text **bucket = &log->rules[crc % 256];
    pthread_mutex_lock(&log->rules_lock);
    struct rules_text *r = *bucket;
    while (r && !(r->crc == crc && r->len == text.len && memcmp(r->bytes, text.ptr, text.len) == 0))
        r = r->next;
    for (size_t i = 0; !r && log->rules_bytes > RULES_KEPT && i < 256; i++)
        for (struct rules_text **at = &log->rules[i], *old; (old = *at);) {
            if (old->refs) {
                at = &old->next;
                continue;
            }
            *at = old->next;
            log->rules_bytes -= sizeof *old + old->len;
            free(old);
        }
    if (!r && (r = calloc(1, sizeof *r + text.len))) {
        r->crc = crc;
        r->len = text.len;
        memcpy(r->bytes, text.ptr, text.len);
        r->next = *bucket;
        *bucket = r;
        log->rules_bytes += sizeof *r + text.len;
    }
    if (r)
        r->refs++;
    pthread_mutex_unlock(&log->rules_lock);
    return r;
}

void rules_drop(struct spool_log *log, struct rules_text *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&log->rules_lock);
    r->refs--;
    pthread_mutex_unlock(&log->rules_lock);
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
            free(r);
        }
}

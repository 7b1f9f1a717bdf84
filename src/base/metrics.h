/* base/metrics.h - counters and gauges, and their Prometheus text (exposition format 0.0.4).
 *
 * Series are made on first use and never freed before the registry; past `max_series` a new label
 * set falls into one series labelled overflow="true", so labels cannot fill the memory. Labels never
 * hold addresses. Counting is one relaxed atomic add. */
#ifndef SESAME_BASE_METRICS_H
#define SESAME_BASE_METRICS_H

#include "base/buf.h"

struct metrics;
struct metric {
    _Atomic int64_t value;
};

struct metrics *metrics_new(size_t max_series); /* NULL: no memory */
void metrics_free(struct metrics *);

/* name: "sesame_messages_accepted_total". help: one line. labels: `rule="store",action="S3"`,
 * already escaped with metric_label, or empty. Never NULL. */
struct metric *metrics_counter(struct metrics *, str name, str help, str labels);
struct metric *metrics_gauge(struct metrics *, str name, str help, str labels);
void metric_label(struct buf *, const char *name, str value); /* adds name="value", with a comma if needed */

static inline void metric_add(struct metric *m, int64_t n)
{
    __atomic_fetch_add((int64_t *)&m->value, n, __ATOMIC_RELAXED);
}
static inline void metric_set(struct metric *m, int64_t n)
{
    __atomic_store_n((int64_t *)&m->value, n, __ATOMIC_RELAXED);
}
void metrics_text(struct metrics *, struct buf *out);

#endif

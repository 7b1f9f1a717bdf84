/* base/metrics.c - a registry of series, grouped into families at print time.
 *
 * Finding a series takes a lock and a walk; callers that count often keep the pointer. */
#include "base/metrics.h"

#include "base/arena.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

enum { FAMILIES = 256, ARENA_MAX = 64 * 1024 * 1024 };

struct series {
    struct metric metric;
    str labels;
    struct series *next; /* of its family, in the order made */
};

struct family {
    str name, help;
    bool gauge;
    struct series *first, *last, *overflow;
};

struct metrics {
    pthread_mutex_t lock;
    struct arena *arena;
    size_t series, max_series;
    size_t family_count;
    struct family families[FAMILIES];
    struct metric nowhere; /* counts when even the registry is full: never NULL */
};

struct metrics *metrics_new(size_t max_series)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->max_series = max_series;
    m->arena = arena_new(ARENA_MAX);
    if (!m->arena || pthread_mutex_init(&m->lock, NULL) != 0) {
        arena_free(m->arena);
        free(m);
        return NULL;
    }
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    arena_free(m->arena);
    free(m);
}

static struct family *family_of(struct metrics *m, str name, str help, bool gauge)
{
    for (size_t i = 0; i < m->family_count; i++)
        if (str_eq(m->families[i].name, name))
            return &m->families[i];
    if (m->family_count == FAMILIES)
        return NULL;
    struct family f = { .name = arena_str(m->arena, name),
                        .help = arena_str(m->arena, help),
                        .gauge = gauge };
    if (!f.name.ptr)
        return NULL;
    m->families[m->family_count] = f;
    return &m->families[m->family_count++];
}

static struct series *series_new(struct metrics *m, struct family *f, str labels)
{
    struct series *s = ARENA_NEW(m->arena, struct series);
    str copy = s ? arena_str(m->arena, labels.ptr ? labels : STR("")) : STR_NONE;
    if (!copy.ptr)
        return NULL;
    s->labels = copy;
    if (f->last)
        f->last->next = s;
    else
        f->first = s;
    f->last = s;
    return s;
}

static struct series *find(struct metrics *m, str name, str help, str labels, bool gauge)
{
    struct family *f = family_of(m, name, help, gauge);
    if (!f)
        return NULL;
    for (struct series *s = f->first; s; s = s->next)
        if (str_eq(s->labels, labels))
            return s;
    if (m->series < m->max_series) {
        m->series++;
        return series_new(m, f, labels);
    }
    if (!f->overflow)
        f->overflow = series_new(m, f, STR("overflow=\"true\""));
    return f->overflow;
}

static struct metric *metric(struct metrics *m, str name, str help, str labels, bool gauge)
{
    pthread_mutex_lock(&m->lock);
    struct series *s = find(m, name, help, labels, gauge);
    pthread_mutex_unlock(&m->lock);
    return s ? &s->metric : &m->nowhere;
}

struct metric *metrics_counter(struct metrics *m, str name, str help, str labels)
{
    return metric(m, name, help, labels, false);
}

struct metric *metrics_gauge(struct metrics *m, str name, str help, str labels)
{
    return metric(m, name, help, labels, true);
}

static void add_escaped(struct buf *out, str text, bool quotes)
{
    for (struct cursor in = cursor_of(text); in.at < in.end;) {
        const char *from = in.at;
        uint32_t c = utf8_next(&in);
        if (c == UTF8_BAD)
            buf_add(out, UTF8_REPLACEMENT);
        else if (c == '\n')
            buf_add(out, STR("\\n"));
        else if (c == '\\' || (c == '"' && quotes))
            buf_add(out, (str) { (char[]) { '\\', (char)c }, 2 });
        else
            buf_add(out, (str) { from, (size_t)(in.at - from) });
    }
}

void metric_label(struct buf *out, const char *name, str value)
{
    if (out->len)
        buf_addc(out, ',');
    buf_add(out, str_of(name));
    buf_add(out, STR("=\""));
    add_escaped(out, value, true);
    buf_addc(out, '"');
}

void metrics_text(struct metrics *m, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->family_count; i++) {
        const struct family *f = &m->families[i];
        buf_addf(out, "# HELP " STR_FMT " ", STR_ARG(f->name));
        add_escaped(out, f->help, false);
        buf_addf(out, "\n# TYPE " STR_FMT " %s\n", STR_ARG(f->name),
                 f->gauge ? "gauge" : "counter");
        for (struct series *s = f->first; s; s = s->next) {
            buf_add(out, f->name);
            if (s->labels.len)
                buf_addf(out, "{" STR_FMT "}", STR_ARG(s->labels));
            buf_addf(out, " %" PRId64 "\n",
                     __atomic_load_n((int64_t *)&s->metric.value, __ATOMIC_RELAXED));
        }
    }
    pthread_mutex_unlock(&m->lock);
}

/* Many threads at once on one spool: loops that commit and abandon, workers that lease, note, retry
 * and settle, people who look. Worth running under ThreadSanitizer (-Db_sanitize=thread). */
#include "store/spool_steps_suite.h"

#include "testing/journal.h"
#include "testing/temp_dir.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { LOOPS = 6, EACH = 120, WORKERS = 8 };

struct crowd {
    struct spool *spool;
    struct outside outside;
    _Atomic unsigned committed, done, dead, wrong;
    _Atomic bool over;
    bool released[LOOPS * EACH]; /* by whoever holds the lease */
};

static size_t size_of(unsigned n)
{
    return n % 11 == 5 ? 70000 + n * 31 : n * 37 % 9000;
}

struct loop {
    struct crowd *crowd;
    unsigned number;
    pthread_t thread;
};

static void *loop_run(void *context)
{
    struct loop *loop = context;
    struct crowd *c = loop->crowd;
    AUTO_ARENA *arena = arena_new((size_t)8 << 20);
    for (unsigned i = 0; i < EACH; i++) {
        unsigned n = loop->number * EACH + i;
        char id[16];
        arena_reset(arena);
        snprintf(id, sizeof id, "m%05u", n);
        if (n % 13 == 7) {
            struct spool_draft *draft;
            if (!c->spool->ops->draft(c->spool, NULL, NULL, &draft)) {
                c->spool->ops->write(draft, step_body(arena, 30000, n));
                c->spool->ops->abandon(draft);
            }
        }
        struct step step = step_commit(c->spool, id, step_body(arena, size_of(n), n));
        c->committed += step.committed;
    }
    return NULL;
}

static void work(struct crowd *c, struct lease *lease, struct arena *arena)
{
    unsigned n = step_number(lease);
    str body = step_read_all(c->spool, lease, arena);
    if (!str_eq(body, step_body(arena, size_of(n), n)))
        c->wrong++;
    if (lease->attempt > 1 && !str_starts(lease->notes, STR("{\"first\":1}\n")))
        c->wrong++;
    if (n % 17 == 3) {
        c->dead++;
        c->spool->ops->settle(lease, SETTLE_DEAD, 0, STR("{\"dead\":1}"));
    } else if (n % 5 == 1 && lease->attempt == 1) {
        c->spool->ops->note(lease, STR("{\"first\":1}"));
        c->spool->ops->settle(lease, SETTLE_RETRY, 0, STR("{\"again\":1}"));
    } else if (n % 19 == 2 && !c->released[n]) {
        c->released[n] = true;
        c->spool->ops->release(lease);
    } else {
        c->done++;
        c->spool->ops->settle(lease, SETTLE_DONE, 0, STR("{\"done\":1}"));
    }
}

static void *worker_run(void *context)
{
    struct crowd *c = context;
    AUTO_ARENA *arena = arena_new((size_t)8 << 20);
    for (;;) {
        struct lease lease;
        arena_reset(arena);
        if (c->spool->ops->lease(c->spool, 100, arena, &lease))
            return NULL;
        if (lease.impl)
            work(c, &lease, arena);
    }
}

static void *looker_run(void *context)
{
    struct crowd *c = context;
    AUTO_ARENA *arena = arena_new((size_t)32 << 20);
    while (!c->over) {
        struct spool_record *records, record;
        struct spool_health health;
        size_t count;
        arena_reset(arena);
        c->spool->ops->health(c->spool, &health);
        if (c->spool->ops->recent(c->spool, 20, arena, &records, &count))
            c->wrong++;
        for (size_t i = 0; i < count; i++) {
            const struct fault *f =
                c->spool->ops->find(c->spool, records[i].entry.id, arena, &record);
            if (f || !str_eq(record.entry.head, records[i].entry.head))
                c->wrong++;
        }
    }
    return NULL;
}

static void many_threads_lose_and_double_nothing(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new((size_t)8 << 20);
    struct captured_journal *journal = captured_journal_new();
    struct crowd c = { .outside = { clock_real(), entropy_real(), captured_journal(journal),
                                    disk_real() } };
    struct spool_limits limits = { .segment_bytes = 512 << 10,
                                   .spill_bytes = 32 << 10,
                                   .ahead_bytes = 8 << 10,
                                   .draft_bytes = 256 << 10,
                                   .history_bytes = 1 << 20 };
    char path[512];
    temp_dir_path(&dir, "spool", path);
    assert_null(spool_log_open(str_of(path), &limits, &c.outside, arena, &c.spool));
    struct loop loops[LOOPS];
    pthread_t workers[WORKERS], looker;
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = (struct loop) { .crowd = &c, .number = i };
        assert_int_equal(pthread_create(&loops[i].thread, NULL, loop_run, &loops[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, worker_run, &c), 0);
    assert_int_equal(pthread_create(&looker, NULL, looker_run, &c), 0);
    for (unsigned i = 0; i < LOOPS; i++)
        pthread_join(loops[i].thread, NULL);
    struct spool_health health;
    do
        c.spool->ops->health(c.spool, &health);
    while (health.queued || health.retrying || health.leased);
    c.spool->ops->stop(c.spool);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    c.over = true;
    pthread_join(looker, NULL);
    assert_int_equal(c.committed, LOOPS * EACH);
    assert_int_equal(c.done + c.dead, LOOPS * EACH);
    assert_int_equal(c.wrong, 0);
    c.spool->ops->close(c.spool);
    assert_null(spool_log_open(str_of(path), &limits, &c.outside, arena, &c.spool));
    c.spool->ops->health(c.spool, &health);
    assert_int_equal(health.queued + health.retrying, 0);
    assert_int_equal(health.dead, c.dead);
    assert_int_equal(health.damaged_frames, 0);
    assert_int_equal(health.draft_bytes, 0);
    c.spool->ops->close(c.spool);
    captured_journal_free(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(many_threads_lose_and_double_nothing) };
    return cmocka_run_group_tests_name("spool_log under many threads", tests, NULL, NULL);
}

/* The local log under power cuts and failing calls: what was promised stays, no half of the rest.
 */
#include "store/spool_story_suite.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

/* Commits, and settles most of what it leases; some are retried and stay. */
static void tell(struct story *s, unsigned count)
{
    struct lease lease;
    unsigned settled[MESSAGES_MOST], settled_count = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned n = s->count++;
        bool committed = commit(s, n).committed;
        for (unsigned j = 0; j < settled_count && committed; j++) /* rode with it, or before */
            s->messages[settled[j]].settled_at = disk_sim_steps(s->sim);
        settled_count = committed ? 0 : settled_count;
        if (s->spool->ops->lease(s->spool, 0, s->arena, &lease) || !lease.impl)
            continue;
        unsigned m = step_number(&lease);
        if (m % 5 == 4) {
            s->spool->ops->settle(&lease, SETTLE_RETRY, s->clock.wall_ms + 3600000,
                                  STR("{\"try\":1}"));
            continue;
        }
        if (m % 9 == 8) {
            s->messages[m].dies = true;
            s->spool->ops->settle(&lease, SETTLE_DEAD, 0, STR("{\"dead\":1}"));
            continue;
        }
        s->messages[m].settling_at = disk_sim_steps(s->sim) + 1;
        s->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{\"ok\":1}"));
        settled[settled_count++] = m;
    }
}

/* Everything promised by `step` is there and whole, nothing is there that was not begun. */
static void check(struct story *after, const struct story *before, uint64_t step, const char *what)
{
    bool seen[MESSAGES_MOST] = { false };
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    fake_clock_turn(&after->clock, 7200000);
    for (;;) {
        struct lease lease;
        arena_reset(arena);
        assert_null(after->spool->ops->lease(after->spool, 0, arena, &lease));
        if (!lease.impl)
            break;
        if (str_eq(lease.entry.id, STR("flush"))) {
            after->spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
            continue;
        }
        unsigned n = step_number(&lease);
        if (n >= MESSAGES_MOST || !before->messages[n].begun || seen[n])
            fail_msg("%s: the entry %.*s should not be there", what, STR_ARG(lease.entry.id));
        seen[n] = true;
        str body = step_read_all(after->spool, &lease, arena);
        if (!str_eq(body, step_body(arena, size_of(n), n)))
            fail_msg("%s: the body of %u is not what came", what, n);
        if (!str_eq(lease.entry.rules, STR("{\"name\":\"demo\",\"rules\":[]}")))
            fail_msg("%s: the rules of %u are not what came", what, n);
        if (before->messages[n].settled_at && before->messages[n].settled_at <= step)
            fail_msg("%s: %u was settled and came back", what, n);
        assert_null(after->spool->ops->settle(&lease, SETTLE_RETRY, after->clock.wall_ms + 1000000,
                                              STR("")));
    }
    for (unsigned n = 0; n < MESSAGES_MOST; n++) {
        const struct message *m = &before->messages[n];
        bool may_be_gone = m->settling_at && m->settling_at <= step + 1;
        char id[16];
        snprintf(id, sizeof id, "m%03u", n);
        if (seen[n] && step_state(after->spool, id) == SPOOL_DEAD)
            fail_msg("%s: %u lives and is dead", what, n);
        if (m->dies && step_state(after->spool, id) == SPOOL_DEAD)
            continue;
        if (m->acked_at && m->acked_at <= step && !may_be_gone && !seen[n])
            fail_msg("%s: %u was promised and is gone", what, n);
    }
}

static void cut_at(struct story *told, uint64_t step, enum disk_cut cut, uint64_t seed, bool twice)
{
    char what[96];
    snprintf(what, sizeof what, "cut %d at step %llu, seed %llu", (int)cut,
             (unsigned long long)step, (unsigned long long)seed);
    struct story after;
    story_on(&after, disk_sim_after_cut(told->sim, step, cut, seed));
    after.clock.wall_ms = (int64_t)told->clock.wall_ms;
    const struct fault *f = story_open(&after);
    if (f)
        fail_msg("%s: %.*s", what, STR_ARG(f->says));
    struct spool_health health;
    check(&after, told, step, what);
    after.spool->ops->health(after.spool, &health);
    if (health.damaged_frames)
        fail_msg("%s: %llu frames called damaged: %.*s", what,
                 (unsigned long long)health.damaged_frames,
                 STR_ARG(captured_journal_text(after.journal, after.arena)));
    if (twice) { /* go on, and let the power go again */
        struct story more = after;
        memcpy(more.messages, told->messages, sizeof more.messages);
        for (unsigned n = 0; n < MESSAGES_MOST; n++) {
            struct message *m = &more.messages[n];
            bool may_be_gone = m->settling_at && m->settling_at <= step + 1;
            m->acked_at = m->acked_at && m->acked_at <= step && !may_be_gone;
            m->settled_at = m->settled_at && m->settled_at <= step;
            m->settling_at = may_be_gone;
        }
        more.count = told->count;
        tell(&more, 12);
        story_close(&more);
        uint64_t steps = disk_sim_steps(more.sim);
        for (uint64_t k = seed % 5; k < steps; k += 5)
            cut_at(&more, k, (enum disk_cut)(k % 3), k, false);
        after = more;
    }
    story_end(&after);
}

static void a_power_cut_takes_nothing_that_was_promised(void **state)
{
    (void)state;
    struct story told;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    tell(&told, 80);
    story_close(&told);
    uint64_t steps = disk_sim_steps(told.sim);
    for (uint64_t k = 0; k <= steps; k += 3) {
        cut_at(&told, k, DISK_CUT_DROP, 0, false);
        cut_at(&told, k, DISK_CUT_TEAR, k, false);
        if (k % 2 == 0)
            cut_at(&told, k, DISK_CUT_KEEP, 0, false);
    }
    story_end(&told);
}

/* Senders who come while others' batch is being synced: their frames are written ahead of their batch. */
struct sender {
    struct story *story;
    unsigned first;
    pthread_t thread;
};
enum { SENDERS = 6, OF_EACH = 10 };

static int (*sync_at_once)(struct disk *, int);

/* What is written meanwhile is not what it brings to the disk, or, every other time, is. */
static int sync_slowly(struct disk *disk, int fd)
{
    static _Atomic unsigned turns;
    const struct timespec moment = { .tv_nsec = 500000 };
    const bool at_first = ++turns % 2;
    int error = at_first ? sync_at_once(disk, fd) : 0;
    nanosleep(&moment, NULL);
    return at_first ? error : sync_at_once(disk, fd);
}

/* While no thread of the spool's is there: each of them calls the disk. */
static void syncs_are_slow(struct story *s)
{
    sync_at_once = s->outside.disk->fdatasync;
    s->outside.disk->fdatasync = sync_slowly;
}

static void syncs_are_quick_again(struct story *s)
{
    s->outside.disk->fdatasync = sync_at_once;
}

static void *send_all(void *context)
{
    const struct sender *me = context;
    struct story *s = me->story;
    AUTO_ARENA *arena = arena_new((size_t)4 << 20);
    for (unsigned n = me->first; n < me->first + OF_EACH; n++) {
        struct lease lease;
        char id[16];
        snprintf(id, sizeof id, "m%03u", n);
        s->messages[n].begun = true;
        if (step_commit(s->spool, id, step_body(arena, size_of(n), n)).committed)
            s->messages[n].acked_at = disk_sim_steps(s->sim);
        if (n % 3 == 0 && !s->spool->ops->lease(s->spool, 0, arena, &lease) && lease.impl) {
            s->messages[step_number(&lease)].settling_at = disk_sim_steps(s->sim) + 1;
            s->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{\"ok\":1}"));
        }
        arena_reset(arena);
    }
    return NULL;
}

static void tell_together(struct story *s)
{
    struct sender senders[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender) { .story = s, .first = i * OF_EACH };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
}

static void a_power_cut_while_the_next_batch_is_written_ahead_takes_nothing(void **state)
{
    (void)state;
    struct story told;
    struct spool_health health;
    story_on(&told, disk_sim_new());
    syncs_are_slow(&told);
    assert_null(story_open(&told));
    tell_together(&told);
    told.spool->ops->health(told.spool, &health);
    assert_int_equal(health.commits, SENDERS * OF_EACH);
    told.count = SENDERS * OF_EACH;
    assert_true(health.batches_ahead > 0);
    story_close(&told);
    syncs_are_quick_again(&told);
    uint64_t steps = disk_sim_steps(told.sim);
    for (uint64_t k = 0; k <= steps; k += 2) {
        cut_at(&told, k, DISK_CUT_DROP, 0, false);
        cut_at(&told, k, DISK_CUT_TEAR, k, k % 40 == 0);
        cut_at(&told, k, DISK_CUT_KEEP, 0, false);
    }
    story_end(&told);
}

/* Each call in turn, while several are under way: whoever was told yes is there behind a restart. */
static void a_call_that_fails_while_the_next_batch_is_written_ahead_takes_nothing(void **state)
{
    (void)state;
    static const int errors[] = { EIO, ENOSPC };
    for (uint64_t n = 8; n < 120; n++) {
        char what[64];
        struct story told;
        snprintf(what, sizeof what, "call %llu fails beside others", (unsigned long long)n);
        story_on(&told, disk_sim_new());
        disk_sim_fail(told.sim, n, errors[n % 2]);
        syncs_are_slow(&told);
        if (!story_open(&told))
            tell_together(&told);
        story_close(&told);
        syncs_are_quick_again(&told);
        disk_sim_heal(told.sim);
        const struct fault *f = story_open(&told);
        if (f)
            fail_msg("%s: cannot start again: %.*s", what, STR_ARG(f->says));
        struct story before = told;
        check(&told, &before, UINT64_MAX - 2, what);
        story_end(&told);
    }
}

static void a_second_power_cut_takes_nothing_either(void **state)
{
    (void)state;
    struct story told;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    tell(&told, 60);
    story_close(&told);
    uint64_t steps = disk_sim_steps(told.sim);
    for (uint64_t k = 10; k <= steps; k += steps / 12)
        cut_at(&told, k, DISK_CUT_TEAR, k, true);
    story_end(&told);
}

/* A kill leaves everything in the page cache, synced or not; the next process goes on from what it
 * sees there, and then the power goes. */
static void a_kill_and_then_a_power_cut_take_nothing(void **state)
{
    (void)state;
    uint64_t most = 400;
    for (uint64_t call = 1; call < most; call += 3) {
        struct story told;
        story_on(&told, disk_sim_new());
        disk_sim_kill(told.sim, call);
        if (!story_open(&told))
            tell(&told, 40);
        bool through = disk_sim_calls(told.sim) < call;
        story_close(&told);
        disk_sim_heal(told.sim);
        uint64_t restart = disk_sim_steps(told.sim);
        const struct fault *f = story_open(&told);
        if (f)
            fail_msg("killed at call %llu: %.*s", (unsigned long long)call, STR_ARG(f->says));
        told.count = 100;
        tell(&told, 12);
        uint64_t steps = disk_sim_steps(told.sim);
        for (uint64_t k = restart + call % 5; k <= steps; k += 5) {
            cut_at(&told, k, DISK_CUT_DROP, 0, false);
            cut_at(&told, k, DISK_CUT_TEAR, k, false);
        }
        story_end(&told);
        if (through)
            break;
    }
}

static void a_body_in_a_file_that_an_abandoned_message_left_keeps_its_name(void **state)
{
    (void)state;
    struct story told, after;
    struct spool_draft *draft;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    assert_null(told.spool->ops->draft(told.spool, NULL, NULL, &draft));
    assert_true(told.spool->ops->write(draft, step_body(told.arena, 20000, 99)));
    struct spool_health health; /* until the file is there */
    do {
        nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
        told.spool->ops->health(told.spool, &health);
    } while (health.draft_bytes > 20000);
    told.spool->ops->abandon(draft);
    assert_true(commit(&told, 3).committed); /* with a body in a file: that one */
    story_on(&after, disk_sim_after_cut(told.sim, told.messages[3].acked_at, DISK_CUT_DROP, 0));
    assert_null(story_open(&after));
    check(&after, &told, told.messages[3].acked_at, "after an abandoned message");
    story_end(&after);
    story_end(&told);
}

static void recycled_segments_full_of_old_frames_stay_silent(void **state)
{
    (void)state;
    struct story told;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    uint64_t synced[121]; /* the step behind the commit that came after message i was settled */
    for (unsigned i = 0; i < 120; i++) { /* everything settled: the same few segments go round */
        char id[16];
        snprintf(id, sizeof id, "m%03u", i);
        assert_true(step_commit(told.spool, id, step_body(told.arena, 4000, i)).committed);
        synced[i] = disk_sim_steps(told.sim);
        struct lease lease = step_lease(told.spool, told.arena);
        told.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    }
    step_flush(told.spool);
    synced[120] = disk_sim_steps(told.sim);
    struct spool_health health;
    told.spool->ops->health(told.spool, &health);
    assert_true(health.segments <= 4);
    story_close(&told);
    uint64_t steps = disk_sim_steps(told.sim);
    for (uint64_t k = steps - 150; k <= steps; k += 2) {
        struct story after;
        story_on(&after, disk_sim_after_cut(told.sim, k, (enum disk_cut)(k % 3), k));
        assert_null(story_open(&after));
        after.spool->ops->health(after.spool, &health);
        assert_int_equal(health.damaged_frames, 0);
        for (;;) {
            struct lease lease;
            assert_null(after.spool->ops->lease(after.spool, 0, after.arena, &lease));
            if (!lease.impl)
                break;
            if (lease.entry.id.ptr[0] == 'm')
                assert_true(synced[step_number(&lease) + 1] > k);
            after.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
        }
        story_end(&after);
    }
    story_end(&told);
}

static void one_message_that_waits_does_not_keep_the_others_on_disk(void **state)
{
    (void)state;
    struct story told;
    struct spool_health health;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    for (unsigned n = 0; n < 4; n++) { /* the last one's body is in a file */
        assert_true(commit(&told, n).committed);
        struct lease lease = step_lease(told.spool, told.arena);
        assert_null(told.spool->ops->note(&lease, STR("{\"first\":1}")));
        told.spool->ops->settle(&lease, SETTLE_RETRY, told.clock.wall_ms + 3600000,
                                STR("{\"then\":2}"));
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_true(step_commit(told.spool, "m200", step_body(told.arena, 4000, i)).committed);
        struct lease lease = step_lease(told.spool, told.arena);
        told.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    }
    step_flush(told.spool);
    told.spool->ops->health(told.spool, &health);
    assert_true(health.segments <= 9);
    story_close(&told);
    uint64_t steps = disk_sim_steps(told.sim);
    told.messages[200].begun = true;
    for (uint64_t k = 0; k <= steps; k += 7) {
        if (k == steps / 7 * 7)
            k = steps;
        char what[64];
        snprintf(what, sizeof what, "waiting, cut at %llu", (unsigned long long)k);
        struct story after;
        story_on(&after, disk_sim_after_cut(told.sim, k, (enum disk_cut)(k % 3), k));
        assert_null(story_open(&after));
        fake_clock_turn(&after.clock, 7200000);
        bool seen[4] = { false };
        struct lease lease;
        while (!after.spool->ops->lease(after.spool, 0, after.arena, &lease) && lease.impl) {
            bool flush = str_eq(lease.entry.id, STR("flush"));
            unsigned n = flush ? MESSAGES_MOST : step_number(&lease);
            if (n < 4) {
                seen[n] = true;
                assert_true(str_eq(step_read_all(after.spool, &lease, after.arena),
                                   step_body(after.arena, size_of(n), n)));
                if (k > steps / 2) {
                    assert_int_equal(lease.attempt, 2);
                    assert_true(str_eq(lease.notes, STR("{\"first\":1}\n{\"then\":2}\n")));
                }
            }
            after.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
        }
        for (unsigned n = 0; n < 4; n++)
            if (told.messages[n].acked_at <= k && !seen[n])
                fail_msg("%s: %u is gone", what, n);
        after.spool->ops->health(after.spool, &health);
        if (health.damaged_frames)
            fail_msg("%s: %.*s", what, STR_ARG(captured_journal_text(after.journal, after.arena)));
        story_end(&after);
    }
    story_end(&told);
}

static void after_every_failing_call_a_restart_finds_what_was_promised(void **state)
{
    (void)state;
    static const int errors[] = { EIO, ENOSPC };
    uint64_t calls = 1;
    for (uint64_t n = 1; n <= calls; n++)
        for (int e = 0; e < 2; e++) {
            char what[64];
            snprintf(what, sizeof what, "call %llu fails with %d", (unsigned long long)n,
                     errors[e]);
            struct story told;
            story_on(&told, disk_sim_new());
            disk_sim_fail(told.sim, n, errors[e]);
            const struct fault *f = story_open(&told);
            if (!f) {
                tell(&told, 14);
                struct lease lease;
                if (!told.spool->ops->lease(told.spool, 0, told.arena, &lease) && lease.impl) {
                    if (lease.entry.id.ptr[0] == 'm')
                        told.messages[step_number(&lease)].settling_at = 1;
                    told.spool->ops->settle(&lease, SETTLE_DEAD, 0, STR(""));
                }
                step_flush(told.spool);
            }
            story_close(&told);
            if (n == 1 && e == 0)
                calls = 160;
            disk_sim_heal(told.sim);
            f = story_open(&told);
            if (f)
                fail_msg("%s: cannot start again: %.*s", what, STR_ARG(f->says));
            struct story before = told;
            /* a failed settlement may bring its entry back: that is the window of duplicates */
            for (unsigned i = 0; i < MESSAGES_MOST; i++)
                before.messages[i].settled_at = 0;
            check(&told, &before, UINT64_MAX - 2, what);
            story_end(&told);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_takes_nothing_that_was_promised),
        cmocka_unit_test(a_power_cut_while_the_next_batch_is_written_ahead_takes_nothing),
        cmocka_unit_test(a_call_that_fails_while_the_next_batch_is_written_ahead_takes_nothing),
        cmocka_unit_test(a_second_power_cut_takes_nothing_either),
        cmocka_unit_test(a_kill_and_then_a_power_cut_take_nothing),
        cmocka_unit_test(a_body_in_a_file_that_an_abandoned_message_left_keeps_its_name),
        cmocka_unit_test(recycled_segments_full_of_old_frames_stay_silent),
        cmocka_unit_test(one_message_that_waits_does_not_keep_the_others_on_disk),
        cmocka_unit_test(after_every_failing_call_a_restart_finds_what_was_promised),
    };
    return cmocka_run_group_tests_name("spool_log under cuts", tests, NULL, NULL);
}

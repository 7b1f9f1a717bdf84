/* The local log under power cuts, failing calls, full disks and damage: what was promised stays. */
#include "store/spool_steps.h"

#include "testing/clock.h"
#include "testing/disk_sim.h"
#include "testing/entropy.h"
#include "testing/journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { MESSAGES_MOST = 256 };

struct message { /* what the test knows of one */
    bool begun;
    uint64_t acked_at;    /* the step after which it was promised; 0: it was not */
    uint64_t settling_at; /* from here on it may be gone */
    uint64_t settled_at;  /* from here on it must be gone */
    bool dies;            /* it becomes a dead letter: then it is one, or it lives */
};

struct story { /* a spool on a disk in memory, and what happened to it */
    struct disk_sim *sim;
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct outside outside;
    struct spool *spool;
    struct arena *arena;
    struct message messages[MESSAGES_MOST];
    unsigned count;
};

static const struct spool_limits small = { .segment_bytes = 128 << 10,
                                           .spill_bytes = 8 << 10,
                                           .history_bytes = 512 << 10 };

static void story_on(struct story *s, struct disk_sim *sim)
{
    *s = (struct story) { .sim = sim,
                          .clock = fake_clock_at("2026-03-02T09:15:42.317Z"),
                          .entropy = seeded_entropy(7),
                          .journal = captured_journal_new(),
                          .arena = arena_new((size_t)256 << 20) };
    s->outside = (struct outside) { .clock = &s->clock.clock,
                                    .entropy = &s->entropy.entropy,
                                    .journal = captured_journal(s->journal),
                                    .disk = disk_sim_disk(sim) };
}

static const struct fault *story_open(struct story *s)
{
    s->spool = NULL;
    return spool_log_open(STR("/spool"), &small, &s->outside, s->arena, &s->spool);
}

static void story_close(struct story *s)
{
    if (s->spool)
        s->spool->ops->close(s->spool);
    s->spool = NULL;
}

static void story_end(struct story *s)
{
    story_close(s);
    captured_journal_free(s->journal);
    arena_free(s->arena);
    disk_sim_free(s->sim);
}

static size_t size_of(unsigned n)
{
    return n % 7 == 3 || n % 7 == 4 ? 20000 + n * 100 : 300 + (n * 977) % 5000;
}

static struct step commit(struct story *s, unsigned n)
{
    char id[16];
    snprintf(id, sizeof id, "m%03u", n);
    s->messages[n].begun = true;
    struct step step = step_commit(s->spool, id, step_body(s->arena, size_of(n), n));
    if (step.committed)
        s->messages[n].acked_at = disk_sim_steps(s->sim);
    return step;
}

static unsigned number_of(const struct lease *lease)
{
    return (unsigned)atoi(lease->entry.id.ptr + 1);
}

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
        unsigned m = number_of(&lease);
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
        unsigned n = number_of(&lease);
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
                assert_true(synced[number_of(&lease) + 1] > k);
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
            unsigned n = number_of(&lease);
            if (lease.entry.id.ptr[0] == 'm' && n < 4) {
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
                        told.messages[number_of(&lease)].settling_at = 1;
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

static void an_fsync_error_is_final_and_what_was_promised_stays_readable(void **state)
{
    (void)state;
    struct story s;
    struct spool_health health;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    assert_true(commit(&s, 0).committed);
    disk_sim_fail(s.sim, disk_sim_calls(s.sim) + 2, EIO); /* the write, then its sync */
    struct step step = commit(&s, 1);
    assert_false(step.committed);
    assert_int_equal(step.kind, FAULT_UNAVAILABLE);
    disk_sim_heal(s.sim);
    assert_false(commit(&s, 2).committed); /* the disk may be well again; we do not believe it */
    s.spool->ops->health(s.spool, &health);
    assert_false(health.accepting);
    assert_true(strstr(health.says, "synced") != NULL);
    assert_int_equal(captured_journal_count(s.journal, "disk_failed"), 1);
    struct lease lease = step_lease(s.spool, s.arena);
    assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), step_body(s.arena, size_of(0), 0)));
    assert_non_null(s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR("")));
    story_close(&s);
    assert_null(story_open(&s));
    assert_true(commit(&s, 3).committed);
    story_end(&s);
}

static void a_full_disk_refuses_mail_and_still_drains(void **state)
{
    (void)state;
    struct story s;
    struct spool_health health;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    disk_sim_set_room(s.sim, 1400 << 10);
    unsigned taken = 0;
    struct step step = { .committed = true };
    for (; taken < 250 && step.committed; taken += step.committed) {
        char id[16];
        snprintf(id, sizeof id, "m%03u", taken);
        step = step_commit(s.spool, id, step_body(s.arena, 7000, taken));
    }
    assert_true(taken > 50 && taken < 250);
    assert_int_equal(step.kind, FAULT_LIMIT);
    s.spool->ops->health(s.spool, &health);
    assert_false(health.accepting);
    assert_true(strstr(health.says, "full") != NULL);
    for (unsigned i = 0; i < taken; i++) { /* all of it, in order, with notes */
        struct lease lease = step_lease(s.spool, s.arena);
        assert_int_equal(number_of(&lease), i);
        assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), step_body(s.arena, 7000, i)));
        assert_null(s.spool->ops->note(&lease, STR("{\"n\":1}")));
        assert_null(s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR("")));
    }
    for (int i = 0; i < 100; i++) { /* drained segments are free again, so mail is taken again */
        s.spool->ops->health(s.spool, &health);
        if (health.accepting)
            break;
        nanosleep(&(struct timespec) { .tv_nsec = 20000000 }, NULL);
    }
    assert_true(health.accepting);
    assert_true(step_commit(s.spool, "m250", STR("again")).committed);
    story_close(&s);
    assert_null(story_open(&s));
    struct lease lease = step_lease(s.spool, s.arena);
    assert_int_equal(number_of(&lease), 250);
    s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    step_lease_none(s.spool, s.arena);
    story_end(&s);
}

/* Leases everything there is; how many came, each of them whole. */
static unsigned lease_all(struct story *s)
{
    unsigned count = 0;
    for (;;) {
        struct lease lease;
        AUTO_ARENA *arena = arena_new((size_t)16 << 20);
        assert_null(s->spool->ops->lease(s->spool, 0, arena, &lease));
        if (!lease.impl)
            return count;
        unsigned n = number_of(&lease);
        str body = step_read_all(s->spool, &lease, arena);
        assert_true(str_is_none(body) || str_eq(body, step_body(arena, size_of(n), n)));
        count += !str_is_none(body);
        s->spool->ops->settle(&lease, SETTLE_RETRY, s->clock.wall_ms + 100000, STR(""));
    }
}

static void damage_before_the_synced_position_is_reported_and_the_rest_recovered(void **state)
{
    (void)state;
    struct story told;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    for (unsigned i = 0; i < 45; i++) /* one sealed segment, one open */
        assert_true(commit(&told, i).committed);
    story_close(&told);
    uint64_t steps = disk_sim_steps(told.sim);
    unsigned hit = 0;
    for (int slot = 0; slot < 2; slot++)
        for (uint64_t at = 0; at < small.segment_bytes; at += 1511) {
            char path[64];
            struct story after;
            story_on(&after, disk_sim_after_cut(told.sim, steps, DISK_CUT_KEEP, 0));
            snprintf(path, sizeof path, "/spool/log/%08x", slot);
            str bytes = disk_sim_bytes(after.sim, path, after.arena);
            assert_true(
                disk_sim_damage(after.sim, path, at, (unsigned char)(bytes.ptr[at] ^ 0x41)));
            assert_null(story_open(&after));
            unsigned there = lease_all(&after);
            struct spool_health health;
            after.spool->ops->health(after.spool, &health);
            if (there < 45 && !health.damaged_frames)
                fail_msg("slot %d, byte %llu: %u are gone and nobody says so", slot,
                         (unsigned long long)at, 45 - there);
            /* a byte in a frame costs that frame; in a rules frame, those that refer to it */
            bool rules = at >= 4096 && at < 4224;
            if (there < (at < 4096 ? 45 : rules ? 1 : 44))
                fail_msg("slot %d, byte %llu: %u are gone", slot, (unsigned long long)at,
                         45 - there);
            if (health.damaged_frames) {
                hit++;
                assert_true(captured_journal_count(after.journal, "damage") > 0);
            }
            /* and what is there can be settled and added to */
            assert_true(commit(&after, 100).committed);
            story_close(&after);
            assert_null(story_open(&after));
            story_end(&after);
        }
    assert_true(hit > 60);
    story_end(&told);
}

static void damage_of_the_last_batch_is_told_from_a_torn_tail_after_a_clean_stop(void **state)
{
    (void)state;
    struct story told;
    story_on(&told, disk_sim_new());
    assert_null(story_open(&told));
    assert_true(commit(&told, 0).committed);
    assert_true(commit(&told, 1).committed);
    story_close(&told);
    str bytes = disk_sim_bytes(told.sim, "/spool/log/00000000", told.arena);
    size_t at = 0; /* the second message's envelope */
    for (size_t i = 0; i + 12 < bytes.len; i++)
        if (memcmp(bytes.ptr + i, "head of m001", 12) == 0)
            at = i;
    assert_true(at > 0);
    assert_true(disk_sim_damage(told.sim, "/spool/log/00000000", at, 'X'));
    assert_null(story_open(&told));
    struct spool_health health;
    told.spool->ops->health(told.spool, &health);
    assert_int_equal(health.damaged_frames, 1);
    struct lease lease = step_lease(told.spool, told.arena);
    assert_int_equal(number_of(&lease), 0);
    told.spool->ops->release(&lease);
    story_end(&told);
}

static void a_newer_format_is_refused_in_one_sentence(void **state)
{
    (void)state;
    struct story s;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    story_close(&s);
    assert_true(disk_sim_damage(s.sim, "/spool/format", 13, '2'));
    const struct fault *f = story_open(&s);
    assert_non_null(f);
    assert_true(str_find_str(f->says, STR("newer version")) < f->says.len);
    assert_true(disk_sim_damage(s.sim, "/spool/format", 0, 'X'));
    f = story_open(&s);
    assert_non_null(f);
    assert_true(str_find_str(f->says, STR("not a spool")) < f->says.len);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_takes_nothing_that_was_promised),
        cmocka_unit_test(a_second_power_cut_takes_nothing_either),
        cmocka_unit_test(recycled_segments_full_of_old_frames_stay_silent),
        cmocka_unit_test(one_message_that_waits_does_not_keep_the_others_on_disk),
        cmocka_unit_test(after_every_failing_call_a_restart_finds_what_was_promised),
        cmocka_unit_test(an_fsync_error_is_final_and_what_was_promised_stays_readable),
        cmocka_unit_test(a_full_disk_refuses_mail_and_still_drains),
        cmocka_unit_test(damage_before_the_synced_position_is_reported_and_the_rest_recovered),
        cmocka_unit_test(damage_of_the_last_batch_is_told_from_a_torn_tail_after_a_clean_stop),
        cmocka_unit_test(a_newer_format_is_refused_in_one_sentence),
    };
    return cmocka_run_group_tests_name("spool_log under cuts", tests, NULL, NULL);
}

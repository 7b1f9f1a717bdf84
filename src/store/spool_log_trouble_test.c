/* The local log on a disk that is full, failed or damaged: it says so, and keeps what it has. */
#include "store/spool_story_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

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
    assert_int_equal(captured_journal_count(s.journal, "disk-failed"), 1);
    struct lease lease = step_lease(s.spool, s.arena);
    assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), step_body(s.arena, size_of(0), 0)));
    assert_non_null(s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR("")));
    story_close(&s);
    assert_null(story_open(&s));
    assert_true(commit(&s, 3).committed);
    story_end(&s);
}

/* A disk that copies on write, or a quota, may have no room even for a header that stands there
 * already. What is small enough for the room that the segment before still has does not go there: its
 * table lies there. */
static void a_segment_that_finds_no_room_for_its_header_is_begun_later(void **state)
{
    (void)state;
    enum { COMMITS = 90 }; /* half of them of 7000 octets: some segments */
    uint64_t calls = 1;
    for (uint64_t n = 0; n <= calls; n++) { /* 0: count them */
        struct story s;
        struct spool_health health;
        bool there[COMMITS] = { false };
        story_on(&s, disk_sim_new());
        assert_null(story_open(&s));
        uint64_t opened = disk_sim_calls(s.sim);
        if (n)
            disk_sim_fail(s.sim, opened + n, n % 2 ? EDQUOT : ENOSPC);
        for (unsigned i = 0; i < COMMITS; i++) {
            char id[16];
            snprintf(id, sizeof id, "m%03u", i);
            there[i] = step_commit(s.spool, id, step_body(s.arena, i % 2 ? 10 : 7000, i)).committed;
        }
        if (n == 0)
            calls = disk_sim_calls(s.sim) - opened;
        story_close(&s);
        disk_sim_heal(s.sim);
        assert_null(story_open(&s));
        s.spool->ops->health(s.spool, &health);
        if (health.damaged_frames)
            fail_msg("call %llu: %.*s", (unsigned long long)n,
                     STR_ARG(captured_journal_text(s.journal, s.arena)));
        for (unsigned i = 0; i < COMMITS; i++) {
            char id[16];
            snprintf(id, sizeof id, "m%03u", i);
            if (there[i] && (int)step_state(s.spool, id) == 99)
                fail_msg("call %llu: %u is gone", (unsigned long long)n, i);
        }
        story_end(&s);
    }
    assert_true(calls > 2 * COMMITS);
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
    bool seen[MESSAGES_MOST] = { false };
    for (unsigned i = 0; i < taken; i++) { /* all of it, with notes */
        struct lease lease = step_lease(s.spool, s.arena);
        unsigned n = step_number(&lease); /* in order, but for those that are just being moved */
        assert_true(n < taken && !seen[n]);
        seen[n] = true;
        assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), step_body(s.arena, 7000, n)));
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
    assert_int_equal(step_number(&lease), 250);
    s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    step_lease_none(s.spool, s.arena);
    story_end(&s);
}

static void on_told(void *context, const struct fault *f)
{
    atomic_int *told = context;
    *told = f ? 1 + (int)f->kind : -1;
}

/* Notes that find no room wait for it; a sender must not wait with them. */
static void when_not_even_notes_find_room_mail_under_way_is_refused_at_once(void **state)
{
    (void)state;
    struct story s;
    struct spool_draft *draft;
    atomic_int told = 0;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    disk_sim_set_room(s.sim, 1);                                   /* what there is must do */
    assert_null(s.spool->ops->draft(s.spool, NULL, NULL, &draft)); /* taken while there was room */
    assert_true(s.spool->ops->write(draft, STR("late")));
    unsigned taken = 0;
    while (commit(&s, 7 * taken).committed) /* none of them in a file */
        taken++;
    assert_true(taken > 4);
    str note = step_body(s.arena, 20000, 1);
    for (unsigned i = 0; i < 16; i++) { /* more than the segment kept back can take */
        struct lease lease;
        assert_null(s.spool->ops->lease(s.spool, 500, s.arena, &lease));
        if (lease.impl) /* one note waits with each entry, then none is left to lease */
            s.spool->ops->settle(&lease, SETTLE_RETRY, s.clock.wall_ms, note);
    }
    struct spool_entry e = { .id = STR("late"), .kind = SPOOL_MAIL, .head = STR("h") };
    s.spool->ops->commit(draft, &e, 1, on_told, &told);
    for (int i = 0; i < 200 && !told; i++)
        nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
    if (told != 1 + (int)FAULT_LIMIT)
        fail_msg("a sender was told %d", (int)told);
    disk_sim_heal(s.sim);
    fake_clock_turn(&s.clock, 1000);
    for (int i = 0; i < 200 && !commit(&s, 7 * taken).committed; i++)
        nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
    unsigned left = 0;
    for (struct lease lease;; left++) {
        assert_null(s.spool->ops->lease(s.spool, 200, s.arena, &lease));
        if (!lease.impl)
            break;
        s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    }
    assert_int_equal(left, taken + 1);
    story_end(&s);
}

/* The body of m003 lies in a file. When it can no longer be read, no letter can be written of it;
 * it must not keep all later segments from being freed for ever. */
static void a_letter_whose_body_is_damaged_is_set_aside(void **state)
{
    (void)state;
    struct story s;
    struct spool_health health;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    assert_true(commit(&s, 3).committed);
    assert_true(disk_sim_damage(s.sim, "/spool/bodies/00000001", 17000, 'X'));
    struct lease lease = step_lease(s.spool, s.arena);
    assert_null(s.spool->ops->settle(&lease, SETTLE_DEAD, 0, STR("{\"dead\":1}")));
    for (unsigned i = 0; i < 200; i++) {
        assert_true(step_commit(s.spool, "m200", step_body(s.arena, 4000, i)).committed);
        lease = step_lease(s.spool, s.arena);
        s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    }
    step_flush(s.spool);
    s.spool->ops->health(s.spool, &health);
    assert_true(health.segments <= 6);
    assert_true(health.damaged_frames > 0);
    assert_true(captured_journal_count(s.journal, "damage") > 0);
    assert_false(str_is_none(disk_sim_bytes(s.sim, "/spool/damaged/body-00000001-1", s.arena)));
    story_close(&s);
    assert_null(story_open(&s));
    assert_true(commit(&s, 4).committed); /* and no other body is written over it */
    assert_false(str_is_none(disk_sim_bytes(s.sim, "/spool/damaged/body-00000001-1", s.arena)));
    story_end(&s);
}

static void a_letter_for_which_there_is_no_room_waits_and_is_not_lost(void **state)
{
    (void)state;
    struct story s;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    assert_true(commit(&s, 3).committed); /* with a body in a file */
    struct lease lease = step_lease(s.spool, s.arena);
    disk_sim_set_room(s.sim, 1); /* no more than there is */
    assert_null(s.spool->ops->settle(&lease, SETTLE_DEAD, 0, STR("{\"dead\":1}")));
    for (int i = 0; i < 100 && !captured_journal_count(s.journal, "dead-letter-not-written"); i++)
        nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
    assert_int_equal(captured_journal_count(s.journal, "dead-letter-not-written"), 1);
    assert_int_equal(step_state(s.spool, "m003"), SPOOL_QUEUED);
    step_lease_none(s.spool, s.arena);
    disk_sim_heal(s.sim);
    assert_true(step_state_becomes(s.spool, "m003", SPOOL_DEAD));
    story_close(&s);
    assert_null(story_open(&s));
    assert_int_equal(step_state(s.spool, "m003"), SPOOL_DEAD);
    assert_null(s.spool->ops->redrive(s.spool, STR("m003"), STR("")));
    lease = step_lease(s.spool, s.arena);
    assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), step_body(s.arena, size_of(3), 3)));
    s.spool->ops->release(&lease);
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
        unsigned n = step_number(&lease);
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
    assert_int_equal(step_number(&lease), 0);
    told.spool->ops->release(&lease);
    story_end(&told);
}

static void a_start_is_not_kept_from_by_what_others_left(void **state)
{
    (void)state;
    static const char *const left[] = {
        "log/0x000001",
        "log/0000000A",
        "log/tmp",
        "log/+0000003",
        "log/00000009" /* a creation that did not end */,
        "bodies/0000000A",
        "bodies/00000077",
        "bodies/ 0000007",
        "dead/.new",
        "dead/garbage",
        "history/garbage",
        "history/00000003",
        "damaged",
        "log/.00000001.swp",
    };
    struct story s;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    assert_true(commit(&s, 3).committed);
    story_close(&s);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        char path[64];
        snprintf(path, sizeof path, "/spool/%s", left[i]);
        s.outside.disk->close(s.outside.disk,
                              s.outside.disk->open(s.outside.disk, path, O_RDWR | O_CREAT, 0600));
    }
    const struct fault *f = story_open(&s);
    if (f)
        fail_msg("%.*s", STR_ARG(f->says));
    struct lease lease = step_lease(s.spool, s.arena);
    assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), step_body(s.arena, size_of(3), 3)));
    s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    for (unsigned i = 0; i < 40; i++)
        assert_true(commit(&s, 10 + i).committed);
    story_end(&s);
}

/* Counts beside the disk in memory, which has no word for it. */
static _Atomic unsigned syncs;
static int (*sync_uncounted)(struct disk *, int);

static int sync_counted(struct disk *disk, int fd)
{
    syncs++;
    return sync_uncounted(disk, fd);
}

static void timelines_of_one_moment_share_a_sync(void **state)
{
    (void)state;
    enum { MESSAGES = 60 };
    struct story s;
    struct spool_health health;
    struct timespec began, ended;
    story_on(&s, disk_sim_new());
    sync_uncounted = s.outside.disk->fdatasync;
    s.outside.disk->fdatasync = sync_counted;
    const struct spool_limits roomy = { .segment_bytes = 4 << 20 }; /* no turns, which sync too */
    assert_null(spool_log_open(STR("/spool"), &roomy, &s.outside, s.arena, &s.spool));
    syncs = 0;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (unsigned i = 0; i < MESSAGES; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%03u", i);
        assert_true(step_commit(s.spool, id, STR("x")).committed);
        struct lease lease = step_lease(s.spool, s.arena);
        assert_null(s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR("")));
        nanosleep(&(struct timespec) { .tv_nsec = 2000000 }, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    s.spool->ops->health(s.spool, &health); /* first: no batch is counted that was not synced */
    uint64_t others = syncs - health.batches;
    int64_t ms = (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000;
    if (others < 1 || others > (uint64_t)ms / 100 + 6) /* a new segment of the ring: four */
        fail_msg("%u syncs besides those of batches in %u ms", (unsigned)others, (unsigned)ms);
    story_end(&s);
}

static uint64_t soon_octets;
static unsigned syncs_when_soon;

static void soon_counted(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)disk, (void)fd, (void)offset;
    soon_octets += size;
    syncs_when_soon = syncs;
}

static void a_large_body_is_on_its_way_before_its_sync(void **state)
{
    (void)state;
    struct story s;
    story_on(&s, disk_sim_new());
    sync_uncounted = s.outside.disk->fdatasync;
    s.outside.disk->fdatasync = sync_counted;
    s.outside.disk->write_soon = soon_counted;
    assert_null(story_open(&s));
    const str body = step_body(s.arena, 3 << 20, 1);
    syncs = 0;
    soon_octets = 0;
    assert_true(step_commit(s.spool, "large", body).committed);
    assert_true(soon_octets >= body.len && soon_octets < body.len + (64 << 10));
    assert_int_equal(syncs_when_soon, 0);
    struct lease lease = step_lease(s.spool, s.arena);
    assert_true(str_eq(step_read_all(s.spool, &lease, s.arena), body));
    s.spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    story_end(&s);
}

static void retry_in(struct story *s, struct lease *lease, int64_t ms)
{
    assert_null(s->spool->ops->settle(lease, SETTLE_RETRY, s->clock.wall_ms + ms, STR("")));
}

/* Its three entries: one told its time before the clock went ahead, one while it was ahead, one leased then and given back later. */
static void a_clock_that_is_set_back_takes_along_what_waits(void **state)
{
    (void)state;
    enum { SECOND = 1000, DAY = 24 * 3600 * SECOND };
    struct story s;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    for (unsigned n = 0; n < 3; n++)
        assert_true(commit(&s, n).committed);
    struct lease one = step_lease(s.spool, s.arena), two = step_lease(s.spool, s.arena),
                 three = step_lease(s.spool, s.arena);
    retry_in(&s, &one, 10 * SECOND);
    step_flush(s.spool);
    fake_clock_step_wall(&s.clock, DAY); /* ahead: it comes early */
    one = step_lease(s.spool, s.arena);
    retry_in(&s, &one, 10 * SECOND);
    retry_in(&s, &two, 10 * SECOND);
    step_flush(s.spool);
    step_lease_none(s.spool, s.arena);
    const int64_t as_told = s.clock.wall_ms + 10 * SECOND;
    fake_clock_step_wall(&s.clock, -DAY);
    assert_null(s.spool->ops->settle(&three, SETTLE_RETRY, as_told, STR("")));
    step_flush(s.spool);
    step_lease_none(s.spool, s.arena);
    fake_clock_turn(&s.clock, 9 * SECOND);
    step_lease_none(s.spool, s.arena);
    fake_clock_turn(&s.clock, 2 * SECOND);
    for (unsigned n = 0; n < 3; n++) {
        struct lease due = step_lease(s.spool, s.arena);
        assert_null(s.spool->ops->settle(&due, SETTLE_DONE, 0, STR("")));
    }
    step_lease_none(s.spool, s.arena);
    story_end(&s);
}

/* A start does not know how far ahead the clock was; but nothing waits longer than is ever asked for. */
static void after_a_start_nothing_waits_longer_than_is_ever_asked_for(void **state)
{
    (void)state;
    enum { HOUR = 3600 * 1000 };
    struct story s;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    assert_true(commit(&s, 0).committed);
    struct lease one = step_lease(s.spool, s.arena);
    fake_clock_step_wall(&s.clock, (int64_t)1000 * HOUR);
    retry_in(&s, &one, HOUR);
    step_flush(s.spool);
    story_close(&s);
    fake_clock_step_wall(&s.clock, (int64_t)-1000 * HOUR);
    assert_null(story_open(&s));
    step_lease_none(s.spool, s.arena);
    fake_clock_turn(&s.clock, small.wait_ms - 1000);
    step_lease_none(s.spool, s.arena);
    fake_clock_turn(&s.clock, 2000);
    one = step_lease(s.spool, s.arena);
    assert_null(s.spool->ops->settle(&one, SETTLE_DONE, 0, STR("")));
    story_end(&s);
}

static void what_was_held_does_not_wait_for_a_clock_that_was_set_back(void **state)
{
    (void)state;
    enum { SECOND = 1000, DAY = 24 * 3600 * SECOND };
    struct story s;
    story_on(&s, disk_sim_new());
    assert_null(story_open(&s));
    assert_true(commit(&s, 0).committed);
    fake_clock_step_wall(&s.clock, DAY);
    struct lease one = step_lease(s.spool, s.arena);
    retry_in(&s, &one, 10 * SECOND);
    step_flush(s.spool);
    fake_clock_turn(&s.clock, 11 * SECOND);
    one = step_lease(s.spool, s.arena);
    s.spool->ops->hold(&one, 7);
    step_flush(s.spool);
    fake_clock_step_wall(&s.clock, -DAY);
    step_lease_none(s.spool, s.arena);
    bool more;
    assert_true(s.spool->ops->resume(s.spool, 7, true, &more));
    one = step_lease(s.spool, s.arena);
    assert_null(s.spool->ops->settle(&one, SETTLE_DONE, 0, STR("")));
    story_end(&s);
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
        cmocka_unit_test(an_fsync_error_is_final_and_what_was_promised_stays_readable),
        cmocka_unit_test(a_segment_that_finds_no_room_for_its_header_is_begun_later),
        cmocka_unit_test(a_full_disk_refuses_mail_and_still_drains),
        cmocka_unit_test(when_not_even_notes_find_room_mail_under_way_is_refused_at_once),
        cmocka_unit_test(a_letter_whose_body_is_damaged_is_set_aside),
        cmocka_unit_test(a_letter_for_which_there_is_no_room_waits_and_is_not_lost),
        cmocka_unit_test(damage_before_the_synced_position_is_reported_and_the_rest_recovered),
        cmocka_unit_test(damage_of_the_last_batch_is_told_from_a_torn_tail_after_a_clean_stop),
        cmocka_unit_test(a_start_is_not_kept_from_by_what_others_left),
        cmocka_unit_test(timelines_of_one_moment_share_a_sync),
        cmocka_unit_test(a_large_body_is_on_its_way_before_its_sync),
        cmocka_unit_test(a_clock_that_is_set_back_takes_along_what_waits),
        cmocka_unit_test(after_a_start_nothing_waits_longer_than_is_ever_asked_for),
        cmocka_unit_test(what_was_held_does_not_wait_for_a_clock_that_was_set_back),
        cmocka_unit_test(a_newer_format_is_refused_in_one_sentence),
    };
    return cmocka_run_group_tests_name("spool_log in trouble", tests, NULL, NULL);
}

/* What every spool must do, told by its operations alone. One fixture serves all of it, so it stays whole. */
#include "store/spool_suite.h"

#include "store/spool_steps_suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static const struct spool_maker *maker;

#define assert_str(a, b) assert_true(str_eq((a), (b)))

static struct spool *fresh(struct arena *arena)
{
    struct spool *spool = NULL;
    maker->clear(maker->context);
    const struct fault *f = maker->open(maker->context, arena, &spool);
    if (f)
        print_error("%.*s\n", STR_ARG(f->says));
    assert_null(f);
    return spool;
}

static struct spool *again(struct spool *spool, struct arena *arena)
{
    spool->ops->close(spool);
    const struct fault *f = maker->open(maker->context, arena, &spool);
    if (f)
        print_error("%.*s\n", STR_ARG(f->says));
    assert_null(f);
    return spool;
}

static void settle(struct spool *spool, struct lease *lease, enum settlement how, int64_t at,
                   str note)
{
    assert_null(spool->ops->settle(lease, how, at, note));
}

static void what_is_committed_is_leased_whole(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    str body = step_body(arena, 10000, 1);
    assert_true(step_commit(spool, "first", body).committed);
    struct lease lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("first"));
    assert_str(lease.entry.head, STR("head of first"));
    assert_str(lease.entry.rules, STR("{\"name\":\"demo\",\"rules\":[]}"));
    assert_int_equal(lease.attempt, 1);
    assert_int_equal(lease.body_size, 10000);
    assert_int_equal(lease.notes.len, 0);
    assert_str(step_read_all(spool, &lease, arena), body);
    step_lease_none(spool, arena);
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    spool->ops->close(spool);
}

static void bodies_of_every_size_come_back_as_they_went(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0,     1,      4095,   4096,   16367,   16368,  16369,
                                    65536, 262143, 262144, 262145, 1000000, 5000001 };
    AUTO_ARENA *arena = arena_new((size_t)128 << 20);
    struct spool *spool = fresh(arena);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            arena_reset(arena);
            char id[32];
            snprintf(id, sizeof id, "size-%d-%zu", round, sizes[i]);
            str body = step_body(arena, sizes[i], (unsigned)i + (unsigned)round);
            assert_true(step_commit(spool, id, body).committed);
            if (round) { /* the second time after a restart, and into files written over */
                spool = again(spool, arena);
                body = step_body(arena, sizes[i], (unsigned)i + (unsigned)round);
            }
            struct lease lease = step_lease(spool, arena);
            assert_str(lease.entry.id, str_of(id));
            assert_str(step_read_all(spool, &lease, arena), body);
            str part;
            if (sizes[i] > 10) {
                assert_null(spool->ops->read(&lease, sizes[i] - 3, 10, arena, &part));
                assert_str(part, str_from(body, sizes[i] - 3));
            }
            assert_null(spool->ops->read(&lease, sizes[i], 10, arena, &part));
            assert_int_equal(part.len, 0);
            settle(spool, &lease, SETTLE_DONE, 0, STR(""));
        }
    spool->ops->close(spool);
}

static void one_body_may_have_entries_of_several_accounts(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    static const size_t sizes[] = { 5000, 400000 };
    for (size_t s = 0; s < 2; s++) {
        struct spool *spool = fresh(arena);
        struct spool_entry entries[3] = {
            { .id = STR("a"), .kind = SPOOL_MAIL, .head = STR("ha"), .rules = STR("r1") },
            { .id = STR("b"), .kind = SPOOL_MAIL, .head = STR("hb"), .rules = STR("r2") },
            { .id = STR("c"), .kind = SPOOL_MAIL, .head = STR("hc"), .rules = STR("r1") },
        };
        str body = step_body(arena, sizes[s], 3);
        assert_true(step_commit_entries(spool, entries, 3, body).committed);
        for (int i = 0; i < 3; i++) {
            struct lease lease = step_lease(spool, arena);
            assert_str(lease.entry.id, entries[i].id);
            assert_str(lease.entry.head, entries[i].head);
            assert_str(lease.entry.rules, entries[i].rules);
            assert_str(step_read_all(spool, &lease, arena), body);
            settle(spool, &lease, i == 1 ? SETTLE_RETRY : SETTLE_DONE,
                   maker->now(maker->context) + 60000, STR(""));
        }
        spool = again(spool, arena);
        step_lease_none(spool, arena);
        maker->turn(maker->context, 61000);
        struct lease lease = step_lease(spool, arena);
        assert_str(lease.entry.id, STR("b"));
        assert_int_equal(lease.attempt, 2);
        assert_str(step_read_all(spool, &lease, arena), body);
        settle(spool, &lease, SETTLE_DONE, 0, STR(""));
        spool->ops->close(spool);
    }
}

/* Numbers meet in the same slots, and texts are taken again under other numbers. */
static void a_number_stands_for_its_rules_and_for_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        uint64_t number;
    } cases[] = { { "r1", 7 },  { "r2", 71 }, { "r1", 7 }, { "r3", 135 }, { "r2", 71 },
                  { "r1", 72 }, { "r1", 7 },  { "r2", 0 }, { "", 0 },     { "r4", 135 + 64 } };
    enum { CASES = sizeof cases / sizeof cases[0] };
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    for (int opened = 0; opened < 2; opened++) {
        for (size_t i = 0; i < CASES; i++) {
            struct spool_entry entry = { .id = arena_strf(arena, "m%d-%zu", opened, i),
                                         .kind = SPOOL_MAIL,
                                         .head = STR("h"),
                                         .rules = str_of(cases[i].rules),
                                         .rules_number = cases[i].number };
            assert_true(step_commit_entries(spool, &entry, 1, STR("body")).committed);
        }
        if (opened)
            spool = again(spool, arena);
        for (size_t i = 0; i < CASES; i++) {
            struct lease lease = step_lease(spool, arena);
            uint64_t number = lease.entry.rules_number;
            assert_str(lease.entry.rules, str_of(cases[i].rules));
            for (size_t k = 0; k < CASES; k++)
                if (number && number == cases[k].number)
                    assert_string_equal(cases[k].rules, cases[i].rules);
            settle(spool, &lease, SETTLE_DONE, 0, STR(""));
        }
    }
    spool->ops->close(spool);
}

static void an_abandoned_draft_leaves_nothing(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    static const size_t sizes[] = { 0, 100, 100000, 3000000 };
    for (size_t i = 0; i < 4; i++) {
        struct spool_draft *draft;
        assert_null(spool->ops->draft(spool, NULL, NULL, &draft));
        str body = step_body(arena, sizes[i], 1);
        while (body.len) {
            str now = str_head(body, 32768);
            body = str_from(body, now.len);
            if (!spool->ops->write(draft, now))
                break; /* gone before it could resume */
        }
        spool->ops->abandon(draft);
    }
    spool = again(spool, arena);
    step_lease_none(spool, arena);
    struct spool_health health;
    spool->ops->health(spool, &health);
    assert_int_equal(health.queued, 0);
    assert_int_equal(health.draft_bytes, 0);
    spool->ops->close(spool);
}

static void notes_gather_in_order_and_survive(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    assert_true(step_commit(spool, "noted", STR("body")).committed);
    struct lease lease = step_lease(spool, arena);
    assert_null(spool->ops->note(&lease, STR("{\"n\":1}")));
    assert_null(spool->ops->note(&lease, STR("{\"n\":2}")));
    settle(spool, &lease, SETTLE_RETRY, 0, STR("{\"n\":3}"));
    lease = step_lease(spool, arena);
    assert_int_equal(lease.attempt, 2);
    assert_str(lease.notes, STR("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"));
    settle(spool, &lease, SETTLE_RETRY, 0, STR(""));
    spool = again(spool, arena);
    lease = step_lease(spool, arena);
    assert_int_equal(lease.attempt, 3);
    assert_str(lease.notes, STR("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"));
    assert_null(spool->ops->note(&lease, STR("{\"n\":4}")));
    spool->ops->release(&lease);
    lease = step_lease(spool, arena);
    assert_int_equal(lease.attempt, 3);
    assert_str(lease.notes, STR("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n"));
    settle(spool, &lease, SETTLE_DONE, 0, STR("{\"n\":5}"));
    for (int i = 0; i < 2; i++) { /* the same at once and after a restart */
        struct spool_record record;
        assert_null(spool->ops->find(spool, STR("noted"), arena, &record));
        assert_int_equal(record.state, SPOOL_DONE);
        assert_str(record.entry.head, STR("head of noted"));
        assert_str(record.notes, STR("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n"));
        spool = again(spool, arena);
    }
    spool->ops->close(spool);
}

static void entries_come_when_they_are_due_and_not_before(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    int64_t now = maker->now(maker->context);
    static const int delays[] = { 50, 10, 40, 20, 30 };
    for (int i = 0; i < 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "in%d", delays[i]);
        struct spool_entry e = { .id = str_of(id),
                                 .kind = SPOOL_MAIL,
                                 .head = STR("h"),
                                 .rules = STR(""),
                                 .due_ms = now + delays[i] * 1000 };
        assert_true(step_commit_entries(spool, &e, 1, STR("x")).committed);
    }
    spool = again(spool, arena);
    for (int i = 1; i <= 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "in%d", i * 10);
        step_lease_none(spool, arena);
        maker->turn(maker->context, 10000);
        struct lease lease = step_lease(spool, arena);
        assert_str(lease.entry.id, str_of(id));
        settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    }
    spool->ops->close(spool);
}

static void a_lease_is_memory_and_a_restart_returns_it(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    assert_true(step_commit(spool, "held", STR("body")).committed);
    struct lease lease = step_lease(spool, arena);
    spool->ops->release(&lease);
    lease = step_lease(spool, arena);
    assert_int_equal(lease.attempt, 1);
    spool->ops->release(&lease);
    spool = again(spool, arena);
    lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("held"));
    assert_int_equal(lease.attempt, 1);
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    spool = again(spool, arena);
    step_lease_none(spool, arena);
    spool->ops->close(spool);
}

static void what_died_is_kept_whole_and_can_be_redriven(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    static const size_t sizes[] = { 3000, 700000 };
    for (size_t s = 0; s < 2; s++) {
        struct spool *spool = fresh(arena);
        str body = step_body(arena, sizes[s], 9);
        assert_true(step_commit(spool, "dead-1", body).committed);
        struct lease lease = step_lease(spool, arena);
        assert_null(spool->ops->note(&lease, STR("{\"why\":\"denied\"}")));
        assert_int_equal(spool->ops->redrive(spool, STR("dead-1"), STR(""))->kind, FAULT_CONFLICT);
        settle(spool, &lease, SETTLE_DEAD, 0, STR("{\"why\":\"expired\"}"));
        assert_true(step_state_becomes(spool, "dead-1", SPOOL_DEAD));
        struct spool_record record;
        for (int i = 0; i < 2; i++) {
            assert_null(spool->ops->find(spool, STR("dead-1"), arena, &record));
            assert_int_equal(record.state, SPOOL_DEAD);
            assert_str(record.notes, STR("{\"why\":\"denied\"}\n{\"why\":\"expired\"}\n"));
            assert_str(record.entry.rules, STR("{\"name\":\"demo\",\"rules\":[]}"));
            step_lease_none(spool, arena);
            spool = again(spool, arena);
        }
        struct spool_health health;
        spool->ops->health(spool, &health);
        assert_int_equal(health.dead, 1);
        assert_int_equal(spool->ops->redrive(spool, STR("dead-2"), STR(""))->kind, FAULT_ABSENT);
        assert_null(spool->ops->redrive(spool, STR("dead-1"), STR("{\"why\":\"redriven\"}")));
        spool->ops->health(spool, &health);
        assert_int_equal(health.dead, 0);
        assert_int_equal(step_state(spool, "dead-1"), SPOOL_QUEUED);
        spool = again(spool, arena);
        lease = step_lease(spool, arena);
        assert_str(lease.entry.id, STR("dead-1"));
        assert_int_equal(lease.attempt, 1);
        assert_str(lease.notes,
                   STR("{\"why\":\"denied\"}\n{\"why\":\"expired\"}\n{\"why\":\"redriven\"}\n"));
        assert_str(step_read_all(spool, &lease, arena), body);
        settle(spool, &lease, SETTLE_DONE, 0, STR(""));
        spool->ops->close(spool);
    }
}

static void kinds_are_told_apart_as_long_as_an_entry_is_known(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    static const enum spool_kind kinds[] = { SPOOL_MAIL, SPOOL_NOTIFICATION, SPOOL_INVOCATION,
                                             SPOOL_OUTGOING };
    struct spool_entry entries[4];
    for (unsigned i = 0; i < 4; i++)
        entries[i] = (struct spool_entry) { .id = arena_strf(arena, "k%u", i),
                                            .kind = kinds[i],
                                            .head = STR("h"),
                                            .rules = STR("") };
    assert_true(step_commit_entries(spool, entries, 4, STR("shared")).committed);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 4; i++) {
            struct lease lease = step_lease(spool, arena);
            assert_int_equal(lease.entry.kind, kinds[step_number(&lease)]);
            assert_int_equal(lease.entry.rules.len, 0);
            if (round == 0)
                settle(spool, &lease, SETTLE_RETRY, 0, STR("{}"));
            else
                settle(spool, &lease, i % 2 ? SETTLE_DEAD : SETTLE_DONE, 0, STR("{}"));
        }
        spool = again(spool, arena);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct spool_record record;
        assert_null(spool->ops->find(spool, entries[i].id, arena, &record));
        assert_true(record.state == SPOOL_DONE || record.state == SPOOL_DEAD);
        assert_int_equal(record.entry.kind, kinds[i]);
        if (record.state == SPOOL_DEAD)
            assert_null(spool->ops->redrive(spool, entries[i].id, STR("{\"redrive\":true}")));
    }
    for (unsigned i = 0; i < 2; i++) {
        struct lease lease = step_lease(spool, arena);
        assert_int_equal(lease.entry.kind, kinds[step_number(&lease)]);
        settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    }
    spool->ops->close(spool);
}

static void what_is_held_comes_back_one_by_one_when_its_group_is_resumed(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    struct spool_health health;
    bool more;
    static const char *const ids[] = { "h0", "h1", "h2", "h3" };
    for (unsigned i = 0; i < 4; i++)
        assert_true(step_commit(spool, ids[i], STR("x")).committed);
    assert_false(spool->ops->resume(spool, 7, true, &more));
    for (unsigned i = 0; i < 4; i++) {
        struct lease lease = step_lease(spool, arena);
        assert_str(lease.entry.id, str_of(ids[i]));
        assert_null(spool->ops->note(&lease, STR("{\"before\":1}")));
        spool->ops->hold(&lease, i == 3 ? 71 : 7); /* 71 and 7: one bucket of groups */
    }
    step_flush(spool);
    step_lease_none(spool, arena);
    spool->ops->health(spool, &health);
    assert_int_equal(health.held, 4);
    assert_true(spool->ops->resume(spool, 7, true, &more));
    assert_true(more);
    struct lease lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("h0"));
    assert_true(lease.resumed);
    assert_int_equal(lease.attempt, 1); /* none was made */
    assert_str(lease.notes, STR("{\"before\":1}\n"));
    step_lease_none(spool, arena);
    spool->ops->hold(&lease, 7); /* behind the others */
    assert_true(spool->ops->resume(spool, 71, true, &more));
    assert_false(more);
    lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("h3"));
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    /* A resume before the committer has seen the hold. */
    assert_true(spool->ops->resume(spool, 7, false, &more));
    lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("h1"));
    assert_null(spool->ops->note(&lease, STR("{\"again\":1}")));
    spool->ops->hold(&lease, 8);
    assert_true(spool->ops->resume(spool, 8, true, &more));
    assert_false(spool->ops->resume(spool, 8, true, &more));
    lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("h1"));
    assert_true(lease.resumed);
    spool->ops->release(&lease);
    lease = step_lease(spool, arena);
    assert_false(lease.resumed); /* by nobody since */
    settle(spool, &lease, SETTLE_RETRY, 0, STR(""));
    assert_true(step_state_becomes(spool, "h1", SPOOL_RETRYING));
    /* Only memory knows who is held. */
    spool = again(spool, arena);
    for (unsigned i = 0; i < 3; i++) {
        lease = step_lease(spool, arena);
        settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    }
    step_lease_none(spool, arena);
    spool->ops->close(spool);
}

static void commit_like(struct spool *spool, const char *id, uint64_t likeness, const char *rules)
{
    const struct spool_entry entry = { .id = str_of(id),
                                       .kind = SPOOL_MAIL,
                                       .head = STR("head"),
                                       .rules = str_of(rules),
                                       .likeness = likeness };
    assert_true(step_commit_entries(spool, &entry, 1, STR("x")).committed);
}

static void lease_of(struct spool *spool, struct arena *arena, const char *id, struct lease *lease)
{
    *lease = step_lease(spool, arena);
    assert_str(lease->entry.id, str_of(id));
}

static void what_is_like_a_held_one_joins_it(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    struct lease lease, other;
    struct spool_health health;
    bool more;
    commit_like(spool, "a0", 5, "r");
    lease_of(spool, arena, "a0", &lease);
    commit_like(spool, "a1", 5, "r"); /* nothing is held yet */
    lease_of(spool, arena, "a1", &other);
    spool->ops->hold(&lease, 1);
    commit_like(spool, "a2", 5, "r");
    commit_like(spool, "b0", 5, "other rules");
    commit_like(spool, "b1", 6, "r");
    commit_like(spool, "b2", 0, "r");
    spool->ops->health(spool, &health);
    assert_int_equal(health.held, 2);
    struct lease rest[3];
    lease_of(spool, arena, "b0", &rest[0]);
    lease_of(spool, arena, "b1", &rest[1]);
    lease_of(spool, arena, "b2", &rest[2]);
    step_lease_none(spool, arena);
    for (size_t i = 0; i < 3; i++)
        settle(spool, &rest[i], SETTLE_DONE, 0, STR(""));

    assert_true(spool->ops->resume(spool, 1, true, &more));
    assert_true(more);
    lease_of(spool, arena, "a0", &lease);
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    assert_true(spool->ops->resume(spool, 1, false, &more));
    assert_false(more);
    lease_of(spool, arena, "a2", &lease);
    assert_true(lease.resumed);
    assert_int_equal(lease.attempt, 1);
    commit_like(spool, "a3", 5, "r"); /* the group is gone */
    struct lease third;
    lease_of(spool, arena, "a3", &third);

    /* What was begun waits for something else than its like do. */
    assert_null(spool->ops->note(&lease, STR("{\"begun\":1}")));
    spool->ops->hold(&lease, 2);
    commit_like(spool, "a4", 5, "r");
    struct lease fourth;
    lease_of(spool, arena, "a4", &fourth);
    settle(spool, &other, SETTLE_DONE, 0, STR(""));
    settle(spool, &third, SETTLE_DONE, 0, STR(""));
    settle(spool, &fourth, SETTLE_DONE, 0, STR(""));
    assert_true(spool->ops->resume(spool, 2, false, &more));
    lease_of(spool, arena, "a2", &lease);
    spool->ops->hold(&lease, 3);
    spool = again(spool, arena); /* what is held is there, and nobody joins it */
    commit_like(spool, "a5", 5, "r");
    lease_of(spool, arena, "a2", &lease);
    lease_of(spool, arena, "a5", &other);
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    settle(spool, &other, SETTLE_DONE, 0, STR(""));
    spool->ops->close(spool);
}

static void what_is_held_is_no_reason_to_keep_a_segment(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    struct spool_health before, after;
    bool more;
    spool->ops->health(spool, &before);
    assert_true(step_commit(spool, "h0", STR("the one that waits")).committed);
    struct lease lease = step_lease(spool, arena);
    spool->ops->hold(&lease, 1);
    for (unsigned i = 0; i < 600; i++) {
        arena_reset(arena);
        assert_true(step_commit(spool, "n1", step_body(arena, 4000, i)).committed);
        lease = step_lease(spool, arena);
        assert_str(lease.entry.id, STR("n1"));
        settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    }
    spool->ops->health(spool, &after);
    assert_true(after.segments <= before.segments + 6);
    assert_int_equal(after.held, 1);
    assert_true(spool->ops->resume(spool, 1, false, &more));
    lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("h0"));
    assert_str(step_read_all(spool, &lease, arena), STR("the one that waits"));
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    spool->ops->close(spool);
}

static void *lease_long(void *context)
{
    struct spool *spool = context;
    AUTO_ARENA *arena = arena_new((size_t)1 << 20);
    struct lease lease;
    const struct fault *f = spool->ops->lease(spool, 60000, arena, &lease);
    return f && f->kind == FAULT_UNAVAILABLE ? context : NULL;
}

struct sleeper {
    struct spool *spool;
    pthread_t thread;
    bool got;
};

/* Leases one and is heard of no more, as a worker whose target is slow. */
static void *lease_and_keep(void *context)
{
    struct sleeper *s = context;
    AUTO_ARENA *arena = arena_new((size_t)1 << 20);
    struct lease lease;
    s->got = !s->spool->ops->lease(s->spool, 10000, arena, &lease) && lease.impl;
    if (s->got)
        s->spool->ops->settle(&lease, SETTLE_DONE, 0, STR(""));
    return NULL;
}

static void as_many_as_sleep_come_for_what_is_committed_together(void **state)
{
    (void)state;
    enum { SLEEPERS = 8 };
    static const char *const ids[SLEEPERS] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    struct sleeper sleepers[SLEEPERS];
    struct spool_entry entries[SLEEPERS];
    for (unsigned i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper) { .spool = spool };
        entries[i] = (struct spool_entry) { .id = str_of(ids[i]),
                                            .kind = SPOOL_MAIL,
                                            .head = STR("h"),
                                            .rules = STR("{}") };
        assert_int_equal(
            pthread_create(&sleepers[i].thread, NULL, lease_and_keep, &sleepers[i]), 0);
    }
    nanosleep(&(struct timespec) { .tv_nsec = 50 * 1000000 }, NULL);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    assert_true(step_commit_entries(spool, entries, SLEEPERS, STR("x")).committed);
    for (unsigned i = 0; i < SLEEPERS; i++) {
        pthread_join(sleepers[i].thread, NULL);
        assert_true(sleepers[i].got);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true(ended.tv_sec - began.tv_sec < 5); /* called, and not only tired of waiting */
    spool->ops->close(spool);
}

static void stop_ends_waiting_leases_and_the_rest_still_works(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    assert_true(step_commit(spool, "s", STR("x")).committed);
    struct lease lease = step_lease(spool, arena);
    pthread_t waiter;
    void *said;
    assert_int_equal(pthread_create(&waiter, NULL, lease_long, spool), 0);
    spool->ops->stop(spool);
    pthread_join(waiter, &said);
    assert_ptr_equal(said, spool);
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    assert_true(step_commit(spool, "t", STR("x")).committed);
    spool = again(spool, arena);
    lease = step_lease(spool, arena);
    assert_str(lease.entry.id, STR("t"));
    settle(spool, &lease, SETTLE_DONE, 0, STR(""));
    spool->ops->close(spool);
}

static void thousands_pass_through_little_room(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    struct spool_health before, after;
    spool->ops->health(spool, &before);
    for (unsigned i = 0; i < 1500; i++) {
        arena_reset(arena);
        char id[16];
        snprintf(id, sizeof id, "n%u", i);
        str body = step_body(arena, 2000 + i, i);
        assert_true(step_commit(spool, id, body).committed);
        struct lease lease = step_lease(spool, arena);
        assert_str(step_read_all(spool, &lease, arena), body);
        settle(spool, &lease, SETTLE_DONE, 0, STR("{\"ok\":true}"));
        if (i % 500 == 499)
            spool = again(spool, arena);
    }
    step_lease_none(spool, arena);
    spool->ops->health(spool, &after);
    assert_true(after.segments <= before.segments + 5);
    assert_int_equal(step_state(spool, "n1499"), SPOOL_DONE);
    spool->ops->close(spool);
}

int spool_suite_run(const struct spool_maker *made)
{
    maker = made;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_leased_whole),
        cmocka_unit_test(bodies_of_every_size_come_back_as_they_went),
        cmocka_unit_test(one_body_may_have_entries_of_several_accounts),
        cmocka_unit_test(a_number_stands_for_its_rules_and_for_no_others),
        cmocka_unit_test(an_abandoned_draft_leaves_nothing),
        cmocka_unit_test(notes_gather_in_order_and_survive),
        cmocka_unit_test(entries_come_when_they_are_due_and_not_before),
        cmocka_unit_test(a_lease_is_memory_and_a_restart_returns_it),
        cmocka_unit_test(what_died_is_kept_whole_and_can_be_redriven),
        cmocka_unit_test(kinds_are_told_apart_as_long_as_an_entry_is_known),
        cmocka_unit_test(what_is_held_comes_back_one_by_one_when_its_group_is_resumed),
        cmocka_unit_test(what_is_like_a_held_one_joins_it),
        cmocka_unit_test(what_is_held_is_no_reason_to_keep_a_segment),
        cmocka_unit_test(as_many_as_sleep_come_for_what_is_committed_together),
        cmocka_unit_test(stop_ends_waiting_leases_and_the_rest_still_works),
        cmocka_unit_test(thousands_pass_through_little_room),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

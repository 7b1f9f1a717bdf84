/* What a spool tells of its entries to whoever holds no lease. */
#include "store/spool_suite.h"

#include "store/spool_steps_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

static void recent_lists_living_dead_and_done_the_newest_first(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    static const char *const ids[] = { "m1", "m2", "m3", "m4" };
    for (int i = 0; i < 4; i++)
        assert_true(step_commit(spool, ids[i], STR("x")).committed);
    struct lease one = step_lease(spool, arena), two = step_lease(spool, arena),
                 three = step_lease(spool, arena);
    settle(spool, &one, SETTLE_DONE, 0, STR(""));
    settle(spool, &two, SETTLE_DEAD, 0, STR(""));
    settle(spool, &three, SETTLE_RETRY, maker->now(maker->context) + 1000, STR(""));
    assert_true(step_state_becomes(spool, "m3", SPOOL_RETRYING));
    assert_true(step_state_becomes(spool, "m2", SPOOL_DEAD));
    static const enum spool_state states[] = { SPOOL_DONE, SPOOL_DEAD, SPOOL_RETRYING,
                                               SPOOL_QUEUED };
    for (int round = 0; round < 2; round++) {
        struct spool_record *records;
        size_t count;
        assert_null(spool->ops->recent(spool, 10, arena, &records, &count));
        assert_int_equal(count, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_str(records[i].entry.id, str_of(ids[3 - i]));
            assert_int_equal(records[i].state, states[3 - i]);
        }
        assert_null(spool->ops->recent(spool, 2, arena, &records, &count));
        assert_int_equal(count, 2);
        assert_str(records[1].entry.id, STR("m3"));
        spool = again(spool, arena);
    }
    assert_int_equal(step_state(spool, "m9"), 99);
    spool->ops->close(spool);
}

/* A page begins behind the last of the one before, however long ago that one's entries came. */
static void older_turns_pages_by_the_order_in_which_they_came(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    static const char *const ids[] = { "m1", "m2", "m3", "m4", "m5" };
    struct lease leases[5];
    for (int i = 0; i < 5; i++) {
        assert_true(step_commit(spool, ids[i], STR("x")).committed);
        leases[i] = step_lease(spool, arena);
    }
    settle(spool, &leases[3], SETTLE_DONE, 0, STR("")); /* the first to come is the last to end */
    settle(spool, &leases[1], SETTLE_DEAD, 0, STR(""));
    settle(spool, &leases[4], SETTLE_DONE, 0, STR(""));
    settle(spool, &leases[0], SETTLE_DONE, 0, STR(""));
    settle(spool, &leases[2], SETTLE_RETRY, maker->now(maker->context) + 1000, STR(""));
    assert_true(step_state_becomes(spool, "m1", SPOOL_DONE));
    assert_true(step_state_becomes(spool, "m2", SPOOL_DEAD));
    for (int round = 0; round < 2; round++) {
        uint64_t before = UINT64_MAX;
        for (int at = 5; at > 0;) {
            struct spool_record *records;
            size_t count;
            assert_null(spool->ops->older(spool, before, 2, arena, &records, &count));
            assert_int_equal(count, at < 2 ? at : 2);
            for (size_t i = 0; i < count; i++, at--) {
                assert_str(records[i].entry.id, str_of(ids[at - 1]));
                assert_true(records[i].serial < before);
                before = records[i].serial;
            }
        }
        struct spool_record *none;
        size_t count;
        assert_null(spool->ops->older(spool, before, 2, arena, &none, &count));
        assert_int_equal(count, 0);
        spool = again(spool, arena);
    }
    spool->ops->close(spool);
}

/* The front of a body is read without a lease while it is there: queued, leased, retrying or dead.
 */
static void a_front_is_read_until_its_entry_is_settled(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    static const size_t sizes[] = { 3000, 700000 }; /* in its frame, in a file of its own */
    for (size_t s = 0; s < 2; s++) {
        struct spool *spool = fresh(arena);
        str body = step_body(arena, sizes[s], 9), front;
        uint64_t size = 0;
        assert_int_equal(spool->ops->front(spool, STR("m"), 9, arena, &front, &size)->kind,
                         FAULT_ABSENT);
        assert_true(step_commit(spool, "m", body).committed);
        for (int turn = 0; turn < 4; turn++) {
            struct lease lease = { 0 };
            if (turn == 1 || turn == 2)
                lease = step_lease(spool, arena);
            if (turn == 2) {
                settle(spool, &lease, SETTLE_DEAD, 0, STR(""));
                assert_true(step_state_becomes(spool, "m", SPOOL_DEAD));
            }
            if (turn == 3) {
                assert_null(spool->ops->redrive(spool, STR("m"), STR("")));
                lease = step_lease(spool, arena);
            }
            assert_null(spool->ops->front(spool, STR("m"), 100, arena, &front, &size));
            assert_str(front, str_head(body, 100));
            assert_int_equal(size, body.len);
            assert_null(spool->ops->front(spool, STR("m"), SIZE_MAX, arena, &front, &size));
            assert_str(front, body);
            if (turn == 1)
                spool->ops->release(&lease);
            if (turn == 3)
                settle(spool, &lease, SETTLE_DONE, 0, STR(""));
            if (turn < 3)
                spool = again(spool, arena);
        }
        assert_true(step_state_becomes(spool, "m", SPOOL_DONE));
        for (int i = 0; i < 1000 && !spool->ops->front(spool, STR("m"), 9, arena, &front, &size);
             i++)
            nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL); /* its frame is under way */
        assert_int_equal(spool->ops->front(spool, STR("m"), 9, arena, &front, &size)->kind,
                         FAULT_ABSENT);
        spool->ops->close(spool);
    }
}

static void what_a_holder_keeps_lies_beside_the_notes_of_a_settled_entry(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct spool *spool = fresh(arena);
    str kept = step_body(arena, 20000, 3);
    for (int i = 0; i < 2; i++) {
        assert_true(step_commit(spool, i ? "none" : "some", STR("x")).committed);
        struct lease lease = step_lease(spool, arena);
        lease.kept = i ? STR_NONE : kept;
        settle(spool, &lease, SETTLE_DONE, 0, STR("{\"n\":1}"));
    }
    for (int round = 0; round < 2; round++) {
        struct spool_record record;
        assert_true(step_state_becomes(spool, "some", SPOOL_DONE));
        assert_null(spool->ops->find(spool, STR("some"), arena, &record));
        assert_str(record.kept, kept);
        assert_str(record.notes, STR("{\"n\":1}\n"));
        assert_true(step_state_becomes(spool, "none", SPOOL_DONE));
        assert_null(spool->ops->find(spool, STR("none"), arena, &record));
        assert_true(str_is_none(record.kept));
        spool = again(spool, arena);
    }
    spool->ops->close(spool);
}

int spool_asked_suite_run(const struct spool_maker *made)
{
    maker = made;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recent_lists_living_dead_and_done_the_newest_first),
        cmocka_unit_test(older_turns_pages_by_the_order_in_which_they_came),
        cmocka_unit_test(a_front_is_read_until_its_entry_is_settled),
        cmocka_unit_test(what_a_holder_keeps_lies_beside_the_notes_of_a_settled_entry),
    };
    return cmocka_run_group_tests_name("spool, asked", tests, NULL, NULL);
}

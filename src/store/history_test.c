/* The ring of settled timelines: found at once, after a restart, and until the ring has come
 * round. */
#include "store/history.h"

#include "testing/clock.h"
#include "testing/disk_sim.h"
#include "testing/entropy.h"
#include "testing/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { RING_BYTES = 8 * 64 << 10 };

struct shelf {
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct disk_sim *sim;
    struct outside outside;
    struct arena *arena;
    struct history *history;
};

static void shelf_open(struct shelf *s)
{
    assert_null(history_open(STR("/history"), RING_BYTES, &s->outside, s->arena, &s->history));
}

static void shelf_again(struct shelf *s)
{
    history_close(s->history);
    shelf_open(s);
}

static int begin(void **state)
{
    struct shelf *s = calloc(1, sizeof *s);
    s->clock = fake_clock_at("2026-03-02T09:15:42.317Z");
    s->entropy = seeded_entropy(1);
    s->journal = captured_journal_new();
    s->sim = disk_sim_new();
    s->outside = (struct outside) { &s->clock.clock, &s->entropy.entropy,
                                    captured_journal(s->journal), disk_sim_disk(s->sim) };
    s->arena = arena_new((size_t)64 << 20);
    shelf_open(s);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct shelf *s = *state;
    history_close(s->history);
    arena_free(s->arena);
    disk_sim_free(s->sim);
    captured_journal_free(s->journal);
    free(s);
    return 0;
}

static str id_of(struct shelf *s, unsigned n)
{
    return arena_strf(s->arena, "id-%u", n);
}

static void add(struct shelf *s, unsigned n)
{
    struct spool_record record = {
        .entry = { .id = id_of(s, n), .kind = SPOOL_MAIL, .head = STR("the head") },
        .state = SPOOL_DONE,
        .attempt = 2,
        .notes = arena_strf(s->arena, "{\"n\":%u,\"pad\":\"%0400u\"}\n", n, n)
    };
    history_add(s->history, &record, n);
}

static bool known(struct shelf *s, unsigned n)
{
    struct spool_record record;
    const struct fault *f = history_find(s->history, id_of(s, n), s->arena, &record);
    if (f) {
        assert_int_equal(f->kind, FAULT_ABSENT);
        return false;
    }
    assert_int_equal(record.state, SPOOL_DONE);
    assert_int_equal(record.attempt, 2);
    assert_true(str_eq(record.entry.head, STR("the head")));
    assert_true(
        str_eq(record.notes, arena_strf(s->arena, "{\"n\":%u,\"pad\":\"%0400u\"}\n", n, n)));
    return true;
}

static void a_record_is_found_before_and_after_it_is_on_the_disk(void **state)
{
    struct shelf *s = *state;
    add(s, 1);
    assert_true(known(s, 1));
    history_flush(s->history);
    assert_true(known(s, 1));
    shelf_again(s);
    assert_true(known(s, 1));
    assert_false(known(s, 2));
    assert_int_equal(history_serial(s->history), 1);
}

static void the_ring_forgets_the_oldest_and_stays_within_its_bytes(void **state)
{
    struct shelf *s = *state;
    for (unsigned n = 1; n <= 2000; n++) {
        add(s, n);
        if (n % 100 == 0)
            history_flush(s->history);
    }
    for (int round = 0; round < 2; round++) {
        unsigned oldest = 1;
        while (!known(s, oldest))
            oldest++;
        assert_true(oldest > 1000 && oldest < 1500);
        for (unsigned n = oldest; n <= 2000; n += 37)
            assert_true(known(s, n));
        assert_true(history_bytes(s->history) <= RING_BYTES);
        struct history_item newest[300];
        assert_int_equal(history_newest(s->history, newest, 300), 300);
        for (unsigned i = 0; i < 300; i++) {
            struct spool_record record;
            assert_int_equal(newest[i].serial, 2000 - i);
            assert_null(history_load(s->history, &newest[i], s->arena, &record));
            assert_true(str_eq(record.entry.id, id_of(s, 2000 - i)));
        }
        shelf_again(s);
    }
}

/* Entries do not end in the order in which they came; pages are turned by that one all the same. */
static void pages_are_turned_by_serial_wherever_a_record_lies(void **state)
{
    struct shelf *s = *state;
    enum { COUNT = 700, STEP = 101 }; /* 701 is a prime: n * 101 % 701 is each of 1..700 once */
    for (unsigned n = 1; n <= COUNT; n++) {
        struct spool_record record = { .entry = { .id = id_of(s, n * STEP % 701),
                                                  .kind = SPOOL_MAIL,
                                                  .head = STR("h") },
                                       .state = SPOOL_DONE,
                                       .notes = arena_strf(s->arena, "%0400u", n) };
        history_add(s->history, &record, n * STEP % 701);
        if (n % 100 == 0)
            history_flush(s->history); /* the last ones wait for theirs */
    }
    unsigned left = COUNT;
    for (uint64_t before = UINT64_MAX;;) {
        struct history_item page[64];
        size_t count = history_before(s->history, before, page, 64);
        for (size_t i = 0; i < count; i++, left--) {
            struct spool_record record;
            assert_int_equal(page[i].serial, left);
            assert_null(history_load(s->history, &page[i], s->arena, &record));
            assert_true(str_eq(record.entry.id, id_of(s, left)));
        }
        if (!count)
            break;
        before = page[count - 1].serial;
    }
    assert_int_equal(left, 0);
}

static void the_newest_of_one_id_is_found(void **state)
{
    struct shelf *s = *state;
    for (int i = 0; i < 3; i++) {
        struct spool_record record = {
            .entry = { .id = STR("again"), .kind = SPOOL_MAIL, .head = STR("h") },
            .state = SPOOL_DONE,
            .attempt = i
        };
        history_add(s->history, &record, (uint64_t)i + 1);
        if (i == 1)
            history_flush(s->history);
        assert_null(history_find(s->history, STR("again"), s->arena, &record));
        assert_int_equal(record.attempt, i);
    }
}

static void a_power_cut_costs_the_last_records_at_most(void **state)
{
    struct shelf *s = *state;
    for (unsigned n = 1; n <= 400; n++) {
        add(s, n);
        history_flush(s->history);
    }
    uint64_t steps = disk_sim_steps(s->sim);
    for (uint64_t k = 0; k <= steps; k += 41) {
        struct shelf after = *s;
        after.sim = disk_sim_after_cut(s->sim, k, (enum disk_cut)(k % 3), k);
        after.outside.disk = disk_sim_disk(after.sim);
        shelf_open(&after);
        unsigned first = 1, last;
        while (first <= 400 && !known(&after, first))
            first++;
        for (last = first; last <= 400 && known(&after, last);)
            last++;
        for (unsigned n = last; n <= 400; n++) /* no holes: what is kept is what came first */
            assert_false(known(&after, n));
        add(&after, 1000);
        history_flush(after.history);
        assert_true(known(&after, 1000));
        history_close(after.history);
        disk_sim_free(after.sim);
    }
}

static void a_full_disk_costs_timelines_and_nothing_else(void **state)
{
    struct shelf *s = *state;
    disk_sim_set_room(s->sim, 100 << 10);
    for (unsigned n = 1; n <= 300; n++)
        add(s, n);
    history_flush(s->history);
    assert_true(known(s, 1));
    assert_false(known(s, 300));
    assert_int_equal(captured_journal_count(s->journal, "history"), 1);
    disk_sim_heal(s->sim);
    add(s, 301);
    history_flush(s->history);
    assert_true(known(s, 301));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_is_found_before_and_after_it_is_on_the_disk, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_ring_forgets_the_oldest_and_stays_within_its_bytes,
                                        begin, end),
        cmocka_unit_test_setup_teardown(pages_are_turned_by_serial_wherever_a_record_lies, begin, end),
        cmocka_unit_test_setup_teardown(the_newest_of_one_id_is_found, begin, end),
        cmocka_unit_test_setup_teardown(a_power_cut_costs_the_last_records_at_most, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_timelines_and_nothing_else, begin, end),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}

/* Dead letters: whole under their names, bounded by age and bytes, read back piece by piece. */
#include "store/dead.h"

#include "testing/clock.h"
#include "testing/disk_sim.h"
#include "testing/entropy.h"
#include "testing/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct office {
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct disk_sim *sim;
    struct outside outside;
    struct arena *arena;
    struct dead_letters *dead;
};

static void office_open(struct office *o)
{
    assert_null(dead_open(STR("/dead"), 10000, 1000000, &o->outside, o->arena, &o->dead));
}

static int begin(void **state)
{
    struct office *o = calloc(1, sizeof *o);
    o->clock = fake_clock_at("2026-03-02T09:15:42.317Z");
    o->entropy = seeded_entropy(1);
    o->journal = captured_journal_new();
    o->sim = disk_sim_new();
    o->outside = (struct outside) { &o->clock.clock, &o->entropy.entropy,
                                    captured_journal(o->journal), disk_sim_disk(o->sim) };
    o->arena = arena_new((size_t)512 << 20);
    o->outside.disk->make_directory(o->outside.disk, "/dead", 0700);
    o->outside.disk->sync_directory(o->outside.disk, "/");
    office_open(o);
    *state = o;
    return 0;
}

static int end(void **state)
{
    struct office *o = *state;
    dead_close(o->dead);
    arena_free(o->arena);
    disk_sim_free(o->sim);
    captured_journal_free(o->journal);
    free(o);
    return 0;
}

static const struct fault *give(void *context, uint64_t offset, size_t size, str *ret_bytes)
{
    *ret_bytes = str_head(str_from(*(str *)context, (size_t)offset), size);
    return NULL;
}

static const struct fault *put(struct office *o, str id, uint64_t serial, str body)
{
    struct spool_record record = {
        .entry = { .id = id, .kind = SPOOL_MAIL, .head = STR("head"), .rules = STR("rules") },
        .state = SPOOL_DEAD,
        .attempt = 7,
        .notes = STR("{\"why\":1}\n")
    };
    return dead_put(o->dead, &record, serial, body.len, give, &body, o->arena);
}

static bool known(struct office *o, str id)
{
    struct spool_record record;
    const struct fault *f = dead_find(o->dead, id, o->arena, &record);
    if (f)
        return false;
    assert_true(str_eq(record.entry.id, id));
    assert_true(str_eq(record.entry.head, STR("head")));
    assert_true(str_eq(record.entry.rules, STR("rules")));
    assert_true(str_eq(record.notes, STR("{\"why\":1}\n")));
    assert_int_equal(record.attempt, 7);
    return true;
}

static void a_letter_keeps_everything_under_a_name_a_person_can_find(void **state)
{
    struct office *o = *state;
    assert_null(put(o, STR("plain-1"), 1, STR("the body")));
    assert_null(put(o, STR("../a b"), 2, STR("")));
    assert_true(disk_sim_bytes(o->sim, "/dead/plain-1", o->arena).len > 8);
    assert_true(disk_sim_bytes(o->sim, "/dead/%2E%2E%2Fa%20b", o->arena).len > 8);
    char long_id[300];
    memset(long_id, 'x', sizeof long_id);
    assert_null(put(o, (str) { long_id, sizeof long_id }, 3, STR("z")));
    for (int i = 0; i < 2; i++) {
        assert_true(known(o, STR("plain-1")));
        assert_true(known(o, STR("../a b")));
        assert_true(known(o, (str) { long_id, sizeof long_id }));
        assert_false(known(o, STR("plain-2")));
        dead_close(o->dead);
        office_open(o);
    }
    struct dead_item newest[2];
    assert_int_equal(dead_newest(o->dead, newest, 2), 2);
    assert_int_equal(newest[0].serial, 3);
    assert_int_equal(newest[1].serial, 2);
}

static void age_and_bytes_bound_them_and_the_oldest_go_first(void **state)
{
    struct office *o = *state;
    char body[3000] = { 0 };
    uint64_t bytes;
    for (unsigned i = 0; i < 6; i++) {
        assert_null(put(o, arena_strf(o->arena, "l%u", i), i + 1, (str) { body, sizeof body }));
        fake_clock_turn(&o->clock, 1000);
        dead_sweep(o->dead);
    }
    assert_int_equal(dead_count(o->dead, &bytes), 3);
    assert_true(bytes <= 10000);
    assert_false(known(o, STR("l2")));
    assert_true(known(o, STR("l3")));
    fake_clock_turn(&o->clock, 1000000 - 2000);
    dead_sweep(o->dead);
    assert_false(known(o, STR("l3")));
    assert_true(known(o, STR("l5")));
    fake_clock_turn(&o->clock, 5000);
    dead_close(o->dead);
    office_open(o);
    assert_int_equal(dead_count(o->dead, &bytes), 0);
}

static void a_damaged_body_is_not_given_back_as_whole(void **state)
{
    struct office *o = *state;
    struct spool_record record;
    struct dead_reader *reader;
    uint64_t size;
    str bytes;
    assert_null(put(o, STR("d"), 1, STR("0123456789")));
    str file = disk_sim_bytes(o->sim, "/dead/d", o->arena);
    assert_null(dead_read_open(o->dead, STR("d"), o->arena, &record, &size, &reader));
    assert_int_equal(size, 10);
    assert_null(dead_read(reader, 0, 4, o->arena, &bytes));
    assert_true(str_eq(bytes, STR("0123")));
    assert_null(dead_read(reader, 4, 6, o->arena, &bytes));
    dead_read_close(reader);
    assert_true(disk_sim_damage(o->sim, "/dead/d", file.len - 6, 'X'));
    assert_null(dead_read_open(o->dead, STR("d"), o->arena, &record, &size, &reader));
    assert_null(dead_read(reader, 0, 4, o->arena, &bytes));
    assert_non_null(dead_read(reader, 4, 6, o->arena, &bytes));
    dead_read_close(reader);
    assert_true(disk_sim_damage(o->sim, "/dead/d", 82, 'X'));
    dead_close(o->dead);
    office_open(o);
    assert_false(known(o, STR("d")));
    assert_int_equal(captured_journal_count(o->journal, "damage"), 1);
}

static void a_power_cut_leaves_a_letter_whole_or_not_at_all(void **state)
{
    struct office *o = *state;
    assert_null(put(o, STR("one"), 1, STR("first")));
    assert_null(put(o, STR("two"), 2, STR("second")));
    uint64_t steps = disk_sim_steps(o->sim);
    for (uint64_t k = 0; k <= steps; k++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct office after = *o;
            uint64_t bytes;
            after.sim = disk_sim_after_cut(o->sim, k, (enum disk_cut)(seed % 3), seed);
            after.outside.disk = disk_sim_disk(after.sim);
            office_open(&after);
            assert_int_equal(known(&after, STR("one")) + known(&after, STR("two")),
                             dead_count(after.dead, &bytes));
            if (k == steps)
                assert_int_equal(dead_count(after.dead, &bytes), 2);
            assert_true(str_is_none(disk_sim_bytes(after.sim, "/dead/.new", o->arena)));
            dead_close(after.dead);
            disk_sim_free(after.sim);
        }
    assert_int_equal(captured_journal_count(o->journal, "damage"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_letter_keeps_everything_under_a_name_a_person_can_find,
                                        begin, end),
        cmocka_unit_test_setup_teardown(age_and_bytes_bound_them_and_the_oldest_go_first, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_damaged_body_is_not_given_back_as_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_power_cut_leaves_a_letter_whole_or_not_at_all, begin,
                                        end),
    };
    return cmocka_run_group_tests_name("dead letters", tests, NULL, NULL);
}

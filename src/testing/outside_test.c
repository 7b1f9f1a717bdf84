/* The clock, the entropy and the journal that tests bring. */
#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_clock_stands_still_until_turned(void **state)
{
    (void)state;
    struct fake_clock c = fake_clock_at("2026-03-02T09:15:42.317Z");
    assert_true(c.clock.wall_ms(&c.clock) == 1772442942317);
    assert_true(c.clock.wall_ms(&c.clock) == 1772442942317);
    fake_clock_turn(&c, 4 * 3600 * 1000);
    assert_true(c.clock.wall_ms(&c.clock) == 1772442942317 + 14400000);
    assert_true(c.clock.steady_ms(&c.clock) == 1000000 + 14400000);
    fake_clock_step_wall(&c, -1000);
    assert_true(c.clock.wall_ms(&c.clock) == 1772442942317 + 14399000);
    assert_true(c.clock.steady_ms(&c.clock) == 1000000 + 14400000);
}

static void a_seed_repeats_its_bytes(void **state)
{
    (void)state;
    struct seeded_entropy a = seeded_entropy(5), b = seeded_entropy(5), c = seeded_entropy(6);
    char x[20], y[20], z[20];
    a.entropy.fill(&a.entropy, x, sizeof(x));
    b.entropy.fill(&b.entropy, y, sizeof(y));
    c.entropy.fill(&c.entropy, z, sizeof(z));
    assert_memory_equal(x, y, sizeof(x));
    assert_memory_not_equal(x, z, sizeof(x));
}

static void a_journal_keeps_its_lines(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    struct captured_journal *kept = captured_journal_new();
    struct journal *j = captured_journal(kept);
    j->note(j, JOURNAL_INFO, STR("receive"), STR("attempt"), STR("\"id\":\"x\""));
    journal_notef(j, JOURNAL_ERROR, STR("store"), STR("sync"), "\"errno\":%d", 5);
    assert_true(
        str_eq(captured_journal_text(kept, arena),
               STR("info receive attempt {\"id\":\"x\"}\nerror store sync {\"errno\":5}\n")));
    assert_int_equal(captured_journal_count(kept, "sync"), 1);
    assert_int_equal(captured_journal_count(kept, ""), 2);
    assert_int_equal(captured_journal_count(kept, "absent"), 0);
    captured_journal_clear(kept);
    assert_int_equal(captured_journal_count(kept, ""), 0);
    captured_journal_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_stands_still_until_turned),
        cmocka_unit_test(a_seed_repeats_its_bytes),
        cmocka_unit_test(a_journal_keeps_its_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

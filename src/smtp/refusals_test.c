#include "smtp/refusals.h"

#include "testing/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

struct listing {
    struct arena *arena;
    struct refusal *list;
    size_t count;
    uint64_t next;
};

static struct listing list(struct refusals *r, struct refusals_wanted wanted)
{
    struct listing l = { .arena = arena_new(64 << 20) };
    assert_null(refusals_list(r, &wanted, l.arena, &l.list, &l.count, &l.next));
    return l;
}

static bool note(struct refusals *r, const char *peer)
{
    const struct refusal refusal = { .thing = REFUSED_RECIPIENT,
                                     .peer = str_of(peer),
                                     .mail_from = STR("<>"),
                                     .rcpt_to = STR("<a@d.test>"),
                                     .accounts = STR("111122223333"),
                                     .reply = STR("550 5.1.1 no"),
                                     .why = STR("no rule") };
    return refusals_note(r, &refusal);
}

static void the_newest_are_kept_and_told_first(void **state)
{
    (void)state;
    struct fake_clock clock = fake_clock_at("2026-03-02T09:15:42Z");
    struct refusals *r = refusals_new(3, 100, &clock.clock);
    static const char *const peers[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4" };
    for (size_t i = 0; i < 4; i++) {
        assert_true(note(r, peers[i]));
        fake_clock_turn(&clock, 10);
    }
    struct listing l = list(r, (struct refusals_wanted) { .max = 100 });
    assert_int_equal(l.count, 3);
    assert_true(str_eq(l.list[0].peer, STR("192.0.2.4")));
    assert_true(str_eq(l.list[2].peer, STR("192.0.2.2")));
    assert_int_equal(l.list[0].number, 4);
    assert_int_equal(l.list[0].at_ms - l.list[2].at_ms, 20);
    assert_true(str_eq(l.list[1].rcpt_to, STR("<a@d.test>")));
    assert_true(str_eq(l.list[1].ehlo, STR("")));
    assert_int_equal(l.next, 4);
    arena_free(l.arena);

    l = list(r, (struct refusals_wanted) { .max = 1 });
    assert_int_equal(l.count, 1);
    assert_int_equal(l.list[0].number, 4);
    arena_free(l.arena);
    l = list(r, (struct refusals_wanted) { .max = 100, .after = 3 });
    assert_int_equal(l.count, 1);
    arena_free(l.arena);
    l = list(r, (struct refusals_wanted) { .max = 100, .after = l.next });
    assert_int_equal(l.count, 0);
    arena_free(l.arena);
    refusals_free(r);
}

static bool is_two(void *context, const struct refusal *r)
{
    return str_eq(r->peer, *(str *)context);
}

static void a_flood_is_counted_and_leaves_one_line_a_second(void **state)
{
    (void)state;
    struct fake_clock clock = fake_clock_at("2026-03-02T09:15:42Z");
    struct refusals *r = refusals_new(100, 2, &clock.clock);
    fake_clock_turn(&clock, 1000 - clock.steady_ms % 1000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(note(r, "192.0.2.1"), i < 2);
    struct listing l = list(r, (struct refusals_wanted) { .max = 100 });
    assert_int_equal(l.count, 2); /* its second is not over */
    arena_free(l.arena);
    fake_clock_turn(&clock, 1000);
    l = list(r, (struct refusals_wanted) { .max = 100 });
    assert_int_equal(l.count, 3);
    assert_int_equal(l.list[0].thing, REFUSED_LEFT_OUT);
    assert_int_equal(l.list[0].left_out, 8);
    arena_free(l.arena);

    assert_true(note(r, "192.0.2.2")); /* a new second has room again */
    str two = STR("192.0.2.2");
    l = list(r, (struct refusals_wanted) { .max = 100, .wants = is_two, .context = &two });
    assert_int_equal(l.count, 2); /* that some were left out may concern whoever looks */
    assert_true(str_eq(l.list[0].peer, two));
    assert_int_equal(l.list[1].thing, REFUSED_LEFT_OUT);
    arena_free(l.arena);
    refusals_free(r);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct fake_clock clock = fake_clock_at("2026-03-02T09:15:42Z");
    struct refusals *r = refusals_new(1, 2, &clock.clock);
    char *text = calloc(1, 100000);
    memset(text, 'x', 100000);
    const struct refusal long_one = { .ehlo = { text, 100000 },
                                      .mail_from = { text, 100000 },
                                      .why = { text, 100000 } };
    assert_true(refusals_note(r, &long_one));
    free(text); /* it was copied */
    struct listing l = list(r, (struct refusals_wanted) { .max = 5 });
    assert_int_equal(l.list[0].ehlo.len, 255);
    assert_int_equal(l.list[0].mail_from.len, 320);
    assert_int_equal(l.list[0].why.len, 1024);
    arena_free(l.arena);
    refusals_free(r);
}

static void *shout(void *context)
{
    for (int i = 0; i < 2000; i++)
        note(context, "192.0.2.9");
    return NULL;
}

static void many_may_write_while_somebody_looks(void **state)
{
    (void)state;
    struct refusals *r = refusals_new(50, 1000000, clock_real());
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shout, r), 0);
    for (int i = 0; i < 20; i++) {
        struct listing l = list(r, (struct refusals_wanted) { .max = 50 });
        for (size_t k = 1; k < l.count; k++)
            assert_int_equal(l.list[k - 1].number, l.list[k].number + 1);
        arena_free(l.arena);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct listing l = list(r, (struct refusals_wanted) { .max = 50 });
    assert_int_equal(l.next, 8000);
    assert_int_equal(l.count, 50);
    arena_free(l.arena);
    refusals_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept_and_told_first),
        cmocka_unit_test(a_flood_is_counted_and_leaves_one_line_a_second),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(many_may_write_while_somebody_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "receive/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct outcome denied(size_t step, int64_t at_ms)
{
    return (struct outcome) { .step = step,
                              .at_ms = at_ms,
                              .rule = STR("store"),
                              .action = STR("S3"),
                              .kind = OUTCOME_RETRY,
                              .says = STR("no"),
                              .denial = STR("{\"sid\":\"A\"}") };
}

static str written(const struct history *before, const struct outcome *o, size_t count,
                   struct arena *a)
{
    AUTO_BUF out = buf_new(1 << 16);
    history_write(before, &(struct history_note) { .outcomes = o, .count = count }, &out);
    assert_false(out.failed);
    return arena_str(a, buf_str(&out));
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct outcome two[] = { { .step = 0,
                               .at_ms = 5,
                               .rule = STR("store"),
                               .action = STR("AddHeader"),
                               .kind = OUTCOME_DONE,
                               .says = STR("added \"x\"") },
                             denied(1, 7) };
    struct history h;
    assert_null(history_read(written(&(struct history) { 0 }, two, 2, a), a, &h));
    assert_int_equal(h.count, 2);
    assert_true(str_eq(h.outcomes[0].says, STR("added \"x\"")));
    assert_null(h.outcomes[0].denial.ptr);
    assert_int_equal(h.outcomes[1].at_ms, 7);
    assert_true(str_eq(h.outcomes[1].denial, STR("{\"sid\":\"A\"}")));
    assert_true(history_of(&h, 0).ended);
    assert_false(history_of(&h, 1).ended);
    assert_int_equal(history_of(&h, 1).failures, 1);
    assert_null(history_of(&h, 2).last);
}

static void who_was_served_is_remembered(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct outcome one = denied(0, 5), two = denied(0, 6);
    struct history h = { 0 }, after;
    one.taken = STR("0 2");
    two.taken = STR("0 1 2");
    two.refused = STR("3");
    str first = written(&h, &one, 1, a);
    assert_null(history_read(first, a, &h));
    assert_true(str_eq(history_of(&h, 0).last->taken, STR("0 2")));
    assert_true(str_is_none(history_of(&h, 0).last->refused));
    str notes = arena_strf(a, STR_FMT "\n" STR_FMT "\n", STR_ARG(first),
                           STR_ARG(written(&h, &two, 1, a))); /* the same words, more recipients */
    assert_null(history_read(notes, a, &after));
    assert_true(str_eq(history_of(&after, 0).last->taken, STR("0 1 2")));
    assert_true(str_eq(history_of(&after, 0).last->refused, STR("3")));
}

static void the_same_explanation_is_written_once_and_read_as_often_as_it_was_given(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct outcome first = denied(0, 1), again = denied(0, 2), other = denied(0, 3);
    other.says = STR("still no, but why has changed");
    struct history h = { 0 };
    str notes = written(&h, &first, 1, a);
    assert_null(history_read(notes, a, &h));
    str short_note = written(&h, &again, 1, a);
    assert_true(str_eq(short_note, STR("[{\"step\":0,\"at\":2,\"again\":true}]")));
    notes = arena_strf(a, STR_FMT "\n" STR_FMT "\n", STR_ARG(notes), STR_ARG(short_note));
    assert_null(history_read(notes, a, &h));
    assert_int_equal(h.count, 2);
    assert_int_equal(h.outcomes[1].at_ms, 2);
    assert_true(str_eq(h.outcomes[1].says, STR("no")));
    assert_int_equal(history_of(&h, 0).failures, 2);
    assert_true(str_find_str(written(&h, &other, 1, a), STR("still no")) > 0);
    assert_true(str_find_str(written(&h, &other, 1, a), STR("again")) ==
                written(&h, &other, 1, a).len);
}

static void a_redrive_gives_another_turn_to_what_was_given_up_and_to_nothing_else(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct outcome done = {
        .step = 0, .at_ms = 1, .rule = STR("r"), .action = STR("S3"), .kind = OUTCOME_DONE
    };
    struct outcome expired = denied(1, 2);
    expired.kind = OUTCOME_EXPIRED;
    struct outcome both[] = { done, expired };
    struct history h = { 0 };
    str notes = written(&h, both, 2, a);
    assert_null(history_read(notes, a, &h));
    assert_true(history_of(&h, 1).ended);
    notes = arena_strf(a, STR_FMT "\n" STR_FMT "\n", STR_ARG(notes),
                       STR_ARG(history_redrive_note(9, a)));
    assert_null(history_read(notes, a, &h));
    assert_int_equal(h.redriven_ms, 9);
    assert_true(history_of(&h, 0).ended);
    assert_false(history_of(&h, 1).ended);
    assert_int_equal(history_of(&h, 1).failures, 0);
    assert_int_equal(h.count, 2);
}

static void the_last_note_tells_how_the_rules_matched(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF out = buf_new(4096);
    struct history h = { 0 };
    history_write(
        &h, &(struct history_note) { .rule_set = STR("main"), .rules = STR("[{\"rule\":\"r\"}]") },
        &out);
    assert_null(history_read(buf_str(&out), a, &h));
    assert_true(str_eq(h.rule_set, STR("main")));
    assert_true(str_eq(h.rules, STR("[{\"rule\":\"r\"}]")));
    assert_int_equal(h.count, 0);
}

static void damaged_notes_are_said_to_be_so(void **state)
{
    (void)state;
    static const str bad[] = {
        STR_INIT("[{\"step\":0"),
        STR_INIT("[{\"at\":1}]"),
        STR_INIT("[{\"step\":0,\"at\":1,\"again\":true}]"),
        STR_INIT("[{\"step\":0,\"at\":1,\"outcome\":\"perhaps\"}]"),
        STR_INIT("[7]"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        struct history h;
        assert_non_null(history_read(bad[i], a, &h));
    }
}

/* What a policy says is quoted in notes, whatever it says. */
static void braces_in_what_was_said_are_no_events(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    enum { BRACES = 60 * 1000 };
    char *braces = arena_alloc(a, BRACES, 1);
    memset(braces, '{', BRACES);
    struct outcome long_words = denied(0, 1);
    long_words.says = (str) { braces, BRACES };
    AUTO_BUF out = buf_new(1 << 20);
    struct history h = { 0 };
    history_write(&h, &(struct history_note) { .outcomes = &long_words, .count = 1 }, &out);
    assert_null(history_read(buf_str(&out), a, &h));
    assert_int_equal(h.count, 1);
    assert_int_equal(h.outcomes[0].says.len, BRACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(who_was_served_is_remembered),
        cmocka_unit_test(the_same_explanation_is_written_once_and_read_as_often_as_it_was_given),
        cmocka_unit_test(a_redrive_gives_another_turn_to_what_was_given_up_and_to_nothing_else),
        cmocka_unit_test(the_last_note_tells_how_the_rules_matched),
        cmocka_unit_test(braces_in_what_was_said_are_no_events),
        cmocka_unit_test(damaged_notes_are_said_to_be_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

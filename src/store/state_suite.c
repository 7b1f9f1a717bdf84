/* store/state_suite.c - the conformance suite of states. */
#include "store/state_suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct suite {
    const struct state_maker *maker;
    struct arena *arena;
    struct state *state;
};

static struct suite suite; /* cmocka passes one pointer; the maker comes from outside the group */

static int begin(void **state)
{
    *state = &suite;
    suite.arena = arena_new(16 << 20);
    suite.maker->clear(suite.maker->context);
    return suite.maker->open(suite.maker->context, suite.arena, &suite.state) ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    suite.state->ops->close(suite.state);
    arena_free(suite.arena);
    suite.maker->clear(suite.maker->context);
    return 0;
}

static uint64_t put(struct suite *s, str key, str value, uint64_t expected)
{
    uint64_t revision = 0;
    assert_null(s->state->ops->put(s->state, key, value, expected, s->arena, &revision));
    assert_true(revision != REVISION_NEW);
    return revision;
}

static void assert_stored(struct suite *s, str key, str value, uint64_t revision)
{
    struct record r;
    assert_null(s->state->ops->get(s->state, key, s->arena, &r));
    assert_true(str_eq(r.key, key));
    assert_true(str_eq(r.value, value));
    assert_true(r.revision == revision);
}

static void assert_kind(const struct fault *f, enum fault_kind kind)
{
    assert_non_null(f);
    assert_int_equal(f->kind, kind);
}

static void what_was_put_is_read_back_byte_for_byte(void **state)
{
    struct suite *s = *state;
    static const str values[] = { STR_INIT("{}"), STR_INIT(""), STR_INIT("a\0b"),
                                  STR_INIT("\xff\xfe\n") };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        str key = arena_strf(s->arena, "k/%zu", i);
        assert_stored(s, key, values[i], put(s, key, values[i], REVISION_NEW));
    }
    struct record r;
    assert_kind(s->state->ops->get(s->state, STR("k/none"), s->arena, &r), FAULT_ABSENT);
}

static void a_change_needs_the_revision_that_is_stored(void **state)
{
    struct suite *s = *state;
    uint64_t revision = 0, first = put(s, STR("a"), STR("1"), REVISION_NEW);
    assert_kind(s->state->ops->put(s->state, STR("a"), STR("2"), REVISION_NEW, s->arena, &revision),
                FAULT_CONFLICT);
    assert_kind(s->state->ops->put(s->state, STR("b"), STR("2"), first, s->arena, &revision),
                FAULT_CONFLICT);
    uint64_t second = put(s, STR("a"), STR("2"), first);
    assert_true(second != first);
    assert_kind(s->state->ops->put(s->state, STR("a"), STR("3"), first, s->arena, &revision),
                FAULT_CONFLICT);
    assert_kind(s->state->ops->remove(s->state, STR("a"), first, s->arena), FAULT_CONFLICT);
    assert_stored(s, STR("a"), STR("2"), second);
    assert_null(s->state->ops->remove(s->state, STR("a"), second, s->arena));
    struct record r;
    assert_kind(s->state->ops->get(s->state, STR("a"), s->arena, &r), FAULT_ABSENT);
    assert_kind(s->state->ops->remove(s->state, STR("a"), second, s->arena), FAULT_CONFLICT);
}

static void a_key_made_again_never_shows_an_old_revision(void **state)
{
    struct suite *s = *state;
    uint64_t revision, first = put(s, STR("a"), STR("1"), REVISION_NEW);
    assert_null(s->state->ops->remove(s->state, STR("a"), first, s->arena));
    uint64_t again = put(s, STR("a"), STR("1"), REVISION_NEW);
    assert_true(again != first);
    assert_kind(s->state->ops->put(s->state, STR("a"), STR("2"), first, s->arena, &revision),
                FAULT_CONFLICT);
}

struct list_case {
    const char *says;
    str prefix, after;
    size_t max;
    const char *keys; /* each followed by a blank */
};
static const struct list_case lists[] = {
    /* clang-format off */
    { "all of it, in byte order",               STR_INIT(""),   STR_INIT(""),    100, "B a a/ a/1 a/2 a0 b \xff \xff\xff " },
    { "those with the prefix",                  STR_INIT("a/"), STR_INIT(""),    100, "a/ a/1 a/2 " },
    { "behind a key, without it",               STR_INIT("a/"), STR_INIT("a/1"), 100, "a/2 " },
    { "behind a key that is not there",         STR_INIT(""),   STR_INIT("a/3"), 100, "a0 b \xff \xff\xff " },
    { "no more than wanted",                    STR_INIT(""),   STR_INIT("B"),   2,   "a a/ " },
    { "a prefix of the highest byte",           STR_INIT("\xff"), STR_INIT(""),  100, "\xff \xff\xff " },
    { "nothing has that prefix",                STR_INIT("c"),  STR_INIT(""),    100, "" },
    { "after stands before the prefix",         STR_INIT("b"),  STR_INIT("a"),   100, "b " },
    { "none are wanted",                        STR_INIT(""),   STR_INIT(""),    0,   "" },
    /* clang-format on */
};

static void a_list_is_in_byte_order_from_after_on(void **state)
{
    struct suite *s = *state;
    static const str keys[] = { STR_INIT("b"),  STR_INIT("a/2"),      STR_INIT("a"),
                                STR_INIT("a0"), STR_INIT("a/"),       STR_INIT("a/1"),
                                STR_INIT("B"),  STR_INIT("\xff\xff"), STR_INIT("\xff") };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put(s, keys[i], keys[i], REVISION_NEW);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct list_case *c = &lists[i];
        struct record *records;
        size_t count;
        assert_null(
            s->state->ops->list(s->state, c->prefix, c->after, c->max, s->arena, &records, &count));
        char got[256] = "";
        size_t used = 0;
        for (size_t j = 0; j < count; j++) {
            assert_true(str_eq(records[j].key, records[j].value));
            used += (size_t)snprintf(got + used, sizeof got - used, STR_FMT " ",
                                     STR_ARG(records[j].key));
        }
        if (strcmp(got, c->keys) != 0)
            fail_msg("%s: got %s", c->says, got);
    }
}

struct seen {
    struct state *state;
    struct arena *arena;
    char text[256];
    bool refuses;
    unsigned dropped;
};

struct told { /* one change, prepared */
    str key, value;
    uint64_t revision;
};

static const struct fault *prepare(void *context, const struct record *r, struct arena *arena,
                                   void **ret_ready)
{
    const struct seen *seen = context;
    if (seen->refuses)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "it cannot be shown");
    struct told *told = ARENA_NEW(seen->arena, struct told);
    *told = (struct told) { arena_str(seen->arena, r->key),
                            str_is_none(r->value) ? STR_NONE : arena_str(seen->arena, r->value),
                            r->revision };
    *ret_ready = told;
    return NULL;
}

static void show(void *context, void *ready)
{
    struct seen *seen = context;
    const struct told *r = ready;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, STR_FMT "=" STR_FMT " ", STR_ARG(r->key),
             str_is_none(r->value) ? 4 : (int)r->value.len,
             str_is_none(r->value) ? "none" : r->value.ptr);
    /* Durable before it is told: a read from here sees it. */
    struct record now;
    const struct fault *f = seen->state->ops->get(seen->state, r->key, seen->arena, &now);
    assert_true(str_is_none(r->value) ? f && f->kind == FAULT_ABSENT
                                      : !f && now.revision == r->revision);
}

static void drop(void *context, void *ready)
{
    struct seen *seen = context;
    (void)ready;
    seen->dropped++;
}

static const struct state_watcher watcher = { prepare, show, drop };

static void a_watch_is_told_of_each_change_in_order_before_the_call_returns(void **state)
{
    struct suite *s = *state;
    struct seen all = { .state = s->state, .arena = s->arena }, some = all;
    assert_null(s->state->ops->watch(s->state, STR(""), &watcher, &all));
    assert_null(s->state->ops->watch(s->state, STR("a/"), &watcher, &some));
    uint64_t revision = put(s, STR("a/1"), STR("x"), REVISION_NEW);
    assert_string_equal(all.text, "a/1=x ");
    revision = put(s, STR("a/1"), STR("y"), revision);
    put(s, STR("b"), STR("z"), REVISION_NEW);
    uint64_t ignored;
    assert_kind(s->state->ops->put(s->state, STR("b"), STR("w"), REVISION_NEW, s->arena, &ignored),
                FAULT_CONFLICT);
    assert_null(s->state->ops->remove(s->state, STR("a/1"), revision, s->arena));
    assert_string_equal(all.text, "a/1=x a/1=y b=z a/1=none ");
    assert_string_equal(some.text, "a/1=x a/1=y a/1=none ");
    assert_int_equal(all.dropped, 0);
}

/* The first had its part ready when the second refused. */
static void what_a_watch_cannot_show_is_not_done(void **state)
{
    struct suite *s = *state;
    struct seen all = { .state = s->state, .arena = s->arena }, some = all;
    uint64_t revision = put(s, STR("a/1"), STR("x"), REVISION_NEW), ignored;
    assert_null(s->state->ops->watch(s->state, STR(""), &watcher, &all));
    assert_null(s->state->ops->watch(s->state, STR("a/"), &watcher, &some));
    some.refuses = true;
    assert_kind(s->state->ops->put(s->state, STR("a/1"), STR("y"), revision, s->arena, &ignored),
                FAULT_UNAVAILABLE);
    assert_kind(
        s->state->ops->put(s->state, STR("a/2"), STR("y"), REVISION_NEW, s->arena, &ignored),
        FAULT_UNAVAILABLE);
    assert_kind(s->state->ops->remove(s->state, STR("a/1"), revision, s->arena), FAULT_UNAVAILABLE);
    assert_string_equal(all.text, "");
    assert_int_equal(all.dropped, 3);
    assert_int_equal(some.dropped, 0);
    assert_stored(s, STR("a/1"), STR("x"), revision);
    some.refuses = false;
    put(s, STR("a/1"), STR("y"), revision);
    assert_string_equal(some.text, "a/1=y ");
}

static void what_was_put_is_there_after_a_new_start(void **state)
{
    struct suite *s = *state;
    uint64_t a = put(s, STR("a"), STR("1"), REVISION_NEW);
    uint64_t b = put(s, STR("b"), STR("2"), REVISION_NEW);
    assert_null(s->state->ops->remove(s->state, STR("b"), b, s->arena));
    s->state->ops->close(s->state);
    assert_null(s->maker->open(s->maker->context, s->arena, &s->state));
    assert_stored(s, STR("a"), STR("1"), a);
    struct record r;
    assert_kind(s->state->ops->get(s->state, STR("b"), s->arena, &r), FAULT_ABSENT);
    assert_true(put(s, STR("b"), STR("3"), REVISION_NEW) != b);
}

enum { WRITERS = 4, TURNS = 10 };

static void *add_turns(void *context)
{
    struct suite *s = context;
    struct arena *arena = arena_new(1 << 20);
    for (int done = 0; done < TURNS;) {
        struct record r;
        uint64_t revision;
        if (s->state->ops->get(s->state, STR("n"), arena, &r))
            abort();
        str more = arena_strf(arena, STR_FMT "x", STR_ARG(r.value));
        const struct fault *f =
            s->state->ops->put(s->state, STR("n"), more, r.revision, arena, &revision);
        if (!f)
            done++;
        else if (f->kind != FAULT_CONFLICT)
            abort();
        arena_reset(arena);
    }
    arena_free(arena);
    return NULL;
}

static void many_writers_lose_no_change(void **state)
{
    struct suite *s = *state;
    put(s, STR("n"), STR(""), REVISION_NEW);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_turns, s), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    struct record r;
    assert_null(s->state->ops->get(s->state, STR("n"), s->arena, &r));
    assert_int_equal(r.value.len, WRITERS * TURNS);
}

int state_suite_run(const struct state_maker *maker)
{
    suite.maker = maker;
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(what_was_put_is_read_back_byte_for_byte),
        CASE(a_change_needs_the_revision_that_is_stored),
        CASE(a_key_made_again_never_shows_an_old_revision),
        CASE(a_list_is_in_byte_order_from_after_on),
        CASE(a_watch_is_told_of_each_change_in_order_before_the_call_returns),
        CASE(what_a_watch_cannot_show_is_not_done),
        CASE(what_was_put_is_there_after_a_new_start),
        CASE(many_writers_lose_no_change),
    };
#undef CASE
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}

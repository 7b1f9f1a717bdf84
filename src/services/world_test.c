/* One picture of the configuration, changed in pieces. */
#include "services/account.h"
#include "services/iam/role.h"
#include "services/ses/rule_sets.h"
#include "services/stage_suite.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SET(name)                                                                                  \
    STR("{\"Name\":\"" name                                                                        \
        "\",\"Account\":\"111122223333\",\"Region\":\"us-east-1\",\"CreatedMs\":5,\"Rules\":[]}")
#define KEY(name) "rule-set/111122223333/us-east-1/" name

static int begin(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    stage_begin(stage);
    *state = stage;
    return 0;
}

static int end(void **state)
{
    stage_end(*state);
    free(*state);
    return 0;
}

static const struct receipt_rule_set *set_in(const struct world *world, str name)
{
    return rule_set_find(world, STR("111122223333"), STR("us-east-1"), name);
}

static void a_change_makes_a_new_world_and_leaves_the_old_one_as_it_was(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, KEY("a"), SET("a"));
    stage_put(stage, KEY("b"), SET("b"));
    const struct world *before = worlds_now(stage->worlds);
    const struct receipt_rule_set *a = set_in(before, STR("a")), *b = set_in(before, STR("b"));
    assert_non_null(a);
    assert_non_null(b);

    stage_put(stage, KEY("a"), SET("A"));
    const struct world *after = worlds_now(stage->worlds);
    assert_true(str_eq(set_in(before, STR("a"))->name, STR("a")));
    assert_true(str_eq(set_in(after, STR("a"))->name, STR("A")));
    assert_ptr_equal(set_in(after, STR("b")), b); /* shared, not compiled again */
    assert_true(world_revision(after, STR(KEY("a"))) > world_revision(before, STR(KEY("a"))));

    stage_remove(stage, KEY("a"));
    const struct world *last = worlds_now(stage->worlds);
    assert_null(set_in(last, STR("a")));
    assert_int_equal(world_revision(last, STR(KEY("a"))), REVISION_NEW);
    assert_true(str_eq(a->name, STR("a"))); /* `before` still holds it */
    world_unref(last);
    world_unref(before);
    assert_true(str_eq(set_in(after, STR("a"))->name, STR("A")));
    world_unref(after);
}

static void what_the_state_holds_at_the_start_is_in_the_first_world(void **state)
{
    struct stage *stage = *state;
    char key[128];
    for (int i = 0; i < 40; i++) { /* more than a page */
        snprintf(key, sizeof(key), KEY("s%02d"), i);
        stage_put(stage, key, SET("x"));
    }
    struct worlds *again;
    assert_null(worlds_open(stage->state, &stage->outside, stage->arena, &again));
    const struct world *world = worlds_now(again);
    size_t count = 0;
    str at = STR_NONE, prefix = STR("rule-set/");
    const void *found;
    while (world_next(world, prefix, at, &at, &found))
        count++;
    assert_int_equal(count, 40);
    assert_true(str_eq(at, STR(KEY("s39"))));
    world_unref(world);
    /* The second watcher must outlive the state's last change; nothing changes any more. */
    worlds_close(again);
}

/* 200 rules of 100 recipients are half a megabyte, and an account may have 40 such sets in each
 * region. */
static void records_that_are_large_together_are_read_at_the_start(void **state)
{
    struct stage *stage = *state;
    enum { RECORDS = 200, SIZE = 500 * 1024 };
    AUTO_BUF set = buf_new(SIZE + 1024);
    buf_addf(&set, "{\"Name\":\"a\",\"Account\":\"111122223333\",\"Region\":\"us-east-1\","
                   "\"CreatedMs\":5,\"Rules\":[]");
    while (set.len < SIZE)
        buf_addf(&set, "%1000s", "");
    buf_addf(&set, "}");
    for (int i = 0; i < RECORDS; i++) {
        char key[64];
        snprintf(key, sizeof(key), KEY("set-%03d"), i);
        stage_put(stage, key, buf_str(&set));
    }
    struct worlds *again;
    assert_null(worlds_open(stage->state, &stage->outside, stage->arena, &again));
    const struct world *world = worlds_now(again);
    for (int i = 0; i < RECORDS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "set-%03d", i);
        assert_non_null(set_in(world, str_of(name)));
    }
    world_unref(world);
    worlds_close(again);
}

static void a_record_that_cannot_be_read_leaves_nothing_that_could_still_grant(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, KEY("a"), SET("a"));
    stage_put(stage, KEY("a"), STR("{\"Name\":\"a\""));
    const struct world *world = worlds_now(stage->worlds);
    assert_null(set_in(world, STR("a")));
    assert_int_equal(stage->errors, 1);
    world_unref(world);

    stage_put(stage, "role/111122223333/r",
              STR("{\"path\":\"/\",\"trust\":\"{}\",\"policies\":[]}"));
    world = worlds_now(stage->worlds);
    assert_null(role_find(world, STR("111122223333"), STR("r")));
    assert_int_equal(stage->errors, 2);
    world_unref(world);
}

static void a_key_of_no_known_kind_is_passed_over(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "meta/version", STR("1"));
    const struct world *world = worlds_now(stage->worlds);
    assert_null(world_find(world, STR("meta/version")));
    assert_int_equal(stage->errors, 0);
    world_unref(world);
}

struct reader {
    struct worlds *worlds;
    atomic_bool *stop;
    atomic_size_t seen;
};

static void *read_on(void *context)
{
    struct reader *reader = context;
    while (!atomic_load(reader->stop)) {
        const struct world *world = worlds_now(reader->worlds);
        const struct receipt_rule_set *set = set_in(world, STR("a"));
        const struct world *again = world_ref(world);
        world_unref(world);
        reader->seen += set && str_eq(set->account, STR("111122223333"));
        world_unref(again);
    }
    return NULL;
}

static void readers_go_on_while_the_world_changes(void **state)
{
    struct stage *stage = *state;
    atomic_bool stop = false;
    stage_put(stage, KEY("a"), SET("a"));
    struct reader readers[3] = { { stage->worlds, &stop, 0 },
                                 { stage->worlds, &stop, 0 },
                                 { stage->worlds, &stop, 0 } };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    for (int i = 0; i < 60; i++)
        stage_put(stage, i % 3 ? KEY("a") : KEY("b"), i % 2 ? SET("a") : SET("b"));
    for (int i = 0; i < 3; i++) /* on a busy machine a thread may begin late */
        while (atomic_load(&readers[i].seen) == 0)
            sched_yield();
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void an_account_begins_with_its_first_use_and_only_once(void **state)
{
    struct stage *stage = *state;
    struct call call = stage_call(stage);
    assert_null(account_find(call.world, STR("111122223333")));
    assert_null(account_begin(stage->state, &call));
    stage->now_ms += 1000;
    assert_null(account_begin(stage->state, &call)); /* a stale world: the put comes too late */
    call = stage_call(stage);
    assert_null(account_begin(stage->state, &call));
    assert_int_equal(account_find(call.world, STR("111122223333"))->created_ms, 1772442942000);
    struct caller nobody = { .kind = CALLER_ANONYMOUS };
    call = stage_call_as(stage, &nobody);
    assert_null(account_begin(stage->state, &call));
    assert_null(account_find(call.world, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
        T(a_change_makes_a_new_world_and_leaves_the_old_one_as_it_was),
        T(what_the_state_holds_at_the_start_is_in_the_first_world),
        T(records_that_are_large_together_are_read_at_the_start),
        T(a_record_that_cannot_be_read_leaves_nothing_that_could_still_grant),
        T(a_key_of_no_known_kind_is_passed_over),
        T(readers_go_on_while_the_world_changes),
        T(an_account_begins_with_its_first_use_and_only_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

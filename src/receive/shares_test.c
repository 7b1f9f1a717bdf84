/* One slow target holds up nobody else, and nothing that waits is forgotten. */
#include "receive/shares.h"

#include "testing/entropy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <time.h>
#include <cmocka.h>

struct waiting_spool { /* keeps who waits, and lets them come back */
    struct spool spool;
    uint64_t groups[64];
    size_t count;
    unsigned resumed, for_caller;
};

static void fake_hold(struct lease *lease, uint64_t group)
{
    struct waiting_spool *s = lease->impl;
    assert_true(s->count < 64);
    s->groups[s->count++] = group;
}

static bool fake_resume(struct spool *spool, uint64_t group, bool caller_leases, bool *ret_more)
{
    struct waiting_spool *s = (struct waiting_spool *)spool;
    bool found = false;
    *ret_more = false;
    for (size_t i = 0; i < s->count; i++) {
        if (s->groups[i] != group)
            continue;
        *ret_more = found;
        if (found)
            break;
        memmove(&s->groups[i], &s->groups[i + 1], (--s->count - i) * sizeof s->groups[0]);
        i--;
        s->resumed++;
        s->for_caller += caller_leases;
        found = true;
    }
    return found;
}

static const struct spool_ops ops = { .hold = fake_hold, .resume = fake_resume };

struct scene {
    struct arena *arena;
    struct waiting_spool spool;
    struct seeded_entropy entropy;
    struct shares *shares;
};

static void begin(struct scene *s, unsigned workers)
{
    *s = (struct scene) { .arena = arena_new(1 << 20), .spool = { .spool = { &ops } } };
    s->entropy = seeded_entropy(1);
    assert_null(shares_open(&s->spool.spool, workers, &s->entropy.entropy, s->arena, &s->shares));
}

static void end(struct scene *s)
{
    shares_close(s->shares);
    arena_free(s->arena);
}

static struct share slow(const char *name)
{
    return (struct share) { .target = str_of(name), .weight = 1 };
}

static unsigned take_all(struct scene *s, struct share share)
{
    unsigned taken = 0;
    while (share_take(s->shares, &share, false))
        taken++;
    return taken;
}

static void wait_for(struct scene *s, struct share share)
{
    struct lease lease = { .impl = &s->spool };
    share_wait(s->shares, &share, &lease);
}

static void slow_targets_leave_workers_to_others(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 32);
    assert_int_equal(take_all(&s, slow("a")), 16);
    assert_int_equal(take_all(&s, slow("b")), 8);
    assert_int_equal(take_all(&s, slow("c")), 4);
    assert_int_equal(take_all(&s, slow("a")), 0);
    assert_int_equal(take_all(&s, slow("d")), 2);
    assert_int_equal(take_all(&s, slow("e")), 1);
    assert_int_equal(take_all(&s, slow("f")), 1);
    assert_int_equal(take_all(&s, slow("g")), 0); /* thirty-two workers, all in use */
    end(&s);
}

static void a_quick_target_may_have_most_of_them_and_a_bounded_one_its_bound(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 32);
    assert_int_equal(take_all(&s, (struct share) { .target = STR("bucket"), .weight = 7 }), 28);
    assert_int_equal(take_all(&s, (struct share) { .target = STR("f"), .weight = 1, .most = 1 }),
                     1);
    end(&s);
}

static void a_single_worker_works(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 1);
    assert_int_equal(take_all(&s, slow("a")), 1);
    struct share a = slow("a");
    share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(take_all(&s, slow("b")), 1);
    end(&s);
}

static void who_waits_comes_back_when_a_share_is_given_back(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 8);
    struct share a = slow("a"), b = slow("b");
    assert_int_equal(take_all(&s, a), 4);
    wait_for(&s, a);
    wait_for(&s, a);
    assert_int_equal(s.spool.resumed, 0);
    assert_int_equal(take_all(&s, b), 2);
    wait_for(&s, b);
    assert_int_equal(s.spool.resumed, 0);
    share_give(s.shares, &a,
               GIVER_LEASES_NEXT); /* three idle: of `a` three run, so only b's may go on */
    assert_int_equal(s.spool.resumed, 1);
    assert_true(share_take(s.shares, &b, true));
    for (unsigned i = 0; i < 3; i++)
        share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(s.spool.resumed, 3);
    assert_int_equal(s.spool.count, 0);
    end(&s);
}

static void who_goes_on_after_giving_leaves_what_it_resumed_to_another_worker(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    struct share a = slow("a");
    assert_int_equal(take_all(&s, a), 1);
    wait_for(&s, a);
    share_give(s.shares, &a, GIVER_GOES_ON);
    assert_int_equal(s.spool.resumed, 1);
    assert_int_equal(s.spool.for_caller, 0);
    assert_true(share_take(s.shares, &a, true));
    wait_for(&s, a);
    share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(s.spool.resumed, 2);
    assert_int_equal(s.spool.for_caller, 1);
    end(&s);
}

static void what_was_resumed_finds_its_share_though_new_work_came_first(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    struct share a = slow("a");
    assert_int_equal(take_all(&s, a), 1);
    wait_for(&s, a);
    share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(s.spool.resumed, 1);
    assert_false(share_take(s.shares, &a, false));
    shares_nudge(s.shares);
    assert_true(share_take(s.shares, &a, true));
    assert_false(share_take(s.shares, &a, true)); /* one share was left, not two */
    end(&s);
}

static void a_share_that_nobody_comes_for_is_free_after_a_while(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    struct share a = slow("a");
    assert_int_equal(take_all(&s, a), 1);
    wait_for(&s, a);
    wait_for(&s, a);
    share_give(s.shares, &a, GIVER_LEASES_NEXT); /* the entry cannot be read, say */
    assert_int_equal(s.spool.resumed, 1);
    nanosleep(&(struct timespec) { .tv_sec = 2, .tv_nsec = 50 * 1000000 }, NULL);
    shares_nudge(s.shares);
    assert_int_equal(s.spool.resumed, 2);
    assert_true(share_take(s.shares, &a, true));
    share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(take_all(&s, a), 1);
    end(&s);
}

static void of_several_that_wait_as_many_go_on_as_find_a_worker(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 16);
    struct share a = slow("a"), b = slow("b"), c = slow("c");
    assert_int_equal(take_all(&s, a), 8);
    assert_int_equal(take_all(&s, b), 4);
    assert_int_equal(take_all(&s, c), 2);
    wait_for(&s, b);
    wait_for(&s, c);
    assert_int_equal(s.spool.resumed, 0);
    for (unsigned i = 0; i < 8; i++) /* one after the other until both may go on */
        share_give(s.shares, &a, GIVER_GOES_ON);
    assert_int_equal(s.spool.resumed, 2);
    end(&s);

    begin(&s, 3); /* `one` and `two` both wait for a worker */
    struct share one = slow("one"), two = slow("two");
    assert_int_equal(take_all(&s, a), 2);
    assert_int_equal(take_all(&s, b), 1);
    wait_for(&s, one);
    wait_for(&s, two);
    assert_int_equal(s.spool.resumed, 0);
    share_give(s.shares, &b, GIVER_LEASES_NEXT);
    assert_int_equal(s.spool.resumed, 1);
    assert_int_equal(s.spool.for_caller, 1);
    share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(s.spool.resumed, 2);
    end(&s);
}

static void a_share_given_back_between_take_and_wait_is_seen_by_the_wait(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    struct share a = slow("a");
    assert_int_equal(take_all(&s, a), 1);
    share_give(s.shares, &a, GIVER_LEASES_NEXT); /* after the refused take, before its wait */
    wait_for(&s, a);
    assert_int_equal(s.spool.resumed, 1);
    assert_int_equal(s.spool.count, 0);
    end(&s);
}

static void a_promise_that_nobody_keeps_holds_up_nobody_for_long(void **state)
{
    (void)state;
    struct scene s;
    begin(&s, 2);
    struct share a = slow("a");
    assert_int_equal(take_all(&s, a), 1);
    wait_for(&s, a);
    wait_for(&s, a);
    share_give(s.shares, &a, GIVER_LEASES_NEXT);
    assert_int_equal(s.spool.resumed, 1); /* and ends without its share */
    assert_true(shares_awaited(s.shares));
    shares_nudge(s.shares);
    assert_int_equal(s.spool.resumed, 1);
    struct timespec while_ms = { .tv_sec = 2, .tv_nsec = 100 * 1000 * 1000 };
    nanosleep(&while_ms, NULL);
    shares_nudge(s.shares);
    assert_int_equal(s.spool.resumed, 2);
    assert_false(shares_awaited(s.shares));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_targets_leave_workers_to_others),
        cmocka_unit_test(a_quick_target_may_have_most_of_them_and_a_bounded_one_its_bound),
        cmocka_unit_test(a_single_worker_works),
        cmocka_unit_test(who_waits_comes_back_when_a_share_is_given_back),
        cmocka_unit_test(who_goes_on_after_giving_leaves_what_it_resumed_to_another_worker),
        cmocka_unit_test(what_was_resumed_finds_its_share_though_new_work_came_first),
        cmocka_unit_test(a_share_that_nobody_comes_for_is_free_after_a_while),
        cmocka_unit_test(of_several_that_wait_as_many_go_on_as_find_a_worker),
        cmocka_unit_test(a_share_given_back_between_take_and_wait_is_seen_by_the_wait),
        cmocka_unit_test(a_promise_that_nobody_keeps_holds_up_nobody_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

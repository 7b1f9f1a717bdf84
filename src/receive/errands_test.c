/* What a service does later goes the way of mail: it survives, is tried, noted, given up, redriven.
 */
#include "services/errand.h"

#include "base/crc.h"
#include "base/json.h"
#include "receive/deliver.h"
#include "receive/timeline.h"
#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define ID     "0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1"
#define TARGET "http://127.0.0.1:9"

struct doer { /* does as it is told, and remembers how it was asked */
    struct errand_runner runner;
    struct errand_end end;
    unsigned runs, most;
    struct errand_attempt last;
    char body[64], head[64];
    size_t body_len;
    uint32_t body_crc;
};

static struct errand_end run(struct errand_runner *runner, const struct errand_attempt *a)
{
    struct doer *d = (struct doer *)runner;
    d->runs++;
    d->last = *a;
    snprintf(d->body, sizeof d->body, STR_FMT, STR_ARG(a->body));
    snprintf(d->head, sizeof d->head, STR_FMT, STR_ARG(a->errand.head));
    d->body_len = a->body.len;
    d->body_crc = crc32c(0, a->body.ptr, a->body.len);
    struct errand_end end = d->end;
    end.retry_at_ms = a->now_ms + 1000;
    return end;
}

static unsigned share(struct errand_runner *runner, const struct world *world, str target)
{
    (void)world;
    assert_true(str_eq(target, STR(TARGET)));
    return ((struct doer *)runner)->most;
}

struct house {
    struct temp_dir dir;
    struct arena *arena;
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct outside outside;
    struct metrics *metrics;
    struct doer doer;
    struct delivery delivery;
};

static const struct world *no_world(struct worlds *worlds)
{
    (void)worlds;
    return NULL;
}

static void open_spool(struct house *h)
{
    str at = arena_strf(h->arena, "%s/spool", h->dir.path);
    const struct spool_limits small = { .segment_bytes = 1 << 20 };
    assert_null(spool_log_open(at, &small, &h->outside, h->arena, &h->delivery.spool));
}

static int set_up(void **state)
{
    struct house *h = calloc(1, sizeof *h);
    *state = h;
    h->dir = temp_dir_make();
    h->arena = arena_new(64 << 20);
    h->clock = fake_clock_at("2026-03-02T09:15:42Z");
    h->entropy = seeded_entropy(1);
    h->journal = captured_journal_new();
    h->metrics = metrics_new(100);
    h->outside = (struct outside) { .clock = &h->clock.clock,
                                    .entropy = &h->entropy.entropy,
                                    .journal = captured_journal(h->journal),
                                    .disk = disk_real() };
    h->doer.runner = (struct errand_runner) { run, share };
    h->delivery = (struct delivery) { .outside = &h->outside,
                                      .metrics = h->metrics,
                                      .now = no_world,
                                      .runners = { [SPOOL_NOTIFICATION] = &h->doer.runner } };
    open_spool(h);
    return 0;
}

static int tear_down(void **state)
{
    struct house *h = *state;
    h->delivery.spool->ops->close(h->delivery.spool);
    metrics_free(h->metrics);
    captured_journal_free(h->journal);
    arena_free(h->arena);
    temp_dir_remove(&h->dir);
    free(h);
    return 0;
}

static void take_on(struct house *h, const char *id, enum spool_kind kind)
{
    const struct errand e = { .kind = kind,
                              .id = str_of(id),
                              .account = STR("111122223333"),
                              .region = STR("us-east-1"),
                              .target = STR(TARGET),
                              .about = STR("message m"),
                              .head = STR("{\"to\":\"x\"}") };
    assert_null(errands_put(h->delivery.spool, &e, 1, STR("the body"), h->clock.wall_ms, h->arena));
}

static bool attempt(struct house *h)
{
    AUTO_ARENA *a = arena_new(4 << 20);
    bool any;
    assert_null(deliver_one(&h->delivery, 500, a, &any));
    return any;
}

static str story(struct house *h, const char *id)
{
    struct spool_record record;
    AUTO_BUF out = buf_new(1 << 16);
    assert_null(h->delivery.spool->ops->find(h->delivery.spool, str_of(id), h->arena, &record));
    assert_null(timeline_write(&record, h->arena, &out));
    return arena_str(h->arena, buf_str(&out));
}

static enum spool_state state_of(struct house *h, const char *id)
{
    struct spool_record record;
    for (int tries = 0;; tries++) {
        assert_null(h->delivery.spool->ops->find(h->delivery.spool, str_of(id), h->arena, &record));
        if (record.state == SPOOL_DONE || record.state == SPOOL_DEAD || tries == 400)
            return record.state;
        struct timespec t = { .tv_nsec = 5000000 };
        nanosleep(&t, NULL);
    }
}

#define assert_holds(text, what) assert_true(str_find_str((text), STR(what)) < (text).len)

/* A letter that was just written may still be alive in the queue for a moment. */
static void redrive(struct house *h, int64_t now_ms)
{
    struct spool *spool = h->delivery.spool;
    str note = history_redrive_note(now_ms, h->arena);
    const struct fault *why = spool->ops->redrive(spool, STR(ID), note);
    for (int tries = 0; why && why->kind == FAULT_CONFLICT && tries < 400; tries++) {
        struct timespec t = { .tv_nsec = 5000000 };
        nanosleep(&t, NULL);
        why = spool->ops->redrive(spool, STR(ID), note);
    }
    assert_null(why);
}

static void an_errand_comes_back_as_it_was_taken_on_after_a_restart_too(void **state)
{
    struct house *h = *state;
    take_on(h, ID, SPOOL_NOTIFICATION);
    h->delivery.spool->ops->close(h->delivery.spool);
    open_spool(h);
    h->doer.end = (struct errand_end) { .settlement = SETTLE_DONE, .says = STR("took it") };
    assert_true(attempt(h));
    assert_int_equal(h->doer.runs, 1);
    assert_string_equal(h->doer.body, "the body");
    assert_string_equal(h->doer.head, "{\"to\":\"x\"}");
    assert_int_equal(h->doer.last.number, 1);
    assert_int_equal(state_of(h, ID), SPOOL_DONE);
    str told = story(h, ID);
    assert_holds(told,
                 "{\"errandId\":\"" ID "\",\"kind\":\"notification\",\"account\":\"111122223333\"");
    assert_holds(told, "\"target\":\"" TARGET "\",\"about\":\"message m\",\"state\":\"delivered\"");
    assert_holds(told, "\"outcome\":\"done\",\"says\":\"took it\"");
}

/* A mail that leaves may be larger than all an attempt may say. */
static void a_body_larger_than_the_attempts_memory_is_read_whole(void **state)
{
    struct house *h = *state;
    enum { SIZE = (9 << 20) + 7 };
    char *body = malloc(SIZE);
    const struct errand e = { .kind = SPOOL_NOTIFICATION,
                              .id = STR(ID),
                              .account = STR("111122223333"),
                              .region = STR("us-east-1"),
                              .target = STR(TARGET),
                              .head = STR("{}") };
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)(i * 31 + i / 4093);
    const str text = { body, SIZE };
    assert_null(errands_put(h->delivery.spool, &e, 1, text, h->clock.wall_ms, h->arena));
    h->doer.end = (struct errand_end) { .settlement = SETTLE_DONE };
    assert_true(attempt(h));
    assert_int_equal(h->doer.body_len, SIZE);
    assert_int_equal(h->doer.body_crc, crc32c(0, text.ptr, text.len));
    assert_int_equal(state_of(h, ID), SPOOL_DONE);
    free(body);
}

static void what_could_not_be_tried_counts_apart(void **state)
{
    struct house *h = *state;
    static const struct fault busy = { .kind = FAULT_UNAVAILABLE, .says = STR_INIT("no place") };
    static const struct fault wrong = { .kind = FAULT_UNAVAILABLE, .says = STR_INIT("went wrong") };
    static const struct {
        const struct fault *why;
        bool untried;
        int number, waits;
    } turns[] = {
        { &busy, true, 1, 0 }, { &busy, true, 1, 1 },   { &wrong, false, 1, 2 },
        { &busy, true, 2, 2 }, { &wrong, false, 2, 3 }, { &wrong, false, 3, 3 },
    };
    take_on(h, ID, SPOOL_NOTIFICATION);
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        h->doer.end = (struct errand_end) { .settlement = SETTLE_RETRY,
                                            .says = STR_NONE,
                                            .untried = turns[i].untried,
                                            .why = turns[i].why };
        assert_true(attempt(h));
        assert_int_equal(h->doer.last.number, turns[i].number);
        assert_int_equal(h->doer.last.waits, turns[i].waits);
        fake_clock_turn(&h->clock, 1000);
    }
    assert_holds(story(h, ID), "\"outcome\":\"retry\",\"says\":\"no place\"");
}

static void given_up_it_is_kept_with_its_reason_and_redriven_with_its_hours_anew(void **state)
{
    struct house *h = *state;
    static const struct fault gone = { .kind = FAULT_ABSENT, .says = STR_INIT("nobody is there") };
    take_on(h, ID, SPOOL_NOTIFICATION);
    int64_t taken_ms = h->clock.wall_ms;
    h->doer.end = (struct errand_end) { .settlement = SETTLE_DEAD, .says = STR_NONE, .why = &gone };
    assert_true(attempt(h));
    assert_int_equal(h->doer.last.since_ms, taken_ms);
    assert_int_equal(state_of(h, ID), SPOOL_DEAD);
    assert_holds(story(h, ID), "\"outcome\":\"expired\",\"says\":\"nobody is there\"");
    fake_clock_turn(&h->clock, 5 * 3600 * 1000LL);
    int64_t redriven_ms = h->clock.wall_ms;
    redrive(h, redriven_ms);
    h->doer.end = (struct errand_end) { .settlement = SETTLE_DONE, .says = STR("there again") };
    assert_true(attempt(h));
    assert_int_equal(h->doer.last.since_ms, redriven_ms);
    assert_int_equal(h->doer.last.number, 1);
    assert_string_equal(h->doer.body, "the body");
    assert_int_equal(state_of(h, ID), SPOOL_DONE);
}

static void an_errand_that_finds_no_share_is_not_run(void **state)
{
    struct house *h = *state;
    assert_null(
        shares_open(h->delivery.spool, 4, h->outside.entropy, h->arena, &h->delivery.shares));
    h->doer.most = 1;
    h->doer.end = (struct errand_end) { .settlement = SETTLE_DONE, .says = STR_NONE };
    const struct share other = { .target = STR(TARGET), .weight = 1, .most = 1 };
    assert_true(share_take(h->delivery.shares, &other, false));
    take_on(h, ID, SPOOL_NOTIFICATION);
    assert_true(attempt(h));
    assert_int_equal(h->doer.runs, 0);
    share_give(h->delivery.shares, &other, GIVER_LEASES_NEXT);
    assert_true(attempt(h));
    assert_int_equal(h->doer.runs, 1);
    assert_int_equal(state_of(h, ID), SPOOL_DONE);
    shares_close(h->delivery.shares);
}

static void an_errand_nobody_here_does_waits_and_is_then_kept(void **state)
{
    struct house *h = *state;
    take_on(h, ID, SPOOL_INVOCATION);
    assert_true(attempt(h));
    assert_int_equal(h->doer.runs, 0);
    fake_clock_turn(&h->clock, 5 * 3600 * 1000LL);
    assert_true(attempt(h));
    assert_int_equal(state_of(h, ID), SPOOL_DEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_errand_comes_back_as_it_was_taken_on_after_a_restart_too,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_larger_than_the_attempts_memory_is_read_whole,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_could_not_be_tried_counts_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            given_up_it_is_kept_with_its_reason_and_redriven_with_its_hours_anew, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(an_errand_that_finds_no_share_is_not_run, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_errand_nobody_here_does_waits_and_is_then_kept, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "services/sqs/messages.h"

#include "testing/clock.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

#include <pthread.h>
#include <sqlite3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define Q    STR("queue-1")
#define DEAD STR("queue-2")
enum { NOW = 1000000 };

struct scene {
    struct temp_dir folder;
    struct arena *arena;
    struct outside outside;
    struct captured_journal *journal;
    struct messages *messages;
};

static void open_it(struct scene *s)
{
    str path = arena_strf(s->arena, "%s/queues.sqlite", s->folder.path);
    assert_null(messages_open(path, &s->outside, s->arena, &s->messages));
}

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    s->folder = temp_dir_make();
    s->arena = arena_new(64 << 20);
    s->journal = captured_journal_new();
    s->outside = (struct outside) { .clock = clock_real(),
                                    .entropy = entropy_real(),
                                    .journal = captured_journal(s->journal) };
    open_it(s);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;
    messages_close(s->messages);
    captured_journal_free(s->journal);
    arena_free(s->arena);
    temp_dir_remove(&s->folder);
    free(s);
    return 0;
}

/* The sweep goes by the real clock: what is to stay expires long after it. */
static int64_t far_off(struct scene *s)
{
    return s->outside.clock->wall_ms(s->outside.clock) + 86400000;
}

static void send(struct scene *s, const char *body, int64_t visible_ms)
{
    struct message_new n = { .id = str_of(body),
                             .body = str_of(body),
                             .attributes = STR("[]"),
                             .sender = STR("111122223333"),
                             .sent_ms = NOW,
                             .visible_ms = visible_ms,
                             .expires_ms = far_off(s) };
    assert_null(messages_send(s->messages, Q, &n, 1, s->arena));
}

static size_t receive(struct scene *s, str queue, int64_t now_ms, int64_t max_receives,
                      struct message_held *held)
{
    struct message_wish wish = { .max = MESSAGES_AT_ONCE,
                                 .now_ms = now_ms,
                                 .hidden_until_ms = now_ms + 30,
                                 .max_receives = max_receives,
                                 .dead_queue_id = max_receives ? DEAD : STR_NONE };
    size_t count;
    assert_null(messages_receive(s->messages, queue, &wish, s->arena, held, &count));
    return count;
}

static void test_a_message_is_hidden_until_its_time_and_gone_when_deleted(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE], old;
    bool found;
    send(s, "a", NOW);
    assert_int_equal(receive(s, Q, NOW - 1, 0, held), 0);
    assert_int_equal(receive(s, Q, NOW, 0, held), 1);
    old = held[0];
    assert_int_equal(receive(s, Q, NOW + 29, 0, held), 0);
    assert_int_equal(receive(s, Q, NOW + 30, 0, held), 1);
    assert_int_equal(held[0].receive_count, 2);
    assert_int_equal(held[0].first_receive_ms, NOW);
    assert_null(messages_delete(s->messages, Q, old.sequence, old.nonce, s->arena, &found));
    assert_false(found); /* received again since: that receipt is no longer good */
    assert_null(
        messages_delete(s->messages, DEAD, held[0].sequence, held[0].nonce, s->arena, &found));
    assert_false(found); /* another queue's */
    assert_null(messages_delete(s->messages, Q, held[0].sequence, held[0].nonce, s->arena, &found));
    assert_true(found);
    assert_int_equal(receive(s, Q, NOW + 1000, 0, held), 0);
}

static void test_the_oldest_due_come_first(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    send(s, "late", NOW + 5);
    send(s, "first", NOW);
    send(s, "second", NOW);
    assert_int_equal(receive(s, Q, NOW + 5, 0, held), 3);
    assert_true(str_eq(held[0].body, STR("first")));
    assert_true(str_eq(held[1].body, STR("second")));
    assert_true(str_eq(held[2].body, STR("late")));
}

static void test_a_message_received_too_often_changes_its_queue(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    send(s, "poison", NOW);
    assert_int_equal(receive(s, Q, NOW, 2, held), 1);
    assert_int_equal(receive(s, Q, NOW + 30, 2, held), 1);
    send(s, "fresh", NOW);
    assert_int_equal(receive(s, Q, NOW + 60, 2, held), 1); /* and what stands behind it is given */
    assert_true(str_eq(held[0].body, STR("fresh")));
    assert_int_equal(receive(s, DEAD, NOW + 60, 0, held), 1);
    assert_true(str_eq(held[0].body, STR("poison")));
    assert_int_equal(held[0].receive_count, 1);
}

static void test_counts_tell_visible_hidden_and_delayed_apart(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    struct message_counts counts;
    send(s, "taken", NOW);
    receive(s, Q, NOW, 0, held);
    send(s, "here", NOW);
    send(s, "later", NOW + 100);
    assert_null(messages_count(s->messages, Q, NOW + 1, s->arena, &counts));
    assert_int_equal(counts.visible, 1);
    assert_int_equal(counts.in_flight, 1);
    assert_int_equal(counts.delayed, 1);
    assert_null(messages_purge(s->messages, Q, s->arena));
    assert_null(messages_count(s->messages, Q, NOW + 1, s->arena, &counts));
    assert_int_equal(counts.visible + counts.in_flight + counts.delayed, 0);
}

static void test_what_was_answered_is_there_after_opening_again(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    str ids[4];
    size_t count;
    send(s, "a", NOW);
    send(s, "b", NOW);
    receive(s, Q, NOW, 0, held);
    messages_close(s->messages);
    open_it(s);
    assert_int_equal(receive(s, Q, NOW + 29, 0, held), 0); /* hidden still */
    assert_int_equal(receive(s, Q, NOW + 30, 0, held), 2);
    assert_int_equal(held[0].receive_count, 2);
    assert_null(messages_queues(s->messages, STR(""), s->arena, ids, 4, &count));
    assert_int_equal(count, 1);
    assert_true(str_eq(ids[0], Q));
}

static void test_what_has_expired_is_nowhere(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    struct message_new n = { .id = STR("x"),
                             .body = STR("x"),
                             .attributes = STR("[]"),
                             .sender = STR("a"),
                             .visible_ms = NOW,
                             .expires_ms = far_off(s) };
    assert_null(messages_send(s->messages, Q, &n, 1, s->arena));
    assert_int_equal(receive(s, Q, n.expires_ms, 0, held), 0);
    assert_int_equal(receive(s, Q, n.expires_ms - 1, 0, held), 1);
}

enum { THREADS = 8, EACH = 200 };

struct sender {
    struct scene *scene;
    pthread_t thread;
};

static void *send_many(void *context)
{
    struct sender *me = context;
    struct arena *arena = arena_new(1 << 20);
    for (int i = 0; i < EACH; i++, arena_reset(arena)) {
        struct message_new n = { .id = STR("x"),
                                 .body = STR("0123456789"),
                                 .attributes = STR("[]"),
                                 .sender = STR("a"),
                                 .visible_ms = NOW,
                                 .expires_ms = far_off(me->scene) };
        assert_null(messages_send(me->scene->messages, Q, &n, 1, arena));
    }
    arena_free(arena);
    return NULL;
}

static void test_all_who_send_at_once_are_answered_and_kept(void **state)
{
    struct scene *s = *state;
    struct sender senders[THREADS];
    struct message_counts counts;
    for (int i = 0; i < THREADS; i++) {
        senders[i].scene = s;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(senders[i].thread, NULL);
    assert_null(messages_count(s->messages, Q, NOW, s->arena, &counts));
    assert_int_equal(counts.visible, THREADS * EACH);
}

/* The clock was ahead by some hours, and is right again. */
static void set_back(struct scene *s, bool restarted)
{
    enum { HOURS = 5 * 3600 * 1000, DELAY = 900 * 1000 };
    struct fake_clock clock = fake_clock_at("2026-03-02T09:00:00.000Z");
    struct message_held held[MESSAGES_AT_ONCE];
    messages_close(s->messages);
    s->outside.clock = &clock.clock;
    open_it(s);
    struct message_new n = {
        .id = STR("delayed"), .body = STR("delayed"), .attributes = STR("[]"), .sender = STR("a")
    };
    n.sent_ms = clock.wall_ms;
    n.visible_ms = n.sent_ms + DELAY;
    n.expires_ms = n.sent_ms + 86400000;
    assert_null(messages_send(s->messages, Q, &n, 1, s->arena));

    fake_clock_step_wall(&clock, HOURS);
    n.id = n.body = STR("meanwhile");
    n.sent_ms = n.visible_ms = clock.wall_ms;
    n.expires_ms = n.sent_ms + 86400000;
    assert_null(messages_send(s->messages, Q, &n, 1, s->arena));

    if (restarted)
        messages_close(s->messages);
    fake_clock_step_wall(&clock, -HOURS);
    if (restarted)
        open_it(s);
    fake_clock_turn(&clock, 10);
    assert_int_equal(receive(s, Q, clock.wall_ms, 0, held), 1);
    assert_true(str_eq(held[0].body, STR("meanwhile")));
    assert_true(held[0].sent_ms <= clock.wall_ms);
    fake_clock_turn(&clock, DELAY);
    assert_int_equal(receive(s, Q, clock.wall_ms, 0, held),
                     2); /* both: the first was hidden for 30 ms */
    messages_close(s->messages);
    s->outside.clock = clock_real();
    open_it(s);
}

static void test_a_message_sent_while_the_clock_was_ahead_is_not_hidden_until_then(void **state)
{
    set_back(*state, false);
}

static void test_nor_when_the_clock_was_set_back_between_two_starts(void **state)
{
    set_back(*state, true);
}

/* Who sends, and who receives, looked at the clock before it was set back; the batch came behind
 * that. */
static void test_nor_when_it_was_set_back_while_the_sender_waited(void **state)
{
    enum { HOURS = 5 * 3600 * 1000 };
    struct scene *s = *state;
    struct fake_clock clock = fake_clock_at("2026-03-02T09:00:00.000Z");
    struct message_held held[MESSAGES_AT_ONCE];
    messages_close(s->messages);
    s->outside.clock = &clock.clock;
    open_it(s);
    const int64_t ahead = clock.wall_ms + HOURS;
    struct message_new n = {
        .id = STR("one"), .body = STR("one"), .attributes = STR("[]"), .sender = STR("a")
    };
    n.sent_ms = n.visible_ms = ahead;
    n.expires_ms = ahead + 86400000;
    assert_null(messages_send(s->messages, Q, &n, 1, s->arena));
    assert_int_equal(receive(s, Q, clock.wall_ms, 0, held), 1);
    assert_int_equal(held[0].sent_ms, clock.wall_ms);
    fake_clock_turn(&clock, 31);
    assert_int_equal(receive(s, Q, clock.wall_ms + HOURS, 0, held), 1);
    fake_clock_turn(&clock, 31);
    assert_int_equal(receive(s, Q, clock.wall_ms, 0, held), 1);
    messages_close(s->messages);
    s->outside.clock = clock_real();
    open_it(s);
}

/* Behind the service's back, while it is down. */
static void change_file(struct scene *s, const char *sql)
{
    char path[512];
    sqlite3 *db;
    messages_close(s->messages);
    assert_int_equal(sqlite3_open(temp_dir_path(&s->folder, "queues.sqlite", path), &db),
                     SQLITE_OK);
    char *says = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &says) != SQLITE_OK)
        fail_msg("%s: %s", sql, says);
    sqlite3_close(db);
    open_it(s);
}

static void test_a_damaged_message_is_set_aside_and_the_others_are_received(void **state)
{
    static const char *const changes[] = {
        "UPDATE message SET body = x'6f6f65' WHERE id = CAST('one' AS BLOB)",
        "UPDATE message SET attributes = CAST('[1]' AS BLOB) WHERE id = CAST('one' AS BLOB)",
        "UPDATE message SET receives = 7 WHERE id = CAST('one' AS BLOB)",
        "UPDATE message SET sent_ms = sent_ms + 4096 WHERE id = CAST('one' AS BLOB)",
        "UPDATE message SET sender = CAST('111122223332' AS BLOB) WHERE id = CAST('one' AS BLOB)",
        "UPDATE message SET sum = sum + 1 WHERE id = CAST('one' AS BLOB)",
    };
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        send(s, "one", NOW);
        send(s, "two", NOW + 1);
        change_file(s, changes[i]);
        assert_int_equal(receive(s, Q, NOW + 5, 0, held), 1);
        assert_true(str_eq(held[0].body, STR("two")));
        assert_int_equal(captured_journal_count(s->journal, "message-damaged"), i + 1);
        assert_int_equal(receive(s, Q, NOW + 100, 0, held),
                         1); /* its time has come again, and it is sound */
        bool found;
        assert_null(
            messages_delete(s->messages, Q, held[0].sequence, held[0].nonce, s->arena, &found));
        assert_true(found);
        str ids[4];
        size_t count;
        assert_null(messages_queues(s->messages, STR(""), s->arena, ids, 4, &count));
        assert_int_equal(count, 0);
    }
}

static void test_what_a_former_version_kept_is_received(void **state)
{
    struct scene *s = *state;
    struct message_held held[MESSAGES_AT_ONCE];
    send(s, "old", NOW);
    change_file(s, "ALTER TABLE message DROP COLUMN sum; PRAGMA user_version = 1");
    send(s, "new", NOW + 1);
    assert_int_equal(receive(s, Q, NOW + 5, 0, held), 2);
    assert_true(str_eq(held[0].body, STR("old")));
    assert_true(str_eq(held[1].body, STR("new")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_is_hidden_until_its_time_and_gone_when_deleted),
        TEST(test_the_oldest_due_come_first),
        TEST(test_a_message_received_too_often_changes_its_queue),
        TEST(test_counts_tell_visible_hidden_and_delayed_apart),
        TEST(test_what_was_answered_is_there_after_opening_again),
        TEST(test_what_has_expired_is_nowhere),
        TEST(test_a_message_sent_while_the_clock_was_ahead_is_not_hidden_until_then),
        TEST(test_nor_when_the_clock_was_set_back_between_two_starts),
        TEST(test_a_damaged_message_is_set_aside_and_the_others_are_received),
        TEST(test_what_a_former_version_kept_is_received),
        TEST(test_nor_when_it_was_set_back_while_the_sender_waited),
        TEST(test_all_who_send_at_once_are_answered_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

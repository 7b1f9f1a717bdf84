/* Rows that are in memory only: the table of them, and what a kill makes of objects whose rows are
 * late. */
#include "base/buf.h"
#include "store/late_rows.h"
#include "store/objects_files_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- the table ---- */

static struct object_row row_of(struct arena *arena, int n)
{
    return (
        struct object_row) { .bucket = STR_INIT("mail"),
                             .key = arena_strf(arena, "key %d", n),
                             .path = STR_NONE,
                             .place = { .pack = 1, .at = (uint64_t)n },
                             .info = { .etag = STR_INIT("0"), .headers_json = STR_INIT("{}") } };
}

static bool has(struct late_rows *rows, str key, struct arena *arena)
{
    struct object_row row;
    assert_null(late_rows_find(rows, STR("mail"), key, arena, &row));
    return !str_is_none(row.key);
}

static void what_is_staged_is_shown_or_dropped_as_a_whole(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(64 << 20);
    struct late_rows *rows = late_rows_new();
    for (int n = 0; n < LATE_ROWS_MAX; n++) {
        struct object_row row = row_of(arena, n);
        assert_true(late_rows_stage(rows, &row));
        if (n == 10)
            late_rows_show(rows);
    }
    struct object_row more = row_of(arena, LATE_ROWS_MAX), twice = row_of(arena, 3);
    assert_false(late_rows_stage(rows, &more));
    assert_int_equal(late_rows_count(rows), 11);
    assert_true(has(rows, STR("key 10"), arena));
    assert_false(has(rows, STR("key 11"), arena));
    late_rows_drop(rows);
    assert_int_equal(late_rows_count(rows), 11);
    assert_false(late_rows_stage(rows, &twice));
    for (int n = 11; n < 600; n++) {
        struct object_row row = row_of(arena, n);
        assert_true(late_rows_stage(rows, &row));
    }
    late_rows_show(rows);
    for (int n = 0; n < 700; n++)
        assert_true(has(rows, arena_strf(arena, "key %d", n), arena) == (n < 600));
    const struct object_row *const *all = late_rows_in_order(rows, arena);
    for (int n = 1; n < 600; n++)
        assert_true(str_cmp(all[n - 1]->key, all[n]->key) < 0);
    struct object_row *some;
    size_t count;
    assert_null(late_rows_from(rows, STR("mail"), STR("key 598"), 3, arena, &some, &count));
    assert_int_equal(count, 3); /* in the order of octets: 598, 599, 6 */
    assert_true(str_eq(some[0].key, STR("key 598")));
    assert_true(str_eq(some[2].key, STR("key 6")));
    assert_null(late_rows_from(rows, STR("mail"), STR("key 99"), 3, arena, &some, &count));
    assert_int_equal(count, 1);
    assert_null(late_rows_from(rows, STR("mailbox"), STR(""), 3, arena, &some, &count));
    assert_int_equal(count, 0);
    late_rows_clear(rows);
    assert_false(has(rows, STR("key 1"), arena));
    assert_true(late_rows_stage(rows, &twice));
    late_rows_free(rows);
}

/* ---- objects whose rows are late ---- */

static int one_number(void *number, int count, char **values, char **names)
{
    (void)count, (void)names;
    *(int *)number = atoi(values[0]);
    return 0;
}

/* How many rows the file has, read by others. */
static int rows_on_disk(struct fixture *f)
{
    char path[512];
    sqlite3 *db;
    int rows = -1;
    assert_int_equal(sqlite3_open(temp_dir_path(&f->dir, "objects/index.sqlite", path), &db), 0);
    assert_int_equal(sqlite3_exec(db, "SELECT count(*) FROM object", one_number, &rows, NULL), 0);
    sqlite3_close(db);
    return rows;
}

static bool is_absent(struct fixture *f, str key)
{
    str got;
    const struct fault *why = read_key(f, key, &got);
    return why && why->kind == FAULT_ABSENT;
}

static bool put_three(struct fixture *f, int n)
{
    (void)n;
    return !put(f, STR("a"), STR("one")) && !put(f, STR("b"), STR("two")) &&
           !put(f, STR("c"), STR("three")) && rows_on_disk(f) == 0;
}

static void an_object_whose_row_is_late_is_there_after_a_kill(void **state)
{
    struct fixture *f = *state;
    live_and_be_killed(f, put_three, 0);
    assert_int_equal(rows_on_disk(f), 0);
    fixture_open(f);
    assert_int_equal(rows_on_disk(f), 3);
    assert_holds(f, STR("a"), STR("one"));
    assert_holds(f, STR("c"), STR("three"));
    assert_int_equal(write_rows(f), 3);
    open_again(f);
    assert_int_equal(write_rows(f), 3);
    assert_null(put(f, STR("d"), STR("four")));
    assert_holds(f, STR("d"), STR("four"));
    assert_holds(f, STR("b"), STR("two"));
}

/* Whichever call of a start fails, with or without an answer, nothing that was put is gone. */
static void a_start_that_fails_loses_no_late_row(void **state)
{
    struct fixture *f = *state;
    bool failed = true;
    int starts_failed = 0;
    for (uint64_t n = 1; failed; n++) {
        assert_true(n < 100);
        live_and_be_killed(f, put_three, 0);
        disk_failing_at(&f->failing, n, EIO, false);
        const struct fault *why = fixture_try_open(f);
        starts_failed += why != NULL;
        if (!why) {
            f->objects->ops->close(f->objects);
            f->objects = NULL;
        }
        failed = f->failing.calls >= n;
        disk_failing_at(&f->failing, 0, 0, false);
        captured_journal_clear(f->journal);
        fixture_open(f);
        assert_int_equal(write_rows(f), 3);
        assert_holds(f, STR("a"), STR("one"));
        assert_holds(f, STR("b"), STR("two"));
        assert_holds(f, STR("c"), STR("three"));
        remove_key(f, STR("a"));
        remove_key(f, STR("b"));
        remove_key(f, STR("c"));
    }
    assert_true(starts_failed >= 5); /* listing, opening, syncing, measuring, reading */
}

/* All pages of so many, entries with a blank behind each, and how large one of them is. */
static str pages(struct fixture *f, str delimiter, size_t max, str sized, uint64_t *ret_size)
{
    AUTO_BUF all = buf_new(1 << 16);
    struct object_range range = { .bucket = STR_INIT("mail"),
                                  .prefix = STR_INIT(""),
                                  .delimiter = delimiter,
                                  .after = STR_NONE,
                                  .max = max };
    for (bool more = true; more;) {
        struct object_entry *entries;
        size_t count;
        assert_null(f->objects->ops->list(f->objects, &range, f->arena, &entries, &count, &more));
        assert_true(count <= max && (count == max || !more));
        for (size_t i = 0; i < count; i++) {
            buf_add(&all, entries[i].key);
            buf_addc(&all, ' ');
            range.after = entries[i].key;
            if (str_eq(entries[i].key, sized))
                *ret_size = entries[i].info.size;
        }
    }
    return arena_str(f->arena, buf_str(&all));
}

static void a_list_shows_late_rows_in_their_places(void **state)
{
    struct fixture *f = *state;
    static const char *const early[] = { "a/1", "b", "c/1", "e" }, *const late[] = { "a/2", "bb",
                                                                                     "c/2", "d/1",
                                                                                     "f" };
    for (size_t i = 0; i < 4; i++)
        assert_null(put(f, str_of(early[i]), STR("early")));
    write_rows(f);
    for (size_t i = 0; i < 5; i++)
        assert_null(put(f, str_of(late[i]), STR("late")));
    assert_null(put(f, STR("b"), STR("late and longer")));
    assert_int_equal(rows_on_disk(f), 4);
    for (int i = 0; i < 2; i++) {
        for (size_t max = 1; max < 12; max++) {
            uint64_t size = 0;
            assert_true(
                str_eq(pages(f, STR("/"), max, STR("b"), &size), STR("a/ b bb c/ d/ e f ")));
            assert_int_equal(size, strlen("late and longer"));
            assert_true(str_eq(pages(f, STR(""), max, STR("b"), &size),
                               STR("a/1 a/2 b bb c/1 c/2 d/1 e f ")));
        }
        write_rows(f); /* the second time all are in the file */
    }
    assert_int_equal(rows_on_disk(f), 9);
}

static bool remove_and_replace(struct fixture *f, int n)
{
    (void)n;
    f->failing.disk.punch = no_punch; /* the frames stay */
    bool done = put_three(f, 0);
    remove_key(f, STR("a"));
    done &= !put(f, STR("b"), STR("newer")) && !put(f, STR("d"), STR("late"));
    return done && rows_on_disk(f) == 2;
}

static void what_was_removed_or_replaced_does_not_come_back_with_late_rows(void **state)
{
    struct fixture *f = *state;
    live_and_be_killed(f, remove_and_replace, 0);
    for (int i = 0; i < 2; i++) {
        fixture_open(f);
        assert_true(is_absent(f, STR("a")));
        assert_holds(f, STR("b"), STR("newer"));
        assert_holds(f, STR("c"), STR("three"));
        assert_holds(f, STR("d"), STR("late"));
        assert_int_equal(write_rows(f), 3);
        f->objects->ops->close(f->objects);
        f->objects = NULL;
    }
}

/* The last object of the last pack goes, and the pack with it; its file stays, as where unlinking
 * failed. */
static int no_unlink(struct disk *disk, const char *path)
{
    (void)disk, (void)path;
    return -EIO;
}

static bool empty_a_pack(struct fixture *f, int n)
{
    f->failing.disk.unlink = no_unlink;
    f->failing.disk.punch = no_punch;
    for (int i = 0; i < 64; i++)
        if (put(f, arena_strf(f->arena, "k%d", i), STR("bytes")))
            return false;
    if (put(f, STR("next"), STR("pack")))
        return false;
    for (int i = 0; i < 64; i++)
        remove_key(f, arena_strf(f->arena, "k%d", i));
    if (n > 0)
        remove_key(f, STR("next"));
    return true;
}

static void a_pack_that_went_does_not_come_back(void **state)
{
    struct fixture *f = *state;
    for (int n = 0; n < 2; n++) {
        live_and_be_killed(f, empty_a_pack, n);
        assert_true(n > 0 || is_there(f, "objects/%packs/00000001.pack"));
        fixture_open(f);
        assert_int_equal(write_rows(f), 1 - n);
        wait_for_sweep(f);
        assert_null(put(f, STR("again"), STR("more")));
        assert_holds(f, STR("again"), STR("more"));
        remove_key(f, STR("again"));
        remove_key(f, STR("next"));
    }
}

static bool fail_at_call(struct fixture *f, int n)
{
    char path[512];
    wait_for_sweep(f); /* whose calls are not meant */
    if (put(f, STR("k"), STR("old")))
        return false;
    disk_failing_at(&f->failing, (uint64_t)(n / 2), n % 2 ? ENOSPC : EIO, false);
    const struct fault *why = put(f, STR("k"), STR("new"));
    FILE *said = fopen(temp_dir_path(&f->dir, "said", path), "w");
    fputs(why ? "old" : "new", said);
    return fclose(said) == 0;
}

/* Whichever call fails: a put that was answered with its failure did not happen, also after a kill. What the first put
 * left to do may still be under way on a busy machine and meet the failure instead: then once more. */
static void a_put_that_failed_does_not_happen_after_a_kill(void **state)
{
    struct fixture *f = *state;
    enum { CALLS = 11, FIRST = 2, ROUND = 2 * CALLS };
    int failed = 0;
    for (int i = 0; i < ROUND || (failed < 4 && i < 10 * ROUND); i++) {
        char path[512], said[4] = "";
        live_and_be_killed(f, fail_at_call, FIRST + i % ROUND);
        FILE *file = fopen(temp_dir_path(&f->dir, "said", path), "r");
        assert_non_null(fgets(said, sizeof said, file));
        fclose(file);
        failed += said[0] == 'o';
        fixture_open(f);
        assert_holds(f, STR("k"), str_of(said));
        assert_null(put(f, STR("k"), STR("later")));
        assert_holds(f, STR("k"), STR("later"));
        remove_key(f, STR("k"));
    }
    assert_true(failed >= 4); /* the write and the sync, each with both errors */
}

static bool put_one(struct fixture *f, int n)
{
    return !put(f, arena_strf(f->arena, "new%d", n), STR("six"));
}

static bool put_equal_ones(struct fixture *f, int n)
{
    (void)n;
    return !put(f, STR("new0"), STR("one")) && !put(f, STR("torn"), STR("two")) &&
           !put(f, STR("lost"), STR("two"));
}

/* A frame that is not whole was never answered, nor were those behind it; and they do not come back
 * when its place is another's. */
static void what_lies_behind_a_torn_frame_is_gone_for_good(void **state)
{
    struct fixture *f = *state;
    live_and_be_killed(f, put_equal_ones, 0);
    damage(f, "objects/%packs/00000001.pack", "\"torn\"", "\"tOrn\"");
    for (int n = 1; n < 3; n++) {
        live_and_be_killed(f, put_one, n);
        fixture_open(f);
        assert_true(is_absent(f, STR("torn")) && is_absent(f, STR("lost")));
        assert_holds(f, arena_strf(f->arena, "new%d", n), STR("six"));
        assert_int_equal(write_rows(f), n + 1);
    }
}

/* The sweep comes while the row of a small object is late, which replaces one with a file: the
 * index still names that file, so its name is not free for the next one. */
static void a_file_is_not_swept_while_the_index_names_it(void **state)
{
    struct fixture *f = *state;
    struct syncing s;
    f->pad = sizeof padding;
    assert_null(put(f, STR("k"), STR("first")));
    use_syncing(f, &s);
    f->objects->ops->close(f->objects);
    captured_journal_clear(f->journal);
    s.held = true; /* the sync before the sweep */
    fixture_open(f);
    f->pad = 0;
    assert_null(put(f, STR("k"), STR("small and late")));
    assert_int_equal(captured_journal_count(f->journal, "objects-swept"), 0);
    s.held = false;
    wait_for_sweep(f);
    f->pad = sizeof padding;
    assert_null(put(f, STR("k"), STR("a file again")));
    write_rows(f);
    assert_holds(f, STR("k"), STR("a file again"));
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

static void a_condition_that_was_lost_leaves_no_frame(void **state)
{
    struct fixture *f = *state;
    struct object_upload *upload;
    struct object_info info;
    assert_null(put(f, STR("k"), STR("first")));
    assert_null(
        f->objects->ops->begin(f->objects, STR("mail"), STR("k"), STR("{}"), f->arena, &upload));
    assert_null(f->objects->ops->write(upload, STR("second"), f->arena));
    const struct fault *why = objects_finish(f->objects, upload, OBJECT_NEW, f->arena, &info);
    assert_true(why && why->kind == FAULT_CONFLICT);
    assert_int_equal(steps_of_packs(f), 1);
    assert_holds(f, STR("k"), STR("first"));
}

static void a_mark_that_is_damaged_is_found_by_the_pack(void **state)
{
    struct fixture *f = *state;
    live_and_be_killed(f, remove_and_replace, 0);
    change_index(f, "UPDATE mark SET at = 0");
    fixture_open(f);
    assert_true(is_absent(f, STR("a")));
    assert_holds(f, STR("b"), STR("newer"));
    assert_holds(f, STR("d"), STR("late"));
    open_again(f);
    assert_true(is_absent(f, STR("a")));
    assert_holds(f, STR("d"), STR("late"));
}

/* In version 2 a frame without a row was never an object. */
static void an_index_of_the_second_version_is_read(void **state)
{
    struct fixture *f = *state;
    char path[512];
    static char bytes[8 * PACK_STEP];
    f->failing.disk.punch = no_punch;
    assert_null(put(f, STR("a"), STR("one")));
    assert_null(put(f, STR("b"), STR("two")));
    remove_key(f, STR("b"));
    f->objects->ops->close(f->objects);
    change_index(f, "DROP TABLE mark; PRAGMA user_version=2;");
    FILE *pack = fopen(temp_dir_path(&f->dir, "objects/%packs/00000001.pack", path), "r+");
    assert_int_equal(fread(bytes, 1, sizeof bytes, pack), 2 * PACK_STEP);
    assert_int_equal(fwrite(bytes, 1, 2 * PACK_STEP, pack), 2 * PACK_STEP);
    fclose(pack);
    fixture_open(f);
    assert_int_equal(write_rows(f), 1);
    assert_holds(f, STR("a"), STR("one"));
    live_and_be_killed(f, put_one, 0);
    fixture_open(f);
    assert_holds(f, STR("new0"), STR("six"));
    assert_true(is_absent(f, STR("b")));
    assert_int_equal(write_rows(f), 2);
}

/* What it takes of memory is given back: there are many. */
static void put_for_once(struct fixture *f, const char *folder, int n)
{
    struct arena *whole = f->arena;
    f->arena = arena_new(1 << 20);
    assert_null(put(f, arena_strf(f->arena, "%sk%d", folder, n), STR("x")));
    arena_free(f->arena);
    f->arena = whole;
}

/* More of them than are copied in one go, by themselves and behind common prefixes. */
static void many_late_rows_are_listed_as_the_file_lists_them(void **state)
{
    static const size_t sizes[] = { 1, 7, 999, 1000, 1001, 3000 };
    enum { KEYS = 1100, SIZES = sizeof sizes / sizeof *sizes };
    struct fixture *f = *state;
    struct syncing s;
    uint64_t size;
    str late[SIZES][2];
    use_syncing(f, &s);
    for (int i = 0; i < KEYS; i++)
        put_for_once(f, i % 3 ? "" : i % 2 ? "1/" : "k40/", i);
    assert_int_equal(rows_on_disk(f), 0);
    for (size_t i = 0; i < 2 * SIZES; i++)
        late[i / 2][i % 2] = pages(f, i % 2 ? STR("/") : STR(""), sizes[i / 2], STR(""), &size);
    write_rows(f);
    for (size_t i = 0; i < 2 * SIZES; i++) {
        str filed = pages(f, i % 2 ? STR("/") : STR(""), sizes[i / 2], STR(""), &size);
        assert_true(filed.len > 0 && str_eq(late[i / 2][i % 2], filed));
    }
    f->objects->ops->close(f->objects); /* while its disk is here */
    f->objects = NULL;
}

static const char *const keys[] = { "a",   "a!", "a/1", "a/2",   "a/2/", "a/2/x", "a/2/y",
                                    "a/b", "a0", "b/1", "b/1/1", "c",    "c/",    "d" };
static const char *const no_keys[] = { "", "A", "a/", "a/2/w", "a/3", "b", "b/", "b0", "e" };
enum { KEYS = sizeof keys / sizeof *keys, NO_KEYS = sizeof no_keys / sizeof *no_keys };

/* The first few entries behind each of these. */
static str behind_each(struct fixture *f, str prefix, str delimiter)
{
    AUTO_BUF all = buf_new(1 << 16);
    for (size_t i = 0; i < KEYS + NO_KEYS; i++) {
        struct object_range range = { .bucket = STR_INIT("mail"),
                                      .prefix = prefix,
                                      .delimiter = delimiter,
                                      .after = str_of(i < KEYS ? keys[i] : no_keys[i - KEYS]),
                                      .max = 3 };
        struct object_entry *entries;
        size_t count;
        bool more;
        assert_null(f->objects->ops->list(f->objects, &range, f->arena, &entries, &count, &more));
        for (size_t j = 0; j < count; j++)
            buf_addf(&all, STR_FMT "%s ", STR_ARG(entries[j].key),
                     entries[j].common_prefix ? "*" : "");
        buf_addf(&all, "%s\n", more ? "..." : "");
    }
    return arena_str(f->arena, buf_str(&all));
}

/* All of them late, half of them, and none. */
static void a_list_begins_anywhere_among_late_rows(void **state)
{
    static const struct {
        str prefix, delimiter;
    } ranges[] = {
        { STR_INIT(""), STR_INIT("") },    { STR_INIT(""), STR_INIT("/") },
        { STR_INIT("a"), STR_INIT("/") },  { STR_INIT("a/"), STR_INIT("/") },
        { STR_INIT("a/2"), STR_INIT("") }, { STR_INIT("a/2/"), STR_INIT("/") },
        { STR_INIT(""), STR_INIT("/2") },  { STR_INIT("x"), STR_INIT("/") },
    };
    enum { RANGES = sizeof ranges / sizeof *ranges };
    struct fixture *f = *state;
    str late[RANGES];
    for (size_t i = 0; i < KEYS; i++)
        assert_null(put(f, str_of(keys[i]), STR("x")));
    assert_int_equal(rows_on_disk(f), 0);
    for (size_t i = 0; i < RANGES; i++)
        late[i] = behind_each(f, ranges[i].prefix, ranges[i].delimiter);
    write_rows(f);
    assert_int_equal(rows_on_disk(f), KEYS);
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < RANGES; i++) {
            str filed = behind_each(f, ranges[i].prefix, ranges[i].delimiter);
            if (!str_eq(late[i], filed))
                fail_msg("late:\n" STR_FMT "else:\n" STR_FMT, STR_ARG(late[i]), STR_ARG(filed));
        }
        for (size_t i = 0; i < KEYS; i += 2)
            assert_null(put(f, str_of(keys[i]), STR("x")));
    }
}

static void so_many_late_rows_are_written_by_themselves(void **state)
{
    struct fixture *f = *state;
    struct syncing s;
    use_syncing(f, &s);
    for (int i = 0; i <= LATE_ROWS_MAX; i++)
        put_for_once(f, "", i);
    assert_int_equal(rows_on_disk(f), LATE_ROWS_MAX + 1);
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

int main(void)
{
#define PACKED(name) cmocka_unit_test_setup_teardown(name, set_up_packs, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_staged_is_shown_or_dropped_as_a_whole),
        PACKED(an_object_whose_row_is_late_is_there_after_a_kill),
        PACKED(a_list_shows_late_rows_in_their_places),
        PACKED(a_start_that_fails_loses_no_late_row),
        PACKED(what_was_removed_or_replaced_does_not_come_back_with_late_rows),
        PACKED(a_pack_that_went_does_not_come_back),
        PACKED(a_put_that_failed_does_not_happen_after_a_kill),
        PACKED(what_lies_behind_a_torn_frame_is_gone_for_good),
        PACKED(a_file_is_not_swept_while_the_index_names_it),
        PACKED(a_condition_that_was_lost_leaves_no_frame),
        PACKED(a_mark_that_is_damaged_is_found_by_the_pack),
        PACKED(an_index_of_the_second_version_is_read),
        PACKED(many_late_rows_are_listed_as_the_file_lists_them),
        PACKED(a_list_begins_anywhere_among_late_rows),
        PACKED(so_many_late_rows_are_written_by_themselves),
    };
    return cmocka_run_group_tests_name("late rows", tests, NULL, NULL);
}

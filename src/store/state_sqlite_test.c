/* The state in SQLite: the suite of all states, and what is its own. */
#include "store/database.h"
#include "store/state_suite.h"
#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static str path_in(struct temp_dir *s, struct arena *arena)
{
    return arena_strf(arena, "%s/state.sqlite", s->path);
}

static const struct fault *open_state(void *context, struct arena *arena, struct state **ret_state)
{
    return state_sqlite_open(path_in(context, arena), NULL, arena, ret_state);
}

static void clear_state(void *context)
{
    struct temp_dir *s = context;
    temp_dir_remove(s);
    *s = temp_dir_make();
}

static void a_file_of_a_newer_version_is_refused_in_one_sentence(void **state)
{
    (void)state;
    struct temp_dir s = temp_dir_make();
    struct arena *arena = arena_new(1 << 20);
    struct state *st;
    assert_null(open_state(&s, arena, &st));
    st->ops->close(st);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_in(&s, arena).ptr, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    const struct fault *f = open_state(&s, arena, &st);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_UNAVAILABLE);
    str says = fault_sentence(f, arena);
    assert_true(
        str_find_str(says,
                     STR("was written by a newer Sesame: its version is 9, this one knows 2")) <
        says.len);
    arena_free(arena);
    temp_dir_remove(&s);
}

static void run_sql(struct temp_dir *s, struct arena *arena, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_in(s, arena).ptr, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_file_of_the_version_without_sums_is_read_and_gets_them(void **state)
{
    (void)state;
    struct temp_dir s = temp_dir_make();
    struct arena *arena = arena_new(1 << 20);
    run_sql(&s, arena,
            "PRAGMA journal_mode=WAL; CREATE TABLE record (key BLOB PRIMARY KEY, value BLOB NOT "
            "NULL, revision "
            "INTEGER NOT NULL) WITHOUT ROWID; CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK "
            "(id = 1), revision "
            "INTEGER NOT NULL); INSERT INTO counter VALUES (1, 7); INSERT INTO record VALUES "
            "(x'61', x'62', 7);"
            "INSERT INTO record VALUES (x'63', x'', 3); PRAGMA user_version=1;");
    for (int again = 0; again < 3; again++) {
        struct state *st;
        struct record record;
        uint64_t revision;
        assert_null(open_state(&s, arena, &st));
        assert_null(st->ops->get(st, STR("c"), arena, &record));
        assert_int_equal(record.value.len, 0);
        assert_null(st->ops->get(st, STR("a"), arena, &record));
        assert_null(st->ops->put(st, STR("a"), STR("more"), record.revision, arena, &revision));
        assert_int_equal(revision, 8 + again);
        st->ops->close(st);
    }
    arena_free(arena);
    temp_dir_remove(&s);
}

/* Every bit of a record, and the record as a whole: what was stored is found, or nothing is. */
static void what_is_not_as_it_was_stored_is_refused(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE record SET value = x'62' WHERE key = x'61'",
        "UPDATE record SET revision = revision + 1 WHERE key = x'61'",
        "UPDATE record SET key = x'60' WHERE key = x'61'",
        "DELETE FROM record WHERE key = x'61'",
        "DELETE FROM record",
        "UPDATE counter SET revision = revision - 1",
        "DELETE FROM counter",
        "UPDATE record SET sum = sum + 1 WHERE key = x'61'",
        "INSERT INTO record SELECT x'64', value, revision, sum FROM record WHERE key = x'61'",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct temp_dir s = temp_dir_make();
        struct arena *arena = arena_new(1 << 20);
        struct state *st;
        uint64_t revision;
        assert_null(open_state(&s, arena, &st));
        assert_null(st->ops->put(st, STR("a"), STR("one"), REVISION_NEW, arena, &revision));
        assert_null(st->ops->put(st, STR("b"), STR("two"), REVISION_NEW, arena, &revision));
        st->ops->close(st);
        run_sql(&s, arena, changes[i]);
        const struct fault *f = open_state(&s, arena, &st);
        if (!f)
            fail_msg("not noticed: %s", changes[i]);
        assert_int_equal(f->kind, FAULT_UNAVAILABLE);
        arena_free(arena);
        temp_dir_remove(&s);
    }
}

static void lists_of_pages_that_are_wrong_are_refused_in_one_line(void **state)
{
    (void)state;
    struct temp_dir s = temp_dir_make();
    struct arena *arena = arena_new(1 << 20);
    struct state *st;
    assert_null(open_state(&s, arena, &st));
    st->ops->close(st);
    FILE *f = fopen(path_in(&s, arena).ptr, "r+b");
    assert_non_null(f);
    /* "Database File Format" 1.3: octets 32 to 39 of the header, the first free page and how many
     */
    static const unsigned char free_pages[] = { 0, 0, 0, 2, 0, 0, 0, 1 };
    assert_int_equal(fseek(f, 32, SEEK_SET), 0);
    assert_int_equal(fwrite(free_pages, 1, sizeof free_pages, f), sizeof free_pages);
    fclose(f);
    const struct fault *why = open_state(&s, arena, &st);
    assert_non_null(why);
    str says = fault_sentence(why, arena);
    assert_true(str_find_str(says, STR("damaged")) < says.len);
    assert_null(memchr(says.ptr, '\n', says.len));
    arena_free(arena);
    temp_dir_remove(&s);
}

static void a_record_that_changes_under_a_running_server_is_not_believed(void **state)
{
    (void)state;
    struct temp_dir s = temp_dir_make();
    struct arena *arena = arena_new(1 << 20);
    struct state *st;
    struct record record, *records;
    uint64_t revision;
    size_t count;
    assert_null(open_state(&s, arena, &st));
    assert_null(st->ops->put(st, STR("a"), STR("one"), REVISION_NEW, arena, &revision));
    run_sql(&s, arena, "UPDATE record SET value = x'6f6f65'");
    assert_non_null(st->ops->get(st, STR("a"), arena, &record));
    assert_non_null(st->ops->list(st, STR(""), STR_NONE, 10, arena, &records, &count));
    assert_non_null(st->ops->put(st, STR("a"), STR("three"), revision, arena, &revision));
    st->ops->close(st);
    arena_free(arena);
    temp_dir_remove(&s);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    struct temp_dir s = temp_dir_make();
    struct arena *arena = arena_new(1 << 20);
    FILE *f = fopen(path_in(&s, arena).ptr, "w");
    assert_non_null(f);
    for (int i = 0; i < 200; i++)
        fputs("this is no database at all\n", f);
    fclose(f);
    struct state *st;
    const struct fault *why = open_state(&s, arena, &st);
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_UNAVAILABLE);
    arena_free(arena);
    temp_dir_remove(&s);
}

static void a_folder_that_is_not_there_is_a_fault_that_names_it(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    struct state *st;
    const struct fault *why =
        state_sqlite_open(STR("/nowhere/at/all/state.sqlite"), NULL, arena, &st);
    assert_non_null(why);
    str says = fault_sentence(why, arena);
    assert_true(str_find_str(says, STR("/nowhere/at/all")) < says.len);
    arena_free(arena);
}

static void the_next_text_behind_a_prefix_is_found(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 16);
    assert_true(str_eq(database_prefix_end(STR("a/"), arena), STR("a0")));
    assert_true(str_eq(database_prefix_end(STR("a\xff\xff"), arena), STR("b")));
    assert_true(str_is_none(database_prefix_end(STR("\xff"), arena)));
    assert_true(str_is_none(database_prefix_end(STR(""), arena)));
    arena_free(arena);
}

int main(void)
{
    struct temp_dir s = temp_dir_make();
    const struct state_maker maker = { .open = open_state, .clear = clear_state, .context = &s };
    int failed = state_suite_run(&maker);
    temp_dir_remove(&s);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_a_newer_version_is_refused_in_one_sentence),
        cmocka_unit_test(a_file_of_the_version_without_sums_is_read_and_gets_them),
        cmocka_unit_test(what_is_not_as_it_was_stored_is_refused),
        cmocka_unit_test(lists_of_pages_that_are_wrong_are_refused_in_one_line),
        cmocka_unit_test(a_record_that_changes_under_a_running_server_is_not_believed),
        cmocka_unit_test(a_file_that_is_no_database_is_refused),
        cmocka_unit_test(a_folder_that_is_not_there_is_a_fault_that_names_it),
        cmocka_unit_test(the_next_text_behind_a_prefix_is_found),
    };
    return failed + cmocka_run_group_tests_name("state in SQLite", tests, NULL, NULL);
}

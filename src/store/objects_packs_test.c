/* Small objects in packs: their blocks, their damage, and indexes of before. */
#include "store/late_rows.h"
#include "store/object_packs.h"
#include "store/objects_files_suite.h"
#include "testing/disk_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void small_objects_share_a_file_and_give_their_blocks_back(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        assert_null(put(f, STR("a/b/c"), STR("again")));
    assert_null(put(f, STR("d"), (str) { padding, 3 * PACK_STEP }));
    assert_int_equal(files_of_bucket(f), 0);
    assert_int_equal(write_rows(f), 2);
    assert_int_equal(steps_of_packs(f), 1 + 4);
    assert_true(is_there(f, "objects/%packs/00000001.pack"));
    remove_key(f, STR("d"));
    assert_int_equal(steps_of_packs(f), 1);
    open_again(f);
    assert_holds(f, STR("a/b/c"), STR("again"));
    remove_key(f, STR("a/b/c"));
    open_again(f);
    assert_false(is_there(f, "objects/%packs/00000001.pack"));
}

static void a_full_pack_is_followed_by_another_and_goes_with_its_last_object(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 80; i++) /* of 256 KB */
        assert_null(put(f, arena_strf(f->arena, "k%d", i), STR("bytes")));
    assert_true(is_there(f, "objects/%packs/00000002.pack"));
    assert_int_equal(steps_of_packs(f), 80);
    for (int i = 0; i < 64; i++)
        remove_key(f, arena_strf(f->arena, "k%d", i));
    assert_false(is_there(f, "objects/%packs/00000001.pack"));
    assert_int_equal(steps_of_packs(f), 16);
    assert_holds(f, STR("k70"), STR("bytes"));
}

static bool put_twice_without_punching(struct fixture *f, int n)
{
    (void)n;
    f->failing.disk.punch = no_punch;
    return !put(f, STR("k"), STR("old")) && !put(f, STR("k"), STR("new")) && steps_of_packs(f) == 2;
}

/* The newest pack goes on after a start, over what was written for objects that never were. */
static void what_no_row_names_is_swept_out_of_the_packs(void **state)
{
    struct fixture *f = *state;
    char path[512];
    live_and_be_killed(f, put_twice_without_punching, 0);
    temp_dir_path(&f->dir, "objects/%packs/00000001.pack", path);
    FILE *pack = fopen(path, "a");
    for (int i = 0; i < 3 * PACK_STEP; i++)
        fputc('t', pack);
    fclose(pack);
    make_file(f, "objects/%packs/00000007.pack");
    fixture_open(f);
    wait_for_sweep(f);
    assert_false(is_there(f, "objects/%packs/00000007.pack"));
    assert_holds(f, STR("k"), STR("new"));
    assert_int_equal(steps_of_packs(f), 1);
    assert_null(put(f, STR("next"), STR("behind")));
    assert_holds(f, STR("next"), STR("behind"));
    assert_holds(f, STR("k"), STR("new"));
}

static ssize_t short_files(struct disk *disk, int fd, const struct iovec *parts, int count,
                           uint64_t offset)
{
    (void)disk;
    return offset >= 8 * PACK_STEP ? -EFBIG
                                   : disk_real()->pwritev(disk_real(), fd, parts, count, offset);
}

static void where_files_may_not_grow_there_are_more_packs(void **state)
{
    struct fixture *f = *state;
    f->failing.disk.pwritev = short_files;
    for (int i = 0; i < 20; i++)
        assert_null(put(f, arena_strf(f->arena, "k%d", i), STR("bytes")));
    assert_true(is_there(f, "objects/%packs/00000003.pack"));
    for (int i = 0; i < 20; i++)
        assert_holds(f, arena_strf(f->arena, "k%d", i), STR("bytes"));
}

static void damaged_bytes_are_a_fault_and_never_an_answer(void **state)
{
    struct fixture *f = *state;
    str got;
    assert_null(put(f, STR("a"), STR("first body")));
    assert_null(put(f, STR("b"), STR("second body")));
    damage(f, "objects/%packs/00000001.pack", "second body", "secOnd");
    const struct fault *why = read_key(f, STR("b"), &got);
    assert_true(why && why->kind == FAULT_DEFECT);
    assert_holds(f, STR("a"), STR("first body"));
    assert_null(put(f, STR("b"), STR("third")));
    assert_holds(f, STR("b"), STR("third"));
}

static void a_damaged_row_is_a_fault_until_it_is_written_anew(void **state)
{
    struct fixture *f = *state;
    str got;
    struct object_info info;
    assert_null(put(f, STR("a"), STR("one")));
    assert_null(put(f, STR("b"), STR("two")));
    assert_null(put(f, STR("c"), STR("three")));
    write_rows(f);
    change_index(f, "UPDATE object SET size = 2 WHERE key = x'61';"
                    "UPDATE object SET at = 0 WHERE key = x'62'");
    const struct fault *why =
        f->objects->ops->head(f->objects, STR("mail"), STR("a"), f->arena, &info);
    assert_true(why && why->kind == FAULT_DEFECT);
    assert_non_null(read_key(f, STR("b"), &got));
    assert_holds(f, STR("c"), STR("three"));
    assert_null(put(f, STR("a"), STR("again")));
    assert_holds(f, STR("a"), STR("again"));
    remove_key(f, STR("b"));
    why = read_key(f, STR("b"), &got);
    assert_true(why && why->kind == FAULT_ABSENT);
}

static void what_is_said_of_a_pack_and_damaged_removes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_null(put(f, STR("a"), STR("one")));
    f->objects->ops->close(f->objects);
    change_index(f, "UPDATE pack SET live = 0");
    fixture_open(f);
    wait_for_sweep(f);
    assert_null(put(f, STR("b"), STR("two")));
    open_again(f);
    assert_holds(f, STR("a"), STR("one"));
    f->objects->ops->close(f->objects);
    change_index(f, "UPDATE pack SET number = 9 WHERE number = 1");
    fixture_open(f);
    wait_for_sweep(f);
    assert_holds(f, STR("a"), STR("one"));
}

static struct object_place write_frame(struct packs *packs, const char *key, struct arena *arena,
                                       struct object_row *ret_row)
{
    *ret_row =
        (struct object_row) { .bucket = STR_INIT("mail"),
                              .key = str_of(key),
                              .path = STR_NONE,
                              .info = { .etag = STR_INIT("0"), .headers_json = STR_INIT("{}") } };
    struct pack_put one = { .body = STR_INIT("body"),
                            .head = pack_head(ret_row, STR("body"), arena) };
    assert_int_equal(packs_write(packs, &one), 0);
    assert_int_equal(packs_sync(packs), 0);
    packs_gains(packs, &one.place);
    ret_row->place = one.place;
    return one.place;
}

static void nothing_is_replaced(void *context, const struct object_row *old)
{
    (void)context, (void)old;
    fail();
}

/* A commit fails that may be there; the next one does not. What was late before both is counted, or
 * its pack would go with the last object that is. */
static void late_rows_are_counted_behind_a_commit_that_was_unsure(void **state)
{
    struct fixture *f = *state;
    char path[512];
    struct objects_index *index;
    struct packs *packs;
    struct object_row late, lost;
    struct pack_row *rows;
    size_t count;
    f->objects->ops->close(f->objects);
    f->objects = NULL;
    struct object_root root = { disk_real(), str_of(temp_dir_path(&f->dir, "objects", path)) };
    str file = arena_strf(f->arena, "%s/index.sqlite", path);
    assert_null(objects_index_open(file, f->arena, &index));
    assert_null(packs_open(&root, index, 1 << 20, f->arena, &packs));
    write_frame(packs, "late", f->arena, &late);
    assert_true(late_rows_stage(objects_index_late(index), &late));
    packs_done(packs, PACKS_LATE);
    late_rows_show(objects_index_late(index));
    write_frame(packs, "lost", f->arena, &lost);
    packs_done(packs, PACKS_UNSURE);
    assert_null(objects_index_begin(index, f->arena));
    assert_null(objects_index_put_late(index, nothing_is_replaced, NULL, f->arena));
    assert_null(packs_note(packs, f->arena));
    assert_null(objects_index_commit(index, f->arena));
    packs_done(packs, PACKS_COMMITTED);
    packs_close(packs);
    objects_index_close(index);
    assert_null(objects_index_open(file, f->arena, &index));
    assert_null(objects_index_packs(index, f->arena, &rows, &count));
    assert_true(count == 1 && rows[0].live == 1 && !rows[0].damaged);
    objects_index_close(index);
    fixture_open(f);
    assert_int_equal(write_rows(f), 1); /* not the one whose put failed */
}

static void an_index_of_the_first_version_is_read(void **state)
{
    struct fixture *f = *state;
    f->objects->ops->close(f->objects);
    change_index(f, "DROP TABLE object; DROP TABLE pack; DROP TABLE mark; PRAGMA user_version=1;"
                    "CREATE TABLE object (bucket BLOB NOT NULL, key BLOB NOT NULL, path BLOB, size "
                    "INTEGER NOT NULL,"
                    " modified_ms INTEGER NOT NULL, etag BLOB NOT NULL, headers BLOB NOT NULL,"
                    " PRIMARY KEY (bucket, key)) WITHOUT ROWID;"
                    "INSERT INTO object VALUES (x'6d61696c', x'6b', NULL, 4, 1000,"
                    " CAST('0123456789abcdef0123456789abcdef' AS BLOB), CAST('{}' AS BLOB))");
    make_folder(f, "objects/mail");
    make_file(f, "objects/mail/k");
    fixture_open(f);
    wait_for_sweep(f);
    assert_holds(f, STR("k"), STR("torn"));
    assert_null(put(f, STR("k"), STR("packed")));
    assert_holds(f, STR("k"), STR("packed"));
    write_rows(f);
    assert_holds(f, STR("k"), STR("packed"));
    assert_false(is_there(f, "objects/mail/k"));
}

static void a_key_that_is_no_text_lies_in_a_file(void **state)
{
    struct fixture *f = *state;
    assert_null(put(f, STR("\xff"), STR("odd")));
    assert_holds(f, STR("\xff"), STR("odd"));
    assert_int_equal(files_of_bucket(f), 1);
}

static void packed_bytes_survive_a_power_cut(void **state)
{
    struct fixture *f = *state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *disk = disk_sim_disk(sim);
    char path[512];
    temp_dir_path(&f->dir, "objects", path); /* the same folders in both */
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        disk->make_directory(disk, path, 0755);
        disk->sync_directory(disk, "/");
        *at = '/';
    }
    f->objects->ops->close(f->objects);
    f->outside.disk = disk;
    fixture_open(f);
    wait_for_sweep(f);
    str file = arena_strf(f->arena, "%s/%%packs/00000001.pack", path);
    for (int i = 0; i < 4; i++) {
        str bytes = arena_strf(f->arena, "bytes number %d", i);
        assert_null(put(f, arena_strf(f->arena, "k%d", i % 3), bytes));
        struct disk_sim *after = disk_sim_after_cut(sim, disk_sim_steps(sim), DISK_CUT_DROP, 1);
        str got = disk_sim_bytes(after, file.ptr, f->arena);
        assert_true(!str_is_none(got) && str_find_str(got, bytes) < got.len);
        disk_sim_free(after);
    }
    f->objects->ops->close(f->objects);
    f->objects = NULL;
    disk_sim_free(sim);
}

int main(void)
{
#define PACKED(name) cmocka_unit_test_setup_teardown(name, set_up_packs, tear_down)
    const struct CMUnitTest tests[] = {
        PACKED(small_objects_share_a_file_and_give_their_blocks_back),
        PACKED(a_full_pack_is_followed_by_another_and_goes_with_its_last_object),
        PACKED(what_no_row_names_is_swept_out_of_the_packs),
        PACKED(where_files_may_not_grow_there_are_more_packs),
        PACKED(damaged_bytes_are_a_fault_and_never_an_answer),
        PACKED(a_damaged_row_is_a_fault_until_it_is_written_anew),
        PACKED(what_is_said_of_a_pack_and_damaged_removes_nothing),
        PACKED(late_rows_are_counted_behind_a_commit_that_was_unsure),
        PACKED(an_index_of_the_first_version_is_read),
        PACKED(a_key_that_is_no_text_lies_in_a_file),
        PACKED(packed_bytes_survive_a_power_cut),
    };
    return cmocka_run_group_tests_name("objects in packs", tests, NULL, NULL);
}

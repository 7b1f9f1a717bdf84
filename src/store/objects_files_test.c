/* Objects as files: the suite of all object stores, and what the disk may do to this one. */
#include "store/object_file.h"
#include "store/object_path.h"
#include "store/objects_files_suite.h"
#include "store/objects_suite.h"
#include "testing/disk_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void a_person_finds_an_object_under_its_name(void **state)
{
    struct fixture *f = *state;
    assert_null(put(f, STR("in/2026/7f3a"), STR("Return-Path: <a@b.test>\r\n")));
    assert_file(f, "objects/mail/in/2026/7f3a", "Return-Path: <a@b.test>\r\n");
    assert_null(put(f, STR("in/2026"), STR("beside its folder")));
    assert_file(f, "objects/mail/in/2026%v2", "beside its folder");
    assert_null(put(f, STR("a"), STR("first a file")));
    assert_null(put(f, STR("a/b"), STR("then a folder")));
    assert_file(f, "objects/mail/a", "first a file");
    assert_file(f, "objects/mail/a%_/b", "then a folder");
}

static void replaced_and_removed_files_and_empty_folders_do_not_stay(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        assert_null(put(f, STR("a/b/c"), STR("again")));
    assert_int_equal(files_of_bucket(f), 1);
    assert_null(f->objects->ops->remove(f->objects, STR("mail"), STR("a/b/c"), f->arena));
    assert_int_equal(files_of_bucket(f), 0);
    assert_false(is_there(f, "objects/mail/a"));
    assert_null(f->objects->ops->remove_bucket(f->objects, STR("mail"), f->arena));
    assert_false(is_there(f, "objects/mail"));
}

static void files_without_a_row_are_swept_after_a_start_and_no_others(void **state)
{
    struct fixture *f = *state;
    assert_null(put(f, STR("a"), STR("1")));
    assert_null(put(f, STR("a/b//c%"), STR("2")));
    assert_null(put(f, STR("a"), STR("3"))); /* lies as a%v2 */
    f->objects->ops->close(f->objects);
    make_file(f, "objects/mail/a");   /* a replaced version that was not unlinked */
    make_file(f, "objects/mail/new"); /* an upload that was not finished */
    make_folder(f, "objects/mail/deep");
    make_folder(f, "objects/mail/deep/er");
    make_file(f, "objects/mail/deep/er/x%v7");
    make_file(f, "objects/mail/strange%zz");
    make_folder(f, "objects/gone");
    make_file(f, "objects/gone/y");
    assert_int_equal(files_of_bucket(f), 6);
    fixture_open(f);
    wait_for_sweep(f);
    assert_int_equal(files_of_bucket(f), 2);
    assert_false(is_there(f, "objects/mail/deep"));
    assert_false(is_there(f, "objects/gone/y"));
    assert_holds(f, STR("a"), STR("3"));
    assert_holds(f, STR("a/b//c%"), STR("2"));
}

/* Every call of an overwrite fails in turn: the object is then the old one or the new one, whole,
 * and the answer says which; after a new start no file is left over. */
static void whichever_disk_call_fails_the_object_is_whole(void **state)
{
    struct fixture *f = *state;
    static const int errors[] = { EIO, ENOSPC };
    for (size_t e = 0; e < 2; e++) {
        bool failed = true;
        for (uint64_t n = 1; failed && n < 50; n++) {
            assert_null(put(f, STR("in/k"), STR("old")));
            assert_null(put(f, STR("in"), STR("other")));
            disk_failing_at(&f->failing, n, errors[e], false);
            const struct fault *why = put(f, STR("in/k"), STR("new"));
            failed = f->failing.calls >= f->failing.fail_at;
            disk_failing_at(&f->failing, 0, 0, false);
            if (why && errors[e] == ENOSPC)
                assert_int_equal(why->kind, FAULT_LIMIT);
            for (int again = 0; again < 2; again++) {
                assert_holds(f, STR("in/k"), why ? STR("old") : STR("new"));
                assert_holds(f, STR("in"), STR("other"));
                if (again)
                    break;
                f->objects->ops->close(f->objects);
                fixture_open(f);
                wait_for_sweep(f);
            }
            assert_int_equal(f->pad ? files_of_bucket(f) : steps_of_packs(f), 2);
        }
        assert_false(failed);
    }
}

static void a_full_disk_is_a_limit_and_passes(void **state)
{
    struct fixture *f = *state;
    disk_failing_at(&f->failing, 1, ENOSPC, true);
    const struct fault *why = put(f, STR("k"), STR("x"));
    assert_true(why && why->kind == FAULT_LIMIT);
    disk_failing_at(&f->failing, 0, 0, false);
    assert_null(put(f, STR("k"), STR("y")));
    assert_holds(f, STR("k"), STR("y"));
}

static void nothing_is_swept_while_the_rows_may_not_be_on_disk(void **state)
{
    struct fixture *f = *state;
    assert_null(put(f, STR("k"), STR("kept")));
    make_file(f, "objects/mail/orphan");
    f->objects->ops->close(f->objects);
    captured_journal_clear(f->journal);
    struct syncing s = { .disk = *disk_real(), .under = disk_real(), .error = EIO };
    s.disk.syncfs = counted_syncfs;
    f->outside.disk = &s.disk;
    fixture_open(f);
    for (int i = 0; i < 5000 && !captured_journal_count(f->journal, "objects-not-swept"); i++)
        usleep(1000);
    assert_int_equal(captured_journal_count(f->journal, "objects-not-swept"), 1);
    assert_int_equal(captured_journal_count(f->journal, "objects-swept"), 0);
    assert_true(is_there(f, "objects/mail/orphan"));
    f->objects->ops->close(f->objects);
    s.error = 0;
    fixture_open(f);
    wait_for_sweep(f);
    assert_false(is_there(f, "objects/mail/orphan"));
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

static void a_sync_that_fails_is_final(void **state)
{
    struct fixture *f = *state;
    struct syncing s;
    use_syncing(f, &s);
    assert_null(put(f, STR("k"), STR("old")));
    struct object_upload *open;
    assert_null(
        f->objects->ops->begin(f->objects, STR("mail"), STR("o"), STR("{}"), f->arena, &open));
    assert_null(f->objects->ops->write(open, (str) { padding, f->pad }, f->arena));
    s.error = EIO;
    const struct fault *why = put(f, STR("k"), STR("new"));
    assert_true(why && why->kind == FAULT_UNAVAILABLE);
    s.error = 0;
    why = put(f, STR("k"), STR("newer"));
    assert_true(why && why->kind == FAULT_UNAVAILABLE);
    struct object_info info;
    why = objects_finish(f->objects, open, OBJECT_ANY, f->arena, &info);
    assert_true(why && why->kind == FAULT_UNAVAILABLE);
    assert_holds(f, STR("k"), STR("old"));
    assert_true(captured_journal_count(f->journal, "objects-sync-failed") == 1);
    f->objects->ops->close(f->objects);
    fixture_open(f);
    assert_null(put(f, STR("k"), STR("new")));
    assert_holds(f, STR("k"), STR("new"));
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

static uint64_t soon_to;

static void soon_counted(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)fd;
    assert_int_equal(offset, soon_to); /* each once, in order */
    assert_int_equal(((struct syncing *)disk)->syncs, 0);
    soon_to += size;
}

static void a_large_file_is_on_its_way_before_its_sync(void **state)
{
    struct fixture *f = *state;
    struct syncing s;
    struct object_upload *upload;
    struct object_info info;
    static char piece[100 * 1000];
    use_syncing(f, &s);
    s.disk.write_soon = soon_counted;
    while (!s.syncs) /* of the start; the sweeper's */
        usleep(1000);
    s.syncs = 0;
    soon_to = 0;
    assert_null(f->objects->ops->begin(f->objects, STR("mail"), STR("o"), STR("{}"), f->arena, &upload));
    for (unsigned i = 0; i < 50; i++)
        assert_null(f->objects->ops->write(upload, (str) { piece, sizeof piece }, f->arena));
    assert_null(objects_finish(f->objects, upload, OBJECT_ANY, f->arena, &info));
    assert_int_equal(soon_to, 4 << 20); /* of five million octets: whole stretches */
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

static void a_sync_that_met_a_full_disk_fails_all_who_were_open_then(void **state)
{
    struct fixture *f = *state;
    struct syncing s;
    use_syncing(f, &s);
    struct object_upload *open;
    struct object_info info;
    assert_null(
        f->objects->ops->begin(f->objects, STR("mail"), STR("o"), STR("{}"), f->arena, &open));
    assert_null(f->objects->ops->write(open, (str) { padding, f->pad }, f->arena));
    s.error = ENOSPC;
    const struct fault *why = put(f, STR("k"), STR("x"));
    assert_true(why && why->kind == FAULT_LIMIT);
    s.error = 0;
    why = objects_finish(f->objects, open, OBJECT_ANY, f->arena, &info);
    assert_true(why && why->kind == FAULT_UNAVAILABLE);
    assert_null(put(f, STR("k"), STR("y")));
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

enum { FINISHERS = 24 };
struct finisher {
    struct fixture *fixture;
    int number;
};
static void *finish_one(void *context)
{
    struct finisher *one = context;
    struct objects *objects = one->fixture->objects;
    struct arena *arena = arena_new(1 << 20);
    struct object_upload *upload;
    struct object_info info;
    bool done = !objects->ops->begin(objects, STR("mail"), arena_strf(arena, "%d", one->number),
                                     STR("{}"), arena, &upload) &&
                !objects->ops->write(upload, (str) { padding, one->fixture->pad }, arena) &&
                !objects_finish(objects, upload, OBJECT_ANY, arena, &info);
    arena_free(arena);
    return done ? NULL : context;
}

static void those_who_finish_together_share_one_sync(void **state)
{
    struct fixture *f = *state;
    struct syncing s;
    use_syncing(f, &s);
    s.sleep_us = 20000;
    pthread_t threads[FINISHERS];
    struct finisher finishers[FINISHERS];
    for (int i = 0; i < FINISHERS; i++) {
        finishers[i] = (struct finisher) { f, i };
        assert_int_equal(pthread_create(&threads[i], NULL, finish_one, &finishers[i]), 0);
    }
    for (int i = 0; i < FINISHERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(s.syncs >= 1 && s.syncs < FINISHERS / 2);
    f->objects->ops->close(f->objects);
    f->objects = NULL;
}

static void when_finish_returns_the_bytes_survive_a_power_cut(void **state)
{
    struct fixture *f = *state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *disk = disk_sim_disk(sim);
    char path[512];
    temp_dir_path(&f->dir, "objects",
                  path); /* the same folders in both: the index is no simulation */
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        disk->make_directory(disk, path, 0755);
        *at = '/';
    }
    f->objects->ops->close(f->objects);
    f->outside.disk = disk;
    fixture_open(f);
    wait_for_sweep(f); /* whose own sync would make it too easy */
    static const char *const keys[] = { "a", "a/b", "a", "c/d/e" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        str bytes = arena_strf(f->arena, "bytes %zu of %s", i, keys[i]);
        assert_null(put(f, str_of(keys[i]), bytes));
        struct disk_sim *after = disk_sim_after_cut(sim, disk_sim_steps(sim), DISK_CUT_DROP, 1);
        static const char *const files[] = { "a", "a%_/b", "a%v2", "c/d/e" };
        str file = arena_strf(f->arena, "%s/mail/%s", path, files[i]);
        assert_true(str_starts(disk_sim_bytes(after, file.ptr, f->arena), bytes));
        disk_sim_free(after);
    }
    f->objects->ops->close(f->objects);
    f->objects = NULL;
    disk_sim_free(sim);
}

/* For the suite. */
static struct fixture *for_suite;
static const struct fault *suite_open(void *context, struct arena *arena, struct objects **ret)
{
    (void)context;
    char path[512];
    return objects_files_open(str_of(temp_dir_path(&for_suite->dir, "objects", path)),
                              &for_suite->outside, arena, ret);
}
static void suite_clear(void *context)
{
    (void)context;
    temp_dir_remove(&for_suite->dir);
    for_suite->dir = temp_dir_make();
}

int main(void)
{
    struct fixture f = { .dir = temp_dir_make(), .journal = captured_journal_new() };
    for_suite = &f;
    f.outside = (struct outside) { .clock = clock_real(),
                                   .entropy = entropy_real(),
                                   .journal = captured_journal(f.journal),
                                   .disk = disk_real() };
    const struct objects_maker maker = { .open = suite_open, .clear = suite_clear };
    int failed = objects_suite_run(&maker);
    captured_journal_free(f.journal);
    temp_dir_remove(&f.dir);
#define AS_FILE(name) cmocka_unit_test_setup_teardown(name, set_up_files, tear_down)
#define PACKED(name)  cmocka_unit_test_setup_teardown(name, set_up_packs, tear_down)
    const struct CMUnitTest tests[] = {
        AS_FILE(a_person_finds_an_object_under_its_name),
        AS_FILE(replaced_and_removed_files_and_empty_folders_do_not_stay),
        AS_FILE(files_without_a_row_are_swept_after_a_start_and_no_others),
        AS_FILE(whichever_disk_call_fails_the_object_is_whole),
        PACKED(whichever_disk_call_fails_the_object_is_whole),
        AS_FILE(a_full_disk_is_a_limit_and_passes),
        PACKED(a_full_disk_is_a_limit_and_passes),
        AS_FILE(nothing_is_swept_while_the_rows_may_not_be_on_disk),
        AS_FILE(a_sync_that_fails_is_final),
        PACKED(a_sync_that_fails_is_final),
        AS_FILE(a_sync_that_met_a_full_disk_fails_all_who_were_open_then),
        AS_FILE(a_large_file_is_on_its_way_before_its_sync),
        AS_FILE(those_who_finish_together_share_one_sync),
        PACKED(those_who_finish_together_share_one_sync),
        AS_FILE(when_finish_returns_the_bytes_survive_a_power_cut),
    };
    return failed + cmocka_run_group_tests_name("objects as files", tests, NULL, NULL);
}

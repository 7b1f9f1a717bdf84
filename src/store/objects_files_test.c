/* Objects as files: the suite of all object stores, and what the disk may do to this one. One fixture serves them
 * all, so they stay together. */
#include "store/object_file.h"
#include "store/object_pack.h"
#include "store/object_path.h"
#include "store/objects_suite.h"
#include "testing/clock.h"
#include "testing/disk_failing.h"
#include "testing/disk_sim.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    struct temp_dir dir;
    struct fake_clock clock;
    struct captured_journal *journal;
    struct disk_failing failing;
    struct outside outside;
    struct arena *arena;
    struct objects *objects;
    size_t pad; /* so many bytes behind what is put: a file then, else a frame in a pack */
    uint64_t pack_size;
};

static char padding[PACK_BODY_MAX + 1];

static void fixture_open(struct fixture *f)
{
    char path[512];
    const struct fault *why =
        objects_files_open_packs(str_of(temp_dir_path(&f->dir, "objects", path)), f->pack_size,
                                 &f->outside, f->arena, &f->objects);
    if (why)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(why, f->arena)));
}

static void wait_for_sweep(struct fixture *f)
{
    for (int i = 0; i < 5000 && !captured_journal_count(f->journal, "objects-swept"); i++)
        usleep(1000);
    assert_true(captured_journal_count(f->journal, "objects-swept") > 0);
    captured_journal_clear(f->journal);
}

static int set_up_with(void **state, size_t pad)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->pad = pad;
    f->pack_size = 256 * 1024;
    f->dir = temp_dir_make();
    f->clock = fake_clock_at("2026-03-02T09:15:42.317Z");
    f->journal = captured_journal_new();
    disk_failing_init(&f->failing, disk_real());
    f->outside = (struct outside) { .clock = &f->clock.clock,
                                    .entropy = entropy_real(),
                                    .journal = captured_journal(f->journal),
                                    .disk = &f->failing.disk };
    f->arena = arena_new(64 << 20);
    fixture_open(f);
    wait_for_sweep(f);
    return 0;
}

static int set_up_packs(void **state)
{
    return set_up_with(state, 0);
}

static int set_up_files(void **state)
{
    memset(padding, 'x', sizeof padding);
    return set_up_with(state, sizeof padding);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->objects)
        f->objects->ops->close(f->objects);
    arena_free(f->arena);
    captured_journal_free(f->journal);
    temp_dir_remove(&f->dir);
    free(f);
    return 0;
}

static const struct fault *put(struct fixture *f, str key, str bytes)
{
    struct object_upload *upload;
    struct object_info info;
    TRY(f->objects->ops->begin(f->objects, STR("mail"), key, STR("{}"), f->arena, &upload));
    const struct fault *why = f->objects->ops->write(upload, bytes, f->arena);
    if (!why)
        why = f->objects->ops->write(upload, (str) { padding, f->pad }, f->arena);
    if (why) {
        f->objects->ops->cancel(upload);
        return why;
    }
    return f->objects->ops->finish(upload, OBJECT_ANY, f->arena, &info);
}

static void assert_holds(struct fixture *f, str key, str bytes)
{
    str got;
    const struct fault *why =
        f->objects->ops->read(f->objects, STR("mail"), key, 0, 1 << 20, f->arena, &got);
    if (why)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(why, f->arena)));
    if (!str_starts(got, bytes) || got.len != bytes.len + f->pad)
        fail_msg(STR_FMT " holds " STR_FMT, STR_ARG(key), STR_ARG(str_head(got, 80)));
}

static void assert_file(struct fixture *f, const char *name, const char *bytes)
{
    char path[512], got[256];
    size_t len = strlen(bytes);
    FILE *file = fopen(temp_dir_path(&f->dir, name, path), "r");
    if (!file)
        fail_msg("there is no file %s", name);
    assert_int_equal(fread(got, 1, len, file), len);
    fclose(file);
    assert_memory_equal(got, bytes, len);
}

static void make_file(struct fixture *f, const char *name)
{
    char path[512];
    FILE *file = fopen(temp_dir_path(&f->dir, name, path), "w");
    assert_non_null(file);
    fputs("torn", file);
    fclose(file);
}

static void make_folder(struct fixture *f, const char *name)
{
    char path[512];
    assert_int_equal(mkdir(temp_dir_path(&f->dir, name, path), 0755), 0);
}

static bool is_there(struct fixture *f, const char *name)
{
    char path[512];
    return access(temp_dir_path(&f->dir, name, path), F_OK) == 0;
}

static int counted; /* nftw passes no context */
static int count_one(const char *path, const struct stat *s, int kind, struct FTW *w)
{
    (void)path, (void)s, (void)w;
    counted += kind == FTW_F;
    return 0;
}
static int files_of_bucket(struct fixture *f)
{
    char path[512];
    counted = 0;
    nftw(temp_dir_path(&f->dir, "objects/mail", path), count_one, 8, FTW_PHYS);
    return counted;
}

static uint64_t counted_steps;
static int count_steps(const char *path, const struct stat *s, int kind, struct FTW *w)
{
    (void)s, (void)w;
    int fd = kind == FTW_F ? open(path, O_RDONLY) : -1;
    for (off_t at = 0, end; fd >= 0 && (at = lseek(fd, at, SEEK_DATA)) >= 0; at = end) {
        end = lseek(fd, at, SEEK_HOLE);
        counted_steps += (uint64_t)(end - at) / PACK_STEP;
    }
    if (fd >= 0)
        close(fd);
    return 0;
}
/* What the disk holds of all packs. */
static int steps_of_packs(struct fixture *f)
{
    char path[512];
    counted_steps = 0;
    nftw(temp_dir_path(&f->dir, "objects/%packs", path), count_steps, 8, FTW_PHYS);
    return (int)counted_steps;
}

static void open_again(struct fixture *f)
{
    f->objects->ops->close(f->objects);
    f->objects = NULL;
    fixture_open(f);
    wait_for_sweep(f);
}

static void remove_key(struct fixture *f, str key)
{
    assert_null(f->objects->ops->remove(f->objects, STR("mail"), key, f->arena));
}

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

struct syncing { /* a disk whose syncs are counted, slow, or failing */
    struct disk disk;
    struct disk *under;
    _Atomic int syncs, error, sleep_us;
};

static int counted_fdatasync(struct disk *disk, int fd)
{
    struct syncing *s = (struct syncing *)disk;
    (void)fd;
    s->syncs++;
    usleep((unsigned)s->sleep_us);
    return -s->error;
}

static int counted_syncfs(struct disk *disk, int fd)
{
    return counted_fdatasync(disk, fd);
}

static void use_syncing(struct fixture *f, struct syncing *s)
{
    *s = (struct syncing) { .disk = *disk_real(), .under = disk_real() };
    s->disk.syncfs = counted_syncfs;
    s->disk.fdatasync = counted_fdatasync;
    f->objects->ops->close(f->objects);
    f->outside.disk = &s->disk;
    fixture_open(f);
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
    why = f->objects->ops->finish(open, OBJECT_ANY, f->arena, &info);
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
    why = f->objects->ops->finish(open, OBJECT_ANY, f->arena, &info);
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
                !objects->ops->finish(upload, OBJECT_ANY, arena, &info);
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

/* ---- packs ---- */

static void small_objects_share_a_file_and_give_their_blocks_back(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        assert_null(put(f, STR("a/b/c"), STR("again")));
    assert_null(put(f, STR("d"), (str) { padding, 3 * PACK_STEP }));
    assert_int_equal(files_of_bucket(f), 0);
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

static int no_punch(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)disk, (void)fd, (void)offset, (void)size;
    return -EOPNOTSUPP;
}

/* The newest pack goes on after a start, over what was written for objects that never were. */
static void what_no_row_names_is_swept_out_of_the_packs(void **state)
{
    struct fixture *f = *state;
    char path[512];
    f->objects->ops->close(f->objects);
    pid_t killed = fork();
    if (killed == 0) {
        fixture_open(f);
        f->failing.disk.punch = no_punch;
        bool done = !put(f, STR("k"), STR("old")) && !put(f, STR("k"), STR("new"));
        if (done && steps_of_packs(f) == 2)
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(killed, &status, 0), killed);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    captured_journal_clear(f->journal);
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
    return offset >= 8 * PACK_STEP ? -EFBIG : disk_real()->pwritev(disk_real(), fd, parts, count, offset);
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

static void damage(struct fixture *f, const char *file, const char *what, const char *with)
{
    char path[512];
    static char all[1 << 20];
    FILE *stream = fopen(temp_dir_path(&f->dir, file, path), "r+");
    assert_non_null(stream);
    size_t size = fread(all, 1, sizeof all, stream);
    char *at = memmem(all, size, what, strlen(what));
    assert_non_null(at);
    fseek(stream, at - all, SEEK_SET);
    fputs(with, stream);
    fclose(stream);
}

static const struct fault *read_key(struct fixture *f, str key, str *ret)
{
    return f->objects->ops->read(f->objects, STR("mail"), key, 0, 1000, f->arena, ret);
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

static void change_index(struct fixture *f, const char *sql)
{
    char path[512];
    sqlite3 *db;
    assert_int_equal(sqlite3_open(temp_dir_path(&f->dir, "objects/index.sqlite", path), &db), 0);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
    sqlite3_close(db);
}

static void a_damaged_row_is_a_fault_until_it_is_written_anew(void **state)
{
    struct fixture *f = *state;
    str got;
    struct object_info info;
    assert_null(put(f, STR("a"), STR("one")));
    assert_null(put(f, STR("b"), STR("two")));
    assert_null(put(f, STR("c"), STR("three")));
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

static void an_index_of_the_first_version_is_read(void **state)
{
    struct fixture *f = *state;
    f->objects->ops->close(f->objects);
    change_index(f, "DROP TABLE object; DROP TABLE pack; PRAGMA user_version=1;"
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
        AS_FILE(those_who_finish_together_share_one_sync),
        PACKED(those_who_finish_together_share_one_sync),
        AS_FILE(when_finish_returns_the_bytes_survive_a_power_cut),
        PACKED(small_objects_share_a_file_and_give_their_blocks_back),
        PACKED(a_full_pack_is_followed_by_another_and_goes_with_its_last_object),
        PACKED(what_no_row_names_is_swept_out_of_the_packs),
        PACKED(where_files_may_not_grow_there_are_more_packs),
        PACKED(damaged_bytes_are_a_fault_and_never_an_answer),
        PACKED(a_damaged_row_is_a_fault_until_it_is_written_anew),
        PACKED(what_is_said_of_a_pack_and_damaged_removes_nothing),
        PACKED(an_index_of_the_first_version_is_read),
        PACKED(a_key_that_is_no_text_lies_in_a_file),
        PACKED(packed_bytes_survive_a_power_cut),
    };
    return failed + cmocka_run_group_tests_name("objects as files", tests, NULL, NULL);
}

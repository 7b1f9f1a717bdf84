/* store/objects_files_suite.c - a store of objects in a folder of its own, and what happens to it.
 */
#include "store/objects_files_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

char padding[PACK_BODY_MAX + 1];

const struct fault *fixture_try_open(struct fixture *f)
{
    char path[512];
    return objects_files_open_packs(str_of(temp_dir_path(&f->dir, "objects", path)), f->pack_size,
                                    &f->outside, f->arena, &f->objects);
}

void fixture_open(struct fixture *f)
{
    const struct fault *why = fixture_try_open(f);
    if (why)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(why, f->arena)));
}

void wait_for_sweep(struct fixture *f)
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

int set_up_packs(void **state)
{
    return set_up_with(state, 0);
}

int set_up_files(void **state)
{
    memset(padding, 'x', sizeof padding);
    return set_up_with(state, sizeof padding);
}

int tear_down(void **state)
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

const struct fault *put(struct fixture *f, str key, str bytes)
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
    return objects_finish(f->objects, upload, OBJECT_ANY, f->arena, &info);
}

void assert_holds(struct fixture *f, str key, str bytes)
{
    str got;
    const struct fault *why =
        f->objects->ops->read(f->objects, STR("mail"), key, 0, 1 << 20, f->arena, &got);
    if (why)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(why, f->arena)));
    if (!str_starts(got, bytes) || got.len != bytes.len + f->pad)
        fail_msg(STR_FMT " holds " STR_FMT, STR_ARG(key), STR_ARG(str_head(got, 80)));
}

void assert_file(struct fixture *f, const char *name, const char *bytes)
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

void make_file(struct fixture *f, const char *name)
{
    char path[512];
    FILE *file = fopen(temp_dir_path(&f->dir, name, path), "w");
    assert_non_null(file);
    fputs("torn", file);
    fclose(file);
}

void make_folder(struct fixture *f, const char *name)
{
    char path[512];
    assert_int_equal(mkdir(temp_dir_path(&f->dir, name, path), 0755), 0);
}

bool is_there(struct fixture *f, const char *name)
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
int files_of_bucket(struct fixture *f)
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
int steps_of_packs(struct fixture *f)
{
    char path[512];
    counted_steps = 0;
    nftw(temp_dir_path(&f->dir, "objects/%packs", path), count_steps, 8, FTW_PHYS);
    return (int)counted_steps;
}

void open_again(struct fixture *f)
{
    f->objects->ops->close(f->objects);
    f->objects = NULL;
    fixture_open(f);
    wait_for_sweep(f);
}

/* Removing is a transaction, and all late rows are written with it. */
size_t write_rows(struct fixture *f)
{
    const size_t pad = f->pad;
    f->pad = 0;
    assert_null(put(f, STR("~"), STR("")));
    f->pad = pad;
    remove_key(f, STR("~"));
    return count_objects(f);
}

size_t count_objects(struct fixture *f)
{
    const struct object_range all = { .bucket = STR_INIT("mail"),
                                      .prefix = STR_INIT(""),
                                      .max = 1000 };
    struct object_entry *entries;
    size_t count;
    bool more;
    assert_null(f->objects->ops->list(f->objects, &all, f->arena, &entries, &count, &more));
    return count;
}

void remove_key(struct fixture *f, str key)
{
    assert_null(f->objects->ops->remove(f->objects, STR("mail"), key, f->arena));
}

/* ---- a disk ---- */

static int counted_fdatasync(struct disk *disk, int fd)
{
    struct syncing *s = (struct syncing *)disk;
    (void)fd;
    s->syncs++;
    usleep((unsigned)s->sleep_us);
    return -s->error;
}

int counted_syncfs(struct disk *disk, int fd)
{
    while (((struct syncing *)disk)->held)
        usleep(1000);
    return counted_fdatasync(disk, fd);
}

void use_syncing(struct fixture *f, struct syncing *s)
{
    *s = (struct syncing) { .disk = *disk_real(), .under = disk_real() };
    s->disk.syncfs = counted_syncfs;
    s->disk.fdatasync = counted_fdatasync;
    f->objects->ops->close(f->objects);
    f->outside.disk = &s->disk;
    fixture_open(f);
}

int no_punch(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)disk, (void)fd, (void)offset, (void)size;
    return -EOPNOTSUPP;
}

/* ---- damage and other lives ---- */

void live_and_be_killed(struct fixture *f, life_fn *live, int n)
{
    if (f->objects)
        f->objects->ops->close(f->objects);
    f->objects = NULL;
    pid_t child = fork();
    if (child == 0) {
        fixture_open(f);
        if (live(f, n))
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    captured_journal_clear(f->journal);
}

void damage(struct fixture *f, const char *file, const char *what, const char *with)
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

const struct fault *read_key(struct fixture *f, str key, str *ret)
{
    return f->objects->ops->read(f->objects, STR("mail"), key, 0, 1000, f->arena, ret);
}

void change_index(struct fixture *f, const char *sql)
{
    char path[512];
    sqlite3 *db;
    assert_int_equal(sqlite3_open(temp_dir_path(&f->dir, "objects/index.sqlite", path), &db), 0);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
    sqlite3_close(db);
}

/* The disks that tests bring: what the one in memory promises, and that both fail when told. */
#include "testing/disk_failing.h"
#include "testing/disk_sim.h"
#include "testing/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static ssize_t write_at(struct disk *d, int fd, str bytes, uint64_t offset)
{
    struct iovec part = { (char *)bytes.ptr, bytes.len };
    return d->pwritev(d, fd, &part, 1, offset);
}

static int create(struct disk *d, const char *path)
{
    int fd = d->open(d, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void gather(void *context, const char *name)
{
    strcat(strcat(context, name), " ");
}

static void the_disk_in_memory_answers_as_a_disk_does(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    char bytes[16], names[64] = "";
    assert_int_equal(d->open(d, "/a/b", O_RDWR | O_CREAT, 0600), -ENOENT);
    assert_int_equal(d->make_directory(d, "/a", 0700), 0);
    assert_int_equal(d->make_directory(d, "/a/", 0700), -EEXIST);
    int fd = create(d, "//a/./b");
    assert_int_equal(d->open(d, "/a/b", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    assert_int_equal(d->open(d, "/a/../b", O_RDONLY, 0), -EINVAL);
    assert_int_equal(d->open(d, "/a", O_RDWR, 0), -EISDIR);
    assert_int_equal(write_at(d, fd, STR("abc"), 5), 3);
    assert_int_equal(d->pread(d, fd, bytes, 16, 4), 4);
    assert_memory_equal(bytes, "\0abc", 4);
    assert_int_equal(d->allocate(d, fd, 4), 0);
    assert_int_equal(d->size(d, fd), 8);
    assert_int_equal(d->truncate(d, fd, 6), 0);
    assert_int_equal(d->rename(d, "/a/b", "/a/c"), 0);
    assert_int_equal(d->pread(d, fd, bytes, 16, 5), 1); /* the descriptor stays on its file */
    d->close(d, create(d, "/a/b"));
    assert_int_equal(d->make_directory(d, "/a/z", 0700), 0);
    d->close(d, create(d, "/a/z/deep"));
    assert_int_equal(d->list(d, "/a", gather, names), 0);
    assert_string_equal(names, "b c z ");
    assert_int_equal(d->remove_directory(d, "/a/z"), -ENOTEMPTY);
    assert_int_equal(d->unlink(d, "/a/z"), -EISDIR);
    assert_int_equal(d->unlink(d, "/a/c"), 0);
    assert_int_equal(d->open(d, "/a/c", O_RDONLY, 0), -ENOENT);
    assert_int_equal(d->close(d, fd), 0);
    assert_int_equal(d->close(d, fd), -EBADF);
    assert_int_equal(d->size(d, fd), -EBADF);
    fd = d->open(d, "/a/b", O_RDONLY, 0);
    assert_int_equal(write_at(d, fd, STR("x"), 0), -EBADF);
    disk_sim_free(sim);
}

static void a_disk_fails_when_told_and_heals(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    AUTO_ARENA *a = arena_new(1 << 20);
    int fd = create(d, "/f"); /* call 1 */
    disk_sim_fail(sim, 2, EIO);
    assert_int_equal(write_at(d, fd, STR("abcd"), 0), -EIO);
    assert_int_equal(write_at(d, fd, STR("abcd"), 0), 4);
    disk_sim_short_write(sim, 4);
    assert_int_equal(write_at(d, fd, STR("efgh"), 4), 2);
    disk_sim_fail_from(sim, 5, ENOSPC);
    assert_int_equal(d->fdatasync(d, fd), -ENOSPC);
    assert_int_equal(d->size(d, fd), -ENOSPC);
    disk_sim_heal(sim);
    assert_int_equal(d->size(d, fd), 6);
    disk_sim_set_room(sim, 10);
    uint64_t left = 0;
    assert_int_equal(d->free_bytes(d, "/", &left), 0);
    assert_int_equal(left, 4);
    assert_int_equal(write_at(d, fd, STR("0123456789"), 6), 4);
    assert_int_equal(write_at(d, fd, STR("x"), 10), -ENOSPC);
    assert_int_equal(write_at(d, fd, STR("x"), 0), 1); /* in place there is room */
    assert_int_equal(d->allocate(d, fd, 11), -ENOSPC);
    assert_true(str_eq(disk_sim_bytes(sim, "/f", a), STR("xbcdef0123")));
    assert_int_equal(disk_sim_calls(sim), 12);
    disk_sim_free(sim);
}

static str after(struct disk_sim *sim, uint64_t steps, enum disk_cut cut, uint64_t seed,
                 const char *path, struct arena *a)
{
    struct disk_sim *cut_off = disk_sim_after_cut(sim, steps, cut, seed);
    str bytes = disk_sim_bytes(cut_off, path, a);
    disk_sim_free(cut_off);
    return bytes;
}

static void a_cut_keeps_what_was_synced_and_may_drop_the_rest(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    AUTO_ARENA *a = arena_new(1 << 20);
    int fd = create(d, "/f");
    write_at(d, fd, STR("old"), 0);
    assert_int_equal(d->fdatasync(d, fd), 0);
    uint64_t synced = disk_sim_steps(sim);
    assert_true(
        str_is_none(after(sim, synced, DISK_CUT_DROP, 0, "/f", a))); /* bytes, but no name */
    assert_int_equal(d->sync_directory(d, "/"), 0);
    synced = disk_sim_steps(sim);
    assert_true(str_eq(after(sim, synced, DISK_CUT_DROP, 0, "/f", a), STR("old")));
    write_at(d, fd, STR("new and longer"), 0);
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/f", a), STR("old")));
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_KEEP, 0, "/f", a), STR("new and longer")));
    assert_true(str_eq(after(sim, synced, DISK_CUT_KEEP, 0, "/f", a), STR("old")));
    d->rename(d, "/f", "/g");
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/f", a), STR("old")));
    assert_true(str_is_none(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/g", a)));
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_KEEP, 0, "/g", a), STR("new and longer")));
    assert_int_equal(d->syncfs(d, fd), 0);
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/g", a), STR("new and longer")));
    d->unlink(d, "/g");
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/g", a), STR("new and longer")));
    d->sync_directory(d, "/");
    assert_true(str_is_none(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/g", a)));
    disk_sim_free(sim);
}

static void a_failed_sync_gives_up_what_was_unsynced(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    AUTO_ARENA *a = arena_new(1 << 20);
    int fd = create(d, "/f");
    write_at(d, fd, STR("old"), 0);
    d->syncfs(d, fd);
    write_at(d, fd, STR("new"), 0);
    disk_sim_fail(sim, disk_sim_calls(sim) + 1, EIO);
    assert_int_equal(d->fdatasync(d, fd), -EIO);
    assert_int_equal(d->fdatasync(d, fd), 0); /* the kernel forgot: this promises nothing */
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/f", a), STR("old")));
    write_at(d, fd, STR("again"), 0);
    assert_int_equal(d->fdatasync(d, fd), 0);
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/f", a), STR("again")));
    disk_sim_free(sim);
}

static void a_killed_process_leaves_the_page_cache_and_what_it_never_synced_unsynced(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    AUTO_ARENA *a = arena_new(1 << 20);
    int fd = create(d, "/f");
    write_at(d, fd, STR("old"), 0);
    d->syncfs(d, fd);
    write_at(d, fd, STR("new"), 0);
    disk_sim_kill(sim, disk_sim_calls(sim) + 1);
    assert_int_equal(d->fdatasync(d, fd), -EIO);
    assert_int_equal(write_at(d, fd, STR("won"), 0), -EIO);
    disk_sim_heal(sim);
    assert_true(str_eq(disk_sim_bytes(sim, "/f", a), STR("new")));
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/f", a), STR("old")));
    assert_int_equal(d->fdatasync(d, fd), 0); /* the next process may still bring it there */
    assert_true(str_eq(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/f", a), STR("new")));
    disk_sim_free(sim);
}

static void a_torn_write_is_old_new_or_both_by_sector_and_the_seed_repeats_it(void **state)
{
    (void)state;
    enum { SIZE = 3 * 4096 };
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    AUTO_ARENA *a = arena_new(16 << 20);
    char *old = malloc(SIZE), *new = malloc(SIZE);
    memset(old, 'o', SIZE);
    memset(new, 'n', SIZE);
    int fd = create(d, "/f");
    write_at(d, fd, (str) { old, SIZE }, 0);
    d->syncfs(d, fd);
    write_at(d, fd, (str) { new, SIZE }, 0);
    bool mixed = false, differ = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        str bytes = after(sim, UINT64_MAX, DISK_CUT_TEAR, seed, "/f", a);
        assert_int_equal(bytes.len, SIZE);
        for (size_t at = 0; at < SIZE; at++) {
            bool turns = at && bytes.ptr[at] != bytes.ptr[at - 1];
            assert_true(bytes.ptr[at] == 'o' || bytes.ptr[at] == 'n');
            assert_false(turns && at % 512);
            mixed = mixed || (turns && at % 4096);
        }
        differ = differ || !str_eq(bytes, after(sim, UINT64_MAX, DISK_CUT_TEAR, seed + 1, "/f", a));
        assert_true(str_eq(bytes, after(sim, UINT64_MAX, DISK_CUT_TEAR, seed, "/f", a)));
    }
    assert_true(mixed && differ);
    free(old);
    free(new);
    disk_sim_free(sim);
}

static void a_name_without_its_directory_is_gone_and_a_restart_goes_on(void **state)
{
    (void)state;
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    AUTO_ARENA *a = arena_new(1 << 20);
    d->make_directory(d, "/dir", 0700);
    int fd = create(d, "/dir/f");
    write_at(d, fd, STR("abc"), 0);
    d->fdatasync(d, fd);
    d->sync_directory(d, "/dir");
    assert_true(str_is_none(after(sim, UINT64_MAX, DISK_CUT_DROP, 0, "/dir/f", a)));
    d->sync_directory(d, "/");
    struct disk_sim *again = disk_sim_after_cut(sim, UINT64_MAX, DISK_CUT_DROP, 0);
    assert_true(str_eq(disk_sim_bytes(again, "/dir/f", a), STR("abc")));
    assert_int_equal(disk_sim_steps(again), 0);
    d = disk_sim_disk(again);
    fd = d->open(d, "/dir/f", O_RDWR, 0);
    write_at(d, fd, STR("X"), 3);
    assert_true(str_eq(after(again, UINT64_MAX, DISK_CUT_DROP, 0, "/dir/f", a), STR("abc")));
    assert_true(disk_sim_damage(again, "/dir/f", 0, '?'));
    assert_false(disk_sim_damage(again, "/dir/f", 4, '?'));
    assert_true(str_eq(disk_sim_bytes(again, "/dir/f", a), STR("?bcX")));
    disk_sim_free(again);
    disk_sim_free(sim);
}

static void the_real_disk_fails_at_the_chosen_call(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    char path[512];
    struct disk_failing failing;
    disk_failing_init(&failing, disk_real());
    struct disk *d = &failing.disk;
    int fd = create(d, temp_dir_path(&dir, "f", path));
    disk_failing_at(&failing, 2, ENOSPC, false);
    assert_int_equal(write_at(d, fd, STR("a"), 0), 1);
    assert_int_equal(write_at(d, fd, STR("a"), 0), -ENOSPC);
    assert_int_equal(d->fdatasync(d, fd), 0);
    disk_failing_at(&failing, 1, EIO, true);
    assert_int_equal(d->fdatasync(d, fd), -EIO);
    assert_int_equal(d->size(d, fd), -EIO);
    assert_int_equal(d->close(d, fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_disk_in_memory_answers_as_a_disk_does),
        cmocka_unit_test(a_disk_fails_when_told_and_heals),
        cmocka_unit_test(a_cut_keeps_what_was_synced_and_may_drop_the_rest),
        cmocka_unit_test(a_failed_sync_gives_up_what_was_unsynced),
        cmocka_unit_test(a_killed_process_leaves_the_page_cache_and_what_it_never_synced_unsynced),
        cmocka_unit_test(a_torn_write_is_old_new_or_both_by_sector_and_the_seed_repeats_it),
        cmocka_unit_test(a_name_without_its_directory_is_gone_and_a_restart_goes_on),
        cmocka_unit_test(the_real_disk_fails_at_the_chosen_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

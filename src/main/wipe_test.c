#include "main/wipe.h"

#include "testing/disk_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIR "/data"

static const char *const folders[] = { DIR, DIR "/keys", DIR "/spool", DIR "/spool/log",
                                       DIR "/objects", DIR "/objects/b", DIR "/functions" };
static const char *const kept[] = { DIR "/lock", DIR "/keys/root", DIR "/root-credentials" };
static const char *const users[] = { DIR "/spool/log/00000000",   DIR "/objects/b/k",
                                     DIR "/objects/index.sqlite", DIR "/state.sqlite",
                                     DIR "/state.sqlite-wal",     DIR "/queues.sqlite" };
#define FOR_EACH(i, list) for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)

static void make(struct disk *disk, const char *path)
{
    int fd = disk->open(disk, path, O_RDWR | O_CREAT, 0600);
    struct iovec part = { "x", 1 };
    assert_true(fd >= 0);
    assert_int_equal(disk->pwritev(disk, fd, &part, 1, 0), 1);
    assert_int_equal(disk->syncfs(disk, fd), 0);
    disk->close(disk, fd);
}

static struct disk_sim *full_directory(void)
{
    struct disk_sim *sim = disk_sim_new();
    struct disk *disk = disk_sim_disk(sim);
    FOR_EACH (i, folders)
        assert_int_equal(disk->make_directory(disk, folders[i], 0700), 0);
    FOR_EACH (i, users)
        make(disk, users[i]);
    FOR_EACH (i, kept)
        make(disk, kept[i]);
    return sim;
}

static bool is_there(struct disk_sim *sim, const char *path, struct arena *a)
{
    return !str_is_none(disk_sim_bytes(sim, path, a));
}

static size_t users_left(struct disk_sim *sim)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    size_t left = 0;
    FOR_EACH (i, users)
        left += is_there(sim, users[i], a);
    FOR_EACH (i, kept)
        assert_true(is_there(sim, kept[i], a));
    return left;
}
enum { ALL = sizeof users / sizeof users[0] };

static void without_a_mark_nothing_goes(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct disk_sim *sim = full_directory();
    bool wiped;
    (void)unused;
    assert_null(wipe_finish(STR(DIR), disk_sim_disk(sim), a, &wiped));
    assert_false(wiped);
    assert_int_equal(users_left(sim), ALL);
    disk_sim_free(sim);
}

static void with_it_all_goes_that_users_made(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct disk_sim *sim = full_directory();
    bool wiped;
    (void)unused;
    assert_null(wipe_mark(STR(DIR), disk_sim_disk(sim), a));
    assert_int_equal(users_left(sim), ALL);
    assert_null(wipe_finish(STR(DIR), disk_sim_disk(sim), a, &wiped));
    assert_true(wiped);
    assert_int_equal(users_left(sim), 0);
    assert_null(wipe_finish(STR(DIR), disk_sim_disk(sim), a, &wiped));
    assert_false(wiped);
    disk_sim_free(sim);
}

/* Whatever the power leaves: before the mark was made nothing is missing; afterwards the next start ends
 * with nothing; and once wipe_finish has returned, what comes then is never wiped. */
static void a_power_cut_leaves_all_or_nothing(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct disk_sim *sim = full_directory();
    struct disk *disk = disk_sim_disk(sim);
    bool wiped;
    (void)unused;
    const uint64_t before = disk_sim_steps(sim);
    assert_null(wipe_mark(STR(DIR), disk, a));
    const uint64_t marked = disk_sim_steps(sim);
    assert_null(wipe_finish(STR(DIR), disk, a, &wiped));
    const uint64_t finished = disk_sim_steps(sim);
    make(disk, users[ALL - 1]);
    for (uint64_t steps = before; steps <= disk_sim_steps(sim); steps++) {
        for (unsigned seed = 0; seed < 24; seed++) {
            enum disk_cut cut = seed == 0 ? DISK_CUT_DROP : seed == 1 ? DISK_CUT_KEEP : DISK_CUT_TEAR;
            struct disk_sim *after = disk_sim_after_cut(sim, steps, cut, seed);
            const size_t found = users_left(after);
            assert_null(wipe_finish(STR(DIR), disk_sim_disk(after), a, &wiped));
            if (steps < marked)
                assert_true(wiped ? users_left(after) == 0 : users_left(after) == ALL);
            else if (steps < finished)
                assert_int_equal(users_left(after), 0);
            else
                assert_false(wiped);
            if (steps == disk_sim_steps(sim))
                assert_int_equal(found, 1);
            disk_sim_free(after);
        }
    }
    disk_sim_free(sim);
}

/* A call that fails is told; the mark is then still there, or nothing was ever marked. */
static void a_failing_disk_is_told_and_the_next_start_finishes(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    bool done = false;
    (void)unused;
    for (uint64_t n = 1; !done; n++) {
        struct disk_sim *sim = full_directory();
        struct disk *disk = disk_sim_disk(sim);
        bool wiped = false;
        const uint64_t calls = disk_sim_calls(sim);
        disk_sim_fail(sim, calls + n, EIO);
        const struct fault *marking = wipe_mark(STR(DIR), disk, a);
        const struct fault *f = marking ? marking : wipe_finish(STR(DIR), disk, a, &wiped);
        done = disk_sim_calls(sim) < calls + n;
        assert_true(done ? !f : f || wiped);
        disk_sim_heal(sim);
        assert_null(wipe_finish(STR(DIR), disk, a, &wiped));
        assert_int_equal(users_left(sim), marking ? ALL : 0);
        disk_sim_free(sim);
    }
}

static void a_folder_that_is_not_sesames_alone_is_named(void **unused)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct disk_sim *sim = full_directory();
    struct disk *disk = disk_sim_disk(sim);
    (void)unused;
    make(disk, DIR "/ready.json.new");
    assert_null(wipe_check(STR(DIR), disk, a));
    make(disk, DIR "/package.json");
    const struct fault *f = wipe_check(STR(DIR), disk, a);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_CONFLICT);
    assert_true(str_find_str(f->says, STR("package.json")) < f->says.len);
    disk_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_mark_nothing_goes),
        cmocka_unit_test(with_it_all_goes_that_users_made),
        cmocka_unit_test(a_power_cut_leaves_all_or_nothing),
        cmocka_unit_test(a_failing_disk_is_told_and_the_next_start_finishes),
        cmocka_unit_test(a_folder_that_is_not_sesames_alone_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

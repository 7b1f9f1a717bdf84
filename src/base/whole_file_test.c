/* A small file is there whole or as it was. */
#include "base/whole_file.h"

#include "base/arena.h"
#include "testing/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void holds(const char *path, const char *wanted, unsigned mode)
{
    char got[64] = "";
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof got - 1), (ssize_t)strlen(wanted));
    assert_string_equal(got, wanted);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
    close(fd);
}

static void it_is_written_and_replaced(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 16);
    char path[512], fresh[512];
    temp_dir_path(&dir, "name", path), temp_dir_path(&dir, "name.new", fresh);
    assert_null(
        whole_file_write(arena, str_of(dir.path), "name", STR("one, and long"), 0644, true));
    holds(path, "one, and long", 0644);
    int left = open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0666); /* by a stop in between */
    assert_int_equal(write(left, "half of something longer", 24), 24);
    close(left);
    assert_null(whole_file_write(arena, str_of(dir.path), "name", STR("two"), 0600, false));
    holds(path, "two", 0600);
    assert_int_equal(access(fresh, F_OK), -1);
}

static void what_fails_leaves_what_stood(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 16);
    char path[512], fresh[512];
    str here = str_of(dir.path), nowhere = arena_strf(arena, "%s/absent", dir.path);
    assert_int_equal(whole_file_write(arena, nowhere, "name", STR("x"), 0600, true)->kind,
                     FAULT_ABSENT);
    temp_dir_path(&dir, "name", path), temp_dir_path(&dir, "name.new", fresh);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing is renamed onto a directory */
    assert_int_equal(whole_file_write(arena, here, "name", STR("x"), 0600, true)->kind,
                     FAULT_UNAVAILABLE);
    assert_int_equal(access(fresh, F_OK), -1);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_written_and_replaced),
        cmocka_unit_test(what_fails_leaves_what_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

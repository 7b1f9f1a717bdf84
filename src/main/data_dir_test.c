#include "main/data_dir.h"

#include "testing/entropy.h"
#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static unsigned mode_of(struct arena *a, str path)
{
    struct stat found;
    assert_int_equal(stat(arena_cstr(a, path), &found), 0);
    return found.st_mode & 0777;
}

static void a_directory_is_made_with_its_parents_and_held_by_one(void **state)
{
    (void)state;
    AUTO_TEMP_DIR folder = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    str path = arena_strf(a, "%s/some/where", folder.path);
    struct data_dir dir, second;
    assert_null(data_dir_open(path, 0, a, &dir));
    assert_true(str_eq(dir.path, path));
    assert_int_equal(mode_of(a, path), 0700);
    const struct fault *f = data_dir_open(path, 0, a, &second);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_CONFLICT);
    assert_true(str_find_str(f->says, path) < f->says.len);
    data_dir_close(&dir);
    assert_null(data_dir_open(path, 0, a, &second));
    data_dir_close(&second);
}

static void a_lock_that_was_handed_over_is_held_on(void **state)
{
    (void)state;
    AUTO_TEMP_DIR folder = temp_dir_make(), elsewhere = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct data_dir dir, again, other;
    assert_null(data_dir_open(str_of(folder.path), 0, a, &dir));
    int lock = dup(dir.lock);
    data_dir_close(&dir); /* as an exec does: the lock belongs to both */
    assert_non_null(data_dir_open(str_of(folder.path), 0, a, &other));
    const struct fault *f = data_dir_open(str_of(elsewhere.path), lock, a, &other);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_CONFLICT);
    assert_null(data_dir_open(str_of(folder.path), lock, a, &again));
    assert_int_equal(again.lock, lock);
    data_dir_close(&again);
    assert_null(data_dir_open(str_of(folder.path), 0, a, &other));
    data_dir_close(&other);
}

static void secrets_are_made_once_and_readable_by_their_owner_only(void **state)
{
    (void)state;
    AUTO_TEMP_DIR folder = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct seeded_entropy entropy = seeded_entropy(3);
    struct data_dir dir;
    str id, secret, id_again, secret_again;
    assert_null(data_dir_open(str_of(folder.path), 0, a, &dir));
    assert_null(data_dir_root_credentials(&dir, &entropy.entropy, a, &id, &secret));
    assert_int_equal(id.len, 20);
    assert_int_equal(secret.len, 40);
    assert_int_equal(mode_of(a, data_dir_at(&dir, a, "root-credentials")), 0600);
    assert_null(data_dir_root_credentials(&dir, &entropy.entropy, a, &id_again, &secret_again));
    assert_true(str_eq(id, id_again));
    assert_true(str_eq(secret, secret_again));
    data_dir_close(&dir);
}

static void a_damaged_secret_is_never_replaced_in_silence(void **state)
{
    (void)state;
    AUTO_TEMP_DIR folder = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct seeded_entropy entropy = seeded_entropy(3);
    struct data_dir dir;
    str id, secret;
    assert_null(data_dir_open(str_of(folder.path), 0, a, &dir));
    FILE *file = fopen(arena_cstr(a, data_dir_at(&dir, a, "root-credentials")), "w");
    fputs("[default]\naws_access_key_id = A\n", file);
    fclose(file);
    assert_non_null(data_dir_root_credentials(&dir, &entropy.entropy, a, &id, &secret));
    data_dir_close(&dir);
}

static void the_ready_line_of_a_killed_server_means_nothing(void **state)
{
    (void)state;
    AUTO_TEMP_DIR folder = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct data_dir dir;
    str line, path = str_of(folder.path);
    assert_non_null(data_dir_read_ready(path, a, &line));
    assert_null(data_dir_open(path, 0, a, &dir));
    assert_null(data_dir_put_ready(&dir, a, STR("{}\n")));
    assert_null(data_dir_read_ready(path, a, &line));
    assert_true(str_eq(line, STR("{}\n")));
    data_dir_close(&dir); /* as when the process dies: the lock goes, the file stays */
    const struct fault *f = data_dir_read_ready(path, a, &line);
    assert_non_null(f);
    assert_int_equal(f->kind, FAULT_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_made_with_its_parents_and_held_by_one),
        cmocka_unit_test(a_lock_that_was_handed_over_is_held_on),
        cmocka_unit_test(secrets_are_made_once_and_readable_by_their_owner_only),
        cmocka_unit_test(a_damaged_secret_is_never_replaced_in_silence),
        cmocka_unit_test(the_ready_line_of_a_killed_server_means_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

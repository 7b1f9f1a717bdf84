/* Where the root key may come from, and who must not be able to read it. */
#include "main/root_key_file.h"

#include "testing/entropy.h"
#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    struct temp_dir folder;
    struct arena *arena;
    struct seeded_entropy entropy;
    struct root_key key;
    struct root_key_file file;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->folder = temp_dir_make();
    f->arena = arena_new(1 << 20);
    f->entropy = seeded_entropy(3);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    temp_dir_remove(&f->folder);
    free(f);
    return 0;
}

static const char *put(struct fixture *f, const char *name, size_t octets, unsigned mode)
{
    const char *path = arena_strf(f->arena, "%s/%s", f->folder.path, name).ptr;
    FILE *file = fopen(path, "w");
    for (size_t i = 0; i < octets; i++)
        fputc('k', file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static const struct fault *outside(struct fixture *f, const char *named, const char *credentials)
{
    return root_key_file_outside(str_of(named), credentials, &f->entropy.entropy, f->arena, &f->key,
                                 &f->file);
}

static void it_is_made_once_in_the_data_directory(void **state)
{
    struct fixture *f = *state;
    struct root_key again;
    struct stat found;
    const str data = str_of(f->folder.path);
    assert_null(root_key_file_inside(data, &f->entropy.entropy, f->arena, &f->key, &f->file));
    assert_true(f->file.made);
    assert_int_equal(stat(f->file.path.ptr, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_null(root_key_file_inside(data, &f->entropy.entropy, f->arena, &again, &f->file));
    assert_false(f->file.made);
    assert_memory_equal(&again, &f->key, sizeof again);
    root_key_file_take_back(&f->file, f->arena); /* not made now: it stays */
    assert_int_equal(stat(f->file.path.ptr, &found), 0);
}

static void a_named_file_is_read_or_made_where_it_is_named(void **state)
{
    struct fixture *f = *state;
    const char *path = put(f, "key", 32, 0600);
    assert_null(outside(f, path, NULL));
    assert_memory_equal(f->key.octets, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", 32);
    assert_int_equal(unlink(path), 0);
    assert_null(outside(f, path, NULL));
    assert_true(f->file.made);
    root_key_file_take_back(&f->file, f->arena);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_credential_is_taken_before_the_data_directory_and_after_a_name(void **state)
{
    struct fixture *f = *state;
    assert_null(outside(f, NULL, f->folder.path));
    assert_true(str_is_none(f->file.path)); /* other credentials may lie there */
    put(f, "sesame-root-key", 32, 0440);    /* as systemd makes it */
    assert_null(outside(f, NULL, f->folder.path));
    assert_true(str_ends(f->file.path, STR("/sesame-root-key")));
    assert_null(outside(f, put(f, "key", 32, 0400), f->folder.path));
    assert_true(str_ends(f->file.path, STR("/key")));
}

static void what_others_can_read_or_is_no_key_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        size_t octets;
        unsigned mode;
        enum fault_kind wants;
    } cases[] = {
        { "group", 32, 0640, FAULT_DENIED },   { "all", 32, 0604, FAULT_DENIED },
        { "written", 32, 0620, FAULT_DENIED }, { "short", 31, 0600, FAULT_SYNTAX },
        { "long", 33, 0600, FAULT_SYNTAX },    { "empty", 0, 0600, FAULT_SYNTAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct fault *why =
            outside(f, put(f, cases[i].name, cases[i].octets, cases[i].mode), NULL);
        assert_non_null(why);
        assert_int_equal(why->kind, cases[i].wants);
    }
    put(f, "sesame-root-key", 32, 0444);
    assert_non_null(outside(f, NULL, f->folder.path));
    assert_non_null(outside(f, f->folder.path, NULL)); /* a directory */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(it_is_made_once_in_the_data_directory),
        CASE(a_named_file_is_read_or_made_where_it_is_named),
        CASE(a_credential_is_taken_before_the_data_directory_and_after_a_name),
        CASE(what_others_can_read_or_is_no_key_is_refused),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}

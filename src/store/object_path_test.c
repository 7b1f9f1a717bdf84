/* Keys and the file names they get. */
#include "store/object_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct path_case {
    const char *says;
    str key;
    const char *path;
};
/* clang-format off */
static const struct path_case paths[] = {
    { "a plain name stays",                STR_INIT("7f3a"),              "7f3a" },
    { "slashes make folders",              STR_INIT("in/2026/7f3a"),      "in/2026/7f3a" },
    { "blanks and letters of the world",   STR_INIT("a b/\xc3\xa4.eml"),  "a b/\xc3\xa4.eml" },
    { "a percent sign",                    STR_INIT("50%"),               "50%25" },
    { "what looks like an escape is none", STR_INIT("a%2F"),              "a%252F" },
    { "what looks like a mark is none",    STR_INIT("a%v2"),              "a%25v2" },
    { "here",                              STR_INIT("a/./b"),             "a/%2E/b" },
    { "up",                                STR_INIT("../../etc/passwd"),  "%2E./%2E./etc/passwd" },
    { "three dots are a name",             STR_INIT("..."),               "..." },
    { "an empty segment",                  STR_INIT("a//b"),              "a/%/b" },
    { "a slash in front",                  STR_INIT("/a"),                "%/a" },
    { "a slash at the end",                STR_INIT("a/"),                "a/%" },
    { "nothing but a slash",               STR_INIT("/"),                 "%/%" },
    { "NUL and newline",                   STR_INIT("a\0b\n"),            "a%00b%0A" },
};
/* clang-format on */

static void a_key_is_its_own_path_where_it_can_be(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        str path = object_path(paths[i].key, arena), key;
        if (!str_eq(path, str_of(paths[i].path)))
            fail_msg("%s: the path is " STR_FMT, paths[i].says, STR_ARG(path));
        if (!object_path_key(path, arena, &key) || !str_eq(key, paths[i].key))
            fail_msg("%s: the path does not read back", paths[i].says);
    }
    arena_free(arena);
}

static void no_component_is_longer_than_a_name_may_be(void **state)
{
    (void)state;
    struct arena *arena = arena_new(8 << 20);
    static const char fills[] = { 'x', '%', '.', '\x01' };
    for (size_t f = 0; f < sizeof fills; f++) {
        for (size_t len = 200; len <= 1024; len++) {
            char bytes[1024];
            memset(bytes, fills[f], sizeof bytes);
            str key = { bytes, len }, back, name, rest = object_path(key, arena);
            assert_true(object_path_key(rest, arena, &back) && str_eq(back, key));
            for (bool more = true; more;) {
                more = str_cut(rest, '/', &name, &rest);
                assert_true(name.len > 0 && name.len <= 243);
                assert_false(str_eq(name, STR(".")) || str_eq(name, STR("..")));
            }
            if (len % 32 == 0)
                arena_reset(arena);
        }
    }
    arena_free(arena);
}

static void marks_do_not_change_the_key(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    str key, path = object_path(STR("a/b%/c"), arena);
    str beside = object_path_beside_file(path, 1, arena);
    assert_true(str_eq(beside, STR("a%_/b%25/c")));
    str both = object_path_beside_file(beside, 8, arena);
    assert_true(str_eq(both, STR("a%_/b%25%_/c")));
    str third = object_path_variant(both, 3, arena);
    assert_true(str_eq(third, STR("a%_/b%25%_/c%v3")));
    assert_true(str_eq(object_path_variant(path, 1, arena), path));
    assert_true(object_path_key(third, arena, &key) && str_eq(key, STR("a/b%/c")));
    assert_true(object_path_key(STR("a/%%v2"), arena, &key) && str_eq(key, STR("a/")));
    assert_true(object_path_key(STR("%%_/b"), arena, &key) && str_eq(key, STR("/b")));
    arena_free(arena);
}

static void what_we_never_write_is_no_path(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    static const char *const strangers[] = { "a//b", "/a",     "a/",  "a%2",  "a%zz", "%%",
                                             "a%_",  "a%v2/b", "a%-", "%_/a", "",     "a%" };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        str key;
        if (object_path_key(str_of(strangers[i]), arena, &key))
            fail_msg("%s reads as " STR_FMT, strangers[i], STR_ARG(key));
    }
    arena_free(arena);
}

static void a_bucket_is_one_folder_and_never_a_file_of_the_index(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    static const struct path_case buckets[] = {
        { "usual", STR_INIT("demo-mail"), "demo-mail" },
        { "the index", STR_INIT("index.sqlite"), "%69ndex.sqlite" },
        { "its log", STR_INIT("index.sqlite-wal"), "%69ndex.sqlite-wal" },
        { "up", STR_INIT(".."), "%2E." },
        { "a path", STR_INIT("../a/"), "..%2Fa%2F" },
        { "nothing", STR_INIT(""), "%" },
    };
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++) {
        str folder = object_path_bucket(buckets[i].key, arena), back;
        if (!str_eq(folder, str_of(buckets[i].path)))
            fail_msg("%s: the folder is " STR_FMT, buckets[i].says, STR_ARG(folder));
        assert_true(object_path_key(folder, arena, &back) && str_eq(back, buckets[i].key));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_its_own_path_where_it_can_be),
        cmocka_unit_test(no_component_is_longer_than_a_name_may_be),
        cmocka_unit_test(marks_do_not_change_the_key),
        cmocka_unit_test(what_we_never_write_is_no_path),
        cmocka_unit_test(a_bucket_is_one_folder_and_never_a_file_of_the_index),
    };
    return cmocka_run_group_tests_name("object paths", tests, NULL, NULL);
}

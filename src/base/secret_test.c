/* Where keys live: not in core dumps, and not behind the work that used them. */
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The VmFlags of the mapping at this address, as Linux tells them. */
static bool has_flag(const void *at, const char *flag)
{
    char line[512], wanted[8];
    bool inside = false, found = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    snprintf(wanted, sizeof wanted, " %s", flag);
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)at >= from && (unsigned long)at < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, wanted) != NULL;
    }
    fclose(maps);
    return found;
}

static void a_secret_lies_in_pages_that_no_core_dump_shows(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4096);
    unsigned char *secret = secret_new(arena, 5000);
    assert_non_null(secret);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(secret[i], 0);
    memset(secret, 1, 5000);
    assert_true(has_flag(secret, "dd")); /* proc(5): do not include area into core dump */
    assert_false(has_flag(&arena, "dd"));
}

static void a_secret_without_memory_is_none(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(8);
    assert_null(secret_new(arena, 32));
}

static void an_arena_that_wipes_leaves_nothing_behind(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4096);
    for (int wipes = 0; wipes < 2; wipes++) {
        char *text = (char *)(uintptr_t)arena_str(arena, STR("a secret")).ptr;
        if (wipes)
            arena_wipes(arena);
        arena_reset(arena); /* the first block stays the arena's own */
        assert_int_equal(memcmp(text, "a secret", 8) == 0, !wipes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_lies_in_pages_that_no_core_dump_shows),
        cmocka_unit_test(a_secret_without_memory_is_none),
        cmocka_unit_test(an_arena_that_wipes_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The engine and the oracle, which share no line, on the vectors and on cases drawn at random.
 *
 * A difference prints the case, made small, as a line of vectors. */
#include "policy/oracle_compare.h"
#include "policy/oracle_draw.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { DRAWN = 20000 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { DRAWN = 20000 };
#else
enum { DRAWN = 100000 };
#endif
#else
enum { DRAWN = 100000 };
#endif
enum { ARENA_MAX = 64 << 20, SEED = 20261123, MEASURED = DRAWN / 5 };

static unsigned check_step(const json_t *vector, const json_t *step, struct arena *arena)
{
    const char *verdict;
    const str wrong = oracle_expected(step, arena);
    struct oracle_sight sight = { .blind = SEEN_ALL };
    const str differs = oracle_compare(step, &sight, arena, &verdict);
    if (str_is_none(wrong) && str_is_none(differs))
        return 0;
    print_error("%s: " STR_FMT " " STR_FMT "\n", json_string_value(json_object_get(vector, "id")),
                STR_ARG(wrong), STR_ARG(differs));
    return 1;
}

static unsigned check_file(const char *path, unsigned *steps_done, struct arena *arena)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0;
    unsigned failed = 0;
    while (getline(&line, &room, file) > 0) {
        json_t *vector = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const json_t *steps = json_object_get(vector, "steps");
        assert_non_null(vector);
        for (size_t i = 0; i < json_array_size(steps); i++, ++*steps_done)
            failed += check_step(vector, json_array_get(steps, i), arena);
        if (!steps && json_object_get(vector, "request")) {
            ++*steps_done;
            failed += check_step(vector, vector, arena);
        }
        json_decref(vector);
        arena_reset(arena);
    }
    free(line);
    fclose(file);
    return failed;
}

static void the_oracle_answers_every_vector_as_it_should(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    DIR *dir = opendir(VECTORS);
    assert_non_null(dir);
    unsigned failed = 0, steps = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        if (!str_ends(str_of(entry->d_name), STR(".jsonl")))
            continue;
        snprintf(path, sizeof(path), VECTORS "/%s", entry->d_name);
        failed += check_file(path, &steps, arena);
    }
    closedir(dir);
    assert_true(steps > 6000);
    assert_int_equal(failed, 0);
}

static void engine_and_oracle_agree_on_drawn_cases(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    unsigned failed = 0, allowed = 0, denied = 0;
    for (uint64_t i = 0; i < DRAWN && failed < 10; i++) {
        json_t *step = oracle_draw(SEED, i);
        const char *verdict;
        struct oracle_sight sight = { .blind = SEEN_ALL };
        const str differs = oracle_compare(step, &sight, arena, &verdict);
        allowed += strcmp(verdict, "Allow") == 0;
        denied += strcmp(verdict, "ExplicitDeny") == 0;
        if (!str_is_none(differs)) {
            print_error(STR_FMT "\n", STR_ARG(differs));
            oracle_shrink(step, arena);
            char *line = json_dumps(step, JSON_COMPACT);
            print_error("%s\n", line);
            free(line);
            failed++;
        }
        json_decref(step);
        arena_reset(arena);
    }
    assert_int_equal(failed, 0);
    assert_true(allowed > DRAWN / 5 && denied > DRAWN / 10); /* the draw is no heap of misses */
}

/* Every part of the language that the oracle knows is met, and decides. */
static void the_draw_tries_all_of_the_language(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    unsigned met[ORACLE_FEATURE_COUNT] = { 0 }, decisive[ORACLE_FEATURE_COUNT] = { 0 };
    for (uint64_t i = 0; i < MEASURED; i++) {
        json_t *step = oracle_draw(SEED, i);
        oracle_measure(step, met, decisive, arena);
        json_decref(step);
        arena_reset(arena);
    }
    for (int f = 0; f < ORACLE_FEATURE_COUNT; f++) {
        if (met[f] < MEASURED / 200 || decisive[f] < MEASURED / 2000)
            fail_msg("%s: met %u times, decisive %u times, of %d", oracle_feature_names[f], met[f],
                     decisive[f], MEASURED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oracle_answers_every_vector_as_it_should),
        cmocka_unit_test(engine_and_oracle_agree_on_drawn_cases),
        cmocka_unit_test(the_draw_tries_all_of_the_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The nightly proof: draws cases and puts each to the engine, fast and traced, and to the oracle.
 * Ends with "N passed, N failed"; a case on which they differ is made small and printed as a line
 * of vectors.
 *
 *   policy_oracle [CASES [SEED [FIRST]]]     default: one million, and a seed from the clock
 *   policy_oracle spread [CASES [SEED]]      how often each part of the language is met, and
 * decides */
#include "policy/oracle_compare.h"
#include "policy/oracle_draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHOWN = 20, ARENA_MAX = 64 << 20 };

struct count {
    uint64_t allowed, explicitly_denied, implicitly_denied, failed;
};

static void show(json_t *step, str differs, struct arena *arena)
{
    printf(STR_FMT "\n", STR_ARG(differs));
    if (!str_starts(differs, STR(ORACLE_NOT_READ)))
        oracle_shrink(step, arena);
    char *line = json_dumps(step, JSON_COMPACT);
    printf("%s\n", line);
    free(line);
}

static void compare(uint64_t seed, uint64_t number, struct arena *arena, struct count *count)
{
    json_t *step = oracle_draw(seed, number);
    struct oracle_sight sight = { .blind = SEEN_ALL };
    const char *verdict;
    const str differs = oracle_compare(step, &sight, arena, &verdict);
    count->allowed += strcmp(verdict, "Allow") == 0;
    count->explicitly_denied += strcmp(verdict, "ExplicitDeny") == 0;
    count->implicitly_denied += strcmp(verdict, "ImplicitDeny") == 0;
    if (!str_is_none(differs) && count->failed++ < SHOWN)
        show(step, differs, arena);
    json_decref(step);
    arena_reset(arena);
}

static void spread(uint64_t seed, uint64_t cases, struct arena *arena)
{
    unsigned met[ORACLE_FEATURE_COUNT] = { 0 }, decisive[ORACLE_FEATURE_COUNT] = { 0 };
    for (uint64_t i = 0; i < cases; i++) {
        json_t *step = oracle_draw(seed, i);
        oracle_measure(step, met, decisive, arena);
        json_decref(step);
        arena_reset(arena);
    }
    printf("%-38s %9s %9s\n", "", "met", "decisive");
    for (int f = 0; f < ORACLE_FEATURE_COUNT; f++)
        printf("%-38s %8.2f%% %8.2f%%\n", oracle_feature_names[f], 100.0 * met[f] / (double)cases,
               100.0 * decisive[f] / (double)cases);
}

int main(int argc, char **argv)
{
    const bool spreads = argc > 1 && strcmp(argv[1], "spread") == 0;
    argc -= spreads;
    argv += spreads;
    const uint64_t cases = argc > 1 ? strtoull(argv[1], NULL, 10) : spreads ? 20000 : 1000000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    const uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    if (!arena || cases == 0) {
        fprintf(stderr, "policy_oracle [spread] [CASES [SEED [FIRST]]]\n");
        return EXIT_FAILURE;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    if (spreads) {
        spread(seed, cases, arena);
        return EXIT_SUCCESS;
    }
    struct count count = { 0 };
    for (uint64_t i = 0; i < cases; i++)
        compare(seed, first + i, arena, &count);
    printf("%llu Allow, %llu ExplicitDeny, %llu ImplicitDeny\n", (unsigned long long)count.allowed,
           (unsigned long long)count.explicitly_denied,
           (unsigned long long)count.implicitly_denied);
    printf("%llu passed, %llu failed\n", (unsigned long long)(cases - count.failed),
           (unsigned long long)count.failed);
    return count.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

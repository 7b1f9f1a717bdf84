/* The nightly proof: draws cases and puts each to the engine, fast and traced, and to the oracle.
 * Ends with "N passed, N failed"; a case on which they differ is printed as a line of vectors.
 *
 *   policy_oracle [CASES [SEED]]     default: one million, and a seed from the clock */
#include "policy/oracle_compare.h"
#include "policy/oracle_draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHOWN = 20, ARENA_MAX = 64 << 20 };

int main(int argc, char **argv)
{
    const uint64_t cases = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    uint64_t failed = 0, verdicts[3] = { 0 };
    struct arena *arena = arena_new(ARENA_MAX);
    if (!arena || cases == 0) {
        fprintf(stderr, "policy_oracle [CASES [SEED]]\n");
        return EXIT_FAILURE;
    }
    for (uint64_t i = 0; i < cases; i++) {
        json_t *step = oracle_draw(seed, i);
        const char *verdict;
        const str differs = oracle_compare(step, arena, &verdict);
        verdicts[*verdict == 'A' ? 0 : *verdict == 'E' ? 1 : 2]++;
        if (!str_is_none(differs) && failed++ < SHOWN) {
            char *line = json_dumps(step, JSON_COMPACT);
            printf(STR_FMT "\n%s\n", STR_ARG(differs), line);
            free(line);
        }
        json_decref(step);
        arena_reset(arena);
    }
    arena_free(arena);
    printf("seed %llu: %llu Allow, %llu ExplicitDeny, %llu ImplicitDeny\n",
           (unsigned long long)seed, (unsigned long long)verdicts[0],
           (unsigned long long)verdicts[1], (unsigned long long)verdicts[2]);
    printf("%llu passed, %llu failed\n", (unsigned long long)(cases - failed),
           (unsigned long long)failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

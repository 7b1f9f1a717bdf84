/* The engine and the oracle, which share no line, on the vectors and on cases drawn at random.
 *
 * A difference prints the case as a line of vectors; its id holds seed and number, and
 * `SEED=... script/fuzz 1 oracle` draws the same ones again. */
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
enum { ARENA_MAX = 64 << 20, SEED = 20261123 };

static unsigned check_step(const json_t *vector, const json_t *step, struct arena *arena)
{
    const char *verdict;
    const str wrong = oracle_expected(step, arena);
    const str differs = oracle_compare(step, arena, &verdict);
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
        const str differs = oracle_compare(step, arena, &verdict);
        allowed += strcmp(verdict, "Allow") == 0;
        denied += strcmp(verdict, "ExplicitDeny") == 0;
        if (!str_is_none(differs)) {
            char *line = json_dumps(step, JSON_COMPACT);
            print_error(STR_FMT "\n%s\n", STR_ARG(differs), line);
            free(line);
            failed++;
        }
        json_decref(step);
        arena_reset(arena);
    }
    assert_int_equal(failed, 0);
    assert_true(allowed > DRAWN / 10 && denied > DRAWN / 20); /* the draw is no heap of misses */
}

/* ---- what the draw reaches ---- */

/* Each by what stands in a statement that uses it. */
static const char *const features[] = {
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "\"Bool\"",
    "\"Null\"",
    "BinaryEquals",
    "\"IpAddress\"",
    "\"NotIpAddress\"",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "IfExists\"",
    "ForAnyValue:",
    "ForAllValues:",
    "NotPrincipal",
    "NotAction",
    "NotResource",
    "${",
    "'}",
    "${*}",
    "${?}",
    "${$}",
    "\"Service\"",
    "\"AWS\"",
    "\"Federated\"",
    "\"CanonicalUser\"",
    "\"Principal\":\"*\"",
    "2008-10-17",
    "\"Deny\"",
};
enum { FEATURES = sizeof(features) / sizeof(*features), LEAST = 20 };

struct tally_of {
    unsigned applies[FEATURES + ORACLE_KINDS], not [FEATURES + ORACLE_KINDS];
    const struct oracle_answer *answer;
    size_t at;
    int kind;
};

static void tally_statement(struct tally_of *t, const json_t *document, const json_t *statement)
{
    char *text = json_dumps(statement, JSON_COMPACT);
    const char *version = json_string_value(json_object_get(document, "Version"));
    const bool applies = t->answer->statements[t->at++].applies;
    unsigned *const count = applies ? t->applies : t->not ;
    for (int f = 0; f < FEATURES; f++)
        count[f] += strstr(text, features[f]) || (version && strcmp(version, features[f]) == 0);
    count[FEATURES + t->kind]++;
    free(text);
}

static void tally_document(void *context, const json_t *document, unsigned level)
{
    (void)level;
    const json_t *statements = json_object_get(document, "Statement");
    for (size_t i = 0; i < json_array_size(statements); i++)
        tally_statement(context, document, json_array_get(statements, i));
    if (json_is_object(statements))
        tally_statement(context, document, statements);
}

static void no_part_of_the_language_is_starved(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    static struct tally_of tally;
    for (uint64_t i = 0; i < DRAWN / 5; i++) {
        json_t *step = oracle_draw(SEED, i);
        struct oracle_answer *answer = ARENA_NEW(arena, struct oracle_answer);
        oracle_answer(step, arena, answer);
        tally.answer = answer;
        tally.at = 0;
        for (tally.kind = 0; tally.kind < ORACLE_KINDS; tally.kind++)
            oracle_documents(json_object_get(step, "policies"), oracle_kinds[tally.kind],
                             tally_document, &tally);
        assert_int_equal(tally.at, answer->count);
        json_decref(step);
        arena_reset(arena);
    }
    for (int f = 0; f < FEATURES + ORACLE_KINDS; f++) {
        if (tally.applies[f] < LEAST || tally.not [f] < LEAST)
            print_error("%s: %u statements apply, %u do not\n",
                        f < FEATURES ? features[f] : oracle_kinds[f - FEATURES], tally.applies[f],
                        tally.not [f]);
    }
    for (int f = 0; f < FEATURES + ORACLE_KINDS; f++)
        assert_true(tally.applies[f] >= LEAST && tally.not [f] >= LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_part_of_the_language_is_starved),
        cmocka_unit_test(the_oracle_answers_every_vector_as_it_should),
        cmocka_unit_test(engine_and_oracle_agree_on_drawn_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

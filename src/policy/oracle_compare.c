#include "policy/oracle_compare.h"

#include "policy/match.h"
#include "policy/question.h"

#include <stdlib.h>

/* The engine's question, read as a user's would be. NULL: *ret_complaint says why not. */
static const struct question *question_of(const json_t *step, struct arena *arena,
                                          str *ret_complaint)
{
    char *json = json_dumps(step, JSON_COMPACT);
    const str text = arena_str(arena, str_of(json));
    free(json);
    const struct spans *root;
    struct question *question = NULL;
    const struct fault *fault = spans_parse(text, SPANS_STRICT, arena, &root);
    if (!fault) {
        const struct written request = { text, spans_get(root, STR("request")) };
        const struct written policies = { text, spans_get(root, STR("policies")) };
        fault = question_read(request, policies, arena, &question);
    }
    if (fault)
        *ret_complaint =
            arena_strf(arena, ORACLE_NOT_READ STR_FMT, STR_ARG(fault_sentence(fault, arena)));
    return question;
}

static const char *word_of(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_ALLOW:
        return "Allow";
    case VERDICT_EXPLICIT_DENY:
        return "ExplicitDeny";
    case VERDICT_IMPLICIT_DENY:
        return "ImplicitDeny";
    }
    return "?";
}

str oracle_compare(const json_t *step, struct oracle_sight *sight, struct arena *arena,
                   const char **ret_verdict)
{
    struct oracle_answer *answer = ARENA_NEW(arena, struct oracle_answer);
    oracle_answer(step, sight, arena, answer);
    *ret_verdict = answer->verdict;
    str complaint = STR_NONE;
    const struct question *q = question_of(step, arena, &complaint);
    if (!q)
        return complaint;
    uint32_t codes[ORACLE_STATEMENTS];
    struct trace trace = { .codes = codes, .room = ORACLE_STATEMENTS };
    const enum verdict plain = policy_decide(&q->request, q->exhibits, q->exhibit_count, NULL);
    const enum verdict traced = policy_decide(&q->request, q->exhibits, q->exhibit_count, &trace);
    if (plain != traced || strcmp(word_of(plain), answer->verdict) != 0)
        return arena_strf(arena, "the engine says %s, traced %s, the oracle %s", word_of(plain),
                          word_of(traced), answer->verdict);
    if (trace.used != answer->count)
        return arena_strf(arena, "the engine has %zu statements, the oracle %zu", trace.used,
                          answer->count);
    for (size_t i = 0; i < answer->count; i++) {
        if (trace_applies(codes[i]) != answer->statements[i].applies ||
            trace_denies(codes[i]) != answer->statements[i].denies)
            return arena_strf(arena,
                              "statement %zu: the engine says %s (element %d), the oracle %s", i,
                              trace_applies(codes[i]) ? "it applies" : "it does not apply",
                              trace_element(codes[i]),
                              answer->statements[i].applies ? "it applies" : "it does not");
    }
    const struct decision decision =
        policy_explain(&q->request, q->exhibits, q->exhibit_count, &trace, arena);
    if (decision.verdict != plain || (plain == VERDICT_IMPLICIT_DENY && decision.lack_count == 0))
        return arena_strf(arena, "decided as %s, explained as %s with %zu lacks", word_of(plain),
                          word_of(decision.verdict), decision.lack_count);
    return STR_NONE;
}

/* ---- beside a vector ---- */

struct walk {
    const json_t *matched;
    const struct oracle_answer *answer;
    const char *kind;
    size_t at, document, found;
    struct arena *arena;
    str complaint;
};

static bool listed(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
            return true;
    }
    return false;
}

static void check_document(void *context, const json_t *document, unsigned level)
{
    (void)level;
    struct walk *walk = context;
    const json_t *statements = json_object_get(document, "Statement");
    const size_t count = json_is_array(statements) ? json_array_size(statements) : statements != 0;
    const bool identity = strcmp(walk->kind, "identity") == 0;
    for (size_t s = 0; s < count; s++) {
        const struct oracle_statement *heard = &walk->answer->statements[walk->at++];
        const char *name = identity
                               ? arena_strf(walk->arena, "identity[%zu].%zu", walk->document, s).ptr
                               : arena_strf(walk->arena, "%s.%zu", walk->kind, s).ptr;
        const bool counts =
            identity || strcmp(walk->kind, "resource") == 0 || strcmp(walk->kind, "trust") == 0;
        if (!counts || !heard->applies)
            continue;
        walk->found++;
        if (!listed(json_object_get(walk->matched, heard->denies ? "deny" : "allow"), name))
            walk->complaint = arena_strf(walk->arena, "%s applies, which is not listed", name);
    }
    walk->document++;
}

str oracle_expected(const json_t *step, struct arena *arena)
{
    struct oracle_answer *answer = ARENA_NEW(arena, struct oracle_answer);
    struct oracle_sight sight = { .blind = SEEN_ALL };
    oracle_answer(step, &sight, arena, answer);
    const char *expect = json_string_value(json_object_get(step, "expect"));
    if (strcmp(expect, answer->verdict) != 0)
        return arena_strf(arena, "%s, wanted %s", answer->verdict, expect);
    struct walk walk = { .matched = json_object_get(step, "matched"),
                         .answer = answer,
                         .arena = arena };
    if (!walk.matched)
        return STR_NONE;
    for (int k = 0; k < ORACLE_KINDS; k++) {
        walk.kind = oracle_kinds[k];
        walk.document = 0;
        oracle_documents(json_object_get(step, "policies"), walk.kind, check_document, &walk);
    }
    const size_t wanted = json_array_size(json_object_get(walk.matched, "allow")) +
                          json_array_size(json_object_get(walk.matched, "deny"));
    if (str_is_none(walk.complaint) && walk.found != wanted)
        return arena_strf(arena, "%zu statements apply, wanted %zu", walk.found, wanted);
    return walk.complaint;
}

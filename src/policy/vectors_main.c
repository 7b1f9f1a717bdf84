/* Runs the permission vectors: every line of every *.jsonl of the folders named is a question and
 * its answer. Each is decided with and without a trace, which must agree; where the vector says
 * which statements apply, or what is to blame, that is compared too, and a remedy that is offered
 * must mend. Documents are validated, statements made and placed. Prints a table and the first
 * failures, and ends with "N passed, N failed"; a class that is not known fails.
 *
 *   policy_vectors DIR...
 *
 * Confidence B (no AWS text decides) is counted apart and fails nothing. */
#include "base/spans.h"
#include "policy/match.h"
#include "policy/mend_suite.h"
#include "policy/vectors_saved.h"
#include "policy/vectors_validate.h"

#include <fts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLASSES_MAX = 64, CODES_MAX = 4096, FAILURES_SHOWN = 5, ARENA_MAX = 256 << 20 };

struct score {
    char class[64];
    unsigned passed, failed, passed_b, failed_b;
    unsigned in_other_words; /* passed, with the right code and another message */
};
struct scores {
    struct score of[CLASSES_MAX];
    size_t count;
};

struct told { /* what was wrong, in words */
    char text[1024];
};

static void tell(struct told *told, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct told *told, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(told->text, sizeof(told->text), fmt, args);
    va_end(args);
}

static str member_text(const struct spans *object, const char *name)
{
    const struct spans *member = spans_get(object, str_of(name));
    return member ? member->text : STR_NONE;
}

static str source_of(str line, const struct spans *value)
{
    return (str) { line.ptr + value->from, value->to - value->from };
}

static bool question_from(struct question **ret_question, const struct spans *step, str line,
                          struct arena *arena, struct told *told)
{
    const struct written request = { line, spans_get(step, STR("request")) };
    const struct written policies = { line, spans_get(step, STR("policies")) };
    const struct fault *fault = question_read(request, policies, arena, ret_question);
    if (fault)
        tell(told, "not read: " STR_FMT, STR_ARG(fault_sentence(fault, arena)));
    return !fault;
}

static bool listed(const struct spans *list, const char *name)
{
    for (const struct spans *one = list ? list->first : NULL; one; one = one->next) {
        if (str_eq(one->text, str_of(name)))
            return true;
    }
    return false;
}

static bool check_matched(const struct question *q, const struct trace *trace,
                          const struct spans *matched, struct told *told)
{
    const struct spans *allow = spans_get(matched, STR("allow"));
    const struct spans *deny = spans_get(matched, STR("deny"));
    size_t allows = 0, denies = 0, at = 0, identity = 0;
    for (size_t i = 0; i < q->exhibit_count; i++) {
        const struct exhibit *exhibit = &q->exhibits[i];
        const size_t statements = exhibit->document ? exhibit->document->statement_count : 0;
        const size_t document = exhibit->kind == EXHIBIT_IDENTITY ? identity++ : 0;
        for (size_t s = 0; s < statements; s++, at++) {
            const bool counts = exhibit->kind == EXHIBIT_IDENTITY ||
                                exhibit->kind == EXHIBIT_RESOURCE || exhibit->kind == EXHIBIT_TRUST;
            if (!counts || !trace_applies(trace->codes[at]))
                continue;
            char name[64];
            if (exhibit->kind == EXHIBIT_IDENTITY)
                snprintf(name, sizeof(name), "identity[%zu].%zu", document, s);
            else
                snprintf(name, sizeof(name), "%s.%zu",
                         exhibit->kind == EXHIBIT_TRUST ? "trust" : "resource", s);
            const bool denied = trace_denies(trace->codes[at]);
            if (!listed(denied ? deny : allow, name)) {
                tell(told, "%s %s, which the vector does not list", name,
                     denied ? "denies" : "allows");
                return false;
            }
            allows += !denied;
            denies += denied;
        }
    }
    if (allows != (allow ? allow->count : 0) || denies != (deny ? deny->count : 0)) {
        tell(told, "%zu allow and %zu deny, wanted %u and %u", allows, denies,
             allow ? allow->count : 0, deny ? deny->count : 0);
        return false;
    }
    return true;
}

static bool same_value(const struct spans *a, const struct spans *b)
{
    if (!a || !b || a->kind == SPANS_NULL || b->kind == SPANS_NULL)
        return a && b && a->kind == b->kind;
    if (a->kind == SPANS_ARRAY || b->kind == SPANS_ARRAY) {
        if (a->kind != b->kind || a->count != b->count)
            return false;
        const struct spans *x = a->first, *y = b->first;
        for (; x && y; x = x->next, y = y->next) {
            if (!same_value(x, y))
                return false;
        }
        return true;
    }
    return str_eq(a->text, b->text);
}

static bool check_blame(const struct denial *denial, const struct spans *blame, str line,
                        struct arena *arena, struct told *told)
{
    const str json = denial_json(denial, arena);
    const struct spans *got;
    if (spans_parse(json, SPANS_STRICT, arena, &got)) {
        tell(told, "the explanation is not JSON: " STR_FMT, STR_ARG(json));
        return false;
    }
    const bool free_words = str_eq(member_text(blame, "element"), STR("Statement")) &&
                            str_starts(member_text(blame, "policy"), STR("identity"));
    for (const struct spans *want = blame->first; want; want = want->next) {
        if (free_words && str_eq(want->name, STR("got")))
            continue;
        const struct spans *have = spans_get(got, want->name);
        if (!same_value(want, have)) {
            const str wanted = source_of(line, want);
            tell(told, "blame: " STR_FMT " is " STR_FMT ", wanted " STR_FMT, STR_ARG(want->name),
                 STR_ARG(have ? source_of(json, have) : STR("absent")), STR_ARG(wanted));
            return false;
        }
    }
    return true;
}

/* The remedies, carried out, are enough; or what must go or change is said. */
static bool check_remedies(const struct question *q, const struct denial *denial,
                           struct arena *arena, struct told *told)
{
    const struct remedy *remedies;
    size_t count;
    if (!denial_remedies(denial, arena, &remedies, &count))
        return false;
    if (count == 0) {
        if (denial->decision.verdict == VERDICT_IMPLICIT_DENY ||
            str_is_none(denial_instead(denial, arena)))
            tell(told, "neither a remedy nor what else to do");
        return denial->decision.verdict != VERDICT_IMPLICIT_DENY;
    }
    str says = STR("a remedy is offered against an explicit deny");
    if (denial->decision.verdict == VERDICT_IMPLICIT_DENY) {
        struct decision decision;
        const struct question *mended = mend(q, remedies, count, arena, &says);
        if (mended && mend_decide(mended, arena, &decision) == VERDICT_ALLOW)
            return true;
        if (mended)
            says = STR("with the remedies the answer is still no");
    }
    tell(told, STR_FMT ": " STR_FMT, STR_ARG(says), STR_ARG(remedies[0].statement));
    return false;
}

static bool check_step(const struct spans *step, const struct spans *blame, str line,
                       struct arena *arena, struct told *told)
{
    struct question *q;
    if (!question_from(&q, step, line, arena, told))
        return false;
    static uint32_t codes[CODES_MAX];
    struct trace trace = { .codes = codes, .room = CODES_MAX };
    const enum verdict plain = policy_decide(&q->request, q->exhibits, q->exhibit_count, NULL);
    const enum verdict traced = policy_decide(&q->request, q->exhibits, q->exhibit_count, &trace);
    if (plain != traced) {
        tell(told, STR_FMT ", but traced " STR_FMT, STR_ARG(verdict_name(plain)),
             STR_ARG(verdict_name(traced)));
        return false;
    }
    const str want = member_text(step, "expect");
    if (!str_eq(want, verdict_name(plain))) {
        tell(told, STR_FMT ", wanted " STR_FMT, STR_ARG(verdict_name(plain)), STR_ARG(want));
        return false;
    }
    const struct spans *matched = spans_get(step, STR("matched"));
    if (matched && !check_matched(q, &trace, matched, told))
        return false;
    const struct decision decision =
        policy_explain(&q->request, q->exhibits, q->exhibit_count, &trace, arena);
    const struct decision again =
        policy_explain(&q->request, q->exhibits, q->exhibit_count, NULL, arena);
    if (decision.verdict != plain || again.statement != decision.statement ||
        again.lack_count != decision.lack_count) {
        tell(told, "explained as " STR_FMT, STR_ARG(verdict_name(decision.verdict)));
        return false;
    }
    if (plain == VERDICT_ALLOW)
        return true;
    const struct denial denial = { .request = q->request, .decision = decision };
    if (plain == VERDICT_IMPLICIT_DENY && decision.lack_count == 0) {
        tell(told, "denied, and nothing is lacking");
        return false;
    }
    if (blame && !check_blame(&denial, blame, line, arena, told))
        return false;
    return check_remedies(q, &denial, arena, told);
}

static bool check_case(const struct spans *root, str line, struct arena *arena, struct told *told)
{
    const struct spans *steps = spans_get(root, STR("steps"));
    if (!steps)
        return check_step(root, NULL, line, arena, told);
    const str denied_at = member_text(root, "denied_at");
    const struct spans *blame = spans_get(root, STR("blame"));
    uint64_t at = 0, denied = UINT64_MAX;
    str_u64(denied_at, &denied);
    for (const struct spans *step = steps->first; step; step = step->next, at++) {
        if (!check_step(step, at == denied ? blame : NULL, line, arena, told))
            return false;
    }
    return true;
}

/* A message in other words is shown and counted apart; the code must be right. */
static bool check_validate(const struct spans *root, struct score *score, struct arena *arena,
                           struct told *told)
{
    str difference = STR("");
    const enum validated validated = vectors_validate(root, arena, &difference);
    tell(told, STR_FMT, STR_ARG(difference));
    if (validated == VALIDATED_IN_OTHER_WORDS && score->in_other_words++ < FAILURES_SHOWN)
        printf("(message) " STR_FMT ": %s\n", STR_ARG(member_text(root, "id")), told->text);
    return validated != VALIDATED_WRONG;
}

/* Each class asks something of its own; most ask for a decision. */
static bool check_line(const struct spans *root, str class, str line, struct score *score,
                       struct arena *arena, struct told *told)
{
    if (str_eq(class, STR("validate")))
        return check_validate(root, score, arena, told);
    if (spans_get(root, STR("request")) || spans_get(root, STR("steps")))
        return check_case(root, line, arena, told);
    str difference = STR("the runner does not know what this class asks");
    const bool passed =
        str_eq(class, STR("add-permission"))
            ? vectors_add_permission(root, line, arena, &difference)
            : str_eq(class, STR("simulate-position")) && vectors_positions(root, arena, &difference);
    tell(told, STR_FMT, STR_ARG(difference));
    return passed;
}

static struct score *score_of(struct scores *scores, str class)
{
    for (size_t i = 0; i < scores->count; i++) {
        if (str_eq(class, str_of(scores->of[i].class)))
            return &scores->of[i];
    }
    if (scores->count == CLASSES_MAX)
        return &scores->of[CLASSES_MAX - 1];
    struct score *score = &scores->of[scores->count++];
    snprintf(score->class, sizeof(score->class), STR_FMT, STR_ARG(class));
    return score;
}

static void run_line(str line, struct scores *scores)
{
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    const struct spans *root;
    struct told told = { "" };
    const struct fault *fault = spans_parse(line, SPANS_STRICT, arena, &root);
    if (fault) {
        printf("unreadable line: " STR_FMT "\n", STR_ARG(fault_sentence(fault, arena)));
        score_of(scores, STR("unreadable"))->failed++;
        return;
    }
    const str class = member_text(root, "class");
    struct score *score = score_of(scores, class);
    const bool b = str_eq(member_text(root, "confidence"), STR("B"));
    const bool passed = check_line(root, class, line, score, arena, &told);
    unsigned *const count =
        passed ? (b ? &score->passed_b : &score->passed) : (b ? &score->failed_b : &score->failed);
    if (!passed && *count < FAILURES_SHOWN)
        printf("%s " STR_FMT ": %s\n", b ? "(B)" : "FAIL", STR_ARG(member_text(root, "id")),
               told.text);
    ++*count;
}

static bool run_file(const char *path, struct scores *scores)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return false;
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, file)) > 0)
        run_line(str_trim((str) { line, (size_t)len - (line[len - 1] == '\n') }), scores);
    free(line);
    fclose(file);
    return true;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Every *.jsonl below the folder. */
static bool run_folder(char *folder, struct scores *scores)
{
    char *roots[] = { folder, NULL };
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    bool ok = walk != NULL;
    if (!walk)
        perror(folder);
    for (const FTSENT *entry; walk && (entry = fts_read(walk));) {
        const bool unreadable = entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
                                entry->fts_info == FTS_NS;
        if (unreadable)
            fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(entry->fts_errno));
        ok &= !unreadable;
        if (entry->fts_info == FTS_F && str_ends(str_of(entry->fts_name), STR(".jsonl")))
            ok = run_file(entry->fts_path, scores) && ok;
    }
    if (walk)
        fts_close(walk);
    return ok;
}

int main(int argc, char **argv)
{
    static struct scores scores;
    bool ok = argc > 1;
    for (int i = 1; i < argc; i++)
        ok = run_folder(argv[i], &scores) && ok;
    unsigned passed = 0, failed = 0, passed_b = 0, failed_b = 0;
    printf("%-24s %8s %8s   %s\n", "class", "passed", "failed", "confidence B");
    for (size_t i = 0; i < scores.count; i++) {
        const struct score *score = &scores.of[i];
        printf("%-24s %8u %8u", score->class, score->passed, score->failed);
        if (score->passed_b + score->failed_b)
            printf("   %u passed, %u failed", score->passed_b, score->failed_b);
        if (score->in_other_words)
            printf("   in other words: %u", score->in_other_words);
        printf("\n");
        passed += score->passed;
        failed += score->failed;
        passed_b += score->passed_b;
        failed_b += score->failed_b;
    }
    if (passed_b + failed_b)
        printf("confidence B, which no AWS text decides: %u passed, %u failed\n", passed_b,
               failed_b);
    printf("%u passed, %u failed\n", passed, failed);
    return ok && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What an explanation offers is carried out here, and the question asked again: for every denied
 * flow of the SES page, and for every denied vector there is. */
#include "policy/denial.h"
#include "policy/match.h"
#include "policy/mend_suite.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ARENA_MAX = 64 << 20 };

/* ---- the vectors ---- */

typedef void vector_fn(const struct spans *root, str line, struct arena *, size_t *count);

static void each_line(const char *name, vector_fn *check, size_t *count)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, file)) > 0) {
        AUTO_ARENA *arena = arena_new(ARENA_MAX);
        const str text = str_trim((str) { line, (size_t)len - (line[len - 1] == '\n') });
        const struct spans *root;
        assert_null(spans_parse(text, SPANS_STRICT, arena, &root));
        check(root, text, arena, count);
    }
    free(line);
    fclose(file);
}

static int is_vectors(const struct dirent *entry)
{
    return str_ends(str_of(entry->d_name), STR(".jsonl"));
}

static size_t each_vector(vector_fn *check)
{
    struct dirent **entries;
    size_t count = 0;
    const int files = scandir(VECTORS, &entries, is_vectors, alphasort);
    assert_true(files > 0);
    for (int i = 0; i < files; i++) {
        each_line(entries[i]->d_name, check, &count);
        free(entries[i]);
    }
    free(entries);
    return count;
}

static struct question *question_of(const struct spans *step, str line, struct arena *arena)
{
    struct question *q;
    const struct fault *fault =
        question_read((struct written) { line, spans_get(step, STR("request")) },
                      (struct written) { line, spans_get(step, STR("policies")) }, arena, &q);
    if (fault)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(fault, arena)));
    return q;
}

static str id_of(const struct spans *root)
{
    return spans_get(root, STR("id"))->text;
}

struct remedies {
    const struct remedy *of;
    size_t count;
};

static struct remedies remedies_of(const struct question *q, const struct decision *decision,
                                   struct arena *arena)
{
    const struct denial denial = { .request = q->request, .decision = *decision };
    struct remedies remedies;
    assert_true(denial_remedies(&denial, arena, &remedies.of, &remedies.count));
    return remedies;
}

static struct question *mended(const struct question *q, struct remedies remedies,
                               struct arena *arena, str id)
{
    str says;
    struct question *after = mend(q, remedies.of, remedies.count, arena, &says);
    if (!after)
        fail_msg(STR_FMT ": " STR_FMT, STR_ARG(id), STR_ARG(says));
    return after;
}

/* ---- flows ---- */

/* One step until it passes: remedies for what is missing; what denies is named, and goes. */
static void pass_step(struct question *q, struct arena *arena, str id)
{
    struct decision decision;
    for (int round = 0; mend_decide(q, arena, &decision) != VERDICT_ALLOW; round++) {
        if (round == 3)
            fail_msg(STR_FMT ": still denied", STR_ARG(id));
        const struct denial denial = { .request = q->request, .decision = decision };
        if (decision.verdict == VERDICT_IMPLICIT_DENY) {
            const struct remedies remedies = remedies_of(q, &decision, arena);
            assert_true(remedies.count > 0);
            assert_true(str_is_none(denial_instead(&denial, arena)));
            q = mended(q, remedies, arena, id);
            assert_int_equal(mend_decide(q, arena, &decision), VERDICT_ALLOW);
            continue;
        }
        const str instead = denial_instead(&denial, arena);
        assert_true(str_starts(instead, STR("remove or change statement ")));
        assert_true(str_is_none(denial_remedy(&denial, arena)));
        for (size_t i = 0; i < decision.denier_count; i++) {
            const struct denier *denier = &decision.deniers[i];
            const str title = exhibit_title(denier->exhibit, denier->exhibit->kind, arena);
            const str sid = denier->statement->sid;
            if ((sid.len && str_find_str(instead, sid) == instead.len) ||
                str_find_str(instead, title) == instead.len)
                fail_msg(STR_FMT ": " STR_FMT, STR_ARG(id), STR_ARG(instead));
        }
        q = mend_remove(q, &decision, arena);
        assert_non_null(q);
        mend_decide(q, arena, &decision);
        assert_int_not_equal(decision.verdict, VERDICT_EXPLICIT_DENY); /* all of them were named */
    }
}

static void pass_flow(const struct spans *root, str line, struct arena *arena, size_t *count)
{
    if (str_eq(spans_get(root, STR("expect"))->text, STR("Allow")))
        return;
    for (const struct spans *step = spans_get(root, STR("steps"))->first; step; step = step->next)
        pass_step(question_of(step, line, arena), arena, id_of(root));
    ++*count;
}

static void each_denied_flow_of_the_page_passes_once_its_explanations_are_followed(void **state)
{
    (void)state;
    size_t count = 0;
    each_line("seed-flows.jsonl", pass_flow, &count);
    assert_true(count >= 200);
}

/* ---- every implicit deny there is ---- */

typedef void denied_fn(struct question *, const struct decision *, struct arena *, str id);

static denied_fn *denied_check;

static void each_step(const struct spans *root, str line, struct arena *arena, size_t *count)
{
    const struct spans *steps = spans_get(root, STR("steps"));
    if (!steps && !spans_get(root, STR("request")))
        return; /* of another kind */
    for (const struct spans *step = steps ? steps->first : root; step;
         step = steps ? step->next : NULL) {
        struct question *q = question_of(step, line, arena);
        struct decision decision;
        if (mend_decide(q, arena, &decision) != VERDICT_IMPLICIT_DENY)
            continue;
        denied_check(q, &decision, arena, id_of(root));
        ++*count;
    }
}

static void each_denied(denied_fn *check)
{
    denied_check = check;
    assert_true(each_vector(each_step) >= 2000);
}

static void is_mended_by_all_and_by_no_fewer(struct question *q, const struct decision *decision,
                                             struct arena *arena, str id)
{
    const struct remedies remedies = remedies_of(q, decision, arena);
    struct decision after;
    if (!remedies.count)
        fail_msg(STR_FMT ": no remedy", STR_ARG(id));
    if (mend_decide(mended(q, remedies, arena, id), arena, &after) != VERDICT_ALLOW)
        fail_msg(STR_FMT ": not mended by " STR_FMT, STR_ARG(id),
                 STR_ARG(remedies.of[0].statement));
    for (size_t without = 0; without < remedies.count; without++) {
        struct remedy fewer[128];
        size_t count = 0;
        for (size_t i = 0; i < remedies.count; i++) {
            if (i != without)
                fewer[count++] = remedies.of[i];
        }
        const struct remedies rest = { fewer, count };
        if (mend_decide(mended(q, rest, arena, id), arena, &after) == VERDICT_ALLOW)
            fail_msg(STR_FMT ": the remedy for " STR_FMT " is not needed", STR_ARG(id),
                     STR_ARG(remedies.of[without].policy));
    }
}

static void all_remedies_together_allow_and_none_of_them_is_for_nothing(void **state)
{
    (void)state;
    each_denied(is_mended_by_all_and_by_no_fewer);
}

/* ---- no element is for nothing, and none is wider than it must be ---- */

static bool statement_applies(str json, const struct request *request, enum exhibit_kind kind,
                              str version, struct arena *arena)
{
    const str text = arena_strf(arena, "{\"Version\":\"" STR_FMT "\",\"Statement\":[" STR_FMT "]}",
                                STR_ARG(version), STR_ARG(json));
    struct document document;
    if (policy_parse(text, arena, &document))
        return false;
    struct asked asked;
    struct found found[ASKED_FOUND] = { 0 };
    asked_begin(&asked, request, found);
    return trace_applies(statement_match_traced(&document.compiled->statements[0], kind, &asked));
}

/* The statement without one of its members, or without one key of its Condition. */
static str without(str statement, const struct spans *root, const struct spans *gone,
                   struct arena *arena)
{
    AUTO_BUF out = buf_new(1 << 16);
    buf_addc(&out, '{');
    for (const struct spans *member = root->first; member; member = member->next) {
        if (member == gone)
            continue;
        if (out.len > 1)
            buf_addc(&out, ',');
        if (!str_eq(member->name, STR("Condition"))) {
            buf_add(&out,
                    (str) { statement.ptr + member->name_from, member->to - member->name_from });
            continue;
        }
        buf_add(&out, STR("\"Condition\":{\"StringEquals\":{"));
        bool first = true;
        for (const struct spans *key = member->first->first; key; key = key->next) {
            if (key == gone)
                continue;
            buf_add(&out, first ? STR("") : STR(","));
            buf_add(&out, (str) { statement.ptr + key->name_from, key->to - key->name_from });
            first = false;
        }
        buf_add(&out, STR("}}"));
    }
    buf_addc(&out, '}');
    return arena_str(arena, buf_str(&out));
}

struct probe { /* what the remedy is tried with */
    const struct request *request;
    enum exhibit_kind kind;
    str version, statement, id;
    struct arena *arena;
};

static bool applies_to(const struct probe *p, str statement, const struct request *request)
{
    return statement_applies(statement, request, p->kind, p->version, p->arena);
}

static void must_not_reach(const struct probe *p, const struct request *other, const char *what)
{
    if (applies_to(p, p->statement, other))
        fail_msg(STR_FMT ": " STR_FMT " reaches another %s", STR_ARG(p->id), STR_ARG(p->statement),
                 what);
}

/* Without this key it reaches a request in which the key is another. */
static void key_is_needed(const struct probe *p, const struct spans *root, const struct spans *key)
{
    static const str other_value = STR_INIT("something-else");
    const str reduced = without(p->statement, root, key, p->arena);
    struct context_key *keys = ARENA_ARRAY(p->arena, struct context_key, p->request->context_count);
    struct request other = *p->request;
    for (size_t i = 0; i < other.context_count; i++) {
        keys[i] = other.context[i];
        if (str_eq_nocase(keys[i].name, key->name))
            keys[i].values = &other_value;
    }
    other.context = keys;
    must_not_reach(p, &other, "source");
    if (!applies_to(p, reduced, &other))
        fail_msg(STR_FMT ": " STR_FMT " is for nothing", STR_ARG(p->id), STR_ARG(key->name));
}

static void resource_is_exact(const struct probe *p)
{
    struct request other = *p->request;
    const str text = other.resource.text;
    if (str_eq(text, STR("*")))
        return;
    arn_parse(arena_strf(p->arena, STR_FMT "x", STR_ARG(text)), &other.resource);
    must_not_reach(p, &other, "resource");
    if (!str_eq(p->version, STR("2012-10-17")))
        return; /* which cannot say a star otherwise */
    for (size_t i = 0; i < text.len; i++) {
        char *changed = (char *)(uintptr_t)arena_str(p->arena, text).ptr;
        if (changed[i] != '*' && changed[i] != '?' && changed[i] != '$')
            continue;
        changed[i] = 'q';
        arn_parse((str) { changed, text.len }, &other.resource);
        must_not_reach(p, &other, "resource");
    }
}

static void other_callers_stay_out(const struct probe *p)
{
    if (!exhibit_names_principals(p->kind) || p->request->caller->kind == CALLER_ANONYMOUS)
        return;
    struct request other = *p->request;
    struct caller stranger = { .kind = CALLER_USER, .account = STR("000000000001") };
    arn_parse(STR("arn:aws:iam::000000000001:user/stranger"), &stranger.user.arn);
    other.caller = &stranger;
    must_not_reach(p, &other, "user");
    stranger = (struct caller) { .kind = CALLER_SERVICE };
    stranger.service.principal = STR("stranger.amazonaws.com");
    must_not_reach(p, &other, "service");
}

/* A service's remedy is for the account and the rule it acts for, as far as the request tells. */
static void other_sources_stay_out(const struct probe *p)
{
    static const str sources[] = { STR_INIT("aws:SourceAccount"), STR_INIT("aws:SourceArn") };
    static const str other_value = STR_INIT("something-else");
    if (p->request->caller->kind != CALLER_SERVICE || !exhibit_names_principals(p->kind))
        return;
    for (size_t s = 0; s < sizeof(sources) / sizeof(*sources); s++) {
        for (size_t i = 0; i < p->request->context_count; i++) {
            if (!str_eq_nocase(p->request->context[i].name, sources[s]) ||
                p->request->context[i].multivalued)
                continue;
            struct context_key *keys =
                ARENA_ARRAY(p->arena, struct context_key, p->request->context_count);
            memcpy(keys, p->request->context, p->request->context_count * sizeof(*keys));
            keys[i].values = &other_value;
            struct request other = *p->request;
            other.context = keys;
            must_not_reach(p, &other, "source");
        }
    }
}

static void has_nothing_to_spare(const struct probe *p)
{
    const struct spans *root;
    assert_null(spans_parse(p->statement, SPANS_STRICT, p->arena, &root));
    assert_true(applies_to(p, p->statement, p->request));
    for (const struct spans *member = root->first; member; member = member->next) {
        if (str_eq(member->name, STR("Condition"))) {
            for (const struct spans *key = member->first->first; key; key = key->next)
                key_is_needed(p, root, key);
        } else if (applies_to(p, without(p->statement, root, member, p->arena), p->request)) {
            fail_msg(STR_FMT ": " STR_FMT " works without its " STR_FMT, STR_ARG(p->id),
                     STR_ARG(p->statement), STR_ARG(member->name));
        }
    }
    struct request other = *p->request;
    other.action = arena_strf(p->arena, STR_FMT "Also", STR_ARG(other.action));
    must_not_reach(p, &other, "action");
    const bool this_one =
        p->kind == EXHIBIT_TRUST || /* the statement is about its own resource */
        (p->kind == EXHIBIT_RESOURCE && str_eq(p->request->resource.service, STR("kms")));
    if (!this_one)
        resource_is_exact(p);
    other_callers_stay_out(p);
    other_sources_stay_out(p);
}

static void each_remedy_has_nothing_to_spare(struct question *q, const struct decision *decision,
                                             struct arena *arena, str id)
{
    const struct remedies remedies = remedies_of(q, decision, arena);
    for (size_t i = 0; i < remedies.count; i++) {
        const struct lack *lack = &decision->lacks[i];
        const struct probe probe = {
            .request = &q->request,
            .kind = lack->where,
            .version = lack->exhibit && lack->exhibit->document ? lack->exhibit->document->version
                                                                : STR("2012-10-17"),
            .statement = remedies.of[i].statement,
            .id = id,
            .arena = arena,
        };
        has_nothing_to_spare(&probe);
    }
}

static void without_any_element_a_remedy_fails_or_grants_more(void **state)
{
    (void)state;
    each_denied(each_remedy_has_nothing_to_spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_denied_flow_of_the_page_passes_once_its_explanations_are_followed),
        cmocka_unit_test(all_remedies_together_allow_and_none_of_them_is_for_nothing),
        cmocka_unit_test(without_any_element_a_remedy_fails_or_grants_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

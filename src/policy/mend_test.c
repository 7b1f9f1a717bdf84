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

typedef void vector_fn(const struct spans *root, str line, struct arena *, void *to);

static void each_line(const char *name, vector_fn *check, void *to)
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
        check(root, text, arena, to);
    }
    free(line);
    fclose(file);
}

static int is_vectors(const struct dirent *entry)
{
    return str_ends(str_of(entry->d_name), STR(".jsonl"));
}

static void each_vector(vector_fn *check, void *to)
{
    struct dirent **entries;
    const int files = scandir(VECTORS, &entries, is_vectors, alphasort);
    assert_true(files > 0);
    for (int i = 0; i < files; i++) {
        each_line(entries[i]->d_name, check, to);
        free(entries[i]);
    }
    free(entries);
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

static struct remedies remedies_of(const struct question *q, const struct decision *decision,
                                   struct arena *arena)
{
    struct remedies remedies;
    assert_true(mend_remedies(q, decision, arena, &remedies));
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

/* ---- following it ---- */

/* Each Deny that applies is named, and each is enough alone: they all have to go, and then none is
 * left. */
static struct question *without_denies(const struct question *q, const struct decision *decision,
                                       struct arena *arena, str id)
{
    const struct denial denial = { .request = q->request, .decision = *decision };
    const str instead = denial_instead(&denial, arena);
    struct decision after;
    assert_true(str_starts(instead, STR("remove or change statement ")));
    assert_true(str_is_none(denial_remedy(&denial, arena)));
    assert_true(decision->denier_count > 0);
    for (size_t i = 0; i < decision->denier_count; i++) {
        const struct denier *denier = &decision->deniers[i];
        const str title = exhibit_title(denier->exhibit, denier->exhibit->kind, arena);
        const str sid = denier->statement->sid;
        if ((sid.len && str_find_str(instead, sid) == instead.len) ||
            str_find_str(instead, title) == instead.len)
            fail_msg(STR_FMT ": " STR_FMT, STR_ARG(id), STR_ARG(instead));
        struct denier others[64];
        assert_true(decision->denier_count <= sizeof(others) / sizeof(*others));
        size_t count = 0;
        for (size_t k = 0; k < decision->denier_count; k++) {
            if (k != i)
                others[count++] = decision->deniers[k];
        }
        const struct decision fewer = { .deniers = others, .denier_count = count };
        const struct question *left = mend_remove(q, &fewer, arena);
        assert_non_null(left);
        if (mend_decide(left, arena, &after) != VERDICT_EXPLICIT_DENY)
            fail_msg(STR_FMT ": a Deny is named that denies nothing", STR_ARG(id));
    }
    struct question *left = mend_remove(q, decision, arena);
    assert_non_null(left);
    if (mend_decide(left, arena, &after) == VERDICT_EXPLICIT_DENY)
        fail_msg(STR_FMT ": a Deny is not named", STR_ARG(id));
    return left;
}

struct passing { /* what it took */
    size_t mended, named;
};

/* One question until the answer is yes: what denies is named, and goes; then what is missing is
 * added. Neither is ever asked for twice. */
static struct passing pass_step(const struct question *q, struct arena *arena, str id)
{
    struct passing took = { 0 };
    struct decision decision;
    if (mend_decide(q, arena, &decision) == VERDICT_EXPLICIT_DENY) {
        q = without_denies(q, &decision, arena, id);
        took.named = 1;
    }
    if (mend_decide(q, arena, &decision) == VERDICT_IMPLICIT_DENY) {
        const struct denial denial = { .request = q->request, .decision = decision };
        const struct remedies remedies = remedies_of(q, &decision, arena);
        assert_true(remedies.count > 0);
        assert_true(str_is_none(denial_instead(&denial, arena)));
        q = mended(q, remedies, arena, id);
        took.mended = 1;
    }
    if (mend_decide(q, arena, &decision) != VERDICT_ALLOW)
        fail_msg(STR_FMT ": still denied", STR_ARG(id));
    return took;
}

/* ---- flows ---- */

struct flows {
    size_t denied, mended, named; /* mended: by statements alone; named: something had to go */
    size_t steps_mended, steps_named;
};

static void pass_flow(const struct spans *root, str line, struct arena *arena, void *to)
{
    struct flows *flows = to;
    if (str_eq(spans_get(root, STR("expect"))->text, STR("Allow")))
        return;
    struct passing all = { 0 };
    for (const struct spans *step = spans_get(root, STR("steps"))->first; step; step = step->next) {
        const struct passing one = pass_step(question_of(step, line, arena), arena, id_of(root));
        all.mended += one.mended;
        all.named += one.named;
    }
    flows->denied++;
    flows->steps_mended += all.mended;
    flows->steps_named += all.named;
    if (all.named)
        flows->named++;
    else if (all.mended)
        flows->mended++;
}

static void each_denied_flow_of_the_page_passes_once_its_explanations_are_followed(void **state)
{
    (void)state;
    struct flows flows = { 0 };
    each_line("seed-flows.jsonl", pass_flow, &flows);
    print_message("%zu denied flows: %zu mended by statements (%zu steps), of %zu it is named what "
                  "must go (%zu steps)\n",
                  flows.denied, flows.mended, flows.steps_mended, flows.named, flows.steps_named);
    assert_int_equal(flows.denied, 239); /* all that are not "expect":"Allow" */
    assert_int_equal(flows.mended + flows.named, flows.denied);
}

/* ---- every denial there is ---- */

struct denied { /* what is done with each, and how many there were */
    void (*check)(struct question *, const struct decision *, struct arena *, str id);
    enum verdict verdict;
    size_t count;
};

static void each_step(const struct spans *root, str line, struct arena *arena, void *to)
{
    struct denied *denied = to;
    const struct spans *steps = spans_get(root, STR("steps"));
    if (!steps && !spans_get(root, STR("request")))
        return; /* of another kind */
    for (const struct spans *step = steps ? steps->first : root; step;
         step = steps ? step->next : NULL) {
        struct question *q = question_of(step, line, arena);
        struct decision decision;
        if (mend_decide(q, arena, &decision) != denied->verdict)
            continue;
        denied->check(q, &decision, arena, id_of(root));
        denied->count++;
    }
}

static void each_denied(struct denied denied, size_t at_least)
{
    each_vector(each_step, &denied);
    print_message("%zu times " STR_FMT "\n", denied.count, STR_ARG(verdict_name(denied.verdict)));
    assert_true(denied.count >= at_least);
}

static void passes_when_it_is_followed(struct question *q, const struct decision *decision,
                                       struct arena *arena, str id)
{
    (void)decision;
    assert_int_equal(pass_step(q, arena, id).named, 1);
}

static void every_deny_is_named_and_none_for_nothing(void **state)
{
    (void)state;
    each_denied((struct denied) { passes_when_it_is_followed, VERDICT_EXPLICIT_DENY, 0 }, 1000);
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
    each_denied((struct denied) { is_mended_by_all_and_by_no_fewer, VERDICT_IMPLICIT_DENY, 0 },
                2000);
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
    each_denied((struct denied) { each_remedy_has_nothing_to_spare, VERDICT_IMPLICIT_DENY, 0 },
                2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_denied_flow_of_the_page_passes_once_its_explanations_are_followed),
        cmocka_unit_test(every_deny_is_named_and_none_for_nothing),
        cmocka_unit_test(all_remedies_together_allow_and_none_of_them_is_for_nothing),
        cmocka_unit_test(without_any_element_a_remedy_fails_or_grants_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* main/explain_files.c - `sesame explain --request FILE [--policies FILE]`.
 *
 * The files are written in the vectors' words. Either may also hold a whole line of the vectors, of
 * which it takes its part. A request file may stand alone then, and of a flow every step is
 * explained. It may also be a file of such lines: each is a question, with an answer of its own. */
#include "main/explain.h"

#include "base/json.h"
#include "main/file.h"
#include "policy/explanation.h"
#include "policy/question.h"

enum { QUESTION_ARENA_MAX = 64 << 20 };

struct source { /* a file, or a line of one, read */
    str path, text;
    const struct spans *root;
};

static const struct fault *in_file(const struct source *source, const struct fault *why,
                                   struct arena *a)
{
    return why->kind == FAULT_SYNTAX ? fault(a, FAULT_SYNTAX, NULL, STR_FMT ": " STR_FMT,
                                             STR_ARG(source->path), STR_ARG(why->says))
                                     : why;
}

static const struct fault *parse_source(str path, str text, struct arena *a,
                                        struct source *ret_source)
{
    *ret_source = (struct source) { .path = path, .text = text };
    const struct fault *why = spans_parse(text, SPANS_STRICT, a, &ret_source->root);
    return why ? in_file(ret_source, why, a) : NULL;
}

static const struct fault *place_fault(const struct source *source, const struct spans *at,
                                       const char *says, struct arena *a)
{
    const struct spans_place place = spans_place(source->text, at->from);
    return fault(a, FAULT_SYNTAX, NULL, STR_FMT ": line %u, column %u: %s", STR_ARG(source->path),
                 (unsigned)place.line, (unsigned)place.column, says);
}

static const struct spans *policies_in(const struct source *source)
{
    const struct spans *part = spans_get(source->root, STR("policies"));
    return part ? part : source->root;
}

/* One question: the policies beside the request, or those of a file of their own. */
static const struct fault *explain_one(const struct source *asks, const struct spans *step,
                                       const struct source *governs, struct arena *a,
                                       struct buf *out, enum verdict *ret_verdict)
{
    const struct spans *request = spans_get(step, STR("request"));
    const bool whole = request != NULL;
    const struct spans *beside = whole ? spans_get(step, STR("policies")) : NULL;
    struct question *question;
    /* Read apart, so that what is wrong is said of the right file. */
    const struct written asked = { asks->text, whole ? request : step };
    const struct fault *why = question_read(asked, (struct written) { 0 }, a, &question);
    if (why)
        return in_file(asks, why, a);
    if (!governs && !beside)
        return place_fault(asks, step,
                           "there are no policies here; name their file with --policies", a);
    const struct source *from = governs ? governs : asks;
    why = question_read(asked,
                        (struct written) { from->text, governs ? policies_in(governs) : beside }, a,
                        &question);
    if (why)
        return in_file(from, why, a);
    return explanation_write(&question->request, question->exhibits, question->exhibit_count, a,
                             out, ret_verdict)
               ? NULL
               : &fault_no_memory;
}

/* A flow ends at the first step that is not allowed; what the later ones would come to is told all
 * the same, as the vectors do. */
static const struct fault *explain_steps(const struct source *asks, const struct spans *steps,
                                         struct arena *a, struct buf *out,
                                         enum verdict *ret_verdict)
{
    if (steps->kind != SPANS_ARRAY || !steps->first)
        return place_fault(asks, steps, "steps is a list of questions", a);
    buf_add(out, STR("{\"steps\":["));
    int64_t at = 0, denied_at = -1;
    *ret_verdict = VERDICT_ALLOW;
    for (const struct spans *step = steps->first; step; step = step->next, at++) {
        enum verdict verdict;
        if (!spans_get(step, STR("request")))
            return place_fault(asks, step, "the step has no request", a);
        buf_add(out, at ? STR(",") : STR(""));
        TRY(explain_one(asks, step, NULL, a, out, &verdict));
        if (verdict == VERDICT_ALLOW || denied_at >= 0)
            continue;
        *ret_verdict = verdict;
        denied_at = at;
    }
    buf_addc(out, ']');
    struct json_writer json = { .out = out, .comma = true };
    json_add_str(&json, "expect", verdict_name(*ret_verdict));
    if (denied_at >= 0)
        json_add_int(&json, "denied_at", denied_at);
    json_close(&json, '}');
    return NULL;
}

static const struct fault *print(str json, bool many, struct arena *a, struct buf *out)
{
    const struct spans *root;
    TRY(spans_parse(json, SPANS_STRICT, a, &root));
    const struct spans *steps = spans_get(root, STR("steps"));
    const char *indent = many ? "  " : "";
    if (!steps) {
        explanation_print(root, json, indent, out);
        return NULL;
    }
    size_t number = 1;
    for (const struct spans *step = steps->first; step; step = step->next, number++) {
        buf_addf(out, "%sstep %zu\n", indent, number);
        explanation_print(step, json, many ? "    " : "  ", out);
    }
    return NULL;
}

/* What a file, or a line of one, asks; governs: NULL, or the policies of a file of their own. */
static const struct fault *answer(const struct source *asks, const struct source *governs,
                                  bool as_json, bool many, struct arena *a, struct buf *out,
                                  bool *ret_denied)
{
    AUTO_BUF json = buf_new(64 << 20);
    const struct spans *steps = spans_get(asks->root, STR("steps"));
    enum verdict verdict;
    if (steps && governs)
        return place_fault(asks, steps, "a flow brings its own policies; leave out --policies", a);
    TRY(steps ? explain_steps(asks, steps, a, &json, &verdict)
              : explain_one(asks, asks->root, governs, a, &json, &verdict));
    *ret_denied = verdict != VERDICT_ALLOW;
    if (json.failed)
        return &fault_no_memory;
    if (!as_json)
        return print(buf_str(&json), many, a, out);
    buf_add(out, buf_str(&json));
    buf_addc(out, '\n');
    return NULL;
}

static bool is_blank(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(" \t\r\n", text.ptr[i], 4))
            return false;
    return true;
}

/* A document that is laid out over several lines has none that is an object by itself in front. */
static bool is_many(str text, struct arena *scratch)
{
    str first, rest;
    const struct spans *root;
    bool many = str_cut(text, '\n', &first, &rest) && !is_blank(rest) &&
                !spans_parse(first, SPANS_STRICT, scratch, &root) && root->kind == SPANS_OBJECT;
    arena_reset(scratch);
    return many;
}

static const struct fault *answer_each(const struct config *c, str text,
                                       const struct source *governs, struct arena *a,
                                       struct arena *of_line, struct buf *out, bool *ret_denied)
{
    str line;
    for (size_t number = 1; text.len; number++, arena_reset(of_line)) {
        str_cut(text, '\n', &line, &text);
        if (is_blank(line))
            continue;
        struct source asks;
        bool denied;
        str path =
            arena_strf(of_line, STR_FMT ", question of line %zu", STR_ARG(c->request), number);
        if (!c->json)
            buf_addf(out, "line %zu\n", number);
        const struct fault *why = parse_source(path, line, of_line, &asks);
        if (!why)
            why = answer(&asks, governs, c->json, true, of_line, out, &denied);
        if (why)
            return fault_keep(a, why);
        *ret_denied |= denied;
    }
    return NULL;
}

const struct fault *explain_files(const struct config *c, struct arena *a, struct buf *out,
                                  bool *ret_denied)
{
    struct source asks, its_policies;
    const struct source *governs = NULL;
    AUTO_ARENA *of_line = arena_new(QUESTION_ARENA_MAX);
    str text;
    if (!of_line)
        return &fault_no_memory;
    TRY(file_read(c->request, a, &text));
    bool many = is_many(text, of_line);
    if (!many)
        TRY(parse_source(c->request, text, a, &asks));
    if (c->policies.ptr) {
        str policies;
        TRY(file_read(c->policies, a, &policies));
        TRY(parse_source(c->policies, policies, a, &its_policies));
        governs = &its_policies;
    }
    *ret_denied = false;
    return many ? answer_each(c, text, governs, a, of_line, out, ret_denied)
                : answer(&asks, governs, c->json, false, a, out, ret_denied);
}

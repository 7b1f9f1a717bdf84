/* main/explain_files.c - `sesame explain --request FILE [--policies FILE]`.
 *
 * The files are written in the vectors' words. Either may also hold a whole line of the vectors, of
 * which it takes its part. A request file may stand alone then, and of a flow every step is
 * explained. */
#include "main/explain.h"

#include "base/json.h"
#include "main/file.h"
#include "policy/explanation.h"
#include "policy/question.h"

struct source { /* a file, read */
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

static const struct fault *open_source(str path, struct arena *a, struct source *ret_source)
{
    *ret_source = (struct source) { .path = path };
    TRY(file_read(path, a, &ret_source->text));
    const struct fault *why = spans_parse(ret_source->text, SPANS_STRICT, a, &ret_source->root);
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

static const struct fault *print(str json, struct arena *a, struct buf *out)
{
    const struct spans *root;
    TRY(spans_parse(json, SPANS_STRICT, a, &root));
    const struct spans *steps = spans_get(root, STR("steps"));
    if (!steps) {
        explanation_print(root, json, "", out);
        return NULL;
    }
    size_t number = 1;
    for (const struct spans *step = steps->first; step; step = step->next, number++) {
        buf_addf(out, "step %zu\n", number);
        explanation_print(step, json, "  ", out);
    }
    return NULL;
}

const struct fault *explain_files(const struct config *c, struct arena *a, struct buf *out,
                                  bool *ret_denied)
{
    struct source asks, governs;
    TRY(open_source(c->request, a, &asks));
    if (c->policies.ptr)
        TRY(open_source(c->policies, a, &governs));
    AUTO_BUF json = buf_new(64 << 20);
    const struct spans *steps = spans_get(asks.root, STR("steps"));
    enum verdict verdict;
    if (steps && c->policies.ptr)
        return place_fault(&asks, steps, "a flow brings its own policies; leave out --policies", a);
    TRY(steps
            ? explain_steps(&asks, steps, a, &json, &verdict)
            : explain_one(&asks, asks.root, c->policies.ptr ? &governs : NULL, a, &json, &verdict));
    *ret_denied = verdict != VERDICT_ALLOW;
    if (json.failed)
        return &fault_no_memory;
    if (!c->json)
        return print(buf_str(&json), a, out);
    buf_add(out, buf_str(&json));
    buf_addc(out, '\n');
    return NULL;
}

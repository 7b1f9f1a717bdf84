/* One decision as JSON, and that JSON as text. */
#include "policy/explanation.h"

#include "base/json.h"
#include "policy/denial.h"
#include "policy/hints.h"
#include "policy/tally.h"

struct told {
    const struct request *request;
    const struct exhibit *exhibits;
    size_t count;
    const uint32_t *codes; /* one a statement */
    struct decision decision;
    struct arena *arena;
};

/* ---- as JSON ---- */

typedef void statement_fn(struct json_writer *, const struct told *, size_t exhibit,
                          size_t statement, uint32_t code);

static void each_statement(struct json_writer *json, const struct told *t, statement_fn *put)
{
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct document *document = t->exhibits[i].document;
        for (size_t s = 0; document && s < document->statement_count; s++)
            put(json, t, i, s, t->codes[at++]);
    }
}

static str place_of(const struct told *t, size_t exhibit)
{
    return policy_place(t->exhibits[exhibit].kind, &t->exhibits[exhibit],
                        exhibit_index(t->exhibits, exhibit), t->arena);
}

/* The vectors list the statements of the caller's and the resource's policies; of a ceiling they
 * list none. */
static void put_matched(struct json_writer *json, const struct told *t, size_t exhibit,
                        size_t statement, uint32_t code, bool denies)
{
    const enum exhibit_kind kind = t->exhibits[exhibit].kind;
    if (kind != EXHIBIT_IDENTITY && kind != EXHIBIT_RESOURCE && kind != EXHIBIT_TRUST)
        return;
    if (!trace_applies(code) || trace_denies(code) != denies)
        return;
    const str name = arena_strf(t->arena, STR_FMT ".%zu", STR_ARG(place_of(t, exhibit)), statement);
    json->out->failed |= str_is_none(name);
    json_put_str(json, name);
}

static void put_allow(struct json_writer *json, const struct told *t, size_t exhibit,
                      size_t statement, uint32_t code)
{
    put_matched(json, t, exhibit, statement, code, false);
}

static void put_deny(struct json_writer *json, const struct told *t, size_t exhibit,
                     size_t statement, uint32_t code)
{
    put_matched(json, t, exhibit, statement, code, true);
}

static void put_trace(struct json_writer *json, const struct told *t, size_t exhibit,
                      size_t statement, uint32_t code)
{
    const struct exhibit *e = &t->exhibits[exhibit];
    const struct statement *s = &e->document->statements[statement];
    json_open(json, '{');
    denial_put_place(json, e->kind, e, exhibit_index(t->exhibits, exhibit), s, t->arena);
    json_add_int(json, "statement", (int64_t)statement);
    json_add_str(json, "effect", s->effect == EFFECT_DENY ? STR("Deny") : STR("Allow"));
    /* Policies of the caller's account say nothing about services and strangers. */
    if (!exhibit_governs(e->kind, t->request->caller->kind))
        json_add_bool(json, "governs", false);
    json_add_bool(json, "applies", trace_applies(code));
    if (!trace_applies(code)) {
        const struct lack lack =
            lack_of(t->request, e, exhibit_index(t->exhibits, exhibit), s, code);
        denial_put_lack(json, t->request, &lack, t->arena);
    }
    json_close(json, '}');
}

static void put_list(struct json_writer *json, const struct told *t, const char *name,
                     statement_fn *put)
{
    json_name(json, str_of(name));
    json_open(json, '[');
    each_statement(json, t, put);
    json_close(json, ']');
}

static void put_lacks(struct json_writer *json, const struct told *t)
{
    json_name(json, STR("lacks"));
    json_open(json, '[');
    for (size_t i = 0; i < t->decision.lack_count; i++) {
        const struct lack *lack = &t->decision.lacks[i];
        json_open(json, '{');
        denial_put_place(json, lack->where, lack->exhibit, lack->exhibit_index, lack->statement,
                         t->arena);
        denial_put_lack(json, t->request, lack, t->arena);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* A rendering that came to nothing for want of memory fails the whole. */
static void put_made(struct json_writer *json, const char *name, str value)
{
    json->out->failed |= str_is_none(value);
    json_add_str(json, name, value);
}

static void put_denial(struct json_writer *json, const struct told *t)
{
    const struct denial denial = { .request = *t->request, .decision = t->decision };
    json_name(json, STR("blame"));
    json_open(json, '{');
    denial_put_blame(json, &denial, t->arena);
    json_close(json, '}');
    put_made(json, "sentence", denial_sentence(&denial, t->arena));
    put_made(json, "aws_sentence", denial_aws_sentence(&denial, t->arena));
    json->out->failed |= !denial_put_ways_out(json, &denial, t->arena);
    if (t->decision.lack_count)
        put_lacks(json, t);
}

static str said_yes(const struct told *t)
{
    const struct decision *decision = &t->decision;
    const str principal = caller_name(t->request->caller, t->arena);
    const str by = decision->statement
                       ? denial_statement_title(decision->exhibit, decision->exhibit->kind,
                                                decision->statement, t->arena)
                       : STR("nothing forbids it to the root user of the account");
    return str_is_none(by)
               ? STR_NONE
               : arena_strf(t->arena, STR_FMT " may " STR_FMT " on " STR_FMT ": " STR_FMT "%s",
                            STR_ARG(principal), STR_ARG(t->request->action),
                            STR_ARG(t->request->resource.text), STR_ARG(by),
                            decision->statement ? " allows it" : "");
}

static size_t statement_total(const struct exhibit *exhibits, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += exhibits[i].document ? exhibits[i].document->statement_count : 0;
    return total;
}

bool explanation_write(const struct request *request, const struct exhibit *exhibits, size_t count,
                       struct arena *arena, struct buf *out, enum verdict *ret_verdict)
{
    struct trace trace = { .room = statement_total(exhibits, count) };
    trace.codes = ARENA_ARRAY(arena, uint32_t, trace.room + 1);
    if (!trace.codes)
        return false;
    *ret_verdict = policy_decide(request, exhibits, count, &trace);
    const struct told t = {
        .request = request,
        .exhibits = exhibits,
        .count = count,
        .codes = trace.codes,
        .decision = policy_explain(request, exhibits, count, &trace, arena),
        .arena = arena,
    };
    struct json_writer json = json_writer(out);
    json_open(&json, '{');
    json_add_str(&json, "expect", verdict_name(*ret_verdict));
    put_made(&json, "principal", caller_name(request->caller, arena));
    json_add_str(&json, "action", request->action);
    json_add_str(&json, "resource", request->resource.text);
    json_name(&json, STR("matched"));
    json_open(&json, '{');
    put_list(&json, &t, "allow", put_allow);
    put_list(&json, &t, "deny", put_deny);
    json_close(&json, '}');
    if (*ret_verdict == VERDICT_ALLOW)
        put_made(&json, "sentence", said_yes(&t));
    else
        put_denial(&json, &t);
    json_name(&json, STR("hints"));
    out->failed |= !hints_put_decision(&json, request, &t.decision, arena);
    put_list(&json, &t, "trace", put_trace);
    json_close(&json, '}');
    return !out->failed;
}

/* ---- for a person ---- */

struct page {
    str text;
    const char *indent;
    struct buf *out;
};

static str text_at(const struct spans *object, const char *name)
{
    const struct spans *member = spans_get(object, str_of(name));
    return member && member->text.ptr ? member->text : STR_NONE;
}

static str source_at(const struct page *page, const struct spans *object, const char *name)
{
    const struct spans *member = spans_get(object, str_of(name));
    return member ? (str) { page->text.ptr + member->from, member->to - member->from } : STR_NONE;
}

static void print_remedies(const struct page *page, const struct spans *object)
{
    const struct spans *remedies = spans_get(object, STR("remedies"));
    const str instead = text_at(object, "instead");
    if (instead.len)
        buf_addf(page->out, "%s  " STR_FMT "\n", page->indent, STR_ARG(instead));
    for (const struct spans *one = remedies ? remedies->first : NULL; one; one = one->next) {
        const str document = source_at(page, one, "document");
        buf_addf(page->out, "%s  to allow it, " STR_FMT " (" STR_FMT "):\n%s    " STR_FMT "\n",
                 page->indent, STR_ARG(text_at(one, "says")), STR_ARG(text_at(one, "policy")),
                 page->indent,
                 STR_ARG(document.ptr ? document : source_at(page, one, "statement")));
    }
}

static void print_hints(const struct page *page, const struct spans *object)
{
    const struct spans *hints = spans_get(object, STR("hints"));
    for (const struct spans *one = hints ? hints->first : NULL; one; one = one->next)
        buf_addf(page->out, "%s  " STR_FMT " (" STR_FMT ", line " STR_FMT ", column " STR_FMT
                            " of " STR_FMT "): " STR_FMT "\n",
                 page->indent, STR_ARG(text_at(one, "severity")), STR_ARG(text_at(one, "id")),
                 STR_ARG(text_at(one, "line")), STR_ARG(text_at(one, "column")),
                 STR_ARG(text_at(one, "policy")), STR_ARG(text_at(one, "says")));
}

static void print_statement(const struct page *page, const struct spans *one)
{
    const str sid = text_at(one, "sid"), element = text_at(one, "element");
    buf_addf(page->out, "%s    " STR_FMT "." STR_FMT " " STR_FMT, page->indent,
             STR_ARG(text_at(one, "policy")), STR_ARG(text_at(one, "statement")),
             STR_ARG(text_at(one, "effect")));
    if (sid.len)
        buf_addf(page->out, " \"" STR_FMT "\"", STR_ARG(sid));
    if (spans_get(one, STR("governs")))
        buf_add(page->out, STR(" (says nothing about this caller)"));
    if (spans_true(spans_get(one, STR("applies")))) {
        buf_add(page->out, STR(": applies\n"));
        return;
    }
    buf_addf(page->out, ": " STR_FMT, STR_ARG(element));
    if (str_eq(element, STR("Condition")))
        buf_addf(page->out, " " STR_FMT " " STR_FMT, STR_ARG(text_at(one, "operator")),
                 STR_ARG(text_at(one, "key")));
    const str wanted = source_at(page, one, "wanted"), got = source_at(page, one, "got");
    if (wanted.ptr)
        buf_addf(page->out, " wants " STR_FMT ", got " STR_FMT, STR_ARG(wanted),
                 STR_ARG(str_eq(got, STR("null")) ? STR("nothing") : got));
    buf_addc(page->out, '\n');
}

void explanation_print(const struct spans *object, str text, const char *indent, struct buf *out)
{
    const struct page page = { .text = text, .indent = indent, .out = out };
    const str aws = text_at(object, "aws_sentence");
    buf_addf(out, "%s" STR_FMT ": " STR_FMT "\n", indent, STR_ARG(text_at(object, "expect")),
             STR_ARG(text_at(object, "sentence")));
    if (aws.len)
        buf_addf(out, "%s  AWS would say: " STR_FMT "\n", indent, STR_ARG(aws));
    print_remedies(&page, object);
    print_hints(&page, object);
    const struct spans *trace = spans_get(object, STR("trace"));
    if (trace && trace->first)
        buf_addf(out, "%s  statements:\n", indent);
    for (const struct spans *one = trace ? trace->first : NULL; one; one = one->next)
        print_statement(&page, one);
}

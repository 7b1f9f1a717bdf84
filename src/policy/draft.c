/* Mending the text of a draft. Every repair keeps each byte where it was, so that what is said of
 * the mended text can be shown in the original. */
#include "policy/draft.h"

#include "base/spans.h"
#include "policy/permission.h"

#include <stdio.h>

struct mending {
    char *bytes; /* being mended */
    size_t len;
    str original;
    struct arena *arena;
    struct hints *hints;
    bool full;
};

static void note(struct mending *m, enum hint_kind kind, size_t from, size_t to, const char *says)
{
    const struct hint found = { .kind = kind,
                                .says = str_of(says),
                                .source = m->original,
                                .span = { (uint32_t)from, (uint32_t)to } };
    m->full |= !hints_add(m->hints, m->arena, &found);
}

static bool reads(struct mending *m)
{
    const struct spans *root;
    const struct fault *why =
        spans_parse((str) { m->bytes, m->len }, SPANS_STRICT, m->arena, &root);
    m->full |= why && why->kind != FAULT_SYNTAX;
    return !why;
}

/* Behind the string that begins at `at`, or the end. */
static size_t behind_string(const struct mending *m, size_t at)
{
    for (at++; at < m->len && m->bytes[at] != '"'; at++) {
        if (m->bytes[at] == '\\')
            at++;
    }
    return at < m->len ? at + 1 : m->len;
}

/* ---- comments ---- */

enum comment_end {
    AT_LINE_END,
    AT_JSON /* of a page pasted as one line: before what looks like JSON */
};

static size_t behind_comment(const struct mending *m, size_t at, enum comment_end ends)
{
    const bool line = m->bytes[at + 1] == '/';
    for (at += 2; at < m->len; at++) {
        if (line && (m->bytes[at] == '\n' || (ends == AT_JSON && strchr("{}[]\"", m->bytes[at]))))
            return at;
        if (!line && m->bytes[at] == '/' && m->bytes[at - 1] == '*')
            return at + 1;
    }
    return m->len;
}

static void blank(struct mending *m, size_t from, size_t to)
{
    for (; from < to; from++) {
        if (m->bytes[from] != '\n')
            m->bytes[from] = ' ';
    }
}

/* Blanks each comment, and tells of it when the caller wants to know. */
static void blank_comments(struct mending *m, enum comment_end ends, bool tell)
{
    for (size_t at = 0; at < m->len;) {
        if (m->bytes[at] == '"') {
            at = behind_string(m, at);
        } else if (m->bytes[at] == '/' && at + 1 < m->len &&
                   (m->bytes[at + 1] == '/' || m->bytes[at + 1] == '*')) {
            const size_t behind = behind_comment(m, at, ends);
            if (tell)
                note(m, HINT_COMMENTS, at, behind,
                     "JSON has no comments, and AWS refuses them: take this one out");
            blank(m, at, behind);
            at = behind;
        } else {
            at++;
        }
    }
}

/* ---- commas ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool ends_value(char c)
{
    return c == '"' || c == '}' || c == ']' || ascii_is_alpha(c) || ascii_is_digit(c);
}

/* Between a value and the next with nothing but white space there: into the last byte of it, for
 * which a line's end is taken only when there is no other. */
static void put_comma(struct mending *m, size_t from, size_t to)
{
    size_t at = to - 1;
    for (size_t i = from; i < to; i++) {
        if (m->bytes[i] != '\n')
            at = i;
    }
    m->bytes[at] = ',';
    note(m, HINT_MISSING_COMMA, from - 1, from, "a comma is missing behind this");
}

static void put_commas(struct mending *m)
{
    size_t behind_value = 0; /* just behind the last one; 0: none stands here */
    for (size_t at = 0; at < m->len;) {
        const char c = m->bytes[at];
        if (is_space(c)) {
            at++;
            continue;
        }
        const bool begins = c == '"' || c == '{' || c == '[';
        if (begins && behind_value && behind_value < at)
            put_comma(m, behind_value, at);
        at = c == '"' ? behind_string(m, at) : at + 1;
        behind_value = ends_value(c) ? at : 0;
    }
}

/* ---- a statement by itself ---- */

static bool is_statement(const struct spans *value)
{
    return value->kind == SPANS_OBJECT && spans_get(value, STR("Effect")) &&
           !spans_get(value, STR("Statement"));
}

static bool are_statements(const struct spans *root)
{
    const struct spans *item = root->kind == SPANS_ARRAY ? root->first : NULL;
    bool all = item != NULL;
    for (; item; item = item->next)
        all &= is_statement(item);
    return all || is_statement(root);
}

static void wrap(struct mending *m, const struct spans *root, struct draft *draft)
{
    static const char before[] = "{\"Version\":\"2012-10-17\",\"Statement\":";
    draft->text = arena_strf(m->arena, "%s" STR_FMT "}", before, (int)m->len, m->bytes);
    draft->shift = sizeof(before) - 1;
    draft->part = true;
    note(m, HINT_BARE_STATEMENT, root->from, root->to,
         "this is a statement, to be put among those of a policy: by itself no service takes it");
}

/* ---- the parameters of a call ---- */

static bool is_call(const struct spans *root)
{
    return root->kind == SPANS_OBJECT && spans_get(root, STR("Action")) &&
           spans_get(root, STR("Principal")) && !spans_get(root, STR("Effect")) &&
           !spans_get(root, STR("Statement"));
}

static void make_call(struct mending *m, const struct spans *root, str target, struct draft *draft)
{
    const struct permission call = permission_from(root);
    const struct permission_home home = {
        .function_arn =
            target.len ? target : STR("arn:aws:lambda:us-east-1:111122223333:function:function"),
        .revision_id = STR_NONE,
    };
    str statement;
    draft->call = true;
    draft->refused = permission_statement(&call, &home, m->arena, &statement);
    if (!draft->refused)
        draft->text = arena_strf(
            m->arena, "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[" STR_FMT "]}",
            STR_ARG(statement));
    m->full |= draft->refused && !draft->refused->code;
}

/* ---- all of it ---- */

/* What is no JSON even then is not told of commas. */
static void mend_bytes(struct mending *m)
{
    if (reads(m))
        return;
    blank_comments(m, AT_LINE_END, false);
    put_commas(m);
    const bool by_lines = reads(m);
    m->hints->count = 0;
    memcpy(m->bytes, m->original.ptr, m->len);
    const enum comment_end ends = by_lines ? AT_LINE_END : AT_JSON;
    blank_comments(m, ends, true);
    if (reads(m))
        return;
    const size_t comments = m->hints->count;
    put_commas(m);
    if (reads(m))
        return;
    m->hints->count = comments; /* it is not for want of a comma */
    memcpy(m->bytes, m->original.ptr, m->len);
    blank_comments(m, ends, false);
}

bool draft_mend(str original, str target, struct arena *arena, struct hints *hints,
                struct draft *ret_draft)
{
    struct draft draft = { .original = original, .text = original };
    struct hints found = { 0 };
    struct mending m = { .bytes = arena_alloc(arena, original.len + 1, 1),
                         .len = original.len,
                         .original = original,
                         .arena = arena,
                         .hints = &found };
    if (!m.bytes)
        return false;
    if (original.len)
        memcpy(m.bytes, original.ptr, original.len);
    mend_bytes(&m);
    const str mended = { m.bytes, m.len };
    const struct spans *root;
    draft.broken = spans_parse_at(original, SPANS_STRICT, arena, &root, &draft.broken_at) != NULL;
    if (!str_eq(mended, original))
        draft.text = mended;
    if (!spans_parse(mended, SPANS_STRICT, arena, &root)) {
        if (are_statements(root))
            wrap(&m, root, &draft);
        else if (is_call(root))
            make_call(&m, root, target, &draft);
    }
    for (size_t i = 0; i < found.count; i++)
        m.full |= !hints_add(hints, arena, &found.of[i]);
    *ret_draft = draft;
    return !m.full && !str_is_none(draft.text);
}

struct span draft_span(const struct draft *draft, struct span of_text)
{
    const uint32_t len = (uint32_t)draft->original.len;
    if (draft->call && draft->text.ptr != draft->original.ptr)
        return (struct span) { 0, len }; /* the call as a whole */
    const uint32_t from = of_text.from > draft->shift ? of_text.from - draft->shift : 0,
                   to = of_text.to > draft->shift ? of_text.to - draft->shift : 0;
    return (struct span) { from < len ? from : len, to < len ? to : len };
}

/* ---- which kind ---- */

static bool service_type(str service, enum policy_type *ret_type)
{
    static const struct {
        str service;
        enum policy_type type;
    } rows[] = {
        { STR_INIT("s3"), POLICY_BUCKET },       { STR_INIT("sts"), POLICY_TRUST },
        { STR_INIT("kms"), POLICY_KEY },         { STR_INIT("sns"), POLICY_TOPIC },
        { STR_INIT("lambda"), POLICY_FUNCTION },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (str_eq_nocase(service, rows[i].service)) {
            *ret_type = rows[i].type;
            return true;
        }
    }
    return false;
}

/* By the service that the first action that names one belongs to, else by the first resource. */
static bool type_by(const struct spans *statements, bool actions, enum policy_type *ret_type)
{
    const struct spans *s = statements->kind == SPANS_ARRAY ? statements->first : statements;
    for (; s; s = statements->kind == SPANS_ARRAY ? s->next : NULL) {
        const struct spans *list = spans_get(s, actions ? STR("Action") : STR("Resource"));
        const struct spans *item = list && list->kind == SPANS_ARRAY ? list->first : list;
        for (; item; item = list->kind == SPANS_ARRAY ? item->next : NULL) {
            str service, rest;
            struct arn arn;
            if (item->kind != SPANS_STRING)
                continue;
            if (actions
                    ? str_cut(item->text, ':', &service, &rest) && service_type(service, ret_type)
                    : arn_parse(item->text, &arn) && service_type(arn.service, ret_type))
                return true;
        }
    }
    return false;
}

static bool any_has(const struct spans *statements, const char *one, const char *other)
{
    const struct spans *s = statements->kind == SPANS_ARRAY ? statements->first : statements;
    for (; s; s = statements->kind == SPANS_ARRAY ? s->next : NULL) {
        if (spans_get(s, str_of(one)) || spans_get(s, str_of(other)))
            return true;
    }
    return false;
}

bool draft_type(const struct draft *draft, struct arena *arena, enum policy_type *ret_type)
{
    const struct spans *root;
    if (draft->call) {
        *ret_type = POLICY_FUNCTION;
        return true;
    }
    if (spans_parse(draft->text, SPANS_STRICT, arena, &root))
        return false;
    const struct spans *statements = spans_get(root, STR("Statement"));
    if (!statements || (statements->kind != SPANS_ARRAY && statements->kind != SPANS_OBJECT))
        return false;
    if (!any_has(statements, "Principal", "NotPrincipal"))
        *ret_type = POLICY_IDENTITY;
    else if (!type_by(statements, true, ret_type) && !type_by(statements, false, ret_type))
        *ret_type = any_has(statements, "Resource", "NotResource") ? POLICY_BUCKET : POLICY_TRUST;
    return true;
}

/* Mending the text of a draft. Every repair keeps each byte where it was, so that what is said of
 * the mended text can be shown in the original. */
#include "policy/draft.h"

#include "base/spans.h"
#include "policy/hinting.h"
#include "policy/permission.h"

#include <stdio.h>

/* What has room for a policy around it; a text between this and what is read at all is left as it
 * is. */
enum { TEXT_MAX = SPANS_SIZE_MAX - 100 };

struct mending {
    char *bytes; /* being mended */
    size_t len;
    str original;
    struct arena *arena;
    struct hints *hints;
    bool several;      /* the bytes are statements with commas between them */
    bool open_comment; /* the last comment never ends */
    bool full;
};

static void note(struct mending *m, enum hint_kind kind, size_t from, size_t to, str says)
{
    const struct hint found = {
        .kind = kind, .says = says, .source = m->original, .span = { (uint32_t)from, (uint32_t)to }
    };
    m->full |= str_is_none(says) || !hints_add(m->hints, m->arena, &found);
}

/* ---- what it is meant to be ---- */

enum likeness { LIKE_OTHER, LIKE_STATEMENT, LIKE_CALL };

static const str params[] = {
    STR_INIT("Action"),         STR_INIT("Principal"),        STR_INIT("StatementId"),
    STR_INIT("FunctionName"),   STR_INIT("SourceArn"),        STR_INIT("SourceAccount"),
    STR_INIT("PrincipalOrgID"), STR_INIT("Qualifier"),        STR_INIT("FunctionUrlAuthType"),
    STR_INIT("RevisionId"),     STR_INIT("EventSourceToken"),
};
enum { PARAMS = sizeof(params) / sizeof(*params) };

static size_t known_members(const struct spans *object, const str *names, size_t count)
{
    size_t known = 0;
    for (const struct spans *member = object->first; member; member = member->next) {
        for (size_t i = 0; i < count; i++)
            known += str_eq_nocase(member->name, names[i]);
    }
    return known;
}

/* By the members that only one of them has, in whatever case: a statement without its Effect, or
 * with an "effect", is still no call. Of Principal and Action alone a statement is made. */
static enum likeness looks_like(const struct spans *root)
{
    static const str of_policy[] = { STR_INIT("Statement") };
    static const str of_both[] = { STR_INIT("Principal"), STR_INIT("Action") };
    static const str of_statement[] = {
        STR_INIT("Sid"),          STR_INIT("Effect"),    STR_INIT("Resource"),
        STR_INIT("NotPrincipal"), STR_INIT("NotAction"), STR_INIT("NotResource"),
        STR_INIT("Condition"),
    };
#define MEMBERS(names) known_members(root, names, sizeof(names) / sizeof(*names))
    if (root->kind != SPANS_OBJECT || MEMBERS(of_policy))
        return LIKE_OTHER;
    const size_t both = MEMBERS(of_both), statement = MEMBERS(of_statement),
                 call = MEMBERS(params) - both;
#undef MEMBERS
    if (both + (statement > call ? statement : call) < 2)
        return LIKE_OTHER;
    return call > statement ? LIKE_CALL : LIKE_STATEMENT;
}

static bool are_statements(const struct spans *root)
{
    const struct spans *item = root->kind == SPANS_ARRAY ? root->first : NULL;
    bool all = item != NULL;
    for (; item; item = item->next)
        all &= looks_like(item) == LIKE_STATEMENT;
    return all || looks_like(root) == LIKE_STATEMENT;
}

/* A NUL in between is kept: it makes the text no JSON. */
static str around(struct arena *arena, const char *before, str text, const char *after)
{
    const size_t head = strlen(before), tail = strlen(after), len = head + text.len + tail;
    char *bytes = arena_alloc(arena, len, 1);
    if (!bytes)
        return STR_NONE;
    memcpy(bytes, before, head);
    if (text.len)
        memcpy(bytes + head, text.ptr, text.len);
    memcpy(bytes + head + text.len, after, tail);
    return (str) { bytes, len };
}

static bool reads_as(struct mending *m, str text, const struct spans **ret_root)
{
    const struct fault *why =
        str_is_none(text) ? &fault_no_memory : spans_parse(text, SPANS_STRICT, m->arena, ret_root);
    m->full |= why && why->kind != FAULT_SYNTAX;
    return !why;
}

/* As one value, or as what would be the items of a list of statements. */
static bool reads(struct mending *m)
{
    const struct spans *root;
    m->several = false;
    if (reads_as(m, (str) { m->bytes, m->len }, &root))
        return true;
    if (m->len > TEXT_MAX)
        return false;
    const str list = around(m->arena, "[", (str) { m->bytes, m->len }, "]");
    m->several = reads_as(m, list, &root) && are_statements(root);
    return m->several;
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
    for (at += line ? 2 : 3; at < m->len; at++) {
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
            m->open_comment = m->bytes[at + 1] == '*' &&
                              !(behind >= at + 4 && m->bytes[behind - 1] == '/' &&
                                m->bytes[behind - 2] == '*');
            if (tell)
                note(m, HINT_COMMENTS, at, behind,
                     STR("JSON has no comments, and AWS refuses them: take this one out"));
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
    note(m, HINT_MISSING_COMMA, from - 1, from, STR("a comma is missing behind this"));
}

static void take_comma(struct mending *m, size_t at)
{
    m->bytes[at] = ' ';
    note(m, HINT_TRAILING_COMMA, at, at + 1, STR("nothing follows this comma: take it out"));
}

static void mend_commas(struct mending *m)
{
    size_t behind_value = 0; /* just behind the last one; 0: none stands here */
    size_t behind_comma = 0; /* likewise */
    for (size_t at = 0; at < m->len;) {
        const char c = m->bytes[at];
        if (is_space(c)) {
            at++;
            continue;
        }
        const bool begins = c == '"' || c == '{' || c == '[';
        if (begins && behind_value && behind_value < at)
            put_comma(m, behind_value, at);
        if (behind_comma && (c == '}' || c == ']'))
            take_comma(m, behind_comma - 1);
        at = c == '"' ? behind_string(m, at) : at + 1;
        behind_value = ends_value(c) ? at : 0;
        behind_comma = c == ',' ? at : 0;
    }
    if (behind_comma)
        take_comma(m, behind_comma - 1);
}

/* ---- statements by themselves ---- */

static void wrap(struct mending *m, struct draft *draft)
{
    const char *before = m->several ? "{\"Version\":\"2012-10-17\",\"Statement\":["
                                    : "{\"Version\":\"2012-10-17\",\"Statement\":",
               *after = m->several ? "]}" : "}";
    size_t from = 0, to = m->len;
    draft->as_is = around(m->arena, before, draft->original, after);
    draft->text = memcmp(m->bytes, draft->original.ptr, m->len) == 0
                      ? draft->as_is
                      : around(m->arena, before, (str) { m->bytes, m->len }, after);
    draft->shift = (uint32_t)strlen(before);
    draft->part = true;
    while (is_space(m->bytes[from]))
        from++;
    while (is_space(m->bytes[to - 1]))
        to--;
    note(m, HINT_BARE_STATEMENT, from, to,
         m->several
             ? STR("these are statements, to be put among those of a policy: by themselves no "
                   "service takes them")
             : STR("this is a statement, to be put among those of a policy: by itself no "
                   "service takes it"));
}

/* ---- the parameters of a call ---- */

static const struct spans *param_of(const struct spans *call, str name)
{
    const struct spans *param = call->first;
    while (param && !str_eq_nocase(param->name, name))
        param = param->next;
    return param;
}

/* Lambda passes over a parameter that it does not know. */
static void look_at_params(struct mending *m, const struct spans *call)
{
    for (const struct spans *param = call->first; param; param = param->next) {
        str meant = name_meant(param->name, params, PARAMS);
        for (size_t i = 0; i < PARAMS; i++) {
            if (str_eq_nocase(param->name, params[i]))
                meant = str_eq(param->name, params[i]) ? STR_NONE : params[i];
        }
        if (!str_is_none(meant))
            note(m, HINT_MISSPELT, param->name_from, param->name_to,
                 arena_strf(m->arena,
                            "AddPermission has no parameter " STR_FMT ": is " STR_FMT " meant?",
                            STR_ARG(param->name), STR_ARG(meant)));
    }
}

static void make_call(struct mending *m, const struct spans *root, str target, struct draft *draft)
{
    const struct permission call = permission_from(root);
    const struct permission_home home = {
        .function_arn =
            target.len ? target : STR("arn:aws:lambda:us-east-1:111122223333:function:function"),
        .revision_id = STR_NONE,
    };
    str statement, param;
    draft->call = root;
    look_at_params(m, root);
    draft->refused = permission_statement_at(&call, &home, m->arena, &statement, &param);
    if (draft->refused) {
        const struct spans *at = str_is_none(param) ? NULL : param_of(root, param);
        at = at ? at : root;
        draft->refused_at = (struct span) { at->from, at->to };
        m->full |= !draft->refused->code;
        return;
    }
    draft->text = arena_strf(
        m->arena, "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[" STR_FMT "]}",
        STR_ARG(statement));
    m->full |= !reads_as(m, draft->text, &draft->made);
}

/* ---- all of it ---- */

/* What is no JSON even then is not told of commas. */
static void mend_bytes(struct mending *m)
{
    if (reads(m))
        return;
    blank_comments(m, AT_LINE_END, false);
    mend_commas(m);
    const bool by_lines = reads(m);
    m->hints->count = 0;
    memcpy(m->bytes, m->original.ptr, m->len);
    const enum comment_end ends = by_lines ? AT_LINE_END : AT_JSON;
    blank_comments(m, ends, true);
    if (reads(m))
        return;
    const size_t comments = m->hints->count;
    mend_commas(m);
    if (reads(m))
        return;
    /* It is not for want of a comma; and what never ends was hardly a comment. */
    m->hints->count = comments;
    size_t end = m->len;
    if (comments && m->open_comment && m->hints->of[comments - 1].span.to == m->len)
        end = m->hints->of[--m->hints->count].span.from;
    memcpy(m->bytes, m->original.ptr, m->len);
    blank_comments(m, ends, false);
    memcpy(m->bytes + end, m->original.ptr + end, m->len - end);
}

bool draft_mend(str original, str target, struct arena *arena, struct hints *hints,
                struct draft *ret_draft)
{
    struct draft draft = { .original = original, .as_is = original, .text = original };
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
    if (m.several)
        wrap(&m, &draft);
    else if (reads_as(&m, mended, &root)) {
        if (m.len <= TEXT_MAX && are_statements(root))
            wrap(&m, &draft);
        else if (looks_like(root) == LIKE_CALL)
            make_call(&m, root, target, &draft);
    }
    for (size_t i = 0; i < found.count; i++)
        m.full |= !hints_add(hints, arena, &found.of[i]);
    *ret_draft = draft;
    return !m.full && !str_is_none(draft.text) && !str_is_none(draft.as_is);
}

/* Of the policy that a call made: the innermost element that comes from a parameter. */
static struct span span_in_call(const struct draft *draft, uint32_t at)
{
    const struct spans *param = draft->call;
    bool named = false; /* the name is meant too */
    for (const struct spans *in = draft->made; in;) {
        const struct spans *inner = in->first;
        while (inner && inner->to <= at)
            inner = inner->next;
        if (!inner || at < (inner->name_to ? inner->name_from : inner->from))
            break;
        const str name = str_is_none(inner->name) ? STR_NONE : permission_param(inner->name);
        const struct spans *made_of = str_is_none(name) ? NULL : spans_get(draft->call, name);
        if (made_of) {
            param = made_of;
            named = at < inner->from;
        }
        in = inner;
    }
    return (struct span) { named ? param->name_from : param->from, param->to };
}

struct span draft_span(const struct draft *draft, struct span of_text)
{
    const uint32_t len = (uint32_t)draft->original.len;
    if (draft->made)
        return span_in_call(draft, of_text.from);
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

/* A misspelt element still shows what it was to be. */
static const struct spans *element(const struct spans *statement, const char *name)
{
    const struct spans *member = statement->kind == SPANS_OBJECT ? statement->first : NULL;
    while (member && !str_eq_nocase(member->name, str_of(name)))
        member = member->next;
    return member;
}

/* By the service that the first action that names one belongs to, else by the first resource. */
static bool type_by(const struct spans *statements, bool actions, enum policy_type *ret_type)
{
    const struct spans *s = statements->kind == SPANS_ARRAY ? statements->first : statements;
    for (; s; s = statements->kind == SPANS_ARRAY ? s->next : NULL) {
        const struct spans *list = element(s, actions ? "Action" : "Resource");
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
        if (element(s, one) || element(s, other))
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
    const struct spans *statements = element(root, "Statement");
    if (!statements || (statements->kind != SPANS_ARRAY && statements->kind != SPANS_OBJECT))
        return false;
    if (!any_has(statements, "Principal", "NotPrincipal"))
        *ret_type = POLICY_IDENTITY;
    else if (!type_by(statements, true, ret_type) && !type_by(statements, false, ret_type))
        *ret_type = any_has(statements, "Resource", "NotResource") ? POLICY_BUCKET : POLICY_TRUST;
    return true;
}

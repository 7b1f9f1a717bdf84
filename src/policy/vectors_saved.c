/* The statement that AddPermission makes, and where the simulator says that a statement stands. */
#include "policy/vectors_saved.h"

#include "policy/document.h"
#include "policy/permission.h"

enum { SIDS_MAX = 16 };

static str text_of(const struct spans *object, const char *member)
{
    const struct spans *value = spans_get(object, str_of(member));
    return value && value->kind == SPANS_STRING ? value->text : STR_NONE;
}

/* ---- add-permission ---- */

static bool same_value(const struct spans *a, const struct spans *b);

/* The order of members tells nothing; that of items does. */
static bool same_members(const struct spans *a, const struct spans *b)
{
    for (const struct spans *member = a->first; member; member = member->next) {
        const struct spans *other = spans_get(b, member->name);
        if (!other || !same_value(member, other))
            return false;
    }
    return true;
}

static bool same_value(const struct spans *a, const struct spans *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    if (a->kind == SPANS_OBJECT)
        return same_members(a, b);
    if (a->kind != SPANS_ARRAY)
        return str_eq(a->text, b->text);
    const struct spans *item = a->first, *other = b->first;
    for (; item; item = item->next, other = other->next) {
        if (!same_value(item, other))
            return false;
    }
    return true;
}

/* As the API answers what kind of refusal: Lambda API Reference, "AddPermission", Errors. */
static const char *http_status(const char *code)
{
    static const struct {
        const char *code, *status;
    } statuses[] = {
        { "ResourceConflictException", "409" },
        { "PreconditionFailedException", "412" },
        { "ResourceNotFoundException", "404" },
    };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        if (strcmp(code, statuses[i].code) == 0)
            return statuses[i].status;
    }
    return "400";
}

static bool same_refusal(const struct fault *why, const struct spans *want)
{
    const struct spans *status = spans_get(want, STR("http"));
    const str message = text_of(want, "message");
    return why && why->code && str_eq(str_of(why->code), text_of(want, "code")) &&
           (str_is_none(message) || str_eq(why->says, message)) &&
           (!status || str_eq(status->text, str_of(http_status(why->code))));
}

bool vectors_add_permission(const struct spans *vector, str line, struct arena *arena,
                            str *ret_difference)
{
    str sids[SIDS_MAX], statement = STR_NONE;
    struct permission_home home = { .function_arn = text_of(vector, "function_arn"),
                                    .sids = sids,
                                    .revision_id = STR_NONE };
    const struct spans *there = spans_get(vector, STR("existing_statement_ids"));
    for (const struct spans *sid = there ? there->first : NULL; sid; sid = sid->next) {
        if (home.sid_count == SIDS_MAX) {
            *ret_difference = STR("more statements are there than can be read");
            return false;
        }
        sids[home.sid_count++] = sid->text;
    }
    if (spans_true(spans_get(vector, STR("policy_exists"))) || home.sid_count)
        home.revision_id = STR("5a0e8a3b-28a9-4c1e-9b2f-3a1d7f0c6e55");
    const struct permission call = permission_from(spans_get(vector, STR("params")));
    const struct fault *why = permission_statement(&call, &home, arena, &statement);
    const struct spans *error = spans_get(vector, STR("expect_error"));
    const struct spans *want = error ? error : spans_get(vector, STR("expect_statement"));
    const struct spans *got;
    if (want && (error ? same_refusal(why, error)
                       : !why && !spans_parse(statement, SPANS_STRICT, arena, &got) &&
                             same_value(got, want)))
        return true;
    *ret_difference = arena_strf(
        arena, "%s " STR_FMT ", wanted " STR_FMT,
        why ? (why->code ? why->code : "no code") : "made", STR_ARG(why ? why->says : statement),
        STR_ARG(want ? ((str) { line.ptr + want->from, want->to - want->from })
                     : STR("what the vector does not say")));
    return false;
}

/* ---- simulate-position ---- */

static bool same_place(const struct spans *want, struct spans_place place)
{
    const struct spans *line = spans_get(want, STR("Line")),
                       *column = spans_get(want, STR("Column"));
    uint64_t l, c;
    return line && column && str_u64(line->text, &l) && str_u64(column->text, &c) &&
           l == place.line && c == place.column;
}

bool vectors_positions(const struct spans *vector, struct arena *arena, str *ret_difference)
{
    struct document document;
    const struct fault *why = policy_parse(text_of(vector, "document"), arena, &document);
    const struct spans *wants = spans_get(vector, STR("expect_positions"));
    if (why || !wants || wants->count != document.statement_count) {
        *ret_difference = why ? why->says : STR("another number of statements");
        return false;
    }
    const struct spans *want = wants->first;
    for (size_t i = 0; i < document.statement_count; i++, want = want->next) {
        struct spans_place start, end;
        statement_place(&document, &document.statements[i], &start, &end);
        if (!same_place(spans_get(want, STR("StartPosition")), start) ||
            !same_place(spans_get(want, STR("EndPosition")), end)) {
            *ret_difference = arena_strf(arena, "statement %zu from %u:%u to %u:%u", i, start.line,
                                         start.column, end.line, end.column);
            return false;
        }
    }
    return true;
}

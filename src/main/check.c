/* main/check.c - `sesame check FILE...`: would AWS take these policies, and do they say what is
 * meant? The services' exact errors, and hints; no server is asked. */
#include "main/commands.h"
#include "main/config.h"
#include "main/file.h"
#include "policy/draft.h"

#include <stdio.h>

extern char **environ;

enum { OUT_MAX = 64 << 20 };

struct complaint { /* of a service: its code, its words, and what it means */
    const struct fault *why;
    struct span at; /* in the file */
    str detail; /* what the grammar says, where the service says little; STR_NONE: nothing more */
};

struct checked {
    str file, text;
    struct draft draft;
    enum policy_type type;
    bool guessed;
    struct complaint errors[2]; /* of the text as it stands, and of what it is meant to be */
    size_t error_count;
    struct hints hints; /* their spans are in the file */
};

/* ---- checking ---- */

static void complain(struct checked *c, const struct fault *why, struct span at, str detail)
{
    if (c->error_count && str_eq(c->errors[0].why->says, why->says) &&
        c->errors[0].at.from == at.from)
        return; /* the same once more */
    c->errors[c->error_count++] = (struct complaint) { why, at, detail };
}

/* "line 1, column 95: ...", unless the lines are not those of the file. */
static str detail_of(str text, bool shifted, struct arena *a)
{
    struct document document;
    const struct fault *why = shifted ? NULL : policy_parse(text, a, &document);
    return why && why->kind == FAULT_SYNTAX ? why->says : STR_NONE;
}

/* A fault without a code is no answer of a service: memory was short. */
static const struct fault *validate(struct checked *c, str text, const struct policy_home *home,
                                    struct arena *a)
{
    struct span at;
    const struct fault *why = policy_validate(text, home, a, &at);
    if (why && !why->code)
        return why;
    if (why)
        complain(c, why, draft_span(&c->draft, at),
                 detail_of(text, c->draft.shift || c->draft.made, a));
    return NULL;
}

static const struct fault *look_for_hints(struct checked *c, const struct policy_home *home,
                                          str rule_arn, struct arena *a)
{
    struct document document;
    struct hints found = { 0 };
    const struct fault *why = policy_parse(c->draft.text, a, &document);
    if (why) /* its errors are told */
        return why->kind == FAULT_SYNTAX ? NULL : why;
    if (!hints_of_document(&document, home, rule_arn, a, &found))
        return &fault_no_memory;
    for (size_t i = 0; i < found.count; i++) {
        struct hint hint = found.of[i];
        hint.span = draft_span(&c->draft, hint.span);
        hint.source = c->text;
        if (!hints_add(&c->hints, a, &hint))
            return &fault_no_memory;
    }
    hints_sort(&c->hints);
    return NULL;
}

static const struct fault *check(const struct config *config, str file, struct arena *a,
                                 struct checked *c)
{
    *c = (struct checked) { .file = file };
    TRY(file_read(file, a, &c->text));
    if (!draft_mend(c->text, config->target, a, &c->hints, &c->draft))
        return &fault_no_memory;
    c->guessed = !policy_type_of(config->type, &c->type);
    if (c->guessed && !draft_type(&c->draft, a, &c->type))
        c->type = POLICY_BUCKET;
    const struct policy_home home = { .type = c->type,
                                      .target = config->target,
                                      .part = c->draft.part };
    if (c->draft.call && c->draft.broken)
        complain(c,
                 fault_coded(a, FAULT_SYNTAX, "InvalidRequestContentException",
                             "Could not parse request body into json"),
                 (struct span) { c->draft.broken_at, c->draft.broken_at },
                 detail_of(c->text, false, a));
    else if (!c->draft.call)
        TRY(validate(c, c->draft.as_is, &home, a));
    if (c->draft.refused)
        complain(c, c->draft.refused, c->draft.refused_at, STR_NONE);
    else if (!str_eq(c->draft.text, c->draft.as_is))
        TRY(validate(c, c->draft.text, &home, a));
    return look_for_hints(c, &home, config->rule_arn, a);
}

/* ---- telling ---- */

static void print_line(struct buf *out, const struct checked *c, struct span at,
                       const char *severity)
{
    const struct spans_place place = spans_place(c->text, at.from);
    buf_addf(out, STR_FMT ":%u:%u: %s: ",
             STR_ARG(str_eq(c->file, STR("-")) ? STR("standard input") : c->file),
             (unsigned)place.line, (unsigned)place.column, severity);
}

static const char *what_it_is(const struct checked *c)
{
    return c->draft.call   ? "call of AddPermission"
           : c->draft.part ? "statement of a policy"
                           : "policy";
}

static void print(const struct checked *c, struct buf *out)
{
    const str name = policy_type_name(c->type);
    buf_addf(out, STR_FMT ": %s, of type " STR_FMT "%s: %s\n",
             STR_ARG(str_eq(c->file, STR("-")) ? STR("standard input") : c->file), what_it_is(c),
             STR_ARG(name), c->guessed ? " (guessed; --type names another)" : "",
             c->error_count ? "AWS would refuse it" : "AWS would take it");
    for (size_t i = 0; i < c->error_count; i++) {
        print_line(out, c, c->errors[i].at, "error");
        buf_addf(out, "%s: " STR_FMT "\n", c->errors[i].why->code, STR_ARG(c->errors[i].why->says));
        if (c->errors[i].detail.len)
            buf_addf(out, "  " STR_FMT "\n", STR_ARG(c->errors[i].detail));
    }
    for (size_t i = 0; i < c->hints.count; i++) {
        const struct hint *hint = &c->hints.of[i];
        print_line(out, c, hint->span, severity_name(hint_severity(hint->kind)));
        buf_addf(out, STR_FMT " [" STR_FMT "]\n", STR_ARG(hint->says),
                 STR_ARG(hint_id(hint->kind)));
    }
}

static void put_error(struct json_writer *json, const struct checked *c,
                      const struct complaint *error)
{
    const struct spans_place place = spans_place(c->text, error->at.from);
    json_open(json, '{');
    json_add_str(json, "code", str_of(error->why->code));
    json_add_str(json, "message", error->why->says);
    if (error->detail.len)
        json_add_str(json, "detail", error->detail);
    json_add_int(json, "line", place.line);
    json_add_int(json, "column", place.column);
    json_close(json, '}');
}

static void put(const struct checked *c, struct json_writer *json)
{
    json_open(json, '{');
    json_add_str(json, "file", c->file);
    json_add_str(json, "type", policy_type_name(c->type));
    json_add_bool(json, "guessed", c->guessed);
    json_add_bool(json, "valid", c->error_count == 0);
    json_name(json, STR("errors"));
    json_open(json, '[');
    for (size_t i = 0; i < c->error_count; i++)
        put_error(json, c, &c->errors[i]);
    json_close(json, ']');
    json_name(json, STR("hints"));
    json_open(json, '[');
    for (size_t i = 0; i < c->hints.count; i++)
        hint_put_json(json, &c->hints.of[i]);
    json_close(json, ']');
    json_close(json, '}');
}

static const struct fault *check_all(const struct config *config, struct arena *a, struct buf *out,
                                     bool *ret_refused)
{
    struct json_writer json = json_writer(out);
    enum policy_type type;
    struct arn arn;
    if (!config->operand_count)
        return fault(a, FAULT_SYNTAX, NULL, "check what? FILE..., or - for standard input");
    if (config->type.len && !policy_type_of(config->type, &type))
        return fault(a, FAULT_SYNTAX, NULL,
                     "--type wants bucket, trust, identity, key, topic or function");
    if (config->rule_arn.len && !arn_parse(config->rule_arn, &arn))
        return fault(a, FAULT_SYNTAX, NULL,
                     "--rule-arn wants the ARN of a receipt rule, not \"" STR_FMT "\"",
                     STR_ARG(config->rule_arn));
    if (config->json)
        json_open(&json, '[');
    for (size_t i = 0; i < config->operand_count; i++) {
        AUTO_ARENA *one = arena_new(256 << 20);
        struct checked checked;
        const struct fault *f =
            one ? check(config, config->operands[i], one, &checked) : &fault_no_memory;
        if (f)
            return fault_keep(a, f);
        *ret_refused |= checked.error_count > 0;
        if (config->json)
            put(&checked, &json);
        else
            print(&checked, out);
    }
    if (config->json) {
        json_close(&json, ']');
        buf_addc(out, '\n');
    }
    return out->failed ? &fault_no_memory : NULL;
}

int command_check(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(16 << 20);
    AUTO_BUF out = buf_new(OUT_MAX);
    struct config config = { 0 };
    bool refused = false;
    const struct fault *f =
        a ? config_read(FOR_CHECK, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = check_all(&config, a, &out, &refused);
    if (f) { /* what was found in the files before is told all the same */
        if (!config.json)
            fwrite(out.ptr, 1, out.len, stdout);
        return command_failed(f, a);
    }
    if (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        return 1;
    return refused ? 1 : 0;
}

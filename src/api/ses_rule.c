#include "api/ses_rule.h"

#include "api/ses_list.h"
#include "base/xml.h"
#include "services/ses/action_fields.h"

#include <assert.h>

/* ---- violations ---- */

static const str not_null = STR_INIT("Member must not be null");
static const str not_numbered = STR_INIT("Member must be numbered: member.1, member.2 and so on");
/* AWS's sentence for a gap and for two at once. */
static const str one_action =
    STR_INIT("Exactly one action type must be specified for each ReceiptAction");

struct violations violations_new(void)
{
    return (struct violations) { .text = buf_new(256 * 1024) };
}

void violations_free(struct violations *v)
{
    buf_free(&v->text);
}

void violation(struct violations *v, str path, str constraint)
{
    buf_addf(&v->text, "%sValue at '" STR_FMT "' failed to satisfy constraint: " STR_FMT,
             v->count ? "; " : "", STR_ARG(path), STR_ARG(constraint));
    v->count++;
}

void violations_of_name(struct violations *v, const char *path, str name)
{
    if (str_is_none(name))
        return;
    bool fits = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        fits = fits && (ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '.' || c == '-');
    }
    if (name.len == 0)
        violation(v, str_of(path), STR("Member must have length greater than or equal to 1"));
    if (!fits)
        violation(v, str_of(path),
                  STR("Member must satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$"));
}

const struct fault *violations_fault(const struct violations *v, struct arena *arena)
{
    if (v->count == 0)
        return NULL;
    if (v->text.failed)
        return fault_coded(arena, FAULT_SYNTAX, "ValidationError", "%zu validation errors detected",
                           v->count);
    return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                       "%zu validation error%s detected: " STR_FMT, v->count,
                       v->count == 1 ? "" : "s", STR_ARG(buf_str(&v->text)));
}

/* ---- reading ---- */

static void violations_of_list(struct violations *v, const char *path, const struct ses_list *list,
                               str sparse)
{
    if (list->sparse)
        violation(v, str_of(path), sparse);
    if (list->unplaced)
        violation(v, str_of(path), not_numbered);
}

static str member_path(struct arena *arena, const char *list, size_t n, const char *after)
{
    return arena_strf(arena, "rule.%s.%zu.member%s", list, n, after);
}

static const struct fault *read_recipients(const struct api_call *call, struct violations *v,
                                           struct receipt_rule *rule)
{
    struct ses_list list;
    const str *recipients;
    TRY(ses_list_texts(call, STR("Rule.Recipients"), &list, &recipients));
    for (size_t n = 1; n <= list.count; n++)
        if (str_is_none(recipients[n - 1]))
            violation(v, member_path(call->call.arena, "recipients", n, ""), not_null);
    violations_of_list(v, "rule.recipients", &list, not_null);
    rule->recipients = recipients;
    rule->recipient_count = list.count;
    return NULL;
}

/* What the parameters say about one action, before it is known to be right. */
struct draft {
    unsigned kinds; /* a bit for each kind that was named */
    str unbuilt;    /* a member of it that is not known here; STR_NONE: none */
    str values[32]; /* by row of action_fields */
};

static void draft_take(struct draft *draft, str name, str value)
{
    assert(action_field_count <= sizeof(draft->values) / sizeof(draft->values[0]) &&
           "a place for each field");
    str shape, field;
    bool dotted = str_cut(name, '.', &shape, &field);
    for (size_t k = 0; k < ACTION_KINDS; k++) {
        if (!str_eq(action_shapes[k].name, dotted ? shape : name))
            continue;
        draft->kinds |= 1u << k;
        size_t f = 0;
        while (f < action_field_count &&
               !((size_t)action_fields[f].kind == k && str_eq(action_fields[f].name, field)))
            f++;
        if (dotted && f < action_field_count)
            draft->values[f] = value;
        else if (dotted)
            draft->unbuilt = name;
    }
}

/* What a rule can have at AWS and cannot here is refused, never dropped in silence. */
static const struct fault *unbuilt(str name, struct arena *arena)
{
    return fault_coded(arena, FAULT_UNBUILT, "NotImplemented",
                       "The member " STR_FMT " of a receipt rule is not implemented",
                       STR_ARG(str_head(name, 128)));
}

static const struct fault *read_action(const struct draft *draft, size_t n, struct arena *arena,
                                       struct violations *v, struct action *ret_action)
{
    size_t kind = 0;
    if (!str_is_none(draft->unbuilt))
        return unbuilt(draft->unbuilt, arena);
    while (kind < ACTION_KINDS && !(draft->kinds & 1u << kind))
        kind++;
    if (kind == ACTION_KINDS) {
        /* A gap in the numbers, or an element without any action. */
        violation(v, member_path(arena, "actions", n, ""), one_action);
        return NULL;
    }
    if (draft->kinds != 1u << kind) {
        violation(v, member_path(arena, "actions", n, ""), one_action);
        return NULL;
    }
    ret_action->kind = (enum action_kind)kind;
    for (size_t f = 0; f < action_field_count; f++) {
        const struct action_field *field = &action_fields[f];
        if ((size_t)field->kind != kind)
            continue;
        str path = arena_strf(arena, "rule.actions.%zu.member." STR_FMT "." STR_FMT, n,
                              STR_ARG(action_shapes[kind].path), STR_ARG(field->path));
        if (str_is_none(path))
            return &fault_no_memory;
        if (str_is_none(draft->values[f])) {
            if (field->required)
                violation(v, path, not_null);
        } else if (!action_field_set(field, ret_action, draft->values[f])) {
            str wanted = arena_strf(arena, "Member must satisfy enum value set: " STR_FMT,
                                    STR_ARG(field->words->set));
            violation(v, path, wanted);
        }
    }
    return NULL;
}

static const struct fault *read_actions(const struct api_call *call, struct violations *v,
                                        struct receipt_rule *rule)
{
    struct arena *arena = call->call.arena;
    str name = STR("Rule.Actions");
    struct ses_list list;
    TRY(ses_list_find(call, name, LIST_OF_STRUCTURES, &list));
    struct draft *drafts = ARENA_ARRAY(arena, struct draft, list.count + 1);
    struct action *actions = ARENA_ARRAY(arena, struct action, list.count + 1);
    if (!drafts || !actions)
        return &fault_no_memory;
    for (size_t i = call->param_count; i > 0; i--) {
        uint64_t n;
        str rest;
        const struct header *param = &call->params[i - 1];
        if (ses_list_member(param->name, name, &n, &rest) && n <= list.count && !str_is_none(rest))
            draft_take(&drafts[n - 1], rest, param->value);
    }
    for (size_t n = 1; n <= list.count; n++)
        TRY(read_action(&drafts[n - 1], n, arena, v, &actions[n - 1]));
    violations_of_list(v, "rule.actions", &list, one_action);
    rule->actions = actions;
    rule->action_count = list.count;
    return NULL;
}

/* XML Schema's, to the letter: TRUE is none. The parser says so before anything else is looked at.
 */
static const struct fault *read_bool(const struct api_call *call, const char *name, bool *ret_bool)
{
    str text = api_param(call, name);
    *ret_bool = str_eq(text, STR("true")) || str_eq(text, STR("1"));
    if (str_is_none(text) || *ret_bool || str_eq(text, STR("false")) || str_eq(text, STR("0")))
        return NULL;
    return fault_coded(call->call.arena, FAULT_SYNTAX, "MalformedInput", "%s",
                       text.len ? "boolean must follow xsd1.1 definition"
                                : "missing value for boolean type");
}

static const struct fault *refuse_unbuilt(const struct api_call *call)
{
    static const str known[] = { STR_INIT("Name"),        STR_INIT("Enabled"),
                                 STR_INIT("ScanEnabled"), STR_INIT("TlsPolicy"),
                                 STR_INIT("Recipients"),  STR_INIT("Actions") };
    for (size_t i = 0; i < call->param_count; i++) {
        str name = call->params[i].name, member, rest;
        if (!str_starts(name, STR("Rule.")))
            continue;
        name = str_from(name, 5);
        if (!str_cut(name, '.', &member, &rest))
            member = name;
        size_t k = 0;
        while (k < sizeof(known) / sizeof(known[0]) && !str_eq(known[k], member))
            k++;
        if (k == sizeof(known) / sizeof(known[0]))
            return unbuilt(name, call->call.arena);
    }
    return NULL;
}

const struct fault *ses_rule_read(const struct api_call *call, struct violations *v,
                                  struct receipt_rule *ret_rule)
{
    bool sent = false;
    for (size_t i = 0; i < call->param_count; i++)
        sent = sent || str_eq(call->params[i].name, STR("Rule")) ||
               str_starts(call->params[i].name, STR("Rule."));
    if (!sent) {
        violation(v, STR("rule"), not_null);
        return NULL;
    }
    TRY(refuse_unbuilt(call));
    struct receipt_rule rule = { .name = api_param(call, "Rule.Name") };
    if (str_is_none(rule.name))
        violation(v, STR("rule.name"), not_null);
    violations_of_name(v, "rule.name", rule.name);
    TRY(read_bool(call, "Rule.Enabled", &rule.enabled));
    TRY(read_bool(call, "Rule.ScanEnabled", &rule.scan_enabled));
    str tls = api_param(call, "Rule.TlsPolicy");
    rule.tls_required = str_eq(tls, STR("Require"));
    if (!str_is_none(tls) && !rule.tls_required && !str_eq(tls, STR("Optional")))
        violation(v, STR("rule.tlsPolicy"),
                  STR("Member must satisfy enum value set: [Optional, Require]"));
    TRY(read_recipients(call, v, &rule));
    TRY(read_actions(call, v, &rule));
    *ret_rule = rule;
    return NULL;
}

/* ---- showing ---- */

static void write_action(struct buf *out, const struct action *action)
{
    const char *shape = action_shapes[action->kind].name.ptr;
    xml_open(out, "member");
    xml_open(out, shape);
    for (size_t f = 0; f < action_field_count; f++)
        if (action_fields[f].kind == action->kind)
            xml_leaf(out, action_fields[f].name.ptr, action_field_get(&action_fields[f], action));
    xml_close(out, shape);
    xml_close(out, "member");
}

void ses_rule_write(struct buf *out, const struct receipt_rule *rule)
{
    xml_leaf(out, "Name", rule->name);
    xml_leaf_bool(out, "Enabled", rule->enabled);
    xml_leaf(out, "TlsPolicy", rule->tls_required ? STR("Require") : STR("Optional"));
    if (rule->recipient_count > 0) {
        xml_open(out, "Recipients");
        for (size_t i = 0; i < rule->recipient_count; i++)
            xml_leaf(out, "member", rule->recipients[i]);
        xml_close(out, "Recipients");
    }
    xml_open(out, "Actions");
    for (size_t i = 0; i < rule->action_count; i++)
        write_action(out, &rule->actions[i]);
    xml_close(out, "Actions");
    xml_leaf_bool(out, "ScanEnabled", rule->scan_enabled);
}

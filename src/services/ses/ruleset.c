/* services/ses/ruleset.c - the text of a rule set, in the state and beside a message in the spool.
 *
 *     {"Name","Account","Region","CreatedMs",
 *      "Rules":[{"Name","Enabled","TlsPolicy","Recipients":[...],"Actions":[{"S3Action":{...}}],
 *                "ScanEnabled"}]}
 *
 * Rules are spelled as the SES API spells them, so a rule of the state can be pasted into a command
 * line. Absent members are left out. */
#include "services/ses/ruleset.h"

#include "base/json.h"
#include "services/ses/action_fields.h"
#include "services/ses/recipients.h"

static const str kind_names[ACTION_KINDS] = {
    [ACTION_S3] = STR_INIT("S3"),
    [ACTION_SNS] = STR_INIT("SNS"),
    [ACTION_LAMBDA] = STR_INIT("Lambda"),
    [ACTION_BOUNCE] = STR_INIT("Bounce"),
    [ACTION_STOP] = STR_INIT("Stop"),
    [ACTION_ADD_HEADER] = STR_INIT("AddHeader"),
    [ACTION_WORKMAIL] = STR_INIT("WorkMail"),
    [ACTION_CONNECT] = STR_INIT("Connect"),
};

str action_kind_name(enum action_kind kind)
{
    return kind_names[kind];
}

static void add_str(struct json_writer *w, str name, str value)
{
    json_name(w, name);
    json_put_str(w, value);
}

static void write_action(struct json_writer *w, const struct action *action)
{
    json_open(w, '{');
    json_name(w, action_shapes[action->kind].name);
    json_open(w, '{');
    for (size_t i = 0; i < action_field_count; i++) {
        if (action_fields[i].kind != action->kind)
            continue;
        str value = action_field_get(&action_fields[i], action);
        if (!str_is_none(value))
            add_str(w, action_fields[i].name, value);
    }
    json_close(w, '}');
    json_close(w, '}');
}

static void write_rule(struct json_writer *w, const struct receipt_rule *rule)
{
    json_open(w, '{');
    json_add_str(w, "Name", rule->name);
    json_add_bool(w, "Enabled", rule->enabled);
    json_add_str(w, "TlsPolicy", rule->tls_required ? STR("Require") : STR("Optional"));
    if (rule->recipient_count > 0) {
        json_name(w, STR("Recipients"));
        json_open(w, '[');
        for (size_t i = 0; i < rule->recipient_count; i++)
            json_put_str(w, rule->recipients[i]);
        json_close(w, ']');
    }
    json_name(w, STR("Actions"));
    json_open(w, '[');
    for (size_t i = 0; i < rule->action_count; i++)
        write_action(w, &rule->actions[i]);
    json_close(w, ']');
    json_add_bool(w, "ScanEnabled", rule->scan_enabled);
    json_close(w, '}');
}

void rule_set_write(const struct receipt_rule_set *set, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "Name", set->name);
    json_add_str(&w, "Account", set->account);
    json_add_str(&w, "Region", set->region);
    json_add_int(&w, "CreatedMs", set->created_ms);
    json_name(&w, STR("Rules"));
    json_open(&w, '[');
    for (size_t i = 0; i < set->rule_count; i++)
        write_rule(&w, &set->rules[i]);
    json_close(&w, ']');
    json_close(&w, '}');
}

static const struct fault *read_action(const struct json *json, struct arena *arena,
                                       struct action *ret_action)
{
    str name;
    const struct json *members;
    if (json_size(json) != 1 || !json_member(json, 0, &name, &members))
        return fault(arena, FAULT_SYNTAX, NULL,
                     "an action of a rule set names not exactly one kind");
    size_t kind = 0;
    while (kind < ACTION_KINDS && !str_eq(action_shapes[kind].name, name))
        kind++;
    if (kind == ACTION_KINDS)
        return fault(arena, FAULT_SYNTAX, NULL, "no action is called " STR_FMT, STR_ARG(name));
    struct action action = { .kind = (enum action_kind)kind };
    for (size_t i = 0; i < action_field_count; i++) {
        const struct action_field *field = &action_fields[i];
        if (field->kind != action.kind)
            continue;
        str text = json_str(members, field->name.ptr);
        if (str_is_none(text) ? field->required : !action_field_set(field, &action, text))
            return fault(arena, FAULT_SYNTAX, NULL,
                         "the " STR_FMT " of an " STR_FMT " is missing or unknown",
                         STR_ARG(field->name), STR_ARG(name));
    }
    *ret_action = action;
    return NULL;
}

static const struct fault *read_rule(const struct json *json, struct arena *arena,
                                     struct receipt_rule *ret_rule)
{
    const struct json *recipients = json_get(json, "Recipients"),
                      *actions = json_get(json, "Actions");
    struct receipt_rule rule = {
        .name = json_str(json, "Name"),
        .enabled = json_bool(json, "Enabled", false),
        .scan_enabled = json_bool(json, "ScanEnabled", false),
        .tls_required = str_eq(json_str(json, "TlsPolicy"), STR("Require")),
        .recipient_count = json_size(recipients),
        .action_count = json_size(actions),
    };
    if (str_is_none(rule.name))
        return fault(arena, FAULT_SYNTAX, NULL, "a rule of a rule set has no name");
    str *conditions = ARENA_ARRAY(arena, str, rule.recipient_count + 1);
    struct action *acts = ARENA_ARRAY(arena, struct action, rule.action_count + 1);
    if (!conditions || !acts)
        return &fault_no_memory;
    for (size_t i = 0; i < rule.recipient_count; i++) {
        conditions[i] = json_text(json_at(recipients, i));
        if (str_is_none(conditions[i]))
            return fault(arena, FAULT_SYNTAX, NULL,
                         "a recipient condition of rule " STR_FMT " is no text",
                         STR_ARG(rule.name));
    }
    for (size_t i = 0; i < rule.action_count; i++)
        TRY(read_action(json_at(actions, i), arena, &acts[i]));
    rule.recipients = conditions;
    rule.sieve = recipient_sieve_make(conditions, rule.recipient_count, arena);
    rule.actions = acts;
    *ret_rule = rule;
    return NULL;
}

const struct fault *rule_set_read(str text, struct arena *arena, struct receipt_rule_set *ret_set)
{
    str own = arena_str(arena, text);
    const struct json *json;
    if (str_is_none(own))
        return &fault_no_memory;
    TRY(json_parse(own, arena, &json));
    const struct json *list = json_get(json, "Rules");
    struct receipt_rule_set set = {
        .name = json_str(json, "Name"),
        .account = json_str(json, "Account"),
        .region = json_str(json, "Region"),
        .created_ms = json_int(json, "CreatedMs", 0),
        .rule_count = json_size(list),
        .text = own,
    };
    if (str_is_none(set.name) || str_is_none(set.account) || str_is_none(set.region) ||
        json_kind(list) != JSON_ARRAY)
        return fault(arena, FAULT_SYNTAX, NULL, "a rule set wants Name, Account, Region and Rules");
    struct receipt_rule *rules = ARENA_ARRAY(arena, struct receipt_rule, set.rule_count + 1);
    if (!rules)
        return &fault_no_memory;
    for (size_t i = 0; i < set.rule_count; i++)
        TRY(read_rule(json_at(list, i), arena, &rules[i]));
    static _Atomic uint64_t readings;
    set.rules = rules;
    set.number = ++readings;
    *ret_set = set;
    return NULL;
}

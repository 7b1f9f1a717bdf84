/* services/ses/rule_order.c - the changes of a rule set that leave each rule as it is: a copy of
 * the whole, and another order. SES tries no target again (ses-receiving spec 12.4). */
#include "services/ses/rule_set_change.h"

const struct fault *rule_set_clone(struct state *state, const struct call *call, str name,
                                   str original, const struct receipt_rule_set **ret_clone)
{
    uint64_t revision;
    struct receipt_rule_set there;
    if (original.len == 0)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "OriginalRuleSetName is required.");
    TRY(rule_set_check_name(call->arena, name));
    TRY(rule_set_check_name(call->arena, original));
    const struct fault *why = rule_set_get(state, call, name, &revision, &there);
    if (!why) /* before the original is looked for: spec 12.3 */
        return rule_set_exists_already(call->arena, name);
    if (why->kind != FAULT_ABSENT)
        return why;
    struct receipt_rule_set *clone = ARENA_NEW(call->arena, struct receipt_rule_set);
    if (!clone)
        return &fault_no_memory;
    TRY(rule_set_get(state, call, original, &revision, clone));
    TRY(rule_set_count(state, call));
    clone->name = name;
    clone->created_ms = call->now_ms;
    why = rule_set_put(state, call, clone, REVISION_NEW);
    if (rule_set_came_late(why))
        return rule_set_exists_already(call->arena, name);
    *ret_clone = clone;
    return why;
}

/* Duplicates first, then rules without a place, then names without a rule: spec 12.3. */
static const struct fault *check_order(const struct call *call, const struct receipt_rule_set *set,
                                       const str *names, size_t count)
{
    AUTO_BUF left = buf_new(64 * 1024);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(names[k], names[i]))
                return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                                   "Multiple positions found for rule: " STR_FMT,
                                   STR_ARG(names[i]));
    for (size_t r = 0; r < set->rule_count; r++) {
        size_t i = 0;
        while (i < count && !str_eq(names[i], set->rules[r].name))
            i++;
        if (i == count)
            buf_addf(&left, "%s" STR_FMT, left.len ? ", " : "", STR_ARG(set->rules[r].name));
    }
    if (left.len)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Positions for rules not found: " STR_FMT, STR_ARG(buf_str(&left)));
    for (size_t i = 0; i < count; i++)
        if (!rule_find(set, names[i]))
            return rule_absent(call->arena, names[i]);
    return NULL;
}

const struct fault *rule_set_reorder(struct state *state, const struct call *call, str name,
                                     const str *names, size_t count)
{
    TRY(rule_set_check_name(call->arena, name));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        uint64_t revision;
        struct receipt_rule_set set;
        struct receipt_rule *rules = ARENA_ARRAY(call->arena, struct receipt_rule, count + 1);
        TRY(rule_set_get(state, call, name, &revision, &set));
        TRY(check_order(call, &set, names, count));
        if (!rules)
            return &fault_no_memory;
        for (size_t k = 0; k < count; k++)
            rules[k] = *rule_find(&set, names[k]);
        set.rules = rules;
        const struct fault *why = rule_set_put(state, call, &set, revision);
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

static const struct fault *move(const struct call *call, struct receipt_rule_set *set, str rule,
                                str after)
{
    const struct receipt_rule *moved = rule_find(set, rule);
    struct receipt_rule *rules = ARENA_ARRAY(call->arena, struct receipt_rule, set->rule_count + 1);
    size_t count = 0;
    if (!moved)
        return rule_absent(call->arena, rule);
    if (!str_is_none(after) && !rule_find(set, after))
        return rule_absent(call->arena, after);
    if (str_eq(rule, after)) /* behind itself is where it is */
        return NULL;
    if (!rules)
        return &fault_no_memory;
    if (str_is_none(after))
        rules[count++] = *moved;
    for (size_t i = 0; i < set->rule_count; i++) {
        if (&set->rules[i] == moved)
            continue;
        rules[count++] = set->rules[i];
        if (!str_is_none(after) && str_eq(set->rules[i].name, after))
            rules[count++] = *moved;
    }
    set->rules = rules;
    return NULL;
}

const struct fault *rule_set_position(struct state *state, const struct call *call, str rule_set,
                                      str rule, str after)
{
    TRY(rule_set_check_name(call->arena, rule_set));
    TRY(rule_check_name(call->arena, rule));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        uint64_t revision;
        struct receipt_rule_set set;
        TRY(rule_set_get(state, call, rule_set, &revision, &set));
        TRY(move(call, &set, rule, after));
        const struct fault *why = rule_set_put(state, call, &set, revision);
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

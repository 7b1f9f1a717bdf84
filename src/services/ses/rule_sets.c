#include "services/ses/rule_check.h"
#include "services/ses/rule_set_change.h"

#include "services/world.h"

enum {
    NAME_MAX_SES = 64,
    SET_TEXT_MAX =
        4 * 1024 * 1024, /* of the whole set as JSON: what a world can afford to compile */
    KEY_ROOM = 512,
};

/* ---- keys and look-ups ---- */

static str set_key(struct arena *arena, str account, str region, str name)
{
    return arena_strf(arena, "rule-set/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(account),
                      STR_ARG(region), STR_ARG(name));
}

static str active_key(struct arena *arena, str account, str region)
{
    return arena_strf(arena, "active-rule-set/" STR_FMT "/" STR_FMT, STR_ARG(account),
                      STR_ARG(region));
}

/* The same without an arena, for look-ups on the way of every mail; STR_NONE: too long to exist. */
static str join(char to[KEY_ROOM], const str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len + 1 > KEY_ROOM - len)
            return STR_NONE;
        if (i > 0)
            to[len++] = '/';
        if (parts[i].len > 0)
            memcpy(to + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (str) { to, len };
}

const struct receipt_rule_set *rule_set_find(const struct world *world, str account, str region,
                                             str name)
{
    char room[KEY_ROOM];
    str key = join(room, (str[]) { STR("rule-set"), account, region, name }, 4);
    return str_is_none(key) ? NULL : world_find(world, key);
}

struct active_rule_set {
    str name;
};

const struct receipt_rule_set *rule_set_active(const struct world *world, str account, str region)
{
    char room[KEY_ROOM];
    str key = join(room, (str[]) { STR("active-rule-set"), account, region }, 3);
    const struct active_rule_set *active = str_is_none(key) ? NULL : world_find(world, key);
    return active ? rule_set_find(world, account, region, active->name) : NULL;
}

const struct receipt_rule *rule_find(const struct receipt_rule_set *set, str name)
{
    for (size_t i = 0; i < set->rule_count; i++)
        if (str_eq(set->rules[i].name, name))
            return &set->rules[i];
    return NULL;
}

const struct fault *rule_set_compile(const struct record *record, struct arena *arena,
                                     const void **ret_aggregate)
{
    struct receipt_rule_set *set = ARENA_NEW(arena, struct receipt_rule_set);
    if (!set)
        return &fault_no_memory;
    TRY(rule_set_read(record->value, arena, set));
    *ret_aggregate = set;
    return NULL;
}

const struct fault *active_rule_set_compile(const struct record *record, struct arena *arena,
                                            const void **ret_aggregate)
{
    /* The value is the bare name. */
    struct active_rule_set *active = ARENA_NEW(arena, struct active_rule_set);
    if (!active)
        return &fault_no_memory;
    active->name = arena_str(arena, record->value);
    *ret_aggregate = active;
    return NULL;
}

/* ---- what SES says ---- */

static const struct fault *no_set(struct arena *arena, str name)
{
    return fault_about(arena, name,
                       fault_coded(arena, FAULT_ABSENT, "RuleSetDoesNotExist",
                                   "Rule set does not exist: " STR_FMT, STR_ARG(name)));
}

const struct fault *rule_absent(struct arena *arena, str name)
{
    return fault_about(arena, name,
                       fault_coded(arena, FAULT_ABSENT, "RuleDoesNotExist",
                                   "Rule does not exist: " STR_FMT, STR_ARG(name)));
}

static bool alphanumeric(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* Letters, digits and _.- are what the shape of the parameter asks for already; a caller inside
 * the program gets the same answer here. */
bool ses_name_ok(str name)
{
    if (name.len == 0 || name.len > NAME_MAX_SES || !alphanumeric(name.ptr[0]) ||
        !alphanumeric(name.ptr[name.len - 1]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!alphanumeric(name.ptr[i]) && name.ptr[i] != '_' && name.ptr[i] != '.' &&
            name.ptr[i] != '-')
            return false;
    return true;
}

const struct fault *rule_set_check_name(struct arena *arena, str name)
{
    if (name.len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "RuleSetName is required.");
    if (!ses_name_ok(name))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Not a valid ruleSetName: " STR_FMT, STR_ARG(name));
    return NULL;
}

const struct fault *rule_check_name(struct arena *arena, str name)
{
    if (name.len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue", "RuleName is required.");
    if (!ses_name_ok(name))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Not a valid ruleName: " STR_FMT, STR_ARG(name));
    return NULL;
}

/* ---- changes ---- */

const struct fault *rule_set_get(struct state *state, const struct call *call, str name,
                                   uint64_t *ret_revision, struct receipt_rule_set *ret_set)
{
    str key = set_key(call->arena, call->caller->account, call->region, name);
    struct record record;
    if (str_is_none(key))
        return &fault_no_memory;
    const struct fault *why = state->ops->get(state, key, call->arena, &record);
    if (why)
        return why->kind == FAULT_ABSENT ? no_set(call->arena, name) : why;
    TRY(rule_set_read(record.value, call->arena, ret_set));
    *ret_revision = record.revision;
    return NULL;
}

const struct fault *rule_set_put(struct state *state, const struct call *call,
                                   const struct receipt_rule_set *set, uint64_t expected)
{
    AUTO_BUF text = buf_new(SET_TEXT_MAX);
    rule_set_write(set, &text);
    if (text.failed)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded", "Rule set too large");
    str key = set_key(call->arena, set->account, set->region, set->name);
    uint64_t revision;
    if (str_is_none(key))
        return &fault_no_memory;
    return state->ops->put(state, key, buf_str(&text), expected, call->arena, &revision);
}

bool rule_set_came_late(const struct fault *why)
{
    return why && why->kind == FAULT_CONFLICT && !why->code;
}

const struct fault *rule_set_too_busy(struct arena *arena)
{
    return fault(arena, FAULT_UNAVAILABLE, NULL, "others keep changing the rule set; try again");
}

const struct fault *rule_set_count(struct state *state, const struct call *call)
{
    AUTO_ARENA *arena = arena_new((size_t)SET_TEXT_MAX * (RULE_SETS_MAX + 2));
    str prefix = arena ? set_key(arena, call->caller->account, call->region, STR("")) : STR_NONE;
    struct record *records;
    size_t count;
    if (str_is_none(prefix))
        return &fault_no_memory;
    const struct fault *why =
        state->ops->list(state, prefix, STR_NONE, RULE_SETS_MAX, arena, &records, &count);
    if (why)
        return fault_keep(call->arena, why);
    return count < RULE_SETS_MAX
               ? NULL
               : fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded", "Too many rule sets");
}

const struct fault *rule_set_exists_already(struct arena *arena, str name)
{
    return fault_about(arena, name,
                       fault_coded(arena, FAULT_CONFLICT, "AlreadyExists",
                                   "Rule set already exists: " STR_FMT, STR_ARG(name)));
}

const struct fault *rule_set_create(struct state *state, const struct call *call, str name)
{
    TRY(rule_set_check_name(call->arena, name));
    struct receipt_rule_set set = {
        .name = name,
        .account = call->caller->account,
        .region = call->region,
        .created_ms = call->now_ms,
    };
    uint64_t revision;
    struct receipt_rule_set there;
    const struct fault *why = rule_set_get(state, call, name, &revision, &there);
    if (!why || why->kind != FAULT_ABSENT) {
        TRY(why);
        return rule_set_exists_already(call->arena, name);
    }
    TRY(rule_set_count(state, call));
    why = rule_set_put(state, call, &set, REVISION_NEW);
    return rule_set_came_late(why) ? rule_set_exists_already(call->arena, name) : why;
}

/* The name of the active set as the state holds it; STR_NONE and REVISION_NEW when there is none.
 */
static const struct fault *active_get(struct state *state, const struct call *call, str *ret_key,
                                      struct record *ret_record)
{
    *ret_key = active_key(call->arena, call->caller->account, call->region);
    if (str_is_none(*ret_key))
        return &fault_no_memory;
    const struct fault *why = state->ops->get(state, *ret_key, call->arena, ret_record);
    if (why && why->kind == FAULT_ABSENT) {
        *ret_record =
            (struct record) { .key = *ret_key, .value = STR_NONE, .revision = REVISION_NEW };
        return NULL;
    }
    return why;
}

const struct fault *rule_set_delete(struct state *state, const struct call *call, str name)
{
    TRY(rule_set_check_name(call->arena, name));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        str key;
        struct record active;
        TRY(active_get(state, call, &key, &active));
        if (!str_is_none(active.value) && str_eq(active.value, name))
            return fault_about(call->arena, name,
                               fault_coded(call->arena, FAULT_CONFLICT, "CannotDelete",
                                           "Cannot delete active rule set: " STR_FMT,
                                           STR_ARG(name)));
        struct record record;
        key = set_key(call->arena, call->caller->account, call->region, name);
        if (str_is_none(key))
            return &fault_no_memory;
        const struct fault *why = state->ops->get(state, key, call->arena, &record);
        if (!why)
            why = state->ops->remove(state, key, record.revision, call->arena);
        if (!why || why->kind == FAULT_ABSENT)
            return NULL;
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

const struct fault *rule_set_activate(struct state *state, const struct call *call, str name)
{
    if (name.len > 0)
        TRY(rule_set_check_name(call->arena, name));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        str key;
        struct record active;
        struct receipt_rule_set set;
        uint64_t revision;
        TRY(active_get(state, call, &key, &active));
        if (name.len > 0)
            TRY(rule_set_get(state, call, name, &revision, &set));
        else if (str_is_none(active.value))
            return NULL;
        const struct fault *why =
            name.len > 0
                ? state->ops->put(state, key, name, active.revision, call->arena, &revision)
                : state->ops->remove(state, key, active.revision, call->arena);
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

/* The rules with `add` put at `at`; the rules from `from` on follow. */
static const struct fault *rules_with(const struct receipt_rule_set *set, size_t at, size_t from,
                                      const struct receipt_rule *add, struct arena *arena,
                                      struct receipt_rule_set *ret_set)
{
    struct receipt_rule *rules = ARENA_ARRAY(arena, struct receipt_rule, set->rule_count + 1);
    if (!rules)
        return &fault_no_memory;
    size_t count = 0;
    for (size_t i = 0; i < at; i++)
        rules[count++] = set->rules[i];
    if (add)
        rules[count++] = *add;
    for (size_t i = from; i < set->rule_count; i++)
        rules[count++] = set->rules[i];
    *ret_set = *set;
    ret_set->rules = rules;
    ret_set->rule_count = count;
    return NULL;
}

const struct fault *rule_create(struct state *state, const struct call *call, str rule_set,
                                str after, const struct receipt_rule *given, struct rule_test *test)
{
    struct receipt_rule kept;
    const struct receipt_rule *rule = &kept;
    TRY(rule_set_check_name(call->arena, rule_set));
    TRY(rule_check(call, given, &kept));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        uint64_t revision;
        struct receipt_rule_set set, next;
        TRY(rule_set_get(state, call, rule_set, &revision, &set));
        if (rule_find(&set, rule->name))
            return fault_about(call->arena, rule->name,
                               fault_coded(call->arena, FAULT_CONFLICT, "AlreadyExists",
                                           "Rule already exists: " STR_FMT, STR_ARG(rule->name)));
        if (set.rule_count >= RULES_MAX)
            return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded", "Too many rules");
        size_t at = 0;
        if (!str_is_none(after)) {
            const struct receipt_rule *before = rule_find(&set, after);
            if (!before)
                return rule_absent(call->arena, after);
            at = (size_t)(before - set.rules) + 1;
        }
        if (i == 0) /* the targets are not tried again because another rule came first */
            TRY(rule_check_actions(call, rule, test));
        TRY(rules_with(&set, at, at, rule, call->arena, &next));
        const struct fault *why = rule_set_put(state, call, &next, revision);
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

const struct fault *rule_update(struct state *state, const struct call *call, str rule_set,
                                const struct receipt_rule *given, struct rule_test *test)
{
    struct receipt_rule kept;
    const struct receipt_rule *rule = &kept;
    TRY(rule_set_check_name(call->arena, rule_set));
    TRY(rule_check(call, given, &kept));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        uint64_t revision;
        struct receipt_rule_set set, next;
        TRY(rule_set_get(state, call, rule_set, &revision, &set));
        const struct receipt_rule *there = rule_find(&set, rule->name);
        if (!there)
            return rule_absent(call->arena, rule->name);
        if (i == 0)
            TRY(rule_check_actions(call, rule, test));
        size_t at = (size_t)(there - set.rules);
        TRY(rules_with(&set, at, at + 1, rule, call->arena, &next));
        const struct fault *why = rule_set_put(state, call, &next, revision);
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

const struct fault *rule_delete(struct state *state, const struct call *call, str rule_set,
                                str rule)
{
    TRY(rule_set_check_name(call->arena, rule_set));
    TRY(rule_check_name(call->arena, rule));
    for (int i = 0; i < RULE_SET_TRIES; i++) {
        uint64_t revision;
        struct receipt_rule_set set, next;
        TRY(rule_set_get(state, call, rule_set, &revision, &set));
        const struct receipt_rule *there = rule_find(&set, rule);
        if (!there)
            return NULL;
        size_t at = (size_t)(there - set.rules);
        TRY(rules_with(&set, at, at + 1, NULL, call->arena, &next));
        const struct fault *why = rule_set_put(state, call, &next, revision);
        if (!rule_set_came_late(why))
            return why;
    }
    return rule_set_too_busy(call->arena);
}

/* ---- reading ---- */

const struct fault *rule_set_describe(const struct call *call, str name,
                                      const struct receipt_rule_set **ret_set)
{
    TRY(rule_set_check_name(call->arena, name));
    const struct receipt_rule_set *set =
        rule_set_find(call->world, call->caller->account, call->region, name);
    if (!set)
        return no_set(call->arena, name);
    *ret_set = set;
    return NULL;
}

const struct fault *rule_describe(const struct call *call, str rule_set, str rule,
                                  const struct receipt_rule **ret_rule)
{
    const struct receipt_rule_set *set;
    TRY(rule_set_check_name(call->arena, rule_set));
    TRY(rule_check_name(call->arena, rule));
    TRY(rule_set_describe(call, rule_set, &set));
    const struct receipt_rule *found = rule_find(set, rule);
    if (!found)
        return rule_absent(call->arena, rule);
    *ret_rule = found;
    return NULL;
}

const struct fault *rule_sets_list(const struct call *call, str after, size_t max,
                                   const struct receipt_rule_set *const **ret_sets,
                                   size_t *ret_count, bool *ret_more)
{
    str prefix = set_key(call->arena, call->caller->account, call->region, STR(""));
    str at = str_is_none(after) ? STR_NONE
                                : set_key(call->arena, call->caller->account, call->region, after);
    const struct receipt_rule_set **sets =
        ARENA_ARRAY(call->arena, const struct receipt_rule_set *, max + 1);
    if (str_is_none(prefix) || !sets)
        return &fault_no_memory;
    size_t count = 0;
    const void *found;
    while (count <= max && world_next(call->world, prefix, at, &at, &found))
        sets[count++] = found;
    *ret_more = count > max;
    *ret_count = count > max ? max : count;
    *ret_sets = sets;
    return NULL;
}

/* Turning statements into what a decision reads. */
#include "policy/compiled.h"

#include "policy/asked.h"

static bool compile_actions(const struct terms *terms, struct arena *arena,
                            struct compiled_statement *to)
{
    struct action_pattern *actions = ARENA_ARRAY(arena, struct action_pattern, terms->count);
    if (terms->count && !actions)
        return false;
    for (size_t i = 0; i < terms->count; i++) {
        if (!action_pattern_compile(terms->values[i], arena, &actions[i]))
            return false;
        action_pattern_mask(&actions[i], to->masks);
        to->any_action |= actions[i].any;
    }
    to->actions = actions;
    to->action_count = terms->count;
    to->actions_negated = terms->negated;
    return true;
}

static size_t colons(str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ':';
    return count;
}

/* IAM completes an ARN of fewer than six fields with *, so arn:aws:sns:us-east-1 reaches all of sns
 * there; a star that ends a field may already stand for the fields that are missing
 * (reference_policies_elements_resource). Hence such an item becomes two. A policy with principals
 * is not kept by IAM, and nobody completes its ARNs. */
static bool compile_resources(const struct statement *from, bool variables, struct arena *arena,
                              struct compiled_statement *to)
{
    const struct terms *terms = &from->resources;
    struct pattern *resources = ARENA_ARRAY(arena, struct pattern, terms->count * 2);
    if (terms->count && !resources)
        return false;
    const unsigned flags =
        PATTERN_WILD | PATTERN_ARN | PATTERN_TRAILING | (variables ? PATTERN_VARIABLES : 0);
    size_t count = 0;
    for (size_t i = 0; i < terms->count; i++) {
        const str text = terms->values[i];
        to->any_resource |= str_eq(text, STR("*"));
        if (!pattern_compile(text, flags, arena, &resources[count++]))
            return false;
        if (from->principal_count || colons(text) >= 5 || !str_starts(text, STR("arn:")))
            continue;
        const str completed = arena_strf(arena, STR_FMT ":*", STR_ARG(text));
        if (str_is_none(completed) ||
            !pattern_compile(completed, flags, arena, &resources[count++]))
            return false;
    }
    to->resources = resources;
    to->resource_count = count;
    to->resources_negated = terms->negated;
    to->resources_absent = terms->count == 0;
    return true;
}

static str last_part(str path)
{
    for (size_t i = path.len; i > 0; i--) {
        if (path.ptr[i - 1] == '/')
            return str_from(path, i);
    }
    return path;
}

static struct grantee grantee_aws(str name)
{
    struct grantee grantee = { .kind = GRANTEE_OTHER, .text = name, .account = ACCOUNT_NONE };
    struct arn arn;
    if (account_id_ok(name)) {
        grantee.kind = GRANTEE_ACCOUNT;
        grantee.account = account_number(name);
        return grantee;
    }
    if (!arn_parse(name, &arn))
        return grantee;
    grantee.partition = arn.partition;
    grantee.account = account_number(arn.account);
    grantee.name = last_part(arn.resource);
    const bool iam = str_eq(arn.service, STR("iam")), sts = str_eq(arn.service, STR("sts"));
    if (iam && str_eq(arn.resource, STR("root")))
        grantee.kind = GRANTEE_ACCOUNT;
    else if (iam && str_starts(arn.resource, STR("role/")))
        grantee.kind = GRANTEE_ROLE;
    else if (iam && str_starts(arn.resource, STR("user/")))
        grantee.kind = GRANTEE_USER;
    else if (sts && (str_starts(arn.resource, STR("assumed-role/")) ||
                     str_starts(arn.resource, STR("federated-user/"))))
        grantee.kind = GRANTEE_SESSION;
    return grantee;
}

static struct grantee grantee_of(const struct principal *principal)
{
    switch (principal->kind) {
    case PRINCIPAL_ANYONE:
        return (struct grantee) { .kind = GRANTEE_ANYONE, .text = principal->name };
    case PRINCIPAL_AWS:
        return grantee_aws(principal->name);
    case PRINCIPAL_SERVICE:
        return (struct grantee) {
            .kind = GRANTEE_SERVICE,
            .name = principal->name,
            .text = principal->name,
        };
    case PRINCIPAL_FEDERATED:
    case PRINCIPAL_CANONICAL_USER:
        break;
    }
    return (struct grantee) { .kind = GRANTEE_OTHER, .text = principal->name };
}

static bool compile_principals(const struct statement *from, struct arena *arena,
                               struct compiled_statement *to)
{
    struct grantee *grantees = ARENA_ARRAY(arena, struct grantee, from->principal_count);
    if (from->principal_count && !grantees)
        return false;
    for (size_t i = 0; i < from->principal_count; i++)
        grantees[i] = grantee_of(&from->principals[i]);
    to->grantees = grantees;
    to->grantee_count = from->principal_count;
    to->principals_negated = from->principals_negated;
    to->principals_absent = from->principal_count == 0;
    return true;
}

/* One text for each name of a document (asked_first), as far as they are few. */
struct names {
    str of[8];
    size_t count;
};

static str one_name(struct names *names, str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_eq(names->of[i], name))
            return names->of[i];
    }
    if (names->count < sizeof(names->of) / sizeof(*names->of))
        names->of[names->count++] = name;
    return name;
}

static bool compile_conditions(const struct statement *from, bool variables, struct arena *arena,
                               struct names *names, struct compiled_statement *to)
{
    struct test *tests = ARENA_ARRAY(arena, struct test, from->condition_count);
    if (from->condition_count && !tests)
        return false;
    for (size_t i = 0; i < from->condition_count; i++) {
        const struct condition *condition = &from->conditions[i];
        struct wanted *wanted = ARENA_ARRAY(arena, struct wanted, condition->wanted.count);
        if (condition->wanted.count && !wanted)
            return false;
        for (size_t v = 0; v < condition->wanted.count; v++) {
            if (!operator_prepare(condition->operator, condition->wanted.values[v], variables,
                                  arena, &wanted[v]))
                return false;
        }
        tests[i] = (struct test) {
            .operator= condition->operator,
            .if_exists = condition->if_exists,
            .for_any = condition->quantifier == FOR_ANY_VALUE,
            .for_all = condition->quantifier == FOR_ALL_VALUES,
            .hash = key_hash(condition->key),
            .key = one_name(names, condition->key),
            .wanted = wanted,
            .wanted_count = condition->wanted.count,
        };
    }
    to->tests = tests;
    to->test_count = from->condition_count;
    return true;
}

bool policy_compile(const struct statement *statements, size_t count, bool variables,
                    struct arena *arena, const struct compiled **ret_compiled)
{
    struct compiled *compiled = ARENA_NEW(arena, struct compiled);
    struct compiled_statement *to = ARENA_ARRAY(arena, struct compiled_statement, count);
    if (!compiled || (count && !to))
        return false;
    struct names names = { 0 };
    for (size_t i = 0; i < count; i++) {
        to[i].effect = statements[i].effect;
        if (!compile_actions(&statements[i].actions, arena, &to[i]) ||
            !compile_resources(&statements[i], variables, arena, &to[i]) ||
            !compile_principals(&statements[i], arena, &to[i]) ||
            !compile_conditions(&statements[i], variables, arena, &names, &to[i]))
            return false;
    }
    *compiled = (struct compiled) { .statements = to, .count = count };
    *ret_compiled = compiled;
    return true;
}

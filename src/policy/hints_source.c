/* Whose receipt rule may ask: aws:SourceArn and aws:SourceAccount, and what stood there before. */
#include "policy/hinting.h"

#include "base/glob.h"

static const str ses = STR_INIT("ses.amazonaws.com");

/* arn:P:ses:R:A:receipt-rule-set/SET:receipt-rule/RULE */
struct rule_name {
    struct arn arn;
    str set, rule;
};

static bool rule_name_read(str text, struct rule_name *ret_name)
{
    const str set = STR("receipt-rule-set/"), rule = STR("receipt-rule/");
    str first, second;
    struct rule_name name;
    if (!arn_parse(text, &name.arn) || !str_cut(name.arn.resource, ':', &first, &second) ||
        !str_starts(first, set) || !str_starts(second, rule))
        return false;
    name.set = str_from(first, set.len);
    name.rule = str_from(second, rule.len);
    if (name.set.len == 0 || name.rule.len == 0 || str_has(name.rule, '/') ||
        str_has(name.rule, ':') || str_has(name.set, '/'))
        return false;
    *ret_name = name;
    return true;
}

static bool is_source_arn(const struct condition *condition)
{
    return str_eq_nocase(condition->key, STR("aws:SourceArn"));
}

static bool admits(const struct reading *r, const struct condition *condition, str value)
{
    struct wanted wanted;
    return operator_prepare(condition->operator, value, false, r->arena, &wanted) &&
           operator_compares(condition->operator, & wanted, r->rule_arn, NULL);
}

static bool meant_for_rule(str value)
{
    return str_find_str(value, STR("receipt-rule")) < value.len;
}

/* It was meant for a rule, and no rule has such a name. */
static bool misses_every_rule(str value)
{
    struct arn arn;
    struct rule_name name;
    if (has_wildcard(value) || str_has(value, '$'))
        return false;
    if (!arn_parse(value, &arn))
        return true;
    if (!meant_for_rule(value))
        return false; /* another service asks through SES's name: not ours to judge */
    return !str_starts(value, STR("arn:aws")) || !str_eq(arn.service, STR("ses")) ||
           !rule_name_read(value, &name) || arn.region.len == 0 || arn.account.len == 0;
}

static void compare_parts(struct reading *r, const struct statement *statement,
                          const struct condition *condition, str value)
{
    struct rule_name wants, is;
    const struct span at = hint_item_span(r, condition->wanted.span, value);
    const bool patterns = has_patterns(condition);
    if (!rule_name_read(r->rule_arn, &is))
        return;
    if (!rule_name_read(value, &wants)) {
        if (patterns && meant_for_rule(value) && has_wildcard(value))
            hint(r, HINT_OTHER_RULE, statement, at,
                 "the pattern " STR_FMT " wanted of " STR_FMT " does not match " STR_FMT,
                 STR_ARG(value), STR_ARG(condition->key), STR_ARG(r->rule_arn));
        return;
    }
    const struct {
        const char *what;
        str wanted, asking;
    } parts[] = {
        { "Region", wants.arn.region, is.arn.region },
        { "account", wants.arn.account, is.arn.account },
        { "rule set", wants.set, is.set },
        { "rule", wants.rule, is.rule },
    };
    str differs = STR("");
    size_t count = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (str_eq(parts[i].wanted, parts[i].asking) ||
            (patterns && glob_match(parts[i].wanted, parts[i].asking, 0)))
            continue;
        differs = arena_strf(r->arena, STR_FMT "%s%s " STR_FMT " (it is " STR_FMT ")",
                             STR_ARG(differs), count++ ? ", " : "", parts[i].what,
                             STR_ARG(parts[i].wanted), STR_ARG(parts[i].asking));
    }
    if (!count) /* a wildcard where it is none: told by itself */
        return;
    hint(r, HINT_OTHER_RULE, statement, at, "the ARN wanted of " STR_FMT " names another " STR_FMT,
         STR_ARG(condition->key), STR_ARG(differs));
    if (count == 1 && !str_eq(wants.set, is.set))
        hint(r, HINT_CLONED_RULE_SET, statement, at,
             "the same rule in another set has another ARN: cloning or renaming a rule set breaks "
             "every policy that names its rules; name " STR_FMT " here as well",
             STR_ARG(r->rule_arn));
}

/* Is the rule let in by what the condition wants, or by another statement of the document? */
static bool let_in(const struct reading *r, const struct condition *condition)
{
    for (size_t i = 0; i < condition->wanted.count; i++) {
        if (admits(r, condition, condition->wanted.values[i]))
            return true;
    }
    for (size_t s = 0; s < r->document->statement_count; s++) {
        const struct statement *other = &r->document->statements[s];
        for (size_t c = 0; other->effect == EFFECT_ALLOW && c < other->condition_count; c++) {
            const struct condition *also = &other->conditions[c];
            for (size_t v = 0;
                 is_source_arn(also) && !also->operator->negated && v<also->wanted.count; v++) {
                if (admits(r, also, also->wanted.values[v]))
                    return true;
            }
        }
    }
    return false;
}

/* aws:SourceAccount and the account in aws:SourceArn, when both are written out and differ. */
static void compare_accounts(struct reading *r, const struct statement *statement,
                             const struct condition *source_arn)
{
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *account = &statement->conditions[c];
        if (!str_eq_nocase(account->key, STR("aws:SourceAccount")) || !demands(statement, account))
            continue;
        bool meet = false;
        for (size_t a = 0; a < account->wanted.count; a++) {
            for (size_t v = 0; v < source_arn->wanted.count; v++) {
                struct arn arn;
                const str id = account->wanted.values[a];
                const str rule = source_arn->wanted.values[v];
                meet |= has_wildcard(id) || !arn_parse(rule, &arn) || misses_every_rule(rule) ||
                        !str_is_none(one_colon_less(rule, r->arena)) || has_wildcard(arn.account) ||
                        arn.account.len == 0 || str_eq(arn.account, id);
            }
        }
        if (!meet && account->wanted.count && source_arn->wanted.count)
            hint(r, HINT_SOURCES_DISAGREE, statement, account->span,
                 STR_FMT " wants another account than the ARN of " STR_FMT
                         " is of: no rule has both",
                 STR_ARG(account->key), STR_ARG(source_arn->key));
    }
}

void look_at_sources(struct reading *r, const struct statement *statement)
{
    const bool for_ses = names_service(statement, ses) ||
                         (statement->effect == EFFECT_DENY && names_everyone(statement));
    for (size_t c = 0; for_ses && c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        if (!is_source_arn(condition) || !demands(statement, condition))
            continue;
        compare_accounts(r, statement, condition);
        const bool compare = !str_is_none(r->rule_arn) && !let_in(r, condition);
        for (size_t v = 0; v < condition->wanted.count; v++) {
            const str value = condition->wanted.values[v];
            if (!str_is_none(one_colon_less(value, r->arena)))
                continue; /* told by itself */
            if (misses_every_rule(value))
                hint(r, HINT_SOURCE_ARN_SHAPE, statement,
                     hint_item_span(r, condition->wanted.span, value),
                     "no receipt rule has the ARN " STR_FMT
                     "; it is arn:aws:ses:REGION:ACCOUNT:receipt-rule-set/SET:receipt-rule/RULE, "
                     "with a colon behind the set",
                     STR_ARG(value));
            else if (compare)
                compare_parts(r, statement, condition, value);
        }
    }
}

/* ---- the confused deputy ---- */

/* One of the keys is demanded with values that are not every value: a star that is none narrows. */
static bool narrows(const struct statement *statement, const str *keys, size_t count)
{
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        bool narrow = demands(statement, condition) && condition->wanted.count;
        for (size_t v = 0; narrow && v < condition->wanted.count; v++)
            narrow = !has_patterns(condition) || !str_eq(condition->wanted.values[v], STR("*"));
        for (size_t k = 0; narrow && k < count; k++) {
            if (str_eq_nocase(condition->key, keys[k]))
                return true;
        }
    }
    return false;
}

static const struct condition *referer_of(const struct statement *statement)
{
    for (size_t c = 0; c < statement->condition_count; c++) {
        if (str_eq_nocase(statement->conditions[c].key, STR("aws:Referer")) &&
            demands(statement, &statement->conditions[c]))
            return &statement->conditions[c];
    }
    return NULL;
}

void look_for_sources(struct reading *r, const struct statement *statement)
{
    static const str accounts[] = {
        STR_INIT("aws:SourceAccount"),
        STR_INIT("aws:SourceOwner"),
        STR_INIT("aws:SourceOrgID"),
        STR_INIT("aws:SourceOrgPaths"),
        STR_INIT("kms:EncryptionContext:aws:ses:source-account"),
        STR_INIT("aws:Referer"),
    };
    static const str arns[] = {
        STR_INIT("aws:SourceArn"),
        STR_INIT("kms:EncryptionContext:aws:ses:rule-name"),
    };
    const bool named = names_service(statement, ses);
    const bool everyone = names_everyone(statement) && statement->condition_count == 0;
    if (r->home->type == POLICY_IDENTITY || statement->effect != EFFECT_ALLOW)
        return;
    const struct condition *referer = named ? referer_of(statement) : NULL;
    if (referer)
        hint(r, HINT_LEGACY_REFERER, statement, referer->span,
             STR_FMT " is how policies of before 2021 named the account; SES still sends it, and "
                     "aws:SourceAccount says the same for every service",
             STR_ARG(referer->key));
    if (!named && !everyone)
        return;
    const char *whom = named ? "SES" : "everyone, and SES with them,";
    if (!narrows(statement, accounts, sizeof(accounts) / sizeof(*accounts)))
        hint(r, HINT_NO_SOURCE_ACCOUNT, statement, statement->span,
             "without aws:SourceAccount this admits %s on behalf of any AWS account "
             "(the confused deputy): want your own account id",
             whom);
    if (!narrows(statement, arns, sizeof(arns) / sizeof(*arns)))
        hint(r, HINT_NO_SOURCE_ARN, statement, statement->span,
             "without aws:SourceArn this admits %s for any receipt rule: want the ARN of the rule",
             whom);
}

/* ---- a role's calls, which carry neither ---- */

void look_at_role_sources(struct reading *r, const struct statement *statement)
{
    const bool of_role = r->home->type == POLICY_IDENTITY ||
                         (r->home->type != POLICY_TRUST && names_only(statement, PRINCIPAL_AWS));
    for (size_t c = 0;
         of_role && statement->effect == EFFECT_ALLOW && c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        if ((is_source_arn(condition) || str_eq_nocase(condition->key, STR("aws:SourceAccount"))) &&
            demands(statement, condition) && !condition->if_exists &&
            condition->quantifier != FOR_ALL_VALUES)
            hint(r, HINT_SOURCE_OF_ROLE, statement, condition->span,
                 "once SES has assumed a role, its calls carry no " STR_FMT
                 ": this never applies to them; the condition belongs in the role's trust policy",
                 STR_ARG(condition->key));
    }
}

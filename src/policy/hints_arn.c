/* Names that match nothing, or not what they seem to. */
#include "policy/hinting.h"

#include "policy/vetting.h"

/* ---- StringEquals, where a * is a star ---- */

void look_at_wildcards(struct reading *r, const struct statement *statement)
{
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        const enum comparison compares = condition->operator->compares;
        if (compares != COMPARE_STRING && compares != COMPARE_STRING_NOCASE)
            continue;
        for (size_t v = 0; v < condition->wanted.count; v++) {
            const str value = condition->wanted.values[v];
            if (!str_starts(value, STR("arn:")) || !has_wildcard(value))
                continue;
            hint(r, HINT_WILDCARD_IN_EQUALS, statement,
                 hint_item_span(r, condition->wanted.span, value),
                 STR_FMT " compares letter by letter, also the wildcard: no %s is " STR_FMT
                         "; write %s",
                 STR_ARG(condition->operator_text),
                 str_eq_nocase(condition->key, STR("aws:SourceArn")) ? "rule" : "ARN",
                 STR_ARG(value), condition->operator->negated ? "ArnNotLike" : "ArnLike");
        }
    }
}

/* ---- arn:aws:kms:region::account:key/k ---- */

static bool colon_doubled(str text, struct arn *ret_arn, str *ret_rest)
{
    str account;
    return arn_parse(text, ret_arn) && ret_arn->region.len && ret_arn->account.len == 0 &&
           str_cut(ret_arn->resource, ':', &account, ret_rest) && account_id_ok(account);
}

static void look_at_list(struct reading *r, const struct statement *statement, const char *what,
                         const str *values, size_t count, struct span span)
{
    for (size_t i = 0; i < count; i++) {
        struct arn arn;
        str rest;
        if (!colon_doubled(values[i], &arn, &rest))
            continue;
        hint(r, HINT_DOUBLED_COLON, statement, hint_item_span(r, span, values[i]),
             "%s " STR_FMT
             " has one colon too many, so its account is empty and it matches nothing: "
             "write arn:" STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT,
             what, STR_ARG(values[i]), STR_ARG(arn.partition), STR_ARG(arn.service),
             STR_ARG(arn.region), STR_ARG(arn.resource));
    }
}

void look_at_colons(struct reading *r, const struct statement *statement)
{
    look_at_list(r, statement, "the resource", statement->resources.values,
                 statement->resources.count, statement->resources.span);
    for (size_t i = 0; i < statement->principal_count; i++)
        look_at_list(r, statement, "the principal", &statement->principals[i].name, 1,
                     statement->principals_span);
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct terms *wanted = &statement->conditions[c].wanted;
        look_at_list(r, statement, "the value", wanted->values, wanted->count, wanted->span);
    }
}

/* ---- arn:aws:s3:::bucket for actions on objects ---- */

static bool bucket_alone(str resource, str *ret_bucket)
{
    struct arn arn;
    if (!arn_parse(resource, &arn) || !str_eq(arn.service, STR("s3")) || arn.region.len ||
        arn.account.len || str_has(arn.resource, '/') || has_wildcard(arn.resource))
        return false;
    *ret_bucket = arn.resource;
    return true;
}

static bool objects_reached(const struct terms *resources, str bucket)
{
    for (size_t i = 0; i < resources->count; i++) {
        struct arn arn;
        const str item = resources->values[i];
        if (str_eq(item, STR("*")))
            return true;
        if (!arn_parse(item, &arn))
            continue;
        const str name = str_head(arn.resource, str_find(arn.resource, '/'));
        if (has_wildcard(name) || (str_eq(name, bucket) && name.len < arn.resource.len))
            return true;
    }
    return false;
}

void look_at_buckets(struct reading *r, const struct statement *statement)
{
    const struct terms *resources = &statement->resources, *actions = &statement->actions;
    str object_action = STR_NONE, bucket;
    for (size_t i = 0; i < actions->count && !actions->negated; i++) {
        if (s3_action_reach(actions->values[i]) == S3_OBJECT)
            object_action = actions->values[i];
    }
    for (size_t i = 0; !str_is_none(object_action) && !resources->negated && i < resources->count;
         i++) {
        const str item = resources->values[i];
        if (bucket_alone(item, &bucket) && !objects_reached(resources, bucket))
            hint(r, HINT_BUCKET_NO_OBJECTS, statement, hint_item_span(r, resources->span, item),
                 STR_FMT " is about objects, and " STR_FMT " is the bucket alone: write " STR_FMT
                         "/*",
                 STR_ARG(object_action), STR_ARG(item), STR_ARG(item));
    }
}

/* ---- ${...} in an older document ---- */

static bool has_variable(const struct terms *terms)
{
    for (size_t i = 0; i < terms->count; i++) {
        const size_t at = str_find_str(terms->values[i], STR("${"));
        if (at < terms->values[i].len && str_has(str_from(terms->values[i], at), '}'))
            return true;
    }
    return false;
}

void look_at_variables(struct reading *r, const struct statement *statement)
{
    static const char says[] = "${...} stands for a value only in documents of Version 2012-10-17; "
                               "in this one it is text, and matches itself";
    if (str_eq(r->document->version, STR("2012-10-17")))
        return;
    if (has_variable(&statement->resources))
        hint(r, HINT_OLD_VARIABLES, statement, statement->resources.span, says);
    for (size_t c = 0; c < statement->condition_count; c++) {
        if (has_variable(&statement->conditions[c].wanted))
            hint(r, HINT_OLD_VARIABLES, statement, statement->conditions[c].wanted.span, says);
    }
}

/* ---- what a page leaves to be filled in ---- */

/* Words that stand for something on AWS's pages, each where it can be nothing else: no Region, no
 * account and no rule is called so, and the first bucket name is reserved for examples. */
static const char *placeholder_in(str value)
{
    static const char *const regions[] = { "region", "topic_region", "receipt_region" };
    static const char *const accounts[] = { "aws_account_id", "sns_topic_account_id",
                                            "account-id" };
    static const char *const names[] = { "rule_set_name", "receipt_rule_name",
                                         "amzn-s3-demo-bucket", "key/key-id", "topic_name" };
    struct arn arn;
    for (size_t i = 0; i < sizeof(accounts) / sizeof(*accounts); i++) {
        if (str_eq(value, str_of(accounts[i])))
            return accounts[i];
    }
    if (!arn_parse(value, &arn))
        return NULL;
    for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++) {
        if (str_eq(arn.region, str_of(regions[i])))
            return regions[i];
    }
    for (size_t i = 0; i < sizeof(accounts) / sizeof(*accounts); i++) {
        if (str_eq(arn.account, str_of(accounts[i])))
            return accounts[i];
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (str_find_str(arn.resource, str_of(names[i])) < arn.resource.len)
            return names[i];
    }
    return NULL;
}

static void look_for_placeholder(struct reading *r, const struct statement *statement,
                                 const struct terms *terms)
{
    for (size_t i = 0; i < terms->count; i++) {
        const char *word = placeholder_in(terms->values[i]);
        if (word)
            hint(r, HINT_PLACEHOLDER, statement, hint_item_span(r, terms->span, terms->values[i]),
                 "\"%s\" in " STR_FMT " is a placeholder: put your own there", word,
                 STR_ARG(terms->values[i]));
    }
}

void look_at_placeholders(struct reading *r, const struct statement *statement)
{
    look_for_placeholder(r, statement, &statement->resources);
    for (size_t c = 0; c < statement->condition_count; c++)
        look_for_placeholder(r, statement, &statement->conditions[c].wanted);
}

/* Names that match nothing, or not what they seem to. */
#include "policy/hinting.h"

#include "policy/vetting.h"

/* ---- StringEquals, where a * is a star ---- */

/* What has a wildcard only because somebody thinks it is one there. */
static const struct star_row {
    str key; /* STR_NONE: any, with an ARN for its value */
    const char *what, *like, *not_like;
} star_rows[] = {
    { STR_INIT("aws:SourceArn"), "rule", "ArnLike", "ArnNotLike" },
    { STR_INIT("aws:SourceAccount"), "account", "StringLike", "StringNotLike" },
    { STR_INIT("aws:SourceOrgID"), "organization", "StringLike", "StringNotLike" },
    { STR_INIT("aws:PrincipalAccount"), "account", "StringLike", "StringNotLike" },
    { STR_INIT("aws:PrincipalOrgID"), "organization", "StringLike", "StringNotLike" },
    { STR_NONE, "ARN", "ArnLike", "ArnNotLike" },
};

static const struct star_row *star_row(const struct condition *condition, str value)
{
    const size_t last = sizeof(star_rows) / sizeof(*star_rows) - 1;
    for (size_t i = 0; i < last; i++) {
        if (str_eq_nocase(condition->key, star_rows[i].key))
            return &star_rows[i];
    }
    return str_starts(value, STR("arn:")) ? &star_rows[last] : NULL;
}

void look_at_wildcards(struct reading *r, const struct statement *statement)
{
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        const enum comparison compares = condition->operator->compares;
        if (compares != COMPARE_STRING && compares != COMPARE_STRING_NOCASE)
            continue;
        for (size_t v = 0; v < condition->wanted.count; v++) {
            const str value = condition->wanted.values[v];
            const struct star_row *row = star_row(condition, value);
            if (!row || !has_wildcard(value))
                continue;
            hint(r, HINT_WILDCARD_IN_EQUALS, statement,
                 hint_item_span(r, condition->wanted.span, value),
                 STR_FMT " compares letter by letter, also the wildcard: no %s is " STR_FMT
                         "; write %s",
                 STR_ARG(condition->operator_text), row->what, STR_ARG(value),
                 condition->operator->negated ? row->not_like : row->like);
        }
    }
}

/* ---- arn:aws:kms:region::account:key/k ---- */

/* Words of AWS's pages for an account. */
static const char *const account_words[] = { "aws_account_id", "sns_topic_account_id",
                                             "account-id" };
enum { ACCOUNT_WORDS = sizeof(account_words) / sizeof(*account_words) };

static bool names_account(str account)
{
    for (size_t i = 0; i < ACCOUNT_WORDS; i++) {
        if (str_eq(account, str_of(account_words[i])))
            return true;
    }
    return account_id_ok(account) || has_wildcard(account) || str_eq(account, STR("aws"));
}

/* Has it the fields that ARNs of its service have? Of other services nothing is known. */
static bool has_its_fields(const struct arn *arn)
{
    static const struct {
        str service;
        bool region, account;
    } rows[] = {
        { STR_INIT("s3"), false, false }, { STR_INIT("iam"), false, true },
        { STR_INIT("sts"), false, true }, { STR_INIT("kms"), true, true },
        { STR_INIT("sns"), true, true },  { STR_INIT("lambda"), true, true },
        { STR_INIT("ses"), true, true },
    };
    if (!str_starts(arn->partition, STR("aws")) || !arn->resource.len ||
        arn->resource.ptr[0] == ':')
        return false;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (str_eq(arn->service, rows[i].service))
            return (arn->region.len > 0) == rows[i].region &&
                   (rows[i].account ? names_account(arn->account) : arn->account.len == 0);
    }
    return false;
}

str one_colon_less(str text, struct arena *arena)
{
    struct arn arn;
    if (!str_starts(text, STR("arn:")) || (arn_parse(text, &arn) && has_its_fields(&arn)))
        return STR_NONE;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] != ':' || text.ptr[i + 1] != ':')
            continue;
        const str less = arena_strf(arena, STR_FMT STR_FMT, STR_ARG(str_head(text, i)),
                                    STR_ARG(str_from(text, i + 1)));
        if (!str_is_none(less) && arn_parse(less, &arn) && has_its_fields(&arn))
            return less;
    }
    return STR_NONE;
}

static void look_at_list(struct reading *r, const struct statement *statement, const char *what,
                         const str *values, size_t count, struct span span)
{
    for (size_t i = 0; i < count; i++) {
        const str less = one_colon_less(values[i], r->arena);
        if (!str_is_none(less))
            hint(r, HINT_DOUBLED_COLON, statement, hint_item_span(r, span, values[i]),
                 "%s " STR_FMT " has one colon too many, so it matches nothing: write " STR_FMT,
                 what, STR_ARG(values[i]), STR_ARG(less));
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

/* The bucket, or a prefix up to its slash: only the object of that very name. */
static bool bucket_alone(str resource, str *ret_bucket)
{
    struct arn arn;
    if (!arn_parse(resource, &arn) || !str_eq(arn.service, STR("s3")) || arn.region.len ||
        arn.account.len || has_wildcard(arn.resource))
        return false;
    const size_t slash = str_find(arn.resource, '/');
    if (slash < arn.resource.len && !str_ends(arn.resource, STR("/")))
        return false;
    *ret_bucket = str_head(arn.resource, slash);
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
        if (has_wildcard(name) || (str_eq(name, bucket) && name.len < arn.resource.len &&
                                   !str_ends(arn.resource, STR("/"))))
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
                 STR_FMT " is about objects, and " STR_FMT " is %s: write " STR_FMT "%s",
                 STR_ARG(object_action), STR_ARG(item),
                 str_ends(item, STR("/")) ? "one of that very name" : "the bucket alone",
                 STR_ARG(item), str_ends(item, STR("/")) ? "*" : "/*");
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
    static const char *const names[] = { "rule_set_name", "receipt_rule_name",
                                         "amzn-s3-demo-bucket", "key/key-id", "topic_name" };
    struct arn arn;
    for (size_t i = 0; i < ACCOUNT_WORDS; i++) {
        if (str_eq(value, str_of(account_words[i])))
            return account_words[i];
    }
    if (!arn_parse(value, &arn))
        return NULL;
    for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++) {
        if (str_eq(arn.region, str_of(regions[i])))
            return regions[i];
    }
    for (size_t i = 0; i < ACCOUNT_WORDS; i++) {
        if (str_eq(arn.account, str_of(account_words[i])))
            return account_words[i];
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

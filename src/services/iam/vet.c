#include "services/iam/vet.h"

#include "base/json.h"
#include "base/when.h"
#include "policy/document.h"

static const struct fault *malformed(struct arena *arena, const char *says)
{
    return fault_coded(arena, FAULT_SYNTAX, "MalformedPolicyDocument", "%s", says);
}

static const struct fault *malformed_str(struct arena *arena, const char *before, str what,
                                         const char *after)
{
    return fault_coded(arena, FAULT_SYNTAX, "MalformedPolicyDocument", "%s" STR_FMT "%s", before,
                       STR_ARG(what), after);
}

static const char syntax[] = "Syntax errors in policy.";
static const char legacy[] = "The policy failed legacy parsing";

size_t policy_size(str json)
{
    size_t size = 0;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        size += c != ' ' && c != '\t' && c != '\r' && c != '\n';
    }
    return size;
}

/* One value or a list of them, as policies allow nearly everywhere. */
static size_t list_size(const struct json *value)
{
    return json_kind(value) == JSON_ARRAY ? json_size(value) : value ? 1 : 0;
}

static const struct json *list_at(const struct json *value, size_t i)
{
    return json_kind(value) == JSON_ARRAY ? json_at(value, i) : value;
}

static bool texts(const struct json *value)
{
    for (size_t i = 0; i < list_size(value); i++)
        if (json_kind(list_at(value, i)) != JSON_STRING)
            return false;
    return true;
}

/* ---- identity policies: first the shape of everything, then the words, then the statements ----
 */

static bool date_operator(str name)
{
    size_t colon = str_find(name, ':');
    return str_starts(colon < name.len ? str_from(name, colon + 1) : name, STR("Date"));
}

static bool digits(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit(s.ptr[i]))
            return false;
    return s.len > 0;
}

/* IAM reads dates leniently and refuses what it cannot: it takes UNIX seconds, years and times of
 * any form behind a T, but neither words nor a year with a month of half a form. */
static bool date_ok(str text)
{
    str date, time;
    bool timed = str_cut(text, 'T', &date, &time) || str_cut(text, 't', &date, &time);
    if (digits(date))
        return true;
    int64_t ms;
    char day[] = "0000-00-00";
    if (date.len == 7 && date.ptr[4] == '-') {
        memcpy(day, date.ptr, 7);
        memcpy(day + 7, "-01", 3);
    } else if (date.len == 10) {
        memcpy(day, date.ptr, 10);
    }
    if (!when_parse_iso((str) { day, 10 }, &ms))
        return false;
    size_t fraction = timed ? str_find(time, '.') : 0;
    size_t many = 0;
    while (timed && fraction + 1 + many < time.len && ascii_is_digit(time.ptr[fraction + 1 + many]))
        many++;
    return many <= 9;
}

static const struct fault *vet_dates(const struct json *condition, struct arena *arena)
{
    str op, key;
    const struct json *keys, *values;
    for (size_t i = 0; json_member(condition, i, &op, &keys); i++) {
        for (size_t j = 0; date_operator(op) && json_member(keys, j, &key, &values); j++)
            for (size_t k = 0; k < list_size(values); k++)
                if (json_kind(list_at(values, k)) == JSON_STRING &&
                    !date_ok(json_text(list_at(values, k))))
                    return malformed(arena, legacy);
    }
    return NULL;
}

static bool condition_shape_ok(const struct json *condition)
{
    str name;
    const struct json *keys, *values;
    if (condition && json_kind(condition) != JSON_OBJECT)
        return false;
    for (size_t i = 0; json_member(condition, i, &name, &keys); i++) {
        if (json_kind(keys) != JSON_OBJECT)
            return false;
        for (size_t j = 0; json_member(keys, j, &name, &values); j++)
            for (size_t k = 0; k < list_size(values); k++) {
                enum json_kind kind = json_kind(list_at(values, k));
                if (kind == JSON_OBJECT || kind == JSON_ARRAY || kind == JSON_NULL)
                    return false;
            }
    }
    return true;
}

static bool statement_shape_ok(const struct json *statement)
{
    /* clang-format off */
    static const str known[] = {
        STR_INIT("Sid"), STR_INIT("Effect"), STR_INIT("Principal"), STR_INIT("NotPrincipal"), STR_INIT("Action"),
        STR_INIT("NotAction"), STR_INIT("Resource"), STR_INIT("NotResource"), STR_INIT("Condition"),
    };
    /* clang-format on */
    str name;
    const struct json *value;
    if (json_kind(statement) != JSON_OBJECT)
        return false;
    for (size_t i = 0; json_member(statement, i, &name, &value); i++) {
        size_t k = 0;
        while (k < sizeof(known) / sizeof(known[0]) && !str_eq(known[k], name))
            k++;
        if (k == sizeof(known) / sizeof(known[0]))
            return false;
    }
    const struct json *sid = json_get(statement, "Sid");
    str effect = json_str(statement, "Effect");
    return (!sid || json_kind(sid) == JSON_STRING) &&
           (str_eq_nocase(effect, STR("Allow")) || str_eq_nocase(effect, STR("Deny"))) &&
           texts(json_get(statement, "Action")) && texts(json_get(statement, "NotAction")) &&
           texts(json_get(statement, "Resource")) && texts(json_get(statement, "NotResource")) &&
           !(json_get(statement, "Action") && json_get(statement, "NotAction")) &&
           !(json_get(statement, "Resource") && json_get(statement, "NotResource")) &&
           condition_shape_ok(json_get(statement, "Condition"));
}

static bool document_shape_ok(const struct json *root)
{
    str name;
    const struct json *value, *version = json_get(root, "Version"), *id = json_get(root, "Id");
    if (json_kind(root) != JSON_OBJECT)
        return false;
    for (size_t i = 0; json_member(root, i, &name, &value); i++)
        if (!str_eq(name, STR("Version")) && !str_eq(name, STR("Id")) &&
            !str_eq(name, STR("Statement")))
            return false;
    if (version && !str_eq(json_text(version), STR("2012-10-17")) &&
        !str_eq(json_text(version), STR("2008-10-17")))
        return false;
    const struct json *statements = json_get(root, "Statement");
    if ((id && json_kind(id) != JSON_STRING) || list_size(statements) == 0)
        return false;
    for (size_t i = 0; i < list_size(statements); i++)
        if (!statement_shape_ok(list_at(statements, i)))
            return false;
    return true;
}

/* What the old reader of policies stumbles over: tried on the whole document before the rest. */
static const struct fault *vet_legacy(const struct json *statement, struct arena *arena)
{
    str effect = json_str(statement, "Effect");
    if (!str_eq(effect, STR("Allow")) && !str_eq(effect, STR("Deny")))
        return malformed(arena, legacy);
    const struct json *resources = json_get(statement, "Resource");
    resources = resources ? resources : json_get(statement, "NotResource");
    for (size_t i = 0; i < list_size(resources); i++) {
        str text = json_text(list_at(resources, i));
        struct arn arn;
        if (!str_starts(text, STR("arn:aws:")))
            continue;
        size_t colons = 0;
        for (size_t c = 0; c < text.len; c++)
            colons += text.ptr[c] == ':';
        /* arn:aws:s3::b lacks a field whose place cannot be guessed */
        if ((colons == 4 && !str_ends(text, STR("*"))) ||
            (arn_parse(text, &arn) && arn.service.len == 0))
            return malformed(arena, legacy);
    }
    return vet_dates(json_get(statement, "Condition"), arena);
}

static const struct fault *vet_actions(const struct json *statement, struct arena *arena)
{
    const struct json *actions = json_get(statement, "Action");
    actions = actions ? actions : json_get(statement, "NotAction");
    for (size_t i = 0; i < list_size(actions); i++) {
        str action = json_text(list_at(actions, i)), vendor, name;
        if (str_eq(action, STR("*")))
            continue;
        if (!str_cut(action, ':', &vendor, &name))
            return malformed(
                arena,
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
        if (str_has(name, ':'))
            return malformed(arena, "Actions/Condition can contain only one colon.");
        for (size_t c = 0; c < vendor.len; c++)
            if (!ascii_is_alpha(vendor.ptr[c]) && !ascii_is_digit(vendor.ptr[c]) &&
                vendor.ptr[c] != '-')
                return malformed_str(arena, "Vendor ", vendor, " is not valid");
        if (vendor.len == 0)
            return malformed_str(arena, "Vendor ", vendor, " is not valid");
    }
    return NULL;
}

/* An ARN of fewer than six fields is completed with stars, and shown so. */
static str completed(str resource, struct arena *arena)
{
    size_t colons = 0;
    for (size_t i = 0; i < resource.len; i++)
        colons += resource.ptr[i] == ':';
    static const char stars[] = ":*:*:*:*:*";
    return colons >= 5 ? resource
                       : arena_strf(arena, STR_FMT "%.*s", STR_ARG(resource),
                                    (int)(2 * (5 - colons)), stars);
}

static const struct fault *vet_resource(str text, struct arena *arena)
{
    str scheme, rest, partition, service, region;
    if (str_eq(text, STR("*")))
        return NULL;
    if (!str_cut(text, ':', &scheme, &rest))
        return malformed_str(arena, "Resource ", text, " must be in ARN format or \"*\".");
    bool more = str_cut(rest, ':', &partition, &rest);
    if (!str_eq(partition, STR("aws")) && !str_eq(partition, STR("aws-cn")) &&
        !str_eq(partition, STR("aws-us-gov")) && !str_eq(partition, STR("*"))) {
        /* Whatever stands before the first colon is taken for `arn`. */
        str shown = completed(
            arena_strf(arena, "arn:" STR_FMT, STR_ARG(str_from(text, scheme.len + 1))), arena);
        return fault_coded(arena, FAULT_SYNTAX, "MalformedPolicyDocument",
                           "Partition \"" STR_FMT "\" is not valid for resource \"" STR_FMT "\".",
                           STR_ARG(partition), STR_ARG(shown));
    }
    if (!more)
        return malformed(arena,
                         "Resource vendor must be fully qualified and cannot contain regexes.");
    bool regional = str_cut(rest, ':', &service, &rest);
    if (service.len == 0 || str_has(service, '*') || str_has(service, '?'))
        return malformed(arena,
                         "Resource vendor must be fully qualified and cannot contain regexes.");
    if (regional && str_cut(rest, ':', &region, &rest) && region.len > 0 &&
        !str_eq(region, STR("*")) && (str_eq(service, STR("s3")) || str_eq(service, STR("iam"))))
        return malformed_str(arena, "Resource ", text, " can not contain region information.");
    return NULL;
}

static const struct fault *vet_resources(const struct json *statement, struct arena *arena)
{
    const struct json *resources = json_get(statement, "Resource");
    resources = resources ? resources : json_get(statement, "NotResource");
    for (size_t i = 0; i < list_size(resources); i++)
        TRY(vet_resource(json_text(list_at(resources, i)), arena));
    return NULL;
}

static bool has_either(const struct json *statement, const char *name, const char *not_name)
{
    return list_size(json_get(statement, name)) + list_size(json_get(statement, not_name)) > 0;
}

/* The order is IAM's: a bad resource is blamed before a bad action, a missing one after. */
static const struct fault *vet_statement(const struct json *statement, struct arena *arena)
{
    if (!has_either(statement, "Action", "NotAction"))
        return malformed(arena, "Policy statement must contain actions.");
    TRY(vet_resources(statement, arena));
    TRY(vet_actions(statement, arena));
    if (!has_either(statement, "Resource", "NotResource"))
        return malformed(arena, "Policy statement must contain resources.");
    return NULL;
}

static const struct fault *vet_sids(const struct json *statements, struct arena *arena)
{
    for (size_t i = 0; i < list_size(statements); i++) {
        str sid = json_str(list_at(statements, i), "Sid");
        for (size_t j = 0; j < i && sid.len > 0; j++)
            if (str_eq(sid, json_str(list_at(statements, j), "Sid")))
                return malformed(arena, "Statement IDs (SID) in a single policy must be unique.");
    }
    return NULL;
}

const struct fault *vet_identity_policy(str text, struct arena *arena)
{
    const struct json *root;
    struct document document;
    if (json_parse(text, arena, &root) || !document_shape_ok(root))
        return malformed(arena, syntax);
    const struct json *statements = json_get(root, "Statement");
    if (!str_eq(json_str(root, "Version"), STR("2012-10-17")))
        return malformed(arena, "Policy document must be version 2012-10-17 or greater.");
    for (size_t i = 0; i < list_size(statements); i++)
        TRY(vet_legacy(list_at(statements, i), arena));
    TRY(vet_sids(statements, arena));
    for (size_t i = 0; i < list_size(statements); i++) {
        const struct json *statement = list_at(statements, i);
        TRY(vet_statement(statement, arena));
        if (json_get(statement, "Principal") || json_get(statement, "NotPrincipal"))
            return malformed(arena, "Policy document should not specify a principal.");
    }
    /* The grammar has the last word: an operator nobody knows, a member given twice. */
    return policy_parse(text, arena, &document) ? malformed(arena, syntax) : NULL;
}

/* ---- trust policies ---- */

static bool trust_action_ok(str action)
{
    static const str known[] = {
        STR_INIT("sts:AssumeRole"),
        STR_INIT("sts:AssumeRoleWithSAML"),
        STR_INIT("sts:AssumeRoleWithWebIdentity"),
        STR_INIT("sts:TagSession"),
        STR_INIT("sts:SetSourceIdentity"),
        STR_INIT("sts:SetContext"),
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq_nocase(known[i], action))
            return true;
    return false;
}

static const struct fault *vet_trust_statement(const struct json *statement, struct arena *arena)
{
    const struct json *principal = json_get(statement, "Principal"),
                      *not_principal = json_get(statement, "NotPrincipal");
    const struct json *actions = json_get(statement, "Action");
    if (json_kind(statement) != JSON_OBJECT)
        return malformed(arena, "Could not parse the policy: Statement is empty!");
    if (not_principal && str_eq(json_str(statement, "Effect"), STR("Allow")))
        return malformed(arena, "Allow with NotPrincipal is not allowed.");
    if (!principal && !not_principal)
        return malformed(arena, "Missing required field Principal");
    if (principal && json_kind(principal) != JSON_STRING && json_size(principal) == 0)
        return malformed(arena, "Missing required field Principal cannot be empty!");
    if (json_get(statement, "Resource"))
        return malformed(arena, "Has prohibited field Resource");
    if (json_get(statement, "NotResource"))
        return malformed(arena, "AssumeRole policy must not contain resources.");
    bool only_sts = list_size(actions) > 0 && texts(actions);
    for (size_t i = 0; only_sts && i < list_size(actions); i++)
        only_sts = trust_action_ok(json_text(list_at(actions, i)));
    if (!only_sts)
        return malformed(arena, "AssumeRole policy may only specify STS AssumeRole actions.");
    return NULL;
}

const struct fault *vet_trust_policy(str text, struct arena *arena)
{
    const struct json *root;
    struct document document;
    if (json_parse(text, arena, &root) || json_kind(root) != JSON_OBJECT)
        return malformed(arena, "This policy contains invalid Json");
    const struct json *statements = json_get(root, "Statement");
    if (list_size(statements) == 0)
        return malformed(arena, "Could not parse the policy: Statement is empty!");
    for (size_t i = 0; i < list_size(statements); i++)
        TRY(vet_trust_statement(list_at(statements, i), arena));
    TRY(vet_sids(statements, arena));
    return policy_parse(text, arena, &document) ? malformed(arena, syntax) : NULL;
}

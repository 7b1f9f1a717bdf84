/* What IAM refuses when an inline or managed policy is saved.
 *
 * It goes over the whole document once for each question, in this order: the shape of everything,
 * the version, what its older reader stumbles over, names given twice, principals, actions and
 * resources that are missing, resources that are wrong, actions that are wrong (permissions spec 9;
 * the order is the one that recorded answers show). */
#include "policy/vetting.h"

static const char syntax[] = "Syntax errors in policy.";
static const char legacy[] = "The policy failed legacy parsing";

enum { MANAGED_MAX = 6144, ROLE_MAX = 10240, USER_MAX = 2048, GROUP_MAX = 5120 };

const struct fault *vet_identity_text(struct vetting *v)
{
    static const struct {
        size_t max;
        const char *who; /* NULL: a managed policy, whose size is a quota of its own */
    } sizes[] = {
        [HOLDER_MANAGED] = { MANAGED_MAX, NULL },
        [HOLDER_ROLE] = { ROLE_MAX, "role" },
        [HOLDER_USER] = { USER_MAX, "user" },
        [HOLDER_GROUP] = { GROUP_MAX, "group" },
    };
    const size_t max = sizes[v->home->holder].max;
    const char *who = sizes[v->home->holder].who;
    if (policy_size(v->text) <= max)
        return NULL;
    if (!who)
        return fault_coded(v->arena, FAULT_LIMIT, "LimitExceeded",
                           "Cannot exceed quota for PolicySize: %zu", max);
    return fault_coded(v->arena, FAULT_LIMIT, "LimitExceeded",
                       "Maximum policy size of %zu bytes exceeded for %s " STR_FMT, max, who,
                       STR_ARG(v->home->target));
}

/* ---- the shape: each answers the piece that has none, NULL when all is well ---- */

static const struct spans *texts_oddity(const struct spans *statement, const char *name,
                                        const char *other)
{
    const struct spans *value = spans_get(statement, str_of(name)),
                       *negated = spans_get(statement, str_of(other));
    if (value && negated)
        return negated;
    return items_no_text(value ? value : negated);
}

static const struct spans *statement_oddity(struct vetting *v, const struct spans *statement)
{
    if (statement->kind != SPANS_OBJECT)
        return statement;
    const struct spans *odd = vet_statement_stranger(v, statement);
    const struct spans *sid = spans_get(statement, STR("Sid")),
                       *effect = spans_get(statement, STR("Effect"));
    if (odd)
        return odd;
    if (sid && sid->kind != SPANS_STRING)
        return sid;
    if (!effect)
        return statement;
    if (effect->kind != SPANS_STRING ||
        (!str_eq_nocase(effect->text, STR("Allow")) && !str_eq_nocase(effect->text, STR("Deny"))))
        return effect;
    odd = texts_oddity(statement, "Action", "NotAction");
    odd = odd ? odd : texts_oddity(statement, "Resource", "NotResource");
    return odd ? odd : vet_condition_oddity(v, spans_get(statement, STR("Condition")));
}

static const struct spans *document_oddity(struct vetting *v, const struct spans *root)
{
    if (root->kind != SPANS_OBJECT)
        return root;
    const struct spans *odd = vet_document_stranger(v, root), *id = spans_get(root, STR("Id"));
    const struct spans *statements = spans_get(root, STR("Statement"));
    if (odd)
        return odd;
    if (!vet_version_ok(root))
        return spans_get(root, STR("Version"));
    if (id && id->kind != SPANS_STRING)
        return id;
    if (items_count(statements) == 0)
        return statements ? statements : root;
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s)) {
        odd = statement_oddity(v, s);
        if (odd)
            return odd;
    }
    return NULL;
}

/* ---- dates, which IAM reads leniently and refuses what it cannot read at all ---- */

static bool number_within(str digits, uint64_t least, uint64_t most)
{
    uint64_t value;
    return str_u64(digits, &value) && value >= least && value <= most;
}

static bool seconds_ok(str seconds)
{
    str whole, fraction;
    const bool fractional = str_cut(seconds, '.', &whole, &fraction);
    return number_within(whole, 0, 59) &&
           (!fractional || (fraction.len <= 9 && number_within(fraction, 0, 999999999)));
}

/* "+10", "+10:59", "-08:00" */
static bool zone_ok(str zone)
{
    str hours, minutes;
    const bool both = str_cut(zone, ':', &hours, &minutes);
    return hours.len == 2 && number_within(hours, 0, 23) &&
           (!both || (minutes.len == 2 && number_within(minutes, 0, 59)));
}

static bool clock_ok(str time)
{
    str hours, minutes = STR_NONE, seconds = STR_NONE, zone = STR_NONE, rest;
    if (time.len == 0)
        return true;
    const bool minuted = str_cut(time, ':', &hours, &rest);
    if (hours.len && !number_within(hours, 0, 23))
        return false;
    if (!minuted)
        return true;
    const bool secondly = str_cut(rest, ':', &minutes, &rest);
    if (!number_within(minutes, 0, 59))
        return false;
    if (!secondly)
        return true;
    if (str_ends_nocase(rest, STR("z")))
        return seconds_ok(str_head(rest, rest.len - 1));
    if (str_cut(rest, '+', &seconds, &zone) || str_cut(rest, '-', &seconds, &zone))
        return seconds_ok(seconds) && zone_ok(zone);
    return seconds_ok(rest);
}

static bool date_ok(str text)
{
    size_t t = 0;
    while (t < text.len && ascii_lower(text.ptr[t]) != 't')
        t++;
    str date = str_head(text, t), year, month = STR_NONE, day = STR_NONE;
    if (t == text.len && !str_has(text, '-')) /* UNIX seconds */
        return number_within(text, 0, INT64_MAX);
    const bool negative = str_starts(date, STR("-"));
    if (str_cut(str_from(date, negative), '-', &year, &month)) {
        str_cut(month, '-', &month, &day);
        if (!number_within(month, 1, 12))
            return false;
    }
    if (!number_within(year, 0, negative ? 292275054 : 292278993))
        return false;
    if (!str_is_none(day) && !number_within(day, 1, 31))
        return false;
    return t == text.len || clock_ok(str_from(text, t + 1));
}

static bool compares_dates(str operator)
{
    const size_t colon = str_find(operator, ':');
    return str_starts(colon < operator.len ? str_from(operator, colon + 1) : operator, STR("Date"));
}

static const struct spans *bad_date(const struct spans *condition)
{
    for (const struct spans *op = condition ? condition->first : NULL; op; op = op->next) {
        for (const struct spans *key = compares_dates(op->name) ? op->first : NULL; key;
             key = key->next) {
            for (const struct spans *i = items_first(key); i; i = items_next(key, i)) {
                if (!date_ok(i->text))
                    return i;
            }
        }
    }
    return NULL;
}

/* ---- resources ---- */

static size_t colons_in(str text)
{
    size_t colons = 0;
    for (size_t i = 0; i < text.len; i++)
        colons += text.ptr[i] == ':';
    return colons;
}

/* arn:aws:s3::b lacks a field whose place cannot be guessed, arn:aws::::b has no service. */
static bool legacy_fails(str resource)
{
    str rest, field;
    if (str_eq(resource, STR("*")))
        return false;
    if (colons_in(resource) < 5 && str_find_str(resource, STR("::")) < resource.len)
        return true;
    return str_cut(resource, ':', &field, &rest) && str_cut(rest, ':', &field, &rest) &&
           (str_cut(rest, ':', &field, &rest), field.len == 0);
}

/* Whatever stands before the first colon is taken for `arn`, and what lacks is a star. */
static str as_shown(str behind_scheme, struct arena *arena)
{
    static const char stars[] = ":*:*:*:*";
    const size_t colons = colons_in(behind_scheme);
    return arena_strf(arena, "arn:" STR_FMT "%.*s", STR_ARG(behind_scheme),
                      colons < 4 ? (int)(2 * (4 - colons)) : 0, stars);
}

/* The kinds of S3's resources that do lie in a region. */
static bool regional(str region_and_rest)
{
    static const str kinds[] = {
        STR_INIT("accesspoint/"),   STR_INIT("storage-lens/"),       STR_INIT("job/"),
        STR_INIT("async-request/"), STR_INIT("storage-lens-group/"), STR_INIT("access-grants/"),
    };
    str region, account, resource;
    if (!str_cut(region_and_rest, ':', &region, &account) ||
        !str_cut(account, ':', &account, &resource) || account.len == 0)
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (str_starts(resource, kinds[i]))
            return true;
    }
    return false;
}

static bool iam_path_ok(str region_and_rest)
{
    static const str starts[] = {
        STR_INIT("user/"),
        STR_INIT("federated-user/"),
        STR_INIT("role/"),
        STR_INIT("group/"),
        STR_INIT("instance-profile/"),
        STR_INIT("mfa/"),
        STR_INIT("server-certificate/"),
        STR_INIT("policy/"),
        STR_INIT("sms-mfa/"),
        STR_INIT("saml-provider/"),
        STR_INIT("oidc-provider/"),
        STR_INIT("report/"),
        STR_INIT("access-report/"),
    };
    str region, account, path;
    if (!str_cut(region_and_rest, ':', &region, &account) ||
        !str_cut(account, ':', &account, &path) || str_eq(path, STR("*")))
        return true; /* what is not there is completed with a star */
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        if (str_starts(path, starts[i]))
            return true;
    }
    return false;
}

static const struct fault *vet_resource(struct vetting *v, const struct spans *item)
{
    const str text = item->text;
    str scheme, rest, partition, service;
    if (str_eq(text, STR("*")))
        return NULL;
    if (!str_cut(text, ':', &scheme, &rest))
        return vet_refuse(v, item, "Resource " STR_FMT " must be in ARN format or \"*\".",
                          STR_ARG(text));
    const bool more = str_cut(rest, ':', &partition, &rest);
    if (!str_eq(partition, STR("aws")) && !str_eq(partition, STR("aws-cn")) &&
        !str_eq(partition, STR("aws-us-gov")) && !str_eq(partition, STR("*")))
        return vet_refuse(
            v, item, "Partition \"" STR_FMT "\" is not valid for resource \"" STR_FMT "\".",
            STR_ARG(partition), STR_ARG(as_shown(str_from(text, scheme.len + 1), v->arena)));
    str_cut(rest, ':', &service, &rest);
    if (!more || str_has(service, '*') || str_has(service, '?'))
        return vet_refuse(v, item,
                          "Resource vendor must be fully qualified and cannot contain regexes.");
    const bool iam = str_eq(service, STR("iam")), s3 = str_eq(service, STR("s3"));
    if (iam && !str_starts(rest, STR(":")))
        return vet_refuse(v, item, "IAM resource " STR_FMT " cannot contain region information.",
                          STR_ARG(text));
    if (s3 && !str_starts(rest, STR(":")) && !regional(rest))
        return vet_refuse(v, item, "Resource " STR_FMT " can not contain region information.",
                          STR_ARG(text));
    if (iam && !iam_path_ok(rest))
        return vet_refuse(
            v, item,
            "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, "
            "group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, "
            "saml-provider/, oidc-provider/, report/, access-report/.");
    return NULL;
}

/* IAM sorts the resources of a list before it looks: the first by the alphabet is blamed. */
static const struct fault *vet_sorted(struct vetting *v, const struct spans *resources)
{
    const struct fault *why = NULL;
    const struct spans *blamed = NULL;
    for (const struct spans *i = items_first(resources); i; i = items_next(resources, i)) {
        const struct span before = v->at;
        if (blamed && str_cmp(i->text, blamed->text) >= 0)
            continue;
        const struct fault *wrong = vet_resource(v, i);
        if (wrong) {
            why = wrong;
            blamed = i;
        } else {
            v->at = before;
        }
    }
    return why;
}

/* The older reader sees the resources too, until one is wrong for the newer one: that is kept, and
 * said when nothing else is wrong. Of several such statements the last is blamed. */
static const struct fault *vet_resources(struct vetting *v, const struct spans *statements,
                                         const char *name, const struct fault **wrong,
                                         struct span *wrong_at)
{
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s)) {
        const struct spans *resources = spans_get(s, str_of(name));
        const struct fault *why = vet_sorted(v, resources);
        if (why) {
            *wrong = why;
            *wrong_at = v->at;
        }
        for (const struct spans *i = *wrong ? NULL : items_first(resources); i;
             i = items_next(resources, i)) {
            if (legacy_fails(i->text))
                return vet_refuse(v, i, legacy);
        }
    }
    return NULL;
}

/* ---- actions ---- */

static const struct fault *vet_action(struct vetting *v, const struct spans *item)
{
    str vendor, name;
    if (str_eq(item->text, STR("*")))
        return NULL;
    if (!str_cut(item->text, ':', &vendor, &name))
        return vet_refuse(
            v, item, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    if (str_has(name, ':'))
        return vet_refuse(v, item, "Actions/Condition can contain only one colon.");
    bool ok = vendor.len > 0;
    for (size_t i = 0; ok && i < vendor.len && !str_eq(vendor, STR("*")); i++) {
        const char c = vendor.ptr[i];
        ok = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.';
    }
    return ok ? NULL : vet_refuse(v, item, "Vendor " STR_FMT " is not valid", STR_ARG(vendor));
}

static const struct fault *vet_actions(struct vetting *v, const struct spans *statements,
                                       const char *name)
{
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s)) {
        const struct spans *actions = spans_get(s, str_of(name));
        for (const struct spans *i = items_first(actions); i; i = items_next(actions, i))
            TRY(vet_action(v, i));
    }
    return NULL;
}

static const struct fault *vet_present(struct vetting *v, const struct spans *statements,
                                       const char *name, const char *other, const char *says)
{
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s)) {
        const struct spans *value = vet_either(s, name, other);
        if (items_count(value) == 0)
            return vet_refuse(v, value ? value : s, "%s", says);
    }
    return NULL;
}

static const struct fault *vet_legacy(struct vetting *v, const struct spans *statements)
{
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s)) {
        const struct spans *effect = spans_get(s, STR("Effect"));
        if (!str_eq(effect->text, STR("Allow")) && !str_eq(effect->text, STR("Deny")))
            return vet_refuse(v, effect, legacy);
        const struct spans *date = bad_date(spans_get(s, STR("Condition")));
        if (date)
            return vet_refuse(v, date, legacy);
    }
    return NULL;
}

const struct fault *vet_identity(struct vetting *v, const struct spans *root)
{
    const struct spans *odd = document_oddity(v, root);
    if (odd)
        return vet_refuse(v, odd, syntax);
    const struct spans *version = spans_get(root, STR("Version")),
                       *statements = spans_get(root, STR("Statement"));
    if (!version || !str_eq(version->text, STR("2012-10-17")))
        return vet_refuse(v, version ? version : root,
                          "Policy document must be version 2012-10-17 or greater.");
    TRY(vet_legacy(v, statements));
    const struct fault *wrong = NULL;
    struct span wrong_at = v->at;
    TRY(vet_resources(v, statements, "Resource", &wrong, &wrong_at));
    TRY(vet_resources(v, statements, "NotResource", &wrong, &wrong_at));
    const struct spans *twice = vet_sid_twice(statements);
    if (twice)
        return vet_refuse(v, twice, "Statement IDs (SID) in a single policy must be unique.");
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s)) {
        const struct spans *principal = vet_either(s, "Principal", "NotPrincipal");
        if (principal)
            return vet_refuse(v, principal, "Policy document should not specify a principal.");
    }
    TRY(vet_present(v, statements, "Action", "NotAction",
                    "Policy statement must contain actions."));
    TRY(vet_present(v, statements, "Resource", "NotResource",
                    "Policy statement must contain resources."));
    if (wrong) {
        v->at = wrong_at;
        return wrong;
    }
    TRY(vet_actions(v, statements, "Action"));
    return vet_actions(v, statements, "NotAction");
}

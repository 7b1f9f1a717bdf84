/* services/s3/bucket_policy.c - what PutBucketPolicy refuses.
 *
 * Sentences as S3 says them (permissions spec 9); the order of the checks is that of S3 as far as
 * its answers show it: the shape of the document first, then each statement from Effect to
 * Condition. What is wrong with the grammar beyond that, policy_parse says. */
#include "services/s3/bucket.h"

#include "base/glob.h"
#include "base/json.h"
#include "services/iam/role.h"

enum { POLICY_MAX = 20 * 1024 }; /* white space outside strings is free */

enum applies { TO_BUCKET = 1, TO_OBJECT = 2 };

/* Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3": those a
 * bucket policy may name. */
/* clang-format off */
static const struct { str name; unsigned applies; } actions[] = {
    { STR_INIT("AbortMultipartUpload"),          TO_OBJECT }, { STR_INIT("BypassGovernanceRetention"),    TO_OBJECT },
    { STR_INIT("CreateBucket"),                  TO_BUCKET }, { STR_INIT("DeleteBucket"),                 TO_BUCKET },
    { STR_INIT("DeleteBucketPolicy"),            TO_BUCKET }, { STR_INIT("DeleteBucketWebsite"),          TO_BUCKET },
    { STR_INIT("DeleteObject"),                  TO_OBJECT }, { STR_INIT("DeleteObjectTagging"),          TO_OBJECT },
    { STR_INIT("DeleteObjectVersion"),           TO_OBJECT }, { STR_INIT("DeleteObjectVersionTagging"),   TO_OBJECT },
    { STR_INIT("GetAccelerateConfiguration"),    TO_BUCKET }, { STR_INIT("GetAnalyticsConfiguration"),    TO_BUCKET },
    { STR_INIT("GetBucketAcl"),                  TO_BUCKET }, { STR_INIT("GetBucketCORS"),                TO_BUCKET },
    { STR_INIT("GetBucketLocation"),             TO_BUCKET }, { STR_INIT("GetBucketLogging"),             TO_BUCKET },
    { STR_INIT("GetBucketNotification"),         TO_BUCKET }, { STR_INIT("GetBucketObjectLockConfiguration"), TO_BUCKET },
    { STR_INIT("GetBucketOwnershipControls"),    TO_BUCKET }, { STR_INIT("GetBucketPolicy"),              TO_BUCKET },
    { STR_INIT("GetBucketPolicyStatus"),         TO_BUCKET }, { STR_INIT("GetBucketPublicAccessBlock"),   TO_BUCKET },
    { STR_INIT("GetBucketRequestPayment"),       TO_BUCKET }, { STR_INIT("GetBucketTagging"),             TO_BUCKET },
    { STR_INIT("GetBucketVersioning"),           TO_BUCKET }, { STR_INIT("GetBucketWebsite"),             TO_BUCKET },
    { STR_INIT("GetEncryptionConfiguration"),    TO_BUCKET }, { STR_INIT("GetIntelligentTieringConfiguration"), TO_BUCKET },
    { STR_INIT("GetInventoryConfiguration"),     TO_BUCKET }, { STR_INIT("GetLifecycleConfiguration"),    TO_BUCKET },
    { STR_INIT("GetMetricsConfiguration"),       TO_BUCKET }, { STR_INIT("GetObject"),                    TO_OBJECT },
    { STR_INIT("GetObjectAcl"),                  TO_OBJECT }, { STR_INIT("GetObjectAttributes"),          TO_OBJECT },
    { STR_INIT("GetObjectLegalHold"),            TO_OBJECT }, { STR_INIT("GetObjectRetention"),           TO_OBJECT },
    { STR_INIT("GetObjectTagging"),              TO_OBJECT }, { STR_INIT("GetObjectTorrent"),             TO_OBJECT },
    { STR_INIT("GetObjectVersion"),              TO_OBJECT }, { STR_INIT("GetObjectVersionAcl"),          TO_OBJECT },
    { STR_INIT("GetObjectVersionAttributes"),    TO_OBJECT }, { STR_INIT("GetObjectVersionForReplication"), TO_OBJECT },
    { STR_INIT("GetObjectVersionTagging"),       TO_OBJECT }, { STR_INIT("GetObjectVersionTorrent"),      TO_OBJECT },
    { STR_INIT("GetReplicationConfiguration"),   TO_BUCKET }, { STR_INIT("InitiateReplication"),          TO_OBJECT },
    { STR_INIT("ListBucket"),                    TO_BUCKET }, { STR_INIT("ListBucketMultipartUploads"),   TO_BUCKET },
    { STR_INIT("ListBucketVersions"),            TO_BUCKET }, { STR_INIT("ListMultipartUploadParts"),     TO_OBJECT },
    { STR_INIT("ObjectOwnerOverrideToBucketOwner"), TO_OBJECT }, { STR_INIT("PutAccelerateConfiguration"), TO_BUCKET },
    { STR_INIT("PutAnalyticsConfiguration"),     TO_BUCKET }, { STR_INIT("PutBucketAcl"),                 TO_BUCKET },
    { STR_INIT("PutBucketCORS"),                 TO_BUCKET }, { STR_INIT("PutBucketLogging"),             TO_BUCKET },
    { STR_INIT("PutBucketNotification"),         TO_BUCKET }, { STR_INIT("PutBucketObjectLockConfiguration"), TO_BUCKET },
    { STR_INIT("PutBucketOwnershipControls"),    TO_BUCKET }, { STR_INIT("PutBucketPolicy"),              TO_BUCKET },
    { STR_INIT("PutBucketPublicAccessBlock"),    TO_BUCKET }, { STR_INIT("PutBucketRequestPayment"),      TO_BUCKET },
    { STR_INIT("PutBucketTagging"),              TO_BUCKET }, { STR_INIT("PutBucketVersioning"),          TO_BUCKET },
    { STR_INIT("PutBucketWebsite"),              TO_BUCKET }, { STR_INIT("PutEncryptionConfiguration"),   TO_BUCKET },
    { STR_INIT("PutIntelligentTieringConfiguration"), TO_BUCKET }, { STR_INIT("PutInventoryConfiguration"), TO_BUCKET },
    { STR_INIT("PutLifecycleConfiguration"),     TO_BUCKET }, { STR_INIT("PutMetricsConfiguration"),      TO_BUCKET },
    { STR_INIT("PutObject"),                     TO_OBJECT }, { STR_INIT("PutObjectAcl"),                 TO_OBJECT },
    { STR_INIT("PutObjectLegalHold"),            TO_OBJECT }, { STR_INIT("PutObjectRetention"),           TO_OBJECT },
    { STR_INIT("PutObjectTagging"),              TO_OBJECT }, { STR_INIT("PutObjectVersionAcl"),          TO_OBJECT },
    { STR_INIT("PutObjectVersionTagging"),       TO_OBJECT }, { STR_INIT("PutReplicationConfiguration"),  TO_BUCKET },
    { STR_INIT("ReplicateDelete"),               TO_OBJECT }, { STR_INIT("ReplicateObject"),              TO_OBJECT },
    { STR_INIT("ReplicateTags"),                 TO_OBJECT }, { STR_INIT("RestoreObject"),                TO_OBJECT },
};

/* Condition keys that mean something to a few actions only. */
static const struct { str key; const char *const actions[4]; } narrow_keys[] = {
    { STR_INIT("s3:prefix"),    { "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads" } },
    { STR_INIT("s3:delimiter"), { "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads" } },
    { STR_INIT("s3:max-keys"),  { "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads" } },
};

static const str document_members[]  = { STR_INIT("Version"), STR_INIT("Id"), STR_INIT("Statement") };
static const str statement_members[] = {
    STR_INIT("Sid"), STR_INIT("Effect"), STR_INIT("Principal"), STR_INIT("NotPrincipal"), STR_INIT("Action"),
    STR_INIT("NotAction"), STR_INIT("Resource"), STR_INIT("NotResource"), STR_INIT("Condition"),
};
/* clang-format on */
#define COUNT(array) (sizeof(array) / sizeof *(array))

struct check {
    str bucket;
    const struct world *world;
    struct arena *arena;
};

static const struct fault *malformed(const struct check *c, const char *says, str what)
{
    return fault_coded(c->arena, FAULT_SYNTAX, "MalformedPolicy", "%s" STR_FMT, says,
                       STR_ARG(what));
}

/* One value or a list of them, as policies allow nearly everywhere. */
static size_t many(const struct json *value)
{
    return json_kind(value) == JSON_ARRAY ? json_size(value) : value ? 1 : 0;
}
static const struct json *each(const struct json *value, size_t i)
{
    return json_kind(value) == JSON_ARRAY ? json_at(value, i) : value;
}

static const struct fault *check_members(const struct check *c, const struct json *object,
                                         const str *known, size_t count)
{
    str name;
    const struct json *value;
    for (size_t i = 0; json_member(object, i, &name, &value); i++) {
        size_t at = 0;
        while (at < count && !str_eq(known[at], name))
            at++;
        if (at == count)
            return malformed(c, "Unknown field ", name);
    }
    return NULL;
}

/* Users do not exist here yet, so an ARN of one names nobody; sessions go by their role. */
static bool names_somebody(const struct check *c, str principal)
{
    struct arn arn;
    str kind, name, session;
    if (str_eq(principal, STR("*")) || account_id_ok(principal))
        return true;
    if (!arn_parse(principal, &arn) || !account_id_ok(arn.account))
        return false;
    bool named = str_cut(arn.resource, '/', &kind, &name);
    if (str_eq(arn.service, STR("iam"))) {
        if (str_eq(kind, STR("role")))
            return named && (!c->world || role_find_arn(c->world, principal));
        return str_eq(arn.resource, STR("root")) || (!c->world && str_eq(kind, STR("user")));
    }
    if (!str_eq(arn.service, STR("sts")) || !named)
        return false;
    if (str_eq(kind, STR("assumed-role")))
        return str_cut(name, '/', &name, &session) &&
               (!c->world || role_find(c->world, arn.account, name));
    return str_eq(kind, STR("federated-user"));
}

static bool is_service(str name)
{
    return name.len > STR(".amazonaws.com").len &&
           (str_ends(name, STR(".amazonaws.com")) || str_ends(name, STR(".amazonaws.com.cn")) ||
            str_ends(name, STR(".amazon.com")));
}

static bool principal_ok(const struct check *c, str type, str name)
{
    if (str_eq(type, STR("AWS")))
        return names_somebody(c, name);
    if (str_eq(type, STR("Service")))
        return is_service(name);
    return name.len > 0 && (str_eq(type, STR("Federated")) || str_eq(type, STR("CanonicalUser")));
}

static const struct fault *check_principal(const struct check *c, const struct json *principal)
{
    const struct fault *invalid = malformed(c, "Invalid principal in policy", STR(""));
    if (json_kind(principal) == JSON_STRING)
        return str_eq(json_text(principal), STR("*")) ? NULL : invalid;
    str type;
    const struct json *names;
    if (json_kind(principal) != JSON_OBJECT || json_size(principal) == 0)
        return invalid;
    for (size_t i = 0; json_member(principal, i, &type, &names); i++) {
        if (many(names) == 0)
            return invalid;
        for (size_t j = 0; j < many(names); j++)
            if (json_kind(each(names, j)) != JSON_STRING ||
                !principal_ok(c, type, json_text(each(names, j))))
                return invalid;
    }
    return NULL;
}

/* What an item of Action reaches: TO_BUCKET, TO_OBJECT, both, or nothing known. */
static unsigned action_applies(str item)
{
    if (str_eq(item, STR("*")))
        return TO_BUCKET | TO_OBJECT;
    str service, name;
    unsigned applies = 0;
    if (!str_cut(item, ':', &service, &name) || !str_eq_nocase(service, STR("s3")))
        return 0;
    for (size_t i = 0; i < COUNT(actions); i++)
        if (glob_match(name, actions[i].name, GLOB_NOCASE))
            applies |= actions[i].applies;
    return applies;
}

/* What an item of Resource reaches; 0: not this bucket, or no ARN. */
static unsigned resource_applies(const struct check *c, str item)
{
    struct arn arn;
    if (!arn_parse(item, &arn) || !str_eq(arn.service, STR("s3")) || arn.region.len ||
        arn.account.len || !str_starts(arn.partition, STR("aws")))
        return 0;
    if (str_eq(arn.resource, c->bucket))
        return TO_BUCKET;
    if (!str_starts(arn.resource, c->bucket))
        return 0;
    char next = arn.resource.ptr[c->bucket.len];
    return next == '/' ? TO_OBJECT : next == '*' ? TO_BUCKET | TO_OBJECT : 0;
}

static const struct fault *check_actions(const struct check *c, const struct json *items)
{
    if (many(items) == 0)
        return malformed(c, "Missing required field Action", STR(""));
    for (size_t i = 0; i < many(items); i++)
        if (!action_applies(json_text(each(items, i))))
            return malformed(c, "Policy has invalid action", STR(""));
    return NULL;
}

static const struct fault *check_resources(const struct check *c, const struct json *items,
                                           unsigned *ret_applies)
{
    if (many(items) == 0)
        return malformed(c, "Missing required field Resource", STR(""));
    *ret_applies = 0;
    for (size_t i = 0; i < many(items); i++) {
        unsigned applies = resource_applies(c, json_text(each(items, i)));
        if (!applies)
            return malformed(c, "Policy has invalid resource", STR(""));
        *ret_applies |= applies;
    }
    return NULL;
}

static bool key_applies(size_t narrow, const struct json *items)
{
    for (size_t i = 0; i < many(items); i++) {
        str service, name, item = json_text(each(items, i));
        if (str_eq(item, STR("*")))
            return true;
        str_cut(item, ':', &service, &name);
        for (size_t a = 0; narrow_keys[narrow].actions[a]; a++)
            if (glob_match(name, str_of(narrow_keys[narrow].actions[a]), GLOB_NOCASE))
                return true;
    }
    return false;
}

static const struct fault *check_conditions(const struct check *c, const struct json *condition,
                                            const struct json *items, unsigned resources)
{
    str operator, key;
    const struct json *keys, *values;
    for (size_t i = 0; json_member(condition, i, &operator, & keys); i++)
        for (size_t j = 0; json_member(keys, j, &key, &values); j++)
            for (size_t n = 0; n < COUNT(narrow_keys); n++)
                if (str_eq_nocase(key, narrow_keys[n].key) &&
                    (!(resources & TO_BUCKET) || !key_applies(n, items)))
                    return malformed(c,
                                     "Conditions do not apply to combination of actions and "
                                     "resources in statement",
                                     STR(""));
    return NULL;
}

static const struct fault *check_statement(const struct check *c, const struct json *s)
{
    if (json_kind(s) != JSON_OBJECT)
        return malformed(c, "Could not parse the policy: Statement is not an object!", STR(""));
    TRY(check_members(c, s, statement_members, COUNT(statement_members)));
    str effect = json_str(s, "Effect");
    const struct json *principal = json_get(s, "Principal"), *others = json_get(s, "NotPrincipal");
    if (!json_get(s, "Effect"))
        return malformed(c, "Missing required field Effect", STR(""));
    if (!str_eq(effect, STR("Allow")) && !str_eq(effect, STR("Deny")))
        return malformed(c, "Invalid effect: ", effect);
    if (!principal && !others)
        return malformed(c, "Missing required field Principal", STR(""));
    TRY(check_principal(c, principal ? principal : others));
    const struct json *wanted = json_get(s, "Action"), *reached = json_get(s, "Resource");
    TRY(check_actions(c, wanted ? wanted : json_get(s, "NotAction")));
    unsigned applies = 0;
    TRY(check_resources(c, reached ? reached : json_get(s, "NotResource"), &applies));
    if (!wanted || !reached)
        return NULL; /* what a negated list reaches cannot be narrowed */
    for (size_t i = 0; i < many(wanted); i++)
        if (!(action_applies(json_text(each(wanted, i))) & applies))
            return malformed(c, "Action does not apply to any resource(s) in statement", STR(""));
    return check_conditions(c, json_get(s, "Condition"), wanted, applies);
}

/* White space outside strings is not counted. */
static size_t normalised_size(str json)
{
    size_t size = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (quoted && c == '\\') {
            size += 2, i++;
            continue;
        }
        quoted ^= c == '"';
        size += quoted || (c != ' ' && c != '\t' && c != '\r' && c != '\n');
    }
    return size;
}

const struct fault *bucket_policy_check(str bucket, str text, const struct world *world,
                                        struct arena *arena)
{
    const struct check check = { bucket, world, arena }, *c = &check;
    const struct json *json;
    if (text.len == 0 || text.ptr[0] != '{')
        return malformed(c, "Policies must be valid JSON and the first byte must be '{'", STR(""));
    if (normalised_size(text) > POLICY_MAX)
        return malformed(c, "Policy exceeds the maximum allowed document size.", STR(""));
    const struct fault *why = json_parse(text, arena, &json);
    if (why)
        return why->kind == FAULT_SYNTAX
                   ? malformed(c, "This policy contains invalid Json", STR(""))
                   : why;
    TRY(check_members(c, json, document_members, COUNT(document_members)));
    str version = json_str(json, "Version");
    if (json_get(json, "Version") && !str_eq(version, STR("2012-10-17")) &&
        !str_eq(version, STR("2008-10-17")))
        return malformed(c, "The policy must contain a valid version string", STR(""));
    const struct json *statements = json_get(json, "Statement");
    if (!statements)
        return malformed(c, "Missing required field Statement", STR(""));
    if (many(statements) == 0)
        return malformed(c, "Could not parse the policy: Statement is empty!", STR(""));
    for (size_t i = 0; i < many(statements); i++)
        TRY(check_statement(c, each(statements, i)));
    struct document document;
    why = policy_parse(text, arena, &document);
    return why && why->kind == FAULT_SYNTAX ? malformed(c, "", why->says) : why;
}

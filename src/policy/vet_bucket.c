/* What S3 refuses when a bucket policy is saved: the shape of the document first, then each
 * statement from Effect to Condition (permissions spec 9; the order is that of S3 as far as its
 * answers show it). */
#include "policy/vetting.h"

#include "base/glob.h"
#include "policy/values.h"

enum { BUCKET_MAX = 20 * 1024 }; /* white space outside strings is free */

/* Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3": those a
 * bucket policy may name. */
/* clang-format off */
static const struct { str name; unsigned applies; } actions[] = {
    { STR_INIT("AbortMultipartUpload"),          S3_OBJECT }, { STR_INIT("BypassGovernanceRetention"),    S3_OBJECT },
    { STR_INIT("CreateBucket"),                  S3_BUCKET }, { STR_INIT("DeleteBucket"),                 S3_BUCKET },
    { STR_INIT("DeleteBucketPolicy"),            S3_BUCKET }, { STR_INIT("DeleteBucketWebsite"),          S3_BUCKET },
    { STR_INIT("DeleteObject"),                  S3_OBJECT }, { STR_INIT("DeleteObjectTagging"),          S3_OBJECT },
    { STR_INIT("DeleteObjectVersion"),           S3_OBJECT }, { STR_INIT("DeleteObjectVersionTagging"),   S3_OBJECT },
    { STR_INIT("GetAccelerateConfiguration"),    S3_BUCKET }, { STR_INIT("GetAnalyticsConfiguration"),    S3_BUCKET },
    { STR_INIT("GetBucketAcl"),                  S3_BUCKET }, { STR_INIT("GetBucketCORS"),                S3_BUCKET },
    { STR_INIT("GetBucketLocation"),             S3_BUCKET }, { STR_INIT("GetBucketLogging"),             S3_BUCKET },
    { STR_INIT("GetBucketNotification"),         S3_BUCKET }, { STR_INIT("GetBucketObjectLockConfiguration"), S3_BUCKET },
    { STR_INIT("GetBucketOwnershipControls"),    S3_BUCKET }, { STR_INIT("GetBucketPolicy"),              S3_BUCKET },
    { STR_INIT("GetBucketPolicyStatus"),         S3_BUCKET }, { STR_INIT("GetBucketPublicAccessBlock"),   S3_BUCKET },
    { STR_INIT("GetBucketRequestPayment"),       S3_BUCKET }, { STR_INIT("GetBucketTagging"),             S3_BUCKET },
    { STR_INIT("GetBucketVersioning"),           S3_BUCKET }, { STR_INIT("GetBucketWebsite"),             S3_BUCKET },
    { STR_INIT("GetEncryptionConfiguration"),    S3_BUCKET }, { STR_INIT("GetIntelligentTieringConfiguration"), S3_BUCKET },
    { STR_INIT("GetInventoryConfiguration"),     S3_BUCKET }, { STR_INIT("GetLifecycleConfiguration"),    S3_BUCKET },
    { STR_INIT("GetMetricsConfiguration"),       S3_BUCKET }, { STR_INIT("GetObject"),                    S3_OBJECT },
    { STR_INIT("GetObjectAcl"),                  S3_OBJECT }, { STR_INIT("GetObjectAttributes"),          S3_OBJECT },
    { STR_INIT("GetObjectLegalHold"),            S3_OBJECT }, { STR_INIT("GetObjectRetention"),           S3_OBJECT },
    { STR_INIT("GetObjectTagging"),              S3_OBJECT }, { STR_INIT("GetObjectTorrent"),             S3_OBJECT },
    { STR_INIT("GetObjectVersion"),              S3_OBJECT }, { STR_INIT("GetObjectVersionAcl"),          S3_OBJECT },
    { STR_INIT("GetObjectVersionAttributes"),    S3_OBJECT }, { STR_INIT("GetObjectVersionForReplication"), S3_OBJECT },
    { STR_INIT("GetObjectVersionTagging"),       S3_OBJECT }, { STR_INIT("GetObjectVersionTorrent"),      S3_OBJECT },
    { STR_INIT("GetReplicationConfiguration"),   S3_BUCKET }, { STR_INIT("InitiateReplication"),          S3_OBJECT },
    { STR_INIT("ListBucket"),                    S3_BUCKET }, { STR_INIT("ListBucketMultipartUploads"),   S3_BUCKET },
    { STR_INIT("ListBucketVersions"),            S3_BUCKET }, { STR_INIT("ListMultipartUploadParts"),     S3_OBJECT },
    { STR_INIT("ObjectOwnerOverrideToBucketOwner"), S3_OBJECT }, { STR_INIT("PutAccelerateConfiguration"), S3_BUCKET },
    { STR_INIT("PutAnalyticsConfiguration"),     S3_BUCKET }, { STR_INIT("PutBucketAcl"),                 S3_BUCKET },
    { STR_INIT("PutBucketCORS"),                 S3_BUCKET }, { STR_INIT("PutBucketLogging"),             S3_BUCKET },
    { STR_INIT("PutBucketNotification"),         S3_BUCKET }, { STR_INIT("PutBucketObjectLockConfiguration"), S3_BUCKET },
    { STR_INIT("PutBucketOwnershipControls"),    S3_BUCKET }, { STR_INIT("PutBucketPolicy"),              S3_BUCKET },
    { STR_INIT("PutBucketPublicAccessBlock"),    S3_BUCKET }, { STR_INIT("PutBucketRequestPayment"),      S3_BUCKET },
    { STR_INIT("PutBucketTagging"),              S3_BUCKET }, { STR_INIT("PutBucketVersioning"),          S3_BUCKET },
    { STR_INIT("PutBucketWebsite"),              S3_BUCKET }, { STR_INIT("PutEncryptionConfiguration"),   S3_BUCKET },
    { STR_INIT("PutIntelligentTieringConfiguration"), S3_BUCKET }, { STR_INIT("PutInventoryConfiguration"), S3_BUCKET },
    { STR_INIT("PutLifecycleConfiguration"),     S3_BUCKET }, { STR_INIT("PutMetricsConfiguration"),      S3_BUCKET },
    { STR_INIT("PutObject"),                     S3_OBJECT }, { STR_INIT("PutObjectAcl"),                 S3_OBJECT },
    { STR_INIT("PutObjectLegalHold"),            S3_OBJECT }, { STR_INIT("PutObjectRetention"),           S3_OBJECT },
    { STR_INIT("PutObjectTagging"),              S3_OBJECT }, { STR_INIT("PutObjectVersionAcl"),          S3_OBJECT },
    { STR_INIT("PutObjectVersionTagging"),       S3_OBJECT }, { STR_INIT("PutReplicationConfiguration"),  S3_BUCKET },
    { STR_INIT("ReplicateDelete"),               S3_OBJECT }, { STR_INIT("ReplicateObject"),              S3_OBJECT },
    { STR_INIT("ReplicateTags"),                 S3_OBJECT }, { STR_INIT("RestoreObject"),                S3_OBJECT },
};

/* Condition keys that mean something to a few actions only. */
static const struct { str key; const char *const actions[7]; } narrow_keys[] = {
    { STR_INIT("s3:prefix"),    { "ListBucket", "ListBucketVersions" } },
    { STR_INIT("s3:delimiter"), { "ListBucket", "ListBucketVersions" } },
    { STR_INIT("s3:max-keys"),  { "ListBucket", "ListBucketVersions" } },
    { STR_INIT("s3:x-amz-acl"), { "PutObject", "PutBucketAcl", "PutObjectAcl", "PutObjectVersionAcl" } },
    { STR_INIT("s3:VersionId"), { "GetObjectVersion", "DeleteObjectVersion", "GetObjectVersionAttributes",
                                  "GetObjectVersionTagging", "PutObjectVersionTagging", "DeleteObjectVersionTagging" } },
};
/* clang-format on */
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The bucket meant: by its ARN, or by its name. */
static str bucket_of(const struct policy_home *home)
{
    struct arn arn;
    return arn_parse(home->target, &arn) ? arn.resource : home->target;
}

static size_t normalised_size(str json)
{
    size_t size = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        const char c = json.ptr[i];
        if (quoted && c == '\\') {
            size += 2, i++;
            continue;
        }
        quoted ^= c == '"';
        size += quoted || (c != ' ' && c != '\t' && c != '\r' && c != '\n');
    }
    return size;
}

const struct fault *vet_bucket_text(struct vetting *v)
{
    if (v->text.len == 0 || v->text.ptr[0] != '{') {
        v->at.to = v->at.from;
        return fault_coded(v->arena, FAULT_SYNTAX, v->code,
                           "Policies must be valid JSON and the first byte must be '{'");
    }
    return normalised_size(v->text) > BUCKET_MAX
               ? fault_coded(v->arena, FAULT_SYNTAX, v->code,
                             "Policy exceeds the maximum allowed document size.")
               : NULL;
}

unsigned s3_action_reach(str item)
{
    if (str_eq(item, STR("*")))
        return S3_BUCKET | S3_OBJECT;
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
static unsigned resource_applies(str bucket, str item)
{
    struct arn arn;
    if (!arn_parse(item, &arn) || !str_starts(item, STR("arn:")) ||
        !str_eq(arn.service, STR("s3")) || arn.region.len || arn.account.len ||
        !str_starts(arn.partition, STR("aws")))
        return 0;
    if (str_is_none(bucket)) { /* nobody says which */
        const size_t slash = str_find(arn.resource, '/');
        bucket = str_head(arn.resource, slash);
        if (bucket.len == 0 || str_has(bucket, ':'))
            return 0;
        if (slash == arn.resource.len && glob_has_wildcard(bucket))
            return S3_BUCKET | S3_OBJECT;
    }
    if (str_eq(arn.resource, bucket))
        return S3_BUCKET;
    if (!str_starts(arn.resource, bucket))
        return 0;
    const char next = arn.resource.ptr[bucket.len];
    return next == '/' ? S3_OBJECT : next == '*' ? S3_BUCKET | S3_OBJECT : 0;
}

static bool key_applies(size_t narrow, str item)
{
    str service, name;
    if (glob_has_wildcard(item)) /* of what it covers, the key narrows what it can */
        return true;
    str_cut(item, ':', &service, &name);
    for (size_t a = 0; narrow_keys[narrow].actions[a]; a++)
        if (str_eq_nocase(name, str_of(narrow_keys[narrow].actions[a])))
            return true;
    return false;
}

/* Every action must know the key; it is not enough that one of them does. */
static const struct fault *vet_key_use(struct vetting *v, const struct spans *key,
                                       const struct spans *wanted)
{
    for (size_t n = 0; n < COUNT(narrow_keys); n++) {
        if (!str_eq_nocase(key->name, narrow_keys[n].key))
            continue;
        for (const struct spans *i = items_first(wanted); i; i = items_next(wanted, i)) {
            if (!key_applies(n, i->text))
                return vet_refuse(v, key,
                                  "Conditions do not apply to combination of actions and "
                                  "resources in statement");
        }
    }
    if (!str_eq_nocase(key->name, STR("aws:SourceIp")))
        return NULL;
    struct network network;
    for (const struct spans *i = items_first(key); i; i = items_next(key, i)) {
        if (!network_read(i->text, &network))
            return vet_refuse(v, i, "Invalid IP address in Conditions");
    }
    return NULL;
}

static const struct fault *vet_conditions(struct vetting *v, const struct spans *condition,
                                          const struct spans *wanted)
{
    const struct spans *odd = vet_condition_oddity(v, condition);
    for (const struct spans *op = odd ? condition->first : NULL; op; op = op->next)
        if (odd == op || odd->from == op->name_from)
            return vet_refuse(v, odd, "Invalid Condition type : " STR_FMT, STR_ARG(op->name));
    if (odd)
        return vet_refuse(v, odd, "This policy contains invalid Json");
    for (const struct spans *op = condition ? condition->first : NULL; op; op = op->next)
        for (const struct spans *key = op->first; key; key = key->next)
            TRY(vet_key_use(v, key, wanted));
    return NULL;
}

static const struct fault *vet_actions(struct vetting *v, const struct spans *statement,
                                       const struct spans *items)
{
    if (items_count(items) == 0)
        return vet_refuse(v, items ? items : statement, "Missing required field Action");
    for (const struct spans *i = items_first(items); i; i = items_next(items, i))
        if (i->kind != SPANS_STRING || !s3_action_reach(i->text))
            return vet_refuse(v, i, "Policy has invalid action");
    return NULL;
}

static const struct fault *vet_resources(struct vetting *v, const struct spans *statement,
                                         const struct spans *items, unsigned *ret_applies)
{
    const str bucket = bucket_of(v->home);
    if (items_count(items) == 0)
        return vet_refuse(v, items ? items : statement, "Missing required field Resource");
    *ret_applies = 0;
    for (const struct spans *i = items_first(items); i; i = items_next(items, i)) {
        const unsigned applies = i->kind == SPANS_STRING ? resource_applies(bucket, i->text) : 0;
        if (!applies)
            return vet_refuse(v, i, "Policy has invalid resource");
        *ret_applies |= applies;
    }
    return NULL;
}

static const struct fault *vet_statement(struct vetting *v, const struct spans *s)
{
    TRY(vet_statement_head(v, s));
    const struct spans *principal = vet_either(s, "Principal", "NotPrincipal");
    if (!principal)
        return vet_refuse(v, s, "Missing required field Principal");
    str type;
    const struct spans *nobody = vet_principal_nobody(v, principal, &type);
    if (nobody)
        return vet_refuse(v, nobody, "Invalid principal in policy");
    const struct spans *wanted = spans_get(s, STR("Action")),
                       *reached = spans_get(s, STR("Resource"));
    TRY(vet_actions(v, s, wanted ? wanted : spans_get(s, STR("NotAction"))));
    unsigned applies = 0;
    TRY(vet_resources(v, s, reached ? reached : spans_get(s, STR("NotResource")), &applies));
    TRY(vet_conditions(v, spans_get(s, STR("Condition")), wanted));
    if (!wanted || !reached)
        return NULL; /* what a negated list reaches cannot be narrowed */
    for (const struct spans *i = items_first(wanted); i; i = items_next(wanted, i))
        if (!(s3_action_reach(i->text) & applies))
            return vet_refuse(v, i, "Action does not apply to any resource(s) in statement");
    return NULL;
}

const struct fault *vet_bucket(struct vetting *v, const struct spans *root)
{
    const struct spans *stranger = vet_document_stranger(v, root);
    if (stranger)
        return vet_refuse(v, stranger, "Unknown field " STR_FMT, STR_ARG(stranger->name));
    if (!vet_version_ok(root))
        return vet_refuse(v, spans_get(root, STR("Version")),
                          "The policy must contain a valid version string");
    const struct spans *statements = spans_get(root, STR("Statement"));
    if (!statements)
        return vet_refuse(v, root, "Missing required field Statement");
    if (items_count(statements) == 0)
        return vet_refuse(v, statements, "Could not parse the policy: Statement is empty!");
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s))
        TRY(vet_statement(v, s));
    return NULL;
}

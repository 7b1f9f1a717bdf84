/* What S3 refuses when a bucket policy is saved: the shape of the document first, then each
 * statement from Effect to Condition (permissions spec 9; the order is that of S3 as far as its
 * answers show it). */
#include "policy/vetting.h"

#include "base/glob.h"
#include "policy/values.h"

enum { BUCKET_MAX = 20 * 1024 }; /* white space outside strings is free */

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
        if (bucket.len == 0)
            return 0;
        if (slash == arn.resource.len && glob_has_wildcard(bucket))
            return TO_BUCKET | TO_OBJECT;
    }
    if (str_eq(arn.resource, bucket))
        return TO_BUCKET;
    if (!str_starts(arn.resource, bucket))
        return 0;
    const char next = arn.resource.ptr[bucket.len];
    return next == '/' ? TO_OBJECT : next == '*' ? TO_BUCKET | TO_OBJECT : 0;
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
    const struct spans *odd = vet_condition_oddity(condition);
    for (const struct spans *op = odd ? condition->first : NULL; op; op = op->next)
        if (op == odd)
            return vet_refuse(v, op, "Invalid Condition type : " STR_FMT, STR_ARG(op->name));
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
        if (i->kind != SPANS_STRING || !action_applies(i->text))
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
    if (s->kind != SPANS_OBJECT)
        return vet_refuse(v, s, "Could not parse the policy: Statement is not an object!");
    const struct spans *stranger = vet_statement_stranger(s), *effect = spans_get(s, STR("Effect"));
    if (stranger)
        return vet_refuse(v, stranger, "Unknown field " STR_FMT, STR_ARG(stranger->name));
    if (!effect)
        return vet_refuse(v, s, "Missing required field Effect");
    if (!str_eq(effect->text, STR("Allow")) && !str_eq(effect->text, STR("Deny")))
        return vet_refuse(v, effect, "Invalid effect: " STR_FMT, STR_ARG(effect->text));
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
        if (!(action_applies(i->text) & applies))
            return vet_refuse(v, i, "Action does not apply to any resource(s) in statement");
    return NULL;
}

const struct fault *vet_bucket(struct vetting *v, const struct spans *root)
{
    const struct spans *stranger = vet_document_stranger(root);
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

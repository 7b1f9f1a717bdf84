/* services/s3/bucket.h - a bucket as the world knows it: whose it is, where it lies, what its
 * policy says.
 *
 * State: bucket/<name> =
 * {"owner":"111122223333","region":"us-east-1","created_ms":N,"policy":"{...}",
 * "encryption":{"algorithm":"aws:kms","key":"...","bucket_key":true}}. Names are one
 * space for all accounts and regions, as at AWS. */
#ifndef SESAME_SERVICES_S3_BUCKET_H
#define SESAME_SERVICES_S3_BUCKET_H

#include "base/buf.h"
#include "policy/document.h"
#include "services/world.h"
#include "services/world_kinds.h"

enum sse_kind { SSE_NONE, SSE_S3, SSE_KMS };
enum sse_kind sse_kind_named(str); /* "AES256", "aws:kms"; else SSE_NONE */
str sse_kind_name(enum sse_kind);

struct bucket_encryption { /* what is done to objects that do not say */
    enum sse_kind kind;
    str kms_key_id; /* as it was put; STR_NONE: alias/aws/s3 */
    bool bucket_key;
};

struct bucket {
    str name, owner, region; /* owner: an account id */
    int64_t created_ms;
    str policy_text;               /* as it was put; STR_NONE: it has none */
    const struct document *policy; /* NULL: it has none */
    struct bucket_encryption encryption;
};

const struct bucket *bucket_find(const struct world *,
                                 str name); /* NULL: there is no such bucket */

/* Lower case letters, digits, dots and dashes, 3 to 63, and the rest of S3's rules for names. */
bool bucket_name_ok(str name);

str bucket_state_key(struct arena *, str name);             /* "bucket/<name>" */
void bucket_encode(const struct bucket *, struct buf *out); /* the record's value */
aggregate_compile_fn bucket_compile;

/* What PutBucketPolicy refuses, in S3's words: NULL, or a FAULT_SYNTAX with the code
 * "MalformedPolicy". `world`: whose roles a principal may name; NULL: principals are not looked up.
 */
const struct fault *bucket_policy_check(str bucket, str text, const struct world *, struct arena *);

#endif

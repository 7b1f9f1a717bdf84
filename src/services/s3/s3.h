/* services/s3/s3.h - the embedded S3: buckets in the state, bytes in the objects, permissions
 * decided here.
 *
 * Every function takes the call first: who asks, in which world, from which region; asks
 * services/authorize.h with the IAM action and ARN of its operation; and answers in S3's own codes
 * (fault->code: "NoSuchBucket", "AccessDenied", ...). Any thread. */
#ifndef SESAME_SERVICES_S3_S3_H
#define SESAME_SERVICES_S3_S3_H

#include "base/outside.h"
#include "services/ports.h"
#include "services/s3/bucket.h"
#include "store/objects.h"
#include "store/state.h"

struct s3_service;
struct s3_rehearsal {
    struct s3_port port;
    struct s3_service *service;
};

struct s3_service {
    struct s3_port port;           /* what the S3 action calls: &service->port */
    struct s3_rehearsal rehearsal; /* the same put judged and not made: &service->rehearsal.port */
    struct objects *objects;
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    /* Regions where receiving exists; a service principal writes to buckets of these only. None:
     * the seven of SES and the region of the call. */
    const str *receiving_regions;
    size_t receiving_region_count;
    /* For server-side encryption. Without a KMS, aws:kms is refused. */
    struct kms_port *kms, *rehearsal_kms;
    unsigned char seal_key[32]; /* seals the keys of SSE-S3; derived from the root key */
};

/* Lives in the arena; borrows all it is given. */
const struct fault *s3_embedded_open(struct objects *, struct state *, struct worlds *,
                                     struct outside *, struct arena *,
                                     struct s3_service **ret_service);

/* Buckets. `region`: the LocationConstraint, or STR_NONE for the region of the call. */
const struct fault *s3_create_bucket(struct s3_service *, const struct call *, str bucket,
                                     str region);
const struct fault *s3_delete_bucket(struct s3_service *, const struct call *, str bucket);
const struct fault *s3_head_bucket(struct s3_service *, const struct call *, str bucket,
                                   const struct bucket **ret_bucket);
const struct fault *s3_get_bucket_location(struct s3_service *, const struct call *, str bucket,
                                           str *ret_region);
/* What is done to objects that do not say. FAULT_ABSENT, ServerSideEncryptionConfigurationNotFoundError:
 * nothing. A key's ARN of another Region than the bucket's is refused. */
const struct fault *s3_put_bucket_encryption(struct s3_service *, const struct call *, str bucket,
                                             const struct bucket_encryption *);
const struct fault *s3_get_bucket_encryption(struct s3_service *, const struct call *, str bucket,
                                             struct bucket_encryption *ret_encryption);
const struct fault *s3_delete_bucket_encryption(struct s3_service *, const struct call *, str bucket);

/* The buckets of the caller's account, by name. */
const struct fault *s3_list_buckets(struct s3_service *, const struct call *,
                                    const struct bucket *const **ret_buckets, size_t *ret_count);

const struct fault *s3_put_bucket_policy(struct s3_service *, const struct call *, str bucket,
                                         str text);
const struct fault *s3_get_bucket_policy(struct s3_service *, const struct call *, str bucket,
                                         str *ret_text);
const struct fault *s3_delete_bucket_policy(struct s3_service *, const struct call *, str bucket);

/* A put, pushed: begin authorises and opens, write takes bytes as they come, finish checks the
 * digests and makes the object. The upload is gone after finish (in every case) and after cancel.
 * One thread at a time. */
struct object_encryption { /* the encryption a put comes to: see encryption.h */
    enum sse_kind kind;
    str kms_key_id; /* as asked for; SSE_KMS without one: alias/aws/s3 */
    bool bucket_key;
    const struct header *context; /* further pairs, the caller's own */
    size_t context_count;
};
struct s3_put {
    str bucket, key;
    const struct header
        *headers; /* to be stored: "content-type", "cache-control", "x-amz-meta-a", ... */
    size_t header_count;
    const struct header *conditions; /* further condition keys: "s3:x-amz-acl", ... */
    size_t condition_count;
    str content_md5;     /* base64, as in Content-MD5; or STR_NONE */
    bool if_none_match;  /* "If-None-Match: *": only when there is no such key */
    str remedy_resource; /* as in put_object */
    struct object_encryption encryption; /* as the put asks; SSE_NONE: the bucket's default */
    bool multipart; /* as put_object's may_be_multipart */
};
struct s3_upload;
const struct fault *s3_put_begin(struct s3_service *, const struct call *, const struct s3_put *,
                                 struct s3_upload **ret_upload);
/* Before the first write: computes this checksum along. "crc32", "crc32c", "crc64nvme", "sha1" or
 * "sha256"; else FAULT_UNBUILT. */
const struct fault *s3_put_checksum(struct s3_upload *, const struct call *, str algorithm);
/* Any time before finish: what the checksum must be, in base64. From a header or a trailer. */
const struct fault *s3_put_expect(struct s3_upload *, const struct call *, str algorithm,
                                  str base64);
const struct fault *s3_put_write(struct s3_upload *, const struct call *, str chunk);
const struct fault *s3_put_finish(struct s3_upload *, const struct call *,
                                  struct object_info *ret_info);
void s3_put_cancel(struct s3_upload *); /* NULL is fine */

/* Reading one version of an object, whatever happens to its key meanwhile. */
struct s3_get {
    str bucket, key;
    bool with_body;              /* false: HeadObject */
    str range;                   /* "bytes=0-9" or STR_NONE */
    str if_range;                /* an ETag or a date, of what the range is asked of; or STR_NONE */
    str if_match, if_none_match; /* ETags with quotes, "*", lists; or STR_NONE */
    int64_t if_modified_since_ms; /* 0: not asked */
    int64_t if_unmodified_since_ms;
};
struct s3_object {
    struct object_info info;
    bool not_modified;    /* 304: no body */
    bool partial;         /* 206: the range below */
    uint64_t from, count; /* bytes of the body */
    struct body
        *body; /* of `count` bytes; NULL without a body. Lives as long as the call's arena */
};
const struct fault *s3_get_object(struct s3_service *, const struct call *, const struct s3_get *,
                                  struct s3_object *ret_object);
const struct fault *s3_delete_object(struct s3_service *, const struct call *, str bucket, str key);

struct s3_list {
    str bucket, prefix, delimiter;                /* empty: none */
    str after;                                    /* start-after, or where the last page ended */
    size_t max_keys;                              /* at most 1000 are given */
    bool has_prefix, has_delimiter, has_max_keys; /* were they in the request: condition keys */
};
const struct fault *s3_list_objects(struct s3_service *, const struct call *,
                                    const struct s3_list *, struct object_entry **ret_entries,
                                    size_t *ret_count, bool *ret_more);

#endif

/* services/s3/encryption.h - server-side encryption: which is asked for, under which key, and who
 * may.
 *
 * SSE-S3 (AES256) seals each object under a key of its own, which is sealed under one of the
 * server's. SSE-KMS (aws:kms) asks KMS for the object's key, as the caller and by way of S3
 * (kms:ViaService), with S3's own encryption context: aws:s3:arn, the object's ARN, or the
 * bucket's with a Bucket Key (KMS Developer Guide, "Encryption context"; S3 User Guide, "Using
 * server-side encryption with AWS KMS keys"). Object bytes lie sealed as in sealed.h. */
#ifndef SESAME_SERVICES_S3_ENCRYPTION_H
#define SESAME_SERVICES_S3_ENCRYPTION_H

#include "services/s3/s3.h"
#include "services/s3/sealed.h"

/* What kept object headers say of it, in lower case; those that begin with "sesame-" are never
 * shown. */
#define SSE_HEADER        "x-amz-server-side-encryption"
#define SSE_KEY_HEADER    "x-amz-server-side-encryption-aws-kms-key-id"
#define SSE_BUCKET_HEADER "x-amz-server-side-encryption-bucket-key-enabled"

/* What the put asks for, else what its bucket does by default. */
struct object_encryption encryption_of(const struct bucket *, const struct s3_put *);

enum { ENCRYPTION_HEADERS = 5 };
struct object_key {
    unsigned char plaintext[CIPHER_KEY_SIZE];  /* the caller wipes it */
    struct header headers[ENCRYPTION_HEADERS]; /* to be kept with the object */
    size_t header_count;
};
/* Asks for a key of the object's own; of a multipart put also whether it might be opened again. */
const struct fault *encryption_key(struct s3_service *, struct kms_port *, const struct call *,
                                   const struct bucket *, const struct s3_put *,
                                   const struct object_encryption *, struct object_key *ret_key);

/* The key of an object whose kept headers are these: SSE_NONE when it lies in the clear. */
const struct fault *encryption_open(struct s3_service *, const struct call *, const struct bucket *,
                                    str key, str headers_json, enum sse_kind *ret_kind,
                                    unsigned char ret_key[CIPHER_KEY_SIZE]);

#endif

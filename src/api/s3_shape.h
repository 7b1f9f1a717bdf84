/* api/s3_shape.h - what the S3 operations share: their namespace, owners, and headers not served.
 */
#ifndef SESAME_API_S3_SHAPE_H
#define SESAME_API_S3_SHAPE_H

#include "api/api.h"
#include "api/operation.h"

#define S3_XMLNS "http://s3.amazonaws.com/doc/2006-03-01/"

/* The canonical user id that stands for an account: 64 hex digits. In the arena. */
str s3_canonical_id(str account, struct arena *);
void s3_write_owner(struct buf *out, str account, struct arena *); /* <Owner> */

/* A header that asks for something we do not do is refused, not passed over: FAULT_UNBUILT. An ACL
 * other than the owner's own is refused as a bucket without ACLs refuses it. And
 * x-amz-expected-bucket-owner. */
const struct fault *s3_check_headers(const struct api_call *);
const struct fault *s3_check_put_headers(const struct api_call *); /* of a put, which may wish to be encrypted */

/* s3_objects.c: what a put keeps of its request, and the condition keys it brings. */
struct s3_put;
bool s3_is_kept(str header);
const struct fault *s3_keep_headers(const struct api_call *, struct s3_put *);
const struct fault *s3_gather_conditions(const struct api_call *, struct s3_put *);
const char *s3_checksum_element(str header); /* "ChecksumSHA256"; NULL: the header is no checksum */

/* s3_encryption.c: the encryption a put wishes for, and what a put, get or head tells of an object's. */
struct object_encryption;
struct object_info;
const struct fault *s3_read_encryption(const struct api_call *, struct object_encryption *ret_encryption);
const struct fault *s3_add_encryption(const struct api_call *, const struct object_info *, struct api_answer *);

/* Which checksum the client declares of its body, less Content-MD5: by a field with its value, or by
 * the name of a trailer, whose value comes behind the body (STR_NONE here). Neither: both STR_NONE.
 * Two of them, or a trailer that is no checksum, are refused. */
struct s3_checksum {
    str algorithm, value;
};
const struct fault *s3_find_checksum(const struct api_call *, struct s3_checksum *ret_checksum);
/* Its value once the whole body came: out of the trailers, where it was announced for there. A
 * checksum behind the body that nobody announced is refused, since nobody counted along. */
const struct fault *s3_end_checksum(const struct api_call *, struct s3_checksum *);
/* A gathered body against Content-MD5 and the declared checksum. */
const struct fault *s3_check_body(const struct api_call *);

/* May it stand in a header field? Text without controls, as a value from a query need not be. */
bool s3_field_ok(str value);

#endif

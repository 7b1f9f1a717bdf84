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

#endif

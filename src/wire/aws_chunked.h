/* wire/aws_chunked.h - takes S3's aws-chunked bodies apart, across any chunking by the network.
 *
 * size-in-hex[;chunk-signature=64 hex] CRLF bytes CRLF ... 0[;chunk-signature=...] CRLF [trailers] CRLF.
 * Chunk signatures chain from the request's own; the trailer, where signed, ends the chain. Bytes are
 * handed out as they come, before the signature of their chunk is known: keep nothing of a body
 * for which aws_chunked_ended never became true. */
#ifndef SESAME_WIRE_AWS_CHUNKED_H
#define SESAME_WIRE_AWS_CHUNKED_H

#include "wire/sigv4.h"

enum { AWS_CHUNKED_TRAILERS = 8, AWS_CHUNKED_LINE_MAX = 1024 };

struct aws_chunked; /* lives in the arena it was made in */

/* secret: STR_NONE for an anonymous request or SIGV4_PAYLOAD_UNSIGNED_TRAILER. decoded_size:
 * X-Amz-Decoded-Content-Length, or UINT64_MAX when unknown; more or fewer bytes are a fault. NULL at the limit. */
struct aws_chunked *aws_chunked_new(const struct sigv4_claim *, str secret, struct sigv4_keys *,
                                    uint64_t decoded_size, struct arena *);

/* Reads from in->at on and gives the next piece of the body, a view into the input, empty when there
 * is none yet. Call until the input is used up. SignatureDoesNotMatch, IncompleteBody,
 * InvalidRequest, or MalformedTrailerError for what is wrong; then it is of no further use. */
const struct fault *aws_chunked_feed(struct aws_chunked *, struct cursor *in, struct arena *, str *ret_piece);
bool aws_chunked_ended(const struct aws_chunked *); /* all read, all signatures and sizes right */

/* Once ended: the trailer's fields, e.g. x-amz-checksum-crc32c, names in lower case. */
size_t aws_chunked_trailers(const struct aws_chunked *, const struct sigv4_field **ret_fields);

#endif

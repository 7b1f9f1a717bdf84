/* api/authenticate.h - who is asking: from a signature to a caller, and from a body to a proven
 * body. */
#ifndef SESAME_API_AUTHENTICATE_H
#define SESAME_API_AUTHENTICATE_H

#include "api/api.h"
#include "wire/aws_chunked.h"
#include "wire/sigv4.h"

/* The root key stands for root_account; an account id as key with the root secret is the root of
 * that account; ASIA... with its token is a session, AKIA... a user's own. */
struct identity {
    struct sigv4_claim claim;
    str secret; /* never shown, never logged; STR_NONE when anonymous */
    struct caller caller;
    bool root; /* signed with the root's secret */
};

/* Everything but what needs the body: SIGV4_PAYLOAD_BODY is checked by intake_end. On a fault
 * ret_identity->claim says at least which service was meant. */
const struct fault *authenticate(const struct api *, const struct sigv4_request *, int64_t now_ms,
                                 struct sigv4_keys *, struct arena *,
                                 struct identity *ret_identity);

/* Takes a body as it comes: removes aws-chunked, compares hashes, signatures and sizes. */
struct intake {
    const struct identity *who;
    const struct sigv4_request *request;
    struct sigv4_keys *keys;
    struct arena *arena;
    struct digest *digest;       /* NULL: nothing to compare */
    struct aws_chunked *chunked; /* NULL: the bytes are the body */
    uint64_t body_size;          /* decoded, as declared; UINT64_MAX: unknown */
    uint64_t taken;              /* decoded so far */
};

/* wire_size: of the body as sent; UINT64_MAX: unknown. All pointers outlive the intake. */
const struct fault *intake_begin(const struct identity *, const struct sigv4_request *,
                                 struct sigv4_keys *, uint64_t wire_size, struct arena *,
                                 struct intake *ret_intake);
typedef const struct fault *intake_sink_fn(void *context, str piece);
const struct fault *intake_feed(struct intake *, str bytes, intake_sink_fn *, void *context);
/* All bytes came. NULL: they are the ones that were signed. */
const struct fault *intake_end(struct intake *);
/* After intake_end: an aws-chunked body's trailer. */
const struct fault *intake_trailers(const struct intake *, const struct header **ret_trailers,
                                    size_t *ret_count);

#endif

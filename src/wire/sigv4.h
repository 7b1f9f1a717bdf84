/* wire/sigv4.h - AWS Signature Version 4, signing and verifying, as functions over values.
 *
 * Verifying takes two steps, because who may know the secret is not our business: sigv4_read finds
 * what the request claims and judges form and time; the caller looks the access key up; sigv4_check
 * recomputes the signature. Source: IAM User Guide, "Signature Version 4 for API requests", and
 * S3 API Reference, "Authenticating Requests". Bodies in chunks: wire/aws_chunked.h. */
#ifndef SESAME_WIRE_SIGV4_H
#define SESAME_WIRE_SIGV4_H

#include "base/digest.h"
#include "base/fault.h"

struct sigv4_field {
    str name, value; /* a header as it came; names compare without case */
};

struct sigv4_request {
    str method;
    str raw_path;  /* the request target before '?', never unescaped */
    str raw_query; /* behind '?', never unescaped; empty or STR_NONE: none */
    const struct sigv4_field *fields;
    size_t field_count;
    bool asks_s3; /* whose words to use where no credential scope can be read */
};

enum sigv4_form { SIGV4_ANONYMOUS, SIGV4_HEADER, SIGV4_QUERY };

enum sigv4_payload {
    SIGV4_PAYLOAD_BODY,             /* the hash is not in the request: hash the whole body, give it to check */
    SIGV4_PAYLOAD_HASH,             /* claim.payload_hash is signed: compare it with the body's when that is read */
    SIGV4_PAYLOAD_UNSIGNED,         /* UNSIGNED-PAYLOAD */
    SIGV4_PAYLOAD_CHUNKS,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    SIGV4_PAYLOAD_CHUNKS_TRAILER,   /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
    SIGV4_PAYLOAD_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

struct sigv4_claim {
    enum sigv4_form form;
    str access_key_id, day, region, service; /* the credential scope */
    str security_token;                      /* STR_NONE: none */
    str signed_headers, signature;           /* as sent */
    char date[17];                           /* 20260302T091542Z */
    int64_t signed_at_ms;
    enum sigv4_payload payload;
    str payload_hash; /* what is signed in its place: hex or one of the words; STR_NONE for _BODY */
};

/* A few signing keys, so that one day's requests derive each key once. Zeroed at first; owned by one thread at a
 * time. Holds secrets: bytes_forget it. NULL may be given anywhere for none. */
struct sigv4_keys {
    struct {
        char of[192]; /* secret, day, region and service, apart by NULs */
        size_t len;   /* 0: free */
        unsigned char key[SHA256_SIZE];
    } slots[16];
};

/* A request without any signature succeeds as SIGV4_ANONYMOUS. Views point into the request or the
 * arena. Faults carry the code AWS gives: IncompleteSignature, SignatureDoesNotMatch (expired), and
 * for scope service s3 AuthorizationHeaderMalformed, AuthorizationQueryParametersError,
 * RequestTimeTooSkewed, AccessDenied (a presigned request has expired). */
const struct fault *sigv4_read(const struct sigv4_request *, int64_t now_ms, struct arena *,
                               struct sigv4_claim *ret_claim);

/* body_hash: 64 hex digits for SIGV4_PAYLOAD_BODY, otherwise STR_NONE. SignatureDoesNotMatch when
 * the signature is not the secret's. Compares in constant time. */
const struct fault *sigv4_check(const struct sigv4_request *, const struct sigv4_claim *, str secret,
                                str body_hash, struct sigv4_keys *, struct arena *);

/* What to answer for an access key nobody knows: InvalidClientTokenId, or InvalidAccessKeyId for s3;
 * and where an operation wants a signature and there is none: MissingAuthenticationToken, AccessDenied. */
const struct fault *sigv4_unknown_key(const struct sigv4_claim *, struct arena *);
const struct fault *sigv4_unsigned(bool s3, struct arena *);
/* The body was not the one signed: XAmzContentSHA256Mismatch. */
const struct fault *sigv4_wrong_body(struct arena *);

/* Signing, for our own calls. */
struct sigv4_signer {
    str access_key_id, secret, security_token; /* token STR_NONE: none */
    str region, service;
    int64_t now_ms;
};
enum { SIGV4_FIELDS = 4 };

/* The request must hold Host and must not hold Authorization or X-Amz-Date. All its fields are signed
 * but those that proxies change. payload_hash: hex, or one of the words. Gives the fields to add:
 * X-Amz-Date, Authorization, for s3 X-Amz-Content-Sha256, with a token X-Amz-Security-Token. */
const struct fault *sigv4_sign(const struct sigv4_request *, const struct sigv4_signer *, str payload_hash,
                               struct sigv4_keys *, struct arena *, struct sigv4_field ret_fields[SIGV4_FIELDS],
                               size_t *ret_count);
/* The query of a presigned request: raw_query with X-Amz-... added; only Host is signed. */
const struct fault *sigv4_presign(const struct sigv4_request *, const struct sigv4_signer *, int64_t expires_s,
                                  struct sigv4_keys *, struct arena *, str *ret_raw_query);

/* The parts, as values. */
enum sigv4_canon {
    SIGV4_AS_SENT,    /* the client's own escapes are taken as they are */
    SIGV4_RE_ENCODED, /* unescaped and escaped again, the letter of the manual */
};
/* signed_headers: names in lower case, apart by ';'. STR_NONE: bad escapes, or the arena is full. */
str sigv4_canonical_request(const struct sigv4_request *, enum sigv4_canon, bool s3, str signed_headers,
                            str payload_hash, struct arena *);
str sigv4_string_to_sign(str date, str region, str service, str canonical_request, struct arena *);
void sigv4_key(struct sigv4_keys *, str secret, str day, str region, str service, unsigned char ret_key[SHA256_SIZE]);
void sigv4_signature(const unsigned char key[SHA256_SIZE], str string_to_sign, char ret_hex[2 * SHA256_SIZE]);

str sigv4_field(const struct sigv4_request *, str name); /* STR_NONE when absent */

#endif

/* api/operation.h - one row per AWS operation Sesame speaks. */
#ifndef SESAME_API_OPERATION_H
#define SESAME_API_OPERATION_H

#include "base/buf.h"
#include "base/outside.h"
#include "services/ports.h"

enum dialect { DIALECT_QUERY_XML, DIALECT_JSON, DIALECT_REST_XML, DIALECT_REST_JSON };

enum {
    OPERATION_TEXT_MAX = 256 * 1024,        /* a gathered body, where the row says nothing */
    OPERATION_ANSWER_MAX = 8 * 1024 * 1024, /* api_answer.text */
    METADATA_FIELDS_MAX = 64,               /* x-amz-meta-*: S3 counts their bytes only */
    ANSWER_FIELDS_MAX = METADATA_FIELDS_MAX + 24, /* all that describes an object besides */
};

struct api_call {
    struct call call; /* caller (SigV4 checked), world taken at the start, region, now, arena */
    str account;      /* whose state is meant: the caller's; STR_NONE when anonymous */
    str request_id;
    str method, raw_target;       /* as signed: never unescaped for us */
    const struct header *headers; /* in order; compare names without case */
    size_t header_count;
    const struct header *params; /* decoded: a form's pairs, or the query's (?acl: STR_NONE) */
    size_t param_count;
    str place[2];       /* REST JSON: what stood for each {} of the row's path, decoded */
    str bucket, key;    /* S3: decoded from path or host; key STR_NONE for a bucket call */
    str text;           /* the gathered body (aws-chunked removed), where the row gathers it */
    uint64_t body_size; /* decoded; of a streamed body as declared; UINT64_MAX: unknown */
    const struct header *trailers; /* behind an aws-chunked body, names in lower case; at its end */
    size_t trailer_count;
};

struct api_answer {
    int status; /* 200 when left 0 */
    struct header headers[ANSWER_FIELDS_MAX];
    size_t header_count;
    struct buf text;   /* body; for Query only the inside of <XResult>, which router.c wraps */
    struct body *body; /* instead of text, for objects; read on worker threads */
};

/* The services behind the operations; made by main/assemble.c, lives as long as the server. */
struct api;

/* Runs on a worker thread and may wait. NULL: answered. A fault is rendered in the dialect's error
 * form (api/error.c): fault->code, where set, is the AWS error code; the message is fault->says
 * alone; the chain beneath goes to the journal only. Bytes in the answer live in call.arena. */
typedef const struct fault *operation_fn(struct api *, const struct api_call *,
                                         struct api_answer *);

/* A body taken as it comes, never held whole (PutObject). One request sees
 *
 *     open --> write* --> finish          or, after a successful open,  open --> write* --> cancel
 *
 * open    worker thread; before a byte of the body is taken, so that a refusal goes out instead of
 *         `100 Continue`. Authorise here. `*ret_stream` lives in call.arena or where you like.
 *         The call (and all it points to) stays valid until finish or cancel returns.
 * write   the HTTP thread: page-cache writes only, no waiting. Decoded bytes (aws-chunked removed),
 *         not yet proven. A fault ends the request: cancel follows, the fault is the answer.
 * finish  worker thread; only after the whole body came and its payload hash, chunk signatures and
 *         length were found right; call.trailers holds what came behind it. Checksums that the
 *         client declared (Content-MD5, x-amz-checksum-*) are the operation's to compare. May wait
 *         for the disk. The stream is gone in every case.
 * cancel  any thread; the body broke off or did not verify. The stream is gone. */
struct operation_stream {
    const struct fault *(*open)(struct api *, const struct api_call *, void **ret_stream);
    const struct fault *(*write)(void *stream, str chunk);
    const struct fault *(*finish)(void *stream, const struct api_call *, struct api_answer *);
    void (*cancel)(void *stream);
};

/* How a REST row is chosen: method, what the path names, and the sub-resource in the query; a REST
 * JSON row by method and path. */
enum rest_target { REST_NONE, REST_SERVICE, REST_BUCKET, REST_OBJECT };
struct rest_route {
    str method;
    enum rest_target target;
    str sub_resource; /* "policy": ?policy is there; "list-type=2": with this value; empty: none */
    str header;       /* S3: one that makes another operation of the same request; empty: none does */
    str path;         /* REST JSON: "/2015-03-31/functions/{}/policy"; a {} is one segment */
};

struct operation {
    str service;      /* "ses": signing name */
    str name;         /* "CreateReceiptRule" */
    enum dialect dialect;
    str iam_action;   /* "ses:CreateReceiptRule" */
    struct rest_route route; /* REST dialects only */
    operation_fn *run;       /* NULL where stream is set */
    const struct operation_stream *stream; /* NULL: the body is gathered */
    size_t text_max;         /* 0: OPERATION_TEXT_MAX */
    bool open; /* a link in a message: GET without a signature is taken, and the operation judges */
    bool paced;        /* so many calls a second and no more, where the server is set so: api/pace.h */
    bool empty_result;       /* Query: <XResult/> stands even when nothing is in it, and SDKs look for it */
};
extern const struct operation operations[];
extern const size_t operation_count;

/* STR_NONE when absent, and for a pair without `=`. */
str api_param(const struct api_call *, const char *name);
bool api_has_param(const struct api_call *, const char *name);
str api_header(const struct api_call *, const char *name); /* STR_NONE when absent */
/* `name` is a literal, the value lives in the arena. Content-Length only for HEAD and 304. */
void api_add_header(struct api_answer *, const char *name, str value);

#endif

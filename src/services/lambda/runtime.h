/* services/lambda/runtime.h - the requests of the Lambda Runtime API, as a function's process sends
 * them (Lambda Developer Guide, "Using the Lambda runtime API"). Pure: bytes in, one request out. */
#ifndef SESAME_SERVICES_LAMBDA_RUNTIME_H
#define SESAME_SERVICES_LAMBDA_RUNTIME_H

#include "base/buf.h"

enum {
    RUNTIME_HEAD_MAX = 16 * 1024,
    RUNTIME_BODY_MAX = 6 * 1024 * 1024 + 100 * 1024, /* Lambda quotas: 6 MB each way */
    RUNTIME_BYTES_MAX = RUNTIME_HEAD_MAX + 2 * RUNTIME_BODY_MAX,
};

enum runtime_word {
    RUNTIME_NEXT,       /* GET /2018-06-01/runtime/invocation/next */
    RUNTIME_RESPONSE,   /* POST .../invocation/ID/response */
    RUNTIME_ERROR,      /* POST .../invocation/ID/error */
    RUNTIME_INIT_ERROR, /* POST .../init/error */
    RUNTIME_OTHER,      /* none of them: 404 */
};

struct runtime_request {
    enum runtime_word word;
    str id; /* of the invocation */
    str body;
    str error_type; /* Lambda-Runtime-Function-Error-Type; STR_NONE: none */
    bool closes;    /* the connection ends with the answer */
    bool too_large; /* the body is more than RUNTIME_BODY_MAX: nothing of it is kept, the connection ends */
};

/* DONE: *ret_used bytes were the request, whose texts are views of `bytes`; a chunked body is put
 * together in place. MORE: *ret_expects says whether the peer waits for `100 Continue`. */
enum parse runtime_parse(char *bytes, size_t len, struct runtime_request *, size_t *ret_used,
                         bool *ret_expects);

/* The head of an answer to NEXT, up to and with the blank line. */
struct runtime_event {
    str request_id, function_arn, trace_id;
    int64_t deadline_ms; /* wall clock */
    size_t size;
};
void runtime_write_event(const struct runtime_event *, struct buf *out);

#endif

/* api/operation.h - one row per AWS operation Sesame speaks. */
#ifndef SESAME_API_OPERATION_H
#define SESAME_API_OPERATION_H

#include "base/buf.h"
#include "base/outside.h"
#include "services/ports.h"

enum dialect { DIALECT_QUERY_XML, DIALECT_JSON, DIALECT_REST_XML, DIALECT_REST_JSON };

struct api_call {
    struct call call;             /* caller (SigV4 checked), world taken at the start, region, now, arena */
    str account;                  /* whose state is meant: the caller's */
    str request_id;
    str method, raw_target;       /* as signed: never unescaped for us */
    const struct header *headers; /* in order; compare names without case */
    size_t header_count;
    const struct header *params;  /* Query: decoded form pairs; REST: decoded query pairs (?acl: value STR_NONE) */
    size_t param_count;
    str bucket, key;              /* S3: decoded from path or host; key STR_NONE for a bucket call */
    str text;                     /* the gathered body, where the operation gathers it */
};

struct api_answer {
    int status;                   /* 200 when left 0 */
    struct header headers[16];
    size_t header_count;
    struct buf text;              /* body; for Query: only the inside of <XResult>, error.c and router.c wrap it */
    struct body *body;            /* instead of text, for objects; read on the API's threads */
};

/* The services behind the operations; made by main/assemble.c, lives as long as the server. */
struct api;

/* A fault is rendered in the dialect's error form; fault->code, where set, is the AWS error code. */
typedef const struct fault *operation_fn(struct api *, const struct api_call *, struct api_answer *);

struct operation {
    str service;      /* "ses": signing name */
    str name;         /* "CreateReceiptRule" */
    enum dialect dialect;
    str iam_action;   /* "ses:CreateReceiptRule" */
    operation_fn *run;
};
extern const struct operation operations[];
extern const size_t operation_count;

str api_param(const struct api_call *, const char *name);  /* STR_NONE when absent */
str api_header(const struct api_call *, const char *name); /* STR_NONE when absent */
void api_add_header(struct api_answer *, const char *name, str value);

#endif

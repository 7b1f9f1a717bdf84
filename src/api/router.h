/* api/router.h - one endpoint for all services: which service a request means, and which operation.
 *
 * Signed requests say the service in their credential scope. Unsigned ones are told by
 * X-Amz-Target, path, host and form; what is nothing else is S3. Pure functions over values. */
#ifndef SESAME_API_ROUTER_H
#define SESAME_API_ROUTER_H

#include "api/operation.h"

struct service {
    str name; /* signing name, and of its rows: "ses" */
    enum dialect dialect;
    str version;       /* Query: 2010-12-01 */
    const char *xmlns; /* Query: of its answers; NULL: none */
    bool empty_result; /* Query: <XResult/> stands even when there is nothing in it */
    str also;          /* another name in scopes and hosts: "email" */
    str target;        /* JSON: how X-Amz-Target begins */
    str path;          /* REST: how the path begins, where the name is not enough */
    size_t text_max;   /* of a body, where more than OPERATION_TEXT_MAX is usual; 0: it is not */
    str why_not;       /* said of an operation that is not known; none: nothing more */
};

struct route_ask {
    str method, raw_path, raw_query;
    const struct header *headers;
    size_t header_count;
    str scope_service; /* STR_NONE: unsigned */
};

/* Never NULL: a service nobody knows gets a row that has no operations. */
const struct service *route_service(const struct route_ask *);

/* The row of a link that people and programs open unsigned; NULL: the request is none. */
const struct operation *route_open(const struct route_ask *);

/* The row of an action; NULL: there is none. */
const struct operation *route_action(const struct service *, str action);

struct s3_place {
    str bucket, key; /* decoded; STR_NONE where the request names none */
    enum rest_target target;
};
/* Path style, or bucket.s3.<anything> and bucket.localhost as host. FAULT_SYNTAX: InvalidURI. */
const struct fault *route_s3_place(const struct route_ask *, struct arena *,
                                   struct s3_place *ret_place);

/* A sub-resource that no row knows, or a header that makes another operation of it, is
 * NotImplemented, never the wrong operation; a method that nothing at AWS has is MethodNotAllowed.
 */
const struct fault *route_s3(const struct route_ask *, const struct s3_place *,
                             const struct header *params, size_t param_count, struct arena *,
                             const struct operation **ret_operation);

/* The REST JSON row of a method and a path, and what stood in the path's places. NULL: there is none. A
 * slash at the end of the path says nothing. */
const struct operation *route_rest_json(const struct service *, const struct route_ask *, struct arena *,
                                        str ret_place[2]);

/* The body of a Query answer around what the operation wrote. */
void query_wrap(const struct service *, const struct operation *, str inside, str request_id,
                struct buf *out);

#endif

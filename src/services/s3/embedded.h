/* services/s3/embedded.h - what the parts of the embedded S3 share. */
#ifndef SESAME_SERVICES_S3_EMBEDDED_H
#define SESAME_SERVICES_S3_EMBEDDED_H

#include "services/authorize.h"
#include "services/s3/s3.h"

const struct fault *s3_no_such_bucket(const struct call *); /* FAULT_ABSENT */
const struct fault *s3_find_bucket(const struct call *, str name, const struct bucket **ret_bucket);

struct s3_question {
    str action; /* "s3:PutObject" */
    str key;    /* STR_NONE: the bucket itself is meant */
    const struct context_key *context;
    size_t context_count;
    str remedy_resource;
};
/* May the caller do this to the bucket? Its policy is the resource's. KeyTooLongError for a key
 * that no object can have. */
const struct fault *s3_ask(const struct call *, const struct bucket *, const struct s3_question *);
/* The same for an action on the whole bucket, without more. */
const struct fault *s3_ask_bucket(const struct call *, const struct bucket *, str action);

const struct fault *s3_put_object(struct s3_port *, const struct call *, const struct put_object *);
const struct fault *s3_put_object_begin(struct s3_port *, const struct call *,
                                        const struct put_object *, struct s3_upload **ret_upload);
const struct fault *s3_put_object_await(struct s3_upload *, const struct call *);
const struct fault *s3_rehearse_put(struct s3_port *, const struct call *,
                                    const struct put_object *);

#endif

/* api/lambda_shape.h - Lambda's documents: what a request's JSON means, what answers look like. */
#ifndef SESAME_API_LAMBDA_SHAPE_H
#define SESAME_API_LAMBDA_SHAPE_H

#include "api/operation.h"
#include "base/json.h"
#include "services/lambda/lambda.h"

/* The request's body; an empty one is an empty object. */
const struct fault *lambda_body(const struct api_call *, struct arena *, const struct json **ret_body);
/* The function that the path names, with ?Qualifier=. */
const struct fault *lambda_function_named(const struct api_call *, struct function_ref *ret_ref);
/* The members of CreateFunction and UpdateFunctionConfiguration; what AWS has and is not built is
 * refused by name. */
const struct fault *lambda_draft_read(const struct api_call *, const struct json *, struct arena *,
                                      struct function_draft *ret_draft);
const struct fault *lambda_pairs_read(const struct json *, struct arena *, const struct header **ret_pairs,
                                      size_t *ret_count);
/* The bytes of a package: ZipFile, or S3Bucket and S3Key, read as the caller. */
struct api;
const struct fault *lambda_zip_read(struct api *, const struct api_call *, const struct json *, struct buf *out);

/* A page of a list: Marker and MaxItems, at most 50 (API Reference, ListFunctions). Items are offered in
 * the order of their marks; the mark of the last one is where the next page goes on, whatever has come
 * or gone meanwhile. */
struct lambda_page {
    str after, last;
    uint64_t most, count;
    bool more;
};
struct lambda_page lambda_page_of(const struct api_call *);
bool lambda_page_takes(struct lambda_page *, str mark); /* false: it stands on another page */
void lambda_page_end(const struct lambda_page *, struct json_writer *); /* NextMarker, if there is one */

/* FunctionConfiguration; `qualified`: its ARN ends with the version. */
void lambda_write_configuration(struct json_writer *, const struct function *, const struct function_version *,
                                bool qualified, struct arena *);
void lambda_write_alias(struct json_writer *, const struct function *, const struct function_alias *,
                        struct arena *);

#endif

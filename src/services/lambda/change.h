/* services/lambda/change.h - what the parts of the embedded Lambda share: one change of a function, and
 * its code. */
#ifndef SESAME_SERVICES_LAMBDA_CHANGE_H
#define SESAME_SERVICES_LAMBDA_CHANGE_H

#include "services/lambda/lambda.h"

/* Changes *function in place (its lists are replaced, never written). Called again with the newest
 * record when somebody was faster. */
typedef const struct fault *function_change_fn(void *context, const struct call *, struct function *function);

/* ResourceNotFoundException when there is no such function. ret_function may be NULL. */
const struct fault *function_change(struct lambda_service *, const struct call *, const struct function_ref *,
                                    function_change_fn *, void *context, const struct function **ret_function);
const struct fault *function_put(struct lambda_service *, const struct call *, const struct function *,
                                 uint64_t expected);
str function_revision(struct lambda_service *, const struct call *); /* a new one */
/* PreconditionFailedException unless `wanted` is none or `have`. */
const struct fault *function_same_revision(const struct call *, str wanted, str have);

const struct fault *code_make_folders(struct lambda_service *, struct arena *);
/* Writes the zip where it is found by its hash, after the runner could unpack it. */
const struct fault *code_keep(struct lambda_service *, str zip, struct arena *, str *ret_hash);
const struct fault *code_open(struct lambda_service *, str hash, struct arena *, int *ret_fd);
/* Removes what no version of any function needs any more. */
void code_drop(struct lambda_service *, const struct world *, str hash, struct arena *);
str code_sha256_base64(str hash, struct arena *); /* CodeSha256 */

#endif

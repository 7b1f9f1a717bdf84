/* api/params.h - parameters of the Query dialect as IAM, STS and their like read them: lists, numbers,
 * and the one sentence they say of a value that breaks a rule. */
#ifndef SESAME_API_PARAMS_H
#define SESAME_API_PARAMS_H

#include "api/operation.h"

/* "1 validation error detected: Value 'x' at 'path' failed to satisfy constraint: ...". STR_NONE is
 * null, which needs no quotes. */
const struct fault *param_invalid(struct arena *, str value, const char *path, const char *constraint);

/* NAME.member.1<rest>, NAME.member.2<rest>, ... until one is not there: "Tags", ".Key". More than
 * `most` are a ValidationError. The values live in the call's arena. */
const struct fault *param_list(const struct api_call *, str name, const char *rest, size_t most,
                               const char *path, const str **ret_values, size_t *ret_count);

/* A whole number between least and most; `otherwise` where it is absent. */
const struct fault *param_number(const struct api_call *, const char *name, const char *path,
                                 int64_t least, int64_t most, int64_t otherwise, int64_t *ret_number);

/* Between least and most characters, and each a letter, a digit, or one of `others`; `pattern` is how
 * AWS spells that. `required`: STR_NONE is a fault too. */
struct param_text {
    const char *path;
    size_t least, most;
    const char *others, *pattern;
    bool required;
};
const struct fault *param_text(struct arena *, str value, const struct param_text *);

#endif

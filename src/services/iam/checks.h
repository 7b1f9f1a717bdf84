/* services/iam/checks.h - what IAM asks of names, paths, documents and tags before it looks at what
 * they are for, in its own words. */
#ifndef SESAME_SERVICES_IAM_CHECKS_H
#define SESAME_SERVICES_IAM_CHECKS_H

#include "base/fault.h"

enum {
    IAM_NAME_MOST = 64,         /* of users and roles */
    IAM_POLICY_NAME_MOST = 128, /* of policies */
    IAM_TAGS_MOST = 50,
    IAM_TRIES = 16, /* of a compare-and-set before it is given up */
};

struct tag {
    str key, value;
};

/* ValidationError; `path` is the member, in AWS's spelling: "roleName". */
const struct fault *iam_invalid(struct arena *, const char *path, const char *constraint);
const struct fault *iam_check_name(struct arena *, const char *path, str name, size_t most);
const struct fault *iam_check_path(struct arena *, str path);
/* Its size and its characters; what it says is for policy/validate.h. */
const struct fault *iam_check_document(struct arena *, const char *path, str document);
const struct fault *iam_check_tags(struct arena *, const struct tag *, size_t count);

/* Others were faster IAM_TRIES times. */
const struct fault *iam_too_busy(struct arena *);

#endif

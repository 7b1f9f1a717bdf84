/* policy/validate.h - would AWS take this document? One validator for those who save a policy and
 * for those who ask before they do.
 *
 * The grammar is policy/document.h; here is what each service checks on top when a policy of its
 * own kind is saved, in its own order and its own words (permissions spec 9). Pure: what it has to
 * know of the world is passed in. */
#ifndef SESAME_POLICY_VALIDATE_H
#define SESAME_POLICY_VALIDATE_H

#include "policy/document.h"

enum policy_type {
    POLICY_BUCKET,   /* s3 PutBucketPolicy */
    POLICY_TRUST,    /* iam CreateRole, UpdateAssumeRolePolicy */
    POLICY_IDENTITY, /* iam CreatePolicy, PutRolePolicy, PutUserPolicy, PutGroupPolicy */
    POLICY_KEY,      /* kms PutKeyPolicy, CreateKey */
    POLICY_TOPIC,    /* sns SetTopicAttributes, CreateTopic */
    POLICY_FUNCTION, /* lambda: what its AddPermission calls add up to */
    POLICY_TYPES,
};
/* "bucket", "trust", ...: the words of `sesame check --type`. */
str policy_type_name(enum policy_type);
bool policy_type_of(str name, enum policy_type *ret_type);

/* Whose an identity policy is: it sets the size that is allowed and the words when it is more. */
enum policy_holder { HOLDER_MANAGED, HOLDER_ROLE, HOLDER_USER, HOLDER_GROUP };

/* Does the user, role or session of this ARN exist? Accounts and services are never asked about. */
struct principal_register {
    bool (*exists)(const void *self, const struct arn *);
    const void *self;
};

/* Where a document is to be attached, as far as that is known. */
struct policy_home {
    enum policy_type type;
    enum policy_holder holder; /* identity only */
    str target;   /* the ARN of the bucket, key, topic or function; the name of the role, user or
                     group; STR_NONE: unknown, then nothing is compared with it */
    str caller;   /* key only: the ARN of who saves it, and must be able to again; STR_NONE: unknown,
                     then anybody but a service will do */
    const struct principal_register *principals; /* NULL: nobody is looked up */
    bool part; /* statements to be put beside others: what only a whole policy shows is not asked */
};

/* NULL: the service takes it, and policy_parse reads it. Otherwise FAULT_SYNTAX or FAULT_LIMIT with
 * the service's own code ("MalformedPolicy") and, in `says`, its exact message; *ret_at is then the
 * place in `text` that is to blame (the whole document: 0 to its length). ret_at may be NULL. A
 * fault without a code is not the document's: the arena is full. */
const struct fault *policy_validate(str text, const struct policy_home *, struct arena *,
                                    struct span *ret_at);

/* As IAM counts a document: white space is free. */
size_t policy_size(str text);

#endif

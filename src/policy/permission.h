/* policy/permission.h - what Lambda's AddPermission adds to a function's policy (permissions spec 8;
 * API Lambda AddPermission). Pure. */
#ifndef SESAME_POLICY_PERMISSION_H
#define SESAME_POLICY_PERMISSION_H

#include "base/spans.h"

struct permission { /* the call's parameters; absent ones are STR_NONE */
    str statement_id, action, principal;
    str source_arn, source_account, principal_org_id;
    str function_url_auth_type, event_source_token;
    str qualifier, revision_id;
};

/* From an object of those names, as the CLI's --cli-input-json has them. Others are passed over. */
struct permission permission_from(const struct spans *params);

struct permission_home { /* the policy it is added to: of the function, or of the qualifier's */
    str function_arn;    /* without a qualifier */
    const str *sids;     /* of the statements that are there */
    size_t sid_count;
    size_t policy_size;  /* in bytes; 0: there is none yet */
    str revision_id;     /* what the policy's is now; STR_NONE: there is none */
};

enum { FUNCTION_POLICY_MAX = 20480 };

/* The statement as JSON, in the arena. The faults' codes and sentences are Lambda's:
 * ValidationException, InvalidParameterValueException, PreconditionFailedException,
 * ResourceConflictException, PolicyLengthExceededException. */
const struct fault *permission_statement(const struct permission *, const struct permission_home *,
                                         struct arena *, str *ret_statement);
/* The same, and for those who point at the fault: the parameter refused, in the service's spelling
 * ("statementId"); STR_NONE: none in particular. Written on a fault. */
const struct fault *permission_statement_at(const struct permission *,
                                            const struct permission_home *, struct arena *,
                                            str *ret_statement, str *ret_param);

/* The parameter that an element or condition key of the statement is made of: "SourceArn" for
 * "AWS:SourceArn"; STR_NONE: of none. */
str permission_param(str element);

#endif

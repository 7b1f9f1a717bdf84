/* services/iam/pass_role.h - may the caller hand this role to a service? Asked by whoever takes a
 * role's ARN for later use: a receipt rule, a function (IAM User Guide, "Grant a user permissions to
 * pass a role to an AWS service"). */
#ifndef SESAME_SERVICES_IAM_PASS_ROLE_H
#define SESAME_SERVICES_IAM_PASS_ROLE_H

#include "services/ports.h"

/* service: "ses.amazonaws.com"; for_arn: the resource it is for, as iam:AssociatedResourceArn; STR_NONE:
 * the service does not say. FAULT_DENIED, AccessDenied: no policy lets the caller, or the role is
 * of another account than the caller's. Whether the role exists and trusts the service is not asked. */
const struct fault *pass_role(const struct call *, str role_arn, str service, str for_arn);

#endif

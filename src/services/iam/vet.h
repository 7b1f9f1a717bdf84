/* services/iam/vet.h - what IAM itself checks when a policy of a role is saved, on top of the
 * grammar: permissions spec 9. Each answers MalformedPolicyDocument in IAM's own words. */
#ifndef SESAME_SERVICES_IAM_VET_H
#define SESAME_SERVICES_IAM_VET_H

#include "base/fault.h"

const struct fault *vet_identity_policy(str json, struct arena *); /* inline and managed policies */
const struct fault *vet_trust_policy(str json, struct arena *);    /* AssumeRolePolicyDocument */

size_t policy_size(str json); /* as IAM counts it: white space is free */

#endif

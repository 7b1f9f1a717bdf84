/* services/kms/grant_policy.h - a key's grants said in the policy language, so that one engine
 * decides and explains both.
 *
 * A grant allows its grantee its operations, as a statement of the key's own policy would; its Sid
 * is the grant's id. What a constraint narrows (KMS API, GrantConstraints): the operations that
 * take an encryption context, and a grant that the grantee makes on. */
#ifndef SESAME_SERVICES_KMS_GRANT_POLICY_H
#define SESAME_SERVICES_KMS_GRANT_POLICY_H

#include "services/kms/key.h"

/* The operations a grant on a symmetric key can hold: KMS API, CreateGrant. */
bool grant_operation_ok(str operation);

/* Of a key with one grant or more. In the arena. */
const struct fault *grant_policy_make(const struct kms_key *, struct arena *,
                                      const struct document **ret_policy);

#endif

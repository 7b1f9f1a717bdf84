/* receive/encrypt.h - S3 client-side encryption as SES does it: the version-1 KMS envelope of the S3
 * encryption clients, strictly authenticated (ses-receiving spec 9.3).
 *
 * AES-256-GCM under a data key of its own, an IV of 12 octets, no further data authenticated, the
 * tag of 16 octets behind the ciphertext. What is needed to open it stands in seven entries of the
 * object's metadata; the data key is made with the material description as its encryption context,
 * so the same four pairs are needed to have it opened. */
#ifndef SESAME_RECEIVE_ENCRYPT_H
#define SESAME_RECEIVE_ENCRYPT_H

#include "receive/actions.h"

enum { ENCRYPTED_METADATA = 7 };

struct encrypted {
    struct body *body; /* of plain->size + 16 octets */
    struct header metadata[ENCRYPTED_METADATA]; /* names without x-amz-meta- */
};

/* kms_key_arn as the rule has it. The data key's plaintext is wiped before this returns; the body
 * lives in the arena of `as` and reads `plain` as it is read. */
const struct fault *encrypt_body(const struct acting *, const struct caller *, str kms_key_arn,
                                 struct body *plain, struct encrypted *ret_encrypted);

#endif

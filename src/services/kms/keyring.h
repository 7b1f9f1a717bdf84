/* services/kms/keyring.h - the only place that sees key material: wraps it, and seals and opens
 * texts with it.
 *
 * A version's 32 octets lie wrapped in the key's record: AES-256-GCM under a key derived from the
 * root key ("kms 1"), bound to the key's ARN and the version's number, so that no record's material
 * serves another key. What is unwrapped here is wiped before the function returns. Any thread. */
#ifndef SESAME_SERVICES_KMS_KEYRING_H
#define SESAME_SERVICES_KMS_KEYRING_H

#include "base/outside.h"
#include "services/kms/ciphertext.h"
#include "services/kms/key.h"
#include "services/root_key.h"

struct keyring;

/* In the arena, and wiped with it. */
struct keyring *keyring_new(const struct root_key *, struct entropy *, struct arena *);

/* New random material for this version, wrapped; in the arena. */
const struct fault *keyring_make(struct keyring *, str key_arn, uint32_t version, struct arena *,
                                 str *ret_wrapped);

/* The CiphertextBlob of a text under the key's last version; in the arena. */
const struct fault *keyring_seal(struct keyring *, const struct kms_key *,
                                 const struct encryption_context *, str text, struct arena *,
                                 str *ret_blob);

/* `to` has room for sealed.len - CIPHERTEXT_TAG. False: not made with this key and context; `to` is
 * zeros then. A fault: the record itself cannot be unwrapped. */
const struct fault *keyring_open(struct keyring *, const struct kms_key *,
                                 const struct ciphertext *, const struct encryption_context *,
                                 struct arena *, unsigned char *to, bool *ret_opened);

#endif

/* services/iam/vault.h - secret access keys, sealed: Signature Version 4 needs them again at every
 * request, so they cannot be kept as hashes; what lies in the state opens with the root key alone. */
#ifndef SESAME_SERVICES_IAM_VAULT_H
#define SESAME_SERVICES_IAM_VAULT_H

#include "base/arena.h"
#include "base/cipher.h"

struct entropy;
struct root_key;

struct vault {
    struct entropy *entropy;
    unsigned char key[CIPHER_KEY_SIZE];
};
void vault_open(struct vault *, const struct root_key *, struct entropy *);
void vault_close(struct vault *); /* forgets its key */

/* Base64 text in the arena, bound to the access key's id. STR_NONE: the arena is full. */
str vault_seal(const struct vault *, str access_key_id, str secret, struct arena *);
/* STR_NONE: it was not sealed here for this id, or the arena is full. */
str vault_unseal(const struct vault *, str access_key_id, str sealed, struct arena *);

#endif

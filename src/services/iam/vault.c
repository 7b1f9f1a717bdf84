/* services/iam/vault.c - sealed = base64(version nonce ciphertext tag); the version is one octet,
 * 1, and the access key id is authenticated with it. */
#include "services/iam/vault.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/outside.h"
#include "services/root_key.h"

enum { VERSION = 1, HEAD = 1 + CIPHER_NONCE_SIZE, SECRET_MOST = 256 };

void vault_open(struct vault *vault, const struct root_key *root_key, struct entropy *entropy)
{
    vault->entropy = entropy;
    root_key_derive(root_key, STR("iam access key 1"), vault->key);
}

void vault_close(struct vault *vault)
{
    bytes_forget(vault->key, sizeof vault->key);
}

str vault_seal(const struct vault *vault, str access_key_id, str secret, struct arena *arena)
{
    unsigned char octets[HEAD + SECRET_MOST + CIPHER_TAG_SIZE] = { VERSION };
    char text[BASE64_LEN(sizeof octets)];
    if (secret.len > SECRET_MOST)
        return STR_NONE;
    vault->entropy->fill(vault->entropy, octets + 1, CIPHER_NONCE_SIZE);
    cipher_seal(vault->key, octets + 1, access_key_id, secret, octets + HEAD);
    size_t size = HEAD + secret.len + CIPHER_TAG_SIZE;
    size_t len = base64_encode_to(text, (str) { (const char *)octets, size });
    return arena_str(arena, (str) { text, len });
}

str vault_unseal(const struct vault *vault, str access_key_id, str sealed, struct arena *arena)
{
    char octets[HEAD + SECRET_MOST + CIPHER_TAG_SIZE + 3];
    unsigned char secret[SECRET_MOST + 3];
    size_t len;
    if (sealed.len > BASE64_LEN(HEAD + SECRET_MOST + CIPHER_TAG_SIZE) ||
        !base64_decode_to(octets, sealed, &len) || len < HEAD + CIPHER_TAG_SIZE ||
        octets[0] != VERSION)
        return STR_NONE;
    str text = { octets + HEAD, len - HEAD };
    if (!cipher_open(vault->key, (const unsigned char *)octets + 1, access_key_id, text, secret))
        return STR_NONE;
    str kept = arena_str(arena, (str) { (const char *)secret, text.len - CIPHER_TAG_SIZE });
    bytes_forget(secret, sizeof secret);
    return kept;
}

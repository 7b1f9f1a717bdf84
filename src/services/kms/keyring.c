#include "services/kms/keyring.h"

#include "base/cipher.h"
#include "base/digest.h"
#include "base/secret.h"

enum {
    MATERIAL = 32,
    WRAPPED = CIPHER_NONCE_SIZE + MATERIAL + CIPHER_TAG_SIZE,
    AAD_MAX = 32 * 1024
};

struct keyring {
    unsigned char wrapping[ROOT_KEY_OCTETS];
    struct entropy *entropy;
};

struct keyring *keyring_new(const struct root_key *root, struct entropy *entropy,
                            struct arena *arena)
{
    struct keyring *ring = secret_new(arena, sizeof *ring);
    if (!ring)
        return NULL;
    ring->entropy = entropy;
    root_key_derive(root, STR("kms 1"), ring->wrapping);
    return ring;
}

static str wrap_aad(str key_arn, uint32_t version, struct arena *arena)
{
    return arena_strf(arena, STR_FMT " version %u", STR_ARG(key_arn), version);
}

const struct fault *keyring_make(struct keyring *ring, str key_arn, uint32_t version,
                                 struct arena *arena, str *ret_wrapped)
{
    unsigned char material[MATERIAL], *wrapped = ARENA_ARRAY(arena, unsigned char, WRAPPED);
    const str aad = wrap_aad(key_arn, version, arena);
    if (!wrapped || str_is_none(aad))
        return &fault_no_memory;
    ring->entropy->fill(ring->entropy, material, sizeof material);
    ring->entropy->fill(ring->entropy, wrapped, CIPHER_NONCE_SIZE);
    cipher_seal(ring->wrapping, wrapped, aad, (str) { (const char *)material, MATERIAL },
                wrapped + CIPHER_NONCE_SIZE);
    bytes_forget(material, sizeof material);
    *ret_wrapped = (str) { (const char *)wrapped, WRAPPED };
    return NULL;
}

static const struct fault *unwrap(struct keyring *ring, const struct kms_key *key,
                                  const struct kms_version *version, struct arena *arena,
                                  unsigned char ret_material[MATERIAL])
{
    const str aad = wrap_aad(key->arn.text, version->number, arena);
    if (str_is_none(aad))
        return &fault_no_memory;
    if (version->wrapped.len == WRAPPED &&
        cipher_open(ring->wrapping, (const unsigned char *)version->wrapped.ptr, aad,
                    str_from(version->wrapped, CIPHER_NONCE_SIZE), ret_material))
        return NULL;
    return fault_coded(arena, FAULT_DEFECT, "KMSInternalException",
                       "version %u of " STR_FMT " cannot be unwrapped: its record is damaged",
                       version->number, STR_ARG(key->arn.text));
}

/* The key of one text: the material never meets two. */
static const struct fault *text_key(struct keyring *ring, const struct kms_key *key,
                                    const struct kms_version *version, str salt,
                                    struct arena *arena, unsigned char ret_key[CIPHER_KEY_SIZE])
{
    unsigned char material[MATERIAL];
    TRY(unwrap(ring, key, version, arena, material));
    hmac_sha256((str) { (const char *)material, sizeof material }, salt, ret_key);
    hmac_forget();
    bytes_forget(material, sizeof material);
    return NULL;
}

const struct fault *keyring_seal(struct keyring *ring, const struct kms_key *key,
                                 const struct encryption_context *context, str text,
                                 struct arena *arena, str *ret_blob)
{
    unsigned char random[CIPHERTEXT_SALT + CIPHERTEXT_NONCE], one[CIPHER_KEY_SIZE];
    const struct kms_version *version = &key->versions[key->version_count - 1];
    ring->entropy->fill(ring->entropy, random, sizeof random);
    const struct ciphertext c = {
        .account = key->account,
        .region = key->region,
        .key_id = key->id,
        .version = version->number,
        .salt = { (const char *)random, CIPHERTEXT_SALT },
        .nonce = { (const char *)random + CIPHERTEXT_SALT, CIPHERTEXT_NONCE },
    };
    AUTO_BUF head = buf_new(CIPHERTEXT_MAX), aad = buf_new(AAD_MAX);
    ciphertext_write_head(&c, &head);
    ciphertext_write_aad(buf_str(&head), key->arn.text, context, &aad);
    char *blob = ARENA_ARRAY(arena, char, head.len + text.len + CIPHER_TAG_SIZE);
    if (head.failed || aad.failed || !blob)
        return &fault_no_memory;
    memcpy(blob, head.ptr, head.len);
    TRY(text_key(ring, key, version, c.salt, arena, one));
    cipher_seal(one, random + CIPHERTEXT_SALT, buf_str(&aad), text,
                (unsigned char *)blob + head.len);
    bytes_forget(one, sizeof one);
    *ret_blob = (str) { blob, head.len + text.len + CIPHER_TAG_SIZE };
    return NULL;
}

static const struct kms_version *version_of(const struct kms_key *key, uint32_t number)
{
    for (size_t i = key->version_count; i > 0; i--)
        if (key->versions[i - 1].number == number)
            return &key->versions[i - 1];
    return NULL;
}

const struct fault *keyring_open(struct keyring *ring, const struct kms_key *key,
                                 const struct ciphertext *c,
                                 const struct encryption_context *context, struct arena *arena,
                                 unsigned char *to, bool *ret_opened)
{
    unsigned char one[CIPHER_KEY_SIZE];
    const struct kms_version *version = version_of(key, c->version);
    *ret_opened = false;
    if (!version)
        return NULL;
    AUTO_BUF aad = buf_new(AAD_MAX);
    ciphertext_write_aad(c->head, key->arn.text, context, &aad);
    if (aad.failed)
        return &fault_no_memory;
    TRY(text_key(ring, key, version, c->salt, arena, one));
    *ret_opened =
        cipher_open(one, (const unsigned char *)c->nonce.ptr, buf_str(&aad), c->sealed, to);
    bytes_forget(one, sizeof one);
    return NULL;
}

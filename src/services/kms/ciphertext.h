/* services/kms/ciphertext.h - what a CiphertextBlob is, byte by byte.
 *
 *   1   format: 1
 *   12  account, digits
 *   1   length of the region's name, then the name
 *   36  key id
 *   4   version of the key's material, big-endian
 *   16  salt: the data is sealed under HMAC-SHA-256 of it, made with the version's material
 *   12  nonce of AES-256-GCM
 *   n   sealed text, and its tag of 16
 *
 * Authenticated beside the text: all octets before the sealed ones, the key's ARN, and the
 * encryption context, its pairs sorted by name, each name and value behind its length in four
 * octets. A key of its own for every text: random nonces alone would wear one out (2^32 uses). */
#ifndef SESAME_SERVICES_KMS_CIPHERTEXT_H
#define SESAME_SERVICES_KMS_CIPHERTEXT_H

#include "base/buf.h"
#include "services/ports.h"

enum {
    CIPHERTEXT_SALT = 16,
    CIPHERTEXT_NONCE = 12,
    CIPHERTEXT_TAG = 16,
    CIPHERTEXT_MAX = 6144,         /* KMS API: CiphertextBlob */
    ENCRYPTION_CONTEXT_MAX = 8192, /* names and values together */
    ENCRYPTION_CONTEXT_PAIRS = 256,
};

struct ciphertext { /* views into the blob */
    str account, region, key_id;
    uint32_t version;
    str salt, nonce;
    str head;   /* all before `sealed` */
    str sealed; /* the text and its tag */
};

/* False: not a ciphertext of this format. Nothing in it is proven yet. */
bool ciphertext_read(str blob, struct ciphertext *ret_ciphertext);
/* Account, region, key id, version, salt and nonce as given, and nothing behind them. */
void ciphertext_write_head(const struct ciphertext *, struct buf *out);
/* What is authenticated. Names of the context are unique. */
void ciphertext_write_aad(str head, str key_arn, const struct encryption_context *,
                          struct buf *out);

#endif

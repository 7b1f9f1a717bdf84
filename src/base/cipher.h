/* base/cipher.h - AES-256-GCM by OpenSSL: NIST SP 800-38D, nonces of 96 bits, tags of 128.
 *
 * A nonce must never be used twice with one key; who makes one at random counts on 2^32 uses at
 * most. Without memory for a context the process stops with a sentence, as in base/digest.h. */
#ifndef SESAME_BASE_CIPHER_H
#define SESAME_BASE_CIPHER_H

#include "base/str.h"

enum { CIPHER_KEY_SIZE = 32, CIPHER_NONCE_SIZE = 12, CIPHER_TAG_SIZE = 16 };

/* One shot: `to` has room for text.len + CIPHER_TAG_SIZE; the tag stands behind the ciphertext.
 * `aad` is authenticated and not encrypted. Texts up to 1 GB. */
void cipher_seal(const unsigned char key[CIPHER_KEY_SIZE],
                 const unsigned char nonce[CIPHER_NONCE_SIZE], str aad, str text,
                 unsigned char *to);
/* `to` has room for sealed.len - CIPHER_TAG_SIZE. False: not what was sealed; `to` is zeros then. */
bool cipher_open(const unsigned char key[CIPHER_KEY_SIZE],
                 const unsigned char nonce[CIPHER_NONCE_SIZE], str aad, str sealed,
                 unsigned char *to);

/* Streaming. One thread at a time. Decryption gives plaintext that is not yet proven: it must not
 * leave the program before cipher_prove says true. */
struct cipher;
struct cipher *cipher_encrypt(const unsigned char key[CIPHER_KEY_SIZE],
                              const unsigned char nonce[CIPHER_NONCE_SIZE], str aad);
struct cipher *cipher_decrypt(const unsigned char key[CIPHER_KEY_SIZE],
                              const unsigned char nonce[CIPHER_NONCE_SIZE], str aad);
void cipher_add(struct cipher *, str chunk, unsigned char *to); /* to: chunk.len octets; may be chunk's own */
void cipher_tag(struct cipher *, unsigned char to[CIPHER_TAG_SIZE]); /* ends an encryption */
bool cipher_prove(struct cipher *, const unsigned char tag[CIPHER_TAG_SIZE]); /* ends a decryption */
void cipher_free(struct cipher *); /* wipes the key; NULL is fine */

#endif

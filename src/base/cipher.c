/* base/cipher.c - OpenSSL's AES-256-GCM behind our names; the algorithm is fetched once, as in
 * digest.c. */
#include "base/cipher.h"

#include "base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 1 << 30 }; /* OpenSSL counts in int */

static struct {
    pthread_once_t once;
    EVP_CIPHER *gcm;
} fetched = { .once = PTHREAD_ONCE_INIT };

struct cipher {
    EVP_CIPHER_CTX *context;
};

static void must(bool happened)
{
    if (!happened) {
        fputs("sesame: OpenSSL cannot encrypt; stopping\n", stderr);
        abort();
    }
}

static void fetch(void)
{
    must((fetched.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL)) != NULL);
}

static const unsigned char *octets(str bytes)
{
    return (const unsigned char *)bytes.ptr;
}

static struct cipher *begin(bool encrypts, const unsigned char *key, const unsigned char *nonce,
                            str aad)
{
    must(pthread_once(&fetched.once, fetch) == 0);
    struct cipher *c = malloc(sizeof(*c));
    must(c && (c->context = EVP_CIPHER_CTX_new()) != NULL);
    must(EVP_CipherInit_ex2(c->context, fetched.gcm, key, nonce, encrypts, NULL) == 1);
    int done;
    if (aad.len) {
        assert(aad.len <= PIECE && "what is authenticated beside a text is short");
        must(EVP_CipherUpdate(c->context, NULL, &done, octets(aad), (int)aad.len) == 1);
    }
    return c;
}

struct cipher *cipher_encrypt(const unsigned char key[CIPHER_KEY_SIZE],
                              const unsigned char nonce[CIPHER_NONCE_SIZE], str aad)
{
    return begin(true, key, nonce, aad);
}

struct cipher *cipher_decrypt(const unsigned char key[CIPHER_KEY_SIZE],
                              const unsigned char nonce[CIPHER_NONCE_SIZE], str aad)
{
    return begin(false, key, nonce, aad);
}

void cipher_add(struct cipher *c, str chunk, unsigned char *to)
{
    while (chunk.len) {
        int piece = chunk.len < PIECE ? (int)chunk.len : PIECE, done = 0;
        must(EVP_CipherUpdate(c->context, to, &done, octets(chunk), piece) == 1 && done == piece);
        chunk = str_from(chunk, (size_t)piece);
        to += piece;
    }
}

void cipher_tag(struct cipher *c, unsigned char to[CIPHER_TAG_SIZE])
{
    unsigned char none[CIPHER_TAG_SIZE];
    int done;
    must(EVP_CipherFinal_ex(c->context, none, &done) == 1 && done == 0);
    must(EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG_SIZE, to) == 1);
}

bool cipher_prove(struct cipher *c, const unsigned char tag[CIPHER_TAG_SIZE])
{
    unsigned char none[CIPHER_TAG_SIZE];
    int done;
    must(EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG_SIZE,
                             (void *)(uintptr_t)tag) == 1);
    return EVP_CipherFinal_ex(c->context, none, &done) == 1;
}

void cipher_free(struct cipher *c)
{
    if (c)
        EVP_CIPHER_CTX_free(c->context); /* which wipes the key schedule */
    free(c);
}

void cipher_seal(const unsigned char key[CIPHER_KEY_SIZE],
                 const unsigned char nonce[CIPHER_NONCE_SIZE], str aad, str text, unsigned char *to)
{
    struct cipher *c = cipher_encrypt(key, nonce, aad);
    cipher_add(c, text, to);
    cipher_tag(c, to + text.len);
    cipher_free(c);
}

bool cipher_open(const unsigned char key[CIPHER_KEY_SIZE],
                 const unsigned char nonce[CIPHER_NONCE_SIZE], str aad, str sealed,
                 unsigned char *to)
{
    if (sealed.len < CIPHER_TAG_SIZE)
        return false;
    str text = str_head(sealed, sealed.len - CIPHER_TAG_SIZE);
    struct cipher *c = cipher_decrypt(key, nonce, aad);
    cipher_add(c, text, to);
    bool proven = cipher_prove(c, octets(sealed) + text.len);
    cipher_free(c);
    if (!proven)
        bytes_forget(to, text.len);
    return proven;
}

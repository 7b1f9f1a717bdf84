/* base/digest.c - OpenSSL behind our names.
 *
 * EVP_sha256() and HMAC() look their algorithm up at every call, which costs three to four times
 * the digest of a short text; so each is fetched once for the process and never freed, and each
 * thread keeps one context of each for the one-shot calls. This is the one place where a room keeps
 * state of its own: the state is a cache of constants. */
#include "base/digest.h"

#include "base/hex.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KINDS = DIGEST_MD5 + 1 };

static struct {
    pthread_once_t once;
    pthread_key_t thread;
    EVP_MD *digests[KINDS];
    EVP_MAC *hmac;
} fetched = { .once = PTHREAD_ONCE_INIT };

struct contexts { /* one thread's */
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *hmac;
};

struct digest {
    enum digest_kind kind;
    EVP_MD_CTX *context;
};

static void must(bool happened)
{
    if (!happened) {
        fputs("sesame: OpenSSL cannot compute a digest; stopping\n", stderr);
        abort();
    }
}

/* OpenSSL allocates at nearly every beginning. Memory that is short is short for a moment, mostly; so
 * what failed is tried again for a second, before the process stops. */
static bool again(unsigned *tries)
{
    enum { TRIES = 100, PAUSE_US = 10000 };
    must(++*tries < TRIES);
    usleep(PAUSE_US);
    return true;
}

static void contexts_free(void *owned)
{
    struct contexts *c = owned;
    EVP_MD_CTX_free(c->digest);
    EVP_MAC_CTX_free(c->hmac);
    free(c);
}

static void fetch(void)
{
    static const char *const names[KINDS] = { "SHA256", "SHA1", "MD5" };
    for (int i = 0; i < KINDS; i++)
        must((fetched.digests[i] = EVP_MD_fetch(NULL, names[i], NULL)) != NULL);
    must((fetched.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL)) != NULL);
    must(pthread_key_create(&fetched.thread, contexts_free) == 0);
}

static struct contexts *mine(void)
{
    must(pthread_once(&fetched.once, fetch) == 0);
    struct contexts *c = pthread_getspecific(fetched.thread);
    if (c)
        return c;
    unsigned tries = 0;
    while (!(c = calloc(1, sizeof(*c))) && again(&tries))
        ;
    while (!(c->digest = EVP_MD_CTX_new()) && again(&tries))
        ;
    while (!(c->hmac = EVP_MAC_CTX_new(fetched.hmac)) && again(&tries))
        ;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]) { "SHA256" }, 0),
        OSSL_PARAM_construct_end(),
    };
    while (!EVP_MAC_CTX_set_params(c->hmac, params) && again(&tries))
        ;
    while (pthread_setspecific(fetched.thread, c) != 0 && again(&tries))
        ;
    return c;
}

size_t digest_size(enum digest_kind kind)
{
    static const unsigned char sizes[KINDS] = { SHA256_SIZE, SHA1_SIZE, MD5_SIZE };
    return sizes[kind];
}

void digest_of(enum digest_kind kind, str bytes, unsigned char *to)
{
    struct contexts *c = mine();
    unsigned tries = 0;
    while (!(EVP_DigestInit_ex2(c->digest, fetched.digests[kind], NULL) &&
             EVP_DigestUpdate(c->digest, bytes.ptr, bytes.len) &&
             EVP_DigestFinal_ex(c->digest, to, NULL)) &&
           again(&tries))
        ;
}

void sha256_of(str bytes, unsigned char to[SHA256_SIZE])
{
    digest_of(DIGEST_SHA256, bytes, to);
}

void sha256_hex(str bytes, char to[2 * SHA256_SIZE])
{
    unsigned char sum[SHA256_SIZE];
    sha256_of(bytes, sum);
    hex_encode(to, sum, sizeof(sum));
}

void md5_of(str bytes, unsigned char to[MD5_SIZE])
{
    digest_of(DIGEST_MD5, bytes, to);
}

void hmac_sha256(str key, str bytes, unsigned char to[SHA256_SIZE])
{
    static const unsigned char none;
    struct contexts *c = mine();
    /* A NULL key means "the key of last time" to OpenSSL. */
    const unsigned char *k = key.len ? (const unsigned char *)key.ptr : &none;
    unsigned tries = 0;
    while (!(EVP_MAC_init(c->hmac, k, key.len, NULL) &&
             EVP_MAC_update(c->hmac, (const unsigned char *)bytes.ptr, bytes.len) &&
             EVP_MAC_final(c->hmac, to, NULL, SHA256_SIZE)) &&
           again(&tries))
        ;
}

void hmac_forget(void)
{
    unsigned tries = 0;
    while (!EVP_MAC_init(mine()->hmac, (const unsigned char *)"", 0, NULL) && again(&tries))
        ;
}

struct digest *digest_new(enum digest_kind kind)
{
    must(pthread_once(&fetched.once, fetch) == 0);
    struct digest *d = malloc(sizeof(*d));
    if (!d)
        return NULL;
    *d = (struct digest) { .kind = kind, .context = EVP_MD_CTX_new() };
    if (d->context && EVP_DigestInit_ex2(d->context, fetched.digests[kind], NULL))
        return d;
    digest_free(d);
    return NULL;
}

void digest_add(struct digest *d, str bytes)
{
    must(EVP_DigestUpdate(d->context, bytes.ptr, bytes.len));
}

void digest_end(struct digest *d, unsigned char *to)
{
    unsigned tries = 0;
    must(EVP_DigestFinal_ex(d->context, to, NULL));
    while (!EVP_DigestInit_ex2(d->context, fetched.digests[d->kind], NULL) && again(&tries))
        ;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->context);
    free(d);
}

bool bytes_equal_secretly(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void bytes_forget(void *secret, size_t size)
{
    OPENSSL_cleanse(secret, size);
}

/* base/digest.h - SHA-256, SHA-1, MD5 and HMAC-SHA-256 by OpenSSL, each algorithm fetched once.
 *
 * One-shot calls use a context kept per thread. Without memory they wait for a second for some, and then
 * the process stops with a sentence: a wrong digest must never be used. */
#ifndef SESAME_BASE_DIGEST_H
#define SESAME_BASE_DIGEST_H

#include "base/str.h"

enum digest_kind { DIGEST_SHA256, DIGEST_SHA1, DIGEST_MD5 };
enum { SHA256_SIZE = 32, SHA1_SIZE = 20, MD5_SIZE = 16, DIGEST_SIZE_MAX = 32 };

void digest_of(enum digest_kind, str bytes, unsigned char *to); /* size of the kind */
size_t digest_size(enum digest_kind);
void sha256_of(str bytes, unsigned char to[SHA256_SIZE]);
void sha256_hex(str bytes, char to[2 * SHA256_SIZE]); /* lower case, no NUL */
void md5_of(str bytes, unsigned char to[MD5_SIZE]);
void hmac_sha256(str key, str bytes, unsigned char to[SHA256_SIZE]);
/* This thread's context keeps the key of its last hmac_sha256: another one in its place. */
void hmac_forget(void);

/* Streaming. One thread at a time. */
struct digest;
struct digest *digest_new(enum digest_kind); /* NULL: no memory */
void digest_add(struct digest *, str bytes);
void digest_end(struct digest *, unsigned char *to); /* then it is as new */
void digest_free(struct digest *);                   /* NULL is fine */

/* In time that depends on size only. */
bool bytes_equal_secretly(const void *a, const void *b, size_t size);
void bytes_forget(void *secret, size_t size); /* not optimised away */

#endif

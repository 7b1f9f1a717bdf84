/* services/sns/signing.c - OpenSSL behind the few calls that SNS needs.
 *
 * signing.pem holds the private key and then the certificate, in one file: a stop while it is made
 * leaves none, or both. */
#include "services/sns/signing.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/whole_file.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNING_FILE "signing.pem"

enum { KEY_BITS = 2048, TEN_YEARS = 10 * 365, SIGNATURE_MAX = 512, PATH_ROOM = 96 };

struct sns_signer {
    EVP_PKEY *key;
    X509 *certificate;
    BIO *pem;
    char path[PATH_ROOM];
};

static const struct fault *openssl_fault(struct arena *arena, const char *doing)
{
    char why[160] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return fault(arena, FAULT_DEFECT, NULL, "cannot %s: %s", doing, why);
}

/* ---- making ---- */

static bool describe(X509 *cert)
{
    X509_NAME *name = X509_get_subject_name(cert);
    const unsigned char common[] = "Sesame SNS message signing";
    BIGNUM *serial = BN_new();
    bool done = serial && X509_set_version(cert, X509_VERSION_3) &&
                BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) &&
                X509_gmtime_adj(X509_getm_notBefore(cert), -3600) && /* clocks differ */
                X509_time_adj_ex(X509_getm_notAfter(cert), TEN_YEARS, 0, NULL) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, common, -1, -1, 0) &&
                X509_set_issuer_name(cert, name);
    BN_free(serial);
    return done;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (cert && describe(cert) && X509_set_pubkey(cert, key) && X509_sign(cert, key, EVP_sha256()))
        return cert;
    X509_free(cert);
    return NULL;
}

static const struct fault *make(struct arena *arena, str directory)
{
    EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    X509 *cert = key ? make_certificate(key) : NULL;
    BIO *text = BIO_new(BIO_s_mem());
    const struct fault *why;
    if (cert && text && PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) &&
        PEM_write_bio_X509(text, cert)) {
        char *bytes;
        long size = BIO_get_mem_data(text, &bytes);
        /* On the disk before anybody is told of it: subscribers keep the certificate's address. */
        why = whole_file_write(arena, directory, SIGNING_FILE, (str) { bytes, (size_t)size }, 0600,
                               true);
    } else {
        why = openssl_fault(arena, "make the key that messages are signed with");
    }
    BIO_free(text);
    X509_free(cert);
    EVP_PKEY_free(key);
    return why;
}

/* ---- reading ---- */

static bool name_it(struct sns_signer *signer)
{
    unsigned char der_digest[MD5_SIZE], *der = NULL;
    char digits[2 * MD5_SIZE];
    int size = i2d_X509(signer->certificate, &der);
    if (size <= 0)
        return false;
    md5_of((str) { (const char *)der, (size_t)size }, der_digest);
    OPENSSL_free(der);
    hex_encode(digits, der_digest, sizeof der_digest);
    snprintf(signer->path, sizeof signer->path, "/SimpleNotificationService-%.*s.pem",
             (int)sizeof digits, digits);
    return true;
}

static const struct fault *load(struct sns_signer *signer, struct arena *arena, const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    if (file) {
        signer->key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
        signer->certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    }
    BIO_free(file);
    signer->pem = BIO_new(BIO_s_mem());
    if (!signer->key || !signer->certificate || !signer->pem ||
        X509_check_private_key(signer->certificate, signer->key) != 1 ||
        !PEM_write_bio_X509(signer->pem, signer->certificate) || !name_it(signer))
        return openssl_fault(arena,
                             arena_strf(arena, "use %s, which messages are signed with", path).ptr);
    return NULL;
}

const struct fault *sns_signer_open(str directory, struct arena *arena,
                                    struct sns_signer **ret_signer)
{
    const char *folder = arena_cstr(arena, directory),
               *path = arena_cstr(arena,
                                  arena_strf(arena, STR_FMT "/" SIGNING_FILE, STR_ARG(directory)));
    if (!folder || !path)
        return &fault_no_memory;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot make %s: %s", folder, strerror(errno));
    if (access(path, F_OK) != 0)
        TRY(make(arena, directory));
    struct sns_signer *signer = calloc(1, sizeof *signer);
    const struct fault *why = signer ? load(signer, arena, path) : &fault_no_memory;
    if (why)
        sns_signer_free(signer);
    else
        *ret_signer = signer;
    return why;
}

void sns_signer_free(struct sns_signer *signer)
{
    if (!signer)
        return;
    EVP_PKEY_free(signer->key);
    X509_free(signer->certificate);
    BIO_free(signer->pem);
    free(signer);
}

str sns_signer_path(const struct sns_signer *signer)
{
    return str_of(signer->path);
}

str sns_signer_certificate(const struct sns_signer *signer)
{
    char *bytes;
    long size = BIO_get_mem_data(signer->pem, &bytes);
    return (str) { bytes, (size_t)size };
}

const struct fault *sns_sign(const struct sns_signer *signer, bool sha256, str text,
                             struct arena *arena, str *ret_signature)
{
    unsigned char signature[SIGNATURE_MAX];
    char digits[BASE64_LEN(SIGNATURE_MAX)];
    size_t size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done =
        context &&
        EVP_DigestSignInit(context, NULL, sha256 ? EVP_sha256() : EVP_sha1(), NULL, signer->key) ==
            1 &&
        EVP_DigestSign(context, signature, &size, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    if (!done)
        return openssl_fault(arena, "sign a message");
    size_t len = base64_encode_to(digits, (str) { (const char *)signature, size });
    *ret_signature = arena_str(arena, (str) { digits, len });
    return str_is_none(*ret_signature) ? &fault_no_memory : NULL;
}

/* wire/tls.c - OpenSSL's context for the server's side, and a certificate of our own making.
 *
 * Read buffers are released when a session is idle (14 KB instead of 23 KB each). Resumption is by
 * ticket only, so idle strangers leave nothing behind; see give_tickets. */
#include "wire/tls.h"

#include "base/whole_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERT_FILE "tls-cert.pem"
#define KEY_FILE  "tls-key.pem"

enum { TEN_YEARS = 10 * 365, COMMON_NAME_MAX = 64 };

struct tls_server {
    SSL_CTX *context;
    bool self_made;
};

static const struct fault *tls_fault(struct arena *arena, enum fault_kind kind, const char *doing,
                                     str what)
{
    char why[160] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return fault(arena, kind, NULL, "cannot %s " STR_FMT ": %s", doing, STR_ARG(what), why);
}

static bool add_name(X509 *cert, str hostname)
{
    char san[300];
    X509_NAME *name = X509_get_subject_name(cert);
    str common = str_head(hostname, COMMON_NAME_MAX);
    if (!X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common.ptr,
                                    (int)common.len, -1, 0) ||
        !X509_set_issuer_name(cert, name))
        return false;
    for (size_t i = 0; i < hostname.len; i++) { /* the extension's little language has commas */
        char c = hostname.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '-')
            return true;
    }
    snprintf(san, sizeof san, "DNS:" STR_FMT, STR_ARG(str_head(hostname, 253)));
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    bool done = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return done;
}

static X509 *make_certificate(EVP_PKEY *key, str hostname)
{
    X509 *cert = X509_new();
    BIGNUM *serial = BN_new();
    bool made = cert && serial && X509_set_version(cert, X509_VERSION_3) &&
                BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) &&
                X509_gmtime_adj(X509_getm_notBefore(cert), -3600) && /* clocks differ */
                X509_time_adj_ex(X509_getm_notAfter(cert), TEN_YEARS, 0, NULL) &&
                X509_set_pubkey(cert, key) && add_name(cert, hostname) &&
                X509_sign(cert, key, EVP_sha256());
    BN_free(serial);
    if (!made) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* A ticket spares us the signature when the peer comes again. Under load it costs some 44 us for
 * every peer (it is sealed, and sent in a write of its own that wakes him), an ECDSA signature 14,
 * one of RSA some 200 more. Where it is given one is enough: who comes again comes with the last
 * one. TLS 1.2, where a ticket spares the key exchange too, is not meant by this. */
static void give_tickets(SSL_CTX *context)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(context);
    SSL_CTX_set_num_tickets(context, key && EVP_PKEY_is_a(key, "RSA") ? 1 : 0);
}

static str text_of(BIO *text)
{
    char *bytes;
    long size = BIO_get_mem_data(text, &bytes);
    return (str) { bytes, (size_t)size };
}

static const struct fault *make_pair(const struct tls_settings *settings, struct arena *arena)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_certificate(key, settings->hostname) : NULL;
    BIO *key_text = BIO_new(BIO_s_mem()), *cert_text = BIO_new(BIO_s_mem());
    const struct fault *result;
    if (cert && key_text && cert_text &&
        PEM_write_bio_PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) &&
        PEM_write_bio_X509(cert_text, cert)) {
        /* The certificate last: where it lies, its key lies too, after a power cut as well. */
        result =
            whole_file_write(arena, settings->directory, KEY_FILE, text_of(key_text), 0600, true);
        if (!result)
            result = whole_file_write(arena, settings->directory, CERT_FILE, text_of(cert_text),
                                      0600, true);
    } else {
        result = tls_fault(arena, FAULT_DEFECT, "make a certificate for", settings->hostname);
    }
    BIO_free(key_text);
    BIO_free(cert_text);
    X509_free(cert);
    EVP_PKEY_free(key);
    return result;
}

static const struct fault *load(struct tls_server *tls, struct arena *arena, str cert_file,
                                str key_file)
{
    const char *cert = arena_cstr(arena, cert_file), *key = arena_cstr(arena, key_file);
    if (!cert || !key)
        return &fault_no_memory;
    if (SSL_CTX_use_certificate_chain_file(tls->context, cert) != 1)
        return tls_fault(arena, FAULT_ABSENT, "read the certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(tls->context, key, SSL_FILETYPE_PEM) != 1)
        return tls_fault(arena, FAULT_ABSENT, "read the private key", key_file);
    if (SSL_CTX_check_private_key(tls->context) != 1)
        return tls_fault(arena, FAULT_CONFLICT,
                         "use the private key with its certificate:", key_file);
    give_tickets(tls->context);
    return NULL;
}

static const struct fault *own_pair(struct tls_server *tls, const struct tls_settings *settings,
                                    struct arena *arena)
{
    const char *directory = arena_cstr(arena, settings->directory);
    str cert_file = arena_strf(arena, STR_FMT "/" CERT_FILE, STR_ARG(settings->directory));
    str key_file = arena_strf(arena, STR_FMT "/" KEY_FILE, STR_ARG(settings->directory));
    if (!directory || str_is_none(cert_file) || str_is_none(key_file))
        return &fault_no_memory;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot make %s: %s", directory,
                     strerror(errno));
    if (access(cert_file.ptr, F_OK) != 0 ||
        access(key_file.ptr, F_OK) != 0) /* texts end with a NUL */
        TRY(make_pair(settings, arena));
    tls->self_made = true;
    return load(tls, arena, cert_file, key_file);
}

static SSL_CTX *new_context(void)
{
    /* All are good for what mail needs; the first costs both sides least. */
    static const char suites[] =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c || SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(c, suites) != 1) {
        SSL_CTX_free(c);
        return NULL;
    }
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* What goes out as our chain is what the file holds; there is no store to build a longer one from. */
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    /* Not the header of a record, and then its body: see stream_has_more. */
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(c, (const unsigned char *)"sesame", 6);
    return c;
}

const struct fault *tls_server_open(const struct tls_settings *settings, struct arena *arena,
                                    struct tls_server **ret_tls)
{
    bool given = !str_is_none(settings->cert_file), key_given = !str_is_none(settings->key_file);
    if (given != key_given)
        return fault(arena, FAULT_SYNTAX, NULL,
                     "a certificate and its private key come together or not at all");
    struct tls_server *tls = calloc(1, sizeof *tls);
    if (!tls)
        return &fault_no_memory;
    tls->context = new_context();
    const struct fault *failed = !tls->context ? tls_fault(arena, FAULT_DEFECT, "begin", STR("TLS"))
                                 : given ? load(tls, arena, settings->cert_file, settings->key_file)
                                         : own_pair(tls, settings, arena);
    if (failed) {
        tls_server_free(tls);
        return failed;
    }
    *ret_tls = tls;
    return NULL;
}

void tls_server_free(struct tls_server *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

bool tls_server_is_self_made(const struct tls_server *tls)
{
    return tls->self_made;
}

struct ssl_st *tls_server_session(struct tls_server *tls, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

/* ---- the client's side ---- */

struct tls_client {
    SSL_CTX *context;
    bool checks;
};

static void free_context(void *context)
{
    SSL_CTX_free(context);
}

static const struct fault *trust(SSL_CTX *context, str ca_file, struct arena *arena)
{
    const char *file = ca_file.ptr ? arena_cstr(arena, ca_file) : NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (ca_file.ptr && !file)
        return &fault_no_memory;
    if (file && SSL_CTX_load_verify_locations(context, file, NULL) != 1)
        return tls_fault(arena, FAULT_ABSENT, "read the certificates of", ca_file);
    if (!file && SSL_CTX_set_default_verify_paths(context) != 1)
        return tls_fault(arena, FAULT_UNAVAILABLE, "find whom this machine trusts for", STR("TLS"));
    return NULL;
}

const struct fault *tls_client_open(const struct tls_client_settings *settings, struct arena *arena,
                                    struct tls_client **ret_tls)
{
    struct tls_client *tls = ARENA_NEW(arena, struct tls_client);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!tls || !context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        !arena_on_reset(arena, free_context, context)) {
        SSL_CTX_free(context);
        return &fault_no_memory;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    if (settings->checks)
        TRY(trust(context, settings->ca_file, arena));
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *tls = (struct tls_client) { .context = context, .checks = settings->checks };
    *ret_tls = tls;
    return NULL;
}

bool tls_client_checks(const struct tls_client *tls)
{
    return tls->checks;
}

/* "[2001:db8::1]" without its brackets; NULL: it is a name. */
static const char *literal_of(const char *host, char room[INET6_ADDRSTRLEN])
{
    unsigned char address[16];
    str text = str_of(host);
    if (str_starts(text, STR("[")) && str_ends(text, STR("]")))
        text = str_from(str_head(text, text.len - 1), 1);
    if (text.len >= INET6_ADDRSTRLEN)
        return NULL;
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return inet_pton(AF_INET, room, address) == 1 || inet_pton(AF_INET6, room, address) == 1 ? room
                                                                                             : NULL;
}

static bool mean(SSL *ssl, const char *host, bool checks)
{
    char room[INET6_ADDRSTRLEN];
    const char *literal = literal_of(host, room);
    if (!literal) /* RFC 6066 3 wants a name there */
        SSL_set_tlsext_host_name(ssl, host);
    if (!checks)
        return true;
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return literal ? X509_VERIFY_PARAM_set1_ip_asc(wanted, literal) == 1
                   : X509_VERIFY_PARAM_set1_host(wanted, host, 0) == 1;
}

struct ssl_st *tls_client_session(struct tls_client *tls, int fd, const char *host)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl && SSL_set_fd(ssl, fd) == 1 && mean(ssl, host, tls->checks)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

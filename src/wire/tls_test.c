/* wire/tls_test.c - the certificate we make, and the ones we are given. */
#include "testing/temp_dir.h"
#include "wire/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A handshake in memory; what the client saw of the certificate. */
static bool shakes(struct tls_server *tls, int newest, X509 **ret_cert)
{
    SSL *server = tls_server_session(tls, -1);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *client = SSL_new(context);
    BIO *one = NULL, *other = NULL;
    assert_true(server && client && BIO_new_bio_pair(&one, 0, &other, 0));
    SSL_set_max_proto_version(client, newest);
    SSL_set_security_level(client, 0);
    SSL_set_bio(server, one, one);
    SSL_set_bio(client, other, other);
    SSL_set_connect_state(client);
    int a = -1, b = -1;
    for (int i = 0; i < 20 && (a != 1 || b != 1); i++) {
        a = SSL_do_handshake(client);
        b = SSL_accept(server);
    }
    if (ret_cert)
        *ret_cert = SSL_get1_peer_certificate(client);
    bool done = a == 1 && b == 1;
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(context);
    return done;
}

static void a_certificate_is_made_once_and_kept(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 20);
    char path[512], file[600];
    struct tls_settings settings = { .hostname = STR("mx.test"),
                                     .directory = str_of(temp_dir_path(&dir, "tls", path)) };
    X509 *seen[2];
    for (int i = 0; i < 2; i++) {
        struct tls_server *tls;
        assert_null(tls_server_open(&settings, arena, &tls));
        assert_true(tls_server_is_self_made(tls));
        assert_true(shakes(tls, TLS1_3_VERSION, &seen[i]));
        tls_server_free(tls);
    }
    assert_int_equal(X509_cmp(seen[0], seen[1]), 0);
    assert_int_equal(X509_check_host(seen[0], "mx.test", 0, 0, NULL), 1);
    assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(seen[0])), 256);
    X509_free(seen[0]), X509_free(seen[1]);
    struct stat st;
    snprintf(file, sizeof file, "%s/tls-key.pem", path);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* As a power cut could leave it before names were synced one behind the other. */
static void a_certificate_without_its_key_is_made_again(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct tls_settings settings = { .hostname = STR("mx.test"), .directory = str_of(dir.path) };
    const char *const lost[] = { "tls-key.pem", "tls-cert.pem" };
    char file[512];
    for (size_t i = 0; i < 2; i++) {
        struct tls_server *tls;
        assert_null(tls_server_open(&settings, arena, &tls));
        tls_server_free(tls);
        assert_int_equal(unlink(temp_dir_path(&dir, lost[i], file)), 0);
        assert_null(tls_server_open(&settings, arena, &tls));
        assert_true(shakes(tls, TLS1_3_VERSION, NULL));
        tls_server_free(tls);
    }
}

static void old_versions_are_not_spoken(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct tls_settings settings = { .hostname = STR("mx.test"), .directory = str_of(dir.path) };
    struct tls_server *tls;
    assert_null(tls_server_open(&settings, arena, &tls));
    assert_true(shakes(tls, TLS1_2_VERSION, NULL));
    assert_false(shakes(tls, TLS1_1_VERSION, NULL));
    tls_server_free(tls);
}

static void a_given_pair_must_be_one(void **state)
{
    (void)state;
    AUTO_TEMP_DIR one = temp_dir_make();
    AUTO_TEMP_DIR two = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct tls_server *tls;
    const char *directories[] = { one.path, two.path };
    for (int i = 0; i < 2; i++) {
        struct tls_settings make = { .hostname = STR("mx.test"),
                                     .directory = str_of(directories[i]) };
        assert_null(tls_server_open(&make, arena, &tls));
        tls_server_free(tls);
    }
    struct tls_settings given = { .hostname = STR("mx.test"),
                                  .cert_file = arena_strf(arena, "%s/tls-cert.pem", one.path),
                                  .key_file = arena_strf(arena, "%s/tls-key.pem", one.path) };
    assert_null(tls_server_open(&given, arena, &tls));
    assert_false(tls_server_is_self_made(tls));
    assert_true(shakes(tls, TLS1_3_VERSION, NULL));
    tls_server_free(tls);
    given.key_file = arena_strf(arena, "%s/tls-key.pem", two.path);
    assert_non_null(tls_server_open(&given, arena, &tls));
    given.key_file = STR("/nonexistent/key");
    assert_non_null(tls_server_open(&given, arena, &tls));
    given.key_file = STR_NONE;
    assert_int_equal(tls_server_open(&given, arena, &tls)->kind, FAULT_SYNTAX);
}

/* How many tickets a client has got when it has read all that there is. */
static int tickets_got(struct tls_server *tls, int newest)
{
    SSL *server = tls_server_session(tls, -1);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *client = SSL_new(context);
    BIO *one = NULL, *other = NULL;
    char byte;
    assert_true(server && client && BIO_new_bio_pair(&one, 0, &other, 0));
    SSL_set_max_proto_version(client, newest);
    SSL_set_bio(server, one, one);
    SSL_set_bio(client, other, other);
    SSL_set_connect_state(client);
    for (int i = 0; i < 20; i++) {
        SSL_do_handshake(client);
        SSL_accept(server);
    }
    assert_int_equal(SSL_read(client, &byte, 1), -1);
    int got = SSL_SESSION_has_ticket(SSL_get0_session(client));
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(context);
    return got;
}

static void write_rsa_pair(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *cert = X509_new();
    assert_true(key && cert && X509_gmtime_adj(X509_getm_notBefore(cert), -60) &&
                X509_gmtime_adj(X509_getm_notAfter(cert), 3600) && X509_set_pubkey(cert, key) &&
                X509_sign(cert, key, EVP_sha256()));
    FILE *cert_file = fopen(cert_path, "w"), *key_file = fopen(key_path, "w");
    assert_true(cert_file && key_file && PEM_write_X509(cert_file, cert) &&
                PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL));
    fclose(cert_file), fclose(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void tickets_are_given_where_they_spare_more_than_they_cost(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *arena = arena_new(1 << 20);
    char cert[512], key[512];
    struct tls_settings ours = { .hostname = STR("mx.test"), .directory = str_of(dir.path) };
    struct tls_server *tls;
    assert_null(tls_server_open(&ours, arena, &tls));
    assert_int_equal(tickets_got(tls, TLS1_3_VERSION), 0);
    assert_int_equal(tickets_got(tls, TLS1_2_VERSION), 1);
    tls_server_free(tls);
    struct tls_settings rsa = { .hostname = STR("mx.test"),
                                .cert_file = str_of(temp_dir_path(&dir, "rsa-cert.pem", cert)),
                                .key_file = str_of(temp_dir_path(&dir, "rsa-key.pem", key)) };
    write_rsa_pair(cert, key);
    assert_null(tls_server_open(&rsa, arena, &tls));
    assert_int_equal(tickets_got(tls, TLS1_3_VERSION), 1);
    assert_int_equal(tickets_got(tls, TLS1_2_VERSION), 1);
    tls_server_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_made_once_and_kept),
        cmocka_unit_test(a_certificate_without_its_key_is_made_again),
        cmocka_unit_test(old_versions_are_not_spoken),
        cmocka_unit_test(a_given_pair_must_be_one),
        cmocka_unit_test(tickets_are_given_where_they_spare_more_than_they_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

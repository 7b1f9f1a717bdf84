/* Digests against their published values; ids against their form. */
#include "base/digest.h"
#include "base/hex.h"
#include "base/random_id.h"
#include "testing/entropy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/crypto.h>

static void assert_hex(const void *bytes, size_t size, const char *hex)
{
    char text[2 * DIGEST_SIZE_MAX + 1] = "";
    hex_encode(text, bytes, size);
    assert_string_equal(text, hex);
}

static void one_shot_digests_have_their_published_values(void **state)
{
    (void)state;
    unsigned char sum[DIGEST_SIZE_MAX];
    sha256_of(STR("abc"), sum); /* FIPS 180-4 */
    assert_hex(sum, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of(STR_NONE, sum);
    assert_hex(sum, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    md5_of(STR("abc"), sum); /* RFC 1321 */
    assert_hex(sum, 16, "900150983cd24fb0d6963f7d28e17f72");
    digest_of(DIGEST_SHA1, STR("abc"), sum);
    assert_hex(sum, digest_size(DIGEST_SHA1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), sum); /* RFC 4231 case 2 */
    assert_hex(sum, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256(STR(""), STR(""), sum);
    assert_hex(sum, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), sum); /* no key is left over */
    assert_hex(sum, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void a_stream_is_the_whole_and_starts_anew(void **state)
{
    (void)state;
    unsigned char sum[DIGEST_SIZE_MAX];
    struct digest *d = digest_new(DIGEST_SHA256);
    for (int round = 0; round < 2; round++) {
        for (const char *c = "abc"; *c; c++)
            digest_add(d, (str) { c, 1 });
        digest_add(d, STR_NONE);
        digest_end(d, sum);
        assert_hex(sum, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    digest_free(d);
    digest_free(NULL);
}

static void *digest_in_a_thread(void *into)
{
    sha256_of(STR("abc"), into);
    hmac_sha256(STR("k"), STR("v"), (unsigned char *)into + 32);
    return NULL;
}

static void each_thread_has_its_own_contexts(void **state)
{
    (void)state;
    pthread_t threads[8];
    unsigned char sums[8][64];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, digest_in_a_thread, sums[i]), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_memory_equal(sums[i], sums[0], 64);
    }
    assert_true(bytes_equal_secretly(sums[0], sums[1], 64));
    sums[1][63] ^= 1;
    assert_false(bytes_equal_secretly(sums[0], sums[1], 64));
}

static void a_message_id_is_one_ses_could_have_made(void **state)
{
    (void)state;
    struct seeded_entropy e = seeded_entropy(1);
    char id[MESSAGE_ID_LEN + 1], again[MESSAGE_ID_LEN + 1];
    for (int i = 0; i < 200; i++) {
        str text = random_message_id(&e.entropy, id);
        assert_int_equal(text.len, 40);
        assert_true(message_id_valid(text));
        str end = str_from(text, 38); /* the last octet is 01 */
        assert_true(str_eq(end, STR("01")) || str_eq(end, STR("81")) || str_eq(end, STR("g1")) ||
                    str_eq(end, STR("o1")));
        random_message_id(&e.entropy, again);
        assert_string_not_equal(id, again);
    }
    assert_true(message_id_valid(STR("0123456789abcdefghijklmnopqr")));
    assert_false(message_id_valid(STR("AMAZON_SES_SETUP_NOTIFICATION")));
    assert_false(message_id_valid(STR("0123456789abcdefghijklmnopqw")));
}

static void other_ids_have_their_form(void **state)
{
    (void)state;
    char id[REQUEST_ID_LEN + 1], token[21];
    for (int i = 0; i < 100; i++) {
        str uuid = random_request_id(entropy_real(), id);
        assert_int_equal(uuid.len, 36);
        assert_int_equal(id[8], '-');
        assert_int_equal(id[13], '-');
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
        assert_int_equal(strspn(random_token(entropy_real(), token, 20).ptr,
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
                         20);
        assert_int_equal(strspn(random_hex(entropy_real(), token, 20).ptr, "0123456789abcdef"), 20);
        assert_int_equal(strspn(random_upper_token(entropy_real(), token, 16).ptr,
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
                         16);
        assert_true(random_below(entropy_real(), 3) < 3);
    }
    assert_int_equal(random_below(entropy_real(), 1), 0);
}

/* OpenSSL's allocator, which fails when it is told to. */
static unsigned dry; /* calls that still fail */

static void *give(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return dry && dry-- ? NULL : malloc(size);
}

static void *give_more(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return dry && dry-- ? NULL : realloc(old, size);
}

static void take(void *old, const char *file, int line)
{
    (void)file, (void)line;
    free(old);
}

static void short_of_memory_for_a_moment_no_digest_is_wrong_and_nothing_stops(void **state)
{
    (void)state;
    unsigned char sum[MD5_SIZE], again[MD5_SIZE];
    md5_of(STR("x"), sum);
    dry = 1;
    assert_null(digest_new(DIGEST_MD5));
    dry = 5; /* who cannot say no waits */
    md5_of(STR("x"), again);
    assert_int_equal(dry, 0);
    assert_memory_equal(sum, again, sizeof sum);
    struct digest *d = digest_new(DIGEST_MD5);
    for (int i = 0; i < 2; i++) {
        dry = 3;
        digest_add(d, STR("x"));
        digest_end(d, again);
        dry = 0;
        assert_memory_equal(sum, again, sizeof sum);
    }
    unsigned char mac[SHA256_SIZE], mac_again[SHA256_SIZE];
    hmac_sha256(STR("k"), STR("x"), mac);
    dry = 5;
    hmac_sha256(STR("k"), STR("x"), mac_again);
    dry = 0;
    assert_memory_equal(mac, mac_again, sizeof mac);
    digest_free(d);
}

int main(void)
{
    CRYPTO_set_mem_functions(give, give_more, take); /* before it has given any */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shot_digests_have_their_published_values),
        cmocka_unit_test(a_stream_is_the_whole_and_starts_anew),
        cmocka_unit_test(each_thread_has_its_own_contexts),
        cmocka_unit_test(a_message_id_is_one_ses_could_have_made),
        cmocka_unit_test(other_ids_have_their_form),
        cmocka_unit_test(short_of_memory_for_a_moment_no_digest_is_wrong_and_nothing_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

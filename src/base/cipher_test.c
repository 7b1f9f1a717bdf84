/* What is sealed opens with the same key, nonce and words beside it, and with no others. */
#include "base/cipher.h"

#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct known {
    const char *says, *key, *nonce, *aad, *text, *sealed;
};
/* The Galois/Counter Mode of Operation (GCM), McGrew and Viega, appendix B: test cases 13, 14
 * and 16. */
static const struct known known[] = {
    { "nothing at all", "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
    { "one block of zeros", "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "00000000000000000000000000000000",
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
    { "a text with words beside it",
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525"
      "b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
      "8838"
      "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b" },
};

struct bytes {
    unsigned char at[256];
    size_t len;
};

static struct bytes bytes_of(const char *hex)
{
    struct bytes b = { .len = strlen(hex) / 2 };
    assert_true(hex_decode(b.at, str_of(hex)));
    return b;
}

static str view(const struct bytes *b)
{
    return (str) { (const char *)b->at, b->len };
}

static void the_known_answers_hold_whole_and_in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct known *k = &known[i];
        struct bytes key = bytes_of(k->key), nonce = bytes_of(k->nonce), aad = bytes_of(k->aad),
                     text = bytes_of(k->text), sealed = bytes_of(k->sealed), made, opened;
        cipher_seal(key.at, nonce.at, view(&aad), view(&text), made.at);
        assert_memory_equal(made.at, sealed.at, sealed.len);
        assert_true(cipher_open(key.at, nonce.at, view(&aad), view(&sealed), opened.at));
        assert_memory_equal(opened.at, text.at, text.len);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct cipher *c = cipher_encrypt(key.at, nonce.at, view(&aad));
            cipher_add(c, str_head(view(&text), cut), made.at);
            cipher_add(c, str_from(view(&text), cut), made.at + cut);
            cipher_tag(c, made.at + text.len);
            cipher_free(c);
            assert_memory_equal(made.at, sealed.at, sealed.len);
        }
    }
}

static void one_flipped_bit_anywhere_opens_nothing(void **state)
{
    (void)state;
    const struct known *k = &known[2];
    struct bytes key = bytes_of(k->key), nonce = bytes_of(k->nonce), aad = bytes_of(k->aad),
                 text = bytes_of(k->text), sealed = bytes_of(k->sealed), opened;
    static const unsigned char zeros[256];
    struct bytes *const parts[] = { &key, &nonce, &aad, &sealed };
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        for (size_t bit = 0; bit < parts[p]->len * 8; bit++) {
            parts[p]->at[bit / 8] ^= (unsigned char)(1u << bit % 8);
            memset(opened.at, 1, sizeof opened.at);
            assert_false(cipher_open(key.at, nonce.at, view(&aad), view(&sealed), opened.at));
            assert_memory_equal(opened.at, zeros, text.len);
            parts[p]->at[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    assert_false(cipher_open(key.at, nonce.at, view(&aad), str_head(view(&sealed), 15), opened.at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_answers_hold_whole_and_in_pieces),
        cmocka_unit_test(one_flipped_bit_anywhere_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which envelopes are read, which are refused and in what words, and that nothing unproven is left. */
#include "main/envelope.h"

#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define GCM     "AES/GCM/NoPadding"
#define MATDESC "{\"aws:ses:message-id\":\"7f3a\",\"aws:ses:rule-name\":\"store\",\"kms_cmk_id\":\"arn:aws:kms:eu-west-1:111122223333:alias/aws/ses\"}"
#define MATDESC2 "{\"aws:x-amz-cek-alg\":\"AES/GCM/NoPadding\"}"
enum { ENTRIES = 7 };

/* What SES writes: ses-receiving spec 9.3. */
static const struct header ses[ENTRIES] = {
    { STR_INIT("x-amz-meta-x-amz-key-v2"), STR_INIT("AQIDBA==") },
    { STR_INIT("x-amz-meta-x-amz-iv"), STR_INIT("AAECAwQFBgcICQoL") },
    { STR_INIT("x-amz-meta-x-amz-cek-alg"), STR_INIT(GCM) },
    { STR_INIT("x-amz-meta-x-amz-wrap-alg"), STR_INIT("kms") },
    { STR_INIT("x-amz-meta-x-amz-tag-len"), STR_INIT("128") },
    { STR_INIT("X-Amz-Meta-X-Amz-Unencrypted-Content-Length"), STR_INIT("25") },
    { STR_INIT("x-amz-matdesc"), STR_INIT(MATDESC) },
};
enum { KEY, IV, CEK, WRAP, TAG, LENGTH, MAT };

static void an_envelope_of_ses_is_read_whatever_its_names_are_written_like(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct envelope e;
    assert_null(envelope_read(ses, ENTRIES, arena, &e));
    assert_true(str_eq(e.wrapped_key, STR("\1\2\3\4")));
    assert_int_equal(e.plain_size, 25);
    assert_int_equal(e.context_count, 3);
    assert_true(str_eq(e.context[1].name, STR("aws:ses:rule-name")));
    assert_true(str_eq(e.key_arn, STR("arn:aws:kms:eu-west-1:111122223333:alias/aws/ses")));
    assert_non_null(envelope_read(ses, MAT, arena, &e)); /* without the material description */
}

struct bent {
    const char *says;
    int entry;
    const char *name, *value; /* name NULL: as it was; value NULL: the entry is missing */
    const char *wants;        /* NULL: it is read */
};
/* clang-format off */
static const struct bent bents[] = {
    { "no envelope",           KEY,    NULL, NULL,                       "no x-amz-key-v2" },
    { "the oldest one",        KEY,    "x-amz-key", "AQ==",              "x-amz-key: its content is not authenticated" },
    { "version 3",             KEY,    "x-amz-3", "AQ==",                "version 3" },
    { "CBC",                   CEK,    NULL, "AES/CBC/PKCS5Padding",     "x-amz-cek-alg is \"AES/CBC/PKCS5Padding\": only content that is authenticated" },
    { "no algorithm",          CEK,    NULL, NULL,                       "x-amz-cek-alg is absent" },
    { "a short tag",           TAG,    NULL, "96",                       "x-amz-tag-len is \"96\"" },
    { "a key of RSA",          WRAP,   NULL, "RSA-OAEP-SHA1",            "x-amz-wrap-alg is \"RSA-OAEP-SHA1\"" },
    { "version 2, not bound",  WRAP,   NULL, "kms+context",              "does not bind" },
    { "no context",            MAT,    NULL, NULL,                       "x-amz-matdesc is not a JSON object" },
    { "a context of numbers",  MAT,    NULL, "{\"a\":1}",                "not a string" },
    { "a context given twice", MAT,    NULL, "{\"a\":\"1\",\"a\":\"2\"}", "x-amz-matdesc is not a JSON object" },
    { "a key that is none",    KEY,    NULL, "***",                      "x-amz-key-v2 is not the base64" },
    { "an empty key",          KEY,    NULL, "",                         "x-amz-key-v2 is not the base64" },
    { "a long IV",             IV,     NULL, "AAECAwQFBgcICQoLDA0ODw==", "x-amz-iv is not the base64" },
    { "a short IV",            IV,     NULL, "AAEC",                     "x-amz-iv is not of 12 octets" },
    { "no number",             LENGTH, NULL, "-1",                       "not a number" },
    { "no length at all",      LENGTH, NULL, NULL,                       NULL },
};
/* clang-format on */

static void what_is_not_read_is_called_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bents / sizeof bents[0]; i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        struct header metadata[ENTRIES];
        struct envelope e;
        memcpy(metadata, ses, sizeof metadata);
        struct header *bent = &metadata[bents[i].entry];
        bent->value = str_of(bents[i].value);
        if (bents[i].name)
            bent->name = str_of(bents[i].name);
        else if (!bents[i].value)
            bent->name = STR("other");
        const struct fault *why = envelope_read(metadata, ENTRIES, arena, &e);
        const str says = why ? why->says : STR("");
        if (!why != !bents[i].wants ||
            (why && str_find_str(says, str_of(bents[i].wants)) == says.len))
            fail_msg("%s: " STR_FMT, bents[i].says, STR_ARG(says));
    }
}

static void an_envelope_of_version_2_binds_its_algorithm(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct header metadata[ENTRIES];
    struct envelope e;
    memcpy(metadata, ses, sizeof metadata);
    metadata[WRAP].value = STR("kms+context");
    metadata[MAT].value = STR(MATDESC2);
    assert_null(envelope_read(metadata, ENTRIES, arena, &e));
    assert_int_equal(e.context_count, 1);
}

static void nothing_is_left_of_what_is_not_proven(void **state)
{
    (void)state;
    static const char sealed[] = "0170b976ffc5a35bef6fe3eec29d75678edcef519c17307132cb0c6893b99c776c8e"
                                 "a3589b5cd80aa4"; /* by another implementation */
    enum { SIZE = 41 };
    AUTO_ARENA *arena = arena_new(1 << 20);
    unsigned char key[32];
    char bytes[SIZE];
    struct envelope e;
    str plain;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)i;
    assert_null(envelope_read(ses, ENTRIES, arena, &e));
    assert_true(hex_decode(bytes, str_of(sealed)));
    assert_true(envelope_open(&e, key, bytes, SIZE, &plain));
    assert_true(str_eq(plain, STR("From: a@b.test\r\n\r\nhello\r\n")));
    for (size_t bit = 0; bit < SIZE * 8; bit++) {
        assert_true(hex_decode(bytes, str_of(sealed)));
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_false(envelope_open(&e, key, bytes, SIZE, &plain));
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(bytes[i], 0);
    }
    for (size_t len = 0; len < SIZE; len++) {
        assert_true(hex_decode(bytes, str_of(sealed)));
        assert_false(envelope_open(&e, key, bytes, len, &plain));
    }
    e.plain_size = 24; /* another message's metadata */
    assert_true(hex_decode(bytes, str_of(sealed)));
    assert_false(envelope_open(&e, key, bytes, SIZE, &plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_of_ses_is_read_whatever_its_names_are_written_like),
        cmocka_unit_test(what_is_not_read_is_called_by_its_name),
        cmocka_unit_test(an_envelope_of_version_2_binds_its_algorithm),
        cmocka_unit_test(nothing_is_left_of_what_is_not_proven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

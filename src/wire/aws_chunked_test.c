/* aws-chunked bodies: whole, byte by byte, cut in two everywhere; and bent. */
#include "wire/aws_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "wire/aws_chunked_vectors.h"

#define SECRET STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

static struct sigv4_claim claim_of(enum sigv4_payload payload)
{
    return (struct sigv4_claim) { .form = SIGV4_HEADER,
                                  .access_key_id = STR("A"),
                                  .day = STR("20260302"),
                                  .region = STR("eu-west-1"),
                                  .service = STR("s3"),
                                  .signature = STR(SEED),
                                  .date = "20260302T091542Z",
                                  .payload = payload };
}

struct outcome {
    const char *code; /* NULL: none */
    bool ended;
    size_t trailers;
    char body[256], trailer[128];
    size_t body_len;
};

/* Gives `text` in pieces that end at `first` and then every `step` bytes, each a block of its own.
 */
static struct outcome run(enum sigv4_payload payload, uint64_t expected, str text, size_t first,
                          size_t step)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct sigv4_claim claim = claim_of(payload);
    struct aws_chunked *c = aws_chunked_new(&claim, SECRET, NULL, expected, a);
    struct outcome o = { 0 };
    const struct fault *f = NULL;
    for (size_t at = 0, len = first; at < text.len && !f; at += len, len = step) {
        len = len < text.len - at ? len : text.len - at;
        char *block = malloc(len ? len : 1);
        memcpy(block, text.ptr + at, len);
        for (struct cursor in = { block, block + len }; in.at < in.end && !f;) {
            str piece;
            f = aws_chunked_feed(c, &in, a, &piece);
            if (piece.len <= sizeof(o.body) - o.body_len)
                memcpy(o.body + o.body_len, piece.ptr, piece.len);
            o.body_len += piece.len;
        }
        free(block);
    }
    const struct sigv4_field *fields;
    o.code = f ? f->code : NULL;
    o.ended = aws_chunked_ended(c);
    o.trailers = aws_chunked_trailers(c, &fields);
    if (o.trailers) {
        AUTO_BUF out = buf_new(sizeof(o.trailer) - 1);
        buf_addf(&out, STR_FMT "=" STR_FMT, STR_ARG(fields[0].name), STR_ARG(fields[0].value));
        memcpy(o.trailer, out.ptr, out.len);
    }
    return o;
}

struct good {
    const char *text;
    enum sigv4_payload payload;
    str body;
    const char *trailer;
};
static const struct good goods[] = {
    { signed_chunks, SIGV4_PAYLOAD_CHUNKS, STR_INIT("hello, world"), "" },
    { no_bytes, SIGV4_PAYLOAD_CHUNKS, STR_INIT(""), "" },
    { signed_trailer, SIGV4_PAYLOAD_CHUNKS_TRAILER, STR_INIT("hello, world"),
      "x-amz-checksum-crc32=/6tyOg==" },
    { unsigned_trailer, SIGV4_PAYLOAD_UNSIGNED_TRAILER, STR_INIT("hello, world"),
      "x-amz-checksum-crc32=/6tyOg==" },
};

static void assert_good(const struct good *g, const struct outcome *o)
{
    assert_null(o->code);
    assert_true(o->ended);
    assert_true(str_eq((str) { o->body, o->body_len }, g->body));
    assert_string_equal(o->trailer, g->trailer);
}

static void a_body_is_the_same_however_the_network_cuts_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
        str text = str_of(goods[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct outcome o = run(goods[i].payload, goods[i].body.len, text, cut, text.len);
            assert_good(&goods[i], &o);
        }
        struct outcome o = run(goods[i].payload, UINT64_MAX, text, 1, 1);
        assert_good(&goods[i], &o);
    }
}

static void a_body_cut_short_never_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
        for (size_t len = 0; len < strlen(goods[i].text); len++)
            assert_false(
                run(goods[i].payload, UINT64_MAX, str_head(str_of(goods[i].text), len), len, 1)
                    .ended);
}

static void one_changed_byte_of_a_signed_body_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        str text = str_of(goods[i].text);
        for (size_t at = 0; at < text.len; at++) {
            char *changed = strdup(goods[i].text);
            changed[at] ^= 1;
            struct outcome o =
                run(goods[i].payload, goods[i].body.len, (str) { changed, text.len }, text.len, 1);
            if (o.ended && !o.code)
                fail_msg("byte %zu of body %zu", at, i);
            free(changed);
        }
    }
}

struct bad {
    const char *text;
    uint64_t expected;
    const char *code;
};
static const struct bad bads[] = {
    { "x\r\n", 5, "InvalidRequest" },
    { "\r\n", 5, "InvalidRequest" },
    { "5\nhello", 5, "InvalidRequest" },
    { "fffffffffffffff\r\n", 5, "IncompleteBody" },
    { "ffffffffffffffff\r\n", 5, "InvalidRequest" },
    { "0000000000000005\r\n", 5, "InvalidRequest" },
    { "5\r\nhelloX\r\n", 5, "InvalidRequest" },
    { "5\r\nhello\r\n1\r\n", 5, "IncompleteBody" },
    { "4\r\nhell\r\n0\r\n", 5, "IncompleteBody" },
    { "5\r\nhello\r\n0\r\nx\r\n\r\n", 5, "MalformedTrailerError" },
    { "5\r\nhello\r\n0\r\n:x\r\n\r\n", 5, "MalformedTrailerError" },
    { "5\r\nhello\r\n0\r\n\r\nmore", 5, "InvalidRequest" },
    { "5\r\nhello\r\n0\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\nf:1\r\ng:1\r\nh:1\r\ni:1\r\n\r\n", 5,
      "MalformedTrailerError" },
};

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        str text = str_of(bads[i].text);
        struct outcome whole =
            run(SIGV4_PAYLOAD_UNSIGNED_TRAILER, bads[i].expected, text, text.len, 1);
        struct outcome bytes = run(SIGV4_PAYLOAD_UNSIGNED_TRAILER, bads[i].expected, text, 1, 1);
        if (!whole.code)
            fail_msg("took %s", bads[i].text);
        assert_string_equal(whole.code, bads[i].code);
        assert_string_equal(bytes.code, bads[i].code);
    }
    char *line = calloc(1, 2000);
    memset(line, '0', 1999);
    line[1] = ';';
    assert_string_equal(run(SIGV4_PAYLOAD_UNSIGNED_TRAILER, 5, str_of(line), 1999, 1).code,
                        "InvalidRequest");
    free(line);
}

static void a_trailer_where_none_was_announced_or_unsigned_is_refused(void **state)
{
    (void)state;
    str signed_text = str_of(signed_trailer);
    struct outcome o = run(SIGV4_PAYLOAD_CHUNKS, 12, signed_text, signed_text.len, 1);
    assert_string_equal(o.code, "MalformedTrailerError");
    str bare = str_of(signed_chunks); /* rightly signed chunks, but no trailer signature */
    o = run(SIGV4_PAYLOAD_CHUNKS_TRAILER, 12, bare, bare.len, 1);
    assert_string_equal(o.code, "MalformedTrailerError");
    str plain = str_of(unsigned_trailer); /* no chunk signatures */
    o = run(SIGV4_PAYLOAD_CHUNKS_TRAILER, 12, plain, plain.len, 1);
    assert_string_equal(o.code, "InvalidRequest");
}

/* S3 API Reference, "Example calculations" of chunked uploads: 66560 bytes of 'a' in two chunks. */
static void the_manuals_example_holds(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF text = buf_new(1 << 20);
    struct sigv4_claim claim = {
        .form = SIGV4_HEADER,
        .day = STR("20130524"),
        .region = STR("us-east-1"),
        .service = STR("s3"),
        .date = "20130524T000000Z",
        .signature = STR("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
        .payload = SIGV4_PAYLOAD_CHUNKS,
    };
    char *as = malloc(65536);
    memset(as, 'a', 65536);
    buf_add(&text, STR("10000;chunk-signature="
                       "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"));
    buf_add(&text, (str) { as, 65536 });
    buf_add(&text, STR("\r\n400;chunk-signature="
                       "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"));
    buf_add(&text, (str) { as, 1024 });
    buf_add(&text, STR("\r\n0;chunk-signature="
                       "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"));
    free(as);
    struct aws_chunked *c = aws_chunked_new(&claim, SECRET, NULL, 66560, a);
    uint64_t total = 0;
    for (struct cursor in = cursor_of(buf_str(&text)); in.at < in.end;) {
        str piece;
        assert_null(aws_chunked_feed(c, &in, a, &piece));
        total += piece.len;
    }
    assert_true(aws_chunked_ended(c));
    assert_int_equal(total, 66560);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_the_same_however_the_network_cuts_it),
        cmocka_unit_test(a_body_cut_short_never_ends),
        cmocka_unit_test(one_changed_byte_of_a_signed_body_is_found),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(a_trailer_where_none_was_announced_or_unsigned_is_refused),
        cmocka_unit_test(the_manuals_example_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

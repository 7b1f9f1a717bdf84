/* The first byte says what kind of body and where the rest is cut: whole and in pieces must agree.
 */
#include "wire/aws_chunked.h"

#include "base/crc.h"

#include <assert.h>

struct outcome {
    bool failed, ended;
    uint64_t size;
    uint32_t sum;
    size_t trailers;
};

static struct outcome run(enum sigv4_payload payload, str text, size_t step)
{
    static const char signature[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct sigv4_claim claim = { .form = SIGV4_HEADER,
                                 .day = STR("20260302"),
                                 .region = STR("eu-west-1"),
                                 .service = STR("s3"),
                                 .date = "20260302T091542Z",
                                 .payload = payload,
                                 .signature = str_of(signature) };
    struct aws_chunked *c = aws_chunked_new(&claim, STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                                            NULL, UINT64_MAX, arena);
    struct outcome o = { 0 };
    const struct sigv4_field *fields;
    for (size_t at = 0; at < text.len && !o.failed; at += step) {
        str part = str_head(str_from(text, at), step);
        for (struct cursor in = cursor_of(part); in.at < in.end && !o.failed;) {
            str piece;
            o.failed = aws_chunked_feed(c, &in, arena, &piece) != NULL;
            assert(piece.ptr >= part.ptr && piece.ptr + piece.len <= part.ptr + part.len);
            o.sum = crc32c(o.sum, piece.ptr, piece.len);
            o.size += piece.len;
        }
    }
    o.ended = aws_chunked_ended(c);
    o.trailers = aws_chunked_trailers(c, &fields);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const enum sigv4_payload payloads[] = { SIGV4_PAYLOAD_CHUNKS,
                                                   SIGV4_PAYLOAD_CHUNKS_TRAILER,
                                                   SIGV4_PAYLOAD_UNSIGNED_TRAILER };
    if (size < 2)
        return 0;
    str text = { (const char *)bytes + 1, size - 1 };
    enum sigv4_payload payload = payloads[bytes[0] % 3];
    struct outcome whole = run(payload, text, text.len),
                   cut = run(payload, text, 1u + bytes[0] / 3u);
    assert(whole.failed == cut.failed && whole.ended == cut.ended && whole.size == cut.size);
    assert(whole.sum == cut.sum && whole.trailers == cut.trailers);
    return 0;
}

/* wire/aws_chunked.c - a machine fed with whatever bytes are there.
 *
 *   SIZE --line--> BYTES --all taken--> CRLF --> SIZE ... SIZE --0--> TRAILER --empty line--> ENDED
 *
 * S3 API Reference, "Signature calculations ... transferring payload in multiple chunks" and "...
 * including trailing headers". */
#include "wire/aws_chunked.h"

#include "base/hex.h"

#include <assert.h>

enum at { AT_SIZE, AT_BYTES, AT_CRLF, AT_TRAILER, AT_ENDED, AT_FAILED };

struct aws_chunked {
    enum at at;
    bool is_signed, may_trail;
    str date, scope;
    unsigned char key[SHA256_SIZE];
    char before[2 * SHA256_SIZE];  /* the signature before this one */
    char claimed[2 * SHA256_SIZE]; /* this chunk's */
    struct digest *digest;         /* of this chunk */
    uint64_t left;                 /* of this chunk */
    uint64_t total, expected;      /* of the body */
    char line[AWS_CHUNKED_LINE_MAX];
    size_t line_len, crlf_seen;
    struct sigv4_field trailers[AWS_CHUNKED_TRAILERS];
    size_t trailer_count;
    bool trailer_signed;
};

static void release_digest(void *digest)
{
    digest_free(digest);
}

struct aws_chunked *aws_chunked_new(const struct sigv4_claim *claim, str secret,
                                    struct sigv4_keys *keys, uint64_t decoded_size,
                                    struct arena *arena)
{
    struct aws_chunked *c = ARENA_NEW(arena, struct aws_chunked);
    if (!c)
        return NULL;
    c->expected = decoded_size;
    c->is_signed =
        claim->payload == SIGV4_PAYLOAD_CHUNKS || claim->payload == SIGV4_PAYLOAD_CHUNKS_TRAILER;
    c->may_trail = claim->payload == SIGV4_PAYLOAD_CHUNKS_TRAILER ||
                   claim->payload == SIGV4_PAYLOAD_UNSIGNED_TRAILER;
    if (!c->is_signed)
        return c;
    assert(claim->signature.len == sizeof(c->before) && "sigv4_read takes no other");
    c->date = arena_str(arena, (str) { claim->date, 16 });
    c->scope = arena_strf(arena, STR_FMT "/" STR_FMT "/" STR_FMT "/aws4_request",
                          STR_ARG(claim->day), STR_ARG(claim->region), STR_ARG(claim->service));
    if (!c->date.ptr || !c->scope.ptr)
        return NULL;
    sigv4_key(keys, secret, claim->day, claim->region, claim->service, c->key);
    memcpy(c->before, claim->signature.ptr, sizeof(c->before));
    c->digest = digest_new(DIGEST_SHA256);
    if (!c->digest || !arena_on_reset(arena, release_digest, c->digest)) {
        digest_free(c->digest);
        return NULL;
    }
    return c;
}

static const struct fault *malformed(struct arena *arena, const char *what)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidRequest",
                       "the aws-chunked body is malformed: %s", what);
}

static const struct fault *bad_trailer(struct arena *arena, const char *what)
{
    return fault_coded(
        arena, FAULT_SYNTAX, "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our "
        "published schema: %s",
        what);
}

/* The signature over `hashes` (the lines behind the previous signature) must be the claimed one. */
static const struct fault *check(struct aws_chunked *c, const char *algorithm, str hashes,
                                 const char *claimed, struct arena *arena)
{
    char hex[2 * SHA256_SIZE];
    unsigned char ours[SHA256_SIZE], theirs[SHA256_SIZE];
    str text = arena_strf(arena, "%s\n" STR_FMT "\n" STR_FMT "\n%.64s\n" STR_FMT, algorithm,
                          STR_ARG(c->date), STR_ARG(c->scope), c->before, STR_ARG(hashes));
    if (!text.ptr)
        return &fault_no_memory;
    sigv4_signature(c->key, text, hex);
    if (!hex_decode(ours, (str) { hex, sizeof(hex) }) ||
        !hex_decode(theirs, (str) { claimed, sizeof(hex) }) ||
        !bytes_equal_secretly(ours, theirs, sizeof(ours)))
        return fault_coded(arena, FAULT_DENIED, "SignatureDoesNotMatch",
                           "the signature of a chunk or trailer of the body does not match");
    memcpy(c->before, hex, sizeof(hex));
    return NULL;
}

static const struct fault *end_chunk(struct aws_chunked *c, struct arena *arena)
{
    unsigned char sum[SHA256_SIZE];
    char hashes[4 * SHA256_SIZE + 1];
    if (!c->is_signed)
        return NULL;
    digest_end(c->digest, sum);
    sha256_hex(STR(""), hashes);
    hashes[2 * SHA256_SIZE] = '\n';
    hex_encode(hashes + 2 * SHA256_SIZE + 1, sum, sizeof(sum));
    return check(c, "AWS4-HMAC-SHA256-PAYLOAD", (str) { hashes, sizeof(hashes) }, c->claimed,
                 arena);
}

static bool read_size(str digits, uint64_t *ret_size)
{
    uint64_t size = 0;
    if (digits.len == 0 || digits.len > 15)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        int digit = hex_digit(digits.ptr[i]);
        if (digit < 0)
            return false;
        size = size << 4 | (uint64_t)digit;
    }
    *ret_size = size;
    return true;
}

static const struct fault *on_size(struct aws_chunked *c, str line, struct arena *arena)
{
    static const str name = STR_INIT("chunk-signature=");
    str digits, extension;
    unsigned char binary[SHA256_SIZE];
    str_cut(line, ';', &digits, &extension);
    if (!read_size(digits, &c->left))
        return malformed(arena, "a chunk begins with its size in hexadecimal digits");
    str signature = str_starts(extension, name) ? str_from(extension, name.len) : STR_NONE;
    if (c->is_signed) {
        if (signature.len != sizeof(c->claimed) || !hex_decode(binary, signature))
            return malformed(arena,
                             "a signed chunk wants ;chunk-signature= and 64 hexadecimal digits");
        memcpy(c->claimed, signature.ptr, sizeof(c->claimed));
    }
    if (__builtin_add_overflow(c->total, c->left, &c->total) || c->total > c->expected)
        return fault_coded(arena, FAULT_SYNTAX, "IncompleteBody",
                           "the body is longer than x-amz-decoded-content-length says");
    if (c->left) {
        c->at = AT_BYTES;
        return NULL;
    }
    if (c->expected != UINT64_MAX && c->total != c->expected)
        return fault_coded(arena, FAULT_SYNTAX, "IncompleteBody",
                           "The request body terminated unexpectedly");
    c->at = AT_TRAILER;
    return end_chunk(c, arena);
}

static const struct fault *check_trailer(struct aws_chunked *c, str claimed, struct arena *arena)
{
    unsigned char sum[SHA256_SIZE], binary[SHA256_SIZE];
    char hex[2 * SHA256_SIZE];
    str lines = STR("");
    for (size_t i = 0; i < c->trailer_count; i++) {
        lines = arena_strf(arena, STR_FMT STR_FMT ":" STR_FMT "\n", STR_ARG(lines),
                           STR_ARG(c->trailers[i].name), STR_ARG(c->trailers[i].value));
        if (!lines.ptr)
            return &fault_no_memory;
    }
    if (claimed.len != sizeof(hex) || !hex_decode(binary, claimed))
        return bad_trailer(arena, "x-amz-trailer-signature is not 64 hexadecimal digits");
    sha256_of(lines, sum);
    hex_encode(hex, sum, sizeof(sum));
    c->trailer_signed = true;
    return check(c, "AWS4-HMAC-SHA256-TRAILER", (str) { hex, sizeof(hex) }, claimed.ptr, arena);
}

static const struct fault *on_trailer(struct aws_chunked *c, str line, struct arena *arena)
{
    str name, value;
    if (line.len == 0) {
        bool wants_signature = c->is_signed && c->may_trail;
        if (wants_signature && !c->trailer_signed)
            return bad_trailer(arena, "there is no x-amz-trailer-signature");
        c->at = AT_ENDED;
        return NULL;
    }
    if (!c->may_trail || c->trailer_signed)
        return bad_trailer(arena, "nothing was expected here");
    if (!str_cut(line, ':', &name, &value) || str_trim(name).len == 0)
        return bad_trailer(arena, "a trailer is a name, a colon and a value");
    value = str_trim(value);
    if (c->is_signed && str_eq_nocase(name, STR("x-amz-trailer-signature")))
        return check_trailer(c, value, arena);
    if (c->trailer_count == AWS_CHUNKED_TRAILERS)
        return bad_trailer(arena, "there are too many fields");
    str copy = arena_str(arena, str_trim(name));
    struct sigv4_field f = { copy, arena_str(arena, value) };
    if (!f.name.ptr || !f.value.ptr)
        return &fault_no_memory;
    for (size_t i = 0; i < copy.len; i++)
        ((char *)copy.ptr)[i] = ascii_lower(copy.ptr[i]); /* our own copy */
    c->trailers[c->trailer_count++] = f;
    return NULL;
}

/* Gathers up to CRLF. True when a whole line is there; *ret_fault for one too long or with a bare
 * LF. */
static bool take_line(struct aws_chunked *c, struct cursor *in, struct arena *arena, str *ret_line,
                      const struct fault **ret_fault)
{
    while (in->at < in->end) {
        char ch = *in->at++;
        if (ch == '\n') {
            if (c->line_len == 0 || c->line[c->line_len - 1] != '\r') {
                *ret_fault = malformed(arena, "a line ends with CRLF");
                return false;
            }
            *ret_line = (str) { c->line, c->line_len - 1 };
            c->line_len = 0;
            return true;
        }
        if (c->line_len == sizeof(c->line)) {
            *ret_fault = malformed(arena, "a line is too long");
            return false;
        }
        c->line[c->line_len++] = ch;
    }
    return false;
}

static const struct fault *take_bytes(struct aws_chunked *c, struct cursor *in, str *ret_piece)
{
    str piece = str_head((str) { in->at, cursor_left(in) },
                         c->left < SIZE_MAX ? (size_t)c->left : SIZE_MAX);
    in->at += piece.len;
    c->left -= piece.len;
    if (c->is_signed)
        digest_add(c->digest, piece);
    if (c->left == 0)
        c->at = AT_CRLF;
    *ret_piece = piece;
    return NULL;
}

static const struct fault *take_crlf(struct aws_chunked *c, struct cursor *in, struct arena *arena)
{
    while (in->at < in->end && c->crlf_seen < 2)
        if (*in->at++ != "\r\n"[c->crlf_seen++])
            return malformed(arena, "a chunk ends with CRLF behind its bytes");
    if (c->crlf_seen < 2)
        return NULL;
    c->crlf_seen = 0;
    c->at = AT_SIZE;
    return end_chunk(c, arena);
}

static const struct fault *take_text(struct aws_chunked *c, struct cursor *in, struct arena *arena)
{
    const struct fault *f = NULL;
    str line;
    if (!take_line(c, in, arena, &line, &f))
        return f;
    return c->at == AT_SIZE ? on_size(c, line, arena) : on_trailer(c, line, arena);
}

static const struct fault *step(struct aws_chunked *c, struct cursor *in, struct arena *arena,
                                str *ret_piece)
{
    switch (c->at) {
    case AT_SIZE:
    case AT_TRAILER:
        return take_text(c, in, arena);
    case AT_BYTES:
        return take_bytes(c, in, ret_piece);
    case AT_CRLF:
        return take_crlf(c, in, arena);
    case AT_ENDED:
        return malformed(arena, "something stands behind its end");
    case AT_FAILED:
        return malformed(arena, "it was malformed before");
    }
    return malformed(arena, "it is in no state");
}

const struct fault *aws_chunked_feed(struct aws_chunked *c, struct cursor *in, struct arena *arena,
                                     str *ret_piece)
{
    *ret_piece = (str) { in->at, 0 };
    while (in->at < in->end && ret_piece->len == 0) {
        const struct fault *f = step(c, in, arena, ret_piece);
        if (f) {
            c->at = AT_FAILED;
            *ret_piece = (str) { in->at, 0 };
            return f;
        }
    }
    return NULL;
}

bool aws_chunked_ended(const struct aws_chunked *c)
{
    return c->at == AT_ENDED;
}

size_t aws_chunked_trailers(const struct aws_chunked *c, const struct sigv4_field **ret_fields)
{
    *ret_fields = c->trailers;
    return c->trailer_count;
}

/* Signatures made by botocore must hold; one changed byte must break each. */
#include "wire/sigv4.h"

#include "base/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct vector {
    const char *says, *method, *path, *query;
    struct sigv4_field fields[12];
    const char *body_hash, *canonical, *to_sign;
};
#include "wire/sigv4_vectors.h"

#define ACCESS STR("AKIAIOSFODNN7EXAMPLE")
#define SECRET STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define EMPTY  STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

enum { COUNT = sizeof(vectors) / sizeof(vectors[0]) };
static const int64_t now = 1772442942000; /* 2026-03-02T09:15:42Z */

static struct arena *arena;

static int make(void **state)
{
    (void)state;
    arena = arena_new(16 << 20);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct sigv4_request request_of(const struct vector *v)
{
    struct sigv4_request r = { .method = str_of(v->method),
                               .raw_path = str_of(v->path),
                               .raw_query = str_of(v->query),
                               .fields = v->fields };
    while (v->fields[r.field_count].name.ptr)
        r.field_count++;
    return r;
}

static const struct fault *verify(const struct sigv4_request *r, int64_t at_ms, str secret,
                                  str body_hash)
{
    struct sigv4_claim claim;
    TRY(sigv4_read(r, at_ms, arena, &claim));
    return sigv4_check(r, &claim, secret,
                       claim.payload == SIGV4_PAYLOAD_BODY ? body_hash : STR_NONE, NULL, arena);
}

static void assert_code(const struct fault *f, const char *code)
{
    assert_non_null(f);
    assert_string_equal(f->code, code);
}

static void what_botocore_signed_holds_with_every_intermediate_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const struct vector *v = &vectors[i];
        struct sigv4_request r = request_of(v);
        struct sigv4_claim c;
        const struct fault *f = sigv4_read(&r, now + 60000, arena, &c);
        if (f)
            fail_msg("%s: " STR_FMT, v->says, STR_ARG(f->says));
        assert_true(str_eq(c.access_key_id, ACCESS));
        assert_true(str_eq(c.region, STR("eu-west-1")));
        assert_true(str_eq(c.day, STR("20260302")));
        assert_true(c.signed_at_ms == now);
        bool s3 = str_eq(c.service, STR("s3"));
        str hash = c.payload == SIGV4_PAYLOAD_BODY ? str_of(v->body_hash) : c.payload_hash;
        for (int canon = SIGV4_AS_SENT; canon <= SIGV4_RE_ENCODED;
             canon++) { /* botocore escapes as the manual says */
            str canonical = sigv4_canonical_request(&r, (enum sigv4_canon)canon, s3,
                                                    c.signed_headers, hash, arena);
            assert_string_equal(canonical.ptr, v->canonical);
        }
        str to_sign = sigv4_string_to_sign(STR("20260302T091542Z"), c.region, c.service,
                                           str_of(v->canonical), arena);
        assert_string_equal(to_sign.ptr, v->to_sign);
        if (verify(&r, now, SECRET, str_of(v->body_hash)))
            fail_msg("%s", v->says);
        assert_code(verify(&r, now, STR("another secret"), str_of(v->body_hash)),
                    "SignatureDoesNotMatch");
    }
}

static void one_changed_byte_breaks_a_signature(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const struct vector *v = &vectors[i];
        str parts[] = { str_of(v->method), str_of(v->path), str_of(v->query),
                        str_of(v->body_hash) };
        for (size_t p = 0; p < 4; p++) {
            for (size_t at = p == 1; at < parts[p].len; at++) { /* a path begins with its slash */
                AUTO_ARENA *a = arena_new(1 << 20);
                char *changed = (char *)arena_cstr(a, parts[p]);
                str is = { changed, parts[p].len };
                struct sigv4_request r = request_of(v);
                struct sigv4_claim c;
                changed[at] ^= 1;
                r.method = p == 0 ? is : r.method;
                r.raw_path = p == 1 ? is : r.raw_path;
                r.raw_query = p == 2 ? is : r.raw_query;
                if (sigv4_read(&r, now, a, &c) || c.form == SIGV4_ANONYMOUS)
                    continue;
                if (p == 3 && c.payload != SIGV4_PAYLOAD_BODY)
                    break; /* the hash was signed as a header: the body is compared later */
                if (!sigv4_check(&r, &c, SECRET, p == 3 ? is : str_of(v->body_hash), NULL, a))
                    fail_msg("%s: byte %zu of part %zu", v->says, at, p);
            }
        }
    }
}

/* A request of our own making, to bend. */
struct bent {
    const char *says, *authorization, *query, *date, *extra, *code;
    int64_t late_ms;
};
#define AUTH(scope, rest) "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" scope "/aws4_request, " rest
#define REST                                                                                       \
    "SignedHeaders=host;x-amz-date, "                                                              \
    "Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DATE "20260302T091542Z"
#define S3_REST                                                                                    \
    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "                                         \
    "Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define QUERY(expires, scope)                                                                      \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260302%2F" scope                   \
    "%2Faws4_request&X-Amz-Date=20260302T091542Z&X-Amz-Expires=" expires                           \
    "&X-Amz-SignedHeaders=host&X-Amz-Signature="                                                   \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* clang-format off */
static const struct bent bents[] = {
    { "fine but wrong", AUTH("20260302/us-east-1/ses", REST), "", DATE, NULL, "SignatureDoesNotMatch", 0 },
    { "no Credential", "AWS4-HMAC-SHA256 " REST, "", DATE, NULL, "IncompleteSignature", 0 },
    { "a Credential of three", AUTH("20260302/ses", REST), "", DATE, NULL, "IncompleteSignature", 0 },
    { "no Signature", AUTH("20260302/us-east-1/ses", "SignedHeaders=host"), "", DATE, NULL, "IncompleteSignature", 0 },
    { "a short Signature", AUTH("20260302/us-east-1/ses", "SignedHeaders=host, Signature=12"), "", DATE, NULL, "IncompleteSignature", 0 },
    { "a word without =", AUTH("20260302/us-east-1/ses", "x, " REST), "", DATE, NULL, "IncompleteSignature", 0 },
    { "an unknown parameter", AUTH("20260302/us-east-1/ses", "X=1, " REST), "", DATE, NULL, "IncompleteSignature", 0 },
    { "a parameter twice", AUTH("20260302/us-east-1/ses", REST ", SignedHeaders=host"), "", DATE, NULL, "IncompleteSignature", 0 },
    { "host unsigned", AUTH("20260302/us-east-1/ses", "SignedHeaders=x-amz-date, Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), "", DATE, NULL, "IncompleteSignature", 0 },
    { "a signed header that is not there", AUTH("20260302/us-east-1/ses", "SignedHeaders=host;x-amz-date;x-y, Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), "", DATE, NULL, "SignatureDoesNotMatch", 0 },
    { "an unsigned x-amz header", AUTH("20260302/us-east-1/ses", REST), "", DATE, "X-Amz-Target", "SignatureDoesNotMatch", 0 },
    { "another day in the scope", AUTH("20260301/us-east-1/ses", REST), "", DATE, NULL, "SignatureDoesNotMatch", 0 },
    { "no date", AUTH("20260302/us-east-1/ses", REST), "", NULL, NULL, "IncompleteSignature", 0 },
    { "a date that is none", AUTH("20260302/us-east-1/ses", REST), "", "20260302T251542Z", NULL, "IncompleteSignature", 0 },
    { "too old", AUTH("20260302/us-east-1/ses", REST), "", DATE, NULL, "SignatureDoesNotMatch", 900001 },
    { "too new", AUTH("20260302/us-east-1/ses", REST), "", DATE, NULL, "SignatureDoesNotMatch", -900001 },
    { "version 2", "AWS AKIDEXAMPLE:abc=", "", DATE, NULL, "InvalidRequest", 0 },
    { "another scheme", "Bearer x", "", DATE, NULL, "IncompleteSignature", 0 },
    { "two ways at once", AUTH("20260302/us-east-1/ses", REST), QUERY("60", "us-east-1%2Fses"), DATE, NULL, "InvalidArgument", 0 },
    { "s3: too old", AUTH("20260302/us-east-1/s3", S3_REST), "", DATE, "X-Amz-Content-Sha256", "RequestTimeTooSkewed", 900001 },
    { "s3: another day", AUTH("20260301/us-east-1/s3", S3_REST), "", DATE, "X-Amz-Content-Sha256", "AuthorizationHeaderMalformed", 0 },
    { "s3: no payload hash", AUTH("20260302/us-east-1/s3", REST), "", DATE, NULL, "InvalidRequest", 0 },
    { "s3: a payload hash that is none", AUTH("20260302/us-east-1/s3", S3_REST), "", DATE, "X-Amz-Content-Sha256", "InvalidArgument", 0 },
    { "s3: an unsigned x-amz header", AUTH("20260302/us-east-1/s3", REST), "", DATE, "X-Amz-Acl", "AccessDenied", 0 },
    { "query: fine but wrong", NULL, QUERY("60", "us-east-1%2Fs3"), NULL, NULL, "SignatureDoesNotMatch", 60000 },
    { "query: expired", NULL, QUERY("60", "us-east-1%2Fs3"), NULL, NULL, "AccessDenied", 60001 },
    { "query: not yet", NULL, QUERY("60", "us-east-1%2Fs3"), NULL, NULL, "AccessDenied", -900001 },
    { "query: expired elsewhere", NULL, QUERY("60", "us-east-1%2Fses"), NULL, NULL, "SignatureDoesNotMatch", 60001 },
    { "query: more than a week", NULL, QUERY("604801", "us-east-1%2Fs3"), NULL, NULL, "AuthorizationQueryParametersError", 0 },
    { "query: no number", NULL, QUERY("-1", "us-east-1%2Fs3"), NULL, NULL, "AuthorizationQueryParametersError", 0 },
    { "query: nothing but an algorithm", NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256", NULL, NULL, "IncompleteSignature", 0 },
    { "query: a parameter twice", NULL, QUERY("60", "us-east-1%2Fs3") "&X-Amz-Expires=61", NULL, NULL, "IncompleteSignature", 0 },
    { "query: version 2", NULL, "AWSAccessKeyId=A&Signature=x&Expires=1", NULL, NULL, "InvalidRequest", 0 },
};
/* clang-format on */

struct unread {
    const char *says, *authorization, *query, *code, *s3_code;
};
/* clang-format off */
static const struct unread unread[] = {
    { "another scheme",              "Bearer x",                      "", "IncompleteSignature", "InvalidArgument" },
    { "no scheme",                   "",                              "", "IncompleteSignature", "InvalidArgument" },
    { "no Credential",               "AWS4-HMAC-SHA256 " REST,        "", "IncompleteSignature", "AuthorizationHeaderMalformed" },
    { "a word without =",            "AWS4-HMAC-SHA256 x",            "", "IncompleteSignature", "AuthorizationHeaderMalformed" },
    { "a Credential of three",       AUTH("20260302/s3", REST),       "", "IncompleteSignature", "AuthorizationHeaderMalformed" },
    { "nothing but an algorithm",    NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256", "IncompleteSignature", "AuthorizationQueryParametersError" },
    { "a parameter twice",           NULL, QUERY("60", "us-east-1%2Fs3") "&X-Amz-Expires=61", "IncompleteSignature", "AuthorizationQueryParametersError" },
    { "a scope says more than that", AUTH("20260302/us-east-1/ses", "SignedHeaders=host"), "", "IncompleteSignature", "IncompleteSignature" },
};
/* clang-format on */

static void without_a_scope_the_words_are_of_whoever_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(unread) / sizeof(unread[0]); i++) {
        const struct unread *u = &unread[i / 2];
        const char *code = i % 2 ? u->s3_code : u->code;
        struct sigv4_field fields[] = { { STR("Host"), STR("x.test") },
                                        { STR("x-amz-date"), STR(DATE) },
                                        { STR("Authorization"), str_of(u->authorization) } };
        struct sigv4_request r = { .method = STR("GET"),
                                   .raw_path = STR("/"),
                                   .raw_query = str_of(u->query),
                                   .fields = fields,
                                   .field_count = u->authorization ? 3 : 2,
                                   .asks_s3 = i % 2 };
        const struct fault *f = verify(&r, now, SECRET, EMPTY);
        if (!f || !f->code || strcmp(f->code, code) != 0)
            fail_msg("%s: %s, not %s", u->says, f && f->code ? f->code : "no fault", code);
    }
}

static void what_is_wrong_has_the_code_aws_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bents) / sizeof(bents[0]); i++) {
        const struct bent *b = &bents[i];
        struct sigv4_field fields[4] = { { STR("Host"), STR("x.test") } };
        struct sigv4_request r = { .method = STR("GET"),
                                   .raw_path = STR("/"),
                                   .raw_query = str_of(b->query),
                                   .fields = fields,
                                   .field_count = 1 };
        if (b->authorization)
            fields[r.field_count++] =
                (struct sigv4_field) { STR("Authorization"), str_of(b->authorization) };
        if (b->date)
            fields[r.field_count++] = (struct sigv4_field) { STR("x-amz-DATE"), str_of(b->date) };
        if (b->extra)
            fields[r.field_count++] = (struct sigv4_field) { str_of(b->extra), STR("v") };
        const struct fault *f = verify(&r, now + b->late_ms, SECRET, EMPTY);
        if (!f || !f->code || strcmp(f->code, b->code) != 0)
            fail_msg("%s: %s, not %s", b->says, f && f->code ? f->code : "no fault", b->code);
    }
}

static void a_request_without_a_signature_is_anonymous(void **state)
{
    (void)state;
    struct sigv4_field fields[] = { { STR("Host"), STR("x.test") },
                                    { STR("x-amz-content-sha256"),
                                      STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER") } };
    struct sigv4_request r = {
        .method = STR("PUT"), .raw_path = STR("/b/k"), .fields = fields, .field_count = 2
    };
    struct sigv4_claim c;
    assert_null(sigv4_read(&r, now, arena, &c));
    assert_int_equal(c.form, SIGV4_ANONYMOUS);
    assert_int_equal(c.payload, SIGV4_PAYLOAD_UNSIGNED_TRAILER);
    fields[1].value = STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"); /* chunks signed by nobody */
    assert_code(sigv4_read(&r, now, arena, &c), "InvalidArgument");
    assert_code(sigv4_unsigned(true, arena), "AccessDenied");
    assert_code(sigv4_unsigned(false, arena), "MissingAuthenticationToken");
}

static void a_date_header_stands_in_for_x_amz_date(void **state)
{
    (void)state;
    struct sigv4_field fields[] = { { STR("Host"), STR("x.test") },
                                    { STR("Date"), STR("Mon, 02 Mar 2026 09:15:42 GMT") },
                                    { STR("Authorization"), STR_NONE } };
    str canonical = STR("GET\n/\n\ndate:Mon, 02 Mar 2026 09:15:42 GMT\nhost:x.test\n\ndate;host\n"
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    unsigned char key[SHA256_SIZE];
    char hex[2 * SHA256_SIZE];
    sigv4_key(NULL, SECRET, STR("20260302"), STR("us-east-1"), STR("ses"), key);
    sigv4_signature(
        key, sigv4_string_to_sign(STR(DATE), STR("us-east-1"), STR("ses"), canonical, arena), hex);
    fields[2].value = arena_strf(
        arena, AUTH("20260302/us-east-1/ses", "SignedHeaders=date;host, Signature=%.64s"), hex);
    struct sigv4_request r = {
        .method = STR("GET"), .raw_path = STR("/"), .fields = fields, .field_count = 3
    };
    assert_null(verify(&r, now, SECRET, EMPTY));
}

static void a_client_may_sign_its_own_escapes_or_the_manuals(void **state)
{
    (void)state;
    static const struct {
        const char *sent_path, *sent_query, *signed_path, *signed_query;
    } cases[] = {
        { "/b/a(b)'c", "prefix=a/b&x", "/b/a(b)'c", "prefix=a/b&x=" },
        { "/b/a(b)'c", "prefix=a/b&x", "/b/a%28b%29%27c", "prefix=a%2Fb&x=" },
        { "/b/%7e", "p=a+b", "/b/~", "p=a%20b" },
    };
    for (size_t i = 0; i < 3; i++) {
        struct sigv4_field fields[4] = { { STR("Host"), STR("x.test") },
                                         { STR("X-Amz-Date"), STR(DATE) },
                                         { STR("X-Amz-Content-Sha256"), STR("UNSIGNED-PAYLOAD") } };
        str names = STR("host;x-amz-content-sha256;x-amz-date");
        str canonical =
            arena_strf(arena,
                       "GET\n%s\n%s\nhost:x.test\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
                       "x-amz-date:" DATE "\n\n" STR_FMT "\nUNSIGNED-PAYLOAD",
                       cases[i].signed_path, cases[i].signed_query, STR_ARG(names));
        unsigned char key[SHA256_SIZE];
        char hex[2 * SHA256_SIZE];
        sigv4_key(NULL, SECRET, STR("20260302"), STR("us-east-1"), STR("s3"), key);
        sigv4_signature(
            key, sigv4_string_to_sign(STR(DATE), STR("us-east-1"), STR("s3"), canonical, arena),
            hex);
        fields[3] = (struct sigv4_field) {
            STR("Authorization"),
            arena_strf(arena,
                       AUTH("20260302/us-east-1/s3", "SignedHeaders=" STR_FMT ",Signature=%.64s"),
                       STR_ARG(names), hex)
        };
        struct sigv4_request r = { .method = STR("GET"),
                                   .raw_path = str_of(cases[i].sent_path),
                                   .raw_query = str_of(cases[i].sent_query),
                                   .fields = fields,
                                   .field_count = 4 };
        if (verify(&r, now, SECRET, STR_NONE))
            fail_msg("%s as %s", cases[i].sent_path, cases[i].signed_path);
    }
}

static void paths_of_other_services_are_made_simple_and_escaped_twice(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *canonical;
    } cases[] = {
        { "", "/" },          { "/", "/" },        { "/a//b/", "/a/b/" },
        { "/a/./b", "/a/b" }, { "/a/../b", "/b" }, { "/../..", "/" },
        { "/a/..", "/" },     { "/a/.", "/a/" },   { "/a%20b/c:d", "/a%2520b/c%3Ad" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sigv4_request r = { .method = STR("GET"), .raw_path = str_of(cases[i].raw) };
        str text = sigv4_canonical_request(&r, SIGV4_AS_SENT, false, STR(""), STR("x"), arena);
        str line = str_from(text, 4);
        assert_true(str_eq(str_head(line, str_find(line, '\n')), str_of(cases[i].canonical)));
        text = sigv4_canonical_request(&r, SIGV4_AS_SENT, true, STR(""), STR("x"), arena);
        line = str_from(text, 4);
        assert_true(
            str_eq(str_head(line, str_find(line, '\n')), i ? str_of(cases[i].raw) : STR("/")));
    }
}

static void what_we_sign_we_take_and_botocore_signs_the_same(void **state)
{
    (void)state;
    struct sigv4_keys keys = { 0 };
    for (size_t i = 0; i < COUNT; i++) {
        struct sigv4_request r = request_of(&vectors[i]), bare = r;
        struct sigv4_field kept[12], added[SIGV4_FIELDS], all[16];
        struct sigv4_claim c;
        size_t count = 0, more = 0;
        assert_null(sigv4_read(&r, now, arena, &c));
        if (c.form != SIGV4_HEADER)
            continue;
        for (size_t k = 0; k < r.field_count; k++)
            if (!str_eq_nocase(r.fields[k].name, STR("authorization")) &&
                !str_eq_nocase(r.fields[k].name, STR("x-amz-date")) &&
                !str_eq_nocase(r.fields[k].name, STR("x-amz-content-sha256")) &&
                !str_eq_nocase(r.fields[k].name, STR("x-amz-security-token")))
                kept[count++] = r.fields[k];
        bare.fields = kept;
        bare.field_count = count;
        struct sigv4_signer signer = { .access_key_id = ACCESS,
                                       .secret = SECRET,
                                       .security_token = c.security_token,
                                       .region = c.region,
                                       .service = c.service,
                                       .now_ms = now };
        str hash = c.payload == SIGV4_PAYLOAD_BODY ? str_of(vectors[i].body_hash) : c.payload_hash;
        assert_null(sigv4_sign(&bare, &signer, hash, &keys, arena, added, &more));
        memcpy(all, kept, count * sizeof(all[0]));
        memcpy(all + count, added, more * sizeof(all[0]));
        bare.fields = all;
        bare.field_count = count + more;
        assert_null(verify(&bare, now, SECRET, hash));
    }
}

static void a_presigned_request_of_ours_holds(void **state)
{
    (void)state;
    struct sigv4_field host = { STR("Host"), STR("x.test") };
    static const str services[] = { STR_INIT("s3"), STR_INIT("sts") };
    for (size_t i = 0; i < 2; i++) {
        struct sigv4_request r = { .method = STR("GET"),
                                   .raw_path = STR("/b/a%20b"),
                                   .raw_query = STR("z=1&a=2"),
                                   .fields = &host,
                                   .field_count = 1 };
        struct sigv4_signer signer = { .access_key_id = ACCESS,
                                       .secret = SECRET,
                                       .security_token = STR("t/o+k=n"),
                                       .region = STR("us-east-1"),
                                       .service = services[i],
                                       .now_ms = now };
        assert_null(sigv4_presign(&r, &signer, 60, NULL, arena, &r.raw_query));
        assert_null(verify(&r, now + 59000, SECRET, EMPTY));
        assert_non_null(verify(&r, now + 61000, SECRET, EMPTY));
        struct sigv4_claim c;
        assert_null(sigv4_read(&r, now, arena, &c));
        assert_true(str_eq(c.security_token, STR("t/o+k=n")));
    }
}

static void a_kept_key_is_the_derived_one(void **state)
{
    (void)state;
    struct sigv4_keys keys = { 0 };
    for (int round = 0; round < 3; round++) {
        for (int day = 0; day < 100; day++) {
            unsigned char kept[SHA256_SIZE], fresh[SHA256_SIZE];
            str text = arena_strf(arena, "202603%02d", day);
            sigv4_key(&keys, SECRET, text, STR("us-east-1"), STR("s3"), kept);
            sigv4_key(NULL, SECRET, text, STR("us-east-1"), STR("s3"), fresh);
            assert_memory_equal(kept, fresh, SHA256_SIZE);
        }
    }
}

static void an_unknown_key_has_its_codes(void **state)
{
    (void)state;
    struct sigv4_claim c = { .service = STR("s3") };
    assert_code(sigv4_unknown_key(&c, arena), "InvalidAccessKeyId");
    c.service = STR("ses");
    assert_code(sigv4_unknown_key(&c, arena), "InvalidClientTokenId");
    assert_code(sigv4_wrong_body(arena), "XAmzContentSHA256Mismatch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_botocore_signed_holds_with_every_intermediate_value),
        cmocka_unit_test(one_changed_byte_breaks_a_signature),
        cmocka_unit_test(what_is_wrong_has_the_code_aws_gives),
        cmocka_unit_test(without_a_scope_the_words_are_of_whoever_is_asked),
        cmocka_unit_test(a_request_without_a_signature_is_anonymous),
        cmocka_unit_test(a_date_header_stands_in_for_x_amz_date),
        cmocka_unit_test(a_client_may_sign_its_own_escapes_or_the_manuals),
        cmocka_unit_test(paths_of_other_services_are_made_simple_and_escaped_twice),
        cmocka_unit_test(what_we_sign_we_take_and_botocore_signs_the_same),
        cmocka_unit_test(a_presigned_request_of_ours_holds),
        cmocka_unit_test(a_kept_key_is_the_derived_one),
        cmocka_unit_test(an_unknown_key_has_its_codes),
    };
    return cmocka_run_group_tests(tests, make, end);
}

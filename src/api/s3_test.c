/* S3 over REST-XML: what a client sends, and what it is told. Mostly tables over one fixture, so it
 * stays whole. */
#include "api/api.h"
#include "api/run.h"
#include "services/s3/s3.h"
#include "services/stage_suite.h"
#include "store/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    struct stage stage;
    struct objects *objects;
    struct api api;
    struct caller caller;
};

/* One request, told in a line of members. */
struct request {
    const char *region; /* NULL: us-east-1 */
    const char *bucket, *key;
    const char *headers[8], *params[12]; /* name, value, name, value, ... */
    const char *text;
};
struct reply {
    const struct fault *why;
    struct api_answer answer;
    str text;
};

static int64_t standing(struct clock *clock)
{
    (void)clock;
    return 1772442942317;
}
static struct clock still = { standing, standing };

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    stage_begin(&f->stage);
    f->stage.outside.clock = &still;
    f->caller = caller_root(STR("111122223333"));
    str directory = arena_strf(f->stage.arena, "%s/objects", f->stage.folder.path);
    assert_null(objects_files_open(directory, &f->stage.outside, f->stage.arena, &f->objects));
    assert_null(s3_embedded_open(f->objects, f->stage.state, f->stage.worlds, &f->stage.outside,
                                 f->stage.arena, &f->api.s3));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    f->objects->ops->close(f->objects);
    stage_end(&f->stage);
    free(f);
    return 0;
}

static struct header *pairs(struct fixture *f, const char *const *texts, size_t max,
                            size_t *ret_count)
{
    struct header *headers = ARENA_ARRAY(f->stage.arena, struct header, max / 2 + 1);
    *ret_count = 0;
    for (size_t i = 0; i + 1 < max && texts[i]; i += 2)
        headers[(*ret_count)++] = (struct header) { str_of(texts[i]), str_of(texts[i + 1]) };
    return headers;
}

static struct api_call *call_of(struct fixture *f, const struct request *r)
{
    struct api_call *call = ARENA_NEW(f->stage.arena, struct api_call);
    *call = (struct api_call) { .call = stage_call_as(&f->stage, &f->caller),
                                .account = f->caller.account,
                                .bucket = str_of(r->bucket),
                                .key = str_of(r->key),
                                .text = r->text ? str_of(r->text) : STR("") };
    if (r->region)
        call->call.region = str_of(r->region);
    call->headers = pairs(f, r->headers, 8, &call->header_count);
    call->params = pairs(f, r->params, 12, &call->param_count);
    call->body_size = call->text.len;
    return call;
}

static struct reply ask(struct fixture *f, operation_fn *run, const struct request *r)
{
    struct reply reply = { .answer = { .text = buf_new(1 << 20) } };
    reply.why = run(&f->api, call_of(f, r), &reply.answer);
    reply.text = arena_str(f->stage.arena, buf_str(&reply.answer.text));
    buf_free(&reply.answer.text);
    return reply;
}

static struct reply put(struct fixture *f, const struct request *r, const char *trailer,
                        const char *value)
{
    struct reply reply = { 0 };
    struct api_call *call = call_of(f, r);
    void *stream;
    reply.why = stream_s3_PutObject.open(&f->api, call, &stream);
    for (size_t i = 0; !reply.why && i < call->text.len; i++) {
        reply.why = stream_s3_PutObject.write(stream, (str) { call->text.ptr + i, 1 });
        if (reply.why)
            stream_s3_PutObject.cancel(stream);
    }
    struct header trailers[] = { { str_of(trailer), str_of(value) } };
    call->trailers = trailers;
    call->trailer_count = trailer ? 1 : 0;
    if (!reply.why)
        reply.why = stream_s3_PutObject.finish(stream, call, &reply.answer);
    return reply;
}

static void assert_says(struct fixture *f, const struct reply *reply, const char *wants)
{
    const char *says = stage_says(&f->stage, reply->why);
    if (strncmp(says, wants, strlen(wants)) != 0 || (!*wants && *says))
        fail_msg("wanted %s, got %s", wants, says);
}

static void assert_header(const struct reply *reply, const char *name, const char *value)
{
    str got = STR_NONE;
    for (size_t i = 0; i < reply->answer.header_count; i++)
        if (str_eq_nocase(reply->answer.headers[i].name, str_of(name)))
            got = reply->answer.headers[i].value;
    if (str_is_none(got) != !value || !str_eq(got, str_of(value)))
        fail_msg("%s: " STR_FMT, name, STR_ARG(got));
}

static void assert_text(const struct reply *reply, const char *wants)
{
    if (!str_eq(reply->text, str_of(wants)))
        fail_msg("got " STR_FMT, STR_ARG(reply->text));
}

static void make_bucket(struct fixture *f)
{
    struct reply reply = ask(f, run_s3_CreateBucket, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "");
    assert_header(&reply, "Location", "/mail");
}

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS  " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define AT  "2026-03-02T09:15:42.000Z"

static void buckets_are_made_found_and_listed(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    struct reply reply = ask(f, run_s3_HeadBucket, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "");
    assert_header(&reply, "x-amz-bucket-region", "us-east-1");
    reply = ask(f, run_s3_GetBucketLocation, &(struct request) { .bucket = "mail" });
    assert_text(&reply, XML "<LocationConstraint" NS "></LocationConstraint>");
    reply = ask(f, run_s3_ListBuckets, &(struct request) { 0 });
    assert_says(f, &reply, "");
    str list = STR("<Buckets><Bucket><Name>mail</Name><CreationDate>" AT
                   "</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>");
    assert_true(str_ends(reply.text, list));
    reply = ask(f, run_s3_DeleteBucket, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "");
    assert_int_equal(reply.answer.status, 204);
    reply = ask(f, run_s3_HeadBucket, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "NoSuchBucket: ");
}

struct place_case {
    const char *says, *region, *constraint, *wants;
};
#define IN(region)                                                                                 \
    "<CreateBucketConfiguration" NS "><LocationConstraint>" region                                 \
    "</LocationConstraint></CreateBucketConfiguration>"
/* clang-format off */
static const struct place_case places[] = {
    { "any Region from the first one",   "us-east-1", IN("eu-west-1"), "" },
    { "Europe by its old name",          "us-east-1", IN("EU"),        "" },
    { "its own Region, named",           "eu-west-1", IN("eu-west-1"), "" },
    { "its own Region, not named",       "eu-west-1", "",              "IllegalLocationConstraintException: The unspecified location constraint is incompatible for the region specific endpoint this request was sent to." },
    { "another Region",                  "eu-west-1", IN("eu-west-2"), "IllegalLocationConstraintException: The eu-west-2 location constraint" },
    { "the first Region has no name",    "us-east-1", IN("us-east-1"), "InvalidLocationConstraint: The specified location-constraint is not valid" },
    { "no Region at all",                "us-east-1", IN("a_b"),       "InvalidLocationConstraint: " },
    { "no XML",                          "us-east-1", "<Create",       "MalformedXML: " },
    { "another document",                "us-east-1", "<a/>",          "MalformedXML: " },
    { "two Regions",                     "us-east-1", "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint><LocationConstraint>eu-west-2</LocationConstraint></CreateBucketConfiguration>", "MalformedXML: " },
};
/* clang-format on */

static void a_bucket_is_made_where_the_endpoint_may_make_it(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char name[32];
        snprintf(name, sizeof name, "bucket-%zu", i);
        struct reply reply =
            ask(f, run_s3_CreateBucket,
                &(struct request) {
                    .bucket = name, .region = places[i].region, .text = places[i].constraint });
        assert_says(f, &reply, places[i].wants);
        if (*places[i].wants)
            continue;
        reply = ask(f, run_s3_GetBucketLocation, &(struct request) { .bucket = name });
        assert_text(&reply, XML "<LocationConstraint" NS ">eu-west-1</LocationConstraint>");
    }
}

static void a_policy_goes_in_and_comes_out_unchanged(void **state)
{
    struct fixture *f = *state;
    static const char policy[] =
        "{ \"Statement\": {\"Effect\":\"Allow\",\"Principal\":\"*\","
        "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}}";
    make_bucket(f);
    struct reply reply = ask(f, run_s3_GetBucketPolicy, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "NoSuchBucketPolicy: The bucket policy does not exist");
    reply = ask(f, run_s3_PutBucketPolicy, &(struct request) { .bucket = "mail", .text = policy });
    assert_says(f, &reply, "");
    assert_int_equal(reply.answer.status, 204);
    reply = ask(f, run_s3_GetBucketPolicy, &(struct request) { .bucket = "mail" });
    assert_text(&reply, policy);
    assert_header(&reply, "Content-Type", "application/json");
    reply = ask(f, run_s3_DeleteBucketPolicy, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "");
    reply = ask(f, run_s3_PutBucketPolicy, &(struct request) { .bucket = "mail", .text = "" });
    assert_says(f, &reply,
                "MalformedPolicy: Policies must be valid JSON and the first byte must be '{'");
}

static str body_of(struct fixture *f, struct reply *reply)
{
    str all = STR(""), chunk = STR_NONE;
    while (reply->answer.body) {
        assert_null(reply->answer.body->read(reply->answer.body, &chunk));
        if (chunk.len == 0)
            break;
        all = arena_strf(f->stage.arena, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(chunk));
    }
    return all;
}

#define ETAG "\"e80b5017098950fc58aad83c8c14978e\"" /* of abcdef */

static void an_object_comes_back_with_what_was_said_of_it(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    struct request in = { .bucket = "mail",
                          .key = "in/1",
                          .headers = { "Content-Type", "message/rfc822", "X-Amz-Meta-From", "a",
                                       "x-amz-meta-from", "b", "Content-Encoding",
                                       "aws-chunked,gzip" },
                          .text = "abcdef" };
    struct reply reply = put(f, &in, NULL, NULL);
    assert_says(f, &reply, "");
    assert_header(&reply, "ETag", ETAG);
    const struct request out = { .bucket = "mail", .key = "in/1" };
    reply = ask(f, run_s3_GetObject, &out);
    assert_says(f, &reply, "");
    assert_int_equal(reply.answer.status, 0);
    assert_true(str_eq(body_of(f, &reply), STR("abcdef")));
    assert_header(&reply, "ETag", ETAG);
    assert_header(&reply, "Content-Type", "message/rfc822");
    assert_header(&reply, "Content-Encoding", "gzip");
    assert_header(&reply, "x-amz-meta-from", "a,b");
    assert_header(&reply, "Last-Modified", "Mon, 02 Mar 2026 09:15:42 GMT");
    assert_header(&reply, "Accept-Ranges", "bytes");
    reply = ask(f, run_s3_HeadObject, &out);
    assert_header(&reply, "Content-Length", "6");
    assert_null(reply.answer.body);
    reply = ask(f, run_s3_GetObject,
                &(struct request) { .bucket = "mail",
                                    .key = "in/1",
                                    .headers = { "Range", "bytes=1-2" },
                                    .params = { "response-content-type", "text/plain" } });
    assert_int_equal(reply.answer.status, 206);
    assert_true(str_eq(body_of(f, &reply), STR("bc")));
    assert_header(&reply, "Content-Range", "bytes 1-2/6");
    assert_header(&reply, "Content-Type", "text/plain");
    reply = ask(f, run_s3_GetObject,
                &(struct request) {
                    .bucket = "mail", .key = "in/1", .headers = { "If-None-Match", ETAG } });
    assert_int_equal(reply.answer.status, 304);
    assert_null(reply.answer.body);
    assert_header(&reply, "Content-Length", "6");
    reply = ask(f, run_s3_DeleteObject, &out);
    assert_says(f, &reply, "");
    assert_int_equal(reply.answer.status, 204);
    reply = ask(f, run_s3_GetObject, &out);
    assert_says(f, &reply, "NoSuchKey: The specified key does not exist.");
}

struct put_case {
    const char *says, *header, *value, *trailer, *trailer_value, *wants;
};
/* clang-format off */
static const struct put_case puts_[] = { /* of "123456789" */
    { "nothing special",            NULL,                            NULL,       NULL,                    NULL,       "" },
    { "a checksum in a field",      "x-amz-checksum-crc32",          "y/Q5Jg==", NULL,                    NULL,       "" },
    { "a wrong one",                "x-amz-checksum-crc32",          "AAAAAA==", NULL,                    NULL,       "BadDigest: " },
    { "a checksum in a trailer",    "x-amz-trailer",                 "x-amz-checksum-crc32", "x-amz-checksum-crc32", "y/Q5Jg==", "" },
    { "a wrong one",                "x-amz-trailer",                 "x-amz-checksum-crc32", "x-amz-checksum-crc32", "AAAAAA==", "BadDigest: " },
    { "a trailer that stays away",  "x-amz-trailer",                 "x-amz-checksum-crc32", NULL,        NULL,       "MalformedTrailerError: " },
    { "another in its place",       "x-amz-trailer",                 "x-amz-checksum-crc32", "x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=", "MalformedTrailerError: " },
    { "one nobody announced",       NULL,                            NULL,       "x-amz-checksum-crc32",  "y/Q5Jg==", "MalformedTrailerError: " },
    { "a trailer of another kind",  "x-amz-trailer",                 "x-amz-meta-a", "x-amz-meta-a",      "b",        "InvalidRequest: The value specified in the x-amz-trailer header is not supported" },
    { "an algorithm and no sum",    "x-amz-sdk-checksum-algorithm",  "CRC32",    NULL,                    NULL,       "InvalidRequest: x-amz-sdk-checksum-algorithm specified, but no corresponding" },
    { "a field no HTTP carries",    "x-amz-meta-a",                  "b\r\nc: d", NULL,                   NULL,       "InvalidArgument: " },
    { "nor a name",                 "x-amz-meta-a b",                "c",        NULL,                    NULL,       "InvalidArgument: " },
    { "an unknown checksum",        "x-amz-checksum-md6",            "AAAA",     NULL,                    NULL,       "NotImplemented: " },
    { "a wrong Content-MD5",        "Content-MD5",                   "kAFQmDzST7DWlj99KOF/cg==", NULL,    NULL,       "BadDigest: " },
    { "encryption by the server",   "x-amz-server-side-encryption",  "AES256",   NULL,                    NULL,       "" },
    { "in two layers",              "x-amz-server-side-encryption",  "aws:kms:dsse", NULL,                NULL,       "NotImplemented: A header you provided implies functionality that is not implemented" },
    { "in a way nobody knows",      "x-amz-server-side-encryption",  "rot13",    NULL,                    NULL,       "InvalidEncryptionAlgorithmError: " },
    { "a key without its way",      "x-amz-server-side-encryption-aws-kms-key-id", "k", NULL,             NULL,       "InvalidArgument: Server Side Encryption with AWS KMS" },
    { "a key of the customer's",    "x-amz-server-side-encryption-customer-algorithm", "AES256", NULL,    NULL,       "NotImplemented: " },
    { "the usual storage class",    "x-amz-storage-class",           "STANDARD", NULL,                    NULL,       "" },
    { "the owner's own ACL",        "x-amz-acl",                     "private",  NULL,                    NULL,       "" },
    { "an ACL for all",             "x-amz-acl",                     "public-read", NULL,                 NULL,       "AccessControlListNotSupported: The bucket does not allow ACLs" },
    { "only when it is new",        "If-None-Match",                 "*",        NULL,                    NULL,       "" },
    { "only when it is this one",   "If-Match",                      "\"x\"",    NULL,                    NULL,       "NotImplemented: " },
    { "another owner expected",     "x-amz-expected-bucket-owner",   "444455556666", NULL,                NULL,       "AccessDenied: " },
};
/* clang-format on */

static void a_put_is_taken_or_refused_as_its_headers_say(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    for (size_t i = 0; i < sizeof puts_ / sizeof *puts_; i++) {
        const struct put_case *c = &puts_[i];
        char key[32];
        snprintf(key, sizeof key, "k%zu", i);
        struct reply reply = put(f,
                                 &(struct request) { .bucket = "mail",
                                                     .key = key,
                                                     .headers = { c->header, c->value },
                                                     .text = "123456789" },
                                 c->trailer, c->trailer_value);
        assert_says(f, &reply, c->wants);
        struct reply found = ask(
            f, run_s3_HeadObject,
            &(struct request) {
                .bucket = "mail", .key = key, .headers = { "x-amz-checksum-mode", "ENABLED" } });
        assert_says(f, &found, *c->wants ? "NoSuchKey: " : "");
        if (c->header && strcmp(c->header, "x-amz-checksum-crc32") == 0 && !*c->wants)
            assert_header(&found, "x-amz-checksum-crc32", "y/Q5Jg==");
    }
}

static void one_body_has_one_checksum(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    struct reply reply = put(
        f,
        &(struct request) { .bucket = "mail",
                            .key = "k",
                            .headers = { "x-amz-checksum-crc32", "AAAAAA==", "x-amz-checksum-sha1",
                                         "98O8HYCOBHMq32eZZczDTKeuNEE=" },
                            .text = "123456789" },
        NULL, NULL);
    assert_says(f, &reply, "InvalidRequest: Expecting a single x-amz-checksum- header.");
    reply = put(f,
                &(struct request) { .bucket = "mail",
                                    .key = "k",
                                    .headers = { "x-amz-sdk-checksum-algorithm", "MD5",
                                                 "Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw==" },
                                    .text = "123456789" },
                NULL, NULL);
    assert_says(f, &reply, "");
}

static void a_gathered_body_is_held_against_its_checksums(void **state)
{
    static const char policy[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\","
        "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}]}";
    struct fixture *f = *state;
    make_bucket(f);
    struct request in = { .bucket = "mail",
                          .headers = { "Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw==" },
                          .text = policy };
    struct reply reply = ask(f, run_s3_PutBucketPolicy, &in);
    assert_says(f, &reply, "BadDigest: ");
    in.headers[0] = "x-amz-checksum-crc32";
    in.headers[1] = "y/Q5Jg==";
    reply = ask(f, run_s3_PutBucketPolicy, &in);
    assert_says(f, &reply, "BadDigest: ");
    reply = ask(f, run_s3_GetBucketPolicy, &(struct request) { .bucket = "mail" });
    assert_says(f, &reply, "NoSuchBucketPolicy: ");
    reply = ask(
        f, run_s3_CreateBucket,
        &(struct request) { .bucket = "other", .headers = { "x-amz-checksum-crc32", "y/Q5Jg==" } });
    assert_says(f, &reply, "BadDigest: ");
}

static void an_object_has_as_many_fields_as_a_put_may_bring(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    for (size_t count = METADATA_FIELDS_MAX; count <= METADATA_FIELDS_MAX + 1; count++) {
        struct api_call *call =
            call_of(f, &(struct request) { .bucket = "mail", .key = "k", .text = "" });
        struct header *headers = ARENA_ARRAY(f->stage.arena, struct header, count + 6);
        for (size_t i = 0; i < count; i++)
            headers[i] =
                (struct header) { arena_strf(f->stage.arena, "x-amz-meta-%zu", i), STR("v") };
        static const char *const more[] = { "content-type",     "cache-control",
                                            "expires",          "content-disposition",
                                            "content-encoding", "content-language" };
        for (size_t i = 0; i < 6; i++)
            headers[count + i] = (struct header) { str_of(more[i]), STR("v") };
        call->headers = headers;
        call->header_count = count + 6;
        void *stream;
        struct reply reply = { .why = stream_s3_PutObject.open(&f->api, call, &stream) };
        assert_says(f, &reply, count > METADATA_FIELDS_MAX ? "MetadataTooLarge: " : "");
        if (!reply.why)
            assert_null(stream_s3_PutObject.finish(stream, call, &reply.answer));
    }
    struct reply reply =
        ask(f, run_s3_HeadObject,
            &(struct request) {
                .bucket = "mail", .key = "k", .headers = { "x-amz-checksum-mode", "ENABLED" } });
    assert_says(f, &reply, "");
    assert_header(&reply, "x-amz-meta-63", "v");
    assert_header(&reply, "Content-Language", "v");
}

/* Latin-1, UTF-8, or neither: what a field held is not ours to understand. */
static void a_field_comes_back_byte_for_byte(void **state)
{
    static const char *const values[] = { "caf\xe9", "caf\xc3\xa9", "\xff\xfe",
                                          "\xf0\x9f\x98\x80" };
    struct fixture *f = *state;
    make_bucket(f);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct reply reply = put(f,
                                 &(struct request) { .bucket = "mail",
                                                     .key = "k",
                                                     .headers = { "Content-Disposition", values[i],
                                                                  "x-amz-meta-a", values[i] },
                                                     .text = "" },
                                 NULL, NULL);
        assert_says(f, &reply, "");
        reply = ask(f, run_s3_HeadObject, &(struct request) { .bucket = "mail", .key = "k" });
        assert_header(&reply, "Content-Disposition", values[i]);
        assert_header(&reply, "x-amz-meta-a", values[i]);
    }
}

static void no_condition_or_wish_is_passed_over(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    struct reply reply =
        put(f, &(struct request) { .bucket = "mail", .key = "k", .text = "x" }, NULL, NULL);
    assert_says(f, &reply, "");
    static const char *const conditions[] = { "If-Match", "x-amz-if-match-size",
                                              "x-amz-if-match-last-modified-time" };
    for (size_t i = 0; i < 3; i++) {
        reply = ask(
            f, run_s3_DeleteObject,
            &(struct request) { .bucket = "mail", .key = "k", .headers = { conditions[i], "7" } });
        assert_says(f, &reply, "NotImplemented: ");
    }
    reply = ask(
        f, run_s3_GetObject,
        &(struct request) { .bucket = "mail",
                            .key = "k",
                            .params = { "response-content-disposition", "a\r\nSet-Cookie: b" } });
    assert_says(f, &reply, "InvalidArgument: ");
    static const char *const wishes[] = {
        "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"
        "</CreateBucketConfiguration>",
        "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket>"
        "</CreateBucketConfiguration>",
    };
    for (size_t i = 0; i < 2; i++) {
        reply =
            ask(f, run_s3_CreateBucket, &(struct request) { .bucket = "other", .text = wishes[i] });
        assert_says(f, &reply, "NotImplemented: ");
    }
}

struct bucket_list_case {
    const char *says, *params[12], *wants; /* behind </Owner> */
};
#define BUCKET(name, region)                                                                       \
    "<Bucket><Name>" name "</Name><CreationDate>2026-03-02T09:15:42.000Z</CreationDate>"           \
    "<BucketRegion>" region "</BucketRegion></Bucket>"
/* clang-format off */
static const struct bucket_list_case bucket_lists[] = {
    { "by name",       { "prefix", "b" },                 "<Buckets>" BUCKET("bbb", "us-east-1") "</Buckets><Prefix>b</Prefix>" },
    { "by Region",     { "bucket-region", "eu-west-1" },  "<Buckets>" BUCKET("ccc", "eu-west-1") "</Buckets>" },
    { "a page",        { "max-buckets", "2" },            "<Buckets>" BUCKET("aaa", "us-east-1") BUCKET("bbb", "us-east-1") "</Buckets><ContinuationToken>YmJi</ContinuationToken>" },
    { "the next page", { "max-buckets", "2", "continuation-token", "YmJi" }, "<Buckets>" BUCKET("ccc", "eu-west-1") "</Buckets>" },
    { "none",          { "prefix", "zz" },                "<Buckets></Buckets><Prefix>zz</Prefix>" },
    { "no number",     { "max-buckets", "0" },            "InvalidArgument: Argument maxBuckets must be an integer between 1 and 10000" },
    { "no token",      { "continuation-token", "%" },     "InvalidArgument: The continuation token provided is incorrect" },
};
/* clang-format on */

static void the_buckets_that_were_asked_for_are_listed(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = { "aaa", "bbb", "ccc" };
        struct reply made = ask(
            f, run_s3_CreateBucket,
            &(struct request) { .bucket = names[i],
                                .text = i < 2 ? NULL
                                              : "<CreateBucketConfiguration><LocationConstraint>"
                                                "eu-west-1</LocationConstraint>"
                                                "</CreateBucketConfiguration>" });
        assert_says(f, &made, "");
    }
    for (size_t i = 0; i < sizeof bucket_lists / sizeof *bucket_lists; i++) {
        struct request r = { 0 };
        memcpy(r.params, bucket_lists[i].params, sizeof r.params);
        struct reply reply = ask(f, run_s3_ListBuckets, &r);
        if (strncmp(bucket_lists[i].wants, "<", 1) != 0) {
            assert_says(f, &reply, bucket_lists[i].wants);
            continue;
        }
        assert_says(f, &reply, "");
        str wants = arena_strf(f->stage.arena, "</Owner>%s</ListAllMyBucketsResult>",
                               bucket_lists[i].wants);
        if (!str_ends(reply.text, wants))
            fail_msg("%s: " STR_FMT, bucket_lists[i].says, STR_ARG(reply.text));
    }
}

struct list_case {
    const char *says;
    const char *params[12];
    const char *wants; /* behind <Name>mail</Name> */
};
#define ENTRY(key)                                                                                 \
    "<Contents><Key>" key "</Key><LastModified>2026-03-02T09:15:42.317Z</LastModified>"            \
    "<ETag>&quot;9dd4e461268c8034f5c8564e155c67a6&quot;</ETag><Size>1</Size>"                      \
    "<StorageClass>STANDARD</StorageClass></Contents>"
#define FOLDER(prefix) "<CommonPrefixes><Prefix>" prefix "</Prefix></CommonPrefixes>"
#define WHOLE          "<IsTruncated>false</IsTruncated>"
#define PART           "<IsTruncated>true</IsTruncated>"
/* clang-format off */
static const struct list_case lists[] = {
    { "all",              { NULL },
      "<Prefix></Prefix><KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys>" WHOLE ENTRY("a b") ENTRY("in/1") ENTRY("in/2") },
    { "folders",          { "delimiter", "/" },
      "<Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>" WHOLE ENTRY("a b") FOLDER("in/") },
    { "a folder",         { "prefix", "in/", "delimiter", "/", "start-after", "in/1" },
      "<Prefix>in/</Prefix><StartAfter>in/1</StartAfter><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>" WHOLE ENTRY("in/2") },
    { "encoded",          { "encoding-type", "url", "max-keys", "1" },
      "<Prefix></Prefix><NextContinuationToken>YSBi</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><EncodingType>url</EncodingType>" PART ENTRY("a%20b") },
    { "the next page",    { "continuation-token", "YSBi", "max-keys", "1" },
      "<Prefix></Prefix><ContinuationToken>YSBi</ContinuationToken><NextContinuationToken>aW4vMQ==</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys>" PART ENTRY("in/1") },
    { "none wanted",      { "max-keys", "0" },
      "<Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>0</MaxKeys>" WHOLE },
    { "more than a page", { "max-keys", "5000", "prefix", "zz" },
      "<Prefix>zz</Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>" WHOLE },
};
static const struct list_case refusals[] = {
    { "a number of words",     { "max-keys", "ten" },            "InvalidArgument: Provided max-keys not an integer or within integer range" },
    { "a number below zero",   { "max-keys", "-1" },             "InvalidArgument: Argument maxKeys must be an integer between 0 and 2147483647" },
    { "another encoding",      { "encoding-type", "base64" },    "InvalidArgument: Invalid Encoding Method specified in Request" },
    { "a token of nobody",     { "continuation-token", "%%%" },  "InvalidArgument: The continuation token provided is incorrect" },
    { "an empty token",        { "continuation-token", "" },     "InvalidArgument: The continuation token provided is incorrect" },
};
/* clang-format on */

static void a_list_is_written_as_s3_writes_it(void **state)
{
    struct fixture *f = *state;
    make_bucket(f);
    static const char *const keys[] = { "in/2", "a b", "in/1" };
    for (size_t i = 0; i < 3; i++) {
        struct reply reply =
            put(f, &(struct request) { .bucket = "mail", .key = keys[i], .text = "x" }, NULL, NULL);
        assert_says(f, &reply, "");
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct request r = { .bucket = "mail" };
        memcpy(r.params, lists[i].params, sizeof r.params);
        struct reply reply = ask(f, run_s3_ListObjectsV2, &r);
        assert_says(f, &reply, "");
        str wants = arena_strf(f->stage.arena,
                               XML "<ListBucketResult" NS "><Name>mail</Name>%s</ListBucketResult>",
                               lists[i].wants);
        if (!str_eq(reply.text, wants))
            fail_msg("%s:\n" STR_FMT "\nwanted\n" STR_FMT, lists[i].says, STR_ARG(reply.text),
                     STR_ARG(wants));
    }
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct request r = { .bucket = "mail" };
        memcpy(r.params, refusals[i].params, sizeof r.params);
        struct reply reply = ask(f, run_s3_ListObjectsV2, &r);
        assert_says(f, &reply, refusals[i].wants);
    }
    struct reply reply =
        ask(f, run_s3_ListObjects,
            &(struct request) { .bucket = "mail",
                                .params = { "delimiter", "/", "max-keys", "1", "marker", "a" } });
    assert_true(
        str_starts(reply.text, STR(XML "<ListBucketResult" NS "><Name>mail</Name><Prefix></Prefix>"
                                       "<Marker>a</Marker><NextMarker>a b</NextMarker>"
                                       "<MaxKeys>1</MaxKeys><Delimiter>/</Delimiter>" PART)));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(buckets_are_made_found_and_listed),
        CASE(a_bucket_is_made_where_the_endpoint_may_make_it),
        CASE(a_policy_goes_in_and_comes_out_unchanged),
        CASE(an_object_comes_back_with_what_was_said_of_it),
        CASE(a_put_is_taken_or_refused_as_its_headers_say),
        CASE(one_body_has_one_checksum),
        CASE(a_gathered_body_is_held_against_its_checksums),
        CASE(an_object_has_as_many_fields_as_a_put_may_bring),
        CASE(a_field_comes_back_byte_for_byte),
        CASE(no_condition_or_wish_is_passed_over),
        CASE(the_buckets_that_were_asked_for_are_listed),
        CASE(a_list_is_written_as_s3_writes_it),
    };
#undef CASE
    return cmocka_run_group_tests_name("S3 over REST", tests, NULL, NULL);
}

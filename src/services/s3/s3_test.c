/* The embedded S3: who may do what, and what it answers. One fixture serves them all, so they stay
 * together. */
#include "services/s3/s3.h"
#include "services/stage_suite.h"

#include "policy/decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define OWNER "111122223333"
#define OTHER "444455556666"
#define RULE  "arn:aws:ses:us-east-1:" OWNER ":receipt-rule-set/set:receipt-rule/rule"

static const char allow_ses_puts[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"AllowSESPuts\",\"Effect\":\"Allow\","
    "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\","
    "\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{\"StringEquals\":"
    "{\"AWS:SourceAccount\":\"" OWNER "\",\"AWS:SourceArn\":\"" RULE "\"}}}]}";

struct fixture {
    struct stage stage;
    struct objects *objects;
    struct s3_service *s3;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    stage_begin(&f->stage);
    str directory = arena_strf(f->stage.arena, "%s/objects", f->stage.folder.path);
    assert_null(objects_files_open(directory, &f->stage.outside, f->stage.arena, &f->objects));
    assert_null(s3_embedded_open(f->objects, f->stage.state, f->stage.worlds, &f->stage.outside,
                                 f->stage.arena, &f->s3));
    struct call call = stage_call(&f->stage);
    assert_null(s3_create_bucket(f->s3, &call, STR("mail"), STR_NONE));
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

static void assert_says(struct fixture *f, const struct fault *why, const char *code)
{
    const char *says = stage_says(&f->stage, why);
    if (strncmp(says, code, strlen(code)) != 0 || (!*code && *says))
        fail_msg("wanted %s, got %s", code, says);
}

static const struct fault *put_as(struct fixture *f, const struct caller *caller, str key,
                                  str bytes)
{
    struct call call = stage_call_as(&f->stage, caller);
    struct s3_upload *upload;
    struct object_info info;
    const struct header type = { STR("Content-Type"), STR("message/rfc822") };
    TRY(s3_put_begin(f->s3, &call,
                     &(struct s3_put) { .bucket = STR("mail"),
                                        .key = key,
                                        .headers = &type,
                                        .header_count = 1,
                                        .content_md5 = STR_NONE },
                     &upload));
    assert_null(s3_put_write(upload, &call, bytes));
    return s3_put_finish(upload, &call, &info);
}

static const struct fault *put(struct fixture *f, str key, str bytes)
{
    return put_as(f, &f->stage.caller, key, bytes);
}

static const struct fault *get_as(struct fixture *f, const struct caller *caller,
                                  const struct s3_get *get, struct s3_object *ret_object)
{
    struct call call = stage_call_as(&f->stage, caller);
    return s3_get_object(f->s3, &call, get, ret_object);
}

static str text_of(struct fixture *f, struct s3_object *object)
{
    str all = STR(""), chunk;
    if (!object->body)
        return STR_NONE;
    for (;;) {
        assert_null(object->body->read(object->body, &chunk));
        if (chunk.len == 0)
            return all;
        all = arena_strf(f->stage.arena, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(chunk));
    }
}

static void set_policy(struct fixture *f, const char *text)
{
    struct call call = stage_call(&f->stage);
    const struct fault *why = s3_put_bucket_policy(f->s3, &call, STR("mail"), str_of(text));
    assert_says(f, why, "");
}

static struct caller ses_of(str account, const char *rule)
{
    struct arn arn;
    assert_true(arn_parse(str_of(rule), &arn));
    return caller_ses(account, arn);
}

static void a_bucket_is_made_once_and_its_name_is_taken_for_all(void **state)
{
    struct fixture *f = *state;
    struct call call = stage_call(&f->stage);
    assert_says(f, s3_create_bucket(f->s3, &call, STR("mail"), STR_NONE), "");
    assert_says(f, s3_create_bucket(f->s3, &call, STR("mail"), STR("eu-west-1")),
                "BucketAlreadyOwnedByYou: ");
    assert_says(f, s3_create_bucket(f->s3, &call, STR("far"), STR("eu-west-1")), "");
    call = stage_call(&f->stage);
    assert_says(f, s3_create_bucket(f->s3, &call, STR("far"), STR("eu-west-1")),
                "BucketAlreadyOwnedByYou: Your previous request to create the named bucket "
                "succeeded and you already own it.");
    assert_says(f, s3_create_bucket(f->s3, &call, STR("Mail"), STR_NONE),
                "InvalidBucketName: The specified bucket is not valid.");
    struct caller other = caller_root(STR(OTHER));
    call = stage_call_as(&f->stage, &other);
    assert_says(f, s3_create_bucket(f->s3, &call, STR("mail"), STR_NONE),
                "BucketAlreadyExists: The requested bucket name is not available.");
    const struct bucket *const *buckets;
    size_t count;
    assert_says(f, s3_list_buckets(f->s3, &call, &buckets, &count), "");
    assert_int_equal(count, 0);
    call = stage_call(&f->stage);
    assert_says(f, s3_list_buckets(f->s3, &call, &buckets, &count), "");
    assert_int_equal(count, 2);
    assert_true(str_eq(buckets[0]->name, STR("far")) && str_eq(buckets[1]->name, STR("mail")));
    str region;
    assert_says(f, s3_get_bucket_location(f->s3, &call, STR("far"), &region), "");
    assert_true(str_eq(region, STR("eu-west-1")));
    assert_says(f, s3_get_bucket_location(f->s3, &call, STR("none"), &region),
                "NoSuchBucket: The specified bucket does not exist");
}

static void a_bucket_is_deleted_only_when_it_is_empty(void **state)
{
    struct fixture *f = *state;
    assert_says(f, put(f, STR("k"), STR("x")), "");
    struct call call = stage_call(&f->stage);
    assert_says(f, s3_delete_bucket(f->s3, &call, STR("mail")),
                "BucketNotEmpty: The bucket you tried to delete is not empty");
    assert_says(f, s3_delete_object(f->s3, &call, STR("mail"), STR("k")), "");
    assert_says(f, s3_delete_bucket(f->s3, &call, STR("mail")), "");
    call = stage_call(&f->stage);
    assert_says(f, s3_delete_bucket(f->s3, &call, STR("mail")), "NoSuchBucket: ");
    assert_says(f, put(f, STR("k"), STR("x")), "NoSuchBucket: ");
}

static void an_upload_does_not_survive_its_bucket(void **state)
{
    struct fixture *f = *state;
    struct call call = stage_call(&f->stage);
    struct s3_upload *upload;
    struct object_info info;
    const struct s3_put late = { .bucket = STR("mail"), .key = STR("k"), .content_md5 = STR_NONE };
    assert_says(f, s3_put_begin(f->s3, &call, &late, &upload), "");
    assert_says(f, s3_delete_bucket(f->s3, &call, STR("mail")), "");
    assert_says(f, s3_put_finish(upload, &call, &info), "NoSuchBucket: ");
}

static void a_policy_is_kept_as_it_was_put(void **state)
{
    struct fixture *f = *state;
    struct call call = stage_call(&f->stage);
    str text;
    assert_says(f, s3_get_bucket_policy(f->s3, &call, STR("mail"), &text),
                "NoSuchBucketPolicy: The bucket policy does not exist");
    set_policy(f, allow_ses_puts);
    call = stage_call(&f->stage);
    assert_says(f, s3_get_bucket_policy(f->s3, &call, STR("mail"), &text), "");
    assert_true(str_eq(text, str_of(allow_ses_puts)));
    assert_says(f, s3_put_bucket_policy(f->s3, &call, STR("mail"), STR("{}")),
                "MalformedPolicy: Missing required field Statement");
    assert_says(f, s3_delete_bucket_policy(f->s3, &call, STR("mail")), "");
    call = stage_call(&f->stage);
    assert_says(f, s3_get_bucket_policy(f->s3, &call, STR("mail"), &text), "NoSuchBucketPolicy: ");
    assert_says(f, s3_put_bucket_policy(f->s3, &call, STR("none"), STR("{}")), "NoSuchBucket: ");
}

static void the_owner_is_never_locked_out_and_others_never_let_in(void **state)
{
    struct fixture *f = *state;
    set_policy(f, "{\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":{\"AWS\":\"" OWNER
                  "\"},\"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::mail\","
                  "\"arn:aws:s3:::mail/*\"]},{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"" OTHER
                  "\"},\"Action\":\"s3:*BucketPolicy\",\"Resource\":\"arn:aws:s3:::mail\"}]}");
    str text;
    struct caller other = caller_root(STR(OTHER));
    struct call call = stage_call_as(&f->stage, &other);
    assert_says(f, s3_get_bucket_policy(f->s3, &call, STR("mail"), &text),
                "MethodNotAllowed: The specified method is not allowed against this resource.");
    assert_says(f, put(f, STR("k"), STR("x")), "AccessDenied: ");
    call = stage_call(&f->stage);
    assert_says(f, s3_delete_bucket_policy(f->s3, &call, STR("mail")), "");
    assert_says(f, put(f, STR("k"), STR("x")), "");
}

static void ses_puts_only_where_the_bucket_policy_says_so(void **state)
{
    struct fixture *f = *state;
    struct caller ses = ses_of(STR(OWNER), RULE);
    const struct fault *why = put_as(f, &ses, STR("k"), STR("x"));
    assert_says(f, why, "AccessDenied: ");
    assert_int_equal(why->kind, FAULT_DENIED);
    const struct denial *denial = denial_of(why);
    assert_non_null(denial);
    assert_int_equal(denial->decision.lacks[0].kind, LACK_POLICY);
    set_policy(f, allow_ses_puts);
    assert_says(f, put_as(f, &ses, STR("k"), STR("x")), "");
    struct caller strange = ses_of(STR(OTHER), RULE);
    why = put_as(f, &strange, STR("k"), STR("x"));
    assert_says(f, why, "AccessDenied: ");
    denial = denial_of(why);
    assert_int_equal(denial->decision.lacks[0].kind, LACK_CONDITION);
    assert_true(str_eq_nocase(denial->decision.lacks[0].condition->key, STR("aws:SourceAccount")));
    strange = ses_of(STR(OWNER), RULE "2");
    why = put_as(f, &strange, STR("k"), STR("x"));
    assert_true(
        str_eq_nocase(denial_of(why)->decision.lacks[0].condition->key, STR("aws:SourceArn")));
    struct s3_object object;
    assert_says(
        f, get_as(f, &ses, &(struct s3_get) { .bucket = STR("mail"), .key = STR("k") }, &object),
        "AccessDenied: ");
}

struct text_body {
    struct body body;
    str left;
};
static const struct fault *read_text(struct body *body, str *ret_chunk)
{
    struct text_body *t = (struct text_body *)body;
    *ret_chunk = str_head(t->left, 3);
    t->left = str_from(t->left, 3);
    return NULL;
}

static void the_port_puts_a_body_with_its_metadata(void **state)
{
    struct fixture *f = *state;
    set_policy(f, allow_ses_puts);
    struct caller ses = ses_of(STR(OWNER), RULE);
    struct call call = stage_call_as(&f->stage, &ses);
    struct text_body body = { { read_text, 10 }, STR("0123456789") };
    const struct header meta = { STR("x-amz-key"), STR("v") };
    const struct put_object wanted = { .bucket = STR("mail"),
                                       .key = STR("in/1"),
                                       .content_type = STR("application/octet-stream"),
                                       .metadata = &meta,
                                       .metadata_count = 1,
                                       .body = &body.body };
    assert_says(f, f->s3->port.put_object(&f->s3->port, &call, &wanted), "");
    struct s3_object object;
    assert_says(f,
                get_as(f, &f->stage.caller,
                       &(struct s3_get) { .bucket = STR("mail"),
                                          .key = STR("in/1"),
                                          .with_body = true,
                                          .range = STR_NONE,
                                          .if_match = STR_NONE,
                                          .if_none_match = STR_NONE },
                       &object),
                "");
    assert_true(str_eq(text_of(f, &object), STR("0123456789")));
    assert_true(
        str_eq(object.info.headers_json, STR("{\"content-type\":\"application/octet-stream\","
                                             "\"x-amz-meta-x-amz-key\":\"v\"}")));
}

static void ses_writes_without_a_role_only_where_it_receives(void **state)
{
    struct fixture *f = *state;
    struct call call = stage_call(&f->stage);
    assert_says(f, s3_create_bucket(f->s3, &call, STR("cold"), STR("eu-north-1")), "");
    call = stage_call(&f->stage);
    assert_says(
        f,
        s3_put_bucket_policy(f->s3, &call, STR("cold"),
                             STR("{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\","
                                 "\"Action\":\"s3:PutObject\","
                                 "\"Resource\":\"arn:aws:s3:::cold/*\"}]}")),
        "");
    struct caller ses = ses_of(STR(OWNER), RULE);
    const struct s3_put there = { .bucket = STR("cold"), .key = STR("k"), .content_md5 = STR_NONE };
    struct s3_upload *upload;
    call = stage_call_as(&f->stage, &ses);
    assert_says(f, s3_put_begin(f->s3, &call, &there, &upload),
                "AccessDenied: the bucket cold is in eu-north-1, a Region in which SES does not "
                "receive: to write there the action needs an IAM role");
    call.region = STR("eu-north-1"); /* a listener of this server receives for it */
    assert_says(f, s3_put_begin(f->s3, &call, &there, &upload), "");
    s3_put_cancel(upload);
    static const str served[] = { STR_INIT("us-east-1") };
    f->s3->receiving_regions = served;
    f->s3->receiving_region_count = 1;
    assert_says(f, s3_put_begin(f->s3, &call, &there, &upload), "AccessDenied: ");
    call = stage_call(&f->stage);
    assert_says(f, s3_put_begin(f->s3, &call, &there, &upload), "");
    s3_put_cancel(upload);
}

static void who_may_not_list_is_not_told_that_a_key_is_absent(void **state)
{
    struct fixture *f = *state;
    set_policy(f, "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"" OTHER
                  "\"},\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail/*\"}]}");
    const struct s3_get none = { .bucket = STR("mail"), .key = STR("none"), .with_body = true };
    struct s3_object object;
    struct caller other = caller_root(STR(OTHER));
    assert_says(f, get_as(f, &other, &none, &object), "AccessDenied: ");
    assert_says(f, get_as(f, &f->stage.caller, &none, &object),
                "NoSuchKey: The specified key does not exist.");
    struct caller nobody = { .kind = CALLER_ANONYMOUS };
    assert_says(f, get_as(f, &nobody, &none, &object), "AccessDenied: ");
}

struct get_case {
    const char *says, *range, *if_match, *if_none_match;
    int64_t since_ms, until_ms; /* if-modified-since, if-unmodified-since */
    const char *wants;          /* the bytes, "304", or the fault's code */
};
#define ETAG  "\"e80b5017098950fc58aad83c8c14978e\"" /* of abcdef */
#define PUT_S 1772442942000
/* clang-format off */
static const struct get_case gets[] = {
    { "all of it",                    NULL,          NULL,        NULL,          0, 0,         "abcdef" },
    { "the first bytes",              "bytes=0-1",   NULL,        NULL,          0, 0,         "ab" },
    { "from the middle on",           "bytes=2-",    NULL,        NULL,          0, 0,         "cdef" },
    { "the last bytes",               "bytes=-2",    NULL,        NULL,          0, 0,         "ef" },
    { "more than there is",           "bytes=4-99",  NULL,        NULL,          0, 0,         "ef" },
    { "more of the last than all",    "bytes=-99",   NULL,        NULL,          0, 0,         "abcdef" },
    { "behind the end",               "bytes=6-",    NULL,        NULL,          0, 0,         "InvalidRange: " },
    { "far behind any end",           "bytes=99999999999999999999-", NULL, NULL,     0, 0,         "InvalidRange: " },
    { "up to far behind it",          "bytes=4-99999999999999999999", NULL, NULL,    0, 0,         "ef" },
    { "as many of the last",          "bytes=-99999999999999999999", NULL, NULL,     0, 0,         "abcdef" },
    { "the unit in capitals",         "BYTES=0-1",   NULL,        NULL,          0, 0,         "ab" },
    { "none of the last",             "bytes=-0",    NULL,        NULL,          0, 0,         "InvalidRange: " },
    { "backwards is no range",        "bytes=3-1",   NULL,        NULL,          0, 0,         "abcdef" },
    { "two ranges are no range",      "bytes=0-1,3-4", NULL,      NULL,          0, 0,         "abcdef" },
    { "another unit is no range",     "lines=0-1",   NULL,        NULL,          0, 0,         "abcdef" },
    { "if it is this one",            NULL,          ETAG,        NULL,          0, 0,         "abcdef" },
    { "if it is one of these",        NULL,          "\"x\", " ETAG, NULL,       0, 0,         "abcdef" },
    { "if it is any",                 NULL,          "*",         NULL,          0, 0,         "abcdef" },
    { "if it is another",             NULL,          "\"x\"",     NULL,          0, 0,         "PreconditionFailed: " },
    { "unless it is this one",        NULL,          NULL,        ETAG,          0, 0,         "304" },
    { "unless it is another",         NULL,          NULL,        "\"x\"",       0, 0,         "abcdef" },
    { "if it changed since then",     NULL,          NULL,        NULL,          PUT_S, 0,     "304" },
    { "if it changed since before",   NULL,          NULL,        NULL,          1000, 0,      "abcdef" },
    { "if it did not since before",   NULL,          NULL,        NULL,          0, 1000,      "PreconditionFailed: " },
    { "an ETag outweighs a date",     NULL,          ETAG,        NULL,          0, 1000,      "abcdef" },
};
/* clang-format on */

static int64_t at_the_put(struct clock *clock)
{
    (void)clock;
    return PUT_S + 317;
}

static void a_get_is_cut_and_conditioned(void **state)
{
    struct fixture *f = *state;
    struct clock clock = { .wall_ms = at_the_put, .steady_ms = at_the_put };
    f->stage.outside.clock = &clock;
    assert_says(f, put(f, STR("k"), STR("abcdef")), "");
    assert_says(f, put(f, STR("empty"), STR("")), "");
    for (size_t i = 0; i < sizeof gets / sizeof *gets; i++) {
        const struct get_case *c = &gets[i];
        struct s3_get get = { .bucket = STR("mail"),
                              .key = STR("k"),
                              .with_body = true,
                              .range = str_of(c->range),
                              .if_match = str_of(c->if_match),
                              .if_none_match = str_of(c->if_none_match),
                              .if_modified_since_ms = c->since_ms,
                              .if_unmodified_since_ms = c->until_ms };
        for (int body = 1; body >= 0; body--, get.with_body = false) {
            struct s3_object object;
            const struct fault *why = get_as(f, &f->stage.caller, &get, &object);
            str got = why                   ? str_of(stage_says(&f->stage, why))
                      : object.not_modified ? STR("304")
                      : body                ? text_of(f, &object)
                                            : str_head(STR("abcdef"), object.count);
            bool same =
                why ? str_starts(got, str_of(c->wants))
                    : str_eq(got, str_of(c->wants)) || (!body && got.len == strlen(c->wants));
            if (!same)
                fail_msg("%s: " STR_FMT, c->says, STR_ARG(got));
            assert_true(why || object.partial == (c->range && object.count < 6) ||
                        (c->range && object.count == 6));
        }
    }
    static const struct {
        const char *if_range, *wants;
    } resumed[] = { { ETAG, "cdef" },
                    { "\"900150983cd24fb0d6963f7d28e17f72\"", "abcdef" },
                    { "W/" ETAG, "abcdef" },
                    { "*", "abcdef" },
                    { "", "abcdef" },
                    { "Mon, 02 Mar 2026 09:15:42 GMT", "cdef" },
                    { "Mon, 02 Mar 2026 09:15:43 GMT", "abcdef" } };
    struct s3_object object;
    for (size_t i = 0; i < sizeof resumed / sizeof *resumed; i++) {
        const struct s3_get part = { .bucket = STR("mail"),
                                     .key = STR("k"),
                                     .with_body = true,
                                     .range = STR("bytes=2-"),
                                     .if_range = str_of(resumed[i].if_range),
                                     .if_match = STR_NONE,
                                     .if_none_match = STR_NONE };
        assert_says(f, get_as(f, &f->stage.caller, &part, &object), "");
        if (!str_eq(text_of(f, &object), str_of(resumed[i].wants)))
            fail_msg("If-Range: %s", resumed[i].if_range);
        assert_true(object.partial == (strlen(resumed[i].wants) == 4));
    }
    char key[1025];
    memset(key, 'k', sizeof key);
    const struct s3_get long_key = { .bucket = STR("mail"), .key = { key, sizeof key } };
    assert_says(f, get_as(f, &f->stage.caller, &long_key, &object),
                "KeyTooLongError: Your key is too long");
    struct call call = stage_call(&f->stage);
    assert_says(f, s3_delete_object(f->s3, &call, STR("mail"), long_key.key),
                "KeyTooLongError: Your key is too long");
    const struct s3_get empty = { .bucket = STR("mail"), .key = STR("empty"), .with_body = true };
    assert_says(f, get_as(f, &f->stage.caller, &empty, &object), "");
    assert_true(str_eq(text_of(f, &object), STR("")));
}

struct checksum_case {
    const char *says, *algorithm, *value, *wants;
};
/* clang-format off */
static const struct checksum_case checksums[] = { /* of "123456789" */
    { "CRC-32",                  "crc32",     "y/Q5Jg==",                                     "" },
    { "CRC-32, wrong",           "crc32",     "AAAAAA==",                                     "BadDigest: The CRC32 you specified did not match the calculated checksum." },
    { "CRC-32, no base64",       "crc32",     "xyz",                                          "InvalidRequest: Value for x-amz-checksum-crc32 header is invalid." },
    { "CRC-32C",                 "CRC32C",    "4waSgw==",                                     "" },
    { "CRC-64/NVME",             "crc64nvme", "rosUhgp5mIg=",                                 "" },
    { "SHA-1",                   "sha1",      "98O8HYCOBHMq32eZZczDTKeuNEE=",                 "" },
    { "SHA-256",                 "sha256",    "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=", "" },
    { "SHA-256, wrong",          "sha256",    "73l8gRjwLftklgfdXT+MdiMEjJwGPVMsyVxe16iYpk8=", "BadDigest: The SHA256 you specified did not match the calculated checksum." },
    { "one of another world",    "xxhash64",  "AAAAAA==",                                     "NotImplemented: " },
};
/* clang-format on */

static void a_checksum_that_does_not_fit_makes_no_object(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof checksums / sizeof *checksums; i++) {
        const struct checksum_case *c = &checksums[i];
        struct call call = stage_call(&f->stage);
        const struct s3_put wanted = { .bucket = STR("mail"),
                                       .key = STR("k"),
                                       .content_md5 = STR_NONE };
        struct s3_upload *upload;
        struct object_info info;
        assert_says(f, s3_put_begin(f->s3, &call, &wanted, &upload), "");
        const struct fault *why = s3_put_checksum(upload, &call, str_of(c->algorithm));
        if (!why)
            why = s3_put_write(upload, &call, STR("1234"));
        if (!why)
            why = s3_put_write(upload, &call, STR("56789"));
        if (!why)
            why = s3_put_expect(upload, &call, str_of(c->algorithm), str_of(c->value));
        if (why)
            s3_put_cancel(upload);
        else
            why = s3_put_finish(upload, &call, &info);
        if (strncmp(stage_says(&f->stage, why), c->wants, strlen(c->wants)) != 0 ||
            (!*c->wants && why))
            fail_msg("%s: %s", c->says, stage_says(&f->stage, why));
        const struct fault *absent =
            f->objects->ops->head(f->objects, STR("mail"), STR("k"), f->stage.arena, &info);
        assert_true(!why == !absent);
        assert_null(f->objects->ops->remove(f->objects, STR("mail"), STR("k"), f->stage.arena));
    }
}

struct put_case {
    const char *says;
    size_t key_len, metadata_len;
    const char *md5, *wants;
};
/* clang-format off */
static const struct put_case puts_[] = {
    { "a long key",               1024, 1,    NULL,                       "" },
    { "too long a key",           1025, 1,    NULL,                       "KeyTooLongError: Your key is too long" },
    { "no key",                   0,    1,    NULL,                       "InvalidArgument: " },
    { "much metadata",            1,    2047, NULL,                       "" },
    { "too much metadata",        1,    2048, NULL,                       "MetadataTooLarge: Your metadata headers exceed the maximum allowed metadata size" },
    { "the right digest",         1,    1,    "kAFQmDzST7DWlj99KOF/cg==", "" },
    { "another digest",           1,    1,    "kAFQmDzST7DWlj99KOF/cA==", "BadDigest: The Content-MD5 you specified did not match what we received." },
    { "no digest at all",         1,    1,    "abc",                      "InvalidDigest: The Content-MD5 you specified was invalid." },
};
/* clang-format on */

static void a_put_is_checked_before_it_is_an_object(void **state)
{
    struct fixture *f = *state;
    static char fill[4096];
    memset(fill, 'm', sizeof fill);
    for (size_t i = 0; i < sizeof puts_ / sizeof *puts_; i++) {
        const struct put_case *c = &puts_[i];
        struct call call = stage_call(&f->stage);
        const struct header meta = { STR("X-Amz-Meta-a"), { fill, c->metadata_len } };
        const struct s3_put wanted = { .bucket = STR("mail"),
                                       .key = { fill, c->key_len },
                                       .headers = &meta,
                                       .header_count = 1,
                                       .content_md5 = str_of(c->md5) };
        struct s3_upload *upload;
        struct object_info info;
        const struct fault *why = s3_put_begin(f->s3, &call, &wanted, &upload);
        if (!why) {
            assert_says(f, s3_put_write(upload, &call, STR("abc")), "");
            why = s3_put_finish(upload, &call, &info);
        }
        if (strncmp(stage_says(&f->stage, why), c->wants, strlen(c->wants)) != 0 ||
            (!*c->wants && why))
            fail_msg("%s: %s", c->says, stage_says(&f->stage, why));
    }
    struct call call = stage_call(&f->stage);
    const struct s3_put again = {
        .bucket = STR("mail"), .key = STR("m"), .content_md5 = STR_NONE, .if_none_match = true
    };
    struct s3_upload *upload;
    assert_says(f, s3_put_begin(f->s3, &call, &again, &upload), "PreconditionFailed: ");
}

static void a_list_may_be_allowed_for_one_prefix(void **state)
{
    struct fixture *f = *state;
    set_policy(f, "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"" OTHER
                  "\"},\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::mail\","
                  "\"Condition\":{\"StringLike\":{\"s3:prefix\":\"in/*\"}}}]}");
    assert_says(f, put(f, STR("in/1"), STR("x")), "");
    assert_says(f, put(f, STR("in/2"), STR("x")), "");
    assert_says(f, put(f, STR("out"), STR("x")), "");
    struct caller other = caller_root(STR(OTHER));
    struct call call = stage_call_as(&f->stage, &other);
    struct object_entry *entries;
    size_t count;
    bool more;
    struct s3_list list = { .bucket = STR("mail"), .max_keys = 1000 };
    assert_says(f, s3_list_objects(f->s3, &call, &list, &entries, &count, &more), "AccessDenied: ");
    list.prefix = STR("in/");
    list.has_prefix = true;
    assert_says(f, s3_list_objects(f->s3, &call, &list, &entries, &count, &more), "");
    assert_true(count == 2 && !more && str_eq(entries[1].key, STR("in/2")));
    list.max_keys = 1;
    assert_says(f, s3_list_objects(f->s3, &call, &list, &entries, &count, &more), "");
    assert_true(count == 1 && more);
    list.max_keys = 0;
    assert_says(f, s3_list_objects(f->s3, &call, &list, &entries, &count, &more), "");
    assert_true(count == 0 && !more);
}

static const struct fault *never_read(struct body *body, str *ret_chunk)
{
    (void)body, (void)ret_chunk;
    fail_msg("a rehearsal reads no body");
    return NULL;
}

struct listener {
    struct witness witness;
    struct stage *stage;
    size_t count;
    enum verdict verdict;
    str action;
};

static void listen(struct witness *witness, const struct request *request,
                   const struct exhibit *exhibits, size_t count)
{
    struct listener *l = (struct listener *)witness;
    l->count++;
    l->verdict = policy_decide(request, exhibits, count, NULL);
    l->action = arena_str(l->stage->arena, request->action);
}

static void a_rehearsed_put_is_answered_like_a_put_and_makes_nothing(void **state)
{
    struct fixture *f = *state;
    set_policy(f, allow_ses_puts);
    static const struct {
        const char *bucket, *key, *rule;
        size_t heard; /* how many decisions: without a bucket there is none */
    } puts[] = {
        { "mail", "in/7f3a", RULE, 1 },
        { "mail", "in/7f3a", RULE "-other", 1 },
        { "mail", "", RULE, 1 },
        { "none", "in/7f3a", RULE, 0 },
    };
    for (size_t i = 0; i < sizeof(puts) / sizeof(*puts); i++) {
        struct caller ses = ses_of(STR(OWNER), puts[i].rule);
        struct call call = stage_call_as(&f->stage, &ses);
        struct listener listener = { .witness = { listen }, .stage = &f->stage };
        call.witness = &listener.witness;
        struct body unread = { .read = never_read };
        struct put_object put = { .bucket = str_of(puts[i].bucket),
                                  .key = str_of(puts[i].key),
                                  .body = &unread };
        struct s3_port *rehearsal = &f->s3->rehearsal.port;
        const struct fault *why = rehearsal->put_object(rehearsal, &call, &put);
        assert_int_equal(listener.count, puts[i].heard);
        if (listener.count) {
            assert_true(str_eq(listener.action, STR("s3:PutObject")));
            assert_int_equal(listener.verdict == VERDICT_ALLOW, !denial_of(why));
        }
        struct s3_object object;
        assert_says(f,
                    get_as(f, &f->stage.caller,
                           &(struct s3_get) { .bucket = STR("mail"), .key = STR("in/7f3a") },
                           &object),
                    "NoSuchKey: ");

        call = stage_call_as(&f->stage, &ses);
        struct s3_upload *upload;
        const struct s3_put real = { .bucket = put.bucket,
                                     .key = put.key,
                                     .content_md5 = STR_NONE };
        const struct fault *really = s3_put_begin(f->s3, &call, &real, &upload);
        assert_string_equal(stage_says(&f->stage, why), stage_says(&f->stage, really));
        if (!really)
            s3_put_cancel(upload);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_bucket_is_made_once_and_its_name_is_taken_for_all),
        CASE(a_bucket_is_deleted_only_when_it_is_empty),
        CASE(an_upload_does_not_survive_its_bucket),
        CASE(a_policy_is_kept_as_it_was_put),
        CASE(the_owner_is_never_locked_out_and_others_never_let_in),
        CASE(ses_puts_only_where_the_bucket_policy_says_so),
        CASE(the_port_puts_a_body_with_its_metadata),
        CASE(ses_writes_without_a_role_only_where_it_receives),
        CASE(who_may_not_list_is_not_told_that_a_key_is_absent),
        CASE(a_get_is_cut_and_conditioned),
        CASE(a_checksum_that_does_not_fit_makes_no_object),
        CASE(a_put_is_checked_before_it_is_an_object),
        CASE(a_list_may_be_allowed_for_one_prefix),
        CASE(a_rehearsed_put_is_answered_like_a_put_and_makes_nothing),
    };
#undef CASE
    return cmocka_run_group_tests_name("the embedded S3", tests, NULL, NULL);
}

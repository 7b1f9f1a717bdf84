#include "api/query.h"
#include "api/error.h"
#include "api/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A table of our own: what the router needs of the real one is its shape. */
#define S3(op, verb, on, sub)                                                                      \
    {                                                                                              \
        .service = STR_INIT("s3"), .name = STR_INIT(op), .dialect = DIALECT_REST_XML, .route = {   \
            STR_INIT(verb),                                                                        \
            on,                                                                                    \
            STR_INIT(sub)                                                                          \
        }                                                                                          \
    }
/* clang-format off */
const struct operation operations[] = {
    { .service = STR_INIT("ses"), .name = STR_INIT("ListReceiptRuleSets"), .dialect = DIALECT_QUERY_XML },
    { .service = STR_INIT("iam"), .name = STR_INIT("GetRole"), .dialect = DIALECT_QUERY_XML },
    S3("ListBuckets",     "GET",    REST_SERVICE, ""),
    S3("CreateBucket",    "PUT",    REST_BUCKET,  ""),
    S3("ListObjectsV2",   "GET",    REST_BUCKET,  "list-type=2"),
    S3("GetBucketPolicy", "GET",    REST_BUCKET,  "policy"),
    { .service = STR_INIT("s3"), .name = STR_INIT("CopyObject"), .dialect = DIALECT_REST_XML,
      .route = { STR_INIT("PUT"), REST_OBJECT, .header = STR_INIT("x-amz-copy-source") } },
    S3("PutObject",       "PUT",    REST_OBJECT,  ""),
    S3("GetObject",       "GET",    REST_OBJECT,  ""),
    S3("DeleteObject",    "DELETE", REST_OBJECT,  ""),
};
/* clang-format on */
const size_t operation_count = sizeof operations / sizeof operations[0];

struct service_case {
    const char *says, *scope, *method, *path, *query, *host, *target, *type;
    const char *service;
    enum dialect dialect;
};
/* clang-format off */
static const struct service_case services[] = {
    { "the scope says it",                "ses",    "POST", "/", "", "h", NULL, NULL, "ses",    DIALECT_QUERY_XML },
    { "email is another word for ses",    "email",  "POST", "/", "", "h", NULL, NULL, "ses",    DIALECT_QUERY_XML },
    { "version 2 of ses speaks JSON",     "ses",    "GET",  "/v2/email/identities", "", "h", NULL, NULL, "ses", DIALECT_REST_JSON },
    { "iam",                              "iam",    "POST", "/", "", "h", NULL, NULL, "iam",    DIALECT_QUERY_XML },
    { "sts",                              "sts",    "GET",  "/", "Action=GetCallerIdentity", "h", NULL, NULL, "sts", DIALECT_QUERY_XML },
    { "s3",                               "s3",     "POST", "/", "", "h", NULL, "application/x-www-form-urlencoded", "s3", DIALECT_REST_XML },
    { "kms has a target",                 "kms",    "POST", "/", "", "h", "TrentService.CreateKey", NULL, "kms", DIALECT_JSON },
    { "sqs in JSON",                      "sqs",    "POST", "/", "", "h", "AmazonSQS.CreateQueue", NULL, "sqs", DIALECT_JSON },
    { "sqs in Query",                     "sqs",    "POST", "/", "", "h", NULL, NULL, "sqs",    DIALECT_QUERY_XML },
    { "lambda",                           "lambda", "GET",  "/2015-03-31/functions", "", "h", NULL, NULL, "lambda", DIALECT_REST_JSON },
    { "a service nobody built",           "dynamodb", "POST", "/", "", "h", "DynamoDB_20120810.ListTables", NULL, "unknown", DIALECT_JSON },
    { "another one",                      "ec2",    "POST", "/", "", "h", NULL, NULL, "unknown", DIALECT_QUERY_XML },
    { "unsigned: a target",               NULL,     "POST", "/", "", "h", "TrentService.CreateKey", NULL, "kms", DIALECT_JSON },
    { "unsigned: a host",                 NULL,     "POST", "/", "", "email.us-east-1.amazonaws.com:80", NULL, NULL, "ses", DIALECT_QUERY_XML },
    { "unsigned: a host of ours",         NULL,     "POST", "/", "", "iam.localhost", NULL, NULL, "iam", DIALECT_QUERY_XML },
    { "unsigned: a path",                 NULL,     "GET",  "/v2/email/identities", "", "h", NULL, NULL, "ses", DIALECT_REST_JSON },
    { "unsigned: a form",                 NULL,     "POST", "/", "", "h", NULL, "application/x-www-form-urlencoded; charset=utf-8", "unknown", DIALECT_QUERY_XML },
    { "unsigned: an action",              NULL,     "GET",  "/", "Version=1&Action=X", "h", NULL, NULL, "unknown", DIALECT_QUERY_XML },
    { "unsigned: a bucket named 2015",    NULL,     "GET",  "/2015/key", "", "127.0.0.1:4566", NULL, NULL, "s3", DIALECT_REST_XML },
    { "unsigned: nothing else is S3",     NULL,     "GET",  "/b/k", "", "127.0.0.1:4566", NULL, NULL, "s3", DIALECT_REST_XML },
};
/* clang-format on */

static void the_service_is_found(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        const struct service_case *c = &services[i];
        struct header headers[3] = { { STR("Host"), str_of(c->host) } };
        struct route_ask ask = { .method = str_of(c->method),
                                 .raw_path = str_of(c->path),
                                 .raw_query = str_of(c->query),
                                 .headers = headers,
                                 .header_count = 1,
                                 .scope_service = str_of(c->scope) };
        if (c->target)
            headers[ask.header_count++] =
                (struct header) { STR("x-amz-target"), str_of(c->target) };
        if (c->type)
            headers[ask.header_count++] = (struct header) { STR("Content-Type"), str_of(c->type) };
        const struct service *found = route_service(&ask);
        if (!str_eq(found->name, str_of(c->service)) || found->dialect != c->dialect)
            fail_msg("%s: %.*s", c->says, STR_ARG(found->name));
    }
}

static void an_action_belongs_to_its_service(void **unused)
{
    struct route_ask ask = { .raw_path = STR("/"), .scope_service = STR("iam") };
    const struct service *iam = route_service(&ask);

    (void)unused;
    assert_non_null(route_action(iam, STR("GetRole")));
    assert_null(route_action(iam, STR("ListReceiptRuleSets")));
    assert_null(route_action(iam, STR("")));
}

struct s3_case {
    const char *says, *method, *host, *target, *more; /* more: a header there as well */
    const char *bucket, *key, *operation;             /* operation: or the error's code */
};
#define PLAIN "127.0.0.1:4566"
/* clang-format off */
static const struct s3_case s3_cases[] = {
    { "no bucket",                        "GET",    PLAIN, "/",              NULL, NULL, NULL, "ListBuckets" },
    { "a bucket in the path",             "PUT",    PLAIN, "/b",             NULL, "b",  NULL, "CreateBucket" },
    { "a slash behind it says nothing",   "PUT",    PLAIN, "/b/",            NULL, "b",  NULL, "CreateBucket" },
    { "a key",                            "GET",    PLAIN, "/b/k",           NULL, "b",  "k",  "GetObject" },
    { "a key of slashes",                 "GET",    PLAIN, "/b//k/",         NULL, "b",  "/k/", "GetObject" },
    { "escapes",                          "GET",    PLAIN, "/b/a%20b%2Fc+d", NULL, "b",  "a b/c+d", "GetObject" },
    { "dots stay",                        "GET",    PLAIN, "/b/../k",        NULL, "b",  "../k", "GetObject" },
    { "bad escapes",                      "GET",    PLAIN, "/b/%zz",         NULL, NULL, NULL, "InvalidURI" },
    { "a key without a bucket",           "GET",    PLAIN, "//k",            NULL, NULL, NULL, "InvalidURI" },
    { "a sub-resource",                   "GET",    PLAIN, "/b?policy",      NULL, "b",  NULL, "GetBucketPolicy" },
    { "with an empty value",              "GET",    PLAIN, "/b?policy=",     NULL, "b",  NULL, "GetBucketPolicy" },
    { "with others that are none",        "GET",    PLAIN, "/b?x-id=A&policy&prefix=acl", NULL, "b", NULL, "GetBucketPolicy" },
    { "a list of the second kind",        "GET",    PLAIN, "/b?list-type=2&prefix=a", NULL, "b", NULL, "ListObjectsV2" },
    { "a list of the first kind",         "GET",    PLAIN, "/b?prefix=a",    NULL, "b",  NULL, "NotImplemented" },
    { "a list of the third kind",         "GET",    PLAIN, "/b?list-type=3", NULL, "b",  NULL, "NotImplemented" },
    { "a sub-resource not built",         "PUT",    PLAIN, "/b?acl",         NULL, "b",  NULL, "NotImplemented" },
    { "a method it does not have here",   "PUT",    PLAIN, "/b?policy",      NULL, "b",  NULL, "NotImplemented" },
    { "of an object",                     "PUT",    PLAIN, "/b/k?tagging",   NULL, "b",  "k",  "NotImplemented" },
    { "a part of an upload",              "PUT",    PLAIN, "/b/k?partNumber=1&uploadId=u", NULL, "b", "k", "NotImplemented" },
    { "one version",                      "DELETE", PLAIN, "/b/k?versionId=v", NULL, "b", "k", "NotImplemented" },
    { "a sub-resource from newer days",   "DELETE", PLAIN, "/b/k?annotation&annotationName=a", NULL, "b", "k", "NotImplemented" },
    { "one that is not known yet",        "PUT",    PLAIN, "/b?sundial",     NULL, "b",  NULL, "NotImplemented" },
    { "the same as some spell it",        "PUT",    PLAIN, "/b/k?sundial=",  NULL, "b",  "k",  "NotImplemented" },
    { "a parameter nobody knows",         "GET",    PLAIN, "/b/k?v=3",       NULL, "b",  "k",  "GetObject" },
    { "parameters may be empty",          "GET",    PLAIN, "/b?list-type=2&prefix=&delimiter=&X-Amz-Tag=", NULL, "b", NULL, "ListObjectsV2" },
    { "a key is UTF-8",                   "PUT",    PLAIN, "/b/%ff",         NULL, NULL, NULL, "InvalidURI" },
    { "and no half of a pair",            "PUT",    PLAIN, "/b/%ED%A0%80",   NULL, NULL, NULL, "InvalidURI" },
    { "two sub-resources",                "GET",    PLAIN, "/b?policy&acl",  NULL, "b",  NULL, "NotImplemented" },
    { "escapes hide no sub-resource",     "PUT",    PLAIN, "/b/k?%61cl",     NULL, "b",  "k",  "NotImplemented" },
    { "a copy is not a put",              "PUT",    PLAIN, "/b/k",           "x-amz-copy-source", "b", "k", "CopyObject" },
    { "a part's copy is neither",         "PUT",    PLAIN, "/b/k?partNumber=1", "x-amz-copy-source", "b", "k", "NotImplemented" },
    { "a bucket is not copied",           "PUT",    PLAIN, "/b",             "x-amz-copy-source", "b", NULL, "NotImplemented" },
    { "nor is a get a copy",              "GET",    PLAIN, "/b/k",           "x-amz-copy-source", "b", "k", "NotImplemented" },
    { "a rename is no put either",        "PUT",    PLAIN, "/b/k",           "x-amz-rename-source", "b", "k", "NotImplemented" },
    { "a form upload",                    "POST",   PLAIN, "/b",             NULL, "b",  NULL, "NotImplemented" },
    { "a method nobody has",              "PATCH",  PLAIN, "/b/k",           NULL, "b",  "k",  "MethodNotAllowed" },
    { "a method the place lacks",         "DELETE", PLAIN, "/",              NULL, NULL, NULL, "MethodNotAllowed" },
    { "a bucket in the host",             "GET",    "b.s3.us-east-1.amazonaws.com", "/k/l", NULL, "b", "k/l", "GetObject" },
    { "a bucket with dots",               "GET",    "my.s3.b.s3.localhost:4566", "/k", NULL, "my.s3.b", "k", "GetObject" },
    { "the host alone",                   "PUT",    "b.s3-eu-west-1.amazonaws.com", "/", NULL, "b", NULL, "CreateBucket" },
    { "a bucket at localhost",            "GET",    "b.localhost:4566", "/k", NULL, "b", "k", "GetObject" },
    { "s3 at localhost is no bucket",     "GET",    "s3.localhost", "/b/k",  NULL, "b", "k", "GetObject" },
    { "nor is s3 at AWS",                 "GET",    "s3.us-east-1.amazonaws.com", "/b/k", NULL, "b", "k", "GetObject" },
    { "localhost itself",                 "GET",    "localhost:4566", "/b/k", NULL, "b", "k", "GetObject" },
};
/* clang-format on */

static void an_s3_request_is_never_taken_for_another(void **unused)
{
    AUTO_ARENA *arena = arena_new(1 << 20);

    (void)unused;
    for (size_t i = 0; i < sizeof s3_cases / sizeof s3_cases[0]; i++) {
        const struct s3_case *c = &s3_cases[i];
        struct header headers[2] = { { STR("Host"), str_of(c->host) },
                                     { str_of(c->more), STR("x") } };
        struct route_ask ask = { .method = str_of(c->method),
                                 .headers = headers,
                                 .header_count = c->more ? 2 : 1,
                                 .scope_service = STR_NONE };
        const struct header *params = NULL;
        const struct operation *operation = NULL;
        struct s3_place place = { .bucket = STR_NONE, .key = STR_NONE };
        size_t count;
        str_cut(str_of(c->target), '?', &ask.raw_path, &ask.raw_query);
        const struct fault *why = route_s3_place(&ask, arena, &place);
        if (!why)
            why = pairs_read(ask.raw_query, arena, &params, &count);
        if (!why)
            why = route_s3(&ask, &place, params, count, arena, &operation);
        str got = why ? str_of(why->code) : operation->name;
        if (!str_eq(got, str_of(c->operation)))
            fail_msg("%s: %.*s", c->says, STR_ARG(got));
        if (!str_eq(place.bucket, str_of(c->bucket)) || !str_eq(place.key, str_of(c->key)))
            fail_msg("%s: bucket %.*s key %.*s", c->says, STR_ARG(place.bucket),
                     STR_ARG(place.key));
        assert_true(str_is_none(place.key) == !c->key);
    }
}

static void pairs_are_decoded(void **unused)
{
    AUTO_ARENA *arena = arena_new(1 << 22);
    const struct header *pairs;
    size_t count;

    (void)unused;
    assert_null(pairs_read(STR("a=1&&b&c=&d%20e=f+g%2B&=x&a=2"), arena, &pairs, &count));
    assert_int_equal(count, 6);
    assert_true(str_eq(pair_find(pairs, count, STR("a"))->value, STR("1")));
    assert_true(str_is_none(pair_find(pairs, count, STR("b"))->value));
    assert_false(str_is_none(pair_find(pairs, count, STR("c"))->value));
    assert_true(str_eq(pair_find(pairs, count, STR("d e"))->value, STR("f g+")));
    assert_null(pair_find(pairs, count, STR("A")));
    assert_null(pairs_read(STR(""), arena, &pairs, &count));
    assert_int_equal(count, 0);
    assert_string_equal(pairs_read(STR("a=%4"), arena, &pairs, &count)->code,
                        "MalformedQueryString");
    assert_string_equal(pairs_read(STR("%=1"), arena, &pairs, &count)->code,
                        "MalformedQueryString");

    static char many[2 * (PAIRS_MAX + 1)];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 ? '&' : 'a';
    assert_null(pairs_read((str) { many, 2 * PAIRS_MAX - 1 }, arena, &pairs, &count));
    assert_int_equal(pairs_read((str) { many, sizeof many }, arena, &pairs, &count)->kind,
                     FAULT_LIMIT);
}

/* A disk that is full is our trouble, to be asked again later; a limit with a name is the client's. */
static void a_full_disk_is_no_mistake_of_who_asked(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    static const enum dialect dialects[] = { DIALECT_QUERY_XML, DIALECT_JSON, DIALECT_REST_XML, DIALECT_REST_JSON };
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++) {
        struct service service = { .name = STR("any"), .dialect = dialects[i] };
        struct error_words full =
            error_words(&service, fault(arena, FAULT_LIMIT, NULL, "the disk is full"), arena);
        struct error_words many =
            error_words(&service, fault_coded(arena, FAULT_LIMIT, "LimitExceeded", "Too many rules"), arena);
        assert_int_equal(full.status, 503);
        assert_int_equal(many.status, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_is_found),
        cmocka_unit_test(an_action_belongs_to_its_service),
        cmocka_unit_test(an_s3_request_is_never_taken_for_another),
        cmocka_unit_test(pairs_are_decoded),
        cmocka_unit_test(a_full_disk_is_no_mistake_of_who_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

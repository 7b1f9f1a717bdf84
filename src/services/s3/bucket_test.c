/* Buckets: their names, their record, and what their policy may say. */
#include "services/s3/bucket.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void a_name_follows_the_rules_of_s3(void **state)
{
    (void)state;
    static const char *const good[] = { "abc", "demo-mail", "a.b.c", "0-9", "1.2.3", "1.2.3.4.5" };
    static const char *const bad[] = { "",          "ab",  "Abc",        "a_b",      "-ab",
                                       "ab-",       ".ab", "a..b",       "1.2.3.4",  "xn--abc",
                                       "a-s3alias", "a b", "sthree-abc", "a--ol-s3", "a/b" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!bucket_name_ok(str_of(good[i])))
            fail_msg("%s is a good name", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (bucket_name_ok(str_of(bad[i])))
            fail_msg("%s is no good name", bad[i]);
    char longest[64];
    memset(longest, 'a', sizeof longest);
    assert_true(bucket_name_ok((str) { longest, 63 }));
    assert_false(bucket_name_ok((str) { longest, 64 }));
}

#define POLICY                                                                                     \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":"              \
    "{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\","                             \
    "\"Resource\":\"arn:aws:s3:::mail/*\"}]}"

static void a_bucket_reads_back_from_its_record(void **state)
{
    (void)state;
    struct arena *arena = arena_new(8 << 20);
    static const str policies[] = { { NULL, 0 }, STR_INIT(POLICY) };
    for (size_t i = 0; i < 2; i++) {
        struct bucket bucket = { .owner = STR("111122223333"),
                                 .region = STR("eu-west-1"),
                                 .created_ms = 1772442942317,
                                 .policy_text = policies[i] };
        AUTO_BUF value = buf_new(1 << 20);
        bucket_encode(&bucket, &value);
        const void *aggregate;
        assert_null(
            bucket_compile(&(struct record) { .key = STR("bucket/mail"), .value = buf_str(&value) },
                           arena, &aggregate));
        const struct bucket *back = aggregate;
        assert_true(str_eq(back->name, STR("mail")) && str_eq(back->owner, bucket.owner));
        assert_true(str_eq(back->region, bucket.region) && back->created_ms == bucket.created_ms);
        assert_true(str_eq(back->policy_text, policies[i]));
        assert_true(str_is_none(back->policy_text) == !back->policy);
    }
#define RECORD "{\"owner\":\"111122223333\",\"region\":\"us-east-1\",\"policy\":\"{}\"}"
    static const char *const records[] = { "", "{}", "[]", "{\"owner\":\"1\",\"region\":\"r\"}",
                                           RECORD };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        const void *aggregate;
        assert_non_null(
            bucket_compile(&(struct record) { .key = STR("bucket/x"), .value = str_of(records[i]) },
                           arena, &aggregate));
    }
    arena_free(arena);
}

struct policy_case {
    const char *says;
    const char *text; /* a whole document, or one statement's members behind Effect and Principal */
    const char *wants; /* "": it is taken */
};
#define ANY_PRINCIPAL "\"Effect\":\"Allow\",\"Principal\":\"*\","
#define ON_OBJECTS    "\"Resource\":\"arn:aws:s3:::mail/*\""
#define ON_BUCKET     "\"Resource\":\"arn:aws:s3:::mail\""
/* clang-format off */
static const struct policy_case documents[] = {
    { "nothing",                 "",                                              "Policies must be valid JSON and the first byte must be '{'" },
    { "a list",                  "[{}]",                                          "Policies must be valid JSON and the first byte must be '{'" },
    { "a blank in front",        " {}",                                           "Policies must be valid JSON and the first byte must be '{'" },
    { "half of it",              "{\"Version\":",                                 "This policy contains invalid Json" },
    { "a member twice",          "{\"Version\":\"2012-10-17\",\"Version\":\"2012-10-17\"}", "This policy contains invalid Json" },
    { "an empty object",         "{}",                                            "Missing required field Statement" },
    { "no statement",            "{\"Version\":\"2012-10-17\",\"Statement\":[]}", "Could not parse the policy: Statement is empty!" },
    { "a version of tomorrow",   "{\"Version\":\"2030-01-01\",\"Statement\":[]}", "The policy must contain a valid version string" },
    { "an unknown member",       "{\"Statements\":[]}",                           "Unknown field Statements" },
    { "one statement, no list",  "{\"Statement\":{" ANY_PRINCIPAL "\"Action\":\"s3:GetObject\"," ON_OBJECTS "}}", "" },
};
static const struct policy_case statements[] = {
    { "no effect",               "\"Principal\":\"*\"",                                      "Missing required field Effect" },
    { "an effect in lower case", "\"Effect\":\"allow\",\"Principal\":\"*\"",                 "Invalid effect: allow" },
    { "no principal",            "\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\"," ON_OBJECTS, "Missing required field Principal" },
    { "a principal by its name", "\"Effect\":\"Allow\",\"Principal\":\"me\"",                "Invalid principal in policy" },
    { "a user nobody made",      "\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:user/nobody\"}", "Invalid principal in policy" },
    { "a role nobody made",      "\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/nobody\"}", "Invalid principal in policy" },
    { "a service of nobody",     "\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.example.com\"}",                   "Invalid principal in policy" },
    { "a principal of no type",  "\"Effect\":\"Allow\",\"Principal\":{\"Me\":\"*\"}",        "Invalid principal in policy" },
    { "no action",               ANY_PRINCIPAL ON_OBJECTS,                                   "Missing required field Action" },
    { "an unknown action",       ANY_PRINCIPAL "\"Action\":\"s3:PutMail\"," ON_OBJECTS,      "Policy has invalid action" },
    { "another service",         ANY_PRINCIPAL "\"Action\":\"ses:SendEmail\"," ON_OBJECTS,   "Policy has invalid action" },
    { "no resource",             ANY_PRINCIPAL "\"Action\":\"s3:GetObject\"",                "Missing required field Resource" },
    { "another bucket",          ANY_PRINCIPAL "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mailbox/*\"", "Policy has invalid resource" },
    { "every resource",          ANY_PRINCIPAL "\"Action\":\"s3:GetObject\",\"Resource\":\"*\"",                      "Policy has invalid resource" },
    { "no ARN",                  ANY_PRINCIPAL "\"Action\":\"s3:GetObject\",\"Resource\":\"mail/*\"",                 "Policy has invalid resource" },
    { "objects of the bucket",   ANY_PRINCIPAL "\"Action\":\"s3:GetObject\"," ON_BUCKET,     "Action does not apply to any resource(s) in statement" },
    { "the bucket of objects",   ANY_PRINCIPAL "\"Action\":\"s3:ListBucket\"," ON_OBJECTS,   "Action does not apply to any resource(s) in statement" },
    { "a prefix of an object",   ANY_PRINCIPAL "\"Action\":\"s3:GetObject\"," ON_OBJECTS ",\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}", "Conditions do not apply to combination of actions and resources in statement" },
    { "a prefix of a list",      ANY_PRINCIPAL "\"Action\":\"s3:ListBucket\"," ON_BUCKET ",\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}", "" },
    { "an unknown member",       ANY_PRINCIPAL "\"Actions\":\"s3:GetObject\"",               "Unknown field Actions" },
    { "wildcards",               ANY_PRINCIPAL "\"Action\":\"s3:Get*\",\"Resource\":[\"arn:aws:s3:::mail\",\"arn:aws:s3:::mail/in/*\"]", "" },
    { "all but one action",      ANY_PRINCIPAL "\"NotAction\":\"s3:DeleteObject\"," ON_OBJECTS, "" },
    { "an account",              "\"Effect\":\"Deny\",\"Principal\":{\"AWS\":[\"444455556666\",\"arn:aws:iam::444455556666:root\"]},\"Action\":\"s3:*\"," ON_OBJECTS, "" },
    { "SES, as its page says",   "\"Sid\":\"AllowSESPuts\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"s3:PutObject\"," ON_OBJECTS
                                 ",\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"111122223333\",\"AWS:SourceArn\":\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/s:receipt-rule/r\"}}", "" },
};
/* clang-format on */

static void check(struct stage *stage, const char *says, str text, const char *wants)
{
    struct call call = stage_call(stage);
    const struct fault *why = bucket_policy_check(STR("mail"), text, call.world, call.arena);
    str got = why ? why->says : STR("");
    if (!str_eq(got, str_of(wants)))
        fail_msg("%s: " STR_FMT, says, STR_ARG(got));
    if (why)
        assert_string_equal(why->code, "MalformedPolicy");
}

static void a_policy_is_refused_in_the_words_of_s3(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        check(&stage, documents[i].says, str_of(documents[i].text), documents[i].wants);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        check(&stage, statements[i].says,
              arena_strf(stage.arena, "{\"Version\":\"2012-10-17\",\"Statement\":[{%s}]}",
                         statements[i].text),
              statements[i].wants);
    stage_end(&stage);
}

static void a_policy_has_a_size_and_blanks_are_free(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    char blanks[30000];
    memset(blanks, ' ', sizeof blanks);
    str inner = STR(ANY_PRINCIPAL "\"Action\":\"s3:GetObject\"," ON_OBJECTS);
    check(&stage, "many blanks",
          arena_strf(stage.arena, "{%.*s\"Statement\":[{" STR_FMT "}]}", 30000, blanks,
                     STR_ARG(inner)),
          "");
    memset(blanks, 'x', sizeof blanks);
    check(&stage, "a long name",
          arena_strf(stage.arena, "{\"Statement\":[{\"Sid\":\"%.*s\"," STR_FMT "}]}", 21000, blanks,
                     STR_ARG(inner)),
          "Policy exceeds the maximum allowed document size.");
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_follows_the_rules_of_s3),
        cmocka_unit_test(a_bucket_reads_back_from_its_record),
        cmocka_unit_test(a_policy_is_refused_in_the_words_of_s3),
        cmocka_unit_test(a_policy_has_a_size_and_blanks_are_free),
    };
    return cmocka_run_group_tests_name("buckets", tests, NULL, NULL);
}

/* Names of functions in every spelling, and the record read back as it was written. */
#include "services/lambda/function.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ARN "arn:aws:lambda:eu-west-1:444455556666:function:OnMail"

/* clang-format off */
static const struct {
    const char *text, *qualifier;
    bool well;
    const char *arn;
} names[] = {
    { "OnMail", NULL, true, "arn:aws:lambda:us-east-1:111122223333:function:OnMail" },
    { "OnMail", "live", true, "arn:aws:lambda:us-east-1:111122223333:function:OnMail:live" },
    { "OnMail:live", NULL, true, "arn:aws:lambda:us-east-1:111122223333:function:OnMail:live" },
    { "OnMail:live", "live", true, "arn:aws:lambda:us-east-1:111122223333:function:OnMail:live" },
    { "OnMail:live", "other", false, NULL },
    { "OnMail:$LATEST", NULL, true, "arn:aws:lambda:us-east-1:111122223333:function:OnMail:$LATEST" },
    { "444455556666:function:OnMail", "2", true, "arn:aws:lambda:us-east-1:444455556666:function:OnMail:2" },
    { ARN, NULL, true, ARN },
    { ARN ":7", NULL, true, ARN ":7" },
    { "arn:aws:sqs:eu-west-1:444455556666:function:OnMail", NULL, false, NULL },
    { "arn:aws:lambda:eu-west-1:4444:function:OnMail", NULL, false, NULL },
    { "arn:aws:lambda:eu-west-1:444455556666:layer:l", NULL, false, NULL },
    { "On/Mail", NULL, false, NULL },
    { "", NULL, false, NULL },
    { "OnMail:", NULL, true, "arn:aws:lambda:us-east-1:111122223333:function:OnMail" },
    { "OnMail", "a.b", false, NULL },
};
/* clang-format on */

static void a_function_is_named_in_many_ways(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct function_ref ref;
        bool well = function_ref_parse(str_of(names[i].text), str_of(names[i].qualifier),
                                       STR("111122223333"), STR("us-east-1"), &ref);
        if (well != names[i].well ||
            (well && !str_eq(function_ref_arn(&ref, arena), str_of(names[i].arn))))
            fail_msg("%s %s", names[i].text, names[i].qualifier ? names[i].qualifier : "");
    }
    arena_free(arena);
}

#define STATEMENT(sid, resource)                                                                   \
    "{\"Sid\":\"" sid "\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"}," \
    "\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"" resource "\"}"

static void a_record_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    const struct header environment[] = { { STR("COLOUR"), STR("r\u00fcd \"x\"") },
                                          { STR("EMPTY"), STR("") } };
    const str hash = STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    const struct function_version versions[] = {
        { STR("$LATEST"), STR("nodejs20.x"), STR("index.handler"), STR("arn:role"), STR("d"), hash,
          7, 30, 256, 99, STR("rev0"), STR("arn:aws:sqs:us-east-1:111122223333:dead"), environment,
          2 },
        { STR("3"), STR("provided"), STR(""), STR("arn:role"), STR(""), hash, 7, 3, 128, 98,
          STR("rev3"), STR_NONE, NULL, 0 },
    };
    const struct function_alias alias = { STR("live"), STR("3"), STR("what is used"),
                                          STR("rev-a") };
    const str statements[] = {
        STR(STATEMENT("one", "arn:aws:lambda:us-east-1:111122223333:function:f:live")),
        STR(STATEMENT("two", "arn:aws:lambda:us-east-1:111122223333:function:f:live"))
    };
    const struct function_policy policies[] = { { .qualifier = STR("live"),
                                                  .revision_id = STR("rev-p"),
                                                  .statements = statements,
                                                  .count = 2 },
                                                { .qualifier = STR(""),
                                                  .revision_id = STR("gone") } };
    const struct function_async async = { STR("$LATEST"), 0, 3600, 97 };
    const struct header tag = { STR("team"), STR("mail") };
    const struct function written = { .next_version = 4,
                                      .reserved = 5,
                                      .versions = versions,
                                      .version_count = 2,
                                      .aliases = &alias,
                                      .alias_count = 1,
                                      .policies = policies,
                                      .policy_count = 2,
                                      .asyncs = &async,
                                      .async_count = 1,
                                      .tags = &tag,
                                      .tag_count = 1 };
    AUTO_BUF text = buf_new(1 << 16);
    function_encode(&written, &text);
    stage_put(&stage, "function/111122223333/us-east-1/f", buf_str(&text));

    struct call call = stage_call(&stage);
    const struct function_ref ref = { STR("111122223333"), STR("us-east-1"), STR("f"), STR("") };
    const struct function *f = function_find(call.world, &ref);
    assert_non_null(f);
    assert_true(str_eq(f->arn.text, STR("arn:aws:lambda:us-east-1:111122223333:function:f")));
    assert_int_equal(f->next_version, 4);
    assert_int_equal(f->reserved, 5);
    assert_true(str_eq(function_version(f, STR(""))->environment[0].value, STR("r\u00fcd \"x\"")));
    assert_true(str_eq(function_version(f, STR("$LATEST"))->dead_letter_arn,
                       STR("arn:aws:sqs:us-east-1:111122223333:dead")));
    assert_true(str_eq(function_version(f, STR("live"))->version, STR("3")));
    assert_null(function_version(f, STR("4")));
    assert_int_equal(function_policy(f, STR("live"))->document->statement_count, 2);
    assert_true(str_eq(function_policy(f, STR("live"))->sids[1], STR("two")));
    assert_null(function_policy(f, STR("3")));       /* an alias's policy is not its version's */
    assert_null(function_policy(f, STR("$LATEST"))); /* nor one that lost its last statement */
    assert_int_equal(function_async(f, STR(""))->age_s, 3600);
    assert_true(str_eq(f->tags[0].value, STR("mail")));

    stage_put(&stage, "function/111122223333/us-east-1/f",
              STR("{\"versions\":[{\"version\":\"1\"}]}"));
    call = stage_call(&stage);
    assert_null(function_find(call.world, &ref)); /* what cannot be understood grants nothing */
    assert_int_equal(stage.errors, 1);
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_is_named_in_many_ways),
        cmocka_unit_test(a_record_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How a remedy is made, case by case. That it mends is proven in mend_test.c. */
#include "policy/denial.h"
#include "policy/mend_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ARENA_MAX = 64 << 20 };

static struct remedies remedies_of(const struct question *q, const struct decision *decision,
                                   struct arena *arena)
{
    struct remedies remedies;
    assert_true(mend_remedies(q, decision, arena, &remedies));
    return remedies;
}

static struct remedies remedies_for(const char *request, const char *policies, str wish,
                                    struct arena *arena)
{
    const struct spans *asks, *governs;
    struct question *q;
    assert_null(spans_parse(str_of(request), SPANS_STRICT, arena, &asks));
    assert_null(spans_parse(str_of(policies), SPANS_STRICT, arena, &governs));
    assert_null(question_read((struct written) { str_of(request), asks },
                              (struct written) { str_of(policies), governs }, arena, &q));
    q->request.remedy_resource = wish;
    struct decision decision;
    assert_int_equal(mend_decide(q, arena, &decision), VERDICT_IMPLICIT_DENY);
    return remedies_of(q, &decision, arena);
}

#define BY_SES                                                                                     \
    "{\"principal\":\"ses.amazonaws.com\",\"action\":\"s3:PutObject\",\"resource\":"               \
    "\"arn:aws:s3:::mail/a*b/7f3a\",\"resource_account\":\"111122223333\",\"context\":{"           \
    "\"aws:SourceAccount\":\"111122223333\"}}"
#define SILENT(version)                                                                            \
    "{\"Version\":\"" version "\",\"Statement\":[{\"Sid\":\"Other\",\"Effect\":\"Allow\","         \
    "\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"ec2:RunInstances\","           \
    "\"Resource\":\"*\"}]}"

static void a_rules_prefix_is_as_wide_as_it_gets(void **state)
{
    (void)state;
    static const struct {
        const char *policies, *wish, *resource;
    } cases[] = {
        { "{}", "arn:aws:s3:::mail/in/*", "\"arn:aws:s3:::mail/in/*\"" },
        { "{}", "arn:aws:s3:::mail/*", "\"arn:aws:s3:::mail/*\"" },
        { "{}", "arn:aws:s3:::mail/a*b/*", "\"arn:aws:s3:::mail/a${*}b/*\"" },
        { "{}", "arn:aws:s3:::mail/${a}?/*", "\"arn:aws:s3:::mail/${$}{a}${?}/*\"" },
        { "{}", "arn:aws:s3:${a}::mail/${a}/*", "\"arn:aws:s3:${a}::mail/${$}{a}/*\"" },
        { "{}", NULL, "\"arn:aws:s3:::mail/a${*}b/7f3a\"" },
        { "{\"resource\":" SILENT("2008-10-17") "}", "arn:aws:s3:::mail/a*b/*",
          "\"arn:aws:s3:::mail/a?b/*\"" },
        { "{\"resource\":" SILENT("2012-10-17") "}", NULL, "\"arn:aws:s3:::mail/a${*}b/7f3a\"" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO_ARENA *arena = arena_new(ARENA_MAX);
        const struct remedies remedies = remedies_for(
            BY_SES, cases[i].policies, cases[i].wish ? str_of(cases[i].wish) : STR_NONE, arena);
        assert_int_equal(remedies.count, 1);
        const struct spans *root;
        assert_null(spans_parse(remedies.of[0].statement, SPANS_STRICT, arena, &root));
        const struct spans *resource = spans_get(root, STR("Resource"));
        const str got = { remedies.of[0].statement.ptr + resource->from,
                          resource->to - resource->from };
        if (!str_eq(got, str_of(cases[i].resource)))
            fail_msg(STR_FMT ", wanted %s", STR_ARG(got), cases[i].resource);
    }
}

static void what_a_function_lacks_is_what_add_permission_writes(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    const struct remedies remedies = remedies_for(
        "{\"principal\":\"ses.amazonaws.com\",\"action\":\"lambda:InvokeFunction\",\"resource\":"
        "\"arn:aws:lambda:us-east-1:111122223333:function:f:live\",\"resource_account\":"
        "\"111122223333\",\"context\":{\"aws:SourceAccount\":\"111122223333\",\"aws:SourceArn\":"
        "\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/r\"}}",
        "{}", STR_NONE, arena);
    assert_int_equal(remedies.count, 1);
    assert_string_equal(
        remedies.of[0].statement.ptr,
        "{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":"
        "\"lambda:InvokeFunction\",\"Resource\":"
        "\"arn:aws:lambda:us-east-1:111122223333:function:f:live\",\"Condition\":{\"StringEquals\":"
        "{"
        "\"aws:SourceAccount\":\"111122223333\"},\"ArnLike\":{\"aws:SourceArn\":"
        "\"arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/r\"}}}");
    assert_string_equal(
        remedies.of[0].says.ptr,
        "a function's policy is written by AddPermission: aws lambda add-permission "
        "--function-name arn:aws:lambda:us-east-1:111122223333:function:f:live "
        "--statement-id A-NAME --action lambda:InvokeFunction --principal ses.amazonaws.com "
        "--source-account 111122223333 --source-arn "
        "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/r");
}

static void a_condition_that_lets_in_everybody_with_a_key_is_not_nearly_a_roles_grant(void **state)
{
    (void)state;
    static const char request[] =
        "{\"principal\":\"arn:aws:sts::111122223333:assumed-role/writer/ses\",\"action\":"
        "\"SNS:Publish\",\"resource\":\"arn:aws:sns:us-east-1:111122223333:t\","
        "\"resource_account\":\"111122223333\"%s}";
    static const char policies[] =
        "{\"resource\":{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
        "\"Principal\":%s,\"Action\":\"SNS:Publish\",\"Resource\":\"*\",\"Condition\":{"
        "\"StringEquals\":{\"AWS:SourceOwner\":\"111122223333\"}}}]}}";
    static const struct {
        const char *context, *principal, *policy;
    } cases[] = {
        { "", "{\"AWS\":\"*\"}", "identity" }, /* a topic's default policy */
        { ",\"context\":{\"aws:SourceOwner\":\"444455556666\"}", "\"*\"", "resource" },
        { "", "{\"AWS\":\"arn:aws:iam::111122223333:role/writer\"}", "resource" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO_ARENA *arena = arena_new(ARENA_MAX);
        const struct remedies remedies =
            remedies_for(arena_strf(arena, request, cases[i].context).ptr,
                         arena_strf(arena, policies, cases[i].principal).ptr, STR_NONE, arena);
        assert_int_equal(remedies.count, 1);
        assert_string_equal(remedies.of[0].policy.ptr, cases[i].policy);
    }
}

static void a_missing_policy_is_given_whole_and_each_lack_says_where(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    const struct remedies remedies = remedies_for(
        "{\"principal\":\"arn:aws:sts::111122223333:assumed-role/writer/ses\",\"action\":"
        "\"s3:PutObject\",\"resource\":\"arn:aws:s3:::mail/7f3a\",\"resource_account\":"
        "\"444455556666\"}",
        "{\"scp\":[[],[{\"Statement\":[]}]],\"boundary\":[]}", STR_NONE, arena);
    static const struct {
        const char *policy, *attached_to, *says, *document;
    } wanted[] = {
        { "boundary[0]", "arn:aws:iam::111122223333:role/writer",
          "the permissions boundary is a ceiling that lets only through what it "
          "names: whoever set it has to add this statement",
          "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
          "\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/7f3a\"}]}" },
        { "scp[0][0]", NULL,
          "the service control policy is a ceiling: the organization has to add this "
          "statement at level 0, counted from its root",
          "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
          "\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/7f3a\"}]}" },
        { "scp[1][0]", NULL,
          "the service control policy scp[1][0] is a ceiling: the organization has to "
          "add this statement at level 1, counted from its root",
          NULL },
        { "identity", "arn:aws:iam::111122223333:role/writer",
          "attach a policy with this statement to arn:aws:iam::111122223333:role/writer",
          "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
          "\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/7f3a\"}]}" },
        { "resource", "arn:aws:s3:::mail", "give the resource a policy with this statement",
          "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":"
          "\"arn:aws:iam::111122223333:role/writer\"},\"Action\":\"s3:PutObject\",\"Resource\":"
          "\"arn:aws:s3:::mail/7f3a\"}]}" },
    };
    assert_int_equal(remedies.count, sizeof(wanted) / sizeof(*wanted));
    for (size_t i = 0; i < remedies.count; i++) {
        const struct remedy *got = &remedies.of[i];
        if (!str_eq(got->policy, str_of(wanted[i].policy)) ||
            str_is_none(got->attached_to) != !wanted[i].attached_to ||
            (wanted[i].attached_to && !str_eq(got->attached_to, str_of(wanted[i].attached_to))) ||
            !str_eq(got->says, str_of(wanted[i].says)) ||
            !str_eq(got->document.ptr ? got->document : STR("-"),
                    str_of(wanted[i].document ? wanted[i].document : "-")))
            fail_msg("%zu: " STR_FMT ", " STR_FMT ", " STR_FMT ", " STR_FMT, i,
                     STR_ARG(got->policy), STR_ARG(got->attached_to), STR_ARG(got->says),
                     STR_ARG(got->document));
    }
}

/* A script that carries a remedy out calls the service that keeps the policy: with its ARN. */
static void a_policy_is_attached_to_what_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *principal, *resource, *attached_to;
        enum exhibit_kind where;
    } cases[] = {
        { "a bucket has the policy of its objects", "ses.amazonaws.com",
          "arn:aws:s3:::mail/in/7f3a", "arn:aws:s3:::mail", EXHIBIT_RESOURCE },
        { "and its own", "ses.amazonaws.com", "arn:aws:s3:::mail", "arn:aws:s3:::mail",
          EXHIBIT_RESOURCE },
        { "behind an access point there are two", "ses.amazonaws.com",
          "arn:aws:s3:eu-west-1:111122223333:accesspoint/in/object/x", NULL, EXHIBIT_RESOURCE },
        { "a key, though its ARN has a slash", "ses.amazonaws.com",
          "arn:aws:kms:eu-west-1:111122223333:key/k", "arn:aws:kms:eu-west-1:111122223333:key/k",
          EXHIBIT_RESOURCE },
        { "a role, its trust", "ses.amazonaws.com", "arn:aws:iam::111122223333:role/mail/writer",
          "arn:aws:iam::111122223333:role/mail/writer", EXHIBIT_TRUST },
        { "what is no resource has no policy", "ses.amazonaws.com", "*", NULL, EXHIBIT_RESOURCE },
        { "a role, those of its sessions", "arn:aws:sts::111122223333:assumed-role/writer/s",
          "arn:aws:s3:::mail/x", "arn:aws:iam::111122223333:role/writer", EXHIBIT_IDENTITY },
        { "a user, its boundary", "arn:aws:iam::111122223333:user/team/amber",
          "arn:aws:s3:::mail/x", "arn:aws:iam::111122223333:user/team/amber", EXHIBIT_BOUNDARY },
        { "of a federated user nothing tells whose",
          "arn:aws:sts::111122223333:federated-user/amber", "arn:aws:s3:::mail/x", NULL,
          EXHIBIT_IDENTITY },
        { "a session's policy is kept nowhere", "arn:aws:sts::111122223333:assumed-role/writer/s",
          "arn:aws:s3:::mail/x", NULL, EXHIBIT_SESSION },
        { "an endpoint is not in the request", "ses.amazonaws.com", "arn:aws:s3:::mail/x", NULL,
          EXHIBIT_ENDPOINT },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        const str json = arena_strf(arena,
                                    "{\"principal\":\"%s\",\"action\":\"s3:PutObject\","
                                    "\"resource\":\"%s\",\"resource_account\":\"111122223333\"}",
                                    cases[i].principal, cases[i].resource);
        const struct spans *root;
        struct question *q;
        assert_null(spans_parse(json, SPANS_STRICT, arena, &root));
        assert_null(
            question_read((struct written) { json, root }, (struct written) { 0 }, arena, &q));
        const str got = policy_attached_to(cases[i].where, &q->request);
        if (str_is_none(got) != !cases[i].attached_to ||
            (cases[i].attached_to && !str_eq(got, str_of(cases[i].attached_to))))
            fail_msg("%s: " STR_FMT, cases[i].kind, STR_ARG(got));
    }
}

/* Naming a user in the policy of a key or a role of its own account is final: its ceilings need no
 * statement then (reference_policies_evaluation-logic). */
static void no_ceiling_is_raised_that_would_not_be_asked(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(ARENA_MAX);
    static const char policies[] =
        "{\"boundary\":[],\"session\":[],\"resource\":{\"Statement\":[]}}";
    struct remedies remedies = remedies_for(
        "{\"principal\":\"arn:aws:iam::111122223333:user/amber\",\"action\":\"kms:Decrypt\","
        "\"resource\":\"arn:aws:kms:us-east-1:111122223333:key/k\"}",
        policies, STR_NONE, arena);
    assert_int_equal(remedies.count, 1);
    remedies =
        remedies_for("{\"principal\":\"arn:aws:sts::111122223333:assumed-role/amber/s\",\"action\":"
                     "\"kms:Decrypt\",\"resource\":\"arn:aws:kms:us-east-1:111122223333:key/k\"}",
                     policies, STR_NONE, arena);
    assert_int_equal(remedies.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rules_prefix_is_as_wide_as_it_gets),
        cmocka_unit_test(what_a_function_lacks_is_what_add_permission_writes),
        cmocka_unit_test(a_condition_that_lets_in_everybody_with_a_key_is_not_nearly_a_roles_grant),
        cmocka_unit_test(a_missing_policy_is_given_whole_and_each_lack_says_where),
        cmocka_unit_test(a_policy_is_attached_to_what_has_it),
        cmocka_unit_test(no_ceiling_is_raised_that_would_not_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

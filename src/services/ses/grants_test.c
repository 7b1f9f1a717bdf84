/* The policies a rule needs make exactly that rule work: decided by the engine, for the rule itself
 * and for its neighbours. */
#include "policy/decision.h"
#include "services/ses/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACCOUNT "111122223333"
#define OTHER   "444455556666"
#define KEY     "arn:aws:kms:us-east-1:" ACCOUNT ":key/k1"
#define ROLE    "arn:aws:iam::" ACCOUNT ":role/mail/writer"
#define TOPIC   "arn:aws:sns:us-east-1:" ACCOUNT ":arrived"

static str owner_is_other(void *context, str bucket)
{
    (void)context, (void)bucket;
    return STR(OTHER);
}

struct question { /* the rule, and one request of it or of a neighbour */
    struct action action;
    str bucket_key, topic_key;
    str only;
    bool foreign_bucket;
};

static const struct grant *grants(const struct question *q, struct arena *a, size_t *ret_count)
{
    const struct receipt_rule rule = { .name = STR("orders"),
                                       .actions = &q->action,
                                       .action_count = 1 };
    const struct grants_question question = {
        .account = STR(ACCOUNT),
        .region = STR("us-east-1"),
        .rule_set = STR("main"),
        .rule = &rule,
        .bucket_owner = q->foreign_bucket ? owner_is_other : NULL,
        .bucket_key = q->bucket_key,
        .topic_key = q->topic_key,
        .only = q->only,
    };
    const struct grant *found;
    assert_null(grants_of(&question, a, &found, ret_count));
    return found;
}

static str document_for(const struct question *q, enum grant_kind kind, str target, struct arena *a)
{
    size_t count;
    const struct grant *found = grants(q, a, &count);
    for (size_t i = 0; i < count; i++) {
        if (found[i].kinds & 1u << kind && str_eq(found[i].target, target))
            return found[i].document;
    }
    return STR_NONE;
}

struct asking {
    const char *rule; /* NULL: the role's session asks */
    const char *action, *resource, *owner;
    enum exhibit_kind where;
};

static enum verdict decide(str document, const struct asking *asks, struct arena *a)
{
    struct document parsed;
    assert_null(policy_parse(document, a, &parsed));
    struct caller caller;
    if (asks->rule) {
        struct arn rule_arn;
        assert_true(arn_parse(receipt_rule_arn(a, STR("us-east-1"), STR(ACCOUNT), STR("main"),
                                               str_of(asks->rule)),
                              &rule_arn));
        caller = caller_ses(STR(ACCOUNT), rule_arn);
    } else {
        caller = (struct caller) { .kind = CALLER_ASSUMED_ROLE, .account = STR(ACCOUNT) };
        assert_true(arn_parse(STR(ROLE), &caller.assumed_role.role));
        assert_true(arn_parse(STR("arn:aws:sts::" ACCOUNT ":assumed-role/writer/s"),
                              &caller.assumed_role.session));
    }
    struct request request = { .caller = &caller,
                               .action = str_of(asks->action),
                               .resource_account = str_of(asks->owner) };
    assert_true(arn_parse(str_of(asks->resource), &request.resource));
    assert_null(request_context(&caller, 0, NULL, 0, a, &request.context, &request.context_count));
    struct exhibit exhibit = { .kind = asks->where, .document = &parsed };
    return policy_decide(&request, &exhibit, 1, NULL);
}

struct grant_case {
    const char *says;
    struct question question;
    enum grant_kind kind;
    const char *target;
    struct asking asks;
    bool allowed;
};

#define S3(...)     { .kind = ACTION_S3, .s3 = { .bucket_name = STR_INIT("invoices"), __VA_ARGS__ } }
#define PREFIX      .object_key_prefix = STR_INIT("in")
#define INSTANCE  "arn:aws:connect:us-east-1:111122223333:instance/i"
#define WITH_ROLE   .iam_role_arn = STR_INIT(ROLE)
#define ON_RESOURCE .where = EXHIBIT_RESOURCE, .owner = ACCOUNT
/* clang-format off */
static const struct grant_case cases[] = {
    { "the bucket policy lets the rule write below its prefix", { .action = S3(PREFIX) }, GRANT_BUCKET, "invoices",
      { "orders", "s3:PutObject", "arn:aws:s3:::invoices/in/x", ON_RESOURCE }, true },
    { "and nowhere else", { .action = S3(PREFIX) }, GRANT_BUCKET, "invoices",
      { "orders", "s3:PutObject", "arn:aws:s3:::invoices/x", ON_RESOURCE }, false },
    { "and no other rule", { .action = S3(PREFIX) }, GRANT_BUCKET, "invoices",
      { "order", "s3:PutObject", "arn:aws:s3:::invoices/in/x", ON_RESOURCE }, false },
    { "and nothing else", { .action = S3(PREFIX) }, GRANT_BUCKET, "invoices",
      { "orders", "s3:GetObject", "arn:aws:s3:::invoices/in/x", ON_RESOURCE }, false },
    { "a prefix with a star in it is a plain star", { .action = S3(.object_key_prefix = STR_INIT("a*")) }, GRANT_BUCKET, "invoices",
      { "orders", "s3:PutObject", "arn:aws:s3:::invoices/a*/x", ON_RESOURCE }, true },
    { "and no wildcard", { .action = S3(.object_key_prefix = STR_INIT("a*")) }, GRANT_BUCKET, "invoices",
      { "orders", "s3:PutObject", "arn:aws:s3:::invoices/ab/x", ON_RESOURCE }, false },
    { "the trust policy lets the rule assume the role", { .action = S3(WITH_ROLE) }, GRANT_TRUST, ROLE,
      { "orders", "sts:AssumeRole", ROLE, ACCOUNT, EXHIBIT_TRUST }, true },
    { "and no other rule", { .action = S3(WITH_ROLE) }, GRANT_TRUST, ROLE,
      { "archive", "sts:AssumeRole", ROLE, ACCOUNT, EXHIBIT_TRUST }, false },
    { "the role may write", { .action = S3(WITH_ROLE) }, GRANT_ROLE, ROLE,
      { NULL, "s3:PutObject", "arn:aws:s3:::invoices/x", ACCOUNT, EXHIBIT_IDENTITY }, true },
    { "the role may make data keys", { .action = S3(WITH_ROLE, .kms_key_arn = STR_INIT(KEY)) }, GRANT_ROLE, ROLE,
      { NULL, "kms:GenerateDataKey", KEY, ACCOUNT, EXHIBIT_IDENTITY }, false /* the key policy must delegate */ },
    { "the role may publish", { .action = { .kind = ACTION_S3, .topic_arn = STR_INIT(TOPIC),
                                            .s3 = { .bucket_name = STR_INIT("invoices"), WITH_ROLE } } }, GRANT_ROLE, ROLE,
      { NULL, "sns:Publish", TOPIC, ACCOUNT, EXHIBIT_IDENTITY }, true },
    { "the key policy lets the rule make data keys", { .action = S3(.kms_key_arn = STR_INIT(KEY)) }, GRANT_KEY, KEY,
      { "orders", "kms:GenerateDataKey", KEY, ON_RESOURCE }, true },
    { "and not decrypt", { .action = S3(.kms_key_arn = STR_INIT(KEY)) }, GRANT_KEY, KEY,
      { "orders", "kms:Decrypt", KEY, ON_RESOURCE }, false },
    { "and no other rule", { .action = S3(.kms_key_arn = STR_INIT(KEY)) }, GRANT_KEY, KEY,
      { "archive", "kms:GenerateDataKey", KEY, ON_RESOURCE }, false },
    { "the bucket's own key is decrypted with too", { .action = S3(), .bucket_key = STR_INIT(KEY) }, GRANT_SSE_KEY, KEY,
      { "orders", "kms:Decrypt", KEY, ON_RESOURCE }, true },
    { "one key for mail and bucket: both", { .action = S3(.kms_key_arn = STR_INIT(KEY)), .bucket_key = STR_INIT(KEY) }, GRANT_KEY, KEY,
      { "orders", "kms:Decrypt", KEY, ON_RESOURCE }, true },
    { "the topic policy lets the rule publish",
      { .action = { .kind = ACTION_SNS, .topic_arn = STR_INIT(TOPIC) }, .only = STR_INIT("topic") }, GRANT_TOPIC, TOPIC,
      { "orders", "sns:Publish", TOPIC, ON_RESOURCE }, true },
    { "and no other rule",
      { .action = { .kind = ACTION_SNS, .topic_arn = STR_INIT(TOPIC) }, .only = STR_INIT("topic") }, GRANT_TOPIC, TOPIC,
      { "archive", "sns:Publish", TOPIC, ON_RESOURCE }, false },
    { "the topic's key", { .action = { .kind = ACTION_SNS, .topic_arn = STR_INIT(TOPIC) }, .topic_key = STR_INIT(KEY) }, GRANT_TOPIC_KEY, KEY,
      { "orders", "kms:Decrypt", KEY, ON_RESOURCE }, true },
};
/* clang-format on */

static void what_is_granted_is_the_rule_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        const struct grant_case *c = &cases[i];
        str document = document_for(&c->question, c->kind, str_of(c->target), a);
        assert_non_null(document.ptr);
        if ((decide(document, &c->asks, a) == VERDICT_ALLOW) != c->allowed)
            fail_msg("%s: " STR_FMT, c->says, STR_ARG(document));
    }
}

static void expect(const struct question *q, const enum grant_kind *kinds, size_t want)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    size_t count;
    const struct grant *found = grants(q, a, &count);
    assert_int_equal(count, want);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(found[i].kind, kinds[i]);
}
#define EXPECT(q, ...)                                                                             \
    expect(&(struct question)q, (enum grant_kind[]) { __VA_ARGS__ },                               \
           sizeof((enum grant_kind[]) { __VA_ARGS__ }) / sizeof(enum grant_kind))
#define Q(...) { __VA_ARGS__ }

static void nothing_is_asked_for_that_is_there_already(void **state)
{
    (void)state;
    EXPECT(Q(.action = S3()), GRANT_BUCKET);
    EXPECT(Q(.action = S3(WITH_ROLE)), GRANT_TRUST, GRANT_ROLE);
    EXPECT(Q(.action = S3(WITH_ROLE), .foreign_bucket = true), GRANT_TRUST, GRANT_ROLE,
           GRANT_BUCKET);
    EXPECT(Q(.action = S3(.kms_key_arn = STR_INIT("arn:aws:kms:us-east-1:" ACCOUNT
                                                  ":alias/aws/ses"))),
           GRANT_BUCKET);
    EXPECT(Q(.action = S3(WITH_ROLE, .kms_key_arn = STR_INIT(KEY))), GRANT_TRUST, GRANT_ROLE);
    EXPECT(Q(.action = S3(WITH_ROLE, .kms_key_arn = STR_INIT("arn:aws:kms:us-east-1:" OTHER
                                                             ":key/k"))),
           GRANT_TRUST, GRANT_ROLE, GRANT_KEY);
    EXPECT(Q(.action = S3(.kms_key_arn = STR_INIT(KEY)), .bucket_key = STR(KEY)), GRANT_BUCKET,
           GRANT_KEY);
    EXPECT(Q(.action = S3(.kms_key_arn = STR_INIT(KEY)), .bucket_key = STR(KEY),
             .only = STR("sse-key")),
           GRANT_KEY);
    EXPECT(Q(.action = { .kind = ACTION_CONNECT,
                         .connect = { .instance_arn = STR_INIT(INSTANCE),
                                      .iam_role_arn = STR_INIT(ROLE) } }),
           GRANT_TRUST, GRANT_ROLE);
    EXPECT(Q(.action = S3(WITH_ROLE), .only = STR("role")), GRANT_ROLE);
    EXPECT(Q(.action = { .kind = ACTION_LAMBDA,
                         .lambda = { .function_arn = STR_INIT("arn:aws:lambda:us-east-1:" ACCOUNT
                                                              ":function:f:live") } }),
           GRANT_FUNCTION);
    EXPECT(Q(.action = { .kind = ACTION_SNS,
                         .topic_arn = STR_INIT("arn:aws:sns:us-east-1:" OTHER ":t") }),
           GRANT_TOPIC);
    const struct question own_topic = { .action = { .kind = ACTION_SNS,
                                                    .topic_arn = STR_INIT(TOPIC) } };
    expect(&own_topic, NULL, 0);
    const struct question header = { .action = { .kind = ACTION_ADD_HEADER } };
    expect(&header, NULL, 0);
}

static void the_permission_of_an_alias_names_it_apart(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct question q = {
        .action = { .kind = ACTION_LAMBDA,
                    .lambda = { .function_arn = STR_INIT("arn:aws:lambda:us-east-1:" ACCOUNT
                                                         ":function:f:live") } }
    };
    size_t count;
    const struct grant *found = grants(&q, a, &count);
    assert_int_equal(count, 1);
    str want = STR("{\"FunctionName\":\"arn:aws:lambda:us-east-1:111122223333:function:f\","
                   "\"Qualifier\":\"live\",\"StatementId\":\"GiveSESPermissionToInvokeFunction\","
                   "\"Action\":\"lambda:InvokeFunction\",\"Principal\":\"ses.amazonaws.com\","
                   "\"SourceAccount\":\"111122223333\",\"SourceArn\":\"arn:aws:ses:us-east-1:"
                   "111122223333:receipt-rule-set/main:receipt-rule/orders\"}");
    if (!str_eq(found[0].document, want))
        fail_msg(STR_FMT, STR_ARG(found[0].document));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_granted_is_the_rule_and_no_more),
        cmocka_unit_test(nothing_is_asked_for_that_is_there_already),
        cmocka_unit_test(the_permission_of_an_alias_names_it_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

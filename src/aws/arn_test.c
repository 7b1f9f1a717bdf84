/* ARNs, accounts, regions and the names of callers. */
#include "aws/caller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct arn_case {
    const char *says, *in;
    bool want;
    str partition, service, region, account, resource;
};

static const struct arn_case arns[] = {
    { "a bucket has no region and no account", "arn:aws:s3:::invoices/in/7f3a", true,
      STR_INIT("aws"), STR_INIT("s3"), STR_INIT(""), STR_INIT(""), STR_INIT("invoices/in/7f3a") },
    { "a resource keeps its colons",
      "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/orders", true,
      STR_INIT("aws"), STR_INIT("ses"), STR_INIT("us-east-1"), STR_INIT("111122223333"),
      STR_INIT("receipt-rule-set/main:receipt-rule/orders") },
    { "the doubled colon of the page leaves the account empty",
      "arn:aws:kms:us-east-1::111122223333:key/k", true, STR_INIT("aws"), STR_INIT("kms"),
      STR_INIT("us-east-1"), STR_INIT(""), STR_INIT("111122223333:key/k") },
    { "six fields may all be empty but the first", "arn:::::", true, STR_INIT(""), STR_INIT(""),
      STR_INIT(""), STR_INIT(""), STR_INIT("") },
    { "five fields are no ARN", "arn:aws:sns:us-east-1:topic", false, STR_INIT(""), STR_INIT(""),
      STR_INIT(""), STR_INIT(""), STR_INIT("") },
    { "the first word is arn, in lower case", "ARN:aws:s3:::b", false, STR_INIT(""), STR_INIT(""),
      STR_INIT(""), STR_INIT(""), STR_INIT("") },
    { "nothing is no ARN", "", false, STR_INIT(""), STR_INIT(""), STR_INIT(""), STR_INIT(""),
      STR_INIT("") },
};

static void an_arn_splits_at_its_first_five_colons(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(arns) / sizeof(*arns); i++) {
        const struct arn_case *c = &arns[i];
        struct arn arn = { .text = STR("untouched") };
        if (arn_parse(str_of(c->in), &arn) != c->want)
            fail_msg("%s", c->says);
        if (!c->want) {
            assert_true(str_eq(arn.text, STR("untouched")));
            continue;
        }
        if (!str_eq(arn.text, str_of(c->in)) || !str_eq(arn.partition, c->partition) ||
            !str_eq(arn.service, c->service) || !str_eq(arn.region, c->region) ||
            !str_eq(arn.account, c->account) || !str_eq(arn.resource, c->resource))
            fail_msg("%s", c->says);
    }
}

static void an_account_is_twelve_digits(void **state) {
    (void)state;
    assert_true(account_id_ok(STR("111122223333")));
    assert_true(account_id_ok(STR("000000000000")));
    assert_false(account_id_ok(STR("11112222333")));
    assert_false(account_id_ok(STR("1111222233334")));
    assert_false(account_id_ok(STR("11112222333a")));
    assert_false(account_id_ok(STR_NONE));
}

static void a_region_names_its_partition_and_whether_mail_arrives_there(void **state) {
    (void)state;
    assert_true(str_eq(region_partition(STR("eu-west-1")), STR("aws")));
    assert_true(str_eq(region_partition(STR("cn-north-1")), STR("aws-cn")));
    assert_true(str_eq(region_partition(STR("us-gov-west-1")), STR("aws-us-gov")));
    assert_true(region_name_ok(STR("my-region-1")));
    assert_false(region_name_ok(STR("")));
    assert_false(region_name_ok(STR("eu west")));
    assert_false(region_name_ok(STR("EU-WEST-1"))); /* it would be another place than eu-west-1 */
    assert_false(region_name_ok(STR("a23456789012345678901234567890123")));
    assert_true(region_receives_mail(STR("eu-west-1")));
    assert_false(region_receives_mail(STR("eu-west-3")));
}

static void the_arns_we_make_are_spelled_as_policies_spell_them(void **state) {
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    assert_true(str_eq(
        receipt_rule_arn(arena, STR("us-east-1"), STR("111122223333"), STR("main"), STR("orders")),
        STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/orders")));
    assert_true(str_starts(receipt_rule_arn(arena, STR("cn-north-1"), STR("1"), STR("a"), STR("b")),
                           STR("arn:aws-cn:ses:cn-north-1:")));
    assert_true(str_eq(bucket_arn(arena, STR("invoices")), STR("arn:aws:s3:::invoices")));
    assert_true(str_eq(object_arn(arena, STR("invoices"), STR("in/7f3a")),
                       STR("arn:aws:s3:::invoices/in/7f3a")));
}

static void a_caller_is_named_as_iam_names_it(void **state) {
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    const struct caller nobody = { .kind = CALLER_ANONYMOUS };
    const struct caller root = caller_root(STR("111122223333"));
    struct arn rule;
    assert_true(arn_parse(
        STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/s:receipt-rule/r"), &rule));
    const struct caller ses = caller_ses(STR("111122223333"), rule);
    assert_true(str_eq(caller_name(&nobody, arena), STR("anonymous")));
    assert_true(str_eq(caller_name(&root, arena), STR("arn:aws:iam::111122223333:root")));
    assert_true(str_eq(caller_name(&ses, arena), STR("ses.amazonaws.com")));
    assert_true(ses.secure_transport);
    assert_true(str_eq(ses.service.source_account, STR("111122223333")));
}

struct named_case {
    const char *name;
    bool want;
    enum caller_kind kind;
    const char *says; /* what caller_name answers */
};
static const struct named_case named[] = {
    { "*", true, CALLER_ANONYMOUS, "anonymous" },
    { "ses.amazonaws.com", true, CALLER_SERVICE, "ses.amazonaws.com" },
    { "arn:aws:iam::111122223333:root", true, CALLER_ROOT, "arn:aws:iam::111122223333:root" },
    { "arn:aws:iam::111122223333:user/team/amber", true, CALLER_USER,
      "arn:aws:iam::111122223333:user/team/amber" },
    { "arn:aws:iam::111122223333:role/mail/writer", true, CALLER_ASSUMED_ROLE,
      "arn:aws:sts::111122223333:assumed-role/writer/session" },
    { "arn:aws:sts::111122223333:assumed-role/writer/m1", true, CALLER_ASSUMED_ROLE,
      "arn:aws:sts::111122223333:assumed-role/writer/m1" },
    { "arn:aws:sts::111122223333:federated-user/amber", true, CALLER_FEDERATED,
      "arn:aws:sts::111122223333:federated-user/amber" },
    { "", false, 0, NULL },
    { "nobody", false, 0, NULL },
    { "not a service.com", false, 0, NULL },
    { "arn:aws:iam::111122223333:user/", false, 0, NULL },
    { "arn:aws:iam::1:user/amber", false, 0, NULL },
    { "arn:aws:sts::111122223333:assumed-role/writer", false, 0, NULL },
    { "arn:aws:sts::111122223333:assumed-role//m1", false, 0, NULL },
    { "arn:aws:iam::111122223333:group/all", false, 0, NULL },
    { "arn:aws:s3:::invoices", false, 0, NULL },
};

static void a_caller_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        AUTO_ARENA *arena = arena_new(1 << 16);
        struct caller caller;
        if (caller_named(str_of(named[i].name), arena, &caller) != named[i].want)
            fail_msg("%s", named[i].name);
        if (!named[i].want)
            continue;
        assert_int_equal(caller.kind, named[i].kind);
        assert_true(str_eq(caller_name(&caller, arena), str_of(named[i].says)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arn_splits_at_its_first_five_colons),
        cmocka_unit_test(an_account_is_twelve_digits),
        cmocka_unit_test(a_region_names_its_partition_and_whether_mail_arrives_there),
        cmocka_unit_test(the_arns_we_make_are_spelled_as_policies_spell_them),
        cmocka_unit_test(a_caller_is_named_as_iam_names_it),
        cmocka_unit_test(a_caller_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

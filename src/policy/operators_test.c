/* One value of a policy against one of a request, operator by operator, negation aside. */
#include "policy/asked.h"
#include "policy/operators.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RULE "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/orders"

static const struct comparison_case {
    const char *says, *operator, * wanted, *got;
    bool compares;
} comparisons[] = {
    { "strings compare with their case", "StringEquals", "in", "In", false },
    { "a star is a star to StringEquals", "StringEquals", "i*", "in", false },
    { "without case", "StringEqualsIgnoreCase", "in", "IN", true },
    { "StringLike runs over colons", "StringLike", "a*f", "a:b/c:f", true },
    { "numbers are decimals", "NumericEquals", "10", "10.0", true },
    { "a word is no number", "NumericEquals", "10", "ten", false },
    { "an order", "NumericLessThan", "10", "9.99", true },
    { "instants", "DateEquals", "2026-03-04T05:06:07Z", "2026-03-04T06:06:07+01:00", true },
    { "seconds since 1970", "DateGreaterThan", "2026-03-04", "1772600767", true },
    { "truth in any case", "Bool", "true", "TRUE", true },
    { "bytes, not their spelling", "BinaryEquals", "YQ==", "YR==", true },
    { "an address in its network", "IpAddress", "10.0.0.0/8", "10.1.2.3", true },
    { "what a request gives as a network is no address", "IpAddress", "10.0.0.0/8", "10.1.2.0/24", false },
    { "an address of the other family", "IpAddress", "::/0", "10.1.2.3", false },
    { "a star stays in its part of six", "ArnLike", "arn:aws:ses:*:receipt-rule-set/*", RULE,
      false },
    { "each part has its star", "ArnLike", "arn:aws:ses:*:*:receipt-rule-set/*", RULE, true },
    { "ArnEquals is ArnLike", "ArnEquals", "arn:aws:ses:*:*:receipt-rule-set/*", RULE, true },
    { "five parts compare with nothing", "ArnLike", "*:*:*:*:*", "a:b:c:d:e", false },
    { "six parts are enough, whatever the first says", "ArnLike", "2001:*:0:0:*:1",
      "2001:DB8:0:0::1", true },
    { "the sixth part may be empty", "ArnLike", "a:b:c:d:e:*", "a:b:c:d:e:", true },
};

static void each_operator_compares_as_the_guide_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        const struct comparison_case *c = &comparisons[i];
        bool if_exists, for_any, for_all;
        const struct operator* operator=
            operator_find(str_of(c->operator), &if_exists, &for_any, &for_all);
        struct wanted wanted;
        assert_non_null(operator);
        assert_true(operator_prepare(operator, str_of(c->wanted), true, arena, &wanted));
        if (operator_compares(operator, & wanted, str_of(c->got), NULL) != c->compares)
            fail_msg("%s: %s %s, %s", c->says, c->operator, c->wanted, c->got);
    }
}

static void names_of_operators_are_spelled_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool known, if_exists, for_any, for_all;
    } names[] = {
        { "StringEquals", true, false, false, false },
        { "StringEqualsIfExists", true, true, false, false },
        { "ForAnyValue:StringLike", true, false, true, false },
        { "ForAllValues:ArnNotLikeIfExists", true, true, false, true },
        { "Null", true, false, false, false },
        { "NullIfExists", false, false, false, false },
        { "ForAnyValue:Null", false, false, false, false },
        { "stringEquals", false, false, false, false },
        { "StringEqualsIfExistsIfExists", false, false, false, false },
        { "forAnyValue:StringLike", false, false, false, false },
        { "ForAnyValue:", false, false, false, false },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        bool if_exists = false, for_any = false, for_all = false;
        const bool known =
            operator_find(str_of(names[i].text), &if_exists, &for_any, &for_all) != NULL;
        if (known != names[i].known || if_exists != names[i].if_exists ||
            for_any != names[i].for_any || for_all != names[i].for_all)
            fail_msg("%s", names[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operator_compares_as_the_guide_says),
        cmocka_unit_test(names_of_operators_are_spelled_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

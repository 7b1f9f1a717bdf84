#include "services/sns/filter.h"

#include "services/sns/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The attributes of every message here but where a case says otherwise. */
static const struct message_attribute usual[] = {
    { STR_INIT("store"), STR_INIT("String"), STR_INIT("example_corp") },
    { STR_INIT("price"), STR_INIT("Number"), STR_INIT("210.75") },
    { STR_INIT("interests"), STR_INIT("String.Array"), STR_INIT("[\"soccer\",\"rugby\",7,true,null]") },
    { STR_INIT("address"), STR_INIT("String"), STR_INIT("10.0.0.77") },
    { STR_INIT("blob"), STR_INIT("Binary"), STR_INIT("AAE=") },
    { STR_INIT("none"), STR_INIT("String.Array"), STR_INIT("[]") },
};
static const char body[] = "{\"store\":\"example_corp\",\"price\":210.75,\"sold\":true,\"note\":null,"
                           "\"tags\":[\"a\",\"b\"],\"order\":{\"state\":\"new\",\"lines\":[{\"sku\":1},{\"sku\":2}]}}";

struct filter_case {
    const char *says, *policy;
    bool admits;
};

/* clang-format off */
static const struct filter_case of_attributes[] = {
    { "the very value",                           "{\"store\":[\"example_corp\"]}",                               true  },
    { "one of several values",                    "{\"store\":[\"other\",\"example_corp\"]}",                     true  },
    { "another value",                            "{\"store\":[\"other\"]}",                                      false },
    { "values differ by case",                    "{\"store\":[\"Example_Corp\"]}",                               false },
    { "every name must be met",                   "{\"store\":[\"example_corp\"],\"price\":[1]}",                 false },
    { "a name that the message lacks",            "{\"city\":[\"x\"]}",                                           false },
    { "a number by its value",                    "{\"price\":[210.750]}",                                        true  },
    { "a string of digits is no number",          "{\"price\":[\"210.75\"]}",                                     false },
    { "an element of a list",                     "{\"interests\":[\"rugby\"]}",                                  true  },
    { "a number in a list",                       "{\"interests\":[7]}",                                          true  },
    { "a truth in a list",                        "{\"interests\":[true]}",                                       true  },
    { "a null in a list",                         "{\"interests\":[null]}",                                       true  },
    { "no element of a list",                     "{\"interests\":[\"chess\",false]}",                            false },
    { "prefix",                                   "{\"store\":[{\"prefix\":\"example\"}]}",                       true  },
    { "prefix that is not",                       "{\"store\":[{\"prefix\":\"corp\"}]}",                          false },
    { "suffix",                                   "{\"store\":[{\"suffix\":\"_corp\"}]}",                         true  },
    { "suffix that is not",                       "{\"store\":[{\"suffix\":\"example\"}]}",                       false },
    { "equal but for case",                       "{\"store\":[{\"equals-ignore-case\":\"EXAMPLE_corp\"}]}",      true  },
    { "anything but one",                         "{\"store\":[{\"anything-but\":\"other\"}]}",                   true  },
    { "anything but itself",                      "{\"store\":[{\"anything-but\":\"example_corp\"}]}",            false },
    { "anything but some",                        "{\"store\":[{\"anything-but\":[\"a\",\"example_corp\"]}]}",    false },
    { "anything but a number",                    "{\"price\":[{\"anything-but\":[100,210.75]}]}",                false },
    { "anything but a prefix",                    "{\"store\":[{\"anything-but\":{\"prefix\":\"ex\"}}]}",         false },
    { "anything but another prefix",              "{\"store\":[{\"anything-but\":{\"prefix\":\"ab\"}}]}",         true  },
    { "anything but a suffix of several",         "{\"store\":[{\"anything-but\":{\"suffix\":[\"x\",\"corp\"]}}]}", false },
    { "anything but, of a list: any other does",  "{\"interests\":[{\"anything-but\":\"rugby\"}]}",               true  },
    { "anything but wants the name to be there",  "{\"city\":[{\"anything-but\":\"x\"}]}",                        false },
    { "numeric, equal",                           "{\"price\":[{\"numeric\":[\"=\",210.75]}]}",                   true  },
    { "numeric, below",                           "{\"price\":[{\"numeric\":[\"<\",210.75]}]}",                   false },
    { "numeric, at most",                         "{\"price\":[{\"numeric\":[\"<=\",210.75]}]}",                  true  },
    { "numeric, above",                           "{\"price\":[{\"numeric\":[\">\",210.75]}]}",                   false },
    { "numeric, at least",                        "{\"price\":[{\"numeric\":[\">=\",210.75]}]}",                  true  },
    { "numeric, between",                         "{\"price\":[{\"numeric\":[\">\",0,\"<=\",300]}]}",             true  },
    { "numeric, outside",                         "{\"price\":[{\"numeric\":[\">\",0,\"<=\",200]}]}",             false },
    { "numeric of a string",                      "{\"store\":[{\"numeric\":[\">\",0]}]}",                        false },
    { "exists",                                   "{\"store\":[{\"exists\":true}]}",                              true  },
    { "exists not",                               "{\"store\":[{\"exists\":false}]}",                             false },
    { "absent as wished",                         "{\"city\":[{\"exists\":false}]}",                              true  },
    { "absent against the wish",                  "{\"city\":[{\"exists\":true}]}",                               false },
    { "absent or a value",                        "{\"store\":[{\"exists\":false},\"example_corp\"]}",            true  },
    { "of a binary one only presence counts",     "{\"blob\":[{\"exists\":true}]}",                               true  },
    { "an empty list is there",                   "{\"none\":[{\"exists\":true}]}",                               true  },
    { "an empty list holds nothing",              "{\"none\":[{\"anything-but\":\"x\"}]}",                        false },
    { "in a network",                             "{\"address\":[{\"cidr\":\"10.0.0.64/26\"}]}",                  true  },
    { "outside a network",                        "{\"address\":[{\"cidr\":\"10.0.0.0/26\"}]}",                   false },
    { "every network",                            "{\"address\":[{\"cidr\":\"0.0.0.0/0\"}]}",                     true  },
    { "a network of the other family",            "{\"address\":[{\"cidr\":\"::/0\"}]}",                          false },
    { "no address at all",                        "{\"store\":[{\"cidr\":\"10.0.0.0/8\"}]}",                      false },
    { "either of two groups",                     "{\"$or\":[{\"store\":[\"x\"]},{\"price\":[{\"numeric\":[\">\",1]}]}]}", true },
    { "none of two groups",                       "{\"$or\":[{\"store\":[\"x\"]},{\"price\":[1]}]}",              false },
    { "a group and a name",                       "{\"store\":[\"x\"],\"$or\":[{\"price\":[210.75]},{\"blob\":[{\"exists\":true}]}]}", false },
    { "$or of conditions is a name like others",  "{\"$or\":[{\"prefix\":\"a\"},{\"suffix\":\"b\"}]}",            false },
};
static const struct filter_case of_body[] = {
    { "a member",                                 "{\"store\":[\"example_corp\"]}",                               true  },
    { "a number",                                 "{\"price\":[{\"numeric\":[\">\",200]}]}",                      true  },
    { "a truth",                                  "{\"sold\":[true]}",                                            true  },
    { "the other truth",                          "{\"sold\":[false]}",                                           false },
    { "a null",                                   "{\"note\":[null]}",                                            true  },
    { "a null is there",                          "{\"note\":[{\"exists\":true}]}",                               true  },
    { "an element",                               "{\"tags\":[\"b\"]}",                                           true  },
    { "a member of a member",                     "{\"order\":{\"state\":[\"new\"]}}",                            true  },
    { "another member of a member",               "{\"order\":{\"state\":[\"old\"]}}",                            false },
    { "a member of any element",                  "{\"order\":{\"lines\":{\"sku\":[2]}}}",                        true  },
    { "a member of no element",                   "{\"order\":{\"lines\":{\"sku\":[3]}}}",                        false },
    { "what is missing deep down",                "{\"order\":{\"cancelled\":[{\"exists\":false}]}}",             true  },
    { "what is missing in what is missing",       "{\"customer\":{\"name\":[{\"exists\":false}]}}",               true  },
    { "a member of no object",                    "{\"store\":{\"name\":[\"x\"]}}",                               false },
    { "groups deep down",                         "{\"order\":{\"$or\":[{\"state\":[\"x\"]},{\"lines\":{\"sku\":[1]}}]}}", true },
};

struct refusal { const char *policy, *says; };
/* Recorded from SNS: the words behind "FilterPolicy: ". */
static const struct refusal refusals[] = {
    { "{\"key\":[[\"value\"]]}",                          "Match value must be String, number, true, false, or null" },
    { "{\"key\":[{\"wrong-operator\":true}]}",            "Unrecognized match type wrong-operator" },
    { "{\"key\":[{\"suffix\":\"value\",\"prefix\":\"v\"}]}", "Only one key allowed in match expression" },
    { "{\"key\":[{\"suffix\":100}]}",                     "suffix match pattern must be a string" },
    { "{\"key\":[{\"suffix\":null}]}",                    "suffix match pattern must be a string" },
    { "{\"key\":[{\"suffix\":[\"test\"]}]}",              "suffix match pattern must be a string" },
    { "{\"key\":{\"suffix\":\"value\"}}",                 "\"suffix\" must be an object or an array" },
    { "{\"key_a\":\"value\"}",                            "\"key_a\" must be an object or an array" },
    { "{\"key\":[{\"numeric\":[]}]}",                     "Invalid member in numeric match: ]" },
    { "{\"key\":[{\"numeric\":[\"operator\"]}]}",         "Unrecognized numeric range operator: operator" },
    { "{\"key\":[{\"numeric\":[1,\"<=\"]}]}",             "Invalid member in numeric match: 1" },
    { "{\"key\":[{\"numeric\":[\"=\",\"000\"]}]}",        "Value of equals must be numeric" },
    { "{\"key\":[{\"numeric\":[\">=\"]}]}",               "Value of >= must be numeric" },
    { "{\"key\":[{\"numeric\":[\"<\",100,\">\",10]}]}",   "Too many elements in numeric expression" },
    { "{\"key\":[{\"numeric\":[\">=\",1,\">\",2]}]}",     "Bad numeric range operator: >" },
    { "{\"key\":[{\"numeric\":[\">\",3,\"<\",1]}]}",      "Bottom must be less than top" },
    { "{\"key\":[{\"numeric\":[\">\",20,\"<=\"]}]}",      "Value of <= must be numeric" },
    { "{\"key\":[{\"numeric\":[\">\",20,30]}]}",          "Bad value in numeric range: 30" },
    { "{\"key\":[{\"numeric\":[\">\",20,\"test\"]}]}",    "Bad numeric range operator: test" },
    { "{\"key\":[{\"numeric\":[\">\",20,\"<\",30,\"<\",50]}]}", "Too many terms in numeric range expression" },
    { "{\"key\":[{\"exists\":null}]}",                    "exists match pattern must be either true or false." },
    { "{\"key\":[{\"exists\":\"no\"}]}",                  "exists match pattern must be either true or false." },
    { "{\"a\":{\"b\":[1]}}",                              "Filter policy scope MessageAttributes does not support nested filter policy" },
    { "{\"a\":[1],\"b\":[1],\"c\":[1],\"d\":[1],\"e\":[1],\"f\":[1]}", "Filter policy can not have more than 5 keys" },
    { "{\"a\":[1,2,3,4,5,6,7,8,9,0,1,2,3],\"b\":[1,2,3,4,5,6,7,8,9,0,1,2]}", "Filter policy is too complex" },
    { "{\"a\":[]}",                                       "Empty arrays are not allowed" },
    { "[]",                                               "Filter is not an object" },
    { "{invalidjson}",                                    "failed to parse JSON." },
};
/* clang-format on */

static void check(const struct filter_case *c, enum filter_scope scope,
                  const struct sns_message *message)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    const struct filter *filter;
    const struct fault *why = filter_read(str_of(c->policy), scope, arena, &filter);
    if (why)
        fail_msg("%s: " STR_FMT, c->says, STR_ARG(why->says));
    if (filter_admits(filter, message, arena) != c->admits)
        fail_msg("%s: %s", c->says, c->policy);
}

static void test_attributes_are_held_against_a_policy(void **state)
{
    (void)state;
    const struct sns_message message = { .message = STR("x"),
                                         .attributes = usual,
                                         .attribute_count = sizeof usual / sizeof usual[0] };
    for (size_t i = 0; i < sizeof of_attributes / sizeof of_attributes[0]; i++)
        check(&of_attributes[i], FILTER_ATTRIBUTES, &message);
}

static void test_a_body_is_held_against_a_policy(void **state)
{
    (void)state;
    const struct sns_message message = { .message = str_of(body) };
    for (size_t i = 0; i < sizeof of_body / sizeof of_body[0]; i++)
        check(&of_body[i], FILTER_BODY, &message);
}

static void test_a_body_that_is_no_object_passes_no_filter(void **state)
{
    (void)state;
    static const char *const bodies[] = { "plain text", "[1]", "\"store\"", "{\"a\":" };
    static const struct filter_case absent = { "absent", "{\"store\":[{\"exists\":false}]}", false };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        check(&absent, FILTER_BODY, &(struct sns_message) { .message = str_of(bodies[i]) });
}

static void test_what_is_no_policy_is_refused_in_the_words_of_sns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        const struct filter *filter;
        char wanted[256];
        const struct fault *why =
            filter_read(str_of(refusals[i].policy), FILTER_ATTRIBUTES, arena, &filter);
        snprintf(wanted, sizeof wanted, "FilterPolicy: %s", refusals[i].says);
        if (!why)
            fail_msg("taken: %s", refusals[i].policy);
        assert_string_equal(why->says.ptr, wanted);
        assert_int_equal(why->kind, FAULT_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes_are_held_against_a_policy),
        cmocka_unit_test(test_a_body_is_held_against_a_policy),
        cmocka_unit_test(test_a_body_that_is_no_object_passes_no_filter),
        cmocka_unit_test(test_what_is_no_policy_is_refused_in_the_words_of_sns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

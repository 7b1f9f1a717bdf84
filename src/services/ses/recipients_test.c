/* Whom a rule means, and who holds a domain: ses-receiving spec 6.1, 6.2 and the matrix of 17. */
#include "services/ses/identities.h"
#include "services/ses/recipients.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct mailbox mailbox(const char *address)
{
    str text = str_of(address);
    size_t at = text.len;
    while (text.ptr[at - 1] != '@')
        at--;
    return (struct mailbox) { .local_part = str_head(text, at - 1), .domain = str_from(text, at) };
}

/* Among others that mean nobody here, behind a sieve. */
static bool matches_among_others(const char *condition, const struct mailbox *m)
{
    AUTO_ARENA *arena = arena_new(1 << 16);
    const str conditions[] = { STR("x@other.test"), STR("other.test"), str_of(condition),
                               STR(".other.test"), STR("\"y\"@other.test") };
    enum { COUNT = sizeof(conditions) / sizeof(conditions[0]) };
    const struct receipt_rule rule = { .recipients = conditions,
                                       .recipient_count = COUNT,
                                       .sieve = recipient_sieve_make(conditions, COUNT, arena) };
    assert_non_null(rule.sieve);
    return rule_matches(&rule, m);
}

static void conditions_meet_addresses_as_the_matrix_says(void **state)
{
    (void)state;
    static const char *const addresses[] = { "user@example.com", "user+l@example.com",
                                             "x@example.com", "x@a.example.com",
                                             "x@b.a.example.com" };
    /* clang-format off */
    static const struct { const char *condition, *row; } matrix[] = {
        { "user@example.com",   "yynnn" },
        { "user+l@example.com", "nynnn" },
        { "example.com",        "yyynn" },
        { ".example.com",       "nnnyy" },
        { "a.example.com",      "nnnyn" },
        { NULL,                 "yyyyy" },
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++)
        for (size_t a = 0; a < 5; a++) {
            str condition = str_of(matrix[i].condition);
            struct receipt_rule rule = { .recipients = &condition,
                                         .recipient_count = matrix[i].condition ? 1 : 0 };
            struct mailbox m = mailbox(addresses[a]);
            if (rule_matches(&rule, &m) != (matrix[i].row[a] == 'y'))
                fail_msg("%s against %s", matrix[i].condition, addresses[a]);
            if (matrix[i].condition &&
                matches_among_others(matrix[i].condition, &m) != (matrix[i].row[a] == 'y'))
                fail_msg("%s against %s, among others", matrix[i].condition, addresses[a]);
        }
}

struct match_case {
    const char *says, *condition, *address;
    bool want;
};
static const struct match_case matches[] = {
    /* clang-format off */
    { "domains know no case",                      "EXAMPLE.com",          "u@example.COM",         true  },
    { "local parts know no case",                  "User@example.com",     "uSER@example.com",      true  },
    { "labels are taken off a name of any case",   "user@example.com",     "USER+Label@example.com",true  },
    { "a label is all that follows the first +",   "user+a@example.com",   "user+a+b@example.com",  false },
    { "a label with a + is a label",               "user+a+b@example.com", "user+a+b@example.com",  true  },
    { "user means user+a+b",                       "user@example.com",     "user+a+b@example.com",  true  },
    { "user+label does not mean user",             "user+l@example.com",   "user@example.com",      false },
    { "nor another label",                         "user+l@example.com",   "user+m@example.com",    false },
    { "an empty label is a label",                 "user@example.com",     "user+@example.com",     true  },
    { "userx is another user",                     "user@example.com",     "userx@example.com",     false },
    { "a leading + begins no label",               "@example.com",         "+x@example.com",        false },
    { "an address means no subdomain",             "user@example.com",     "user@a.example.com",    false },
    { "a final dot of the condition is nothing",   "example.com.",         "u@example.com",         true  },
    { "a final dot of the address is nothing",     "example.com",          "u@example.com.",        true  },
    { "a final dot after an address",              "u@example.com.",       "u@example.com",         true  },
    { "a leading dot wants a label in front",      ".example.com",         "u@.example.com",        false },
    { "a leading dot and a final one",             ".example.com.",        "u@a.example.com",       true  },
    { "the end of a label is no subdomain",        ".example.com",         "u@myexample.com",       false },
    { "a domain is not the end of another",        "example.com",          "u@myexample.com",       false },
    { "any depth, any case",                       ".EXAMPLE.com",         "u@a.b.c.Example.Com",   true  },
    { "a U-label means its A-label",               "b\xc3\xbc" "cher.example", "u@xn--bcher-kva.example", true },
    { "an A-label means its U-label",              "xn--bcher-kva.example","u@b\xc3\xbc" "cher.example", true },
    { "U-labels know no case either",              "B\xc3\x9c" "CHER.example", "u@b\xc3\xbc" "cher.example", true },
    { "subdomains of a U-label",                   ".b\xc3\xbc" "cher.example", "u@a.xn--bcher-kva.example", true },
    { "a U-label that is none matches nothing",    "\xc3\xbc\xff.example", "u@\xc3\xbc\xff.example", false },
    { "a quoted local part is compared unquoted",  "\"a b\"@example.com",  "a b@example.com",       true  },
    { "quoted pairs too",                          "\"a\\\"b\"@example.com", "a\"b@example.com",    true  },
    { "the last @ divides",                        "\"a@b\"@example.com",  "a@b@example.com",       true  },
    { "an empty condition matches nothing",        "",                     "u@example.com",         false },
    { "a lone dot matches nothing",                ".",                    "u@example.com",         false },
    { "stars are no pattern",                      "*@example.com",        "u@example.com",         false },
    /* clang-format on */
};

static void a_condition_means_what_the_page_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
        struct mailbox m = mailbox(matches[i].address);
        if (recipient_matches(str_of(matches[i].condition), &m) != matches[i].want)
            fail_msg("%s", matches[i].says);
        if (matches_among_others(matches[i].condition, &m) != matches[i].want)
            fail_msg("%s, among others", matches[i].says);
    }
}

static void a_domain_of_any_number_of_labels_is_found_below_another(void **state)
{
    (void)state;
    char domain[256] = "";
    for (int labels = 0; labels < 60; labels++) {
        char address[300];
        snprintf(address, sizeof(address), "u@%sexample.com", domain);
        struct mailbox m = mailbox(address);
        assert_int_equal(matches_among_others(".example.com", &m), labels > 0);
        assert_false(matches_among_others(".example.org", &m));
        strcat(domain, "a.");
    }
}

static void verify(struct stage *stage, const char *account, const char *domain, bool at_once)
{
    struct caller caller = caller_root(str_of(account));
    struct call call = stage_call_as(stage, &caller);
    str token;
    assert_null(identity_verify_domain(stage->state, &call, stage->outside.entropy, str_of(domain),
                                       at_once, &token));
}

static str receiving(struct stage *stage, const char *region, const char *domain)
{
    struct call call = stage_call(stage);
    const str *accounts;
    size_t count;
    assert_null(accounts_receiving(call.world, str_of(region), str_of(domain), stage->arena,
                                   &accounts, &count));
    str joined = STR("");
    for (size_t i = 0; i < count; i++)
        joined = arena_strf(stage->arena, STR_FMT "%s" STR_FMT, STR_ARG(joined), i ? " " : "",
                            STR_ARG(accounts[i]));
    return joined;
}

static void a_domain_is_received_for_by_those_who_verified_it_or_a_parent_oldest_first(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    stage_put(&stage, "account/222222222222", STR("{\"created_ms\":1}"));
    stage_put(&stage, "account/111111111111", STR("{\"created_ms\":3}"));
    stage_put(&stage, "account/333333333333", STR("{\"created_ms\":2}"));
    verify(&stage, "111111111111", "Example.COM.", true);
    verify(&stage, "222222222222", "sub.example.com", true);
    verify(&stage, "333333333333", "example.com", true);
    verify(&stage, "444444444444", "example.com", false); /* pending */
    verify(&stage, "111111111111", "sub.example.com", true);
    verify(&stage, "111111111111",
           "b\xc3\xbc"
           "cher.example",
           true);

#define RECEIVES(domain, accounts)                                                                 \
    assert_true(str_eq(receiving(&stage, "us-east-1", domain), STR(accounts)))
    RECEIVES("example.com", "333333333333 111111111111");
    RECEIVES("EXAMPLE.com.", "333333333333 111111111111");
    RECEIVES("x.sub.example.com", "222222222222 333333333333 111111111111");
    RECEIVES("myexample.com", "");
    RECEIVES("com", "");
    RECEIVES("a.xn--bcher-kva.example", "111111111111");
    RECEIVES("b\xc3\xbc"
             "cher.example",
             "111111111111");
    RECEIVES("[192.0.2.1]", "");
    RECEIVES("", "");
    assert_true(str_eq(receiving(&stage, "eu-west-1", "example.com"), STR("")));
    stage_end(&stage);
}

static void a_domain_keeps_its_token_and_never_falls_back_to_pending(void **state)
{
    (void)state;
    struct stage stage;
    str first, second;
    stage_begin(&stage);
    struct call call = stage_call(&stage);
    struct entropy *entropy = stage.outside.entropy;
    assert_null(
        identity_verify_domain(stage.state, &call, entropy, STR("a.example"), false, &first));
    assert_int_equal(first.len, 44);
    call = stage_call(&stage);
    const struct identity *identity =
        identity_find(call.world, STR("us-east-1"), STR("A.example"), STR("111122223333"));
    assert_int_equal(identity->status, IDENTITY_PENDING);
    assert_false(
        identity_covers(call.world, STR("us-east-1"), STR("a.example"), identity->account));
    assert_null(
        identity_verify_domain(stage.state, &call, entropy, STR("A.EXAMPLE"), true, &second));
    assert_true(str_eq(first, second));
    call = stage_call(&stage);
    assert_null(
        identity_verify_domain(stage.state, &call, entropy, STR("a.example"), false, &second));
    assert_true(str_eq(first, second));
    call = stage_call(&stage);
    assert_true(
        identity_covers(call.world, STR("us-east-1"), STR("x.a.example"), STR("111122223333")));

    static const char *const bad[] = { "",           ".",           "a..b", "-a.example",
                                       "a-.example", "a/b.example", "a b",  "u@example.com",
                                       "\xff" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct fault *why =
            identity_verify_domain(stage.state, &call, entropy, str_of(bad[i]), true, &second);
        assert_non_null(why);
        assert_string_equal(why->code, "InvalidParameterValue");
    }
    stage_end(&stage);
}

static void a_condition_could_mean_somebody(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool ok;
    } cases[] = {
        { "user@example.com", true },       { "user+label@example.com", true },
        { "example.com", true },            { ".example.com", true },
        { "example.com.", true },           { "localhost", true },
        { "b\xc3\xbc" "cher.example", true }, { "\"a b\"@example.com", true },
        { "a&<b>@example.com", true },      { "my_host.example.com", true },
        { "", false },                      { ".", false },
        { "..example.com", false },         { "example..com", false },
        { "example.-com", false },          { "example-.com", false },
        { "example.com-", false },          { "@example.com", false },
        { "user@", false },                 { "user@.example.com", false },
        { "not valid", false },             { "a b@example.com", false },
        { "a\nb@example.com", false },      { "*.example.com", false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (recipient_ok(str_of(cases[i].condition)) != cases[i].ok)
            fail_msg("%s: not %s", cases[i].condition, cases[i].ok ? "taken" : "refused");
}

static void conditions_are_kept_in_lower_case_sorted_and_once(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    static const str given[] = { STR_INIT("z@EXAMPLE.COM"), STR_INIT("A@Example.com"),
                                 STR_INIT("a@example.com"), STR_INIT("EXAMPLE.COM"),
                                 STR_INIT("example.com"),   STR_INIT(".EXAMPLE.COM") };
    static const char *const wanted[] = { ".example.com", "a@example.com", "example.com",
                                          "z@example.com" };
    struct receipt_rule kept, rule = { .recipients = given, .recipient_count = 6 };
    assert_null(recipients_normal(&rule, arena, &kept));
    assert_int_equal(kept.recipient_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(str_eq(kept.recipients[i], str_of(wanted[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_meet_addresses_as_the_matrix_says),
        cmocka_unit_test(a_condition_means_what_the_page_says),
        cmocka_unit_test(a_domain_of_any_number_of_labels_is_found_below_another),
        cmocka_unit_test(
            a_domain_is_received_for_by_those_who_verified_it_or_a_parent_oldest_first),
        cmocka_unit_test(a_condition_could_mean_somebody),
        cmocka_unit_test(conditions_are_kept_in_lower_case_sorted_and_once),
        cmocka_unit_test(a_domain_keeps_its_token_and_never_falls_back_to_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

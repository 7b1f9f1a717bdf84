/* Reading policies: what is taken, where each word stood, and what is refused. */
#include "policy/compiled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STATEMENT(inside) "{\"Version\":\"2012-10-17\",\"Statement\":[{" inside "}]}"
#define BODY(more)        STATEMENT("\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"" more)

static void one_value_and_a_list_of_one_mean_the_same(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    const str json = STR(
        "{\"Statement\": {\"Sid\": \"A\", \"Effect\": \"Deny\", \"Principal\": {\"AWS\": [\"*\"],"
        " \"Service\": \"ses.amazonaws.com\"}, \"NotAction\": [\"s3:GetObject\"],\n"
        "  \"Resource\": \"arn:aws:s3:::b\", \"Condition\": {\"ForAnyValue:StringLikeIfExists\":"
        " {\"aws:TagKeys\": [\"a\", \"b\"]}, \"Bool\": {\"aws:SecureTransport\": false}}}}");
    struct document document;
    assert_null(policy_parse(json, arena, &document));
    assert_true(str_eq(document.version, STR("2008-10-17")));
    assert_int_equal(document.statement_count, 1);
    const struct statement *s = &document.statements[0];
    assert_true(str_eq(s->sid, STR("A")));
    assert_int_equal(s->effect, EFFECT_DENY);
    assert_int_equal(s->principal_count, 2);
    assert_int_equal(s->principals[0].kind, PRINCIPAL_ANYONE);
    assert_int_equal(s->principals[1].kind, PRINCIPAL_SERVICE);
    assert_true(s->actions.negated && s->actions.count == 1);
    assert_true(!s->resources.negated && s->resources.count == 1);
    assert_int_equal(s->condition_count, 2);
    const struct condition *like = &s->conditions[0];
    assert_true(str_eq(like->operator->name, STR("StringLike")) && like->if_exists);
    assert_int_equal(like->quantifier, FOR_ANY_VALUE);
    assert_true(str_eq(like->operator_text, STR("ForAnyValue:StringLikeIfExists")));
    assert_int_equal(like->wanted.count, 2);
    assert_true(str_eq(s->conditions[1].wanted.values[0], STR("false")));
    const struct span span = s->resources.span;
    assert_true(str_eq((str) { document.source.ptr + span.from, span.to - span.from },
                       STR("\"arn:aws:s3:::b\"")));
    assert_true(document.source.ptr[s->span.from] == '{' &&
                document.source.ptr[s->span.to - 1] == '}');
}

static void what_is_not_in_the_grammar_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        { "[]", "line 1, column 1: a policy is an object" },
        { "{}", "no Statement" },
        { "{\"Statement\": [],\n \"Extra\": 1}", "line 2, column" },
        { "{\"Version\":\"2012-10-18\",\"Statement\":[]}", "Version is" },
        { "{\"Version\":\"2012-10-17\",\"Id\":1,\"Statement\":[]}", "Id is a string" },
        { STATEMENT("\"Action\":\"*\",\"Resource\":\"*\""), "no Effect" },
        { STATEMENT("\"Effect\":\"allow\",\"Action\":\"*\",\"Resource\":\"*\""), "Effect is" },
        { STATEMENT("\"Effect\":\"Allow\",\"Resource\":\"*\""), "neither Action nor NotAction" },
        { STATEMENT("\"Effect\":\"Allow\",\"Action\":[],\"Resource\":\"*\""),
          "list of Action is empty" },
        { STATEMENT("\"Effect\":\"Allow\",\"Action\":\"*\",\"NotAction\":\"*\""),
          "exclude each other" },
        { STATEMENT("\"Effect\":\"Allow\",\"Action\":1"), "wanted a string" },
        { STATEMENT("\"Effect\":\"Allow\",\"Action\":[\"*\",1]"), "wanted a string" },
        { STATEMENT("\"Effect\":\"Allow\",\"effect\":\"Allow\",\"Action\":\"*\""), "no element" },
        { BODY(",\"Principal\":\"me\""), "a principal is" },
        { BODY(",\"Principal\":{}"), "names nobody" },
        { BODY(",\"Principal\":{\"aws\":\"*\"}"), "no type of principal" },
        { BODY(",\"Principal\":\"*\",\"NotPrincipal\":\"*\""), "exclude each other" },
        { BODY(",\"Sid\":7"), "Sid is a string" },
        { BODY(",\"Condition\":[]"), "a condition is an object" },
        { BODY(",\"Condition\":{\"StringEquals\":\"x\"}"), "takes an object" },
        { BODY(",\"Condition\":{\"StringMatches\":{\"a\":\"b\"}}"),
          "\"StringMatches\" is no condition operator" },
        { BODY(",\"Condition\":{\"stringequals\":{\"a\":\"b\"}}"), "no condition operator" },
        { BODY(",\"Condition\":{\"NullIfExists\":{\"a\":\"true\"}}"), "no condition operator" },
        { BODY(",\"Condition\":{\"ForSomeValues:StringEquals\":{\"a\":\"b\"}}"),
          "no condition operator" },
        { BODY(",\"Condition\":{\"StringEquals\":{\"a\":{}}}"), "wanted a string" },
        { BODY(",\"Condition\":{\"StringEquals\":{\"a\":null}}"), "wanted a string" },
        { BODY(",\"Effect\":\"Deny\""), "second time" }, /* one of the two would win silently */
        { "{\"Statement\": [} ", "line 1" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        struct document document;
        const struct fault *fault = policy_parse(str_of(cases[i].json), arena, &document);
        if (!fault || fault->kind != FAULT_SYNTAX)
            fail_msg("taken: %s", cases[i].json);
        if (str_find_str(fault->says, str_of(cases[i].says)) == fault->says.len && cases[i].says[0])
            fail_msg("%s: " STR_FMT, cases[i].json, STR_ARG(fault->says));
    }
}

static void a_full_arena_is_a_limit_at_whatever_allocation(void **state)
{
    (void)state;
    const str json =
        STR(BODY(",\"Principal\":{\"AWS\":[\"111122223333\"]},\"Condition\":{\"StringLike\":"
                 "{\"aws:username\":[\"a*\",\"${aws:userid}b\"]},\"IpAddress\":{\"aws:SourceIp\":"
                 "\"10.0.0.0/8\"}}"));
    bool fitted = false;
    for (size_t limit = 64; limit < 1 << 20 && !fitted; limit += 64) {
        AUTO_ARENA *arena = arena_new(limit);
        if (!arena)
            continue;
        struct document document;
        const struct fault *fault = policy_parse(json, arena, &document);
        assert_true(!fault || fault->kind == FAULT_LIMIT);
        fitted = !fault;
    }
    assert_true(fitted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_and_a_list_of_one_mean_the_same),
        cmocka_unit_test(what_is_not_in_the_grammar_is_refused_with_its_place),
        cmocka_unit_test(a_full_arena_is_a_limit_at_whatever_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

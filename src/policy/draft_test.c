/* What people paste, and what becomes of it. */
#include "policy/draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RULE  "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/store"
#define PUT   "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\"}"
#define OPEN  "{\"Version\":\"2012-10-17\",\"Statement\":"

struct draft_case {
    const char *says, *original;
    const char *text;  /* mended; NULL: as it was */
    const char *hints; /* "id@from-to", in order */
};
/* clang-format off */
static const struct draft_case drafts[] = {
    { "nothing to mend",               OPEN "[" PUT "]}", NULL, "" },
    { "no JSON, and no draft of it",   "{\"a\":", NULL, "" },
    { "nothing",                       "", NULL, "" },
    { "a comment to the line's end",   "{ // one\n\"a\":1}", "{       \n\"a\":1}", "comments-in-json@2-8" },
    { "one at the end of the text",    "{\"a\":1}// one", "{\"a\":1}      ", "comments-in-json@7-13" },
    { "one of two lines",              "{/* o\nne */\"a\":1}", "{    \n     \"a\":1}", "comments-in-json@1-11" },
    { "one that never ends",           "{\"a\":1}/* one", "{\"a\":1}      ", "comments-in-json@7-13" },
    { "one of a slash more",           "{/*/\"a\":2,*/\"b\":1}", "{           \"b\":1}", "comments-in-json@1-12" },
    { "what looks like one, in a string", "{\"a\":\"http://x/*\",\"b\":\"\\\"//\"}", NULL, "" },
    { "a page of one line",                "{\"a\":[ // one { \"x\":1}, // two { \"y\":2} ]}", "{\"a\":[        { \"x\":1},        { \"y\":2} ]}", "comments-in-json@7-14 comments-in-json@24-31" },
    { "no comma between members",      "{\"a\":\"b\"\n \"c\":1}", "{\"a\":\"b\"\n,\"c\":1}", "missing-comma@7-8" },
    { "only a line's end to put it",   "{\"a\":1\n\"c\":1}", "{\"a\":1,\"c\":1}", "missing-comma@5-6" },
    { "between objects",               "[{} {}]", "[{},{}]", "missing-comma@2-3" },
    { "a comma and a comment",         "{\"a\":1 // b\n\"c\":2}", "{\"a\":1    ,\n\"c\":2}", "comments-in-json@7-11 missing-comma@5-6" },
    { "a comma too many",              "{\"a\":[1, ],\n}", "{\"a\":[1  ] \n}", "trailing-comma@7-8 trailing-comma@10-11" },
    { "behind everything",             "{\"a\":1} , // b", "{\"a\":1}       ", "comments-in-json@10-14 trailing-comma@8-9" },
    { "the optional part taken out",   "[ // a {\"b\":1}, ]", "[      {\"b\":1}  ]", "comments-in-json@2-7 trailing-comma@14-15" },
    { "one that stands in a string",   "{\"a\":\",}\"}", NULL, "" },
    { "two of them, no list",          "[1,,2]", NULL, "" },
    { "no comment in other quotes",    "{'a':'b/*'}", NULL, "" },
    { "no room for one",               "{\"a\":\"b\"\"c\":1}", NULL, "" },
    { "a colon is missing, no comma",  "{\"a\" \"b\"}", NULL, "" },
    { "a statement",                   " " PUT, OPEN " " PUT "}", "statement-without-policy@1" },
    { "a list of them",                "[" PUT "," PUT "]", OPEN "[" PUT "," PUT "]}", "statement-without-policy@0" },
    { "a comma behind it",             PUT ",", OPEN PUT " }", "trailing-comma@73-74 statement-without-policy@0-73" },
    { "two, with a comma",             PUT ",\n" PUT, OPEN "[" PUT ",\n" PUT "]}", "statement-without-policy@0-148" },
    { "two, without",                  PUT "\n\n" PUT, OPEN "[" PUT "\n," PUT "]}", "missing-comma@72-73 statement-without-policy@0-148" },
    { "two, and a remark",             "// one\n" PUT ",\n// two\n" PUT "\n", OPEN "[      \n" PUT ",\n      \n" PUT "\n]}", "comments-in-json@0-6 comments-in-json@82-88 statement-without-policy@7" },
    { "its Effect in lower case",      "{\"effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\"}",
      OPEN "{\"effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\"}}", "statement-without-policy@0" },
    { "without its Effect",            "{\"Principal\":\"*\",\"Action\":\"*\"}", OPEN "{\"Principal\":\"*\",\"Action\":\"*\"}}", "statement-without-policy@0" },
    { "a policy whose Statement is misspelt", "{\"statement\":[],\"Sid\":1,\"Effect\":2}", NULL, "" },
    { "members of neither",            "{\"Action\":1,\"a\":2}", NULL, "" },
    { "a list of other things",        "[" PUT ",1]", NULL, "" },
    { "the page's call", "{\"Action\":\"lambda:InvokeFunction\",\"Principal\":\"ses.amazonaws.com\",\"SourceAccount\":\"111122223333\",\"SourceArn\":\"" RULE "\" \"StatementId\":\"S\"}",
      "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{\"Sid\":\"S\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"arn:aws:lambda:us-east-1:111122223333:function:f\",\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"111122223333\"},\"ArnLike\":{\"AWS:SourceArn\":\"" RULE "\"}}}]}",
      "missing-comma@" },
};
/* clang-format on */

/* What no text can say in a C string. */
static void a_nul_is_kept(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct hints hints = { 0 };
    struct draft draft;
    const str original = STR(PUT "\0 and more");
    assert_true(draft_mend(original, STR_NONE, arena, &hints, &draft));
    assert_false(draft.part);
    assert_true(draft.broken && str_eq(draft.text, original) && hints.count == 0);
}

static void a_text_of_any_size_is_mended_or_left(void **state)
{
    (void)state;
    static const char head[] = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"";
    for (size_t len = SPANS_SIZE_MAX - 200; len <= SPANS_SIZE_MAX; len += 50) {
        AUTO_ARENA *arena = arena_new(256 << 20);
        char *text = arena_alloc(arena, len, 1);
        struct hints hints = { 0 };
        struct draft draft;
        const struct spans *root;
        memset(text, ' ', len);
        memcpy(text, head, sizeof(head) - 1);
        for (int whole = 0; whole < 2; whole++) {
            text[len - 1] = whole ? '}' : ' ';
            assert_true(draft_mend((str) { text, len }, STR_NONE, arena, &hints, &draft));
            assert_int_equal(draft.part, whole && len <= SPANS_SIZE_MAX - 100);
            assert_int_equal(!spans_parse(draft.as_is, SPANS_STRICT, arena, &root), whole);
        }
    }
}

/* What is wanted may leave out the end of each item. */
static bool tells(const struct hints *hints, str wants)
{
    str one;
    for (size_t i = 0; i < hints->count; i++) {
        char is[96];
        str_cut(wants, ' ', &one, &wants);
        snprintf(is, sizeof(is), STR_FMT "@%u-%u", STR_ARG(hint_id(hints->of[i].kind)),
                 hints->of[i].span.from, hints->of[i].span.to);
        if (!one.len || !str_starts(str_of(is), one))
            return false;
    }
    return wants.len == 0;
}

static void what_can_be_read_after_mending_is_mended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(drafts) / sizeof(*drafts); i++) {
        const struct draft_case *c = &drafts[i];
        AUTO_ARENA *arena = arena_new(4 << 20);
        struct hints hints = { 0 };
        struct draft draft;
        const str target = STR("arn:aws:lambda:us-east-1:111122223333:function:f");
        assert_true(draft_mend(str_of(c->original), target, arena, &hints, &draft));
        if (c->text ? !str_eq(draft.text, str_of(c->text))
                    : !str_eq(draft.text, draft.original) && !hints.count)
            fail_msg("%s: " STR_FMT, c->says, STR_ARG(draft.text));
        if (!tells(&hints, str_of(c->hints)))
            fail_msg("%s: other hints, the first " STR_FMT " at %u", c->says,
                     STR_ARG(hints.count ? hint_id(hints.of[0].kind) : STR("none")),
                     hints.count ? hints.of[0].span.from : 0);
    }
}

static void a_place_in_the_mended_text_is_one_in_the_original(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct hints hints = { 0 };
    struct draft draft;
    assert_true(draft_mend(STR(PUT), STR_NONE, arena, &hints, &draft));
    assert_true(draft.part);
    const uint32_t at = (uint32_t)str_find_str(draft.text, STR("\"Action\""));
    const struct span span = draft_span(&draft, (struct span) { at, at + 8 });
    assert_true(str_eq((str) { draft.original.ptr + span.from, span.to - span.from }, STR("\"Action\"")));
    assert_int_equal(draft_span(&draft, (struct span) { 0, 3 }).from, 0);
    assert_int_equal(draft_span(&draft, (struct span) { 0, (uint32_t)draft.text.len }).to, draft.original.len);
}

/* Of a call: what is said of the policy it would make. */
struct origin_case {
    const char *element;  /* in the policy */
    const char *original; /* in the call */
};
static const struct origin_case origins[] = {
    { "\"Sid\"", "\"StatementId\": \"S\"" },
    { "\"S\"", "\"S\"" },
    { "\"ses.amazonaws.com\"", "\"ses.amazonaws.com\"" },
    { "\"AWS:SourceArn\"", "\"SourceArn\": \"" RULE "\"" },
    { "\"" RULE "\"", "\"" RULE "\"" },
    { "\"Condition\"", NULL }, /* of several: the whole call */
    { "\"Resource\"", NULL },
    { "{\"Version\"", NULL },
};
static void a_place_in_what_a_call_makes_is_its_parameter(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct hints hints = { 0 };
    struct draft draft;
    const str call = STR("{\"Action\":\"lambda:InvokeFunction\",\"Principal\":\"ses.amazonaws.com\","
                         "\"StatementId\": \"S\",\"SourceArn\": \"" RULE "\"}");
    assert_true(draft_mend(call, STR_NONE, arena, &hints, &draft));
    assert_non_null(draft.call);
    for (size_t i = 0; i < sizeof(origins) / sizeof(*origins); i++) {
        const uint32_t at = (uint32_t)str_find_str(draft.text, str_of(origins[i].element));
        const struct span is = draft_span(&draft, (struct span) { at, at + 1 });
        const str got = { call.ptr + is.from, is.to - is.from };
        const str wants = origins[i].original ? str_of(origins[i].original) : call;
        if (at >= draft.text.len || !str_eq(got, wants))
            fail_msg("%s: " STR_FMT, origins[i].element, STR_ARG(got));
    }
}

static void a_call_that_lambda_refuses_is_refused_in_its_words(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct hints hints = { 0 };
    struct draft draft;
    assert_true(draft_mend(STR("{\"Action\":\"lambda:InvokeFunction\",\"Principal\":\"ses.amazonaws.com\","
                               "\"StatementId\":\"S\",\"Qualifier\":\"$LATEST\"}"),
                           STR_NONE, arena, &hints, &draft));
    assert_true(draft.call);
    assert_non_null(draft.refused);
    assert_string_equal(draft.refused->code, "InvalidParameterValueException");
    assert_true(str_eq(draft.text, draft.original));
    assert_int_equal(draft.refused_at.from, str_find_str(draft.original, STR("\"$LATEST\"")));
}

struct type_case {
    const char *statement;
    const char *type; /* NULL: cannot be told */
};
/* clang-format off */
static const struct type_case types[] = {
    { "{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\"}", "identity" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\"}", "bucket" },
    { "{\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"1\"},\"Action\":\"SNS:Publish\",\"Resource\":\"*\"}", "topic" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[\"*\",\"kms:Decrypt\"],\"Resource\":\"*\"}", "key" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"*\"}", "function" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:AssumeRole\"}", "trust" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\"}", "trust" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"arn:aws:sns:us-east-1:111122223333:t\"}", "topic" },
    { "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}", "bucket" },
    { "{\"Effect\":\"Allow\",\"principal\":\"*\",\"action\":\"sns:Publish\",\"Resource\":\"*\"}", "topic" },
    { "[1,{\"Principal\":7,\"Action\":[7]}]", "trust" },
    { "7", NULL },
};
/* clang-format on */

static void the_kind_is_told_from_what_the_policy_is_about(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        AUTO_ARENA *arena = arena_new(4 << 20);
        const struct draft draft = { .text = arena_strf(arena, OPEN "%s}", types[i].statement) };
        enum policy_type type;
        const bool told = draft_type(&draft, arena, &type);
        if (told != (types[i].type != NULL) ||
            (told && !str_eq(policy_type_name(type), str_of(types[i].type))))
            fail_msg("%s: " STR_FMT, types[i].statement, STR_ARG(told ? policy_type_name(type) : STR("none")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_after_mending_is_mended),
        cmocka_unit_test(a_nul_is_kept),
        cmocka_unit_test(a_text_of_any_size_is_mended_or_left),
        cmocka_unit_test(a_place_in_the_mended_text_is_one_in_the_original),
        cmocka_unit_test(a_place_in_what_a_call_makes_is_its_parameter),
        cmocka_unit_test(a_call_that_lambda_refuses_is_refused_in_its_words),
        cmocka_unit_test(the_kind_is_told_from_what_the_policy_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

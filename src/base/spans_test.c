/* The JSON of policies: what is read, where it stood, and what is refused with which words. */
#include "base/buf.h"
#include "base/spans.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct arena *arena;

static int make(void **state)
{
    (void)state;
    arena = arena_new(64 * 1024 * 1024);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct spans *parse(str text)
{
    const struct spans *root = NULL;
    const struct fault *f = spans_parse(text, SPANS_STRICT, arena, &root);
    if (f)
        print_error(STR_FMT "\n", STR_ARG(f->says));
    assert_null(f);
    return root;
}

static void every_element_knows_its_bytes(void **state)
{
    (void)state;
    str text = STR("{ \"Effect\" : \"Allow\",\n  \"Action\": [\"s3:PutObject\", true, -1.5e3, null, {}] }");
    const struct spans *root = parse(text);
    assert_int_equal(root->kind, SPANS_OBJECT);
    assert_int_equal(root->from, 0);
    assert_int_equal(root->to, text.len);
    assert_int_equal(root->count, 2);
    const struct spans *effect = spans_get(root, STR("Effect"));
    assert_true(str_eq(effect->text, STR("Allow")));
    assert_memory_equal(text.ptr + effect->name_from, "\"Effect\"", 8);
    assert_int_equal(effect->name_to - effect->name_from, 8);
    assert_memory_equal(text.ptr + effect->from, "\"Allow\"", 7);
    assert_int_equal(effect->to - effect->from, 7);
    const struct spans *actions = effect->next;
    assert_int_equal(actions->kind, SPANS_ARRAY);
    assert_int_equal(actions->count, 5);
    const struct spans *one = actions->first;
    assert_true(str_eq(one->text, STR("s3:PutObject")));
    assert_true(str_is_none(one->name));
    one = one->next;
    assert_true(spans_true(one));
    one = one->next;
    assert_int_equal(one->kind, SPANS_NUMBER);
    assert_true(str_eq(one->text, STR("-1.5e3")));
    one = one->next;
    assert_int_equal(one->kind, SPANS_NULL);
    one = one->next;
    assert_int_equal(one->kind, SPANS_OBJECT);
    assert_null(one->first);
    assert_null(one->next);
    struct spans_place place = spans_place(text, actions->name_from);
    assert_int_equal(place.line, 2);
    assert_int_equal(place.column, 3);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    const struct spans *root = parse(STR("\"a\\n\\\"\\/\\u00e9\\uD83D\\uDE00z\xc3\xa9\""));
    assert_true(str_eq(root->text, STR("a\n\"/\xc3\xa9\xf0\x9f\x98\x80z\xc3\xa9")));
    root = parse(STR("{\"a\\u0062\": 1}"));
    assert_true(str_eq(root->first->name, STR("ab")));
    assert_non_null(spans_get(root, STR("ab")));
    assert_null(spans_get(root, STR("AB")));
    assert_null(spans_get(NULL, STR("ab")));
}

struct refusal {
    str text;
    const char *says;
};
static const struct refusal refusals[] = {
    { STR_INIT(""), "line 1, column 1: the text ends where a value should be" },
    { STR_INIT("{\"a\":1,\"b\":2,\"a\":3}"), "line 1, column 14: this member stands here for the second time" },
    { STR_INIT("{\"a\":1,\"\\u0061\":3}"), "line 1, column 8: this member stands here for the second time" },
    { STR_INIT("{\n  // why\n}"), "line 2, column 3: comments are not JSON; remove them" },
    { STR_INIT("[1, /* two */ 2]"), "line 1, column 5: comments are not JSON; remove them" },
    { STR_INIT("# no\n{}"), "line 1, column 1: comments are not JSON; remove them" },
    { STR_INIT("{} {}"), "line 1, column 4: something stands behind the end of the JSON value" },
    { STR_INIT("{\"a\":1,}"), "line 1, column 8: a comma stands before the closing brace" },
    { STR_INIT("[1,]"), "line 1, column 4: a comma stands before the closing bracket" },
    { STR_INIT("[1 2]"), "line 1, column 4: expected ',' or ']'" },
    { STR_INIT("{\"a\" 1}"), "line 1, column 6: expected ':' behind the member name" },
    { STR_INIT("{a:1}"), "line 1, column 2: expected a member name in quotes" },
    { STR_INIT("{\"a\":'x'}"), "line 1, column 6: strings stand in double quotes" },
    { STR_INIT("{\"a\":"), "line 1, column 6: the text ends where a value should be" },
    { STR_INIT("{\"a\":1"), "line 1, column 7: the text ends inside an object" },
    { STR_INIT("[1"), "line 1, column 3: the text ends inside an array" },
    { STR_INIT("\"a"), "line 1, column 1: this string has no end" },
    { STR_INIT("\"a\\"), "line 1, column 1: this string has no end" },
    { STR_INIT("\"a\nb\""), "line 1, column 3: a string may not go past the end of its line" },
    { STR_INIT("\"a\tb\""), "line 1, column 3: control characters in strings must be escaped" },
    { STR_INIT("\"\xc3\xa9\xff\""), "line 1, column 3: this byte is not UTF-8" },
    { STR_INIT("\"\xed\xa0\x80\""), "line 1, column 2: this byte is not UTF-8" },
    { STR_INIT("\"a\0b\""), "line 1, column 3: a NUL byte is not allowed" },
    { STR_INIT("\"\\u0000\""), "line 1, column 2: the character U+0000 is not allowed" },
    { STR_INIT("\"\\ud800x\""), "line 1, column 2: half of a surrogate pair stands alone" },
    { STR_INIT("\"\\udc00\""), "line 1, column 2: half of a surrogate pair stands alone" },
    { STR_INIT("\"\\ud800\\u0041\""), "line 1, column 2: half of a surrogate pair stands alone" },
    { STR_INIT("\"\\x41\""), "line 1, column 2: this escape is not one of JSON's" },
    { STR_INIT("\"\\u12g4\""), "line 1, column 6: \\u wants four hexadecimal digits" },
    { STR_INIT("01"), "line 1, column 1: a number may not begin with 0" },
    { STR_INIT("-"), "line 1, column 2: a number wants a digit here" },
    { STR_INIT("1."), "line 1, column 3: a number wants digits behind its point" },
    { STR_INIT("1e+"), "line 1, column 4: a number wants digits in its exponent" },
    { STR_INIT("+1"), "line 1, column 1: expected a value" },
    { STR_INIT("nul"), "line 1, column 1: expected a value" },
    { STR_INIT("truex"), "line 1, column 5: something stands behind the end of the JSON value" },
    { STR_INIT("\xef\xbb\xbf{}"), "line 1, column 1: a byte order mark stands before the JSON; remove it" },
    { STR_INIT("{\n\"\xc3\xa9\": x}"), "line 2, column 6: expected a value" },
    { STR_INIT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1"), "line 1, column 33: nested deeper than 32 levels" },
};

static void what_is_not_json_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct spans *root = NULL;
        const struct fault *f = spans_parse(refusals[i].text, SPANS_STRICT, arena, &root);
        assert_non_null(f);
        assert_null(root);
        assert_int_equal(f->kind, FAULT_SYNTAX);
        assert_string_equal(f->says.ptr, refusals[i].says);
    }
}

static void a_prefix_of_a_document_is_never_a_document(void **state)
{
    (void)state;
    str text = STR("{\"a\":[1,{\"b\":\"\\u00e9\"}],\"c\":null}");
    for (size_t len = 0; len < text.len; len++) {
        char *copy = malloc(len ? len : 1); /* so that a sanitizer sees one byte too many */
        memcpy(copy, text.ptr, len);
        const struct spans *root = NULL;
        assert_non_null(spans_parse((str){ copy, len }, SPANS_STRICT, arena, &root));
        free(copy);
    }
    parse(text);
}

static void a_draft_may_have_comments_when_asked(void **state)
{
    (void)state;
    const struct spans *root = NULL;
    str text = STR("// policy\n{ /* all * of / it */ \"a\": 1 // one\n}/**/");
    assert_null(spans_parse(text, SPANS_COMMENTS, arena, &root));
    assert_int_equal(root->count, 1);
    assert_non_null(spans_parse(STR("{} /*"), SPANS_COMMENTS, arena, &root));
    assert_non_null(spans_parse(STR("{} /* *"), SPANS_COMMENTS, arena, &root));
    assert_non_null(spans_parse(STR("{} /*/"), SPANS_COMMENTS, arena, &root));
    assert_non_null(spans_parse(STR("{} /"), SPANS_COMMENTS, arena, &root));
}

static void thirty_two_levels_and_many_members_are_fine(void **state)
{
    (void)state;
    parse(STR("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"));
    AUTO_BUF text = buf_new(4 * 1024 * 1024);
    buf_addc(&text, '{');
    for (int i = 0; i < 100000; i++)
        buf_addf(&text, "%s\"m%d\":%d", i ? "," : "", i, i);
    buf_addc(&text, '}');
    assert_int_equal(parse(buf_str(&text))->count, 100000);
}

static void a_full_arena_is_a_limit(void **state)
{
    (void)state;
    const struct spans *root = NULL;
    for (size_t limit = 1100; limit < 3000; limit += 64) {
        AUTO_ARENA *small = arena_new(limit);
        const struct fault *f = spans_parse(STR("[[1,2,3,\"\\u0041\"],[1,2,3,4],[5,6,7,8],{\"a\":{\"b\":1}}]"),
                                            SPANS_STRICT, small, &root);
        assert_true(!f || f->kind == FAULT_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_knows_its_bytes),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(a_prefix_of_a_document_is_never_a_document),
        cmocka_unit_test(a_draft_may_have_comments_when_asked),
        cmocka_unit_test(thirty_two_levels_and_many_members_are_fine),
        cmocka_unit_test(a_full_arena_is_a_limit),
    };
    return cmocka_run_group_tests(tests, make, end);
}

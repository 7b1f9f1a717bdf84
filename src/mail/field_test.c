/* mail/field_test.c - header fields found, unfolded, and refused beyond their bounds. */
#include "mail/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct field_limits wide = { .count_max = 100, .size_max = 10000 };

struct scan_case {
    const char *says;
    str in;
    const char *names; /* each followed by a comma */
    enum fields_end end;
    size_t body_at;
};

/* clang-format off */
static const struct scan_case scans[] = {
    { "two fields and a body",            STR_INIT("A: 1\r\nB: 2\r\n\r\nbody"),        "A,B,", FIELDS_BLANK, 14 },
    { "a folded field is one",            STR_INIT("A: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\n"), "A,B,", FIELDS_BLANK, 22 },
    { "no fields at all",                 STR_INIT("\r\nbody"),                        "",     FIELDS_BLANK, 2  },
    { "an empty message",                 STR_INIT(""),                                "",     FIELDS_CUT,   0  },
    { "a header without a body",          STR_INIT("A: 1\r\nB: 2\r\n"),                "A,B,", FIELDS_CUT,   0  },
    { "a cut line is no field",           STR_INIT("A: 1\r\nB: 2"),                    "A,",   FIELDS_CUT,   0  },
    { "a line without a colon is body",   STR_INIT("A: 1\r\nhello\r\n\r\n"),           "A,",   FIELDS_BODY,  6  },
    { "a fold with nothing above is body", STR_INIT(" x\r\nA: 1\r\n\r\n"),             "",     FIELDS_BODY,  0  },
    { "blanks before the colon",          STR_INIT("A \t: 1\r\n\r\n"),                 "A,",   FIELDS_BLANK, 10 },
    { "a blank inside a name is body",    STR_INIT("A b: 1\r\n\r\n"),                  "",     FIELDS_BODY,  0  },
    { "an empty name is body",            STR_INIT(": 1\r\n\r\n"),                     "",     FIELDS_BODY,  0  },
    { "a control octet in a name",        STR_INIT("A\x01: 1\r\n\r\n"),                "",     FIELDS_BODY,  0  },
    { "a bare LF ends no line",           STR_INIT("A: 1\nB: 2\r\n\r\n"),              "A,",   FIELDS_BLANK, 13 },
    { "NUL and 8-bit octets in a value",  STR_INIT("A: \0\xff\r\n\r\n"),               "A,",   FIELDS_BLANK, 9  },
    { "an empty value",                   STR_INIT("A:\r\n\r\n"),                      "A,",   FIELDS_BLANK, 6  },
};
/* clang-format on */

static void fields_are_found_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        const struct scan_case *c = &scans[i];
        print_message("# %s\n", c->says);
        struct field_reader r = field_reader(c->in, &wide);
        struct field f;
        char names[64] = "";
        while (field_next(&r, &f)) {
            strncat(names, f.name.ptr, f.name.len);
            strcat(names, ",");
            assert_true(str_ends(f.text, STR("\r\n")));
        }
        assert_string_equal(names, c->names);
        assert_int_equal(r.end, c->end);
        assert_int_equal(r.body_at, c->body_at);
    }
}

static void a_field_keeps_its_octets(void **state)
{
    (void)state;
    struct field_reader r = field_reader(STR("Subject:  a\r\n b \r\n\r\n"), &wide);
    struct field f;
    assert_true(field_next(&r, &f));
    assert_true(str_eq(f.text, STR("Subject:  a\r\n b \r\n")));
    assert_true(str_eq(f.value, STR("  a\r\n b ")));
    assert_true(
        field_find(STR("A: 1\r\nsUBJECT: x\r\nSubject: y\r\n\r\n"), &wide, STR("Subject"), &f));
    assert_true(str_eq(f.value, STR(" x")));
    assert_false(field_find(STR("A: 1\r\n\r\nSubject: x\r\n"), &wide, STR("Subject"), &f));
}

/* However much of a message is there, the end is found where it is, or not yet. */
static void the_end_of_a_header_section_is_found_in_any_view(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        const struct scan_case *c = &scans[i];
        for (size_t len = 0; len <= c->in.len; len++) {
            size_t body_at = 0;
            enum parse parse = fields_end_find(str_head(c->in, len), &wide, &body_at);
            if (parse == PARSE_DONE)
                assert_int_equal(body_at, c->body_at);
            else
                assert_true(parse == PARSE_MORE && (len < c->in.len || c->end == FIELDS_CUT));
        }
    }
}

static void bounds_hold(void **state)
{
    (void)state;
    static const struct field_limits two = { .count_max = 2, .size_max = 10000 };
    static const struct field_limits ten = { .count_max = 100, .size_max = 10 };
    struct field f;
    struct field_reader r = field_reader(STR("A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), &two);
    assert_true(field_next(&r, &f) && field_next(&r, &f));
    assert_false(field_next(&r, &f));
    assert_int_equal(r.end, FIELDS_LIMIT);
    r = field_reader(STR("A: 1\r\nB: 2345\r\n\r\n"), &ten);
    assert_true(field_next(&r, &f));
    assert_false(field_next(&r, &f));
    assert_int_equal(r.end, FIELDS_LIMIT);
    size_t at;
    assert_int_equal(fields_end_find(STR("A: 1\r\nB: 2345\r\n\r\n"), &ten, &at), PARSE_BAD);
    assert_int_equal(fields_end_find(STR("A: 1\r\n\r\n"), &two, &at), PARSE_DONE);
}

static void folded_values_become_one_line(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    /* clang-format off */
    static const struct { const char *says; str in, want; } rows[] = {
        { "nothing to unfold",                       STR_INIT(" a  b "),                 STR_INIT("a  b") },
        { "white space before the CRLF stays (spec 17)", STR_INIT(" multipart/alternative; \r\n\tboundary=x"), STR_INIT("multipart/alternative;  boundary=x") },
        { "white space behind becomes one space",    STR_INIT(" a;\r\n \t  b"),          STR_INIT("a; b") },
        { "an empty first line",                     STR_INIT("\r\n a"),                 STR_INIT("a") },
        { "several folds",                           STR_INIT(" a\r\n b\r\n c"),         STR_INIT("a b c") },
        { "an empty last line",                      STR_INIT(" a\r\n "),                STR_INIT("a") },
        { "nothing",                                 STR_INIT(""),                       STR_INIT("") },
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("# %s\n", rows[i].says);
        assert_true(str_eq(field_unfold(rows[i].in, arena), rows[i].want));
    }
}

static void names_and_values_that_would_break_a_header_are_known(void **state)
{
    (void)state;
    assert_true(field_name_valid(STR("X-Custom")));
    assert_false(field_name_valid(STR("")));
    assert_false(field_name_valid(STR("X Custom")));
    assert_false(field_name_valid(STR("X:")));
    assert_false(field_name_valid(STR("X\r\n")));
    assert_true(field_value_valid(STR("anything at all \xc3\xa4")));
    assert_false(field_value_valid(STR("a\r\nBcc: b")));
    assert_false(field_value_valid(STR("a\nb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_in_order),
        cmocka_unit_test(a_field_keeps_its_octets),
        cmocka_unit_test(the_end_of_a_header_section_is_found_in_any_view),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(folded_values_become_one_line),
        cmocka_unit_test(names_and_values_that_would_break_a_header_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

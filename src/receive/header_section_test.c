/* receive/header_section_test.c - what is cut from the front of a message for a notification. */
#include "receive/header_section.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct section_case {
    const char *says;
    str front, section;
};
static const struct section_case sections[] = {
    { "ends before the blank line", STR_INIT("A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n"), STR_INIT("A: 1\r\nB: 2\r\n 3\r\n") },
    { "a message without a body", STR_INIT("A: 1\r\n"), STR_INIT("A: 1\r\n") },
    { "a line that is no field is the body", STR_INIT("A: 1\r\nno field\r\nB: 2\r\n"), STR_INIT("A: 1\r\n") },
    { "a message without a header section", STR_INIT("\r\nA: 1\r\n"), STR_INIT("") },
    { "an empty one", STR_INIT(""), STR_INIT("") },
};

static void the_fields_are_cut_from_the_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        print_message("# %s\n", sections[i].says);
        assert_true(str_eq(header_section_of(sections[i].front), sections[i].section));
    }
}

static void of_a_long_one_whole_fields_are_kept(void **state)
{
    (void)state;
    enum { FIELD = sizeof "X-Field-0000: s\r\n folded\r\n" - 1 };
    AUTO_BUF text = buf_new(1 << 20);
    for (int longer = 0; longer < FIELD; longer++) { /* the bound is met at each place of a field */
        buf_clear(&text);
        buf_addf(&text, "Subject: %0*d\r\n", longer + 1, 0);
        for (int i = 0; text.len < 2 * HEADER_KEPT_MAX; i++)
            buf_addf(&text, "X-Field-%04d: s\r\n folded\r\n", i);
        str section = header_section_of(str_head(buf_str(&text), HEADER_FRONT));
        assert_true(section.len <= HEADER_KEPT_MAX && section.len + FIELD >= HEADER_KEPT_MAX);
        assert_true(str_ends(section, STR("\r\n folded\r\n")));
        assert_true(str_starts(str_from(buf_str(&text), section.len), STR("X-Field-")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields_are_cut_from_the_body),
        cmocka_unit_test(of_a_long_one_whole_fields_are_kept),
    };
    return cmocka_run_group_tests_name("receive/header_section", tests, NULL, NULL);
}

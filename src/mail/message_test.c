/* mail/message_test.c - the header section, read once. */
#include "mail/message.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void fields_are_kept_in_order_and_found_by_name(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    str text = STR("To: a\r\nSubject: s\r\n t\r\nTO: b\r\n\r\nTo: body\r\n");
    struct message m;
    assert_null(message_read(text, a, &m));
    assert_int_equal(m.count, 3);
    assert_true(m.whole);
    assert_true(str_eq(str_from(text, m.body_at), STR("To: body\r\n")));
    size_t at = 0;
    assert_true(str_eq(message_field(&m, STR("to"), &at)->value, STR(" a")));
    assert_true(str_eq(message_field(&m, STR("to"), &at)->value, STR(" b")));
    assert_null(message_field(&m, STR("to"), &at));
    at = 0;
    assert_null(message_field(&m, STR("Cc"), &at));
}

static void a_section_beyond_its_bounds_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(8 << 20);
    AUTO_BUF text = buf_new(4 << 20);
    for (int i = 0; i < MESSAGE_FIELDS_MAX + 10; i++)
        buf_add(&text, STR("A: b\r\n"));
    struct message m;
    assert_null(message_read(buf_str(&text), a, &m));
    assert_int_equal(m.count, MESSAGE_FIELDS_MAX);
    assert_false(m.whole);

    buf_clear(&text);
    buf_add(&text, STR("A: b\r\nB: "));
    while (text.len < MESSAGE_HEAD_MAX)
        buf_addc(&text, 'x');
    buf_add(&text, STR("\r\n\r\n"));
    assert_null(message_read(buf_str(&text), a, &m));
    assert_int_equal(m.count, 1);
    assert_false(m.whole);
    assert_null(message_read(STR("A: b\r\nB"), a, &m));
    assert_int_equal(m.count, 1);
    assert_false(m.whole);
    assert_null(message_read(STR("A: b\r\n"), a, &m)); /* a message may have no body */
    assert_true(m.whole);
    assert_null(message_read(STR(""), a, &m));
    assert_int_equal(m.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_kept_in_order_and_found_by_name),
        cmocka_unit_test(a_section_beyond_its_bounds_is_read_as_far_as_it_goes),
    };
    return cmocka_run_group_tests_name("mail/message", tests, NULL, NULL);
}

/* main/letter_test.c - line ends, and the fields of a test message. */
#include "main/letter.h"

#include "base/utf8.h"
#include "mail/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct lines_case {
    const char *says, *in, *out;
};
static const struct lines_case lines[] = {
    { "nothing stays nothing", "", "" },
    { "a line of Unix", "a\nb\n", "a\r\nb\r\n" },
    { "a line of the Internet stays", "a\r\nb\r\n", "a\r\nb\r\n" },
    { "a line of the Macintosh", "a\rb", "a\r\nb\r\n" },
    { "the last line is ended", "a", "a\r\n" },
    { "empty lines stay", "\n\r\n\r\r\n\n", "\r\n\r\n\r\n\r\n\r\n" },
    { "dots are nobody's business here", ".\n..\n", ".\r\n..\r\n" },
};

static void every_line_ends_in_crlf(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        AUTO_BUF out = buf_new(1000);
        print_message("# %s\n", lines[i].says);
        letter_lines(str_of(lines[i].in), &out);
        assert_true(str_eq(buf_str(&out), str_of(lines[i].out)));
    }
}

static void a_few_words_make_a_message(void **state)
{
    (void)state;
    const str to[] = { STR("b@x.test"), STR("c@x.test") };
    AUTO_BUF out = buf_new(10000);
    letter_write(&(struct letter) { .from = STR("a@x.test"),
                                    .to = to,
                                    .to_count = 2,
                                    .subject = STR("hello\r\nBcc: d@x.test"),
                                    .body = STR("it\nworks"),
                                    .message_id = STR("1@x.test"),
                                    .now_ms = 1772442942317 },
                 &out);
    assert_true(str_eq(
        buf_str(&out),
        STR("From: a@x.test\r\nTo: b@x.test,\r\n c@x.test\r\nSubject: hello  Bcc: d@x.test\r\n"
            "Date: Mon, 02 Mar 2026 09:15:42 +0000 (UTC)\r\nMessage-ID: <1@x.test>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 7bit\r\n\r\nit\r\nworks\r\n")));
}

/* Whatever its length, no character is cut in two, and no line is longer than RFC 2047 has it. */
static void a_subject_beyond_ascii_is_encoded(void **state)
{
    (void)state;
    AUTO_BUF subject = buf_new(1000);
    for (size_t count = 1; count < 60; count++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        AUTO_BUF out = buf_new(10000);
        buf_add(&subject, count % 3 ? STR("\xc3\xa4") : STR("\xf0\x9f\x8c\xbe"));
        const str to = STR("b@x.test");
        letter_write(&(struct letter) { .to = &to, .to_count = 1, .subject = buf_str(&subject) },
                     &out);
        str rest = str_from(buf_str(&out), str_find_str(buf_str(&out), STR("Subject: ")) + 9), line;
        AUTO_BUF value = buf_new(10000);
        do {
            size_t len = str_find_str(rest, STR("\r\n"));
            line = str_head(rest, len);
            assert_true(line.len <= 76);
            buf_add(&value, line);
            rest = str_from(rest, len + 2);
        } while (str_starts(rest, STR(" ")));
        unsigned left = 100;
        assert_true(str_eq(words_decode(buf_str(&value), &left, a), buf_str(&subject)));
        buf_clear(&value);
    }
    buf_free(&subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_ends_in_crlf),
        cmocka_unit_test(a_few_words_make_a_message),
        cmocka_unit_test(a_subject_beyond_ascii_is_encoded),
    };
    return cmocka_run_group_tests_name("main/letter", tests, NULL, NULL);
}

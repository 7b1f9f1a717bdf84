/* mail/compose_test.c - messages made of a subject and texts. */
#include "mail/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#define FROM   "From: a@b.test\r\n"
#define PLAIN  "MIME-Version: 1.0\r\nContent-Type: text/plain; charset="
#define ENCODED(how) "\r\nContent-Transfer-Encoding: " how "\r\n\r\n"
#define EMPTY  PLAIN "US-ASCII" ENCODED("7bit")

struct made_case {
    const char *says, *subject, *charset, *text, *html, *out, *why;
};
static const struct made_case made[] = {
    { "a text is plain", "hi", NULL, "one\ntwo", NULL,
      FROM "Subject: hi\r\n" PLAIN "US-ASCII" ENCODED("7bit") "one\r\ntwo\r\n", NULL },
    { "no text is an empty one", "hi", NULL, NULL, NULL, FROM "Subject: hi\r\n" PLAIN "US-ASCII" ENCODED("7bit"), NULL },
    { "beyond ASCII it is UTF-8", "J\xc3\xb6", NULL, "J\xc3\xb6 =\n", NULL,
      FROM "Subject: =?UTF-8?B?SsO2?=\r\n" PLAIN "UTF-8" ENCODED("quoted-printable") "J=C3=B6 =3D\r\n", NULL },
    { "or what the caller wants", "J\xc3\xb6", "ISO-8859-1", "J\xc3\xb6", NULL,
      FROM "Subject: =?ISO-8859-1?B?SvY=?=\r\n" PLAIN "ISO-8859-1" ENCODED("quoted-printable") "J=F6\r\n", NULL },
    { "a charset of two octets goes as base64", "hi", "UTF-16BE", "ab", NULL,
      FROM "Subject: hi\r\n" PLAIN "UTF-16BE" ENCODED("base64") "AGEAYg==\r\n", NULL },
    { "html has its type", "hi", NULL, NULL, "<p>",
      FROM "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=US-ASCII" ENCODED("7bit") "<p>\r\n",
      NULL },
    { "both are an alternative", "hi", NULL, "x", "<p>",
      FROM "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"----=_Part_7\"\r\n"
           "\r\n------=_Part_7\r\nContent-Type: text/plain; charset=US-ASCII" ENCODED("7bit") "x\r\n"
           "\r\n------=_Part_7\r\nContent-Type: text/html; charset=US-ASCII" ENCODED("7bit") "<p>\r\n"
           "\r\n------=_Part_7--\r\n",
      NULL },
    { "a subject begins no field", "hi\r\nBcc: x@y.test", NULL, "", NULL, FROM "Subject: hi  Bcc: x@y.test\r\n" EMPTY,
      NULL },
    { "nor an encoded word", "=?utf-8?q?x?=", NULL, "", NULL,
      FROM "Subject: =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?=\r\n" EMPTY, NULL },
    { "blanks at a line's end are kept", "s", NULL, "\xc3\xb6 \nb\t", NULL,
      FROM "Subject: s\r\n" PLAIN "UTF-8" ENCODED("quoted-printable") "=C3=B6=20\r\nb=09\r\n", NULL },
    { "a charset nobody knows", "hi", "x-none", "x", NULL, NULL, "Unknown charset: x-none." },
    { "a charset that is a path", "hi", "../../x", "x", NULL, NULL, "Unknown charset: ../../x." },
    { "a character the charset lacks", "hi", "US-ASCII", "\xc3\xb6", NULL, NULL,
      "The text has characters that are not in charset US-ASCII." },
};

static void a_message_is_made_of_its_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        const struct made_case *m = &made[i];
        AUTO_ARENA *arena = arena_new(1 << 20);
        AUTO_BUF out = buf_new(1 << 16);
        str charset = str_of(m->charset);
        const struct compose c = { .from = STR("a@b.test"),
                                   .subject = { str_of(m->subject), charset },
                                   .text = { str_of(m->text), charset },
                                   .html = { str_of(m->html), charset },
                                   .token = STR("7") };
        print_message("# %s\n", m->says);
        const struct fault *why = compose_write(&c, arena, &out);
        if (m->why) {
            assert_non_null(why);
            assert_true(str_eq(why->says, str_of(m->why)));
            continue;
        }
        assert_null(why);
        if (!str_eq(buf_str(&out), str_of(m->out)))
            fail_msg("%.*s", STR_ARG(buf_str(&out)));
    }
}

static void addresses_stand_one_a_line(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    AUTO_BUF out = buf_new(1 << 16);
    const str to[] = { STR("One <1@x.test>"), STR("2@x.test") }, cc[] = { STR("\"J\xc3\xb6\" <3@x.test>") },
              reply_to[] = { STR("r@b.test") };
    const struct header fields[] = { { STR("X-More"), STR("yes") } }, bad[] = { { STR("X-More"), STR("a\r\nb") } };
    struct compose c = { .from = STR("a@b.test"),
                         .to = to,
                         .to_count = 2,
                         .cc = cc,
                         .cc_count = 1,
                         .reply_to = reply_to,
                         .reply_to_count = 1,
                         .subject = { STR("hi"), STR_NONE },
                         .text = { STR(""), STR_NONE },
                         .fields = fields,
                         .field_count = 1 };
    assert_null(compose_write(&c, arena, &out));
    const str head = STR(FROM "Reply-To: r@b.test\r\nTo: One <1@x.test>,\r\n 2@x.test\r\n"
                              "Cc: =?UTF-8?B?SsO2?= <3@x.test>\r\nSubject: hi\r\nX-More: yes\r\n");
    assert_true(str_starts(buf_str(&out), head));
    c.fields = bad;
    assert_non_null(compose_write(&c, arena, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_made_of_its_texts),
        cmocka_unit_test(addresses_stand_one_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

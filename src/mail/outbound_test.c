/* mail/outbound_test.c - raw messages as they leave. */
#include "mail/outbound.h"

#include "mail/hostile_suite.h"

#define ID   "\r\nMessage-ID: <i@h.test>\r\nDate: Thu, 01 Jan 1970 00:00:05 +0000\r\n\r\n"
#define HEAD "From: a@b.test\r\nTo: c@d.test"

struct sent_case {
    const char *says, *in, *out; /* out "": refused with... */
    const char *why;
};
static const struct sent_case sent[] = {
    { "a message gets an id and a date", HEAD "\r\n\r\nhi\r\n", HEAD ID "hi\r\n", NULL },
    { "which are never its own", HEAD "\r\nDate: x\r\nMessage-Id: <m@n>\r\n\r\nhi\r\n",
      HEAD ID "hi\r\n", NULL },
    { "LF and CR end lines as CRLF does", "From: a@b.test\nTo: c@d.test\n\na\rb\r\nc",
      HEAD ID "a\r\nb\r\nc\r\n", NULL },
    { "Bcc and Return-Path are not shown",
      "Bcc: x@y.test\r\n" HEAD "\r\nReturn-Path: <a@b.test>\r\n\r\n", HEAD ID, NULL },
    { "nor what is said to SES",
      HEAD "\r\nX-SES-MESSAGE-TAGS: a=b,\r\n c=d\r\nX-SES-Other: 1\r\n\r\n",
      HEAD "\r\nX-SES-Other: 1" ID, NULL },
    { "a header section alone is a message", HEAD, HEAD ID, NULL },
    { "what is no field begins the body", HEAD "\r\nno field\r\n", HEAD ID "no field\r\n", NULL },
    { "without From it is the caller", "To: c@d.test\r\n\r\nhi\r\n",
      "To: c@d.test\r\nFrom: me@b.test" ID "hi\r\n", NULL },
    { "an empty From is none", "From:\r\nTo: c@d.test\r\n\r\n",
      "To: c@d.test\r\nFrom: me@b.test" ID, NULL },
    { "From stands once", HEAD "\r\nfrom: x@y.test\r\n\r\n", NULL, "Duplicate header 'From'." },
    { "so does a signature", HEAD "\r\nDKIM-Signature: a\r\nDKIM-Signature: b\r\n\r\n", NULL,
      "Duplicate header 'DKIM-Signature'." },
    { "Received may come again", "Received: a\r\nReceived: b\r\n" HEAD "\r\n\r\n",
      "Received: a\r\nReceived: b\r\n" HEAD ID, NULL },
};

static void a_raw_message_leaves_as_ses_sends_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        const struct sent_case *c = &sent[i];
        AUTO_ARENA *arena = arena_new(1 << 20);
        AUTO_BUF lines = buf_new(1 << 16), out = buf_new(1 << 16);
        struct outbound o;
        print_message("# %s\n", c->says);
        outbound_lines(str_of(c->in), &lines);
        const struct fault *why = outbound_read(buf_str(&lines), arena, &o);
        if (c->why) {
            assert_non_null(why);
            assert_string_equal(why->code, "InvalidParameterValue");
            assert_true(str_eq(why->says, str_of(c->why)));
            continue;
        }
        assert_null(why);
        const struct outbound_marks marks = { .from = STR("me@b.test"),
                                              .message_id = STR("i@h.test"),
                                              .date_ms = 5000 };
        outbound_write(&o, &marks, &out);
        if (!str_eq(buf_str(&out), str_of(c->out)))
            fail_msg("%.*s", STR_ARG(buf_str(&out)));
    }
}

static void its_header_says_who_and_to_whom(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct outbound o;
    assert_null(outbound_read(
        STR("From: =?utf-8?q?J=C3=B6?= <jo@b.test>\r\nSender: s@b.test\r\nTo: One <1@x.test>,\r\n"
            " 2@x.test\r\nTo: 3@x.test\r\nBcc: 5@x.test\r\nCc: 4@x.test\r\n"
            "Return-Path: <r@b.test>\r\nX-SES-CONFIGURATION-SET: set\r\n"
            "X-SES-FROM-ARN: arn\r\n\r\n"),
        arena, &o));
    assert_int_equal(o.from_count, 1);
    assert_true(str_eq(o.from[0].name, STR("J\xc3\xb6")) &&
                str_eq(o.from[0].address, STR("jo@b.test")));
    assert_int_equal(o.to_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(o.to[i].address.ptr[0], '1' + (int)i);
    assert_true(str_eq(o.sender, STR("s@b.test")) && str_eq(o.return_path, STR("r@b.test")));
    assert_true(str_eq(o.configuration_set, STR("set")) && !o.identity_arns[0].ptr &&
                str_eq(o.identity_arns[1], STR("arn")));
}

struct address_case {
    const char *address, *why;
};
static const struct address_case addresses[] = {
    { "a@b.test", NULL },
    { "\"a b\"@b.test", NULL },
    { "a+b@b.test", NULL },
    { "", "Missing final '@domain'" },
    { "joe", "Missing final '@domain'" },
    { "joe@", "Missing domain" },
    { "j oe@b.test", "Local address contains control or whitespace" },
    { "j\xc3\xb6@b.test", "Local address contains control or whitespace" },
    { "\"j\xc3\xb6\"@b.test", "Local address contains control or whitespace" },
    { "joe@b .test", "Domain contains control or whitespace" },
    { "joe@b\xc3\xb6.test", "Domain contains control or whitespace" },
    { "joe@b.test>", "Illegal address" },
    { "<joe@b.test", "Illegal address" },
    { "joe@@b.test", "Illegal address" },
};

static void an_address_that_smtp_cannot_carry_is_named(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const char *why = address_unsendable(str_of(addresses[i].address), arena);
        print_message("# %s\n", addresses[i].address);
        assert_int_equal(!why, !addresses[i].why);
        if (why)
            assert_string_equal(why, addresses[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_message_leaves_as_ses_sends_it),
        cmocka_unit_test(its_header_says_who_and_to_whom),
        cmocka_unit_test(an_address_that_smtp_cannot_carry_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mail/received_test.c - the trace fields, byte for byte. */
#include "mail/received.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct forward_path two[] = { { .text = STR_INIT("user@example.com") },
                                     { .text = STR_INIT("b@example.com") } };

static struct envelope example(void)
{
    return (struct envelope) {
        .message_id = STR("0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1"),
        .peer = { .address = STR("192.0.2.1"),
                  .ehlo = STR("mail.example.org"),
                  .ptr = STR("out.example.org") },
        .mail_from = { .text = STR("sender@example.org") },
        .rcpt_to = two,
        .rcpt_count = 1,
        .received_ms = 1728059474000, /* 2024-10-04T16:31:14Z */
    };
}

#define HOST STR("inbound-smtp.us-east-1.amazonaws.com")

static void says(const struct envelope *e, const char *want)
{
    AUTO_BUF out = buf_new(4096);
    received_field(e, HOST, &out);
    buf_addc(&out, '\0');
    assert_string_equal(out.ptr, want);
}

static void received_reads_as_ses_writes_it(void **state)
{
    (void)state;
    struct envelope e = example();
    says(&e, "Received: from mail.example.org (out.example.org [192.0.2.1])\r\n"
             " by inbound-smtp.us-east-1.amazonaws.com with SMTP id "
             "0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1\r\n"
             " for user@example.com;\r\n"
             " Fri, 04 Oct 2024 16:31:14 +0000 (UTC)\r\n");
}

static void several_recipients_stay_among_themselves(void **state)
{
    (void)state;
    struct envelope e = example();
    e.rcpt_count = 2;
    says(&e, "Received: from mail.example.org (out.example.org [192.0.2.1])\r\n"
             " by inbound-smtp.us-east-1.amazonaws.com with SMTP id "
             "0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1;\r\n"
             " Fri, 04 Oct 2024 16:31:14 +0000 (UTC)\r\n");
}

static void a_peer_without_a_name_in_dns_shows_its_address(void **state)
{
    (void)state;
    struct envelope e = example();
    e.peer.ptr = STR_NONE;
    e.peer.address = STR("2001:db8::1");
    e.peer.tls = true;
    e.peer.ehlo = STR("");
    says(&e, "Received: from unknown ([IPv6:2001:db8::1])\r\n"
             " by inbound-smtp.us-east-1.amazonaws.com with SMTP id "
             "0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1\r\n"
             " for user@example.com;\r\n"
             " Fri, 04 Oct 2024 16:31:14 +0000 (UTC)\r\n");
}

static void no_name_makes_a_line_of_its_own(void **state)
{
    (void)state;
    struct envelope e = example();
    e.peer.ehlo = STR("a\r\nX-Evil: yes");
    e.peer.ptr = STR("b) by evil; (c\0\xff");
    says(&e, "Received: from a??X-Evil:?yes (b??by?evil???c?? [192.0.2.1])\r\n"
             " by inbound-smtp.us-east-1.amazonaws.com with SMTP id "
             "0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1\r\n"
             " for user@example.com;\r\n"
             " Fri, 04 Oct 2024 16:31:14 +0000 (UTC)\r\n");
    AUTO_BUF out = buf_new(4096);
    AUTO_BUF name = buf_new(4096);
    for (int i = 0; i < 300; i++)
        buf_addc(&name, 'a');
    received_name(buf_str(&name), &out);
    assert_int_equal(out.len, 255);
}

static void return_path_shows_the_reverse_path(void **state)
{
    (void)state;
    AUTO_BUF out = buf_new(4096);
    struct envelope e = example();
    return_path_field(&e, &out);
    e.mail_from = (struct reverse_path) { .null = true };
    return_path_field(&e, &out);
    e.mail_from = (struct reverse_path) { .text = STR("a\r\nb") };
    return_path_field(&e, &out);
    assert_true(str_eq(buf_str(&out), STR("Return-Path: <sender@example.org>\r\nReturn-Path: <>\r\n"
                                          "Return-Path: <a??b>\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(received_reads_as_ses_writes_it),
        cmocka_unit_test(several_recipients_stay_among_themselves),
        cmocka_unit_test(a_peer_without_a_name_in_dns_shows_its_address),
        cmocka_unit_test(no_name_makes_a_line_of_its_own),
        cmocka_unit_test(return_path_shows_the_reverse_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

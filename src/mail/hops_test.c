/* What counts as a hop, whole and in every cut. */
#include "mail/hops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
    const char *text;
    unsigned hops;
} cases[] = {
    { "", 0 },
    { "Subject: x\r\n\r\nReceived: in the body\r\n", 0 },
    { "Received: a\r\nReceived: b\r\n\r\n", 2 },
    { "RECEIVED: a\r\nreceived : b\r\nReceived\t:\r\n c\r\n\r\n", 3 },
    { "X-Received: a\r\nReceived-SPF: pass\r\nReceive: d\r\nReceivedd: e\r\n", 0 },
    { "Received: from a\r\n Received: folded\r\n\tReceived: too\r\nTo: b\r\n", 1 },
    { "To: b\r\nReceived: last", 1 },
    { "\r\nReceived: behind an empty first line\r\n", 0 },
    { "no field\r\nReceived: a\r\n", 1 },
    { "Received\r\n: split\r\n", 0 },
    { "Received: a\r\n\r\n\r\nReceived: b\r\n", 1 },
};

static void fields_are_counted_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        str text = str_of(cases[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct hops h = { 0 }, each = { 0 };
            hops_feed(&h, str_head(text, cut));
            hops_feed(&h, str_from(text, cut));
            assert_int_equal(h.count, cases[i].hops);
            for (size_t at = 0; at < text.len; at++)
                hops_feed(&each, str_head(str_from(text, at), 1));
            assert_int_equal(each.count, cases[i].hops);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fields_are_counted_however_they_are_cut) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

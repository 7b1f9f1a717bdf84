/* mail/addresses_test.c - address lists, as they are written and as strangers write them. */
#include "mail/addresses.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "mail/hostile_suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* clang-format off */
struct list_case {
    const char *says;
    str in;
    const char *shown, *bare; /* each followed by '|' */
};
static const struct list_case lists[] = {
    { "an address",                 STR_INIT("a@b.test"),                            "a@b.test|", "a@b.test|" },
    { "its case is kept",           STR_INIT("Ann <Ann@B.Test>"),                    "Ann <Ann@B.Test>|", "Ann@B.Test|" },
    { "three, of each kind",        STR_INIT("=?utf-8?q?Caf=C3=A9?= Shop <n@s.test>, b@c.test (Bee), \"Q, x\" <q@r.test>"),
      "Caf\xc3\xa9 Shop <n@s.test>|Bee <b@c.test>|\"Q, x\" <q@r.test>|", "n@s.test|b@c.test|q@r.test|" },
    { "raw UTF-8",                  STR_INIT("Caf\xc3\xa9 <a@m\xc3\xbcnchen.test>"), "Caf\xc3\xa9 <a@m\xc3\xbcnchen.test>|", "a@m\xc3\xbcnchen.test|" },
    { "an encoded word in quotes",  STR_INIT("\"=?utf-8?q?Caf=C3=A9?=\" <a@b.test>"), "Caf\xc3\xa9 <a@b.test>|", "a@b.test|" },
    { "blanks in a name are one",   STR_INIT("Ann \t  \"Bee\"   <a@b.test>"),         "Ann Bee <a@b.test>|", "a@b.test|" },
    { "a comment in a name goes",   STR_INIT("Ann (x) Bee <a@b.test> (y)"),            "Ann Bee <a@b.test>|", "a@b.test|" },
    { "old mail has blanks",        STR_INIT("a . b @ c . test (Bee)"),                "Bee <a.b@c.test>|", "a.b@c.test|" },
    { "an empty angle is its text", STR_INIT("Ann <>"),                                "Ann <>|", "Ann <>|" },
    { "an angle that never closes", STR_INIT("Ann <a@b.test, c@d.test"),               "Ann <a@b.test|c@d.test|", "Ann <a@b.test|c@d.test|" },
    { "two signs",                  STR_INIT("a@b@c.test"),                            "a@b@c.test|", "a@b@c.test|" },
    { "quotes that none needs go",  STR_INIT("\"Ann Bee\" <a@b.test>"),              "Ann Bee <a@b.test>|", "a@b.test|" },
    { "a dot wants quotes",         STR_INIT("John Q. Public <j@b.test>"),           "\"John Q. Public\" <j@b.test>|", "j@b.test|" },
    { "quotes inside are escaped",  STR_INIT("\"J \\\"K\\\" L\" <j@b.test>"),        "\"J \\\"K\\\" L\" <j@b.test>|", "j@b.test|" },
    { "a decoded comma wants them", STR_INIT("=?utf-8?q?a=2C_b?= <a@b.test>"),       "\"a, b\" <a@b.test>|", "a@b.test|" },
    { "a group is its members",     STR_INIT("friends: a@b.test, Bob <b@c.test>;, z@y.test"), "a@b.test|Bob <b@c.test>|z@y.test|", "a@b.test|b@c.test|z@y.test|" },
    { "an empty group is nobody",   STR_INIT("undisclosed-recipients:;"),            "", "" },
    { "groups in groups",           STR_INIT("x: y: a@b.test;; c@d.test"),           "a@b.test|c@d.test|", "a@b.test|c@d.test|" },
    { "semicolons of old Outlooks", STR_INIT("A <a@b.test>; B <b@c.test>"),          "A <a@b.test>|B <b@c.test>|", "a@b.test|b@c.test|" },
    { "a source route is passed",   STR_INIT("<@x.test,@y.test:c@d.test>"),          "c@d.test|", "c@d.test|" },
    { "a quoted local part",        STR_INIT("\"a b\"@c.test"),                      "\"a b\"@c.test|", "\"a b\"@c.test|" },
    { "an address literal",         STR_INIT("a@[IPv6:2001:db8::1]"),                "a@[IPv6:2001:db8::1]|", "a@[IPv6:2001:db8::1]|" },
    { "nested comments",            STR_INIT("(one (two, three)) a@b.test, c@d.test"), "\"one (two, three)\" <a@b.test>|c@d.test|", "a@b.test|c@d.test|" },
    { "what is none is kept",       STR_INIT("a b@c.test, d@e.test"),                "a b@c.test|d@e.test|", "a b@c.test|d@e.test|" },
    { "a name alone",               STR_INIT("root"),                                "root|", "root|" },
    { "empty places",               STR_INIT(" ,, a@b.test ,"),                      "a@b.test|", "a@b.test|" },
    { "nothing",                    STR_INIT(""),                                    "", "" },
    { "quotes in an angle",         STR_INIT("<\"a>b,\"@c.test>, d@e.test"),         "\"a>b,\"@c.test|d@e.test|", "\"a>b,\"@c.test|d@e.test|" },
    { "a quote that never closes",  STR_INIT("\"a, b@c.test"),                       "\"a|b@c.test|", "\"a|b@c.test|" },
    { "NUL and bad octets",         STR_INIT("A\0B\xff <a@b.test>"),                 "A\xef\xbf\xbd" "B\xef\xbf\xbd <a@b.test>|", "a@b.test|" },
};
/* clang-format on */

static void join(str text, bool bare, struct buf *out)
{
    AUTO_ARENA *a = arena_new(64 << 20);
    struct listed *listed;
    size_t count;
    if (addresses_read(text, &(unsigned) { 100000 }, a, &listed, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        buf_add(out, bare ? listed[i].address : listed_text(&listed[i], a));
        buf_addc(out, '|');
    }
}

static void address_lists_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        AUTO_BUF shown = buf_new(1 << 16), bare = buf_new(1 << 16);
        join(lists[i].in, false, &shown);
        join(lists[i].in, true, &bare);
        print_message("# %s: " STR_FMT "\n", lists[i].says, STR_ARG(buf_str(&shown)));
        assert_true(str_eq(buf_str(&shown), str_of(lists[i].shown)));
        assert_true(str_eq(buf_str(&bare), str_of(lists[i].bare)));
    }
}

/* ---- hostile ---- */

static void *read_hostile(void *context)
{
    str text = *(str *)context;
    AUTO_ARENA *a = arena_new(256 << 20);
    struct listed *listed;
    size_t count;
    int64_t began_ms = cpu_ms();
    bool well =
        !addresses_read(text, &(unsigned) { 100000 }, a, &listed, &count) && count <= text.len;
    for (size_t i = 0; well && i < count; i++)
        well = utf8_valid(listed_text(&listed[i], a));
    return well && cpu_ms() - began_ms < 3000 ? context : NULL;
}

static void nothing_a_stranger_writes_takes_long_or_ends_the_stack(void **state)
{
    (void)state;
    feed_hostile(read_hostile);
}

static void the_arenas_limit_is_said(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(4096);
    char text[6000];
    struct listed *listed;
    size_t count;
    memset(text, 'x', sizeof text);
    text[0] = '(';
    assert_ptr_equal(
        addresses_read((str) { text, sizeof text }, &(unsigned) { 100000 }, a, &listed, &count),
        &fault_no_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_lists_are_read),
        cmocka_unit_test(nothing_a_stranger_writes_takes_long_or_ends_the_stack),
        cmocka_unit_test(the_arenas_limit_is_said),
    };
    return cmocka_run_group_tests_name("mail/addresses", tests, NULL, NULL);
}

/* mail/mailbox_test.c - paths and mailboxes, each as a row. */
#include "mail/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct path_case {
    const char *says;
    str in;
    enum parse strict, lenient;
    str local_part, domain, text;
};
#define NOT STR_INIT(""), STR_INIT(""), STR_INIT("")
#define NO_DOMAIN                                                                                  \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* clang-format off */
static const struct path_case reverse_paths[] = {
    { "the null reverse-path",            STR_INIT("<>"),                       PARSE_DONE, PARSE_DONE, STR_INIT(""), NO_DOMAIN, STR_INIT("") },
    { "a plain one",                      STR_INIT("<a@b.test>"),               PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("b.test"), STR_INIT("a@b.test") },
    { "SES takes a path without @",       STR_INIT("<sender>"),                 PARSE_BAD,  PARSE_DONE, STR_INIT("sender"), NO_DOMAIN, STR_INIT("sender") },
    { "a quoted local-part holds @",      STR_INIT("<\"a@b\"@c.test>"),         PARSE_DONE, PARSE_DONE, STR_INIT("a@b"), STR_INIT("c.test"), STR_INIT("\"a@b\"@c.test") },
    { "a quoted pair loses its backslash", STR_INIT("<\"a\\\"b\\\\\"@c.test>"), PARSE_DONE, PARSE_DONE, STR_INIT("a\"b\\"), STR_INIT("c.test"), STR_INIT("\"a\\\"b\\\\\"@c.test") },
    { "an empty quoted local-part",       STR_INIT("<\"\"@c.test>"),            PARSE_DONE, PARSE_DONE, STR_INIT(""), STR_INIT("c.test"), STR_INIT("\"\"@c.test") },
    { "a source route is read past",      STR_INIT("<@x.test:a@b.test>"),       PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("b.test"), STR_INIT("a@b.test") },
    { "a source route of two",            STR_INIT("<@x.test,@y.test:a@b.test>"), PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("b.test"), STR_INIT("a@b.test") },
    { "a source route without a mailbox", STR_INIT("<@x.test:>"),               PARSE_BAD,  PARSE_BAD,  NOT },
    { "an address literal",               STR_INIT("<a@[192.0.2.1]>"),          PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("[192.0.2.1]"), STR_INIT("a@[192.0.2.1]") },
    { "an IPv6 literal",                  STR_INIT("<a@[IPv6:2001:db8::1]>"),   PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("[IPv6:2001:db8::1]"), STR_INIT("a@[IPv6:2001:db8::1]") },
    { "a final dot is stripped",          STR_INIT("<a@b.test.>"),              PARSE_BAD,  PARSE_DONE, STR_INIT("a"), STR_INIT("b.test"), STR_INIT("a@b.test.") },
    { "two dots in a local part",         STR_INIT("<a..b@c.test>"),            PARSE_BAD,  PARSE_DONE, STR_INIT("a..b"), STR_INIT("c.test"), STR_INIT("a..b@c.test") },
    { "a dot at its end",                 STR_INIT("<a.@c.test>"),              PARSE_BAD,  PARSE_DONE, STR_INIT("a."), STR_INIT("c.test"), STR_INIT("a.@c.test") },
    { "an underscore in a domain",        STR_INIT("<a@b_c.test>"),             PARSE_BAD,  PARSE_DONE, STR_INIT("a"), STR_INIT("b_c.test"), STR_INIT("a@b_c.test") },
    { "every atext character",            STR_INIT("<!#$%&'*+-/=?^_`{|}~a@b.test>"), PARSE_DONE, PARSE_DONE, STR_INIT("!#$%&'*+-/=?^_`{|}~a"), STR_INIT("b.test"), STR_INIT("!#$%&'*+-/=?^_`{|}~a@b.test") },
    { "UTF-8 in both halves",             STR_INIT("<\xc3\xa4@\xc3\xb6.test>"), PARSE_DONE, PARSE_DONE, STR_INIT("\xc3\xa4"), STR_INIT("\xc3\xb6.test"), STR_INIT("\xc3\xa4@\xc3\xb6.test") },
    { "bad UTF-8",                        STR_INIT("<\xc3@b.test>"),            PARSE_BAD,  PARSE_BAD,  NOT },
    { "a path has no bare newline",       STR_INIT("<a\n@b.test>"),             PARSE_BAD,  PARSE_BAD,  NOT },
    { "nor inside quotes",                STR_INIT("<\"a\r\nX: y\"@b.test>"),   PARSE_BAD,  PARSE_BAD,  NOT },
    { "nor behind a backslash",           STR_INIT("<\"a\\\nb\"@b.test>"),      PARSE_BAD,  PARSE_BAD,  NOT },
    { "nor a NUL",                        STR_INIT("<a\0@b.test>"),             PARSE_BAD,  PARSE_BAD,  NOT },
    { "nor a blank",                      STR_INIT("<a b@c.test>"),             PARSE_BAD,  PARSE_BAD,  NOT },
    { "nor a bracket in a domain",        STR_INIT("<a@b>c>"),                  PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("b"), STR_INIT("a@b") },
    { "no brackets",                      STR_INIT("a@b.test"),                 PARSE_BAD,  PARSE_BAD,  NOT },
    { "no closing bracket",               STR_INIT("<a@b.test"),                PARSE_MORE, PARSE_MORE, NOT },
    { "an open quote",                    STR_INIT("<\"a@b.test>"),             PARSE_MORE, PARSE_MORE, NOT },
    { "nothing",                          STR_INIT(""),                         PARSE_MORE, PARSE_MORE, NOT },
    { "no domain behind @",               STR_INIT("<a@>"),                     PARSE_BAD,  PARSE_BAD,  NOT },
    { "an empty label",                   STR_INIT("<a@b..test>"),              PARSE_BAD,  PARSE_BAD,  NOT },
    { "a dot for a domain",               STR_INIT("<a@.>"),                    PARSE_BAD,  PARSE_BAD,  NOT },
    { "no local part",                    STR_INIT("<@b.test>"),                PARSE_BAD,  PARSE_BAD,  NOT },
    { "two @",                            STR_INIT("<a@b@c.test>"),             PARSE_BAD,  PARSE_BAD,  NOT },
    { "an empty literal",                 STR_INIT("<a@[]>"),                   PARSE_BAD,  PARSE_BAD,  NOT },
    { "a local part of 65",               STR_INIT("<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.test>"), PARSE_BAD, PARSE_DONE,
      STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), STR_INIT("b.test"),
      STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.test") },
};
static const struct path_case forward_paths[] = {
    { "a plain one",                 STR_INIT("<a@b.test>"),         PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("b.test"), STR_INIT("a@b.test") },
    { "postmaster alone",            STR_INIT("<PostMaster>"),       PARSE_DONE, PARSE_DONE, STR_INIT("PostMaster"), NO_DOMAIN, STR_INIT("PostMaster") },
    { "nobody else alone",           STR_INIT("<webmaster>"),        PARSE_BAD,  PARSE_BAD,  NOT },
    { "nobody at all",               STR_INIT("<>"),                 PARSE_BAD,  PARSE_BAD,  NOT },
    { "a source route is removed",   STR_INIT("<@x.test:a@b.test>"), PARSE_DONE, PARSE_DONE, STR_INIT("a"), STR_INIT("b.test"), STR_INIT("a@b.test") },
};
/* clang-format on */

/* The input lies before an unreadable page: no parser looks behind its end. */
static char *page_end(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + size, size, PROT_NONE), 0);
    return base + size;
}

static void check(const struct path_case *c, bool reverse)
{
    char *end = page_end();
    for (int rules = MAILBOX_STRICT; rules <= MAILBOX_LENIENT; rules++) {
        AUTO_ARENA *arena = arena_new(1 << 16);
        print_message("# %s\n", c->says);
        str in = { memcpy(end - c->in.len, c->in.ptr, c->in.len), c->in.len };
        struct cursor at = cursor_of(in);
        struct reverse_path r = { 0 };
        struct forward_path f = { 0 };
        enum parse parse = reverse ? reverse_path_parse(&at, (enum mailbox_rules)rules, arena, &r)
                                   : forward_path_parse(&at, (enum mailbox_rules)rules, arena, &f);
        assert_int_equal(parse, rules == MAILBOX_STRICT ? c->strict : c->lenient);
        if (parse != PARSE_DONE)
            continue;
        struct mailbox m = reverse ? r.mailbox : f.mailbox;
        assert_true(str_eq(m.local_part, c->local_part));
        assert_true(str_eq(m.domain, c->domain));
        assert_int_equal(str_is_none(m.domain), str_is_none(c->domain));
        assert_true(str_eq(reverse ? r.text : f.text, c->text));
        assert_int_equal(r.null, reverse && c->in.len == 2);
        assert_int_equal(at.at[-1], '>');
    }
}

static void reverse_paths_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reverse_paths / sizeof *reverse_paths; i++)
        check(&reverse_paths[i], true);
}

static void forward_paths_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forward_paths / sizeof *forward_paths; i++)
        check(&forward_paths[i], false);
}

/* A path cut short anywhere wants more, and never means something else. */
static void every_beginning_of_a_path_wants_more(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    static const str paths[] = { STR_INIT("<@x.test,@y.test:\"a\\b\"@c-d.test>"),
                                 STR_INIT("<a.b@[192.0.2.1]>") };
    for (size_t i = 0; i < 2; i++) {
        for (size_t len = 0; len < paths[i].len; len++) {
            struct cursor at = cursor_of(str_head(paths[i], len));
            struct forward_path f;
            assert_int_equal(forward_path_parse(&at, MAILBOX_STRICT, arena, &f), PARSE_MORE);
        }
    }
}

static void a_mailbox_is_a_whole_text_or_none(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    struct mailbox m;
    assert_true(mailbox_of(STR("a+b@c.test"), MAILBOX_STRICT, arena, &m));
    assert_true(str_eq(m.local_part, STR("a+b")));
    assert_false(mailbox_of(STR("a@c.test "), MAILBOX_STRICT, arena, &m));
    assert_false(mailbox_of(STR("a@c.test>"), MAILBOX_LENIENT, arena, &m));
    assert_false(mailbox_of(STR("a"), MAILBOX_LENIENT, arena, &m));
}

static void domains_are_compared_as_a_labels(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 16);
    /* clang-format off */
    static const struct { const char *says; str in, want; } rows[] = {
        { "case folds",                    STR_INIT("Example.COM"),                    STR_INIT("example.com") },
        { "a final dot goes",              STR_INIT("example.com."),                   STR_INIT("example.com") },
        { "a U-label becomes an A-label",  STR_INIT("b\xc3\xbc" "cher.example"),       STR_INIT("xn--bcher-kva.example") },
        { "in capitals too",               STR_INIT("B\xc3\x9c" "CHER.example"),       STR_INIT("xn--bcher-kva.example") },
        { "an A-label stays",              STR_INIT("XN--Bcher-kva.example"),          STR_INIT("xn--bcher-kva.example") },
        { "an ideographic full stop is one", STR_INIT("a\xe3\x80\x82" "example"),      STR_INIT("a.example") },
        { "hyphens where IDNA has none",   STR_INIT("r3---x.example"),                 STR_INIT("r3---x.example") },
        { "an underscore",                 STR_INIT("_dmarc.example"),                 STR_INIT("_dmarc.example") },
        { "an address literal is none",    STR_INIT("[192.0.2.1]"),                    { NULL, 0 } },
        { "an empty label",                STR_INIT("a..example"),                     { NULL, 0 } },
        { "nothing",                       STR_INIT(""),                               { NULL, 0 } },
        { "a dot",                         STR_INIT("."),                              { NULL, 0 } },
        { "a leading dot",                 STR_INIT(".example"),                       { NULL, 0 } },
        { "a blank",                       STR_INIT("a b.example"),                    { NULL, 0 } },
        { "a NUL",                         STR_INIT("\xc3\xbc\0.example"),             { NULL, 0 } },
        { "a label of 64",                 STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"), { NULL, 0 } },
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("# %s\n", rows[i].says);
        str got = mailbox_domain_ascii(rows[i].in, arena);
        assert_int_equal(str_is_none(got), str_is_none(rows[i].want));
        assert_true(str_eq(got, rows[i].want));
    }
    assert_true(str_is_none(mailbox_domain_ascii(STR_NONE, arena)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reverse_paths_are_read),
        cmocka_unit_test(forward_paths_are_read),
        cmocka_unit_test(every_beginning_of_a_path_wants_more),
        cmocka_unit_test(a_mailbox_is_a_whole_text_or_none),
        cmocka_unit_test(domains_are_compared_as_a_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

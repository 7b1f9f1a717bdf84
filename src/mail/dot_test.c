/* mail/dot_test.c - dots and ends of DATA, whole, byte by byte, and cut in two everywhere. */
#include "mail/dot.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct result {
    enum parse parse;
    size_t used;
    bool bare;
    struct buf clean;
};

static void feed(struct dot *d, str in, struct result *r)
{
    while (in.len && r->parse == PARSE_MORE) {
        str clean;
        size_t used;
        r->parse = dot_feed(d, in, &clean, &used);
        assert_true(used <= in.len);
        buf_add(&r->clean, clean);
        r->used += used;
        in = str_from(in, used);
    }
}

/* A copy of the piece that ends at an unreadable page. */
struct page {
    char *base, *end;
    size_t size;
};
static struct page page_new(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, 3 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + 2 * size, size, PROT_NONE), 0);
    return (struct page) { base, base + 2 * size, size };
}
static str at_end(struct page *p, str in)
{
    return (str) { memcpy(p->end - in.len, in.ptr, in.len), in.len };
}

static void check(str in, enum parse parse, size_t used, str clean, bool bare)
{
    struct page page = page_new();
    for (size_t cut = 0; cut <= in.len + 1; cut++) { /* in.len + 1 stands for byte by byte */
        struct dot d = { 0 };
        struct result r = { .parse = PARSE_MORE, .clean = buf_new(1 << 20) };
        if (cut <= in.len) {
            feed(&d, at_end(&page, str_head(in, cut)), &r);
            feed(&d, at_end(&page, str_from(in, cut)), &r);
        } else {
            for (size_t i = 0; i < in.len; i++)
                feed(&d, at_end(&page, (str) { in.ptr + i, 1 }), &r);
        }
        assert_int_equal(r.parse, parse);
        assert_int_equal(r.used, used);
        assert_int_equal(r.clean.len, clean.len);
        assert_memory_equal(buf_str(&r.clean).ptr, clean.ptr, clean.len);
        assert_int_equal(parse == PARSE_DONE ? dot_is_bare(&d) : d.bare, bare);
        buf_free(&r.clean);
    }
    munmap(page.base, 3 * page.size);
}

struct dot_case {
    const char *says;
    str in;
    enum parse want;
    size_t used;
    str clean;
    bool bare;
};

/* clang-format off */
static const struct dot_case cases[] = {
    { "an empty body",                       STR_INIT(".\r\n"),                   PARSE_DONE, 3,  STR_INIT(""),              false },
    { "the last CRLF is kept",               STR_INIT("a\r\n.\r\n"),              PARSE_DONE, 6,  STR_INIT("a\r\n"),         false },
    { "what follows is not touched",         STR_INIT("a\r\n.\r\nQUIT\r\n"),      PARSE_DONE, 6,  STR_INIT("a\r\n"),         false },
    { "a stuffed dot goes",                  STR_INIT("..a\r\n.\r\n"),            PARSE_DONE, 8,  STR_INIT(".a\r\n"),        false },
    { "a lone stuffed dot is a line",        STR_INIT("..\r\n.\r\n"),             PARSE_DONE, 7,  STR_INIT(".\r\n"),         false },
    { "a dot before other text goes too",    STR_INIT(".a\r\n.\r\n"),             PARSE_DONE, 7,  STR_INIT("a\r\n"),         false },
    { "a dot inside a line stays",           STR_INIT("a.b\r\n.\r\n"),            PARSE_DONE, 8,  STR_INIT("a.b\r\n"),       false },
    { "empty lines stay",                    STR_INIT("\r\n\r\n.\r\n"),           PARSE_DONE, 7,  STR_INIT("\r\n\r\n"),      false },
    { "NUL and 8-bit octets pass",           STR_INIT("\0\xff\r\n.\r\n"),         PARSE_DONE, 7,  STR_INIT("\0\xff\r\n"),    false },
    { "no end yet",                          STR_INIT("a\r\n"),                   PARSE_MORE, 3,  STR_INIT("a\r\n"),         false },
    { "no end in the middle of a line",      STR_INIT("a.\r\n"),                  PARSE_MORE, 4,  STR_INIT("a.\r\n"),        false },
    { "LF . LF ends nothing",                STR_INIT("a\n.\nb\r\n.\r\n"),        PARSE_DONE, 10, STR_INIT("a\n.\nb\r\n"),   true  },
    { "LF . CRLF ends nothing",              STR_INIT("a\n.\r\nb\r\n.\r\n"),      PARSE_DONE, 11, STR_INIT("a\n.\r\nb\r\n"), true  },
    { "CR . CR ends nothing",                STR_INIT("a\r.\rb\r\n.\r\n"),        PARSE_DONE, 10, STR_INIT("a\r.\rb\r\n"),   true  },
    { "CRLF . LF ends nothing",              STR_INIT("a\r\n.\nb\r\n.\r\n"),      PARSE_DONE, 11, STR_INIT("a\r\n\nb\r\n"),  true  },
    { "CRLF . CR ends nothing",              STR_INIT("a\r\n.\rb\r\n.\r\n"),      PARSE_DONE, 11, STR_INIT("a\r\n\rb\r\n"),  true  },
    { "CRLF . CR CRLF ends nothing",         STR_INIT("a\r\n.\r\r\nb\r\n.\r\n"),  PARSE_DONE, 13, STR_INIT("a\r\n\r\r\nb\r\n"), true },
    { "CR CRLF . CRLF is an end, and bare",  STR_INIT("a\r\r\n.\r\n"),            PARSE_DONE, 7,  STR_INIT("a\r\r\n"),       true  },
    { "CR . CRLF ends nothing",              STR_INIT("a\r.\r\nb\r\n.\r\n"),      PARSE_DONE, 11, STR_INIT("a\r.\r\nb\r\n"), true  },
    { "LF CR . LF CR ends nothing",          STR_INIT("a\n\r.\n\r\n.\r\n"),       PARSE_DONE, 10, STR_INIT("a\n\r.\n\r\n"),  true  },
    { "NUL between CR and LF makes both bare", STR_INIT("a\r\0\n.\r\n\r\n.\r\n"), PARSE_DONE, 12, STR_INIT("a\r\0\n.\r\n\r\n"), true },
    { "a dot before the real end",           STR_INIT("\r\n..\r\n.\r\n"),         PARSE_DONE, 9,  STR_INIT("\r\n.\r\n"),     false },
};
/* clang-format on */

static void only_crlf_dot_crlf_ends_a_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct dot_case *c = &cases[i];
        print_message("# %s\n", c->says);
        check(c->in, c->want, c->used, c->clean, c->bare);
    }
}

/* Written down from RFC 5321 4.5.2 alone, an octet at a time. */
static enum parse plainly(str in, struct buf *clean, size_t *used, bool *bare)
{
    size_t line = 0; /* start of this line */
    *bare = false;
    for (size_t i = 0; i < in.len; i++) {
        char before = i ? in.ptr[i - 1] : 'x', c = in.ptr[i];
        bool ends = c == '\n' && before == '\r';
        if (c == '\n' && !ends)
            *bare = true;
        if (before == '\r' && c != '\n')
            *bare = true;
        if (ends) {
            str text = { in.ptr + line, i + 1 - line };
            if (str_eq(text, STR(".\r\n"))) {
                *used = i + 1;
                return PARSE_DONE;
            }
            buf_add(clean, text.ptr[0] == '.' ? str_from(text, 1) : text);
            line = i + 1;
        }
    }
    *used = in.len;
    return PARSE_MORE;
}

static void random_bodies_mean_what_the_rfc_says_octet_by_octet(void **state)
{
    (void)state;
    static const char letters[] = "\r\n\r\n\r\n..aaaaaaaaaaaaaaaa";
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        char text[300];
        size_t len = (size_t)rand_r(&seed) % 280;
        for (size_t i = 0; i < len; i++) {
            text[i] = letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
            if (text[i] == '\r' && i + 1 < len && rand_r(&seed) % 8)
                text[++i] = '\n';
        }
        memcpy(text + len, "\r\n.\r\n", 5);
        AUTO_BUF want = buf_new(4096);
        size_t used;
        bool bare;
        str in = { text, len + 5 };
        enum parse parse = plainly(in, &want, &used, &bare);
        assert_int_equal(parse, PARSE_DONE);
        check(in, PARSE_DONE, used, buf_str(&want), bare);
    }
}

static void a_body_without_dots_is_handed_on_as_one_view(void **state)
{
    (void)state;
    AUTO_BUF body = buf_new(1 << 20);
    while (body.len < 200000)
        buf_add(&body, STR("a line like any other, with words. And a dot.\r\n"));
    struct dot d = { 0 };
    str clean;
    size_t used;
    assert_int_equal(dot_feed(&d, buf_str(&body), &clean, &used), PARSE_MORE);
    assert_ptr_equal(clean.ptr, body.ptr);
    assert_int_equal(clean.len, body.len);
    assert_int_equal(used, body.len);
}

static void counted_octets_are_watched_across_chunks(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *says; str one, two; bool bare; } chunks[] = {
        { "a CRLF cut in two is whole",     STR_INIT("a\r"),   STR_INIT("\nb"),      false },
        { "a dot means nothing",            STR_INIT("\r\n"),  STR_INIT(".\r\n.\r"), true  },
        { "a CR at the very end is bare",   STR_INIT("a\r"),   STR_INIT(""),         true  },
        { "an LF at the very start is bare", STR_INIT("\n"),   STR_INIT("a"),        true  },
        { "no end of line at all is fine",  STR_INIT("a"),     STR_INIT("b"),        false },
        { "a bare CR in the middle",        STR_INIT("a\rb"),  STR_INIT("\r\n"),     true  },
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        print_message("# %s\n", chunks[i].says);
        struct dot d = { 0 };
        dot_watch(&d, chunks[i].one);
        dot_watch(&d, chunks[i].two);
        assert_int_equal(dot_is_bare(&d), chunks[i].bare);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_crlf_dot_crlf_ends_a_message),
        cmocka_unit_test(random_bodies_mean_what_the_rfc_says_octet_by_octet),
        cmocka_unit_test(a_body_without_dots_is_handed_on_as_one_view),
        cmocka_unit_test(counted_octets_are_watched_across_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

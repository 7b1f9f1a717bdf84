/* mail/words_test.c - the text of header fields as a person reads it. */
#include "mail/words.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "mail/hostile_suite.h"

#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

struct word_case {
    const char *says;
    str in, out;
};

/* clang-format off */
static const struct word_case words[] = {
    { "plain text stays",               STR_INIT("Hello  there"),                           STR_INIT("Hello  there") },
    { "an encoded word",                STR_INIT("=?utf-8?q?Angebot_f=C3=BCr?="),           STR_INIT("Angebot f\xc3\xbcr") },
    { "blanks between two of them go",  STR_INIT("=?utf-8?q?a?= \t =?utf-8?b?Yg==?= c"),    STR_INIT("ab c") },
    { "all other blanks stay",          STR_INIT("a  =?utf-8?q?b?=  c "),                   STR_INIT("a  b  c ") },
    { "a character split between two",  STR_INIT("=?utf-8?q?=C3?= =?utf-8?q?=A9?="),        STR_INIT("\xc3\xa9") },
    { "padding ends a word, not the text", STR_INIT("=?utf-8?B?w6Q=?= =?utf-8?B?w6TDpA==?=\t =?utf-8?B?w6Q=?= x"), STR_INIT("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4 x") },
    { "Japanese",                       STR_INIT("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?="),     STR_INIT("\xe6\x97\xa5\xe6\x9c\xac") },
    { "Latin 1",                        STR_INIT("=?ISO-8859-1?Q?Andr=E9?= X"),             STR_INIT("Andr\xc3\xa9 X") },
    { "a language tag",                 STR_INIT("=?utf-8*en?q?x?="),                       STR_INIT("x") },
    { "none inside a quoted string",    STR_INIT("\"=?utf-8?q?a?=\" <a@b.test>"),           STR_INIT("\"=?utf-8?q?a?=\" <a@b.test>") },
    { "nor in the middle of one",       STR_INIT("\"x =?utf-8?q?a?= y\""),                  STR_INIT("\"x =?utf-8?q?a?= y\"") },
    { "an escaped quote ends none",     STR_INIT("\"x\\\" =?utf-8?q?a?= y\" =?utf-8?q?b?="), STR_INIT("\"x\\\" =?utf-8?q?a?= y\" b") },
    { "a quote that nothing closes",    STR_INIT("5\" and \" =?utf-8?q?a?="),               STR_INIT("5\" and \" a") },
    { "none in the middle of a word",   STR_INIT("x=?utf-8?q?a?= =?utf-8?q?b?=y"),          STR_INIT("x=?utf-8?q?a?= =?utf-8?q?b?=y") },
    { "none without its end",           STR_INIT("=?utf-8?q?abc"),                          STR_INIT("=?utf-8?q?abc") },
    { "none of another encoding",       STR_INIT("=?utf-8?x?abc?="),                        STR_INIT("=?utf-8?x?abc?=") },
    { "no charset with a slash",        STR_INIT("=?utf-8//IGNORE?q?abc?="),                STR_INIT("=?utf-8//IGNORE?q?abc?=") },
    { "raw UTF-8",                      STR_INIT("M\xc3\xa4rz"),                            STR_INIT("M\xc3\xa4rz") },
    { "octets that are no UTF-8",       STR_INIT("M\xe4rz =?utf-8?q?a?="),                  STR_INIT("M\xef\xbf\xbdrz a") },
    { "NUL",                            STR_INIT("a\0b =?utf-8?q?c?="),                     STR_INIT("a\xef\xbf\xbd" "b c") },
    { "nothing",                        STR_INIT(""),                                       STR_INIT("") },
};
/* clang-format on */

static void encoded_words_are_decoded(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        str got = words_decode(words[i].in, &(unsigned) { 100000 }, a);
        print_message("# %s: " STR_FMT "\n", words[i].says, STR_ARG(got));
        assert_true(str_eq(got, words[i].out));
    }
}

static void in_a_phrase_a_quotation_mark_is_a_letter(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    assert_true(str_eq(words_decode_phrase(STR("\"x =?utf-8?q?a?= y\""), &(unsigned) { 100000 }, a),
                       STR("\"x a y\"")));
    assert_true(str_eq(words_decode(STR("\"x =?utf-8?q?a?= y\""), &(unsigned) { 100000 }, a),
                       STR("\"x =?utf-8?q?a?= y\"")));
}

static void words_beyond_the_bound_stay_as_they_are(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    unsigned left = 2;
    str text = STR("=?utf-8?q?a?= =?utf-8?q?b?= =?utf-8?q?c?= d");
    assert_true(str_eq(words_decode(text, &left, a), STR("ab =?utf-8?q?c?= d")));
    assert_int_equal(left, 0);
    assert_true(str_eq(words_decode(text, &left, a), text));
}

/* ---- hostile ---- */

static void *read_hostile(void *context)
{
    str text = *(str *)context;
    AUTO_ARENA *a = arena_new(256 << 20);
    int64_t began_ms = cpu_ms();
    str decoded = words_decode(text, &(unsigned) { 100000 }, a),
        phrase = words_decode_phrase(text, &(unsigned) { 100000 }, a);
    bool well = decoded.ptr && utf8_valid(decoded) && phrase.ptr && utf8_valid(phrase) &&
                cpu_ms() - began_ms < 3000;
    return well ? context : NULL;
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
    memset(text, 0xff, sizeof text);
    assert_true(str_is_none(words_decode((str) { text, sizeof text }, &(unsigned) { 100000 }, a)));
}

static void the_locale_has_no_say(void **state)
{
    (void)state;
    setlocale(LC_ALL, "C");
    AUTO_ARENA *a = arena_new(1 << 20);
    str before = words_decode(STR("=?x-none?q?=E9?= \xe9"), &(unsigned) { 100000 }, a);
    setlocale(LC_ALL, "de_DE.ISO-8859-1");
    assert_true(
        str_eq(words_decode(STR("=?x-none?q?=E9?= \xe9"), &(unsigned) { 100000 }, a), before));
    setlocale(LC_ALL, "C");
}

static void *decode_often(void *context)
{
    for (int round = 0; round < 200; round++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            if (!str_eq(words_decode(words[i].in, &(unsigned) { 100000 }, a), words[i].out))
                return NULL;
        }
    }
    return context;
}

static void threads_do_not_meet(void **state)
{
    (void)state;
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, decode_often, threads), 0);
    for (size_t i = 0; i < 3; i++) {
        void *well;
        pthread_join(threads[i], &well);
        assert_non_null(well);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoded_words_are_decoded),
        cmocka_unit_test(words_beyond_the_bound_stay_as_they_are),
        cmocka_unit_test(in_a_phrase_a_quotation_mark_is_a_letter),
        cmocka_unit_test(nothing_a_stranger_writes_takes_long_or_ends_the_stack),
        cmocka_unit_test(the_arenas_limit_is_said),
        cmocka_unit_test(the_locale_has_no_say),
        cmocka_unit_test(threads_do_not_meet),
    };
    return cmocka_run_group_tests_name("mail/words", tests, NULL, NULL);
}

/* Wildcards as IAM means them. */
#include "base/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct glob_case {
    const char *says, *pattern, *text;
    unsigned flags;
    bool matches;
};
static const struct glob_case cases[] = {
    { "nothing matches nothing",              "",           "",              0,            true  },
    { "nothing matches only nothing",         "",           "a",             0,            false },
    { "a star is also nothing",               "*",          "",              0,            true  },
    { "a question mark is something",         "?",          "",              0,            false },
    { "letters are letters",                  "abc",        "abc",           0,            true  },
    { "case matters",                         "abc",        "aBc",           0,            false },
    { "unless it does not",                   "s3:Put*",    "S3:pUTObject",  GLOB_NOCASE,  true  },
    { "a star crosses slashes and colons",    "arn:*/x",    "arn:a:b/c/d/x", 0,            true  },
    { "the last star decides",                "*ab*ab",     "ababxab",       0,            true  },
    { "a star gives back",                    "a*bc",       "abbbc",         0,            true  },
    { "what follows a star must be there",    "a*c",        "abb",           0,            false },
    { "stars in a row are one",               "a***b",      "ab",            0,            true  },
    { "a question mark is one character",     "a?c",        "a\xc3\xa9" "c", 0,            true  },
    { "not two bytes",                        "a??c",       "a\xc3\xa9" "c", 0,            false },
    { "nor after a star",                     "*??",        "\xe2\x82\xac",  0,            false },
    { "nor before one",                       "?*?",        "\xe2\x82\xac",  0,            false },
    { "brackets are letters",                 "[a-c]",      "b",             0,            false },
    { "a backslash is a letter",              "\\*",        "\\x",           0,            true  },
    { "an escaped star is a star",            "a\xff*",     "a*",            GLOB_LITERAL, true  },
    { "and nothing else",                     "a\xff*",     "ab",            GLOB_LITERAL, false },
    { "an escaped letter after a star",       "*\xff?x",    "ab?x",          GLOB_LITERAL, true  },
    { "and not any letter",                   "*\xff?x",    "abcx",          GLOB_LITERAL, false },
};

static void patterns_match_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct glob_case *c = &cases[i];
        if (glob_match(str_of(c->pattern), str_of(c->text), c->flags) != c->matches)
            fail_msg("%s", c->says);
    }
    assert_true(glob_has_wildcard(STR("a*")));
    assert_true(glob_has_wildcard(STR("?")));
    assert_false(glob_has_wildcard(STR("a\xff*")));
}

/* The definition, recursive and slow. */
static bool slow(const char *p, const char *t)
{
    if (!*p)
        return !*t;
    if (*p == '*')
        return slow(p + 1, t) || (*t && slow(p, t + 1));
    return *t && (*p == '?' || *p == *t) && slow(p + 1, t + 1);
}

static void all_short_patterns_agree_with_the_definition(void **state)
{
    (void)state;
    static const char pattern_letters[] = "ab*?", text_letters[] = "ab";
    for (int p = 0; p < 1365; p++) {
        char pattern[8] = "", text[8] = "";
        int n = 0;
        for (int rest = p; rest; rest = (rest - 1) / 4)
            pattern[n++] = pattern_letters[(rest - 1) % 4];
        for (int t = 0; t < 127; t++) {
            n = 0;
            memset(text, 0, sizeof(text));
            for (int rest = t; rest; rest = (rest - 1) / 2)
                text[n++] = text_letters[(rest - 1) % 2];
            if (glob_match(str_of(pattern), str_of(text), 0) != slow(pattern, text))
                fail_msg("'%s' against '%s'", pattern, text);
        }
    }
}

static void many_stars_cost_little(void **state)
{
    (void)state;
    enum { STARS = 1000, TEXT = 20000 };
    char *pattern = malloc(2 * STARS + 1), *text = malloc(TEXT);
    for (int i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    pattern[2 * STARS] = 'b';
    memset(text, 'a', TEXT);
    assert_false(glob_match((str){ pattern, 2 * STARS + 1 }, (str){ text, TEXT }, 0));
    free(pattern);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_the_table_says),
        cmocka_unit_test(all_short_patterns_agree_with_the_definition),
        cmocka_unit_test(many_stars_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

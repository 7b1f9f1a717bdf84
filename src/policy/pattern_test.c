/* Patterns of resources, strings and ARNs, and the variables in them. */
#include "policy/asked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum use { RESOURCE, LIKE, ARN, NOCASE };

struct pattern_case {
    const char *says;
    enum use use;
    const char *pattern, *text;
    bool want;
};

static const struct pattern_case patterns[] = {
    /* clang-format off */
    { "a star alone is everything",              RESOURCE, "*",                        "arn:aws:s3:::b/k",         true  },
    { "a star runs over slashes",                RESOURCE, "arn:aws:s3:::b/*/t/*",     "arn:aws:s3:::b/1/2/t/3/x", true  },
    { "two slashes need something between",      RESOURCE, "arn:aws:s3:::b/*/t/*",     "arn:aws:s3:::b/t/x",       false },
    { "a bucket is not its objects",             RESOURCE, "arn:aws:s3:::b",           "arn:aws:s3:::b/k",         false },
    { "behind the fifth colon a star runs on",   RESOURCE, "arn:aws:ses:*:*:a*z",      "arn:aws:ses:r:1:a:b:z",    true  },
    { "a last star may leave its segment",       RESOURCE, "arn:aws:sns:*:topic",      "arn:aws:sns:eu:1:topic",   true  },
    { "a star within a segment stays",           RESOURCE, "arn:aws:sns:e*t:topic",    "arn:aws:sns:eu:1t:topic",  false },
    { "it comes back to the star that is free",  RESOURCE, "arn:*:a*b:c",              "arn:x:ab:ab:c",            true  },
    { "a question mark is one character",        RESOURCE, "arn:aws:s3:::b/?",         "arn:aws:s3:::b/\xc3\xa9",  true  },
    { "a star takes no half of one",              RESOURCE, "arn:aws:s3:::b/*??",       "arn:aws:s3:::b/\xc3\xa9",  false },
    { "and not none",                            RESOURCE, "arn:aws:s3:::b/?",         "arn:aws:s3:::b/",          false },
    { "nor a colon between segments",            RESOURCE, "arn:aws:s3?::b",           "arn:aws:s3:::b",           false },
    { "case counts",                             RESOURCE, "arn:aws:s3:::B/*",         "arn:aws:s3:::b/k",         false },
    { "a star in the request is only a star",    RESOURCE, "arn:aws:s3:::b/k",         "arn:aws:s3:::b/*",         false },
    { "brackets and dots are plain",             RESOURCE, "arn:aws:s3:::b/[a].k",     "arn:aws:s3:::b/[a].k",     true  },
    { "a prefix",                                LIKE,     "in/*",                     "in/a:b/c",                 true  },
    { "a suffix",                                LIKE,     "*.eml",                    "a.eml",                    true  },
    { "both, which may not overlap",             LIKE,     "ab*ba",                    "aba",                      false },
    { "nothing between is enough",               LIKE,     "ab*ba",                    "abba",                     true  },
    { "stars in a row are one",                  LIKE,     "a***b",                    "ab",                       true  },
    { "the empty pattern is the empty text",     LIKE,     "",                         "",                         true  },
    { "and no other",                            LIKE,     "",                         "a",                        false },
    { "the rule's name may be any",              ARN,      "arn:aws:ses:r:1:rs/s:rr/*", "arn:aws:ses:r:1:rs/s:rr/x", true },
    { "a star keeps to its part of an ARN",      ARN,      "arn:aws:*:rs/s:rr/x",      "arn:aws:ses:r:1:rs/s:rr/x", false },
    { "a part may be any",                       ARN,      "arn:aws:ses:*:1:x",        "arn:aws:ses:eu-west-1:1:x", true },
    { "letters of both cases",                   NOCASE,   "AbC",                      "aBc",                      true  },
    { "here a star is a star",                   NOCASE,   "a*",                       "ab",                       false },
    { "the name of the caller is put in",        RESOURCE, "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/a*b/k", true },
    { "and is literal there",                    RESOURCE, "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/axb/k", false },
    { "key names have no case",                  LIKE,     "${AWS:UserName}",          "a*b",                      true  },
    { "without a value nothing matches",         LIKE,     "*${aws:nobody}*",          "x",                        false },
    { "but a default may stand in",              LIKE,     "${aws:nobody, 'x'}y",      "xy",                       true  },
    { "a default may hold a brace",              LIKE,     "${aws:nobody, 'x}'}y",     "x}y",                      true  },
    { "a list is no value",                      LIKE,     "${aws:list}",              "one",                      false },
    { "a written star",                          LIKE,     "a${*}",                    "a*",                       true  },
    { "is no wildcard",                          LIKE,     "a${*}",                    "ab",                       false },
    { "a written question mark and dollar",      LIKE,     "${?}${$}",                 "?$",                       true  },
    { "an unclosed variable is text",            LIKE,     "${aws:username",           "${aws:username",           true  },
    { "before the fifth colon too",              RESOURCE, "arn:aws:${aws:username}:::k", "arn:aws:a*b:::k",       false },
    /* clang-format on */
};

static unsigned flags_of(enum use use)
{
    switch (use) {
    case RESOURCE:
        return PATTERN_WILD | PATTERN_ARN | PATTERN_TRAILING | PATTERN_VARIABLES;
    case LIKE:
        return PATTERN_WILD | PATTERN_VARIABLES;
    case ARN:
        return PATTERN_WILD | PATTERN_ARN | PATTERN_VARIABLES;
    case NOCASE:
        return PATTERN_FOLD;
    }
    return 0;
}

static void patterns_match_as_the_user_guide_says(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    const str one = STR("a*b"), two[] = { STR("one"), STR("two") };
    const struct context_key context[] = { { STR("aws:username"), &one, 1, false },
                                           { STR("aws:list"), two, 2, true } };
    const struct caller nobody = { .kind = CALLER_ANONYMOUS };
    const struct request request = {
        .caller = &nobody, .action = STR("s3:GetObject"), .context = context, .context_count = 2
    };
    struct asked asked;
    struct found found[ASKED_FOUND] = { 0 };
    asked_begin(&asked, &request, found);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        const struct pattern_case *c = &patterns[i];
        struct pattern pattern;
        assert_true(pattern_compile(str_of(c->pattern), flags_of(c->use), arena, &pattern));
        const bool segments = c->use == RESOURCE || c->use == ARN;
        const struct subject subject =
            segments ? subject_arn(str_of(c->text)) : subject_plain(str_of(c->text));
        if (pattern_matches(&pattern, subject, &asked) != c->want)
            fail_msg("%s: %s against %s", c->says, c->pattern, c->text);
    }
}

static void a_hostile_pattern_ends(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(4 << 20);
    char pattern_text[401], text[4001];
    for (size_t i = 0; i < 400; i += 2)
        memcpy(pattern_text + i, "*a", 2);
    pattern_text[400] = 'b';
    memset(text, 'a', sizeof(text));
    struct pattern pattern;
    assert_true(pattern_compile((str) { pattern_text, 401 }, PATTERN_WILD, arena, &pattern));
    assert_false(pattern_matches(&pattern, subject_plain((str) { text, sizeof(text) }), NULL));
}

static void actions_have_no_case_and_no_pattern_in_the_service(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    static const struct {
        const char *pattern, *action;
        bool want;
    } cases[] = {
        { "*", "s3:PutObject", true },
        { "s3:*", "s3:PutObject", true },
        { "S3:putobject", "s3:PutObject", true },
        { "s3:Put*", "S3:PUTOBJECT", true },
        { "s3:PutObject?", "s3:PutObject", false },
        { "s*:PutObject", "s3:PutObject", false },
        { "PutObject", "s3:PutObject", false },
        { "s3", "s3:PutObject", false },
        { "workmail:Get*", "workmail:GetUser", true },
        { "sns:Publish", "s3:Publish", false },
        { "kms:GenerateDataKey*", "kms:GenerateDataKeyWithoutPlaintext", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct action_pattern pattern;
        assert_true(action_pattern_compile(str_of(cases[i].pattern), arena, &pattern));
        const struct action action = action_of(str_of(cases[i].action));
        if (action_pattern_matches(&pattern, &action) != cases[i].want)
            fail_msg("%s against %s", cases[i].pattern, cases[i].action);
        uint64_t masks[ACTION_SERVICES] = { 0 };
        action_pattern_mask(&pattern, masks);
        if (action.bit && ((masks[action.in_table] & action.bit) != 0) != cases[i].want)
            fail_msg("the mask of %s against %s", cases[i].pattern, cases[i].action);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_the_user_guide_says),
        cmocka_unit_test(a_hostile_pattern_ends),
        cmocka_unit_test(actions_have_no_case_and_no_pattern_in_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

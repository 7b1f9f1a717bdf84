#include "receive/bounce_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct reply_case {
    const char *says;
    str code, status, message;
    int want; /* 0: it cannot be said */
    const char *want_status, *want_text;
};

/* clang-format off */
static const struct reply_case replies[] = {
    { "the words of the console's template",  STR_INIT("550"), STR_INIT("5.1.1"),  STR_INIT("Mailbox does not exist"), 550, "5.1.1", "Mailbox does not exist" },
    { "a refusal for now",                    STR_INIT("452"), STR_INIT("4.2.2"),  STR_INIT("Mailbox full"),           452, "4.2.2", "Mailbox full" },
    { "no status: the class's general one",   STR_INIT("554"), STR_INIT(""),       STR_INIT("No"),                     554, "5.0.0", "No" },
    { "no status, for now",                   STR_INIT("450"), STR_INIT(""),       STR_INIT("No"),                     450, "4.0.0", "No" },
    { "lines become one",                     STR_INIT("550"), STR_INIT("5.1.1"),  STR_INIT("a\r\n250 2.0.0 Ok\r\n"),  550, "5.1.1", "a 250 2.0.0 Ok" },
    { "control octets become blanks",         STR_INIT("550"), STR_INIT("5.1.1"),  STR_INIT("\x1b[31m\x7f\0x\t  y"),   550, "5.1.1", "[31m x y" },
    { "the connection's end is not a reply",  STR_INIT("421"), STR_INIT("4.3.0"),  STR_INIT("Later"),                  0, NULL, NULL },
    { "nothing positive",                     STR_INIT("250"), STR_INIT("2.0.0"),  STR_INIT("Ok"),                     0, NULL, NULL },
    { "nothing between",                      STR_INIT("354"), STR_INIT("5.0.0"),  STR_INIT("Go on"),                  0, NULL, NULL },
    { "no code at all",                       STR_INIT("no"),  STR_INIT("5.0.0"),  STR_INIT("No"),                     0, NULL, NULL },
    { "a code of four digits",                STR_INIT("5500"), STR_INIT("5.0.0"), STR_INIT("No"),                     0, NULL, NULL },
    { "a second digit beyond the RFC",        STR_INIT("560"), STR_INIT("5.0.0"),  STR_INIT("No"),                     0, NULL, NULL },
    { "a code with a newline in it",          STR_INIT("55\n"), STR_INIT("5.0.0"), STR_INIT("No"),                     0, NULL, NULL },
    { "a status of the other class",          STR_INIT("550"), STR_INIT("4.1.1"),  STR_INIT("No"),                     0, NULL, NULL },
    { "a status with too many digits",        STR_INIT("550"), STR_INIT("5.1111.1"), STR_INIT("No"),                   0, NULL, NULL },
    { "a status with a part missing",         STR_INIT("550"), STR_INIT("5.1"),    STR_INIT("No"),                     0, NULL, NULL },
    { "a status with an empty part",          STR_INIT("550"), STR_INIT("5..1"),   STR_INIT("No"),                     0, NULL, NULL },
    { "a status with a newline in it",        STR_INIT("550"), STR_INIT("5.1.1\r\n250 x"), STR_INIT("No"),             0, NULL, NULL },
    { "a text beyond ASCII",                  STR_INIT("550"), STR_INIT("5.1.1"),  STR_INIT("n\xc3\xb3"),              0, NULL, NULL },
    { "no text",                              STR_INIT("550"), STR_INIT("5.1.1"),  STR_INIT(""),                       0, NULL, NULL },
    { "a text of blanks",                     STR_INIT("550"), STR_INIT("5.1.1"),  STR_INIT(" \r\n "),                 0, NULL, NULL },
};
/* clang-format on */

static struct action bounce(const struct reply_case *c)
{
    return (struct action) {
        .kind = ACTION_BOUNCE,
        .bounce = { .smtp_reply_code = c->code, .status_code = c->status, .message = c->message }
    };
}

static void a_bounce_is_said_in_its_own_words_when_it_can_be_said(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        const struct reply_case *c = &replies[i];
        struct action action = bounce(c);
        struct bounce_reply reply = { 0 };
        if (bounce_reply_of(&action, a, &reply) != (c->want != 0) || reply.code != c->want)
            fail_msg("%s: %d", c->says, reply.code);
        if (c->want && (!str_eq(reply.status, str_of(c->want_status)) ||
                        !str_eq(reply.text, str_of(c->want_text))))
            fail_msg("%s: " STR_FMT " " STR_FMT, c->says, STR_ARG(reply.status),
                     STR_ARG(reply.text));
    }
}

static void a_long_text_is_cut_to_the_line(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    char text[2000];
    memset(text, 'x', sizeof text);
    const struct reply_case c = { .code = STR("550"),
                                  .status = STR("5.1.1"),
                                  .message = { text, sizeof text } };
    struct action action = bounce(&c);
    struct bounce_reply reply;
    assert_true(bounce_reply_of(&action, a, &reply));
    assert_int_equal(strlen("550 5.1.1 ") + reply.text.len + 2, 512);
}

static void a_topic_wants_a_message(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct action action = bounce(&replies[0]);
    struct bounce_reply reply;
    action.topic_arn = STR("arn:aws:sns:us-east-1:111122223333:bounces");
    assert_false(bounce_reply_of(&action, a, &reply));
    action = (struct action) { .kind = ACTION_STOP };
    assert_false(bounce_reply_of(&action, a, &reply));
}

static void only_what_comes_first_can_be_said(void **state)
{
    (void)state;
    static const struct action bounces[] = { { .kind = ACTION_BOUNCE }, { .kind = ACTION_STOP } };
    static const struct action stores[] = { { .kind = ACTION_S3 }, { .kind = ACTION_BOUNCE } };
    static const str other[] = { STR_INIT("other@d.test") };
    const struct mailbox mailbox = { STR("gone"), STR("d.test") };
    struct receipt_rule rules[] = {
        { .name = STR("off"), .actions = stores, .action_count = 2 },
        { .name = STR("other"),
          .enabled = true,
          .actions = stores,
          .action_count = 2,
          .recipients = other,
          .recipient_count = 1 },
        { .name = STR("empty"), .enabled = true },
        { .name = STR("bounce"), .enabled = true, .actions = bounces, .action_count = 2 },
        { .name = STR("store"), .enabled = true, .actions = stores, .action_count = 2 },
    };
    struct receipt_rule_set set = { .rules = rules, .rule_count = 5 };
    assert_ptr_equal(bounce_reply_rule(&set, &mailbox), &rules[3]);
    rules[0].enabled = true; /* now the message is stored before it is bounced */
    assert_null(bounce_reply_rule(&set, &mailbox));
    set.rule_count = 0;
    assert_null(bounce_reply_rule(&set, &mailbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bounce_is_said_in_its_own_words_when_it_can_be_said),
        cmocka_unit_test(a_long_text_is_cut_to_the_line),
        cmocka_unit_test(a_topic_wants_a_message),
        cmocka_unit_test(only_what_comes_first_can_be_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

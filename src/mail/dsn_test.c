/* mail/dsn_test.c - delivery status notifications in SES's form; ses-receiving spec 9.6. */
#include "mail/dsn.h"

#include "base/arena.h"
#include "mail/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS(seconds) ((seconds) * 1000LL)
enum { ARRIVED = 1443707334, NOW = 1443707338 }; /* 2015-10-01T13:48:54Z and 58 */

static const struct header more[] = {
    { STR_INIT("X-More"), STR_INIT("yes") },
    { STR_INIT("X Bad"), STR_INIT("is no field's name") },
};
static const struct header report[] = { { STR_INIT("X-Report"), STR_INIT("r") } };

#define RECIPIENT(who, says, code)                                                                 \
    { .final_recipient = STR_INIT(who), .original_recipient = STR_INIT(who),                       \
      .action = STR_INIT("failed"), .status = STR_INIT(code), .diagnostic = STR_INIT(says) }

static const struct dsn_recipient one[] = {
    RECIPIENT("userunknown@example.com", "550 5.1.1 Mailbox does not exist", "5.1.1"),
};
static const struct dsn_recipient two[] = {
    RECIPIENT("a@example.com", "450 4.0.0 Temporary failure", "4.0.0"),
    RECIPIENT("b@example.com", "450 4.0.0 Temporary failure", "4.0.0"),
};
static const struct dsn_recipient hostile[] = {
    RECIPIENT("a@example.com", "550 5.1.1 one\r\nSubject: two \xc3\xa4", "5.1.1"),
};
static const struct dsn_recipient utf_8[] = {
    RECIPIENT("\xc3\xa4+b@example.com", "550 5.1.1 Mailbox does not exist", "5.1.1"),
};
static const struct dsn_recipient by_api[] = {
    { .final_recipient = STR_INIT("a@example.com"),
      .original_recipient = STR_INIT("alias@example.com"),
      .action = STR_INIT("delayed"),
      .status = STR_INIT("5.1.1"),
      .diagnostic = STR_INIT("550 5.1.1 gone"),
      .remote_mta = STR_INIT("dns; mx.example.net"),
      .last_attempt_ms = MS(NOW),
      .extensions = more,
      .extension_count = 2 },
};

struct dsn_case {
    const char *folder;
    str to, explanation;
    const struct dsn_recipient *recipients;
    size_t recipient_count, extension_count;
};
/* clang-format off */
static const struct dsn_case cases[] = {
    { "does-not-exist", STR_INIT("sender@sender.example"), { NULL, 0 }, one, 1, 0 },
    { "temporary",      STR_INIT("sender@sender.example"), { NULL, 0 }, two, 2, 0 },
    { "hostile",        STR_INIT("sender@sender.example"), { NULL, 0 }, hostile, 1, 0 },
    { "utf-8",          STR_INIT("s\xc3\xa4nder@m\xc3\xbcnchen.example"), { NULL, 0 }, utf_8, 1, 0 },
    { "send-bounce",    STR_INIT("sender@sender.example"), STR_INIT("Dear sender,\n\r\nnobody reads this.\n\x01"), by_api, 1, 1 },
};
/* clang-format on */

static str file(struct arena *a, const char *folder, const char *name)
{
    char path[512];
    AUTO_BUF text = buf_new(1 << 20);
    snprintf(path, sizeof path, "%s/%s/%s", VECTORS, folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        buf_addc(&text, (char)c);
    fclose(f);
    return arena_str(a, buf_str(&text));
}

static struct dsn dsn_of(const struct dsn_case *c, str original)
{
    return (struct dsn) { .from = STR("mailer@example.com"),
                          .to = c->to,
                          .message_id = STR("1-2-3@example.com"),
                          .date_ms = MS(NOW),
                          .token = STR("1984813963"),
                          .explanation = c->explanation,
                          .reporting_mta = STR("dns; inbound-smtp.us-west-2.amazonaws.com"),
                          .arrival_ms = MS(ARRIVED),
                          .extensions = report,
                          .extension_count = c->extension_count,
                          .recipients = c->recipients,
                          .recipient_count = c->recipient_count,
                          .original = original };
}

static void notifications_are_as_ses_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        AUTO_BUF got = buf_new(1 << 20);
        struct dsn dsn = dsn_of(&cases[i], file(a, cases[i].folder, "original.eml"));
        dsn_write(&dsn, &got);
        str want = file(a, cases[i].folder, "want.eml");
        if (!str_eq(buf_str(&got), want))
            print_error("%s, got:\n" STR_FMT "\n", cases[i].folder, STR_ARG(buf_str(&got)));
        assert_true(str_eq(buf_str(&got), want));
    }
}

static void what_comes_back_of_the_original_is_bounded(void **state)
{
    (void)state;
    AUTO_BUF original = buf_new(4 << 20), got = buf_new(4 << 20);
    for (int i = 0; i < 200000; i++)
        buf_add(&original, STR("X: y\r\n"));
    struct dsn dsn = dsn_of(&cases[0], buf_str(&original));
    dsn_write(&dsn, &got);
    assert_in_range(got.len, DSN_HEADERS_MAX, DSN_HEADERS_MAX + 2048);
    assert_true(str_ends(buf_str(&got), STR("X: y\r\n\r\n------=_Part_0_1984813963.1443707338000--\r\n")));
}

static void a_status_is_made_of_the_reply_code_where_none_is_given(void **state)
{
    (void)state;
    assert_true(str_eq(dsn_status(STR("550"), STR("5.1.1")), STR("5.1.1")));
    assert_true(str_eq(dsn_status(STR("550"), STR_NONE), STR("5.0.0")));
    assert_true(str_eq(dsn_status(STR("450"), STR("")), STR("4.0.0")));
}

static void a_reply_has_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *status;
    } replies[] = {
        { "550 5.1.1 no such user", "5.1.1" }, { "556 5.1.10", "5.1.10" },
        { "451 4.7.1 later", "4.7.1" },        { "550 no such user", "5.0.0" },
        { "450 busy", "4.0.0" },               { "550 4.2.2 of another class", "5.0.0" },
        { "554 5.1.1.1 x", "5.0.0" },          { "554 5.1 x", "5.0.0" },
        { "554 5.1000.1 x", "5.0.0" },         { "554", "5.0.0" },
        { "554 5..1", "5.0.0" },               { "421 4.3.2", "4.3.2" },
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        assert_true(str_eq(dsn_status_of_reply(str_of(replies[i].reply)),
                           str_of(replies[i].status)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_has_its_status),
        cmocka_unit_test(notifications_are_as_ses_writes_them),
        cmocka_unit_test(what_comes_back_of_the_original_is_bounded),
        cmocka_unit_test(a_status_is_made_of_the_reply_code_where_none_is_given),
    };
    return cmocka_run_group_tests_name("mail/dsn", tests, NULL, NULL);
}

/* smtp/talk_test.c - dialogues: what the server says, what we say, how it ends. */
#include "smtp/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAIL_TO(path)                                                                              \
    { .reverse_path = STR_INIT(""), .forward_path = STR_INIT(path),                                \
      .message = STR_INIT("Subject: s\r\n\r\n.dot\r\n..\r\nend\r\n") }
static const struct outgoing mail = MAIL_TO("a@b.test");
static const struct outgoing utf8_mail = MAIL_TO("\xc3\xa4@b.test");
static const struct outgoing bad_mail = MAIL_TO("a\r\nRCPT TO:<c@d.test>");

struct dialogue {
    const char *says;
    const struct outgoing *mail;
    const char *server[12]; /* "<TLS>": the handshake succeeds here */
    const char *client;
    enum sent sent;
    const char *ending; /* a part of what is told */
};

#define HELLO "EHLO mx.test\r\n"
#define ENVELOPE "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n"
#define MESSAGE "DATA\r\nSubject: s\r\n\r\n..dot\r\n...\r\nend\r\n.\r\n"

/* clang-format off */
static const struct dialogue dialogues[] = {
    { "a mail is taken, its dots stuffed", &mail,
      { "220 hi\r\n", "250-x\r\n250 SIZE 1\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 queued as 7\r\n" },
      HELLO ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "250 2.0.0 queued as 7" },
    { "TLS is used where it is offered, and what came before forgotten", &mail,
      { "220 hi\r\n", "250-x\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n", "220 go\r\n", "<TLS>", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "STARTTLS\r\n" HELLO ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok" },
    { "TLS is not offered twice", &mail,
      { "220 hi\r\n", "250 STARTTLS\r\n", "220 go\r\n", "<TLS>", "250 STARTTLS\r\n", "550 5.7.1 no\r\n" },
      HELLO "STARTTLS\r\n" HELLO "MAIL FROM:<>\r\nQUIT\r\n", SENT_REFUSED, "MAIL was answered 550 5.7.1 no" },
    { "what comes behind STARTTLS in the clear ends it", &mail,
      { "220 hi\r\n", "250 STARTTLS\r\n", "220 go\r\n250 injected\r\n" },
      HELLO "STARTTLS\r\nQUIT\r\n", SENT_LATER, "out of turn" },
    { "an old server knows HELO", &mail,
      { "220 hi\r\n", "502 what\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "HELO mx.test\r\n" ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "a refused recipient is refused for good", &mail,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "550-5.1.1 no\r\n550 5.1.1 such user\r\n" },
      HELLO ENVELOPE "QUIT\r\n", SENT_REFUSED, "RCPT was answered 550 5.1.1 such user" },
    { "a busy server is asked again later", &mail, { "421 4.3.2 not now\r\n" }, "QUIT\r\n", SENT_LATER, "the greeting was answered 421 4.3.2 not now" },
    { "so is one that is busy at the end", &mail,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "451 4.3.0 disk\r\n" },
      HELLO ENVELOPE MESSAGE "QUIT\r\n", SENT_LATER, "the message was answered 451 4.3.0 disk" },
    { "554 at the greeting", &mail, { "554 go away\r\n" }, "QUIT\r\n", SENT_REFUSED, "554 go away" },
    { "an intermediate reply at the wrong place", &mail, { "354 hi\r\n" }, "QUIT\r\n", SENT_LATER, "354" },
    { "what is no reply", &mail, { "SSH-2.0\r\n" }, "QUIT\r\n", SENT_LATER, "no SMTP reply" },
    { "two codes in one reply", &mail, { "220-a\r\n250 b\r\n" }, "QUIT\r\n", SENT_LATER, "no SMTP reply" },
    { "a UTF-8 address wants SMTPUTF8", &utf8_mail,
      { "220 hi\r\n", "250 8BITMIME\r\n" }, HELLO "QUIT\r\n", SENT_REFUSED, "SMTPUTF8" },
    { "and is sent with it", &utf8_mail,
      { "220 hi\r\n", "250-8BITMIME\r\n250 smtputf8\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@b.test>\r\n" MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "no path begins a command", &bad_mail, { "220 hi\r\n", "250 x\r\n" }, HELLO "QUIT\r\n", SENT_REFUSED, "cannot stand" },
    { "controls in a reply are not told", &mail, { "554 \x1b[2J\xff\r\n" }, "QUIT\r\n", SENT_REFUSED, "554 ?[2J?" },
};
/* clang-format on */

static void heed(struct talk_turn turn, struct buf *said, struct sending *ending, bool *ended)
{
    if (*ended)
        return;
    buf_add(said, turn.send);
    *ended = turn.wish == TALK_END;
    if (*ended)
        *ending = turn.ending;
}

/* The server's words whole, or octet by octet. */
static void hold(const struct dialogue *d, bool by_octet)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF said = buf_new(1 << 16);
    struct talk talk;
    struct sending ending = { SENT_TAKEN, STR("it did not end") };
    bool ended = false;
    talk_begin(&talk, d->mail, STR("mx.test"), true);
    for (size_t i = 0; d->server[i]; i++) {
        str words = str_of(d->server[i]);
        if (str_eq(words, STR("<TLS>"))) {
            assert_int_equal(talk.at, TALK_TLS);
            heed(talk_is_secure(&talk), &said, &ending, &ended);
            continue;
        }
        for (size_t at = 0; at < words.len; at += by_octet ? 1 : words.len)
            heed(talk_feed(&talk, by_octet ? (str) { words.ptr + at, 1 } : words, a), &said, &ending, &ended);
    }
    assert_true(ended);
    if (!str_eq(buf_str(&said), str_of(d->client)))
        print_error("said: " STR_FMT "\n", STR_ARG(buf_str(&said)));
    assert_true(str_eq(buf_str(&said), str_of(d->client)));
    assert_int_equal(ending.sent, d->sent);
    assert_true(str_find_str(ending.says, str_of(d->ending)) < ending.says.len || !d->ending[0]);
    talk_end(&talk);
}

static void dialogues_end_as_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        print_message("# %s\n", dialogues[i].says);
        hold(&dialogues[i], false);
        bool injected = strstr(dialogues[i].ending, "out of turn"); /* whether it is, is in the cut */
        if (!injected)
            hold(&dialogues[i], true);
    }
}

static void a_reply_without_end_is_cut_off(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct talk talk;
    struct talk_turn turn = { .wish = TALK_READ };
    size_t fed = 0;
    talk_begin(&talk, &mail, STR("mx.test"), true);
    for (; turn.wish == TALK_READ; fed += 9)
        turn = talk_feed(&talk, STR("220-more\n"), a);
    assert_int_equal(turn.wish, TALK_END);
    assert_int_equal(turn.ending.sent, SENT_LATER);
    assert_in_range(fed, TALK_REPLY_MAX - 9, TALK_REPLY_MAX + 18);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_end_as_they_should),
        cmocka_unit_test(a_reply_without_end_is_cut_off),
    };
    return cmocka_run_group_tests_name("smtp/talk", tests, NULL, NULL);
}

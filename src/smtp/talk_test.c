/* smtp/talk_test.c - dialogues: what the server says, what we say, how it ends. */
#include "smtp/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MESSAGE_TEXT "Subject: s\r\n\r\n.dot\r\n..\r\nend\r\n"
#define MAIL_TO(...)                                                                               \
    { .reverse_path = STR_INIT(""), .forward_paths = (const str[]) { __VA_ARGS__ },                \
      .forward_count = sizeof(const str[]) { __VA_ARGS__ } / sizeof(str), .ascii = true }
static const struct talk_mail mail = MAIL_TO(STR_INIT("a@b.test"));
static const struct talk_mail utf8_mail = MAIL_TO(STR_INIT("\xc3\xa4@b.test"));
static const struct talk_mail bad_mail = MAIL_TO(STR_INIT("a\r\nRCPT TO:<c@d.test>"));
static const str to_a[] = { STR_INIT("a@b.test") };
static const struct talk_mail sized = { .forward_paths = to_a, .forward_count = 1, .ascii = true, .size = 37 };
static const struct talk_mail eight = { .forward_paths = to_a, .forward_count = 1 };
static const struct talk_mail utf8_header = { .forward_paths = to_a, .forward_count = 1, .utf8_header = true, .size = 37 };
static const struct talk_mail to_three =
    MAIL_TO(STR_INIT("a@b.test"), STR_INIT("c@b.test"), STR_INIT("d@b.test"));
static const struct talk_mail to_mixed = MAIL_TO(STR_INIT("\xc3\xa4@b.test"), STR_INIT("c@b.test"));
static const struct talk_manner smtp = { .hostname = STR_INIT("mx.test"), .tls = TALK_TLS_OFFERED };
static const struct talk_manner lmtp = { .hostname = STR_INIT("mx.test"), .lmtp = true };
/* base64 of NUL me NUL secret: AG1lAHNlY3JldA==; me: bWU=; secret: c2VjcmV0 */
static const struct login me = { STR_INIT("me"), STR_INIT("secret") };
static const struct talk_manner known = { .hostname = STR_INIT("mx.test"), .login = &me };
static const struct talk_manner known_first = { .hostname = STR_INIT("mx.test"), .tls = TALK_TLS_FIRST, .login = &me };
static const struct talk_manner strict = { .hostname = STR_INIT("mx.test"), .tls = TALK_TLS_REQUIRED };

struct dialogue {
    const char *says;
    const struct talk_mail *mail;
    const char *server[14]; /* "<TLS>": the handshake succeeds here */
    const char *client;
    enum sent sent;
    const char *ending; /* a part of what is told */
    const struct talk_manner *manner; /* NULL: smtp */
    const char *each; /* T, L, R: of each recipient; NULL: one, as the whole */
    bool untrusted; /* nobody checked who the server is */
};

#define HELLO "EHLO mx.test\r\n"
#define ENVELOPE "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n"
#define RCPT(local_part) "RCPT TO:<" local_part "@b.test>\r\n"
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
    { "554 at the greeting is said of the host", &mail, { "554 go away\r\n" }, "QUIT\r\n", SENT_LATER, "the greeting was answered 554 go away" },
    { "and behind it of the mail", &mail, { "220 hi\r\n", "554 go away\r\n", "554 go away\r\n" }, HELLO "HELO mx.test\r\nQUIT\r\n", SENT_REFUSED, "554 go away" },
    { "an intermediate reply at the wrong place", &mail, { "354 hi\r\n" }, "QUIT\r\n", SENT_LATER, "354" },
    { "what is no reply", &mail, { "SSH-2.0\r\n" }, "QUIT\r\n", SENT_LATER, "no SMTP reply" },
    { "two codes in one reply", &mail, { "220-a\r\n250 b\r\n" }, "QUIT\r\n", SENT_LATER, "no SMTP reply" },
    { "a UTF-8 address wants SMTPUTF8", &utf8_mail,
      { "220 hi\r\n", "250 8BITMIME\r\n" }, HELLO "QUIT\r\n", SENT_REFUSED, "SMTPUTF8" },
    { "and is sent with it", &utf8_mail,
      { "220 hi\r\n", "250-8BITMIME\r\n250 smtputf8\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@b.test>\r\n" MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "a header section in UTF-8 says so where that is known", &utf8_header,
      { "220 hi\r\n", "250-8BITMIME\r\n250-SIZE\r\n250 SMTPUTF8\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<> BODY=8BITMIME SMTPUTF8 SIZE=37\r\nRCPT TO:<a@b.test>\r\n" MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "and goes as it is where it is not", &utf8_header,
      { "220 hi\r\n", "250 8BITMIME\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<a@b.test>\r\n" MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "8 bits go as they are where nobody offers to take them", &eight,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "a size is said to who has SIZE", &sized,
      { "220 hi\r\n", "250-x\r\n250 size 37\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<> SIZE=37\r\nRCPT TO:<a@b.test>\r\n" MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "0 is no bound", &sized,
      { "220 hi\r\n", "250 SIZE 0\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<> SIZE=37\r\nRCPT TO:<a@b.test>\r\n" MESSAGE "QUIT\r\n", SENT_TAKEN, "" },
    { "what is larger than the server takes is not sent", &sized, { "220 hi\r\n", "250-x\r\n250 SIZE 36\r\n" },
      HELLO "QUIT\r\n", SENT_REFUSED, "5.3.4 the message has 37 octets, and the server takes 36 at most" },
    { "no path begins a command", &bad_mail, { "220 hi\r\n", "250 x\r\n" }, HELLO "QUIT\r\n", SENT_REFUSED, "cannot stand" },
    { "of several recipients each is told his own", &to_three,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "550 5.1.1 no\r\n", "451 4.2.1 busy\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO ENVELOPE RCPT("c") RCPT("d") MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok", NULL, "TRL" },
    { "where none is taken there is no DATA", &to_three,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "450 busy\r\n", "550 no\r\n", "550 no\r\n" },
      HELLO ENVELOPE RCPT("c") RCPT("d") "QUIT\r\n", SENT_LATER, "550 no", NULL, "LRR" },
    { "who cannot be written here is refused, and the others are not", &to_mixed,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "MAIL FROM:<>\r\n" RCPT("c") MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok", NULL, "RT" },
    { "LMTP: each that was taken at RCPT is answered behind the message", &to_three,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "550 no\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 a\r\n452 4.2.2 d is full\r\n" },
      "LHLO mx.test\r\n" ENVELOPE RCPT("c") RCPT("d") MESSAGE "QUIT\r\n", SENT_TAKEN, "452 4.2.2 d is full", &lmtp, "TRL" },
    { "LMTP: more answers than recipients", &mail,
      { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 a\r\n250 b\r\n" },
      "LHLO mx.test\r\n" ENVELOPE MESSAGE "QUIT\r\n", SENT_LATER, "out of turn", &lmtp, "L" },
    { "LMTP has no HELO", &mail, { "220 hi\r\n", "500 what\r\n" }, "LHLO mx.test\r\nQUIT\r\n", SENT_REFUSED, "EHLO was answered 500", &lmtp, "R" },
    { "TLS that is required is not done without", &mail,
      { "220 hi\r\n", "250 8BITMIME\r\n" }, HELLO "QUIT\r\n", SENT_LATER, "does not offer STARTTLS", &strict, "L" },
    { "nor is an old server", &mail, { "220 hi\r\n", "500 what\r\n" }, HELLO "QUIT\r\n", SENT_LATER, "500 what", &strict, "L" },
    { "TLS that is refused where it was only offered is done without", &mail,
      { "220 hi\r\n", "250-x\r\n250 STARTTLS\r\n", "454 4.7.0 not now\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "STARTTLS\r\n" ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok" },
    { "and is not where it is required", &mail,
      { "220 hi\r\n", "250 STARTTLS\r\n", "501 5.5.1 no\r\n" }, HELLO "STARTTLS\r\nQUIT\r\n", SENT_LATER, "STARTTLS was answered 501", &strict, "L" },
    { "who has a login says it: PLAIN at once", &mail,
      { "220 hi\r\n", "250-x\r\n250 AUTH LOGIN PLAIN\r\n", "235 2.7.0 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "AUTH PLAIN AG1lAHNlY3JldA==\r\n" ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok", &known },
    { "under TLS from the first octet too", &mail,
      { "220 hi\r\n", "250-STARTTLS\r\n250 auth plain\r\n", "235 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "AUTH PLAIN AG1lAHNlY3JldA==\r\n" ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok", &known_first },
    { "LOGIN where only that is offered", &mail,
      { "220 hi\r\n", "250-AUTH XOAUTH2 LOGIN\r\n250 x\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n" },
      HELLO "AUTH LOGIN\r\nbWU=\r\nc2VjcmV0\r\n" ENVELOPE MESSAGE "QUIT\r\n", SENT_TAKEN, "250 ok", &known },
    { "a wrong password is no fault of the mail", &mail,
      { "220 hi\r\n", "250 AUTH PLAIN\r\n", "535 5.7.8 wrong\r\n" },
      HELLO "AUTH PLAIN AG1lAHNlY3JldA==\r\nQUIT\r\n", SENT_LATER, "AUTH was answered 535 5.7.8 wrong", &known, "L" },
    { "nor is one that is asked for and not there", &mail,
      { "220 hi\r\n", "250 x\r\n", "530 5.7.0 who are you\r\n" }, HELLO "MAIL FROM:<>\r\nQUIT\r\n", SENT_LATER, "MAIL was answered 530 5.7.0", NULL, "L" },
    { "the words of who repeats the password are not told on", &mail,
      { "220 hi\r\n", "250 AUTH PLAIN\r\n", "535 no user me with secret\r\n" },
      HELLO "AUTH PLAIN AG1lAHNlY3JldA==\r\nQUIT\r\n", SENT_LATER, "AUTH was answered 535 in words with the password in them", &known, "L" },
    { "nor those of who repeats the line", &mail,
      { "220 hi\r\n", "250 AUTH PLAIN\r\n", "501 bad: AG1lAHNlY3JldA==\r\n" },
      HELLO "AUTH PLAIN AG1lAHNlY3JldA==\r\nQUIT\r\n", SENT_LATER, "501 in words with the password", &known, "L" },
    { "who asks for more than there is gets no more", &mail,
      { "220 hi\r\n", "250 AUTH PLAIN\r\n", "334 more\r\n" },
      HELLO "AUTH PLAIN AG1lAHNlY3JldA==\r\nQUIT\r\n", SENT_LATER, "AUTH was answered 334", &known, "L" },
    { "a login that cannot be said holds the mail back", &mail,
      { "220 hi\r\n", "250 AUTH GSSAPI\r\n" }, HELLO "QUIT\r\n", SENT_LATER, "neither AUTH PLAIN nor AUTH LOGIN", &known, "L" },
    { "an old server is not taken for one without a password", &mail,
      { "220 hi\r\n", "502 what\r\n" }, HELLO "QUIT\r\n", SENT_LATER, "EHLO was answered 502", &known, "L" },
    { "nobody hears the password whose certificate was not checked", &mail,
      { "220 hi\r\n", "250 AUTH PLAIN\r\n" }, HELLO "QUIT\r\n", SENT_LATER, "the password is not said", &known, "L", true },
    { "controls in a reply are not told", &mail, { "554 \x1b[2J\xff\r\n" }, "QUIT\r\n", SENT_LATER, "554 ?[2J?" },
};
/* clang-format on */

static void heed(struct talk *talk, struct talk_turn turn, size_t piece, struct buf *said,
                 struct sending *ending, bool *ended)
{
    if (*ended)
        return;
    buf_add(said, turn.send);
    *ended = turn.wish == TALK_END;
    if (*ended)
        *ending = turn.ending;
    if (turn.wish != TALK_PUT)
        return;
    for (str rest = STR(MESSAGE_TEXT); rest.len; rest = str_from(rest, piece))
        buf_add(said, talk_put(talk, str_head(rest, piece)));
    buf_add(said, talk_put_end(talk));
}

/* The words of either side whole, or in pieces of so many octets. */
static void hold(const struct dialogue *d, size_t piece)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF said = buf_new(1 << 16);
    struct talk talk;
    struct sending ending = { SENT_TAKEN, STR("it did not end") }, each[3];
    bool ended = false;
    talk_begin(&talk, d->mail, d->manner ? d->manner : &smtp, each);
    talk.trusted = !d->untrusted;
    for (size_t i = 0; d->server[i]; i++) {
        str words = str_of(d->server[i]);
        if (str_eq(words, STR("<TLS>"))) {
            assert_int_equal(talk.at, TALK_TLS);
            heed(&talk, talk_is_secure(&talk), piece, &said, &ending, &ended);
            continue;
        }
        for (; words.len; words = str_from(words, piece))
            heed(&talk, talk_feed(&talk, str_head(words, piece), a), piece, &said, &ending, &ended);
    }
    assert_true(ended);
    if (!str_eq(buf_str(&said), str_of(d->client)))
        print_error("said: " STR_FMT "\n", STR_ARG(buf_str(&said)));
    assert_true(str_eq(buf_str(&said), str_of(d->client)));
    assert_int_equal(ending.sent, d->sent);
    assert_true(str_find_str(ending.says, str_of(d->ending)) < ending.says.len || !d->ending[0]);
    for (size_t i = 0; i < d->mail->forward_count; i++) {
        const enum sent was = each[i].sent;
        const char letter = was == SENT_TAKEN ? 'T' : was == SENT_LATER ? 'L' : 'R';
        assert_true(d->each ? letter == d->each[i] : was == d->sent);
        assert_false(str_is_none(each[i].says));
    }
    talk_end(&talk);
}

static void dialogues_end_as_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        print_message("# %s\n", dialogues[i].says);
        hold(&dialogues[i], 1000);
        bool injected = strstr(dialogues[i].ending, "out of turn"); /* whether it is, is in the cut */
        if (!injected)
            hold(&dialogues[i], 1);
    }
}

/* RFC 4954 4: a command has 512 octets; what does not fit waits until it is asked for. And then no
 * trace of it is left in the talk. */
static void a_long_login_is_said_when_it_is_asked_for(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    char password[LOGIN_MAX], user[LOGIN_MAX];
    memset(password, 'p', sizeof password);
    memset(user, 'u', sizeof user);
    const struct login login = { { user, sizeof user }, { password, sizeof password } };
    const struct talk_manner manner = { .hostname = STR("mx.test"), .login = &login };
    struct talk talk;
    struct sending each;
    talk_begin(&talk, &mail, &manner, &each);
    talk.trusted = true;
    talk_feed(&talk, STR("220 hi\r\n"), a);
    struct talk_turn turn = talk_feed(&talk, STR("250 AUTH PLAIN\r\n"), a);
    assert_true(str_eq(turn.send, STR("AUTH PLAIN\r\n")));
    turn = talk_feed(&talk, STR("334 \r\n"), a);
    assert_int_equal(turn.send.len, (2 + 2 * LOGIN_MAX + 2) / 3 * 4 + 2);
    assert_true(str_find_str(turn.send, STR("cHBwcHBw")) < turn.send.len);
    turn = talk_feed(&talk, STR("235 ok\r\n"), a);
    assert_true(str_eq(turn.send, STR("MAIL FROM:<>\r\n")));
    const str room = { talk.send.ptr, talk.send.room };
    assert_true(str_find_str(room, STR("cHBwcHBw")) == room.len);
    talk_end(&talk);
}

static void what_a_mail_has_is_seen_in_it(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        bool ascii, utf8_header;
    } cases[] = {
        { "Subject: s\r\n\r\nbody\r\n", true, false },
        { "Subject: s\r\n\r\nb\xc3\xb6" "dy\r\n", false, false },
        { "Subject: \xc3\xb6\r\n\r\nbody\r\n", false, true },
        { "Subject: \xf6 in Latin-1\r\n\r\nbody\r\n", false, false }, /* no SMTPUTF8 */
        { "Subject: \xc3\xb6\r\n", false, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct outgoing o = { .forward_path = STR("a@b.test"),
                                    .message = str_of(cases[i].message) };
        const struct talk_mail m = talk_mail_of(&o);
        assert_int_equal(m.ascii, cases[i].ascii);
        assert_int_equal(m.utf8_header, cases[i].utf8_header);
        assert_int_equal(m.size, strlen(cases[i].message));
    }
}

static void a_reply_without_end_is_cut_off(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct talk talk;
    struct talk_turn turn = { .wish = TALK_READ };
    size_t fed = 0;
    struct sending each;
    talk_begin(&talk, &mail, &smtp, &each);
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
        cmocka_unit_test(a_long_login_is_said_when_it_is_asked_for),
        cmocka_unit_test(what_a_mail_has_is_seen_in_it),
        cmocka_unit_test(a_reply_without_end_is_cut_off),
    };
    return cmocka_run_group_tests_name("smtp/talk", tests, NULL, NULL);
}

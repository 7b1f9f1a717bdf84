/* smtp/session_test.c - dialogues. Each is fed whole (every command pipelined), octet by octet, and
 * cut in two at every place; what is said and what is taken must agree. One long table: it stays
 * whole. */
#include "mail/mailbox.h"
#include "smtp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the world around a session, in memory ---- */

struct around {
    struct smtp_gatekeeper gatekeeper; /* first: the gatekeeper is this */
    struct smtp_session *session;
    struct arena *work;
    struct buf said, draft, taken; /* taken: from|to,to|size|body for each message */
    struct fault draft_fault, commit_fault;
    bool draft_fails, commit_fails, has_draft, closed;
    int messages, abandoned;
};

static const struct fault unavailable = { .kind = FAULT_UNAVAILABLE, .says = STR_INIT("not now") };
static const struct fault full = { .kind = FAULT_LIMIT, .says = STR_INIT("full") };

static const struct fault *mail(struct smtp_gatekeeper *g, const struct peer *peer,
                                const struct reverse_path *path, struct arena *arena,
                                struct smtp_pass **ret_pass)
{
    (void)peer, (void)arena;
    if (str_eq(path->mailbox.local_part, STR("later")))
        return &unavailable;
    if (str_eq(path->mailbox.local_part, STR("full")))
        return &full;
    *ret_pass = (struct smtp_pass *)(void *)g;
    return NULL;
}

static struct smtp_verdict rcpt(struct smtp_pass *pass, const struct envelope *envelope,
                                const struct forward_path *path)
{
    assert_non_null(pass);
    str local = path->mailbox.local_part;
    if (str_eq(local, STR("tls")))
        return (struct smtp_verdict) { envelope->peer.tls ? SMTP_TAKE : SMTP_NEEDS_TLS };
    if (str_eq(local, STR("gone")))
        return (struct smtp_verdict) { SMTP_GIVEN,
                                       .given = { 550, STR("5.1.1"), STR("Gone 100% & %h") } };
    if (str_eq(local, STR("busy")))
        return (struct smtp_verdict) { SMTP_GIVEN, .given = { 450, STR("4.2.1"), STR("Busy") } };
    return (struct smtp_verdict) { str_eq(local, STR("nobody"))    ? SMTP_NO_MAILBOX
                                   : str_eq(local, STR("blocked")) ? SMTP_BLOCKED
                                   : str_eq(local, STR("later"))   ? SMTP_LATER
                                                                   : SMTP_TAKE };
}

static void take(struct around *a)
{
    struct envelope *e = smtp_envelope(a->session);
    char id[16];
    buf_addf(&a->taken, STR_FMT "|", STR_ARG(e->mail_from.text));
    for (size_t i = 0; i < e->rcpt_count; i++)
        buf_addf(&a->taken, STR_FMT "%s", STR_ARG(e->rcpt_to[i].text),
                 i + 1 < e->rcpt_count ? "," : "|");
    buf_addf(&a->taken, "%d|", (int)e->size);
    buf_add(&a->taken, buf_str(&a->draft));
    assert_int_equal(e->size, a->draft.len);
    snprintf(id, sizeof id, "id%d", ++a->messages);
    e->message_id = arena_str(a->work, str_of(id));
}

static struct smtp_turn heed(struct around *a, struct smtp_turn turn)
{
    for (;;) {
        buf_add(&a->said, turn.reply);
        switch (turn.wish) {
        case WISH_NONE:
        case WISH_START_TLS:
            return turn;
        case WISH_CLOSE:
            a->closed = true;
            a->has_draft = false;
            return turn;
        case WISH_OPEN_DRAFT:
            assert_false(a->has_draft);
            a->has_draft = !a->draft_fails;
            buf_clear(&a->draft);
            turn = smtp_granted(a->session, a->draft_fails ? &a->draft_fault : NULL);
            continue;
        case WISH_WRITE_DRAFT:
            assert_true(a->has_draft);
            buf_add(&a->draft, turn.data);
            return turn;
        case WISH_ABANDON:
            assert_true(a->has_draft);
            a->has_draft = false;
            a->abandoned++;
            return turn;
        case WISH_COMMIT:
            assert_true(a->has_draft);
            a->has_draft = false;
            assert_int_equal(smtp_feed(a->session, STR("QUIT\r\n")).consumed, 0); /* it waits */
            if (!a->commit_fails)
                take(a);
            turn = smtp_granted(a->session, a->commit_fails ? &a->commit_fault : NULL);
            continue;
        }
    }
}

/* Feeds a piece; false when what follows in the same clear-text segment is thrown away. */
static bool feed(struct around *a, str bytes)
{
    char *exact = malloc(bytes.len ? bytes.len : 1); /* so that ASan sees a look behind its end */
    memcpy(exact, bytes.ptr ? bytes.ptr : "", bytes.len);
    str rest = { exact, bytes.len };
    bool on = true;
    while (on && !a->closed) {
        struct smtp_turn turn = smtp_feed(a->session, rest);
        assert_true(turn.consumed <= rest.len);
        size_t used = turn.consumed;
        bool something = turn.reply.len || turn.wish != WISH_NONE || used;
        struct smtp_turn last = heed(a, turn);
        on = last.wish != WISH_START_TLS;
        rest = str_from(rest, used);
        if (!something)
            break;
    }
    if (on && !a->closed)
        assert_int_equal(rest.len, 0);
    free(exact);
    return on;
}

/* ---- dialogues ---- */

enum {
    SES = 1,
    NO_TLS = 2,
    DRAFT_UNAVAILABLE = 4,
    DRAFT_FULL = 8,
    COMMIT_FAILS = 16,
    COMMIT_FULL = 32
};

struct dialogue {
    const char *says;
    unsigned how;
    const char *taken;
    /* "C: line", "S: line", "R: octets as they are", "T:" TLS begins */
    const char *lines[40];
};

#define BANNER "S: 220 mx.test ESMTP Sesame tok"
#define EHLO                                                                                       \
    BANNER, "C: EHLO c.test", "S: 250-mx.test", "S: 250-PIPELINING", "S: 250-SIZE 1000",           \
        "S: 250-8BITMIME", "S: 250-ENHANCEDSTATUSCODES", "S: 250-SMTPUTF8", "S: 250-CHUNKING",     \
        "S: 250 STARTTLS"
#define MAIL EHLO, "C: MAIL FROM:<a@b.test>", "S: 250 2.1.0 Ok"
#define RCPT MAIL, "C: RCPT TO:<u@d.test>", "S: 250 2.1.5 Ok"
#define DATA RCPT, "C: DATA", "S: 354 End data with <CR><LF>.<CR><LF>"
#define QUIT "C: QUIT", "S: 221 2.0.0 mx.test closing connection"

static const struct dialogue dialogues[] = {
    { "a message is taken",
      0,
      "a@b.test|u@d.test|18|Subject: hi\r\n\r\n.\r\n",
      { RCPT, "C: DATA", "S: 354 End data with <CR><LF>.<CR><LF>",
        "R: Subject: hi\r\n\r\n..\r\n.\r\n", "S: 250 2.0.0 OK id1", QUIT } },
    { "SES says it shorter",
      SES,
      "sender|u@d.test|3|x\r\n",
      { "S: 220 mx.test ESMTP Amazon SES tok",
        "C: EHLO c.test",
        "S: 250-mx.test",
        "S: 250-8BITMIME",
        "S: 250-STARTTLS",
        "S: 250 Ok",
        "C: MAIL FROM:<sender>",
        "S: 250 Ok",
        "C: RCPT TO:<u@d.test>",
        "S: 250 Ok",
        "C: RCPT TO:<nobody@x.test>",
        "S: 550 5.1.1 Requested action not taken: mailbox unavailable",
        "C: DATA",
        "S: 354 End data with <CR><LF>.<CR><LF>",
        "C: x",
        "C: .",
        "S: 250 OK id1",
        "C: NOOP",
        "S: 250 Ok",
        "C: QUIT",
        "S: 221 mx.test closing connection" } },
    { "SES has no CHUNKING, SIZE or SMTPUTF8",
      SES,
      "",
      { "S: 220 mx.test ESMTP Amazon SES tok", "C: HELO c.test", "S: 250 mx.test", "C: BDAT 5",
        "S: 502 5.5.1 Command not implemented", "C: MAIL FROM:<a@b.test> SIZE=5",
        "S: 555 5.5.4 Parameter not recognized or not implemented",
        "C: MAIL FROM:<a@b.test> SMTPUTF8",
        "S: 555 5.5.4 Parameter not recognized or not implemented",
        "C: MAIL FROM:<a@b.test> BODY=8BITMIME", "S: 250 Ok" } },
    { "a bounce that need not wait is said in its own words",
      0,
      "a@b.test|u@d.test|3|x\r\n",
      { MAIL, "C: RCPT TO:<gone@d.test>", "S: 550 5.1.1 Gone 100% & %h", "C: RCPT TO:<busy@d.test>",
        "S: 450 4.2.1 Busy", "C: DATA", "S: 503 5.5.1 Need RCPT command", "C: RCPT TO:<u@d.test>",
        "S: 250 2.1.5 Ok", "C: RCPT TO:<nobody@d.test>",
        "S: 550 5.1.1 Requested action not taken: mailbox unavailable", "C: DATA",
        "S: 354 End data with <CR><LF>.<CR><LF>", "C: x", "C: .", "S: 250 2.0.0 OK id1" } },
    { "and the same behind SES's shorter replies",
      SES,
      "",
      { "S: 220 mx.test ESMTP Amazon SES tok", "C: HELO c.test", "S: 250 mx.test",
        "C: MAIL FROM:<a@b.test>", "S: 250 Ok", "C: RCPT TO:<gone@d.test>",
        "S: 550 5.1.1 Gone 100% & %h" } },
    { "an empty body", 0, "a@b.test|u@d.test|0|", { DATA, "C: .", "S: 250 2.0.0 OK id1" } },
    { "two messages in one session",
      0,
      "a@b.test|u@d.test|3|x\r\n|w@d.test|3|y\r\n",
      { DATA, "C: x", "C: .", "S: 250 2.0.0 OK id1", "C: MAIL FROM:<>", "S: 250 2.1.0 Ok",
        "C: RCPT TO:<w@d.test>", "S: 250 2.1.5 Ok", "C: DATA",
        "S: 354 End data with <CR><LF>.<CR><LF>", "C: y", "C: .", "S: 250 2.0.0 OK id2" } },
    { "commands in any case, with blanks where people put them",
      0,
      "",
      { BANNER, "C: ehlo c.test ", "S: 250-mx.test", "S: 250-PIPELINING", "S: 250-SIZE 1000",
        "S: 250-8BITMIME", "S: 250-ENHANCEDSTATUSCODES", "S: 250-SMTPUTF8", "S: 250-CHUNKING",
        "S: 250 STARTTLS", "C: mail from: <a@b.test>  size=10", "S: 250 2.1.0 Ok",
        "C: Rcpt To: <u@d.test> ", "S: 250 2.1.5 Ok" } },
    { "everything out of order",
      0,
      "",
      { BANNER,
        "C: MAIL FROM:<a@b.test>",
        "S: 503 5.5.1 Send EHLO or HELO first",
        "C: HELO c.test",
        "S: 250 mx.test",
        "C: RCPT TO:<u@d.test>",
        "S: 503 5.5.1 Need MAIL command",
        "C: DATA",
        "S: 503 5.5.1 Need MAIL command",
        "C: MAIL FROM:<a@b.test>",
        "S: 250 2.1.0 Ok",
        "C: MAIL FROM:<a@b.test>",
        "S: 503 5.5.1 Bad sequence of commands",
        "C: DATA",
        "S: 503 5.5.1 Need RCPT command",
        "C: STARTTLS",
        "S: 503 5.5.1 Bad sequence of commands",
        "C: RSET",
        "S: 250 2.0.0 Ok",
        "C: RCPT TO:<u@d.test>",
        "S: 503 5.5.1 Need MAIL command" } },
    { "EHLO forgets the transaction",
      0,
      "",
      { MAIL, "C: HELO d.test", "S: 250 mx.test", "C: RCPT TO:<u@d.test>",
        "S: 503 5.5.1 Need MAIL command" } },
    { "the small commands",
      0,
      "",
      { BANNER,
        "C: NOOP",
        "S: 250 2.0.0 Ok",
        "C: NOOP with words",
        "S: 250 2.0.0 Ok",
        "C: VRFY u",
        "S: 252 2.0.0 Cannot verify, but will take mail and try",
        "C: VRFY",
        "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: EXPN list",
        "S: 502 5.5.1 Command not implemented",
        "C: HELP",
        "S: 214 2.0.0 Commands are those of RFC 5321, 3030 and 3207",
        "C: RSET",
        "S: 250 2.0.0 Ok",
        "C: RSET x",
        "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: WHAT",
        "S: 500 5.5.2 Command not recognized",
        "C: ",
        "S: 500 5.5.2 Command not recognized",
        "C: EHLO",
        "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: EHLO a b",
        "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: QUIT now",
        "S: 501 5.5.4 Syntax error in parameters or arguments",
        QUIT } },
    { "recipients are answered one by one",
      0,
      "a@b.test|u@d.test,w@d.test|0|",
      { MAIL,
        "C: RCPT TO:<nobody@d.test>",
        "S: 550 5.1.1 Requested action not taken: mailbox unavailable",
        "C: RCPT TO:<u@d.test>",
        "S: 250 2.1.5 Ok",
        "C: RCPT TO:<tls@d.test>",
        "S: 530 5.7.0 Must issue a STARTTLS command first",
        "C: RCPT TO:<blocked@d.test>",
        "S: 550 5.7.1 Client host [192.0.2.1] blocked",
        "C: RCPT TO:<later@d.test>",
        "S: 451 4.3.0 Requested action aborted: local error in processing",
        "C: RCPT TO:<w@d.test>",
        "S: 250 2.1.5 Ok",
        "C: RCPT TO:<x@d.test>",
        "S: 250 2.1.5 Ok",
        "C: RCPT TO:<y@d.test>",
        "S: 452 4.5.3 Too many recipients",
        "C: RSET",
        "S: 250 2.0.0 Ok",
        "C: MAIL FROM:<a@b.test>",
        "S: 250 2.1.0 Ok",
        "C: RCPT TO:<u@d.test>",
        "S: 250 2.1.5 Ok",
        "C: RCPT TO:<w@d.test>",
        "S: 250 2.1.5 Ok",
        "R: DATA\r\n.\r\n",
        "S: 354 End data with <CR><LF>.<CR><LF>",
        "S: 250 2.0.0 OK id1" } },
    { "paths that are none",
      0,
      "",
      { EHLO, "C: MAIL", "S: 501 5.5.4 Syntax error in parameters or arguments", "C: MAIL FROM",
        "S: 501 5.5.4 Syntax error in parameters or arguments", "C: MAIL FROM:a@b.test",
        "S: 501 5.5.4 Syntax error in parameters or arguments", "C: MAIL FROM:<a@b.test>x",
        "S: 501 5.5.4 Syntax error in parameters or arguments", "C: MAIL FROM:<>",
        "S: 250 2.1.0 Ok", "C: RCPT TO:<>", "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: RCPT TO:<u>", "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: RCPT TO:<u@d.test> NOTIFY=NEVER",
        "S: 555 5.5.4 Parameter not recognized or not implemented" } },
    { "parameters of MAIL",
      0,
      "",
      { EHLO, "C: MAIL FROM:<a@b.test> SIZE=1001", "S: 552 5.3.4 Message size exceeds fixed limit",
        "C: MAIL FROM:<a@b.test> SIZE=x", "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: MAIL FROM:<a@b.test> SIZE=1 SIZE=1",
        "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: MAIL FROM:<a@b.test> BODY=BINARYMIME",
        "S: 555 5.5.4 Parameter not recognized or not implemented",
        "C: MAIL FROM:<a@b.test> BODY=x", "S: 501 5.5.4 Syntax error in parameters or arguments",
        "C: MAIL FROM:<a@b.test> SMTPUTF8=1",
        "S: 501 5.5.4 Syntax error in parameters or arguments", "C: MAIL FROM:<a@b.test> RET=FULL",
        "S: 555 5.5.4 Parameter not recognized or not implemented",
        "C: MAIL FROM:<a@b.test> SIZE=1000 BODY=8bitmime SMTPUTF8", "S: 250 2.1.0 Ok" } },
    { "an address beyond ASCII wants SMTPUTF8",
      0,
      "",
      { EHLO, "C: MAIL FROM:<\xc3\xa4@b.test>",
        "S: 553 5.6.7 An address beyond ASCII needs SMTPUTF8", "C: MAIL FROM:<a@b.test>",
        "S: 250 2.1.0 Ok", "C: RCPT TO:<\xc3\xa4@b.test>",
        "S: 553 5.6.7 An address beyond ASCII needs SMTPUTF8", "C: RSET", "S: 250 2.0.0 Ok",
        "C: MAIL FROM:<\xc3\xa4@b.test> SMTPUTF8", "S: 250 2.1.0 Ok",
        "C: RCPT TO:<\xc3\xa4@b.test>", "S: 250 2.1.5 Ok" } },
    { "a gatekeeper who cannot tell",
      0,
      "",
      { EHLO, "C: MAIL FROM:<later@b.test>",
        "S: 451 4.3.0 Requested action aborted: local error in processing",
        "C: MAIL FROM:<full@b.test>", "S: 452 4.3.1 Insufficient system storage",
        "C: RCPT TO:<u@d.test>", "S: 503 5.5.1 Need MAIL command" } },
    { "no room for a draft",
      DRAFT_FULL,
      "",
      { RCPT, "C: DATA", "S: 452 4.3.1 Insufficient system storage", "C: DATA",
        "S: 503 5.5.1 Need MAIL command" } },
    { "no draft for a chunk: it is swallowed",
      DRAFT_UNAVAILABLE,
      "",
      { RCPT, "R: BDAT 6 LAST\r\nQUIT\r\n",
        "S: 451 4.3.0 Requested action aborted: local error in processing", "C: NOOP",
        "S: 250 2.0.0 Ok" } },
    { "a commit that fails is no message",
      COMMIT_FAILS,
      "",
      { DATA, "C: x", "C: .", "S: 451 4.3.0 Requested action aborted: local error in processing",
        "C: DATA", "S: 503 5.5.1 Need MAIL command" } },
    { "a full disk",
      COMMIT_FULL,
      "",
      { DATA, "C: x", "C: .", "S: 452 4.3.1 Insufficient system storage", QUIT } },

    /* ---- smuggling ---- */
    { "LF . LF smuggles nothing",
      0,
      "",
      { DATA, "R: a\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n",
        "S: 554 5.6.0 Bare CR or LF is not allowed", "C: NOOP" } }, /* said to a closed session */
    { "LF . CRLF smuggles nothing",
      0,
      "",
      { DATA, "R: a\n.\r\nMAIL FROM:<evil@x.test>\r\n.\r\n",
        "S: 554 5.6.0 Bare CR or LF is not allowed" } },
    { "CRLF . LF smuggles nothing",
      0,
      "",
      { DATA, "R: a\r\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n",
        "S: 554 5.6.0 Bare CR or LF is not allowed" } },
    { "CR . CR smuggles nothing",
      0,
      "",
      { DATA, "R: a\r.\rMAIL FROM:<evil@x.test>\r\n.\r\n",
        "S: 554 5.6.0 Bare CR or LF is not allowed" } },
    { "CRLF . CR smuggles nothing",
      0,
      "",
      { DATA, "R: a\r\n.\rMAIL FROM:<evil@x.test>\r\n.\r\n",
        "S: 554 5.6.0 Bare CR or LF is not allowed" } },
    { "CR CRLF . CRLF is an end, and refused",
      0,
      "",
      { DATA, "R: a\r\r\n.\r\n", "S: 554 5.6.0 Bare CR or LF is not allowed", "C: NOOP" } },
    { "CRLF . CR behind a bare LF is still swallowed to the end",
      0,
      "",
      { DATA, "R: a\n.\nb\r\n.\r\xe6\nQUIT\r\n.\r\n", "S: 554 5.6.0 Bare CR or LF is not allowed",
        "C: QUIT" } },
    { "a bare LF in the last line",
      0,
      "",
      { DATA, "R: a\nb\r\n.\r\n", "S: 554 5.6.0 Bare CR or LF is not allowed", "C: QUIT" } },
    { "a dot in a line of its own half",
      0,
      "a@b.test|u@d.test|10|a\r\n.b\r\n.\r\n",
      { DATA, "R: a\r\n..b\r\n..\r\n.\r\n", "S: 250 2.0.0 OK id1" } },
    { "a bare LF in a command ends no command",
      0,
      "",
      { BANNER, "R: NOOP\nNOOP\r\n", "S: 500 5.5.2 Bare CR, bare LF or control octet in a command",
        "R: NOOP\rNOOP\r\n", "S: 500 5.5.2 Bare CR, bare LF or control octet in a command",
        "C: NOOP", "S: 250 2.0.0 Ok" } },
    { "too big is said at the end",
      0,
      "",
      { DATA, "R: LONG\r\n.\r\n", "S: 552 5.3.4 Message size exceeds fixed limit", "C: NOOP",
        "S: 250 2.0.0 Ok" } },
    { "too big and bare is bare, however it is cut",
      0,
      "",
      { DATA, "R: LONG\n\r\n.\r\n", "S: 554 5.6.0 Bare CR or LF is not allowed" } },

    /* ---- chunks ---- */
    { "a message in chunks",
      0,
      "a@b.test|u@d.test|12|Hi\r\n\r\n.\r\nabc",
      { RCPT, "R: BDAT 6\r\nHi\r\n\r\n", "S: 250 2.0.0 Ok", "R: BDAT 3\r\n.\r\n", "S: 250 2.0.0 Ok",
        "R: BDAT 3 LAST\r\nabc", "S: 250 2.0.0 OK id1", QUIT } },
    { "a last chunk of nothing",
      0,
      "a@b.test|u@d.test|3|a\r\n",
      { RCPT, "R: BDAT 3\r\na\r\n", "S: 250 2.0.0 Ok", "C: BDAT 0 LAST", "S: 250 2.0.0 OK id1" } },
    { "an empty message by chunks",
      0,
      "a@b.test|u@d.test|0|",
      { RCPT, "C: BDAT 0 last", "S: 250 2.0.0 OK id1" } },
    { "a chunk of nothing in between",
      0,
      "a@b.test|u@d.test|1|a",
      { RCPT, "C: BDAT 0", "S: 250 2.0.0 Ok", "R: BDAT 1 LAST\r\na", "S: 250 2.0.0 OK id1" } },
    { "commands inside a chunk are content",
      0,
      "a@b.test|u@d.test|6|QUIT\r\n",
      { RCPT, "R: BDAT 6 LAST\r\nQUIT\r\n", "S: 250 2.0.0 OK id1" } },
    { "a CRLF may lie across two chunks",
      0,
      "a@b.test|u@d.test|4|a\r\nb",
      { RCPT, "R: BDAT 2\r\na\r", "S: 250 2.0.0 Ok", "R: BDAT 2 LAST\r\n\nb",
        "S: 250 2.0.0 OK id1" } },
    { "a bare LF in a chunk",
      0,
      "",
      { RCPT, "R: BDAT 3\r\na\nb", "S: 554 5.6.0 Bare CR or LF is not allowed",
        "R: BDAT 6 LAST\r\nQUIT\r\n", "S: 503 5.5.1 Need MAIL command", "C: NOOP",
        "S: 250 2.0.0 Ok" } },
    { "a CR at the end of the last chunk",
      0,
      "",
      { RCPT, "R: BDAT 2 LAST\r\na\r", "S: 554 5.6.0 Bare CR or LF is not allowed" } },
    { "LF . LF across chunks",
      0,
      "",
      { RCPT, "R: BDAT 2\r\na\n", "S: 554 5.6.0 Bare CR or LF is not allowed",
        "R: BDAT 2 LAST\r\n.\n", "S: 503 5.5.1 Need MAIL command" } },
    { "a chunk too early is swallowed",
      0,
      "",
      { BANNER, "R: BDAT 6\r\nQUIT\r\n", "S: 503 5.5.1 Send EHLO or HELO first", "C: HELO c.test",
        "S: 250 mx.test", "R: BDAT 6\r\nQUIT\r\n", "S: 503 5.5.1 Need MAIL command",
        "C: MAIL FROM:<>", "S: 250 2.1.0 Ok", "R: BDAT 6\r\nQUIT\r\n",
        "S: 503 5.5.1 Need RCPT command", "C: RCPT TO:<u@d.test>", "S: 250 2.1.5 Ok" } },
    { "chunks that grow too big",
      0,
      "",
      { RCPT, "R: BDAT 2\r\nab", "S: 250 2.0.0 Ok", "R: BDAT 1005 LAST\r\nLONG",
        "S: 552 5.3.4 Message size exceeds fixed limit", "C: NOOP", "S: 250 2.0.0 Ok" } },
    { "a size that is none closes",
      0,
      "",
      { RCPT, "C: BDAT x LAST",
        "S: 501 5.5.4 BDAT wants a size; closing, as data cannot be told from commands" } },
    { "no size closes too",
      0,
      "",
      { RCPT, "C: BDAT",
        "S: 501 5.5.4 BDAT wants a size; closing, as data cannot be told from commands" } },
    { "between chunks there is no DATA, MAIL or RCPT",
      0,
      "",
      { RCPT, "R: BDAT 1\r\na", "S: 250 2.0.0 Ok", "C: DATA",
        "S: 503 5.5.1 Bad sequence of commands", "C: MAIL FROM:<>",
        "S: 503 5.5.1 Bad sequence of commands", "C: RCPT TO:<u@d.test>",
        "S: 503 5.5.1 Bad sequence of commands", "C: NOOP", "S: 250 2.0.0 Ok", "C: RSET",
        "S: 250 2.0.0 Ok", "R: BDAT 1 LAST\r\nb", "S: 503 5.5.1 Need MAIL command" } },

    /* ---- TLS ---- */
    { "TLS forgets what was said before",
      0,
      "x|tls@d.test|0|",
      { EHLO,
        "C: STARTTLS",
        "S: 220 2.0.0 Ready to start TLS",
        "T:",
        "C: MAIL FROM:<a@b.test>",
        "S: 503 5.5.1 Send EHLO or HELO first",
        "C: EHLO c.test",
        "S: 250-mx.test",
        "S: 250-PIPELINING",
        "S: 250-SIZE 1000",
        "S: 250-8BITMIME",
        "S: 250-ENHANCEDSTATUSCODES",
        "S: 250-SMTPUTF8",
        "S: 250 CHUNKING",
        "C: STARTTLS",
        "S: 503 5.5.1 TLS is on already",
        "C: MAIL FROM:<x>",
        "S: 250 2.1.0 Ok",
        "C: RCPT TO:<tls@d.test>",
        "S: 250 2.1.5 Ok",
        "C: BDAT 0 LAST",
        "S: 250 2.0.0 OK id1" } },
    { "what came in the clear behind STARTTLS is thrown away",
      0,
      "",
      { EHLO, "R: STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\n",
        "S: 220 2.0.0 Ready to start TLS", "T:", "C: RCPT TO:<u@d.test>",
        "S: 503 5.5.1 Send EHLO or HELO first" } },
    { "STARTTLS has no argument",
      0,
      "",
      { EHLO, "C: STARTTLS now", "S: 501 5.5.4 Syntax error in parameters or arguments", "C: NOOP",
        "S: 250 2.0.0 Ok" } },
    { "no certificate, no STARTTLS",
      NO_TLS,
      "",
      { BANNER, "C: EHLO c.test", "S: 250-mx.test", "S: 250-PIPELINING", "S: 250-SIZE 1000",
        "S: 250-8BITMIME", "S: 250-ENHANCEDSTATUSCODES", "S: 250-SMTPUTF8", "S: 250 CHUNKING",
        "C: STARTTLS", "S: 502 5.5.1 Command not implemented" } },

    /* ---- limits ---- */
    { "a line too long",
      0,
      "",
      { BANNER, "C: NOOP LONG", "S: 500 5.5.2 Line too long", "C: NOOP", "S: 250 2.0.0 Ok" } },
    { "a message more than twice too big is not heard to its end",
      0,
      "",
      { DATA, "R: LONG\r\n", "R: LONG\r\n.\r\nNOOP\r\n", "S: 552 5.3.4 Message without end; closing connection" } },
    { "nor is a chunk",
      0,
      "",
      { RCPT, "C: BDAT 2002 LAST", "S: 552 5.3.4 Message without end; closing connection" } },
    { "nor one out of turn",
      0,
      "",
      { BANNER, "C: BDAT 99999999999999999", "S: 552 5.3.4 Message without end; closing connection" } },
    { "errors have an end",
      0,
      "",
      { BANNER, "C: x", "S: 500 5.5.2 Command not recognized", "C: x",
        "S: 500 5.5.2 Command not recognized", "C: x", "S: 500 5.5.2 Command not recognized",
        "C: x", "S: 500 5.5.2 Command not recognized", "C: x",
        "S: 500 5.5.2 Command not recognized", "C: x", "S: 500 5.5.2 Command not recognized",
        "C: x", "S: 500 5.5.2 Command not recognized", "C: x",
        "S: 500 5.5.2 Command not recognized", "C: x", "S: 421 4.7.0 mx.test Too many errors" } },
};

static const struct smtp_settings settings = {
    .limits = { .line_max = 512,
                .rcpt_max = 3,
                .message_max = 1000,
                .errors_max = 8,
                .commands_max = 40 },
    .hostname = STR_INIT("mx.test"),
    .offer_tls = true,
};

static void put_line(struct buf *out, const char *text, const char *end)
{
    str rest = str_of(text);
    size_t at = str_find_str(rest, STR("LONG"));
    buf_add(out, str_head(rest, at));
    if (at < rest.len) {
        for (int i = 0; i < 1005; i++)
            buf_addc(out, 'x');
        buf_add(out, str_from(rest, at + 4));
    }
    buf_add(out, str_of(end));
}

/* cut: where the segments of the client are cut in two; SIZE_MAX: between all octets. */
static void run(const struct dialogue *d, size_t cut)
{
    struct smtp_settings own = settings;
    own.compat_ses = d->how & SES;
    own.offer_tls = !(d->how & NO_TLS);
    struct around a = { .gatekeeper = { .mail = mail, .rcpt = rcpt }, .work = arena_new(1 << 16) };
    a.said = a.draft = a.taken = buf_new(1 << 20);
    a.draft_fails = d->how & (DRAFT_FULL | DRAFT_UNAVAILABLE);
    a.draft_fault = d->how & DRAFT_FULL ? full : unavailable;
    a.commit_fails = d->how & (COMMIT_FAILS | COMMIT_FULL);
    a.commit_fault = d->how & COMMIT_FULL ? full : unavailable;
    struct peer peer = { .address = STR("192.0.2.1") };
    a.session = smtp_open(&own, &peer, STR("tok"), &a.gatekeeper, a.work);
    heed(&a, smtp_greet(a.session));
    AUTO_BUF want = buf_new(1 << 20);
    size_t i = 0;
    while (d->lines[i]) {
        AUTO_BUF segment = buf_new(1 << 20);
        for (; d->lines[i] && d->lines[i][0] != 'T'; i++) {
            const char *text = d->lines[i] + 3;
            put_line(d->lines[i][0] == 'S' ? &want : &segment, text,
                     d->lines[i][0] == 'R' ? "" : "\r\n");
        }
        str all = buf_str(&segment);
        if (cut == SIZE_MAX) {
            for (size_t k = 0; k < all.len; k++) {
                if (!feed(&a, (str) { all.ptr + k, 1 }))
                    break;
            }
        } else if (feed(&a, str_head(all, cut))) {
            feed(&a, str_from(all, cut));
        }
        if (d->lines[i]) {
            i++;
            heed(&a, smtp_tls_granted(a.session, STR("TLSv1.3"), STR("x")));
        }
    }
    if (!str_eq(buf_str(&a.said), buf_str(&want)))
        fail_msg("%s, cut at %zu: said\n" STR_FMT "instead of\n" STR_FMT, d->says, cut,
                 STR_ARG(buf_str(&a.said)), STR_ARG(buf_str(&want)));
    smtp_close(a.session);
    if (a.taken.len != strlen(d->taken) ||
        memcmp(buf_str(&a.taken).ptr, d->taken, a.taken.len) != 0)
        fail_msg("%s: took " STR_FMT, d->says, STR_ARG(buf_str(&a.taken)));
    buf_free(&a.said), buf_free(&a.draft), buf_free(&a.taken);
    arena_free(a.work);
}

static void every_dialogue_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof *dialogues; i++) {
        const struct dialogue *d = &dialogues[i];
        size_t longest = 0;
        for (size_t k = 0; d->lines[k]; k++)
            longest += strlen(d->lines[k]) + (strstr(d->lines[k], "LONG") ? 1005 : 0);
        print_message("# %s\n", d->says);
        run(d, SIZE_MAX);
        for (size_t cut = 0; cut <= longest; cut++)
            run(d, cut);
    }
}

static str drive(struct around *a, const char *text)
{
    buf_clear(&a->said);
    feed(a, str_of(text));
    return buf_str(&a->said);
}

static void a_session_ends_with_its_reason(void **state)
{
    (void)state;
    struct around a = { .gatekeeper = { .mail = mail, .rcpt = rcpt }, .work = arena_new(1 << 16) };
    a.said = a.draft = a.taken = buf_new(1 << 20);
    struct peer peer = { .address = STR("2001:db8::1") };
    a.session = smtp_open(&settings, &peer, STR("tok"), &a.gatekeeper, a.work);
    heed(&a, smtp_greet(a.session));
    for (unsigned i = 0; i < settings.limits.commands_max; i++)
        assert_true(str_eq(drive(&a, "NOOP\r\n"), STR("250 2.0.0 Ok\r\n")));
    assert_true(str_eq(drive(&a, "NOOP\r\n"),
                       STR("421 4.7.0 mx.test Too many commands without a message\r\n")));
    assert_true(a.closed);
    struct smtp_turn turn = smtp_hang_up(a.session, HANG_UP_ADDRESS);
    assert_true(
        str_eq(turn.reply, STR("421 4.7.0 mx.test Too many connections from [2001:db8::1]\r\n")));
    assert_int_equal(turn.wish, WISH_CLOSE);
    turn = smtp_hang_up(a.session, HANG_UP_TIMEOUT);
    assert_true(str_eq(turn.reply, STR("421 4.4.2 mx.test Timeout, closing connection\r\n")));
    smtp_close(a.session);
    buf_free(&a.said), buf_free(&a.draft), buf_free(&a.taken);
    arena_free(a.work);
}

static void a_line_without_end_ends_the_session_however_it_is_cut(void **state)
{
    static const size_t pieces[] = { 1, 7, 511, 513, 4096, SIZE_MAX };
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct around a = { .gatekeeper = { .mail = mail, .rcpt = rcpt },
                            .work = arena_new(1 << 16) };
        a.said = a.draft = a.taken = buf_new(1 << 20);
        struct peer peer = { .address = STR("192.0.2.1") };
        a.session = smtp_open(&settings, &peer, STR("tok"), &a.gatekeeper, a.work);
        heed(&a, smtp_greet(a.session));
        buf_clear(&a.said);
        AUTO_BUF line = buf_new(1 << 20);
        while (line.len <= 513 * 512)
            buf_addc(&line, line.len % 1000 ? 'x' : '\r');
        buf_add(&line, STR("\r\nNOOP\r\n"));
        for (str rest = buf_str(&line); rest.len && !a.closed; rest = str_from(rest, pieces[i]))
            feed(&a, str_head(rest, pieces[i]));
        assert_true(str_eq(buf_str(&a.said), STR("421 4.7.0 mx.test Line without end\r\n")));
        smtp_close(a.session);
        buf_free(&a.said), buf_free(&a.draft), buf_free(&a.taken);
        arena_free(a.work);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dialogue_is_the_same_however_it_is_cut),
        cmocka_unit_test(a_session_ends_with_its_reason),
        cmocka_unit_test(a_line_without_end_ends_the_session_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

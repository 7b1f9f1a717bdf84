/* smtp/smuggling_test.c - every confusion about the end of a message that was published, at every
 * cut.
 *
 * Timo Longin's "SMTP Smuggling" (2023), its collection of end-of-data sequences, and what other
 * servers were found to take since: a message goes on behind each of them with the commands of a
 * second one. One message or none may come of it; a second only behind <CRLF>.<CRLF>. */
#include "smtp/session.h"
#include "store/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum comes_of_it {
    NONE, /* a refusal, and by DATA the end of the session: what is behind a real end is not obeyed */
    ONE,
    TWO,
};
struct variant {
    const char *says;
    str end;
    enum comes_of_it data, chunk;
};
#define V(says, text, data, chunk) { says, STR_INIT(text), data, chunk }
/* clang-format off */
static const struct variant variants[] = {
    /* what it is                        octets                    by DATA  by BDAT */
    V("the end itself",                  "\r\n.\r\n",              TWO,     ONE),
    V("a stuffed dot",                   "\r\n..\r\n",             ONE,     ONE),
    V("a dot and a blank",               "\r\n. \r\n",             ONE,     ONE),
    V("a blank and a dot",               "\r\n .\r\n",             ONE,     ONE),
    V("a dot in text",                   "a.\r\n",                 ONE,     ONE),
    V("LF . LF",                         "\n.\n",                  NONE,    NONE),
    V("LF . CRLF",                       "\n.\r\n",                NONE,    NONE),
    V("CRLF . LF",                       "\r\n.\n",                NONE,    NONE),
    V("CR . CR",                         "\r.\r",                  NONE,    NONE),
    V("CR . LF",                         "\r.\n",                  NONE,    NONE),
    V("CR . CRLF",                       "\r.\r\n",                NONE,    NONE),
    V("LF . CR",                         "\n.\r",                  NONE,    NONE),
    V("CRLF . CR",                       "\r\n.\r",                NONE,    NONE),
    V("CRLF . CR CRLF",                  "\r\n.\r\r\n",            NONE,    NONE),
    V("CRLF . CR CR LF LF",              "\r\n.\r\r\n\n",          NONE,    NONE),
    V("CR CRLF . CR CRLF",               "\r\r\n.\r\r\n",          NONE,    NONE),
    V("CR CRLF . CRLF",                  "\r\r\n.\r\n",            NONE,    NONE),
    V("LF CRLF . CRLF",                  "\n\r\n.\r\n",            NONE,    NONE),
    V("CR CRLF . CRLF, and the dot doubled", "\r\r\n..\r\n",      NONE,    NONE),
    V("CR CR LF . CR CR LF . CRLF",      "\r\r\n.\r\r\n.\r\n", NONE,    NONE),
    V("LF . CRLF . CRLF",                "\n.\r\n.\r\n",          NONE,    NONE),
    V("LF LF . CRLF",                    "\n\n.\r\n",             NONE,    NONE),
    V("CRLF LF . CRLF",                  "\r\n\n.\r\n",           NONE,    NONE),
    V("CRLF CR . CRLF",                  "\r\n\r.\r\n",           NONE,    NONE),
    V("LF CR . LF CR",                   "\n\r.\n\r",              NONE,    NONE),
    V("LF CR . CRLF",                    "\n\r.\r\n",              NONE,    NONE),
    V("CRLF . LF CRLF",                  "\r\n.\n\r\n",            NONE,    NONE),
    V("CRLF NUL . CRLF",                 "\r\n\0.\r\n",            ONE,     ONE),
    V("CRLF . NUL CRLF",                 "\r\n.\0\r\n",            ONE,     ONE),
    V("CR NUL LF . CRLF",                "\r\0\n.\r\n",            NONE,    NONE),
    V("CRLF . CR NUL LF",                "\r\n.\r\0\n",            NONE,    NONE),
    V("LF NUL . CRLF",                   "\n\0.\r\n",              NONE,    NONE),
    V("NUL LF . LF",                     "\0\n.\n",                NONE,    NONE),
    V("CRLF .. LF",                      "\r\n..\n",               NONE,    NONE),
    V("LF .. CRLF",                      "\n..\r\n",               NONE,    NONE),
    V("VT . VT",                         "\v.\v\r\n",              ONE,     ONE),
    V("FF . FF",                         "\f.\f\r\n",              ONE,     ONE),
    V("CRLF . VT CRLF",                  "\r\n.\v\r\n",            ONE,     ONE),
    V("NEL . NEL",                       "\xc2\x85.\xc2\x85\r\n",  ONE,     ONE),
    V("LINE SEPARATOR . its own",        "\xe2\x80\xa8.\xe2\x80\xa8\r\n", ONE, ONE),
    V("a fullwidth dot",                 "\r\n\xef\xbc\x8e\r\n",   ONE,     ONE),
    V("a dot with its high bit",         "\r\n\xae\r\n",           ONE,     ONE),
    V("CR and LF with their high bits",  "\x8d\x8a.\x8d\x8a\r\n",  ONE,     ONE),
    V("overlong CR and LF",              "\xc0\x8d\xc0\x8a.\xc0\x8d\xc0\x8a\r\n", ONE, ONE),
    V("quoted-printable CRLF . CRLF",    "=0D=0A.=0D=0A\r\n",      ONE,     ONE),
    V("a bare LF alone",                 "a\nb\r\n",               NONE,    NONE),
    V("a bare CR alone",                 "a\rb\r\n",               NONE,    NONE),
};
/* clang-format on */

#define SECOND "MAIL FROM:<evil@x.test>\r\nRCPT TO:<u@d.test>\r\nDATA\r\nsmuggled\r\n.\r\n"

struct smtp_pass {
    int unused;
};

struct around {
    struct smtp_gatekeeper gatekeeper;
    struct arena *work;
    struct smtp_session *session;
    unsigned messages, refused, mails;
    bool closed;
};

static const struct fault *on_mail(struct smtp_gatekeeper *g, const struct peer *peer,
                                   const struct reverse_path *path, struct arena *arena,
                                   struct smtp_pass **ret_pass)
{
    struct around *a = (struct around *)(void *)((char *)g - offsetof(struct around, gatekeeper));
    (void)peer, (void)path;
    a->mails++;
    *ret_pass = ARENA_NEW(arena, struct smtp_pass);
    return NULL;
}

static struct smtp_verdict on_rcpt(struct smtp_pass *pass, const struct envelope *e,
                                   const struct forward_path *path)
{
    (void)pass, (void)e, (void)path;
    return (struct smtp_verdict) { SMTP_TAKE };
}

static void heed(struct around *a, struct smtp_turn turn)
{
    for (;;) {
        a->refused += str_starts(turn.reply, STR("554 5.6.0 "));
        switch (turn.wish) {
        case WISH_OPEN_DRAFT:
            turn = smtp_granted(a->session, NULL);
            continue;
        case WISH_COMMIT:
            a->messages++;
            turn = smtp_granted(a->session, NULL);
            continue;
        case WISH_CLOSE:
            a->closed = true;
            return;
        case WISH_NONE:
        case WISH_START_TLS:
        case WISH_WRITE_DRAFT:
        case WISH_ABANDON:
            return;
        }
    }
}

static void feed(struct around *a, str bytes)
{
    while (!a->closed) {
        struct smtp_turn turn = smtp_feed(a->session, bytes);
        bytes = str_from(bytes, turn.consumed);
        if (!turn.consumed && !turn.reply.len && turn.wish == WISH_NONE)
            return;
        heed(a, turn);
    }
}

static void must_come(const struct variant *v, enum comes_of_it want, str said, size_t cut,
                      size_t second_cut)
{
    static const struct smtp_settings settings = {
        .limits = { .line_max = 512,
                    .rcpt_max = 3,
                    .message_max = 10000,
                    .errors_max = 50,
                    .commands_max = 50 },
        .hostname = STR_INIT("mx.test"),
    };
    struct around a = { .gatekeeper = { .mail = on_mail, .rcpt = on_rcpt },
                        .work = arena_new(1 << 16) };
    struct peer peer = { .address = STR("192.0.2.1") };
    a.session = smtp_open(&settings, &peer, STR("tok"), &a.gatekeeper, a.work);
    heed(&a, smtp_greet(a.session));
    feed(&a, STR("HELO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@d.test>\r\n"));
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < said.len; i++)
            feed(&a, (str) { said.ptr + i, 1 });
    } else {
        feed(&a, str_head(said, cut));
        feed(&a, str_head(str_from(said, cut), second_cut - cut));
        feed(&a, str_from(said, second_cut));
    }
    const unsigned messages = want == TWO ? 2 : want != NONE, refused = want == NONE,
                   mails = want == TWO ? 2 : 1;
    const bool closed = want == NONE && str_starts(said, STR("DATA"));
    if (a.messages != messages || a.refused != refused || a.mails != mails || a.closed != closed)
        fail_msg("%s, cut at %zu and %zu: %u messages, %u refusals, %u MAIL, %s", v->says, cut,
                 second_cut, a.messages, a.refused, a.mails, a.closed ? "closed" : "open");
    smtp_close(a.session);
    arena_free(a.work);
}

/* In two places at once, as a dot between two cuts is a packet of its own. */
static void must_come_however_cut(const struct variant *v, enum comes_of_it want, str said)
{
    must_come(v, want, said, SIZE_MAX, SIZE_MAX);
    for (size_t cut = 0; cut <= said.len; cut++) {
        for (size_t second = cut; second <= said.len && second <= cut + 8; second++)
            must_come(v, want, said, cut, second);
    }
}

static void no_variant_ends_a_message_of_data_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        const struct variant *v = &variants[i];
        AUTO_BUF said = buf_new(4096);
        buf_add(&said, STR("DATA\r\nSubject: x\r\n\r\na"));
        buf_add(&said, v->end);
        buf_add(&said, STR(SECOND));
        must_come_however_cut(v, v->data, buf_str(&said));
    }
}

static void no_variant_ends_a_chunk_nor_is_one_made_by_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        const struct variant *v = &variants[i];
        AUTO_BUF body = buf_new(4096);
        buf_add(&body, STR("Subject: x\r\n\r\na"));
        size_t at = body.len;
        buf_add(&body, v->end);
        size_t behind = body.len;
        buf_add(&body, STR(SECOND));
        for (size_t cut = at; cut <= behind; cut++) { /* between two chunks */
            AUTO_BUF said = buf_new(4096);
            buf_addf(&said, "BDAT %zu\r\n", cut);
            buf_add(&said, str_head(buf_str(&body), cut));
            buf_addf(&said, "BDAT %zu LAST\r\n", body.len - cut);
            buf_add(&said, str_from(buf_str(&body), cut));
            must_come(v, v->chunk, buf_str(&said), SIZE_MAX, SIZE_MAX);
            must_come(v, v->chunk, buf_str(&said), said.len, said.len);
        }
        AUTO_BUF said = buf_new(4096);
        buf_addf(&said, "BDAT %zu LAST\r\n", body.len);
        buf_add(&said, buf_str(&body));
        must_come_however_cut(v, v->chunk, buf_str(&said));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_variant_ends_a_message_of_data_however_it_is_cut),
        cmocka_unit_test(no_variant_ends_a_chunk_nor_is_one_made_by_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

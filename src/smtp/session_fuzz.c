/* smtp/session_fuzz.c - any bytes as a client, whole, cut at any place and octet by octet: what is
 * said and which messages are committed must not depend on the cuts, every turn must get on, and no
 * committed message may hold a bare CR or LF. The first octet chooses the settings, the next two
 * the cut. */
#include "smtp/session.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct around {
    struct smtp_gatekeeper gatekeeper;
    struct buf said, draft, taken; /* taken: every message that was committed, in brackets */
    bool has_draft, closed;
    struct smtp_session *session;
};

static const struct fault unavailable = { .kind = FAULT_UNAVAILABLE, .says = STR_INIT("no") };

static const struct fault *mail(struct smtp_gatekeeper *g, const struct peer *peer,
                                const struct reverse_path *path, struct arena *arena,
                                struct smtp_pass **ret_pass)
{
    (void)peer, (void)arena;
    *ret_pass = (struct smtp_pass *)(void *)g;
    return str_eq(path->text, STR("no")) ? &unavailable : NULL;
}

static struct smtp_verdict rcpt(struct smtp_pass *pass, const struct envelope *e,
                                const struct forward_path *path)
{
    if (!pass || e->rcpt_count >= 4)
        abort();
    if (path->text.len % 5 == 3)
        return (struct smtp_verdict) { SMTP_GIVEN, .given = { 550, STR("5.1.1"), STR("Gone") } };
    return (struct smtp_verdict) { path->text.len % 5 == 4 ? SMTP_NO_MAILBOX : SMTP_TAKE };
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool has_bare_newline(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool crlf = text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (!crlf && (text.ptr[i] == '\r' || text.ptr[i] == '\n'))
            return true;
        i += crlf;
    }
    return false;
}

static void heed(struct around *a, struct smtp_turn turn)
{
    for (;;) {
        buf_add(&a->said, turn.reply);
        switch (turn.wish) {
        case WISH_NONE:
            return;
        case WISH_START_TLS: /* what follows in the clear was thrown away: ends the comparison */
        case WISH_CLOSE:
            a->closed = true;
            return;
        case WISH_OPEN_DRAFT:
            must(!a->has_draft);
            a->has_draft = smtp_envelope(a->session)->rcpt_count != 3;
            buf_clear(&a->draft);
            turn = smtp_granted(a->session, a->has_draft ? NULL : &unavailable);
            continue;
        case WISH_WRITE_DRAFT:
            must(a->has_draft);
            buf_add(&a->draft, turn.data);
            return;
        case WISH_ABANDON:
            must(a->has_draft);
            a->has_draft = false;
            return;
        case WISH_COMMIT:
            must(a->has_draft && smtp_envelope(a->session)->rcpt_count);
            must(smtp_envelope(a->session)->size == a->draft.len &&
                 !has_bare_newline(buf_str(&a->draft)));
            a->has_draft = false;
            buf_add(&a->taken, STR("["));
            buf_add(&a->taken, buf_str(&a->draft));
            buf_add(&a->taken, STR("]"));
            smtp_envelope(a->session)->message_id = STR("id");
            turn = smtp_granted(a->session,
                                smtp_envelope(a->session)->size % 7 == 6 ? &unavailable : NULL);
            continue;
        }
    }
}

static void feed(struct around *a, str rest)
{
    while (!a->closed) {
        struct smtp_turn turn = smtp_feed(a->session, rest);
        must(turn.consumed <= rest.len);
        bool something = turn.consumed || turn.reply.len || turn.wish != WISH_NONE;
        if (turn.reply.len)
            must(str_ends(turn.reply, STR("\r\n")));
        heed(a, turn);
        rest = str_from(rest, turn.consumed);
        if (!something)
            break;
    }
    must(a->closed || rest.len == 0);
}

/* The input up to `cut`, and then in pieces of `piece` octets. */
static struct around play(const struct smtp_settings *settings, str in, size_t cut, size_t piece)
{
    struct around a = { .gatekeeper = { .mail = mail, .rcpt = rcpt },
                        .said = buf_new(1 << 24),
                        .draft = buf_new(1 << 24),
                        .taken = buf_new(1 << 24) };
    struct arena *work = arena_new(1 << 16);
    struct peer peer = { .address = STR("192.0.2.1") };
    a.session = smtp_open(settings, &peer, STR("t"), &a.gatekeeper, work);
    heed(&a, smtp_greet(a.session));
    feed(&a, str_head(in, cut));
    for (str rest = str_from(in, cut); rest.len; rest = str_from(rest, piece))
        feed(&a, str_head(rest, piece));
    if (!a.closed)
        heed(&a, smtp_hang_up(a.session, HANG_UP_TIMEOUT));
    smtp_close(a.session);
    arena_free(work);
    return a;
}

static void forget(struct around *a)
{
    buf_free(&a->said), buf_free(&a->draft), buf_free(&a->taken);
}

static void must_agree(const struct around *whole, struct around parts)
{
    must(str_eq(buf_str(&whole->said), buf_str(&parts.said)));
    must(str_eq(buf_str(&whole->taken), buf_str(&parts.taken)));
    forget(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct smtp_settings settings = {
        .limits = { .line_max = 128,
                    .rcpt_max = 4,
                    .message_max = 256,
                    .errors_max = 20,
                    .commands_max = 100 },
        .hostname = STR("mx.test"),
        .compat_ses = data[0] & 1,
        .offer_tls = data[0] & 2,
    };
    str in = { (const char *)data + 3, size - 3 };
    struct around whole = play(&settings, in, in.len, 1);
    size_t cut = (size_t)(data[1] << 8 | data[2]) % (in.len + 1);
    must_agree(&whole, play(&settings, in, cut, in.len));
    must_agree(&whole, play(&settings, in, 0, 1));
    forget(&whole);
    return 0;
}

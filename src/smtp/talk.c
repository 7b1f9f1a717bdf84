/* smtp/talk.c - replies read line by line, and the table of what follows on which. */
#include "smtp/talk.h"

#include "base/utf8.h"

/* RFC 5321 4.3.2: what each waits for, and what well-meant code ends it. */
static const struct {
    const char *name;
    int wants; /* the reply's first digit */
} states[] = {
    [TALK_GREETING] = { "the greeting", 2 },
    [TALK_EHLO] = { "EHLO", 2 },
    [TALK_HELO] = { "HELO", 2 },
    [TALK_STARTTLS] = { "STARTTLS", 2 },
    [TALK_TLS] = { "TLS", 0 },
    [TALK_MAIL] = { "MAIL", 2 },
    [TALK_RCPT] = { "RCPT", 2 },
    [TALK_DATA] = { "DATA", 3 },
    [TALK_MESSAGE] = { "the message", 2 },
    [TALK_ENDED] = { "nothing", 0 },
};

const char *talk_waits_for(const struct talk *t)
{
    return states[t->at].name;
}

void talk_begin(struct talk *t, const struct outgoing *mail, str hostname, bool may_tls)
{
    *t = (struct talk) {
        .mail = mail,
        .hostname = hostname,
        .may_tls = may_tls,
        .reply = buf_new(TALK_REPLY_MAX),
        .send = buf_new(2 * mail->message.len + mail->reverse_path.len + mail->forward_path.len +
                        hostname.len + 1024),
    };
}

void talk_end(struct talk *t)
{
    buf_free(&t->reply);
    buf_free(&t->send);
}

/* ---- what we say ---- */

static void say_ehlo(struct talk *t)
{
    t->at = TALK_EHLO;
    buf_addf(&t->send, "EHLO " STR_FMT "\r\n", STR_ARG(t->hostname));
}

static void say_helo(struct talk *t)
{
    t->at = TALK_HELO;
    buf_addf(&t->send, "HELO " STR_FMT "\r\n", STR_ARG(t->hostname));
}

static void say_starttls(struct talk *t)
{
    t->at = TALK_STARTTLS;
    buf_add(&t->send, STR("STARTTLS\r\n"));
}

static bool wants_utf8(const struct outgoing *mail)
{
    return !utf8_is_ascii(mail->reverse_path) || !utf8_is_ascii(mail->forward_path);
}

static void say_mail(struct talk *t)
{
    t->at = TALK_MAIL;
    buf_addf(&t->send, "MAIL FROM:<" STR_FMT ">%s%s\r\n", STR_ARG(t->mail->reverse_path),
             t->offers_8bitmime && !utf8_is_ascii(t->mail->message) ? " BODY=8BITMIME" : "",
             wants_utf8(t->mail) ? " SMTPUTF8" : "");
}

static void say_rcpt(struct talk *t)
{
    t->at = TALK_RCPT;
    buf_addf(&t->send, "RCPT TO:<" STR_FMT ">\r\n", STR_ARG(t->mail->forward_path));
}

static void say_data(struct talk *t)
{
    t->at = TALK_DATA;
    buf_add(&t->send, STR("DATA\r\n"));
}

/* RFC 5321 4.5.2 */
static void say_message(struct talk *t)
{
    t->at = TALK_MESSAGE;
    for (str rest = t->mail->message; rest.len;) {
        size_t line = str_find_str(rest, STR("\r\n"));
        if (rest.ptr[0] == '.')
            buf_addc(&t->send, '.');
        buf_add(&t->send, str_head(rest, line));
        buf_add(&t->send, STR("\r\n"));
        rest = str_from(rest, line + 2);
    }
    buf_add(&t->send, STR(".\r\n"));
}

/* ---- what they say ---- */

struct reply {
    int code;
    str text; /* of its last line, behind the code */
    str all;  /* every line */
    size_t octets;
};

static bool code_of(str line, int *ret_code)
{
    uint64_t code;
    bool well = line.len >= 3 && str_u64(str_head(line, 3), &code) && code >= 200 && code <= 599 &&
                (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '-');
    *ret_code = well ? (int)code : 0;
    return well;
}

/* RFC 5321 4.2: lines with one code, a hyphen behind it in all but the last. A line may end in a
 * bare LF, since nothing is at stake: what is read is only who said no. */
static enum parse read_reply(str octets, struct reply *ret_reply)
{
    for (size_t at = 0; at < octets.len;) {
        size_t lf = str_find(str_from(octets, at), '\n');
        if (at + lf == octets.len)
            return PARSE_MORE;
        str line = { octets.ptr + at, lf };
        if (str_ends(line, STR("\r")))
            line.len--;
        int code;
        if (!code_of(line, &code) || (at && code != ret_reply->code))
            return PARSE_BAD;
        at += lf + 1;
        ret_reply->code = code;
        if (line.len == 3 || line.ptr[3] == ' ') {
            ret_reply->text = str_from(line, 4);
            ret_reply->all = str_head(octets, at);
            ret_reply->octets = at;
            return PARSE_DONE;
        }
    }
    return PARSE_MORE;
}

/* Does a line of the answer to EHLO begin with this word? */
static bool offers(str all, str keyword)
{
    for (str rest = all, line; rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        line = str_from(line, 4);
        if (str_starts_nocase(line, keyword) &&
            (line.len == keyword.len || line.ptr[keyword.len] == ' ' ||
             line.ptr[keyword.len] == '\r'))
            return true;
    }
    return false;
}

static str shown(str text, struct arena *a)
{
    enum { SHOWN_MAX = 400 };
    str copy = arena_str(a, str_head(text, SHOWN_MAX));
    for (size_t i = 0; i < copy.len; i++) { /* in our copy */
        char *c = (char *)(uintptr_t)copy.ptr + i;
        *c = (unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f ? '?' : *c;
    }
    return copy;
}

static struct talk_turn ended(struct talk *t, enum sent sent, str says)
{
    t->at = TALK_ENDED;
    buf_clear(&t->send);
    buf_add(&t->send, STR("QUIT\r\n"));
    return (
        struct talk_turn) { .wish = TALK_END, .send = buf_str(&t->send), .ending = { sent, says } };
}

static struct talk_turn refused(struct talk *t, const struct reply *r, struct arena *a)
{
    str text = shown(r->text, a);
    str says =
        arena_strf(a, "%s was answered %d " STR_FMT, states[t->at].name, r->code, STR_ARG(text));
    return ended(t, r->code / 100 == 5 ? SENT_REFUSED : SENT_LATER, says);
}

static void read_offers(struct talk *t, str all)
{
    t->offers_smtputf8 = offers(all, STR("SMTPUTF8"));
    t->offers_8bitmime = offers(all, STR("8BITMIME"));
}

/* Whoever made the path: no octet of it may begin another command or end the path. */
static bool can_be_written(str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return false;
    }
    return utf8_valid(path);
}

static struct talk_turn begin_mail(struct talk *t)
{
    if (!can_be_written(t->mail->reverse_path) || !can_be_written(t->mail->forward_path))
        return ended(t, SENT_REFUSED, STR("the address cannot stand in a command"));
    if (wants_utf8(t->mail) && !t->offers_smtputf8)
        return ended(t, SENT_REFUSED,
                     STR("the address is not US-ASCII, and the server does not offer SMTPUTF8"));
    say_mail(t);
    return (struct talk_turn) { .wish = TALK_READ };
}

static struct talk_turn on_reply(struct talk *t, const struct reply *r, struct arena *a)
{
    if (t->at == TALK_EHLO && r->code / 100 == 5) { /* RFC 5321 3.2: an old one knows HELO */
        say_helo(t);
        return (struct talk_turn) { .wish = TALK_READ };
    }
    if (r->code / 100 != states[t->at].wants)
        return refused(t, r, a);
    switch (t->at) {
    case TALK_GREETING:
        say_ehlo(t);
        break;
    case TALK_EHLO:
        if (t->may_tls && !t->tls && offers(r->all, STR("STARTTLS"))) {
            say_starttls(t);
            break;
        }
        read_offers(t, r->all);
        return begin_mail(t);
    case TALK_HELO:
        return begin_mail(t);
    case TALK_STARTTLS:
        t->at = TALK_TLS;
        return (struct talk_turn) { .wish = TALK_SHAKE };
    case TALK_MAIL:
        say_rcpt(t);
        break;
    case TALK_RCPT:
        say_data(t);
        break;
    case TALK_DATA:
        say_message(t);
        break;
    case TALK_MESSAGE:
        return ended(
            t, SENT_TAKEN,
            arena_strf(a, "the server said %d " STR_FMT, r->code, STR_ARG(shown(r->text, a))));
    case TALK_TLS:
    case TALK_ENDED:
        break;
    }
    return (struct talk_turn) { .wish = TALK_READ };
}

struct talk_turn talk_feed(struct talk *t, str octets, struct arena *a)
{
    buf_clear(&t->send);
    buf_add(&t->reply, octets);
    if (t->at == TALK_TLS || t->at == TALK_ENDED)
        return (struct talk_turn) { .wish = t->at == TALK_TLS ? TALK_SHAKE : TALK_END };
    struct reply r = { 0 };
    enum parse parse = t->reply.failed ? PARSE_BAD : read_reply(buf_str(&t->reply), &r);
    if (parse == PARSE_MORE)
        return (struct talk_turn) { .wish = TALK_READ };
    if (parse == PARSE_BAD)
        return ended(
            t, SENT_LATER,
            arena_strf(a, "%s was answered with what is no SMTP reply", states[t->at].name));
    bool more = r.octets < t->reply.len; /* nobody was asked for it */
    struct talk_turn turn =
        more ? ended(t, SENT_LATER, STR("the server speaks out of turn")) : on_reply(t, &r, a);
    buf_clear(&t->reply);
    if (t->send.failed)
        turn = ended(t, SENT_LATER, STR("there is no memory for the message"));
    turn.send = buf_str(&t->send);
    return turn;
}

struct talk_turn talk_is_secure(struct talk *t)
{
    t->tls = true;
    buf_clear(&t->reply);
    buf_clear(&t->send);
    say_ehlo(t);
    return (struct talk_turn) { .wish = TALK_READ, .send = buf_str(&t->send) };
}

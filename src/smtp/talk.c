/* smtp/talk.c - replies read line by line, and the table of what follows on which. */
#include "smtp/talk.h"

#include "base/digest.h"
#include "base/utf8.h"

enum { TALK_SEND_MAX = 1 << 20 }; /* a command, or a piece of the message with its dots */

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
    [TALK_AUTH] = { "AUTH", 2 },
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

struct talk_mail talk_mail_of(const struct outgoing *mail)
{
    const str header = str_head(mail->message, str_find_str(mail->message, STR("\r\n\r\n")));
    return (struct talk_mail) { .reverse_path = mail->reverse_path,
                                .forward_paths = &mail->forward_path,
                                .forward_count = 1,
                                .ascii = utf8_is_ascii(mail->message),
                                .utf8_header = !utf8_is_ascii(header) && utf8_valid(header),
                                .size = mail->message.len };
}

void talk_begin(struct talk *t, const struct talk_mail *mail, const struct talk_manner *manner,
                struct sending *each)
{
    *t = (struct talk) {
        .mail = mail,
        .manner = *manner,
        .each = each,
        .reply = buf_new(TALK_REPLY_MAX),
        .send = buf_new(TALK_SEND_MAX),
        .tls = manner->tls == TALK_TLS_FIRST,
    };
    for (size_t i = 0; i < mail->forward_count; i++)
        each[i] = (struct sending) { SENT_LATER, STR_NONE };
}

static void clear_send(struct talk *t)
{
    if (t->at == TALK_AUTH && t->send.ptr)
        bytes_forget(t->send.ptr, t->send.room);
    buf_clear(&t->send);
}

void talk_end(struct talk *t)
{
    clear_send(t);
    buf_free(&t->reply);
    buf_free(&t->send);
}

/* ---- what we say ---- */

static void say_ehlo(struct talk *t)
{
    t->at = TALK_EHLO;
    buf_addf(&t->send, "%s " STR_FMT "\r\n", t->manner.lmtp ? "LHLO" : "EHLO",
             STR_ARG(t->manner.hostname));
}

static void say_helo(struct talk *t)
{
    t->at = TALK_HELO;
    buf_addf(&t->send, "HELO " STR_FMT "\r\n", STR_ARG(t->manner.hostname));
}

static void say_starttls(struct talk *t)
{
    t->at = TALK_STARTTLS;
    buf_add(&t->send, STR("STARTTLS\r\n"));
}

static void say_auth(struct talk *t)
{
    t->at = TALK_AUTH;
    login_begin(t->manner.login, t->offers_plain, &t->login_at, &t->send);
}

static bool wants_utf8(const struct talk_mail *mail)
{
    bool wants = mail->utf8_header || !utf8_is_ascii(mail->reverse_path);
    for (size_t i = 0; i < mail->forward_count; i++)
        wants = wants || !utf8_is_ascii(mail->forward_paths[i]);
    return wants;
}

static void say_mail(struct talk *t)
{
    t->at = TALK_MAIL;
    buf_addf(&t->send, "MAIL FROM:<" STR_FMT ">%s%s\r\n", STR_ARG(t->mail->reverse_path),
             t->offers_8bitmime && !t->mail->ascii ? " BODY=8BITMIME" : "",
             t->offers_smtputf8 && wants_utf8(t->mail) ? " SMTPUTF8" : "");
    if (t->offers_size && t->mail->size) {
        t->send.len -= sizeof "\r\n" - 1;
        buf_addf(&t->send, " SIZE=%llu\r\n", (unsigned long long)t->mail->size);
    }
}

static void say_rcpt(struct talk *t)
{
    t->at = TALK_RCPT;
    buf_addf(&t->send, "RCPT TO:<" STR_FMT ">\r\n", STR_ARG(t->mail->forward_paths[t->asked]));
}

static void say_data(struct talk *t)
{
    t->at = TALK_DATA;
    buf_add(&t->send, STR("DATA\r\n"));
}

/* RFC 5321 4.5.2 */
str talk_put(struct talk *t, str piece)
{
    buf_clear(&t->send);
    while (piece.len) {
        size_t lf = str_find(piece, '\n');
        size_t len = lf < piece.len ? lf + 1 : piece.len;
        if (!t->line && piece.ptr[0] == '.')
            buf_addc(&t->send, '.');
        buf_add(&t->send, str_head(piece, len));
        t->line = lf < piece.len ? 0 : t->line + len;
        piece = str_from(piece, len);
    }
    return t->send.failed ? STR_NONE : buf_str(&t->send);
}

str talk_put_end(struct talk *t)
{
    buf_clear(&t->send);
    buf_add(&t->send, t->line ? STR("\r\n.\r\n") : STR(".\r\n"));
    t->line = 0;
    return t->send.failed ? STR_NONE : buf_str(&t->send);
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

/* Of the line of the answer to EHLO that begins with this word, what is behind it; STR_NONE: there is none. */
static str offered(str all, str keyword)
{
    for (str rest = all, line, word; rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        line = str_from(line, 4);
        if (str_ends(line, STR("\r")))
            line.len--;
        str_cut(line, ' ', &word, &line);
        if (str_eq_nocase(word, keyword))
            return line.ptr ? line : STR("");
    }
    return STR_NONE;
}

static bool offers(str all, str keyword)
{
    return offered(all, keyword).ptr != NULL;
}

static bool has_word(str words, str wanted)
{
    for (str word; words.len;) {
        str_cut(words, ' ', &word, &words);
        if (str_eq_nocase(word, wanted))
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

/* Who was told nothing hears what ended it; the whole is taken when somebody took it. */
static struct sending sum_up(struct talk *t, struct sending ending)
{
    struct sending whole = ending;
    bool taken = false, later = false;
    for (size_t i = 0; i < t->mail->forward_count; i++) {
        if (str_is_none(t->each[i].says))
            t->each[i] = ending;
        taken = taken || t->each[i].sent == SENT_TAKEN;
        later = later || t->each[i].sent == SENT_LATER;
    }
    whole.sent = taken ? SENT_TAKEN : later ? SENT_LATER : SENT_REFUSED;
    return whole;
}

struct sending talk_break(struct talk *t, str says)
{
    return sum_up(t, (struct sending) { SENT_LATER, says });
}

static struct talk_turn end_with(struct talk *t, struct sending ending)
{
    clear_send(t);
    t->at = TALK_ENDED;
    buf_add(&t->send, STR("QUIT\r\n"));
    return (struct talk_turn) { .wish = TALK_END,
                                .send = buf_str(&t->send),
                                .ending = sum_up(t, ending) };
}

static struct talk_turn ended(struct talk *t, enum sent sent, str says)
{
    return end_with(t, (struct sending) { sent, says });
}

/* Nobody has to be asked: RFC 3463's code says why. */
static struct talk_turn not_sent(struct talk *t, const char *status, str says)
{
    return end_with(t, (struct sending) { SENT_REFUSED, says, .status = str_of(status) });
}

/* Words without which nobody would know that there was an answer. */
static str words(str says)
{
    return says.ptr ? says : STR("it was answered, and there is no memory for the answer's words");
}

/* Said of how we came, not of the mail: RFC 4954 6, RFC 3207 4. */
static bool is_of_us(const struct talk *t, int code)
{
    const bool strict = t->manner.login || t->manner.tls == TALK_TLS_REQUIRED;
    return t->at == TALK_AUTH || t->at == TALK_STARTTLS || (t->at == TALK_EHLO && strict) ||
           code == 530 || code == 534 || code == 535 || code == 538;
}

static struct sending refusal(const struct talk *t, const struct reply *r, struct arena *a)
{
    const bool hidden = t->at == TALK_AUTH && login_is_in(t->manner.login, r->text);
    str text = hidden ? STR("in words with the password in them") : shown(r->text, a);
    return (struct sending) {
        .sent = r->code / 100 == 5 && !is_of_us(t, r->code) ? SENT_REFUSED : SENT_LATER,
        .says = words(arena_strf(a, "%s was answered %d " STR_FMT, talk_waits_for(t), r->code,
                                 STR_ARG(text))),
        .reply = arena_strf(a, "%d " STR_FMT, r->code, STR_ARG(text)),
    };
}

static struct talk_turn refused(struct talk *t, const struct reply *r, struct arena *a)
{
    struct sending why = refusal(t, r, a);
    if (t->at == TALK_GREETING) /* said of the host and not of the mail: RFC 5321 3.1, 5.1 */
        why.sent = SENT_LATER;
    return end_with(t, why);
}

static void read_offers(struct talk *t, str all)
{
    t->offers_smtputf8 = offers(all, STR("SMTPUTF8"));
    t->offers_8bitmime = offers(all, STR("8BITMIME"));
    const str mechanisms = offered(all, STR("AUTH"));
    t->offers_plain = has_word(mechanisms, STR("PLAIN"));
    t->offers_login = has_word(mechanisms, STR("LOGIN"));
    const str size = offered(all, STR("SIZE"));
    t->offers_size = size.ptr != NULL;
    if (!str_u64(str_trim(size), &t->size_max)) /* RFC 1870 4: no number, or 0, is no bound */
        t->size_max = 0;
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

/* says STR_NONE: it can stand there. RFC 3463 3.2, RFC 6531 3.5. */
static struct sending unfit(const struct talk *t, str path)
{
    if (!can_be_written(path))
        return (struct sending) { SENT_REFUSED, STR("the address cannot stand in a command"),
                                  .status = STR("5.1.3") };
    if (!utf8_is_ascii(path) && !t->offers_smtputf8)
        return (struct sending) {
            SENT_REFUSED,
            STR("the address is not US-ASCII, and the server does not offer SMTPUTF8"),
            .status = STR("5.6.7"),
        };
    return (struct sending) { SENT_REFUSED, STR_NONE };
}

static const struct talk_turn read_on = { .wish = TALK_READ };

/* The next path that can be written; the count of them when there is none. */
static size_t next_fit(struct talk *t, size_t path)
{
    for (; path < t->mail->forward_count; path++) {
        const struct sending why = unfit(t, t->mail->forward_paths[path]);
        if (!why.says.ptr)
            break;
        t->each[path] = why;
    }
    return path;
}

static struct talk_turn nobody_takes_it(struct talk *t)
{
    struct sending last = t->each[t->mail->forward_count - 1];
    last.sent = SENT_REFUSED;
    return end_with(t, last);
}

static struct talk_turn begin_mail(struct talk *t, struct arena *a)
{
    const struct sending why = unfit(t, t->mail->reverse_path);
    if (why.says.ptr)
        return end_with(t, why);
    if (t->size_max && t->mail->size > t->size_max)
        return not_sent(t, "5.3.4",
                     words(arena_strf(a, "5.3.4 the message has %llu octets, and the server takes %llu at most",
                                (unsigned long long)t->mail->size, (unsigned long long)t->size_max)));
    t->asked = next_fit(t, 0);
    if (t->asked == t->mail->forward_count)
        return nobody_takes_it(t);
    say_mail(t);
    return read_on;
}

/* Behind the last path the message, if anybody wants it. */
static struct talk_turn next_path(struct talk *t)
{
    if (t->asked < t->mail->forward_count)
        say_rcpt(t);
    else if (t->accepted)
        say_data(t);
    else
        return nobody_takes_it(t);
    return read_on;
}

static struct talk_turn on_path(struct talk *t, const struct reply *r, struct arena *a)
{
    if (r->code / 100 == 2)
        t->accepted++;
    else
        t->each[t->asked] = refusal(t, r, a);
    t->asked = next_fit(t, t->asked + 1);
    return next_path(t);
}

static bool is_awaited(const struct talk *t, size_t path)
{
    return str_is_none(t->each[path].says);
}

static struct sending told(const struct talk *t, const struct reply *r, struct arena *a)
{
    return r->code / 100 == 2
               ? (struct sending) { SENT_TAKEN,
                                    words(arena_strf(a, "the server said %d " STR_FMT, r->code,
                                                     STR_ARG(shown(r->text, a)))) }
               : refusal(t, r, a);
}

/* RFC 2033 4.2: one reply for each path that RCPT took, in their order. */
static struct talk_turn on_message(struct talk *t, const struct reply *r, struct arena *a)
{
    const struct sending answer = told(t, r, a);
    if (!t->manner.lmtp)
        return end_with(t, answer);
    size_t path = 0;
    while (!is_awaited(t, path))
        path++;
    t->each[path] = answer;
    return --t->accepted ? read_on : end_with(t, answer);
}

static struct talk_turn begin_login(struct talk *t)
{
    if (!t->trusted)
        return ended(t, SENT_LATER,
                     STR("the password is not said to a server whose certificate was not checked"));
    if (!t->offers_plain && !t->offers_login)
        return ended(t, SENT_LATER,
                     STR("there is a password, and the server offers neither AUTH PLAIN nor AUTH LOGIN"));
    say_auth(t);
    return read_on;
}

/* Behind the last EHLO. */
static struct talk_turn begin(struct talk *t, struct arena *a)
{
    return t->manner.login ? begin_login(t) : begin_mail(t, a);
}

static struct talk_turn on_auth(struct talk *t, const struct reply *r, struct arena *a)
{
    if (r->code / 100 == 2)
        return begin_mail(t, a);
    if (r->code == 334 && login_go_on(t->manner.login, &t->login_at, &t->send))
        return read_on;
    return refused(t, r, a);
}

static struct talk_turn on_hello(struct talk *t, const struct reply *r, struct arena *a)
{
    const bool starttls = offers(r->all, STR("STARTTLS"));
    read_offers(t, r->all);
    if (!t->tls && t->manner.tls == TALK_TLS_REQUIRED && !starttls)
        return ended(t, SENT_LATER, STR("the server does not offer STARTTLS"));
    if (!t->tls && t->manner.tls != TALK_TLS_NEVER && starttls) {
        say_starttls(t);
        return read_on;
    }
    return begin(t, a);
}

static struct talk_turn on_reply(struct talk *t, const struct reply *r, struct arena *a)
{
    if (t->at == TALK_EHLO && r->code / 100 == 5 && !t->manner.lmtp && !t->manner.login &&
        t->manner.tls != TALK_TLS_REQUIRED) { /* RFC 5321 3.2: an old one knows HELO */
        say_helo(t);
        return read_on;
    }
    if (t->at == TALK_STARTTLS && r->code / 100 > 3 && t->manner.tls == TALK_TLS_OFFERED)
        return begin(t, a); /* offered and refused: as if it had not been offered */
    if (t->at == TALK_AUTH)
        return on_auth(t, r, a);
    if (t->at == TALK_RCPT)
        return on_path(t, r, a);
    if (t->at == TALK_MESSAGE)
        return on_message(t, r, a);
    if (r->code / 100 != states[t->at].wants)
        return refused(t, r, a);
    switch (t->at) {
    case TALK_GREETING:
        say_ehlo(t);
        break;
    case TALK_EHLO:
        return on_hello(t, r, a);
    case TALK_HELO:
        return begin_mail(t, a);
    case TALK_STARTTLS:
        t->at = TALK_TLS;
        return (struct talk_turn) { .wish = TALK_SHAKE };
    case TALK_MAIL:
        return next_path(t);
    case TALK_DATA:
        t->at = TALK_MESSAGE;
        return (struct talk_turn) { .wish = TALK_PUT };
    case TALK_AUTH:
    case TALK_RCPT:
    case TALK_MESSAGE:
    case TALK_TLS:
    case TALK_ENDED:
        break;
    }
    return read_on;
}

/* What follows the reply that was read: nothing, unless each recipient has one of its own. */
static bool may_follow(const struct talk *t)
{
    return t->manner.lmtp && t->at == TALK_MESSAGE && t->accepted > 1;
}

static struct talk_turn take_reply(struct talk *t, struct arena *a)
{
    struct reply r = { 0 };
    enum parse parse = t->reply.failed ? PARSE_BAD : read_reply(buf_str(&t->reply), &r);
    if (parse == PARSE_MORE)
        return read_on;
    if (parse == PARSE_BAD)
        return ended(
            t, SENT_LATER,
            arena_strf(a, "%s was answered with what is no SMTP reply", talk_waits_for(t)));
    const size_t rest = t->reply.len - r.octets;
    if (rest && !may_follow(t)) /* nobody was asked for it */
        return ended(t, SENT_LATER, STR("the server speaks out of turn"));
    const struct talk_turn turn = on_reply(t, &r, a);
    memmove(t->reply.ptr, t->reply.ptr + r.octets, rest);
    t->reply.len = rest;
    return turn;
}

struct talk_turn talk_feed(struct talk *t, str octets, struct arena *a)
{
    clear_send(t);
    buf_add(&t->reply, octets);
    if (t->at == TALK_TLS || t->at == TALK_ENDED)
        return (struct talk_turn) { .wish = t->at == TALK_TLS ? TALK_SHAKE : TALK_END };
    struct talk_turn turn;
    size_t before;
    do {
        before = t->reply.len;
        turn = take_reply(t, a);
    } while (turn.wish == TALK_READ && t->reply.len && t->reply.len < before);
    if (t->send.failed)
        turn = ended(t, SENT_LATER, STR("there is no memory for what is to be said"));
    turn.send = buf_str(&t->send);
    return turn;
}

struct talk_turn talk_is_secure(struct talk *t)
{
    t->tls = true;
    buf_clear(&t->reply);
    clear_send(t);
    say_ehlo(t);
    return (struct talk_turn) { .wish = TALK_READ, .send = buf_str(&t->send) };
}

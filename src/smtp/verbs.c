/* smtp/verbs.c - the commands of RFC 5321, 3030 and 3207: who may say what when, and what comes of
 * it. */
#include "smtp/machine.h"

#include "mail/mailbox.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct smtp_turn verb_fn(struct smtp_session *, str argument);

/* ---- extensions: what EHLO lists, and what may be used ---- */

enum extension {
    EXT_NONE,
    EXT_PIPELINING,
    EXT_SIZE,
    EXT_8BITMIME,
    EXT_ENHANCED,
    EXT_SMTPUTF8,
    EXT_CHUNKING,
    EXT_STARTTLS,
};

/* clang-format off */
static const struct { enum extension extension; str keyword; bool ses; } extensions[] = {
    { EXT_PIPELINING, STR_INIT("PIPELINING"),          false }, /* RFC 2920 */
    { EXT_SIZE,       STR_INIT("SIZE"),                false }, /* RFC 1870 */
    { EXT_8BITMIME,   STR_INIT("8BITMIME"),            true  }, /* RFC 6152 */
    { EXT_ENHANCED,   STR_INIT("ENHANCEDSTATUSCODES"), false }, /* RFC 2034 */
    { EXT_SMTPUTF8,   STR_INIT("SMTPUTF8"),            false }, /* RFC 6531 */
    { EXT_CHUNKING,   STR_INIT("CHUNKING"),            false }, /* RFC 3030 */
    { EXT_STARTTLS,   STR_INIT("STARTTLS"),            true  }, /* RFC 3207 */
};
enum { EXTENSION_COUNT = sizeof extensions / sizeof *extensions };
/* clang-format on */

static bool in_force(const struct smtp_session *s, enum extension extension)
{
    if (extension == EXT_NONE)
        return true;
    if (extension == EXT_STARTTLS)
        return s->settings->offer_tls;
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        if (extensions[i].extension == extension)
            return extensions[i].ses || !s->settings->compat_ses;
    }
    return false;
}

static bool is_listed(const struct smtp_session *s, enum extension extension)
{
    bool tls_is_on = extension == EXT_STARTTLS && s->envelope.peer.tls; /* RFC 3207 4.2 */
    return in_force(s, extension) && !tls_is_on;
}

/* ---- EHLO and HELO ---- */

static void list_line(struct smtp_session *s, size_t *len, char dash, str text)
{
    int room = (int)(sizeof s->reply - *len);
    int n = snprintf(s->reply + *len, (size_t)room, "250%c" STR_FMT "\r\n", dash, STR_ARG(text));
    if (n > 0 && n < room)
        *len += (size_t)n;
}

static str list_extensions(struct smtp_session *s)
{
    bool ses = s->settings->compat_ses;
    size_t len = 0, last = 0;
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        if (is_listed(s, extensions[i].extension))
            last = i;
    }
    list_line(s, &len, '-', str_head(s->settings->hostname, 255));
    for (size_t i = 0; i <= last; i++) {
        char dash = i == last && !ses ? ' ' : '-', size[32];
        str keyword = extensions[i].keyword;
        if (!is_listed(s, extensions[i].extension))
            continue;
        if (extensions[i].extension == EXT_SIZE) {
            int n = snprintf(size, sizeof size, "SIZE %llu",
                             (unsigned long long)s->settings->limits.message_max);
            keyword = (str) { size, (size_t)n };
        }
        list_line(s, &len, dash, keyword);
    }
    if (ses) /* SES ends its list with a line of its own: spec 2.1 */
        list_line(s, &len, ' ', STR("Ok"));
    return (str) { s->reply, len };
}

/* Anything printable is taken for a name, as every receiver does; Received passes it through a
 * sieve. */
static unsigned remember_name(struct smtp_session *s, str name)
{
    if (name.len == 0 || name.len > EHLO_MAX || str_has(name, ' '))
        return REPLY_ARGUMENT;
    char *copy = malloc(name.len);
    if (!copy)
        return REPLY_LOCAL_ERROR;
    free(s->ehlo);
    s->ehlo = memcpy(copy, name.ptr, name.len);
    s->envelope.peer.ehlo = (str) { s->ehlo, name.len };
    return REPLY_NONE;
}

static struct smtp_turn hello(struct smtp_session *s, str name, bool extended)
{
    unsigned refusal = remember_name(s, name);
    if (refusal)
        return session_say(s, refusal);
    struct smtp_turn turn = { 0 };
    s->state = SMTP_READY;
    session_end_transaction(s, &turn); /* RFC 5321 4.1.4: as if RSET had been said */
    turn.reply = extended ? list_extensions(s) : session_say(s, REPLY_HELO).reply;
    return turn;
}

static struct smtp_turn on_ehlo(struct smtp_session *s, str name)
{
    return hello(s, name, true);
}
static struct smtp_turn on_helo(struct smtp_session *s, str name)
{
    return hello(s, name, false);
}

/* ---- MAIL and RCPT ---- */

static unsigned with_size(struct smtp_session *s, str value)
{
    uint64_t size;
    if (value.len > 20 || !str_u64(value, &size)) /* RFC 1870 3: up to 20 digits */
        return REPLY_ARGUMENT;
    return size > s->settings->limits.message_max ? REPLY_TOO_BIG : REPLY_NONE;
}

static unsigned with_body(struct smtp_session *s, str value)
{
    (void)s;
    if (str_eq_nocase(value, STR("7BIT")) || str_eq_nocase(value, STR("8BITMIME")))
        return REPLY_NONE;
    return str_eq_nocase(value, STR("BINARYMIME")) ? REPLY_PARAMETER
                                                   : REPLY_ARGUMENT; /* RFC 3030: not offered */
}

static unsigned with_smtputf8(struct smtp_session *s, str value)
{
    if (!str_is_none(value))
        return REPLY_ARGUMENT;
    s->utf8 = true;
    return REPLY_NONE;
}

/* clang-format off */
static const struct { str keyword; enum extension extension; unsigned (*take)(struct smtp_session *, str value); } mail_parameters[] = {
    { STR_INIT("SIZE"),     EXT_SIZE,     with_size     },
    { STR_INIT("BODY"),     EXT_8BITMIME, with_body     },
    { STR_INIT("SMTPUTF8"), EXT_SMTPUTF8, with_smtputf8 },
};
enum { MAIL_PARAMETER_COUNT = sizeof mail_parameters / sizeof *mail_parameters };
/* clang-format on */

static unsigned one_parameter(struct smtp_session *s, str word, unsigned *seen)
{
    str keyword, value;
    str_cut(word, '=', &keyword, &value);
    for (unsigned i = 0; i < MAIL_PARAMETER_COUNT; i++) {
        if (!str_eq_nocase(mail_parameters[i].keyword, keyword) ||
            !in_force(s, mail_parameters[i].extension))
            continue;
        if (*seen & 1u << i)
            return REPLY_ARGUMENT;
        *seen |= 1u << i;
        return mail_parameters[i].take(s, value);
    }
    return REPLY_PARAMETER; /* RFC 5321 4.1.1.11 */
}

static unsigned mail_parameters_of(struct smtp_session *s, str words)
{
    unsigned seen = 0;
    if (words.len && words.ptr[0] != ' ')
        return REPLY_ARGUMENT;
    while (words.len) {
        str word;
        str_cut(words, ' ', &word, &words);
        unsigned refusal = word.len ? one_parameter(s, word, &seen) : REPLY_NONE;
        if (refusal)
            return refusal;
    }
    return REPLY_NONE;
}

/* What stands behind "FROM:" or "TO:", in the transaction's arena. RFC 5321 has no blank before the
 * path, but many senders do. */
static bool path_text(struct smtp_session *s, str argument, str keyword, str *ret_text)
{
    if (!str_starts_nocase(argument, keyword))
        return false;
    *ret_text = arena_str(s->work, str_trim(str_from(argument, keyword.len)));
    return true;
}

static struct smtp_turn refuse_sender(struct smtp_session *s, unsigned reply, str path)
{
    struct smtp_turn turn = session_say(s, reply);
    session_end_transaction(s, &turn);
    turn.about = ABOUT_SENDER;
    turn.path = str_trim(str_from(path, 5)); /* behind FROM: */
    return turn;
}

static struct smtp_turn on_mail(struct smtp_session *s, str argument)
{
    str text;
    if (!path_text(s, argument, STR("FROM:"), &text))
        return session_say(s, REPLY_ARGUMENT);
    if (str_is_none(text))
        return refuse_sender(s, REPLY_LOCAL_ERROR, argument);
    struct cursor in = cursor_of(text);
    struct reverse_path path;
    if (reverse_path_parse(&in, MAILBOX_LENIENT, s->work, &path) != PARSE_DONE)
        return refuse_sender(s, REPLY_ARGUMENT, argument);
    const str written = str_head(text, (size_t)(in.at - text.ptr));
    unsigned refusal = mail_parameters_of(s, (str) { in.at, cursor_left(&in) });
    if (!refusal && !s->utf8 && !mailbox_is_ascii(path.text))
        refusal = REPLY_NOT_ASCII; /* RFC 6531 3.5 */
    if (refusal)
        return refuse_sender(s, refusal, argument);
    const struct fault *fault =
        s->gatekeeper->mail(s->gatekeeper, &s->envelope.peer, &path, s->work, &s->pass);
    if (fault)
        return refuse_sender(s, smtp_reply_of_fault(fault), argument);
    s->envelope.mail_from = path;
    session_remember_sender(s, written);
    s->state = SMTP_MAIL;
    return session_say(s, REPLY_MAIL_OK);
}

static bool make_room(struct smtp_session *s)
{
    struct envelope *e = &s->envelope;
    if (e->rcpt_count < s->rcpt_room)
        return true;
    size_t room = s->rcpt_room ? 2 * s->rcpt_room : 2;
    struct forward_path *paths = ARENA_ARRAY(s->work, struct forward_path, room);
    if (!paths)
        return false;
    if (e->rcpt_count)
        memcpy(paths, e->rcpt_to, e->rcpt_count * sizeof *paths);
    e->rcpt_to = paths;
    s->rcpt_room = room;
    return true;
}

static unsigned answer(enum smtp_answer answer)
{
    switch (answer) {
    case SMTP_TAKE:
        return REPLY_RCPT_OK;
    case SMTP_NO_MAILBOX:
        return REPLY_NO_MAILBOX;
    case SMTP_NEEDS_TLS:
        return REPLY_NEEDS_TLS;
    case SMTP_BLOCKED:
        return REPLY_BLOCKED;
    case SMTP_GIVEN:
        return REPLY_GIVEN;
    case SMTP_LATER:
        break;
    }
    return REPLY_LOCAL_ERROR;
}

static unsigned recipient(struct smtp_session *s, str text)
{
    if (str_is_none(text))
        return REPLY_LOCAL_ERROR;
    struct cursor in = cursor_of(text);
    struct forward_path path;
    if (forward_path_parse(&in, MAILBOX_LENIENT, s->work, &path) != PARSE_DONE)
        return REPLY_ARGUMENT;
    if (in.at != in.end)
        return *in.at == ' ' ? REPLY_PARAMETER : REPLY_ARGUMENT;
    if (!s->utf8 && !mailbox_is_ascii(path.text))
        return REPLY_NOT_ASCII;
    if (s->envelope.rcpt_count >= s->settings->limits.rcpt_max)
        return REPLY_RCPT_MAX;
    if (!make_room(s)) /* before the gatekeeper notes it as taken */
        return REPLY_LOCAL_ERROR;
    s->verdict = s->gatekeeper->rcpt(s->pass, &s->envelope, &path);
    unsigned reply = answer(s->verdict.answer);
    if (reply == REPLY_RCPT_OK)
        s->envelope.rcpt_to[s->envelope.rcpt_count++] = path;
    return reply;
}

static struct smtp_turn on_rcpt(struct smtp_session *s, str argument)
{
    str text;
    if (!path_text(s, argument, STR("TO:"), &text))
        return session_say(s, REPLY_ARGUMENT);
    s->verdict = (struct smtp_verdict) { .answer = SMTP_TAKE };
    unsigned reply = recipient(s, text);
    const str path = str_trim(str_from(argument, 3));
    if (reply == REPLY_RCPT_OK) {
        s->state = SMTP_RCPT;
        session_remember_recipient(s, path);
    }
    struct smtp_turn turn = session_say(s, reply);
    turn.about = ABOUT_RECIPIENT;
    turn.path = path;
    turn.sender = session_sender(s);
    turn.verdict = s->verdict;
    return turn;
}

/* ---- the message ---- */

static struct smtp_turn on_data(struct smtp_session *s, str nothing)
{
    (void)nothing;
    return session_wish(s, WISH_OPEN_DRAFT);
}

/* RFC 3030 2: chunk-size [ SP "LAST" ]. Octets follow whatever we think of them. */
static struct smtp_turn on_bdat(struct smtp_session *s, str argument)
{
    str digits, end;
    uint64_t size;
    str_cut(argument, ' ', &digits, &end);
    end = str_trim(end);
    bool last = str_eq_nocase(end, STR("LAST"));
    if (!str_u64(digits, &size) || (end.len && !last)) {
        struct smtp_turn turn = session_say(s, REPLY_CHUNK_SIZE);
        s->state = SMTP_CLOSING;
        turn.wish = WISH_CLOSE;
        return turn;
    }
    unsigned unfit = REPLY_NONE;
    if (s->state != SMTP_RCPT && s->state != SMTP_CHUNK)
        unfit = s->state == SMTP_GREET  ? REPLY_NEED_EHLO
                : s->state == SMTP_MAIL ? REPLY_NEED_RCPT
                                        : REPLY_NEED_MAIL;
    return session_chunk_begin(s, size, last, unfit);
}

/* ---- the small ones ---- */

static struct smtp_turn on_rset(struct smtp_session *s, str nothing)
{
    (void)nothing;
    struct smtp_turn turn = session_say(s, REPLY_OK);
    session_end_transaction(s, &turn);
    return turn;
}

static struct smtp_turn on_starttls(struct smtp_session *s, str nothing)
{
    (void)nothing;
    if (s->envelope.peer.tls)
        return session_say(s, REPLY_TLS_ALREADY);
    struct smtp_turn turn = session_say(s, REPLY_TLS_GO);
    turn.wish = session_wish(s, WISH_START_TLS).wish;
    return turn;
}

static struct smtp_turn on_quit(struct smtp_session *s, str nothing)
{
    (void)nothing;
    struct smtp_turn turn = session_say(s, REPLY_BYE);
    s->state = SMTP_CLOSING;
    turn.wish = WISH_CLOSE;
    return turn;
}

static struct smtp_turn on_noop(struct smtp_session *s, str ignored)
{
    (void)ignored;
    return session_say(s, REPLY_OK);
}

static struct smtp_turn on_vrfy(struct smtp_session *s, str ignored)
{
    (void)ignored;
    return session_say(s, REPLY_VRFY);
}

static struct smtp_turn on_help(struct smtp_session *s, str ignored)
{
    (void)ignored;
    return session_say(s, REPLY_HELP);
}

static struct smtp_turn on_expn(struct smtp_session *s, str ignored)
{
    (void)ignored;
    return session_say(s, REPLY_UNBUILT);
}

/* ---- the table ---- */

#define IN(state) (1u << (state))
#define IN_ANY    (IN(SMTP_GREET) | IN(SMTP_READY) | IN(SMTP_MAIL) | IN(SMTP_RCPT) | IN(SMTP_CHUNK))

enum argument { ARG_NONE, ARG_WANTED, ARG_FREE };

struct verb {
    str name;
    unsigned allowed;
    enum argument argument;
    enum extension extension;
    verb_fn *run;
    unsigned otherwise; /* REPLY_NONE: it depends on the state */
};

/* clang-format off */
static const struct verb verbs[] = {
    /* verb                  may come in                       argument    needs         handler      else           */
    { STR_INIT("EHLO"),     IN_ANY, /* RFC 5321 4.1.4 */       ARG_WANTED, EXT_NONE,     on_ehlo,     REPLY_NONE      },
    { STR_INIT("HELO"),     IN_ANY,                            ARG_WANTED, EXT_NONE,     on_helo,     REPLY_NONE      },
    { STR_INIT("MAIL"),     IN(SMTP_READY),                    ARG_WANTED, EXT_NONE,     on_mail,     REPLY_NOT_NOW   },
    { STR_INIT("RCPT"),     IN(SMTP_MAIL) | IN(SMTP_RCPT),     ARG_WANTED, EXT_NONE,     on_rcpt,     REPLY_NEED_MAIL },
    { STR_INIT("DATA"),     IN(SMTP_RCPT),                     ARG_NONE,   EXT_NONE,     on_data,     REPLY_NEED_RCPT },
    { STR_INIT("BDAT"),     IN_ANY, /* its octets follow */    ARG_WANTED, EXT_CHUNKING, on_bdat,     REPLY_NONE      },
    { STR_INIT("RSET"),     IN_ANY,                            ARG_NONE,   EXT_NONE,     on_rset,     REPLY_NONE      },
    { STR_INIT("NOOP"),     IN_ANY,                            ARG_FREE,   EXT_NONE,     on_noop,     REPLY_NONE      },
    { STR_INIT("VRFY"),     IN_ANY,                            ARG_WANTED, EXT_NONE,     on_vrfy,     REPLY_NONE      },
    { STR_INIT("EXPN"),     IN_ANY,                            ARG_FREE,   EXT_NONE,     on_expn,     REPLY_NONE      },
    { STR_INIT("HELP"),     IN_ANY,                            ARG_FREE,   EXT_NONE,     on_help,     REPLY_NONE      },
    { STR_INIT("STARTTLS"), IN(SMTP_GREET) | IN(SMTP_READY),   ARG_NONE,   EXT_STARTTLS, on_starttls, REPLY_NOT_NOW   },
    { STR_INIT("QUIT"),     IN_ANY,                            ARG_NONE,   EXT_NONE,     on_quit,     REPLY_NONE      },
};
/* clang-format on */

static const struct verb *verb_find(str name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (str_eq_nocase(verbs[i].name, name))
            return &verbs[i];
    }
    return NULL;
}

/* No command has a use for control octets; a bare CR or LF here is an attempt at a second command.
 */
static bool has_control(str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if ((unsigned char)line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

static unsigned wrong_moment(const struct smtp_session *s, const struct verb *verb)
{
    if (s->state == SMTP_GREET)
        return REPLY_NEED_EHLO;
    if (verb->otherwise == REPLY_NEED_RCPT && s->state == SMTP_READY)
        return REPLY_NEED_MAIL;
    return s->state == SMTP_CHUNK ? REPLY_NOT_NOW : verb->otherwise;
}

struct smtp_turn verbs_run(struct smtp_session *s, str line)
{
    str name, argument;
    line = str_trim(line);
    if (has_control(line))
        return session_say(s, REPLY_CONTROL);
    str_cut(line, ' ', &name, &argument);
    argument = str_trim(argument);
    const struct verb *verb = verb_find(name);
    if (!verb)
        return session_say(s, REPLY_UNKNOWN);
    if (!in_force(s, verb->extension))
        return session_say(s, REPLY_UNBUILT);
    if (!(verb->allowed & IN(s->state)))
        return session_say(s, wrong_moment(s, verb));
    if (verb->argument == ARG_NONE ? argument.len > 0
                                   : verb->argument == ARG_WANTED && argument.len == 0) {
        if (verb->run != on_bdat) /* which must say more than that */
            return session_say(s, REPLY_ARGUMENT);
    }
    return verb->run(s, argument);
}

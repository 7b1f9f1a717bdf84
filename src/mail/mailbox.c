/* mail/mailbox.c - RFC 5321 4.1.2 and 4.1.3, RFC 6531 3.3; A-labels by libidn2. */
#include "mail/mailbox.h"

#include "base/utf8.h"

#include <idn2.h>
#include <stdlib.h>

enum {
    LOCAL_PART_MAX = 64,
    DOMAIN_MAX = 255,
    PATH_MAX_OCTETS = 256,
    LABEL_MAX = 63
}; /* RFC 5321 4.5.3.1 */

static bool is_high(char c)
{
    return (unsigned char)c >= 0x80;
}

static bool is_atext(char c) /* RFC 5322 3.2.3, and UTF8-non-ascii of RFC 6531 */
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || is_high(c) ||
           (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_domain_char(char c, enum mailbox_rules rules)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || is_high(c) || c == '-' ||
           (c == '_' && rules == MAILBOX_LENIENT);
}

static enum parse stopped(const struct cursor *in)
{
    return in->at == in->end ? PARSE_MORE : PARSE_BAD;
}

static str between(const char *from, const char *to)
{
    return (str) { from, (size_t)(to - from) };
}

/* "..." with quoted pairs; the content without quotes. Copied only when it has pairs. */
static enum parse quoted_string(struct cursor *in, struct arena *arena, str *ret_content)
{
    const char *from = ++in->at;
    size_t pairs = 0;
    for (; in->at < in->end && *in->at != '"'; in->at++) {
        if (*in->at == '\\') {
            pairs++;
            if (++in->at == in->end)
                return PARSE_MORE;
        }
        if ((unsigned char)*in->at < 0x20 || *in->at == 0x7f)
            return PARSE_BAD;
    }
    if (in->at == in->end)
        return PARSE_MORE;
    str raw = between(from, in->at++);
    *ret_content = raw;
    if (pairs == 0)
        return PARSE_DONE;
    char *to = ARENA_ARRAY(arena, char, raw.len - pairs);
    if (!to)
        return PARSE_BAD;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\\')
            i++;
        to[len++] = raw.ptr[i];
    }
    *ret_content = (str) { to, len };
    return PARSE_DONE;
}

/* Dot-string. LENIENT lets dots stand anywhere: several large providers gave such addresses out. */
static enum parse dot_string(struct cursor *in, enum mailbox_rules rules, str *ret_text)
{
    const char *from = in->at;
    for (; in->at < in->end && (is_atext(*in->at) || *in->at == '.'); in->at++) {
        bool atom_missing = *in->at == '.' && (in->at == from || in->at[-1] == '.');
        if (atom_missing && rules == MAILBOX_STRICT)
            return PARSE_BAD;
    }
    if (in->at == from)
        return stopped(in);
    if (in->at[-1] == '.' && rules == MAILBOX_STRICT)
        return stopped(in);
    *ret_text = between(from, in->at);
    return PARSE_DONE;
}

static enum parse local_part(struct cursor *in, enum mailbox_rules rules, struct arena *arena,
                             str *ret_local)
{
    if (in->at == in->end)
        return PARSE_MORE;
    str local;
    enum parse parse =
        *in->at == '"' ? quoted_string(in, arena, &local) : dot_string(in, rules, &local);
    if (parse != PARSE_DONE)
        return parse;
    if (!utf8_valid(local) || (rules == MAILBOX_STRICT && local.len > LOCAL_PART_MAX))
        return PARSE_BAD;
    *ret_local = local;
    return PARSE_DONE;
}

static enum parse address_literal(struct cursor *in, str *ret_domain)
{
    const char *from = in->at++;
    while (in->at < in->end && (ascii_is_alpha(*in->at) || ascii_is_digit(*in->at) ||
                                (*in->at && strchr(".:-", *in->at))))
        in->at++;
    if (in->at == in->end)
        return PARSE_MORE;
    if (*in->at != ']' || in->at == from + 1)
        return PARSE_BAD;
    *ret_domain = between(from, ++in->at);
    return PARSE_DONE;
}

/* As written, without a final dot (which SES strips and the RFC does not have). */
static enum parse domain(struct cursor *in, enum mailbox_rules rules, str *ret_domain)
{
    if (in->at == in->end)
        return PARSE_MORE;
    if (*in->at == '[')
        return address_literal(in, ret_domain);
    const char *from = in->at, *label = in->at;
    for (; in->at < in->end; in->at++) {
        if (*in->at == '.') {
            if (in->at == label)
                return PARSE_BAD;
            label = in->at + 1;
        } else if (!is_domain_char(*in->at, rules)) {
            break;
        } else if (rules == MAILBOX_STRICT && *in->at == '-' && in->at == label) {
            return PARSE_BAD;
        }
    }
    str text = between(from, in->at);
    if (text.len == 0)
        return stopped(in);
    if (in->at == label) {
        if (rules == MAILBOX_STRICT)
            return stopped(in);
        text.len--;
    }
    if (!utf8_valid(text) || (rules == MAILBOX_STRICT && text.len > DOMAIN_MAX))
        return PARSE_BAD;
    *ret_domain = text;
    return PARSE_DONE;
}

enum parse mailbox_parse(struct cursor *in, enum mailbox_rules rules, struct arena *arena,
                         struct mailbox *ret_mailbox)
{
    struct mailbox m;
    enum parse parse = local_part(in, rules, arena, &m.local_part);
    if (parse != PARSE_DONE)
        return parse;
    if (in->at == in->end || *in->at != '@')
        return stopped(in);
    in->at++;
    parse = domain(in, rules, &m.domain);
    if (parse == PARSE_DONE)
        *ret_mailbox = m;
    return parse;
}

bool mailbox_of(str text, enum mailbox_rules rules, struct arena *arena,
                struct mailbox *ret_mailbox)
{
    struct cursor in = cursor_of(text);
    struct mailbox m;
    if (mailbox_parse(&in, rules, arena, &m) != PARSE_DONE || in.at != in.end)
        return false;
    *ret_mailbox = m;
    return true;
}

/* RFC 5321 4.1.1.3: a source route MUST be accepted and SHOULD be ignored. */
static enum parse source_route(struct cursor *in, enum mailbox_rules rules)
{
    for (;;) {
        if (in->at == in->end || *in->at != '@')
            return stopped(in);
        in->at++;
        str ignored;
        enum parse parse = domain(in, rules, &ignored);
        if (parse != PARSE_DONE)
            return parse;
        if (in->at == in->end)
            return PARSE_MORE;
        char c = *in->at;
        if (c != ',' && c != ':')
            return PARSE_BAD;
        in->at++;
        if (c == ':')
            return PARSE_DONE;
    }
}

enum bare_name { NO_BARE_NAME, BARE_POSTMASTER, ANY_BARE_NAME }; /* what may stand without @ */

struct path {
    str text;
    struct mailbox mailbox;
};

/* "<" [ A-d-l ":" ] Mailbox ">" */
static enum parse path(struct cursor *in, enum mailbox_rules rules, enum bare_name bare,
                       struct arena *arena, struct path *ret_path)
{
    const char *bracket = in->at;
    if (in->at == in->end || *in->at != '<')
        return stopped(in);
    in->at++;
    if (in->at < in->end && *in->at == '@') {
        enum parse route = source_route(in, rules);
        if (route != PARSE_DONE)
            return route;
    }
    const char *from = in->at;
    struct path p = { 0 };
    enum parse parse = local_part(in, rules, arena, &p.mailbox.local_part);
    if (parse != PARSE_DONE)
        return parse;
    if (in->at < in->end && *in->at == '@') {
        in->at++;
        parse = domain(in, rules, &p.mailbox.domain);
        if (parse != PARSE_DONE)
            return parse;
    } else {
        bool postmaster =
            str_eq_nocase(p.mailbox.local_part, STR("postmaster")); /* RFC 5321 4.1.1.3 */
        if (bare == NO_BARE_NAME || (bare == BARE_POSTMASTER && !postmaster))
            return stopped(in);
        p.mailbox.domain = STR_NONE;
    }
    p.text = between(from, in->at);
    if (in->at == in->end || *in->at != '>')
        return stopped(in);
    in->at++;
    if (rules == MAILBOX_STRICT && in->at - bracket > PATH_MAX_OCTETS)
        return PARSE_BAD;
    *ret_path = p;
    return PARSE_DONE;
}

enum parse reverse_path_parse(struct cursor *in, enum mailbox_rules rules, struct arena *arena,
                              struct reverse_path *ret_path)
{
    if (cursor_left(in) >= 2 && in->at[0] == '<' && in->at[1] == '>') {
        *ret_path = (struct reverse_path) { .null = true,
                                            .text = { in->at + 1, 0 },
                                            .mailbox = { .domain = STR_NONE } };
        in->at += 2;
        return PARSE_DONE;
    }
    struct path p;
    enum bare_name bare =
        rules == MAILBOX_LENIENT ? ANY_BARE_NAME : NO_BARE_NAME; /* SES: spec 2.1 */
    enum parse parse = path(in, rules, bare, arena, &p);
    if (parse == PARSE_DONE)
        *ret_path = (struct reverse_path) { .text = p.text, .mailbox = p.mailbox };
    return parse;
}

enum parse forward_path_parse(struct cursor *in, enum mailbox_rules rules, struct arena *arena,
                              struct forward_path *ret_path)
{
    struct path p;
    enum parse parse = path(in, rules, BARE_POSTMASTER, arena, &p);
    if (parse == PARSE_DONE)
        *ret_path = (struct forward_path) { .text = p.text, .mailbox = p.mailbox };
    return parse;
}

/* Labels of 1 to 63 octets from letters, digits, hyphens and underscores. */
static bool is_host_name(str name)
{
    size_t label = 0;
    if (name.len == 0 || name.len > 253)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!(ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_') ||
                   ++label > LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

/* ASCII names do not go through libidn2: it would refuse `r3---sn-x.test` and the like, which
 * exist, and cost more than all the rest of an RCPT. */
static str ascii_lowered(str name, struct arena *arena)
{
    if (!is_host_name(name))
        return STR_NONE;
    char *to = ARENA_ARRAY(arena, char, name.len + 1);
    if (!to)
        return STR_NONE;
    for (size_t i = 0; i < name.len; i++)
        to[i] = ascii_lower(name.ptr[i]);
    return (str) { to, name.len };
}

str mailbox_domain_ascii(str name, struct arena *arena)
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (mailbox_is_ascii(name))
        return ascii_lowered(name, arena);
    if (name.len > 4 * DOMAIN_MAX || memchr(name.ptr, 0, name.len) || !utf8_valid(name))
        return STR_NONE;
    const char *unicode = arena_cstr(arena, name);
    char *ascii = NULL;
    if (!unicode ||
        idn2_to_ascii_8z(unicode, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return STR_NONE;
    str labels =
        ascii_lowered(str_of(ascii), arena); /* a full-width dot may have become a final one */
    free(ascii);
    return labels;
}

bool mailbox_is_ascii(str text)
{
    return utf8_is_ascii(text);
}

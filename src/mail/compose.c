#include "mail/compose.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "mail/addresses.h"
#include "mail/field.h"

#include <errno.h>
#include <iconv.h>

enum {
    LINE_MAX_OCTETS = 998, /* RFC 5322 2.1.1 */
    QUOTED_LINE = 76,      /* RFC 2045 6.7 (5), with its soft break */
    WORD_OCTETS = 42,      /* of an encoded word's text: 56 in base64, within 75 (RFC 2047 2) */
    CHARSET_MAX = 40,
    NAMES_MAX = 64,
    FIELD_NAME_MAX = 126,
};

static const struct fault *bad(struct arena *arena, const char *says, str about)
{
    return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue", "%s" STR_FMT ".", says,
                       STR_ARG(str_head(about, 200)));
}

/* ---- charsets ---- */

/* The C library opens files by these names; ours are words. */
static bool charset_ok(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) &&
            !strchr("-_.:", name.ptr[i]))
            return false;
    return name.len > 0 && name.len <= CHARSET_MAX;
}

static void close_converter(iconv_t *converter)
{
    if (*converter != (iconv_t)-1)
        iconv_close(*converter);
}

/* False: the charset has no such character. */
static bool convert(iconv_t converter, str text, struct buf *out)
{
    char *in = (char *)text.ptr, room[4096]; /* iconv(3) does not write to `in` */
    size_t in_left = text.len;
    for (bool flushing = false;;) {
        char *to = room;
        size_t left = sizeof room;
        size_t done = flushing ? iconv(converter, NULL, NULL, &to, &left)
                               : iconv(converter, &in, &in_left, &to, &left);
        buf_add(out, (str) { room, sizeof room - left });
        if (done == (size_t)-1 && (errno != E2BIG || out->failed))
            return false;
        if (flushing && done != (size_t)-1)
            return true;
        flushing = flushing || done != (size_t)-1;
    }
}

/* What a text is sent as: its octets, and the name of their charset. */
struct sent_text {
    str octets, charset;
};

static const struct fault *text_as_sent(const struct compose_text *t, struct arena *arena,
                                        struct sent_text *ret)
{
    bool ascii = utf8_is_ascii(t->data);
    *ret = (struct sent_text) { .octets = t->data, .charset = t->charset };
    if (!t->charset.len)
        ret->charset = ascii ? STR("US-ASCII") : STR("UTF-8");
    if (!t->charset.len || str_eq_nocase(t->charset, STR("UTF-8")) ||
        (ascii && str_eq_nocase(t->charset, STR("US-ASCII"))))
        return NULL;
    const char *name = charset_ok(t->charset) ? arena_cstr(arena, t->charset) : NULL;
    __attribute__((cleanup(close_converter))) iconv_t converter =
        name ? iconv_open(name, "UTF-8") : (iconv_t)-1;
    if (converter == (iconv_t)-1)
        return bad(arena, "Unknown charset: ", t->charset);
    AUTO_BUF octets = buf_new(4 * t->data.len + 64);
    if (!convert(converter, t->data, &octets))
        return bad(arena, "The text has characters that are not in charset ", t->charset);
    ret->octets = arena_str(arena, buf_str(&octets));
    return octets.failed || str_is_none(ret->octets) ? &fault_no_memory : NULL;
}

/* ---- fields ---- */

static bool is_plain(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || (unsigned char)text.ptr[i] >= 0x7f)
            return false;
    return str_find_str(text, STR("=?")) == text.len; /* it would be read as an encoded word */
}

/* Encoded words of whole characters: RFC 2047 5 (3). Line ends in the text are blanks. */
static void put_words(str octets, str charset, struct buf *out)
{
    bool utf8 = str_eq_nocase(charset, STR("UTF-8"));
    while (octets.len) {
        size_t len = octets.len < WORD_OCTETS ? octets.len : WORD_OCTETS;
        while (utf8 && len > 1 && len < octets.len &&
               ((unsigned char)octets.ptr[len] & 0xc0) == 0x80)
            len--;
        buf_addf(out, "=?" STR_FMT "?B?", STR_ARG(charset));
        base64_encode(out, str_head(octets, len));
        buf_add(out, STR("?="));
        octets = str_from(octets, len);
        if (octets.len)
            buf_add(out, STR("\r\n "));
    }
}

/* In charsets of several octets a character, a word must not cut one: such a text is sent as UTF-8.
 */
static const struct fault *add_subject(const struct compose_text *subject, struct arena *arena,
                                       struct buf *out)
{
    struct compose_text one_line = *subject;
    char *text = ARENA_ARRAY(arena, char, subject->data.len + 1);
    if (!text)
        return &fault_no_memory;
    for (size_t i = 0; i < subject->data.len; i++) {
        char c = subject->data.ptr[i];
        text[i] = c == '\r' || c == '\n' ? ' ' : c;
    }
    one_line.data = (str) { text, subject->data.len };
    struct sent_text sent;
    TRY(text_as_sent(&one_line, arena,
                     &sent)); /* a charset that cannot say it is refused all the same */
    buf_add(out, STR("Subject: "));
    if (is_plain(one_line.data) && one_line.data.len < LINE_MAX_OCTETS - 10)
        buf_add(out, one_line.data);
    else if (str_starts_nocase(sent.charset, STR("ISO-8859-")))
        put_words(sent.octets, sent.charset, out);
    else
        put_words(one_line.data, STR("UTF-8"), out);
    buf_add(out, STR("\r\n"));
    return NULL;
}

/* As it was written, where that is one line of ASCII; else its parts anew. */
static const struct fault *put_address(str written, struct arena *arena, struct buf *out)
{
    struct listed *listed;
    size_t count;
    unsigned words = NAMES_MAX;
    bool ascii = utf8_is_ascii(written) && written.len < LINE_MAX_OCTETS - 20;
    for (size_t i = 0; ascii && i < written.len; i++)
        ascii = (unsigned char)written.ptr[i] >= 0x20 && written.ptr[i] != 0x7f;
    if (ascii) {
        buf_add(out, written);
        return NULL;
    }
    TRY(addresses_read(written, &words, arena, &listed, &count));
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add(out, STR(",\r\n "));
        if (listed[i].name.len) {
            put_words(listed[i].name, STR("UTF-8"), out);
            buf_addc(out, ' ');
        }
        buf_addf(out, "<" STR_FMT ">", STR_ARG(listed[i].address));
    }
    return NULL;
}

static const struct fault *add_addresses(const char *name, const str *list, size_t count,
                                         struct arena *arena, struct buf *out)
{
    if (!count)
        return NULL;
    buf_addf(out, "%s: ", name);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add(out, STR(",\r\n "));
        TRY(put_address(list[i], arena, out));
    }
    buf_add(out, STR("\r\n"));
    return NULL;
}

/* ---- bodies ---- */

static bool fits_seven_bits(str octets)
{
    size_t column = 0;
    for (size_t i = 0; i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.ptr[i];
        bool crlf = c == '\r' && i + 1 < octets.len && octets.ptr[i + 1] == '\n';
        if (c == 0 || c >= 0x80 || (c == '\r' && !crlf))
            return false;
        column = c == '\n' ? 0 : column + 1;
        if (column >= LINE_MAX_OCTETS)
            return false;
    }
    return true;
}

static void put_lines(str octets, struct buf *out)
{
    for (size_t i = 0; i < octets.len; i++) {
        if (octets.ptr[i] == '\n' && (!i || octets.ptr[i - 1] != '\r'))
            buf_addc(out, '\r');
        buf_addc(out, octets.ptr[i]);
    }
}

/* RFC 2045 6.7. A line end of the text is one of the encoding; a CR or LF alone is octets. */
static void put_quoted(str octets, struct buf *out)
{
    size_t column = 0;
    for (size_t i = 0; i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.ptr[i];
        bool crlf = c == '\r' && i + 1 < octets.len && octets.ptr[i + 1] == '\n';
        if (crlf || c == '\n') {
            buf_add(out, STR("\r\n"));
            i += crlf;
            column = 0;
            continue;
        }
        bool last = i + 1 == octets.len || octets.ptr[i + 1] == '\n' || octets.ptr[i + 1] == '\r';
        bool plain = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !last);
        if (column + (plain ? 1 : 3) > QUOTED_LINE - 1) {
            buf_add(out, STR("=\r\n"));
            column = 0;
        }
        if (plain)
            buf_addc(out, (char)c);
        else
            buf_addf(out, "=%02X", c);
        column += plain ? 1 : 3;
    }
}

/* A charset whose line ends are not those of ASCII (UTF-16) is told by its zeros, and goes as
 * base64. */
static void put_base64(str octets, struct buf *out)
{
    while (octets.len) {
        base64_encode(out, str_head(octets, 57));
        buf_add(out, STR("\r\n"));
        octets = str_from(octets, 57);
    }
}

static const struct fault *add_part(const struct compose_text *text, const char *type,
                                    struct arena *arena, struct buf *out)
{
    struct sent_text sent;
    TRY(text_as_sent(text, arena, &sent));
    bool seven = fits_seven_bits(sent.octets), zeros = str_has(sent.octets, '\0');
    buf_addf(out, "Content-Type: %s; charset=" STR_FMT "\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             type, STR_ARG(sent.charset),
             seven   ? "7bit"
             : zeros ? "base64"
                     : "quoted-printable");
    if (seven)
        put_lines(sent.octets, out);
    else if (zeros)
        put_base64(sent.octets, out);
    else
        put_quoted(sent.octets, out);
    if (!str_ends(buf_str(out), STR("\r\n")))
        buf_add(out, STR("\r\n"));
    return NULL;
}

static const struct fault *add_bodies(const struct compose *c, struct arena *arena, struct buf *out)
{
    static const struct compose_text nothing = { .data = STR_INIT(""), .charset = { NULL, 0 } };
    bool both = !str_is_none(c->text.data) && !str_is_none(c->html.data);
    if (!both && !str_is_none(c->html.data))
        return add_part(&c->html, "text/html", arena, out);
    if (!both)
        return add_part(str_is_none(c->text.data) ? &nothing : &c->text, "text/plain", arena, out);
    buf_addf(out,
             "Content-Type: multipart/alternative;\r\n boundary=\"----=_Part_" STR_FMT "\"\r\n",
             STR_ARG(c->token));
    buf_addf(out, "\r\n------=_Part_" STR_FMT "\r\n", STR_ARG(c->token));
    TRY(add_part(&c->text, "text/plain", arena, out));
    buf_addf(out, "\r\n------=_Part_" STR_FMT "\r\n", STR_ARG(c->token));
    TRY(add_part(&c->html, "text/html", arena, out));
    buf_addf(out, "\r\n------=_Part_" STR_FMT "--\r\n", STR_ARG(c->token));
    return NULL;
}

static const struct fault *add_field(const struct header *field, struct arena *arena,
                                     struct buf *out)
{
    if (!field_name_valid(field->name) || field->name.len > FIELD_NAME_MAX)
        return bad(arena, "Invalid header name: ", field->name);
    if (!field_value_valid(field->value) || !utf8_is_ascii(field->value) ||
        field->name.len + field->value.len > LINE_MAX_OCTETS - 2)
        return bad(arena, "Invalid header value: ", field->value);
    buf_addf(out, STR_FMT ": " STR_FMT "\r\n", STR_ARG(field->name), STR_ARG(field->value));
    return NULL;
}

const struct fault *compose_write(const struct compose *c, struct arena *arena, struct buf *out)
{
    TRY(add_addresses("From", &c->from, 1, arena, out));
    TRY(add_addresses("Reply-To", c->reply_to, c->reply_to_count, arena, out));
    TRY(add_addresses("To", c->to, c->to_count, arena, out));
    TRY(add_addresses("Cc", c->cc, c->cc_count, arena, out));
    TRY(add_subject(&c->subject, arena, out));
    for (size_t i = 0; i < c->field_count; i++)
        TRY(add_field(&c->fields[i], arena, out));
    buf_add(out, STR("MIME-Version: 1.0\r\n"));
    TRY(add_bodies(c, arena, out));
    return out->failed ? &fault_no_memory : NULL;
}

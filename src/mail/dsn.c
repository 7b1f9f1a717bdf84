/* mail/dsn.c - RFC 3464, with the fields, their order and their folding as SES's mailer has them.
 */
#include "mail/dsn.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "base/when.h"
#include "mail/field.h"

enum { TEXT_MAX = 900 /* with its name within the 998 of RFC 5322 2.1.1 */ };

/* ---- texts from elsewhere ---- */

static char seven_bit(char c)
{
    bool keep = c == '\t' || ((unsigned char)c >= 0x20 && (unsigned char)c < 0x7f);
    return keep ? c : '?';
}

static void put_text(str text, struct buf *out)
{
    text = str_head(text, TEXT_MAX);
    for (size_t i = 0; i < text.len; i++)
        buf_addc(out, seven_bit(text.ptr[i]));
}

/* Paragraphs: line ends stay, each made a CRLF. */
static void put_lines(str text, struct buf *out)
{
    size_t column = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool crlf = c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (crlf)
            continue;
        if (c == '\n' || column == TEXT_MAX) {
            buf_add(out, STR("\r\n"));
            column = 0;
        }
        if (c == '\n')
            continue;
        buf_addc(out, seven_bit(c));
        column++;
    }
    buf_add(out, STR("\r\n"));
}

/* In From and To an address stays UTF-8 (RFC 6532): who can be written so takes such mail. */
static void add_address(struct buf *out, const char *name, str address)
{
    buf_addf(out, "%s: ", name);
    for (size_t i = 0; i < address.len && i < TEXT_MAX; i++) {
        char c = address.ptr[i];
        buf_addc(out, (unsigned char)c < 0x80 ? seven_bit(c) : c);
    }
    buf_add(out, STR("\r\n"));
}

/* "rfc822; a@b.test"; of what is not US-ASCII "utf-8; \x{E4}@b.test": RFC 6533 3. */
static void put_address(str address, struct buf *out)
{
    if (utf8_is_ascii(address)) {
        buf_add(out, STR("rfc822; "));
        put_text(address, out);
        return;
    }
    buf_add(out, STR("utf-8; "));
    size_t begin = out->len; /* a character may take twelve octets */
    for (struct cursor in = cursor_of(address); in.at < in.end && out->len - begin < TEXT_MAX;) {
        uint32_t c = utf8_next(&in);
        if (c > 0x20 && c < 0x7f && c != '\\' && c != '+' && c != '=')
            buf_addc(out, (char)c);
        else
            buf_addf(out, "\\x{%X}", c == UTF8_BAD ? 0xfffdu : c);
    }
}

/* ---- times ---- */

static str without(str text, const char *tail)
{
    return str_ends(text, str_of(tail)) ? str_head(text, text.len - strlen(tail)) : text;
}

/* "Thu, 1 Oct 2015 13:48:58 +0000" */
static void put_date(int64_t ms, struct buf *out)
{
    char when[WHEN_SIZE];
    str date = without(when_mail(when, ms), " (UTC)");
    buf_add(out, str_head(date, 5));
    buf_add(out, str_from(date, date.ptr[5] == '0' ? 6 : 5));
}

/* "Thu, 01 Oct 15 13:48:54 UTC": RFC 822's two digits, as SES has them. */
static void put_short_date(int64_t ms, struct buf *out)
{
    char when[WHEN_SIZE];
    str date = without(when_mail(when, ms), " +0000 (UTC)");
    size_t year = sizeof "Thu, 01 Oct " - 1;
    buf_add(out, str_head(date, year));
    buf_add(out, str_from(date, year + 2));
    buf_add(out, STR(" UTC"));
}

/* ---- parts ---- */

static void add_field(struct buf *out, const char *name, str value)
{
    if (str_is_none(value))
        return;
    buf_addf(out, "%s: ", name);
    put_text(value, out);
    buf_add(out, STR("\r\n"));
}

static void add_extensions(struct buf *out, const struct header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!field_name_valid(fields[i].name))
            continue;
        put_text(fields[i].name, out);
        buf_add(out, STR(": "));
        put_text(fields[i].value, out);
        buf_add(out, STR("\r\n"));
    }
}

static void begin_part(const struct dsn *dsn, const char *type, const char *description,
                       struct buf *out)
{
    buf_addf(out,
             "------=_Part_0_" STR_FMT ".%lld\r\n"
             "Content-Type: %s\r\n"
             "Content-Transfer-Encoding: 7bit\r\n"
             "Content-Description: %s\r\n"
             "\r\n",
             STR_ARG(dsn->token), (long long)dsn->date_ms, type, description);
}

static void add_recipient(const struct dsn_recipient *r, struct buf *out)
{
    add_field(out, "Action", r->action);
    buf_add(out, STR("Final-Recipient: "));
    put_address(r->final_recipient, out);
    buf_add(out, STR("\r\nOriginal-Recipient: "));
    put_address(r->original_recipient, out);
    buf_add(out, STR("\r\n"));
    if (!str_is_none(r->diagnostic)) {
        buf_addf(out, "Diagnostic-Code: %s; ", r->diagnostic_type ? r->diagnostic_type : "smtp");
        put_text(r->diagnostic, out);
        buf_add(out, STR("\r\n"));
    }
    add_field(out, "Status", r->status);
    add_field(out, "Remote-MTA", r->remote_mta);
    if (r->last_attempt_ms) {
        buf_add(out, STR("Last-Attempt-Date: "));
        put_short_date(r->last_attempt_ms, out);
        buf_add(out, STR("\r\n"));
    }
    add_extensions(out, r->extensions, r->extension_count);
}

static void add_status(const struct dsn *dsn, struct buf *out)
{
    begin_part(dsn, "message/delivery-status", "Delivery Status Notification", out);
    add_field(out, "Reporting-MTA", dsn->reporting_mta);
    buf_add(out, STR("Arrival-Date: "));
    put_short_date(dsn->arrival_ms, out);
    buf_add(out, STR("\r\n"));
    add_extensions(out, dsn->extensions, dsn->extension_count);
    for (size_t i = 0; i < dsn->recipient_count; i++) {
        buf_add(out, STR("\r\n"));
        add_recipient(&dsn->recipients[i], out);
    }
    buf_add(out, STR("\r\n"));
}

/* Lines of the original that are longer than mail may have are cut, not folded: what is behind the
 * cut would read as another field. */
static void add_original_field(str text, struct buf *out)
{
    while (text.len) {
        size_t line = str_find_str(text, STR("\r\n"));
        put_text(str_head(text, line), out);
        buf_add(out, STR("\r\n"));
        text = str_from(text, line + 2);
    }
}

static void add_original(const struct dsn *dsn, struct buf *out)
{
    begin_part(dsn, "text/rfc822-headers", "Undelivered Message", out);
    struct field_limits bounds = { .count_max = SIZE_MAX, .size_max = DSN_HEADERS_MAX };
    struct field_reader reader = field_reader(dsn->original, &bounds);
    struct field f;
    while (field_next(&reader, &f))
        add_original_field(f.text, out);
}

void dsn_write(const struct dsn *dsn, struct buf *out)
{
    buf_add(out, STR("Date: "));
    put_date(dsn->date_ms, out);
    buf_add(out, STR("\r\n"));
    add_address(out, "From", dsn->from);
    add_address(out, "To", dsn->to);
    buf_addf(out,
             "Message-ID: <" STR_FMT ">\r\n"
             "Subject: Delivery Status Notification (Failure)\r\n"
             "MIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; \r\n"
             "\tboundary=\"----=_Part_0_" STR_FMT ".%lld\"; \r\n"
             "\treport-type=delivery-status\r\n"
             "\r\n",
             STR_ARG(dsn->message_id), STR_ARG(dsn->token), (long long)dsn->date_ms);
    begin_part(dsn, "text/plain; charset=us-ascii", "Notification", out);
    put_lines(str_is_none(dsn->explanation) ? STR("This message could not be delivered.")
                                            : dsn->explanation,
              out);
    add_status(dsn, out);
    add_original(dsn, out);
    buf_addf(out, "\r\n------=_Part_0_" STR_FMT ".%lld--\r\n", STR_ARG(dsn->token),
             (long long)dsn->date_ms);
}

str dsn_status(str smtp_reply_code, str status_code)
{
    if (status_code.len)
        return status_code;
    return str_starts(smtp_reply_code, STR("4")) ? STR("4.0.0") : STR("5.0.0");
}

/* "5.1.10": a class and two numbers of one to three digits, RFC 3463 2. */
static bool is_status(str word)
{
    str part;
    for (int i = 0; i < 3; i++) {
        if (str_cut(word, '.', &part, &word) != (i < 2) || !part.len || part.len > (i ? 3 : 1))
            return false;
        for (size_t at = 0; at < part.len; at++) {
            if (!ascii_is_digit(part.ptr[at]))
                return false;
        }
    }
    return true;
}

str dsn_status_of_reply(str reply)
{
    str code, rest, word;
    str_cut(reply, ' ', &code, &rest);
    str_cut(rest, ' ', &word, &rest);
    return is_status(word) && word.ptr[0] == code.ptr[0] ? word : dsn_status(code, STR(""));
}

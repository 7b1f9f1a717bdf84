/* main/letter.c - RFC 5322 of a few words; RFC 2047 where a subject is not US-ASCII. */
#include "main/letter.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "base/when.h"

void letter_lines(str text, struct buf *out)
{
    while (text.len) {
        size_t len = 0;
        while (len < text.len && text.ptr[len] != '\r' && text.ptr[len] != '\n')
            len++;
        buf_add(out, str_head(text, len));
        buf_add(out, STR("\r\n"));
        text = str_from(text, len);
        text = str_from(text, str_starts(text, STR("\r\n")) ? 2 : 1);
    }
}

/* No line of a field can be begun from within it. */
static void put_one_line(str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++)
        buf_addc(out, (unsigned char)text.ptr[i] < 0x20 ? ' ' : text.ptr[i]);
}

/* RFC 2047 2: an encoded word has 75 characters at most, and holds whole characters. */
static void put_subject(str text, struct buf *out)
{
    enum { WORD_OCTETS = 39 /* behind "Subject: ", in a line of 76 */ };
    if (utf8_is_ascii(text)) {
        put_one_line(text, out);
        return;
    }
    for (struct cursor in = cursor_of(text); in.at < in.end;) {
        const char *begin = in.at, *end = in.at;
        for (; in.at < in.end && in.at - begin < WORD_OCTETS; end = in.at) {
            utf8_next(&in);
            if (in.at - begin > WORD_OCTETS)
                break;
        }
        in.at = end;
        buf_add(out, begin == text.ptr ? STR("=?utf-8?B?") : STR("\r\n =?utf-8?B?"));
        base64_encode(out, (str) { begin, (size_t)(end - begin) });
        buf_add(out, STR("?="));
    }
}

void letter_write(const struct letter *l, struct buf *out)
{
    char when[WHEN_SIZE];
    str date = when_mail(when, l->now_ms);
    buf_add(out, STR("From: "));
    put_one_line(l->from.len ? l->from : STR("MAILER-DAEMON"), out);
    buf_add(out, STR("\r\nTo: "));
    for (size_t i = 0; i < l->to_count; i++) {
        buf_add(out, i ? STR(",\r\n ") : STR(""));
        put_one_line(l->to[i], out);
    }
    buf_add(out, STR("\r\nSubject: "));
    put_subject(l->subject, out);
    buf_addf(out,
             "\r\nDate: " STR_FMT "\r\nMessage-ID: <" STR_FMT ">\r\nMIME-Version: 1.0\r\n"
             "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             STR_ARG(date), STR_ARG(l->message_id), utf8_is_ascii(l->body) ? "7bit" : "8bit");
    letter_lines(l->body, out);
}

/* mail/received.c - Return-Path and Received as SES writes them; ses-receiving spec 7.1, 7.2. */
#include "mail/received.h"

#include "base/when.h"

enum { NAME_MAX_OCTETS = 255 }; /* RFC 5321 4.5.3.1.2 */

/* Paths were parsed, so they hold no control octets; but an envelope may also come from a disk. */
static void put_path(str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_addc(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

void return_path_field(const struct envelope *envelope, struct buf *out)
{
    buf_add(out, STR("Return-Path: <"));
    if (!envelope->mail_from.null)
        put_path(envelope->mail_from.text, out);
    buf_add(out, STR(">\r\n"));
}

void received_name(str name, struct buf *out)
{
    if (name.len == 0) {
        buf_add(out, STR("unknown"));
        return;
    }
    name = str_head(name, NAME_MAX_OCTETS);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool keep = ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr(".-_:[]+=/@*", c));
        buf_addc(out, keep ? c : '?');
    }
}

void received_address(str address, struct buf *out)
{
    buf_add(out, str_has(address, ':') ? STR("[IPv6:") : STR("["));
    received_name(address, out);
    buf_addc(out, ']');
}

void received_field(const struct envelope *envelope, str hostname, struct buf *out)
{
    const struct peer *peer = &envelope->peer;
    char when[WHEN_SIZE];
    buf_add(out, STR("Received: from "));
    received_name(peer->ehlo, out);
    buf_add(out, STR(" ("));
    if (peer->ptr.len) {
        received_name(peer->ptr, out);
        buf_addc(out, ' ');
    }
    received_address(peer->address, out);
    buf_add(out, STR(")\r\n by "));
    received_name(hostname, out);
    buf_add(out, STR(" with SMTP id ")); /* SES says SMTP even of ESMTPS: spec 7.2 */
    received_name(envelope->message_id, out);
    if (envelope->rcpt_count == 1) { /* else Bcc recipients would see each other */
        buf_add(out, STR("\r\n for "));
        put_path(envelope->rcpt_to[0].text, out);
    }
    buf_add(out, STR(";\r\n "));
    buf_add(out, when_mail(when, envelope->received_ms));
    buf_add(out, STR("\r\n"));
}

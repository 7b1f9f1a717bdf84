/* mail/received.h - the trace fields we write above a message: Return-Path and Received, byte for
 * byte in the form of SES (ses-receiving spec 7.1 and 7.2).
 *
 * What a stranger said about himself (EHLO name, PTR name, paths) passes a sieve, so that no text of
 * his can end the field, open or close a comment, or begin another field. */
#ifndef SESAME_MAIL_RECEIVED_H
#define SESAME_MAIL_RECEIVED_H

#include "mail/envelope.h"

/* "Return-Path: <a@b.test>" CRLF; the null path gives "<>". */
void return_path_field(const struct envelope *, struct buf *out);

/* Received: from EHLO (PTR [IP]) CRLF " by HOSTNAME with SMTP id ID" CRLF " for RCPT;" CRLF " DATE"
 * CRLF. The line with `for` is there only when the envelope has exactly one recipient. */
void received_field(const struct envelope *, str hostname, struct buf *out);

/* A name as the Received field may show it: letters, digits and `.-_:[]+=/@*` stay, every other octet
 * becomes `?`, at most 255 octets; an empty name is "unknown". */
void received_name(str name, struct buf *out);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
void received_address(str address, struct buf *out);

#endif

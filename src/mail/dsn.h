/* mail/dsn.h - a delivery status notification, RFC 3464, in the form SES sends its own: ses-receiving
 * spec 9.6.
 *
 * What came from elsewhere (addresses, the rule's words, a stranger's header section) cannot begin a
 * field, end a part or leave 7 bits: controls and octets beyond US-ASCII are shown as `?`, an address
 * in UTF-8 as RFC 6533 has it. */
#ifndef SESAME_MAIL_DSN_H
#define SESAME_MAIL_DSN_H

#include "base/buf.h"
#include "base/header.h"

struct dsn_recipient {
    str final_recipient, original_recipient; /* addresses */
    str action;                              /* "failed", "delayed", ... */
    str status;                              /* "5.1.1" */
    str diagnostic;                          /* STR_NONE: none */
    const char *diagnostic_type;             /* NULL: "smtp", a reply of the server that refused it */
    str remote_mta;                          /* "dns; mx.test"; STR_NONE: none */
    int64_t last_attempt_ms;                 /* 0: none */
    const struct header *extensions;         /* further fields */
    size_t extension_count;
};

struct dsn {
    str from, to;       /* addresses */
    str message_id;     /* of the notification, without its brackets */
    int64_t date_ms;
    str token;          /* of its boundary: digits that no stranger can know beforehand */
    str explanation;    /* what a person reads; STR_NONE: "This message could not be delivered." */
    str reporting_mta;  /* "dns; mx.test" */
    int64_t arrival_ms; /* of the original */
    const struct header *extensions;
    size_t extension_count;
    const struct dsn_recipient *recipients;
    size_t recipient_count;
    str original; /* its header section, SES's block included, or more of it; cut at DSN_HEADERS_MAX */
};

enum { DSN_HEADERS_MAX = 64 * 1024 }; /* whole fields, of what part 3 returns */

void dsn_write(const struct dsn *, struct buf *out);

/* The status code; where none is given, "4.0.0" or "5.0.0" by the reply code. */
str dsn_status(str smtp_reply_code, str status_code);
/* Of a whole reply, "550 5.1.1 no": its enhanced code (RFC 2034) where that is of the reply's own class; a view. */
str dsn_status_of_reply(str reply);

#endif

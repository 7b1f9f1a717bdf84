/* mail/compose.h - a message made of a subject and texts, as SES's SendEmail makes one.
 *
 * Lines end in CRLF and hold 7 bits and at most 998 octets, whatever the texts hold; nothing in them can
 * begin a field or end a part. Message-ID and Date are not written here (outbound.h). */
#ifndef SESAME_MAIL_COMPOSE_H
#define SESAME_MAIL_COMPOSE_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/header.h"

struct compose_text {
    str data;    /* UTF-8; STR_NONE: not there */
    str charset; /* what it is sent in; STR_NONE or empty: US-ASCII, or UTF-8 where that does not do */
};

struct compose {
    str from;
    const str *to, *cc, *reply_to; /* each as the caller wrote it: "a@b.test", "Name <a@b.test>" */
    size_t to_count, cc_count, reply_to_count;
    struct compose_text subject, text, html; /* of both bodies: an alternative of two parts */
    const struct header *fields;             /* further ones; a name or value that is none is refused */
    size_t field_count;
    str token; /* of the boundary: what no text can know beforehand */
};

/* InvalidParameterValue: a charset that is not known or cannot say the text, a field that is none. */
const struct fault *compose_write(const struct compose *, struct arena *, struct buf *out);

#endif

/* mail/outbound.h - a message that is to leave, as SES's API sends it on: what its header section says,
 * and the same message with the fields that SES sets or takes away.
 *
 *   octets --outbound_lines--> CRLF at every line's end --outbound_read--> who, to whom --outbound_write--> octets */
#ifndef SESAME_MAIL_OUTBOUND_H
#define SESAME_MAIL_OUTBOUND_H

#include "base/buf.h"
#include "mail/addresses.h"
#include "mail/message.h"

/* The same octets with CRLF for every line end, as SMTP wants them: programs write LF, old ones CR. */
void outbound_lines(str octets, struct buf *out);

struct outbound { /* views of the text, or in the arena */
    str text;
    struct message message;
    const struct listed *from; /* From; none: the field is not there, or names nobody */
    size_t from_count;
    const struct listed *to; /* To, Cc and Bcc, in this order */
    size_t to_count;
    str sender, return_path; /* addresses; STR_NONE: no such field */
    str configuration_set;   /* X-SES-CONFIGURATION-SET */
    str identity_arns[3];    /* X-SES-SOURCE-ARN, -FROM-ARN, -RETURN-PATH-ARN: on whose behalf */
};

/* InvalidParameterValue: a field that may stand but once stands twice ("Duplicate header 'From'."), or
 * the header section is larger than it may be. */
const struct fault *outbound_read(str text, struct arena *, struct outbound *ret_outbound);

/* Bcc, Return-Path and what is meant for SES go, Message-ID and Date are SES's own: Developer Guide,
 * "Amazon SES header fields". from: written where the message has no From; may be STR_NONE. */
struct outbound_marks {
    str from;
    str message_id; /* without its brackets */
    int64_t date_ms;
};
void outbound_write(const struct outbound *, const struct outbound_marks *, struct buf *out);

/* Why there is no sending to or from this address, in SES's words; NULL: there is. An address that passes
 * can stand between the brackets of a path. */
const char *address_unsendable(str address, struct arena *);

#endif

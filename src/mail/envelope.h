/* mail/envelope.h - what RFC 5321 says about a message, apart from the message. */
#ifndef SESAME_MAIL_ENVELOPE_H
#define SESAME_MAIL_ENVELOPE_H

#include "base/buf.h"
#include "base/fault.h"

struct mailbox {
    str local_part, domain; /* local part without its quotes; domain as written, without a final dot */
};

struct reverse_path {
    bool null;              /* MAIL FROM:<> */
    str text;               /* as written between the brackets; SES takes a path without @ */
    struct mailbox mailbox; /* domain STR_NONE when there is no @ */
};

struct forward_path {
    str text; /* as written between the brackets, the source route removed */
    struct mailbox mailbox;
};

struct peer {
    str address; /* IP literal, as connected; IPv4-mapped ones as IPv4 */
    str ehlo;    /* what it called itself */
    str ptr;     /* what DNS calls it, or STR_NONE */
    bool tls;
    str tls_version, tls_cipher;
};

struct envelope {
    str message_id; /* ours, not the Message-ID field */
    struct peer peer;
    struct reverse_path mail_from;
    struct forward_path *rcpt_to;
    size_t rcpt_count;
    int64_t received_ms;
    uint64_t size; /* octets of the message as received, dots removed */
};

/* The spool's encoding of an envelope, and back. A decoded one lives in the arena. */
void envelope_encode(const struct envelope *, struct buf *);
const struct fault *envelope_decode(str bytes, struct arena *, struct envelope *ret_envelope);

#endif

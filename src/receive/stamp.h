/* receive/stamp.h - the header block SES puts above a message: ses-receiving spec 7.1, 7.2, 7.5.
 *
 * Return-Path, Received, the spam and virus verdicts where the message was to be scanned,
 * X-SES-RECEIPT, then what AddHeader actions added, then the sender's own bytes, untouched. Fields
 * that report checks not built yet are left out. */
#ifndef SESAME_RECEIVE_STAMP_H
#define SESAME_RECEIVE_STAMP_H

#include "base/buf.h"
#include "mail/auth.h"
#include "receive/head.h"
#include "services/ports.h"
#include "store/spool.h"

struct stamp {
    str hostname;            /* "by" of Received; STR_NONE: SES's own, of the head's region */
    uint8_t receipt_key[32]; /* signs X-SES-RECEIPT; derived from DIR/keys/root */
};

struct stamped { /* what one block tells of */
    const struct head *head;
    struct verdicts verdicts;
    const struct header *added; /* by AddHeader actions, in order */
    size_t added_count;
};
void stamp_write(const struct stamp *, const struct stamped *, struct buf *out);

/* The block, then the leased message, read from the spool chunk by chunk. Lives in the arena; its
 * chunks live until the next read. */
struct body *stamp_body(str block, struct spool *, const struct lease *, struct arena *);

/* The header section of a body with the empty line behind it, or, of one that is too long, its first
 * MESSAGE_HEAD_MAX octets at least; the whole when `whole` and it has no more octets than `whole`. Consumes it. */
const struct fault *stamp_head(struct body *, size_t whole, struct arena *, str *ret_stored);

#endif

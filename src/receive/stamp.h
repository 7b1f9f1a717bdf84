/* receive/stamp.h - the header block SES puts above a message: ses-receiving spec 7.1, 7.2, 7.5.
 *
 * Return-Path, Received, X-SES-RECEIPT, then what AddHeader actions added, then the sender's own
 * bytes, untouched. Fields that report checks not built yet are left out. */
#ifndef SESAME_RECEIVE_STAMP_H
#define SESAME_RECEIVE_STAMP_H

#include "base/buf.h"
#include "receive/head.h"
#include "services/ports.h"
#include "store/spool.h"

struct stamp {
    str hostname;            /* "by" of Received; STR_NONE: SES's own, of the head's region */
    uint8_t receipt_key[32]; /* signs X-SES-RECEIPT; derived from DIR/keys/root */
};

void stamp_write(const struct stamp *, const struct head *, const struct header *added,
                 size_t count, struct buf *out);

/* The block, then the leased message, read from the spool chunk by chunk. Lives in the arena; its
 * chunks live until the next read. */
struct body *stamp_body(str block, struct spool *, const struct lease *, struct arena *);

#endif

/* receive/head.h - what an entry of mail carries beside body and rule set: whose it is, where it
 * came in, and its envelope with that account's recipients only. */
#ifndef SESAME_RECEIVE_HEAD_H
#define SESAME_RECEIVE_HEAD_H

#include "mail/envelope.h"

struct head {
    str account, region;
    struct envelope envelope;
};

void head_encode(const struct head *, struct buf *);
const struct fault *head_decode(str bytes, struct arena *, struct head *ret_head);

#endif

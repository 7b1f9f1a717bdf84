/* main/outgoing.h - the pages GET /_sesame/outgoing and /_sesame/outgoing/ID: mail that left, is to leave, or is
 * kept since there is no way out. */
#ifndef SESAME_MAIN_OUTGOING_H
#define SESAME_MAIN_OUTGOING_H

#include "base/buf.h"
#include "store/spool.h"

enum { OUTGOING_USUAL = 100, OUTGOING_MOST = 1000 };
/* One request looks at so many entries of the spool; what it did not reach is behind "next". */
enum { OUTGOING_LOOKED_AT = 10000 };

struct outgoing_asked { /* the query's parameters, decoded; STR_NONE: not given */
    str account; /* only this one's */
    str address; /* only from or to this one */
    str limit, after;
};
/* One object, {"outgoing":[...],"next":"N"}, the newest first; no "next": there is no more. FAULT_SYNTAX: a
 * parameter is wrong. */
const struct fault *outgoing_write(struct spool *, const struct outgoing_asked *, struct arena *, struct buf *out);

/* The whole text of one. FAULT_ABSENT: no such mail, or its text is no longer kept. */
const struct fault *outgoing_text(struct spool *, str id, struct arena *, str *ret_text);

#endif

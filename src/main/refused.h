/* main/refused.h - the page GET /_sesame/refused: who was turned away of late, and why. */
#ifndef SESAME_MAIN_REFUSED_H
#define SESAME_MAIN_REFUSED_H

#include "base/buf.h"
#include "smtp/refusals.h"

enum { REFUSED_USUAL = 100, REFUSED_MOST = 1000 };

struct refused_asked { /* the query's parameters, decoded; STR_NONE: not given */
    str account; /* only what it refused */
    str address; /* only of this peer, or network of peers; or to or from this mailbox or domain */
    str limit, after;
};
/* One object, {"refused":[...],"next":N}, the newest first. FAULT_SYNTAX: a parameter is wrong. */
const struct fault *refused_write(struct refusals *, const struct refused_asked *, struct arena *,
                                  struct buf *out);

#endif

/* mail/dot.h - removes the dot-stuffing of DATA and finds its end, across any chunking.
 *
 * Only <CRLF>.<CRLF> ends a message. A bare CR or LF ends nothing, is handed on as content and is
 * remembered, so that the receiver can refuse the message after its real end. Nothing is copied:
 * clean octets are views of the input, as long as the dots let them be. */
#ifndef SESAME_MAIL_DOT_H
#define SESAME_MAIL_DOT_H

#include "base/str.h"

enum dot_at { DOT_LINE, DOT_TEXT, DOT_CR, DOT_DOT, DOT_DOT_CR }; /* what the last octets were */

struct dot { /* zero value: at the start of a message */
    enum dot_at at;
    bool bare; /* a bare CR or LF went by */
};

/* The next stretch of clean octets: a view of `in`, or of a literal for a CR that was withheld;
 * maybe empty. *ret_used octets of `in` are dealt with. PARSE_DONE: the message ended with them (and
 * *ret_clean is empty), the rest belongs to the next command. PARSE_MORE: call again with the rest,
 * or, when all are used, with the next input. */
enum parse dot_feed(struct dot *, str in, str *ret_clean, size_t *ret_used);

/* The same watch over octets that are counted instead of stuffed (BDAT): nothing is removed. */
void dot_watch(struct dot *, str in);

/* After the last octet: was there a bare CR or LF? A CR at the very end is one. */
bool dot_is_bare(const struct dot *);

#endif

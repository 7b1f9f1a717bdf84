/* mail/addresses.h - RFC 5322 address lists, as a person would read them.
 *
 * Lenient: what reads as no address is kept as its text, so that nothing is lost. Time and memory grow
 * with the text and no faster, whatever is in it. */
#ifndef SESAME_MAIL_ADDRESSES_H
#define SESAME_MAIL_ADDRESSES_H

#include "base/fault.h"

struct listed { /* one mailbox of an address list */
    str name;    /* display name or comment, decoded and without its quotes; empty: none */
    str address; /* "a@b.test"; of what is no address its text */
};
/* The mailboxes of an unfolded address list, in order; those of a group like any other. *left: how many
 * encoded words of their names may still be decoded (mail/words.h). */
const struct fault *addresses_read(str text, unsigned *left, struct arena *,
                                   struct listed **ret_listed, size_t *ret_count);

/* "a@b.test", "Name <a@b.test>", "\"Doe, J.\" <a@b.test>": quoted only where RFC 5322 wants it. */
str listed_text(const struct listed *, struct arena *);

#endif

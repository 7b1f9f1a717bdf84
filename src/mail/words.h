/* mail/words.h - what stands in a header field, as a person would read it: RFC 2047 encoded words
 * and RFC 5322 address lists.
 *
 * The tables of charsets are GMime's; nothing else of it is used. Time and memory grow with the
 * text and no faster, whatever is in it; the answer depends on neither locale nor environment.
 * Everything returned is UTF-8 and lives in the arena or is the text that was given. */
#ifndef SESAME_MAIL_WORDS_H
#define SESAME_MAIL_WORDS_H

#include "base/fault.h"

/* The same text in UTF-8: octets that are none, and NUL, are U+FFFD. STR_NONE at the arena's limit. */
str words_mend(str text, struct arena *);

/* An unfolded field body with its encoded words decoded. A word counts as encoded where it stands
 * between blanks or at an end; blanks between two such go, all others stay. In a quoted string
 * nothing is encoded. STR_NONE at the arena's limit. */
str words_decode(str text, struct arena *);

struct listed { /* one mailbox of an address list */
    str name;    /* display name or comment, decoded and without its quotes; STR_NONE: none */
    str address; /* "a@b.test"; of what is no address its text */
};
/* The mailboxes of an unfolded address list; those of a group like any other. What reads as no
 * address is kept as its text, so that nothing is lost. */
const struct fault *words_addresses(str text, struct arena *, struct listed **ret_listed,
                                    size_t *ret_count);

/* "a@b.test", "Name <a@b.test>", "\"Doe, J.\" <a@b.test>": quoted only where RFC 5322 wants it. */
str listed_text(const struct listed *, struct arena *);

#endif

/* mail/words.h - the text of a header field as a person would read it: RFC 2047 encoded words.
 *
 * The decoder and its tables of charsets are GMime's; nothing else of it is used. Time and memory grow
 * with the text and no faster, whatever is in it; the answer depends on neither locale nor environment.
 * Everything returned is UTF-8 and lives in the arena or is the text that was given. */
#ifndef SESAME_MAIL_WORDS_H
#define SESAME_MAIL_WORDS_H

#include "base/arena.h"

/* The same text in UTF-8: octets that are none, and NUL, are U+FFFD. STR_NONE at the arena's limit. */
str words_mend(str text, struct arena *);

/* An unfolded field body with its encoded words decoded. A word counts as encoded where it stands
 * between blanks or at an end; blanks between two such go, all others stay. In a quoted string
 * nothing is encoded. *left is how many words may still be decoded, of this text and the next ones:
 * to begin with a charset may take 60 microseconds, and strangers may name a new one in each word.
 * What is behind them stays as it is. STR_NONE at the arena's limit. */
str words_decode(str text, unsigned *left, struct arena *);

/* The same of a phrase whose quoted strings lost their quotes: a quotation mark is like any letter. */
str words_decode_phrase(str text, unsigned *left, struct arena *);

#endif

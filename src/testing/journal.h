/* testing/journal.h - a journal that keeps its lines for the test to read. Any thread. */
#ifndef SESAME_TESTING_JOURNAL_H
#define SESAME_TESTING_JOURNAL_H

#include "base/buf.h"
#include "base/outside.h"

struct captured_journal; /* its first member is a struct journal */

struct captured_journal *captured_journal_new(void);
void captured_journal_free(struct captured_journal *);
struct journal *captured_journal(struct captured_journal *);

/* One line a note: `info receive attempt {"id":"x"}`. */
size_t captured_journal_count(struct captured_journal *, const char *containing); /* lines with these bytes */
str captured_journal_text(struct captured_journal *, struct arena *);             /* a copy of all lines */
void captured_journal_clear(struct captured_journal *);

#endif

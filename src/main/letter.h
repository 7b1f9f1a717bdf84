/* main/letter.h - a test message: written from a few words, or a user's file made fit for SMTP. */
#ifndef SESAME_MAIN_LETTER_H
#define SESAME_MAIN_LETTER_H

#include "base/buf.h"

struct letter {
    str from; /* empty: the null path; then there is no From field of its own, but a mailer's */
    const str *to;
    size_t to_count;
    str subject, body; /* UTF-8; lines may end in LF */
    str message_id;    /* without brackets */
    int64_t now_ms;
};
void letter_write(const struct letter *, struct buf *out);

/* Every line ends in CRLF, the last one too: LF, CR and CRLF are line ends. */
void letter_lines(str text, struct buf *out);

#endif

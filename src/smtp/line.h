/* smtp/line.h - a talk held over a connection: dialled, spoken, secured when the talk says so,
 * closed. */
#ifndef SESAME_SMTP_LINE_H
#define SESAME_SMTP_LINE_H

#include "base/outside.h"
#include "smtp/ourselves.h"
#include "smtp/talk.h"
#include "wire/stream.h"

struct line_call {
    str address; /* host:port */
    const char *tls_host;
    struct tls_client *tls; /* NULL: the manner's TLS is NEVER */
    struct clock *clock;
    const struct ourselves *own; /* who is not spoken to; NULL: nobody */
    int64_t connect_by_ms; /* steady; 0: the deadline */
    int64_t deadline_ms;   /* for all of it */
    int64_t answer_ms;     /* but so long at least for the answer to the message, once all of it is sent */
};

/* RFC 5321 4.5.3.2.6: who gave up earlier would make the server that is about to take it take it twice. */
enum { LINE_ANSWER_MS = 10 * 60 * 1000 };

/* Blocks its thread. The message is read from `body` as the server takes it, once; each[i] is told
 * of forward_paths[i]. *ret_shaky (NULL: nobody asks): it ended in the handshake, so the clear may
 * do what TLS did not. */
struct sending line_hand_over(const struct line_call *, const struct talk_mail *,
                              const struct talk_manner *, struct body *, struct arena *,
                              struct sending *each, bool *ret_shaky);

/* A message that lies in memory, as a body. */
struct text_body {
    struct body body;
    str rest;
};
struct text_body text_body_of(str text);

#endif

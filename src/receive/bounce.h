/* receive/bounce.h - tells a sender that his message did not arrive: the Bounce action, and a message too
 * large for a topic; ses-receiving spec 9.6, 9.4.
 *
 * bounce_put writes the notification (mail/dsn.h) and leaves it as outgoing mail (outgoing.h): durable when it
 * returns. Without a way out it is kept, not sent.
 *
 * A bounce that is put twice, by a step that ran twice, has the same Message-ID both times. */
#ifndef SESAME_RECEIVE_BOUNCE_H
#define SESAME_RECEIVE_BOUNCE_H

#include "receive/head.h"
#include "receive/outgoing.h"

struct bounce {
    const struct head *head;
    str hostname; /* Reporting-MTA, and the right side of the Message-ID */
    str stored;   /* the stored form of the message, its header section at least */
    str sender;   /* From of the notification */
    str smtp_reply_code, status_code, message; /* status_code may be absent */
    const struct forward_path *const *recipients;
    size_t recipient_count;
    size_t step; /* which of the message's: two of them are two bounces */
};

/* Why nobody is told, so that no two servers tell each other for ever: a null reverse path, one that is
 * no address, a message that was made by a program (Auto-Submitted, or a report). STR_NONE: he is. */
str bounce_barred(const struct bounce *, struct arena *);

/* *ret_says: one sentence, also of one that is barred, which is no fault. */
const struct fault *bounce_put(const struct outgoing_way *, const struct bounce *, int64_t now_ms,
                               struct arena *, str *ret_says);

/* The parts of it, for who writes a notification of his own (send_bounce.h). The text goes to the reverse
 * path of the message. The token: digits nobody outside knows before, of an id that nobody can guess. */
const struct fault *bounce_leave(const struct outgoing_way *, const struct head *, str text, int64_t now_ms,
                                 struct arena *, str *ret_errand_id);
str bounce_token(str uuid, struct arena *);

/* The id SES gives what it sends: "<16 hex digits>-<uuid>-000000". */
str sending_id(int64_t now_ms, str uuid, struct arena *);

#endif

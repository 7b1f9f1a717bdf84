/* smtp/talk.h - what a client says next: RFC 5321 from the other side, as a machine without sockets.
 *
 *  GREETING -220-> EHLO -250-> MAIL -250-> RCPT -250-> DATA -354-> MESSAGE -250-> taken
 *                   | ^
 *      offers STARTTLS +--- TLS <-220- STARTTLS
 *
 * One message to one recipient. It is fed the server's octets, however cut, and answers with what to
 * send. Where TLS is offered it is used, and what came before it is forgotten. 4yz and 5yz keep the
 * server's own words, its enhanced code among them. */
#ifndef SESAME_SMTP_TALK_H
#define SESAME_SMTP_TALK_H

#include "base/buf.h"
#include "services/ports.h"

enum { TALK_REPLY_MAX = 16 * 1024 }; /* of one reply, all its lines */

enum talk_at {
    TALK_GREETING, TALK_EHLO, TALK_HELO, TALK_STARTTLS, TALK_TLS, TALK_MAIL, TALK_RCPT, TALK_DATA, TALK_MESSAGE,
    TALK_ENDED,
};

struct talk {
    enum talk_at at;
    const struct outgoing *mail;
    str hostname; /* what we call ourselves */
    bool may_tls; /* use STARTTLS when it is offered */
    bool tls, offers_smtputf8, offers_8bitmime;
    struct buf reply; /* what came of the one that is read */
    struct buf send;
};

enum talk_wish {
    TALK_READ,  /* send what there is to send, then feed more */
    TALK_SHAKE, /* begin TLS, throw away what was read, then talk_is_secure */
    TALK_END,   /* see `ending`; send what there is to send, and close */
};
struct talk_turn {
    enum talk_wish wish;
    str send; /* until the next call; may be long */
    struct sending ending; /* says in the arena given */
};

void talk_begin(struct talk *, const struct outgoing *, str hostname, bool may_tls);
struct talk_turn talk_feed(struct talk *, str octets, struct arena *);
struct talk_turn talk_is_secure(struct talk *);
void talk_end(struct talk *);

/* Where the talk stands, for who breaks it off: "the greeting", "RCPT", "the message". */
const char *talk_waits_for(const struct talk *);

#endif

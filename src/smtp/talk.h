/* smtp/talk.h - what a client says next: RFC 5321 from the other side, as a machine without sockets.
 *
 *                                       for each path
 *                                          +--+
 *  GREETING -220-> EHLO -250-> MAIL -250-> RCPT -250-> DATA -354-> MESSAGE -250-> taken
 *                   | ^                                              +--+
 *      offers STARTTLS +--- TLS <-220- STARTTLS          LMTP: for each path that RCPT took
 *
 *  EHLO -250-> AUTH -235-> MAIL, for who has a login: PLAIN, or LOGIN where only that is offered
 *
 * One message to some recipients; of each is told what became of it. LMTP (RFC 2033) begins with
 * LHLO, and the message is answered once for each recipient. It is fed the server's octets, however
 * cut, and answers with what to send. Where TLS is offered it may be used, and what came before it is
 * forgotten. 4yz and 5yz keep the server's own words, its enhanced code among them.
 *
 * The password is said to nobody but a peer that is trusted. What is refused to us and not to the mail (RFC 4954 6:
 * 530, 534, 535, 538, and whatever AUTH is answered) ends in SENT_LATER: a wrong password shall not bounce what waits. */
#ifndef SESAME_SMTP_TALK_H
#define SESAME_SMTP_TALK_H

#include "base/buf.h"
#include "services/ports.h"
#include "smtp/login.h"

enum { TALK_REPLY_MAX = 16 * 1024 }; /* of one reply, all its lines */

enum talk_at {
    TALK_GREETING, TALK_EHLO, TALK_HELO, TALK_STARTTLS, TALK_TLS, TALK_AUTH, TALK_MAIL, TALK_RCPT, TALK_DATA, TALK_MESSAGE,
    TALK_ENDED,
};

/* What is handed over. Where the server has SIZE (RFC 1870), SMTPUTF8 (RFC 6531) or 8BITMIME (RFC 6152), the mail says what
 * it has of each. One that is larger than the server takes is not sent. Where the others are not offered the message goes as it is:
 * nearly every server passes 8 bits on, and to rewrite it would break its signatures; but no address may be so. */
struct talk_mail {
    str reverse_path;
    const str *forward_paths; /* at least one */
    size_t forward_count;
    bool ascii;       /* no octet of the message is beyond it */
    bool utf8_header; /* its header section is UTF-8 (RFC 6532), and not all of it US-ASCII */
    uint64_t size;    /* octets of the message, its line ends CRLF, no dot stuffed; 0: not known */
};
struct talk_mail talk_mail_of(const struct outgoing *); /* which lives as long; to one recipient */

enum talk_tls {
    TALK_TLS_NEVER, TALK_TLS_OFFERED, TALK_TLS_REQUIRED,
    TALK_TLS_FIRST, /* before the greeting, RFC 8314 3.3: who holds the line has begun it */
};
struct talk_manner {
    str hostname; /* what we call ourselves */
    enum talk_tls tls;
    const struct login *login; /* NULL: we come as nobody */
    bool lmtp;
};

struct talk {
    enum talk_at at;
    const struct talk_mail *mail;
    struct talk_manner manner;
    struct sending *each; /* the caller's, one a forward path; says STR_NONE: not told yet */
    size_t asked;         /* the path whose answer is awaited */
    size_t accepted;      /* by RCPT */
    size_t line;          /* octets of the message's line that is being written */
    bool tls, offers_smtputf8, offers_8bitmime, offers_plain, offers_login, offers_size;
    uint64_t size_max; /* the server's; 0: it does not say */
    bool trusted; /* who holds the line says so: a checked certificate, or this very machine */
    enum login_at login_at;
    struct buf reply; /* what came of the one that is read */
    struct buf send;  /* wiped behind a login */
};

enum talk_wish {
    TALK_READ,  /* send what there is to send, then feed more */
    TALK_SHAKE, /* begin TLS, throw away what was read, then talk_is_secure */
    TALK_PUT,   /* send the message through talk_put, then what talk_put_end says */
    TALK_END,   /* see `ending`; send what there is to send, and close */
};
struct talk_turn {
    enum talk_wish wish;
    str send; /* until the next call */
    /* Of the whole: taken when somebody took it, else what was said last; says in the arena given. */
    struct sending ending;
};

/* All of it lives at least as long as the talk. */
void talk_begin(struct talk *, const struct talk_mail *, const struct talk_manner *,
                struct sending *each);
struct talk_turn talk_feed(struct talk *, str octets, struct arena *);
struct talk_turn talk_is_secure(struct talk *);
/* A piece of the message, its dots stuffed; until the next call. Lines of the message end in CRLF, and
 * a last one that does not is ended. STR_NONE: no memory. */
str talk_put(struct talk *, str piece);
str talk_put_end(struct talk *);
/* It was broken off, `says` in the arena says by what: so who was not told anything is tried later. */
struct sending talk_break(struct talk *, str says);
void talk_end(struct talk *);

/* Where the talk stands, for who breaks it off: "the greeting", "RCPT", "the message". */
const char *talk_waits_for(const struct talk *);

#endif

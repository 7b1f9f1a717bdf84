/* smtp/machine.h - what session.c and verbs.c share: the inside of a session. For nobody else.
 *
 * session.c cuts the input into commands and stretches of a message and keeps the transaction;
 * verbs.c knows the commands. */
#ifndef SESAME_SMTP_MACHINE_H
#define SESAME_SMTP_MACHINE_H

#include "mail/dot.h"
#include "mail/hops.h"
#include "smtp/reply.h"
#include "smtp/session.h"

enum { REPLY_ROOM = 640, TOKEN_MAX = 32, PEER_ADDRESS_MAX = 64, EHLO_MAX = 255, PATH_SHOWN_MAX = 256 };

struct smtp_session {
    const struct smtp_settings *settings;
    struct smtp_gatekeeper *gatekeeper;
    struct arena *work;
    enum smtp_state state;
    enum smtp_wish awaited; /* asked for, not yet granted: nothing is consumed meanwhile */

    struct envelope envelope; /* its peer outlives the transaction, the rest does not */
    struct smtp_pass *pass;
    struct smtp_verdict verdict; /* of the last recipient */
    size_t rcpt_room;
    bool utf8;  /* MAIL said SMTPUTF8 */
    bool draft; /* the server holds one for us */

    struct dot dot;
    struct hops hops;
    unsigned unfit;      /* DATA: the message goes nowhere any more, and this is why */
    uint64_t chunk_left; /* BDAT: octets to come */
    unsigned chunk_unfit; /* ... and they are swallowed, with this reply at their end */
    bool chunk_last, chunk_open;

    unsigned errors, commands;
    struct buf line; /* a command that came in pieces */
    bool line_used;  /* it was handled: free it at the next turn */
    bool line_cr;    /* too long: its last octet was a CR */
    uint64_t line_octets; /* so far */
    unsigned line_unfit; /* too long (or no memory): the reply when its end comes */

    char *ehlo;
    char address[PEER_ADDRESS_MAX], token[TOKEN_MAX];
    size_t token_len;
    /* As much as fits of MAIL's path and of the first one taken by RCPT, and how many those are: for who
     * sees the refusal of a message whose transaction has ended by then. */
    char sender[PATH_SHOWN_MAX], recipient[PATH_SHOWN_MAX];
    size_t sender_len, recipient_len, recipients;
    char reply[REPLY_ROOM];
};

/* A turn that says this. A refusal is counted, and may become the last one. */
struct smtp_turn session_say(struct smtp_session *, unsigned reply);
struct smtp_turn session_wish(struct smtp_session *, enum smtp_wish); /* and wait when it wants an answer */

/* Paths as written, for those who see a refusal, also when the transaction has ended. */
void session_remember_sender(struct smtp_session *, str path);
void session_remember_recipient(struct smtp_session *, str path);
str session_sender(const struct smtp_session *);

/* Back to READY (GREET before any EHLO); the turn gets WISH_ABANDON when there was a draft. */
void session_end_transaction(struct smtp_session *, struct smtp_turn *);

/* What the octets of a chunk will come to: session_chunk_begin says how many follow. */
struct smtp_turn session_chunk_begin(struct smtp_session *, uint64_t size, bool last, unsigned unfit);

/* verbs.c: one command line, without its CRLF. */
struct smtp_turn verbs_run(struct smtp_session *, str line);

#endif

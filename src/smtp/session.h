/* smtp/session.h - RFC 5321 as a machine: bytes in, bytes and wishes out. Touches no socket.
 *
 *  GREET --EHLO--> READY --MAIL--> MAIL --RCPT--> RCPT --DATA--> DATA --dot--> COMMITTING
 *                    ^              |              |   --BDAT--> CHUNK --LAST-->  |
 *                    +---- RSET, EHLO, a finished transaction, granted(commit) ---+        */
#ifndef SESAME_SMTP_SESSION_H
#define SESAME_SMTP_SESSION_H

#include "base/fault.h"
#include "mail/envelope.h"
#include "smtp/reply.h"

struct spool_entry;

enum smtp_state {
    SMTP_GREET, SMTP_READY, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_CHUNK, SMTP_COMMITTING, SMTP_CLOSING,
};

/* What the session wants done. START_TLS, OPEN_DRAFT and COMMIT are answered with smtp_granted (or
 * smtp_tls_granted); until then nothing is consumed. The others need no answer. An open draft is
 * given up by ABANDON and CLOSE. */
enum smtp_wish {
    WISH_NONE, WISH_START_TLS, WISH_OPEN_DRAFT, WISH_WRITE_DRAFT, WISH_COMMIT, WISH_ABANDON, WISH_CLOSE,
};

/* May it be taken now? Asked at MAIL and RCPT; answered from the world that MAIL took. Filled in by
 * main from receive/gate.h. */
enum smtp_answer {
    SMTP_TAKE,
    SMTP_NO_MAILBOX, /* 550 5.1.1: no verified domain, no active set, no matching rule */
    SMTP_NEEDS_TLS,  /* 530 5.7.0: a matching rule has TlsPolicy Require */
    SMTP_BLOCKED,    /* 550 5.7.1: an IP filter */
    SMTP_GIVEN,      /* in the verdict's own words: a Bounce action that need not wait for the message */
    SMTP_LATER,      /* 451 4.3.0: cannot tell now */
};
struct smtp_verdict { /* the texts are for the operator: a peer hears the answer's reply, not why */
    enum smtp_answer answer;
    str reason;   /* a word for metrics */
    str accounts; /* whose answer a refusal is, blanks between them */
    str why;      /* one sentence; of SMTP_TAKE, why accounts that share the domain do not take it */
    struct smtp_given given; /* SMTP_GIVEN; the code is 4yz or 5yz */
};

enum smtp_about { ABOUT_COMMAND, ABOUT_SENDER, ABOUT_RECIPIENT, ABOUT_MESSAGE };

/* A turn is about one command or one stretch of a message at most; feed the rest again. */
struct smtp_turn {
    str reply;               /* send this first; lives until the next call */
    enum smtp_wish wish;
    str data;                /* WISH_WRITE_DRAFT: dots already removed; a view of the bytes fed */
    size_t consumed;         /* of the bytes fed */
    unsigned refused;        /* 0, or the enum smtp_reply (smtp/reply.h) of the refusal in `reply` */
    enum smtp_about about;   /* what was refused */
    str path, sender;        /* its path as written, of a message its first recipient's; and MAIL's. They live like `reply` */
    size_t recipients;       /* of a message */
    struct smtp_verdict verdict; /* of a recipient; lives like `reply` */
};

struct smtp_pass; /* one transaction's world; lives in its arena, released with it */
struct smtp_gatekeeper {
    const struct fault *(*mail)(struct smtp_gatekeeper *, const struct peer *, const struct reverse_path *,
                                struct arena *, struct smtp_pass **ret_pass);
    struct smtp_verdict (*rcpt)(struct smtp_pass *, const struct envelope *, const struct forward_path *);
    /* The entries to commit, the first accepted recipient's account first: its id is what 250 names. */
    const struct fault *(*entries)(struct smtp_pass *, const struct envelope *, struct arena *,
                                   struct spool_entry **ret_entries, size_t *ret_count);
};

struct smtp_limits { /* ses-receiving spec 2.2; all must be set */
    size_t line_max;          /* octets of a command line, CRLF included: 2048 */
    size_t rcpt_max;          /* 100 */
    uint64_t message_max;     /* 41,943,040 */
    unsigned errors_max;      /* refused commands before 421 */
    unsigned commands_max;    /* commands without a finished transaction before 421 */
};

struct smtp_settings {
    struct smtp_limits limits;
    str hostname;    /* in banner, EHLO and Received */
    bool compat_ses; /* banner, EHLO and replies exactly as SES's: spec 2.1 */
    bool offer_tls;
};

struct smtp_session;

/* `work` is the transaction's arena and is reset with each. NULL: no memory. The session's own
 * memory is small and its own; end it with smtp_close. */
struct smtp_session *smtp_open(const struct smtp_settings *, const struct peer *, str banner_token,
                               struct smtp_gatekeeper *, struct arena *work);
void smtp_close(struct smtp_session *);

struct smtp_turn smtp_greet(struct smtp_session *);                /* the 220 banner */
/* Call again with the rest, though it be empty, until a turn consumes, says and wishes nothing: then
 * it wants more bytes, or an answer. */
struct smtp_turn smtp_feed(struct smtp_session *, str bytes);
struct smtp_turn smtp_granted(struct smtp_session *, const struct fault *); /* NULL: done */
struct smtp_turn smtp_tls_granted(struct smtp_session *, str version, str cipher); /* static texts */
/* 421, and why; WISH_CLOSE. A session that is COMMITTING must be granted first. */
enum smtp_hang_up { HANG_UP_TIMEOUT, HANG_UP_DRAIN, HANG_UP_FULL, HANG_UP_ADDRESS, HANG_UP_CROWDED };
struct smtp_turn smtp_hang_up(struct smtp_session *, enum smtp_hang_up);

enum smtp_state smtp_state(const struct smtp_session *);
/* A message's octets are to come, and be it only to be swallowed: they have its time, not a command's. */
bool smtp_in_message(const struct smtp_session *);
struct envelope *smtp_envelope(struct smtp_session *);
struct smtp_pass *smtp_pass(const struct smtp_session *); /* after MAIL was taken */

#endif

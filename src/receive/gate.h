/* receive/gate.h - may this mail come in? The answers to MAIL and RCPT, and what is committed.
 *
 * One transaction sees one world and one block list: the pass takes them at MAIL and gives them back when the
 * transaction's arena is reset. The rule sets it saw travel with the message (ses-receiving
 * spec 6.2, 6.3). */
#ifndef SESAME_RECEIVE_GATE_H
#define SESAME_RECEIVE_GATE_H

#include "base/outside.h"
#include "mail/envelope.h"
#include "receive/bounce_reply.h"
#include "services/ses/block_list.h"
#include "services/world.h"
#include "store/spool.h"

struct gate { /* one for each SMTP listener: it receives for one region */
    struct worlds *worlds;
    struct outside *outside;
    str region;
    const struct world *(*now)(struct worlds *); /* worlds_now; tests bring their own */
    struct block_lists *block_lists;             /* NULL: nobody is on one */
    bool bounce_in_session;                      /* a rule that begins with a Bounce refuses */
};

enum gate_answer {
    GATE_TAKE,
    GATE_NO_MAILBOX, /* no verified domain, no active set, or no enabled rule that matches */
    GATE_NEEDS_TLS,  /* in the clear, and an enabled matching rule has TlsPolicy Require */
    GATE_BLOCKED,    /* an IP filter of the account refuses the peer, or the block list does */
    GATE_BOUNCED,    /* in the verdict's reply: every account that would take it would bounce it first */
    GATE_LATER,      /* cannot tell now */
};

/* Why, as a word for metrics. */
#define GATE_REASONS(X)                                                                                                \
    X(NONE, "") X(NO_IDENTITY, "no_identity") X(NO_ACTIVE_SET, "no_active_set") X(NO_RULE, "no_rule")                  \
    X(NEEDS_TLS, "needs_tls") X(FILTER, "filter") X(BLOCK_LIST, "block_list") X(BOUNCE, "bounce")                          \
    X(LOCAL, "local_error")
enum gate_reason {
#define X(name, label) GATE_REASON_##name,
    GATE_REASONS(X)
#undef X
};
str gate_reason_label(enum gate_reason);

/* What a recipient came to. The texts live in the transaction's arena. They are for the operator: a
 * peer is told no more than the answer. */
struct gate_verdict {
    enum gate_answer answer;
    enum gate_reason reason;
    str accounts; /* whose refusal it is, blanks between them; empty: nobody's */
    str why;      /* of a refusal, one sentence for each of them; of GATE_TAKE, of those who refused the peer all the same */
    struct bounce_reply reply; /* GATE_BOUNCED */
};

struct gate_pass; /* one transaction's world and what its recipients came to */

/* The pass lives in the arena and lets its world go when that is reset. */
const struct fault *gate_mail(struct gate *, const struct peer *, struct arena *,
                              struct gate_pass **ret_pass);

/* GATE_TAKE notes for whom the recipient is taken; `envelope` holds those taken so far. */
struct gate_verdict gate_rcpt(struct gate_pass *, const struct envelope *,
                              const struct forward_path *);

/* The entries to commit, one for each account that has recipients: the first accepted recipient's
 * account first (the oldest, where several own its domain). Each has an id of its own and the rule
 * set's text. */
const struct fault *gate_entries(struct gate_pass *, const struct envelope *, struct arena *,
                                 struct spool_entry **ret_entries, size_t *ret_count);

#endif

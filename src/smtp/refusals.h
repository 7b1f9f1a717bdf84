/* smtp/refusals.h - who was turned away of late, and why: a ring in memory. Any thread.
 *
 * SES shows this to nobody. The ring holds the newest `kept` refusals and is empty after a restart. Of those
 * that come faster than `per_second` only the count is kept, as an entry of its own (REFUSED_LEFT_OUT), so
 * that a flood costs neither time nor the memory of what was refused before it. What strangers wrote is cut
 * to a bound and otherwise kept as it came; whoever shows it escapes it. */
#ifndef SESAME_SMTP_REFUSALS_H
#define SESAME_SMTP_REFUSALS_H

#include "base/outside.h"

/* What was refused, and its name in answers. ACCOUNT: a recipient, for accounts that share its domain with
 * the one that took it. */
#define REFUSED_THINGS(X)                                                                                             \
    X(CONNECTION, "connection") X(SESSION, "session") X(SENDER, "sender") X(RECIPIENT, "recipient")                    \
    X(MESSAGE, "message") X(ACCOUNT, "account") X(LEFT_OUT, "left-out")
enum refused_thing {
#define X(name, word) REFUSED_##name,
    REFUSED_THINGS(X)
#undef X
};
str refused_thing_name(enum refused_thing);

struct refusal {
    enum refused_thing thing;
    uint64_t number;     /* 1, 2, ... of this server's life */
    int64_t at_ms;
    bool tls;
    uint64_t left_out;   /* LEFT_OUT: how many */
    str peer, region, ehlo; /* region: the listener's */
    str mail_from, rcpt_to; /* as written; STR_NONE or empty: there was none */
    str accounts;        /* whose refusal it is, blanks between them; empty: nobody's */
    str reply;           /* what the peer was told, without CRLF */
    str reason, why;     /* a word, and a sentence */
};

struct refusals;
struct refusals *refusals_new(size_t kept, uint64_t per_second, struct clock *); /* NULL: no memory */
void refusals_free(struct refusals *);

/* Copies it; number and at_ms are the ring's. False: it was only counted. */
bool refusals_note(struct refusals *, const struct refusal *);

struct refusals_wanted {
    uint64_t after; /* only those with a greater number */
    size_t max;
    bool (*wants)(void *context, const struct refusal *); /* NULL: every one; never asked of LEFT_OUT */
    void *context;
};
/* The newest first, copied into the arena. *ret_next: what `after` is next time. */
const struct fault *refusals_list(struct refusals *, const struct refusals_wanted *, struct arena *,
                                  struct refusal **ret_list, size_t *ret_count, uint64_t *ret_next);

#endif

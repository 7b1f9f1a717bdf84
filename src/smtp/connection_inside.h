/* smtp/connection_inside.h - the inside of a connection: connection.c carries one, lane.c all of a
 * loop. For nobody else. */
#ifndef SESAME_SMTP_CONNECTION_INSIDE_H
#define SESAME_SMTP_CONNECTION_INSIDE_H

#include "smtp/connection.h"

enum { SAYS_MAX = 160 };

enum phase { TALK, SHAKE, COMMIT, FULL, LAST, LINGER, DEAD };

struct connection {
    struct connection *next, *previous;
    struct lane *lane;
    const struct smtp_listener *listener;
    struct stream stream;
    struct watch *watch;
    struct smtp_session *session;
    struct arena *work;
    enum phase phase;
    enum smtp_outcome outcome;
    struct spool_draft *draft;
    struct buf said; /* unsent from said_at on; holds memory only while it does */
    size_t said_at;
    str rest;            /* received, not yet fed; malloc'ed */
    int64_t deadline_ms; /* of the command, the handshake, taking what was said, or the lingering */
    int64_t message_deadline_ms;
    uint32_t at_once;        /* octets read of a message at a time */
    uint64_t message_octets; /* received of it, also those that are only swallowed */
    char address[STREAM_ADDRESS_SIZE];

    struct spool_entry *entries; /* while committing */
    size_t entry_count;
    struct loop_task committed;
    bool commit_failed;
    enum fault_kind commit_kind;
    char commit_says[SAYS_MAX];

    struct resume *resume; /* once it has had a draft */
};

/* Whom the spool calls when a draft has room. It may call late, so this outlives the connection,
 * and is given to another then: who is called for nothing only looks. */
struct resume {
    struct loop_task task;
    bool posted; /* atomic */
    struct lane *lane;
    struct connection *whose; /* the loop's; NULL: nobody's */
    struct resume *next;
};

static inline int64_t connection_now_ms(const struct lane *lane)
{
    struct clock *clock = lane->settings->outside->clock;
    return clock->steady_ms(clock);
}

void connection_prepare(struct connection *); /* callbacks and buffers of one that is all zero */
void connection_ready(void *connection, unsigned what); /* for its watch */
void connection_greet(struct connection *); /* says the banner, and goes on from there */
/* 421, and why; then it is carried to its end. Not while it commits or lingers. */
void connection_hang_up(struct connection *, enum smtp_hang_up, enum smtp_outcome);
void connection_go_on(struct connection *);
bool connection_may_drain(
    const struct connection *); /* it has no transaction, and none may begin */
void connection_end(struct connection *, enum smtp_outcome); /* at once; not while it commits */

#endif

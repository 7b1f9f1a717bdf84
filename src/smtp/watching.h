/* smtp/watching.h - what operators see of SMTP: metrics, journal lines and the ring of refusals. Any
 * thread. */
#ifndef SESAME_SMTP_WATCHING_H
#define SESAME_SMTP_WATCHING_H

#include "base/metrics.h"
#include "base/outside.h"
#include "smtp/refusals.h"
#include "smtp/reply.h"
#include "smtp/session.h"
#include "store/spool.h"

/* How a session ended; the names are the metric's labels. */
#define SMTP_OUTCOMES(X) X(QUIT, "quit") X(GONE, "gone") X(TIMEOUT, "timeout") X(REFUSED, "refused")       \
    X(CROWDED_OUT, "crowded_out") X(DRAINED, "drained") X(TLS_FAILED, "tls_failed") X(BROKEN, "broken")
enum smtp_outcome {
#define X(name, label) OUTCOME_##name,
    SMTP_OUTCOMES(X)
#undef X
    OUTCOME_COUNT
};

struct watching {
    struct journal *journal;
    struct metrics *metrics;
    struct refusals *ring; /* NULL: nobody looks */
    struct metric *connections, *open, *accepted, *octets, *tls;
    struct metric *outcomes[OUTCOME_COUNT], *refusals[REPLY_COUNT], *left_out, *not_accepted;
    int64_t tell_not_accepted_ms; /* steady, atomic: not before */
};
struct watching watching_begin(struct metrics *, struct journal *, struct refusals *);

void saw_connection(struct watching *);
void saw_connection_refused(struct watching *, str region, str address, unsigned reply, str said);
/* The kernel gave no descriptor, or no memory, for a connection that waits. Told once a minute, counted always. */
void saw_no_accept(struct watching *, int error, int64_t steady_ms);
void saw_end(struct watching *, enum smtp_outcome);
void saw_refusal(struct watching *, str region, const struct peer *, const struct smtp_turn *);
void saw_message(struct watching *, const struct envelope *, const struct spool_entry *, size_t count);
void saw_fault(struct watching *, str event, const struct envelope *, const struct fault *);

#endif

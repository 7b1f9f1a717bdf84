/* receive/outgoing.h - mail that leaves: a message left as errands, one a recipient, and their runner.
 *
 *   outgoing_put     bounces, and what the API sends: durable when it returns, whatever the way out
 *   outgoing_runner  later, on a delivery worker: hands it to the mailer, again and again for four hours
 *
 * While no way out is set, nothing is sent and nothing is lost: the errand ends at once among the dead with
 * its text, and says so. A redrive sends it once there is a way. What is given up for another reason is dead too, and
 * its sender is told. */
#ifndef SESAME_RECEIVE_OUTGOING_H
#define SESAME_RECEIVE_OUTGOING_H

#include "receive/retry.h"
#include "services/errand.h"

struct outgoing_way {
    struct spool *spool;
    struct mailer_port *mailer; /* NULL: outgoing mail is off */
    struct entropy *entropy;
};

struct outgoing_mail {
    str account, region; /* in whose name */
    str about;           /* what its timeline shows: "bounce of message X"; " to ADDRESS" comes behind it */
    str reverse_path;    /* no brackets; empty: the null path, which is never answered */
    const str *forward_paths;
    size_t forward_path_count;
    str message;         /* as it will be sent; lines end in CRLF */
};

/* One errand a recipient over one body, all or none; ret_ids has room for one id a recipient. Whether the
 * account may send is asked before. */
const struct fault *outgoing_put(const struct outgoing_way *, const struct outgoing_mail *, int64_t now_ms,
                                 struct arena *, str *ret_ids);

/* The text of mail that was sent is kept with its timeline up to this size. */
enum { OUTGOING_KEPT_MAX = 64 * 1024 };

/* "kept, not sent: ..." */
str outgoing_is_off(void);

/* From whom to whom an errand of this kind goes; false: its head says nothing of the sort. */
bool outgoing_paths(const struct errand *, struct arena *, str *ret_reverse_path, str *ret_forward_path);

struct outgoing_manner {
    str hostname;                    /* in what senders are told of mail that is given up (given_up.h) */
    const struct retry_waits *waits; /* retry.h; NULL: the usual ones */
};
struct errand_runner *outgoing_runner_new(const struct outgoing_way *, const struct outgoing_manner *,
                                          struct arena *); /* NULL: no memory */

#endif

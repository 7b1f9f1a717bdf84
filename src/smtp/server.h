/* smtp/server.h - sockets, TLS, timeouts; wishes -> spool. One loop thread per core, each with its
 * own SO_REUSEPORT listener on every address. */
#ifndef SESAME_SMTP_SERVER_H
#define SESAME_SMTP_SERVER_H

#include "base/metrics.h"
#include "base/outside.h"
#include "smtp/session.h"
#include "store/spool.h"

struct smtp_listener { /* an SMTP listener receives for one region */
    str region;
    str address; /* "127.0.0.1:2525", "[::1]:0"; port 0: any free one */
    struct smtp_gatekeeper *gatekeeper;
    struct smtp_settings settings;
    const int *listening; /* descriptors that listen at the address already, for a loop each */
    size_t listening_count;
};

struct tls_server; /* wire/tls.h; NULL: STARTTLS is not offered */

struct smtp_server_settings {
    const struct smtp_listener *listeners;
    size_t listener_count;
    unsigned loops;                 /* threads; 0: one per core */
    struct tls_server *tls;
    size_t connections_max;         /* in all; beyond it 421 and close */
    size_t connections_per_address; /* 0: no limit */
    int64_t crowded_after_ms; /* how long one may be idle or slow while others are told 421; 0: as long as ever */
    int64_t command_timeout_ms, message_timeout_ms;
    struct spool *spool;
    struct outside *outside;
    struct metrics *metrics;
    struct refusals *refusals; /* smtp/refusals.h; NULL: they are not kept */
};

struct smtp_server;
/* The listeners are copied; spool, tls, outside, metrics, refusals and gatekeepers must outlive the server. The
 * arena keeps the addresses. */
const struct fault *smtp_server_start(const struct smtp_server_settings *, struct arena *,
                                      struct smtp_server **ret_server);
/* Bound addresses, in the order of the listeners ("127.0.0.1:41023"). */
str smtp_server_address(const struct smtp_server *, size_t listener);
/* Its sockets, one a loop; how many there are. Copies of them outlive a drain and an exec. */
size_t smtp_server_listening(const struct smtp_server *, size_t listener, int *ret_fds, size_t room);
/* No new connections or transactions; open transactions get until deadline (steady clock), then 421.
 * Returns when the last connection has gone; a commit under way is waited for. */
void smtp_server_drain(struct smtp_server *, int64_t deadline_ms);
/* Ends every loop and frees it. Commits under way are waited for, so the spool must still work. */
void smtp_server_stop(struct smtp_server *);

#endif

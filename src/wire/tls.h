/* wire/tls.h - TLS: the server's certificate, and what either side is willing to speak.
 *
 * TLS 1.2 and 1.3 only. Without a certificate one is made for the host name (ECDSA P-256, signed by
 * itself) and kept, so that a peer that pins it sees the same one after a restart. */
#ifndef SESAME_WIRE_TLS_H
#define SESAME_WIRE_TLS_H

#include "base/fault.h"

struct ssl_st;

struct tls_settings {
    str hostname;
    str cert_file, key_file; /* PEM, the chain in cert_file; both STR_NONE: make one */
    str directory;           /* where a self-made pair lies: tls-cert.pem, tls-key.pem (0600); made if absent */
};

struct tls_server;
const struct fault *tls_server_open(const struct tls_settings *, struct arena *, struct tls_server **ret_tls);
void tls_server_free(struct tls_server *); /* sessions begun live on; NULL is fine */
bool tls_server_is_self_made(const struct tls_server *);

/* A session that will accept a handshake on this socket. NULL: no memory. Any thread. */
struct ssl_st *tls_server_session(struct tls_server *, int fd);

/* The client's side, for mail that goes out. Unchecked: TLS where the other side offers it, so that nobody reads
 * along; who it is is not asked (RFC 7435), since it would have had the mail in the clear too. Checked: its certificate
 * leads to one that is trusted and names the host that was meant, or there is no handshake. */
struct tls_client_settings {
    bool checks;
    str ca_file; /* PEM, who is trusted; STR_NONE: whom this machine trusts */
};
struct tls_client;
const struct fault *tls_client_open(const struct tls_client_settings *, struct arena *,
                                    struct tls_client **ret_tls); /* closed with the arena */
bool tls_client_checks(const struct tls_client *);
/* host: the name that is meant, or a literal: "192.0.2.1", "[2001:db8::1]". NULL: no memory. */
struct ssl_st *tls_client_session(struct tls_client *, int fd, const char *host);

#endif

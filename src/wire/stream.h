/* wire/stream.h - a non-blocking socket, in the clear or under TLS, read and written by us. */
#ifndef SESAME_WIRE_STREAM_H
#define SESAME_WIRE_STREAM_H

#include "base/outside.h"
#include "wire/tls.h"

struct stream {
    int fd;              /* -1: closed */
    struct ssl_st *ssl;  /* NULL: in the clear */
    bool starved;        /* what TLS holds is no whole record: only the peer can complete it */
};

enum stream_io {
    STREAM_DONE,       /* something was read or written; the handshake is complete */
    STREAM_WANT_READ,  /* try again when readable */
    STREAM_WANT_WRITE, /* try again when writable */
    STREAM_END,        /* the peer closed in good order */
    STREAM_BROKEN,     /* reset, or a TLS fault */
};

enum stream_io stream_read(struct stream *, char *to, size_t room, size_t *ret_got);
enum stream_io stream_write(struct stream *, str bytes, size_t *ret_put);

/* False: no memory. Then call stream_handshake until it is done. */
bool stream_start_tls(struct stream *, struct tls_server *);
bool stream_start_tls_as_client(struct stream *, struct tls_client *, const char *host);
enum stream_io stream_handshake(struct stream *);
/* Why the peer's certificate was not accepted, in OpenSSL's words: static text; STR_NONE: it was, or was not checked. */
str stream_tls_distrust(const struct stream *);
bool stream_is_near(const struct stream *); /* connected to an address of this machine's loopback */
str stream_tls_version(const struct stream *); /* "TLSv1.3"; static text; STR_NONE in the clear */
str stream_tls_cipher(const struct stream *);

/* TLS holds octets that were read already: no readiness will tell of them. */
bool stream_has_more(const struct stream *);
bool stream_is_readable(const struct stream *); /* the socket is: something came, or the end; asks the kernel */
/* Whether TLS takes more from the socket than the record it wants: as a rule it does. Told not to, it soon holds nothing
 * more, however fast the peer sends. */
void stream_read_ahead(struct stream *, bool);

/* What is written from here on goes out together with the end, in one segment if it fits: before the last words. */
void stream_hold_for_end(struct stream *);
/* Says that nothing more will be sent; what the peer still sends can be thrown away. Closing at once
 * with octets unread would make the kernel take back our last reply. */
void stream_finish(struct stream *);
enum stream_io stream_discard(struct stream *, char *to, size_t room);
void stream_close(struct stream *); /* says close_notify if it can at once, then closes */

/* One waiting connection, non-blocking, TCP_NODELAY; -1: none now, with errno. `to` gets the peer's
 * address without port (IPv4-mapped ones as IPv4). */
enum { STREAM_ADDRESS_SIZE = 64 };
int stream_accept(int listener, char to[STREAM_ADDRESS_SIZE]);

/* A connection to "relay.test:25", made by the deadline (steady clock) with the first of the name's
 * addresses that takes it. Blocks. */
const struct fault *stream_dial(str address, struct clock *, int64_t deadline_ms, struct arena *,
                                int *ret_fd);
/* Blocks until the descriptor is ready for these events of poll(2), or false: the deadline. */
bool stream_wait(int fd, short events, struct clock *, int64_t deadline_ms);

#endif

/* wire/listen.h - listening sockets: made at an address, or taken over from the process before us. */
#ifndef SESAME_WIRE_LISTEN_H
#define SESAME_WIRE_LISTEN_H

#include "base/fault.h"

/* "127.0.0.1:25", "[::1]:0", "relay.test:25", in two. False: it is no such thing. */
enum { LISTEN_HOST_SIZE = 256, LISTEN_PORT_SIZE = 8 };
bool listen_split(str address, char host[LISTEN_HOST_SIZE], char port[LISTEN_PORT_SIZE]);

enum {
    LISTEN_SHARED = 1,  /* SO_REUSEPORT: several sockets of one user have the address */
    LISTEN_V6_ONLY = 2, /* [::] takes no IPv4 connections */
};

/* A non-blocking TCP socket, and where it is bound ("127.0.0.1:41023"), in the arena. */
const struct fault *listen_at(str address, unsigned how, struct arena *, int *ret_fd,
                              str *ret_bound);
/* The same of a descriptor that listens already, whatever waits in its queue. */
const struct fault *listen_inherited(int fd, struct arena *, str *ret_bound);

#endif

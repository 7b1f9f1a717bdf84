/* smtp/ourselves.h - which addresses lead back to this server: what it sends to itself goes round for ever. */
#ifndef SESAME_SMTP_OURSELVES_H
#define SESAME_SMTP_OURSELVES_H

#include "base/str.h"

#include <sys/socket.h>

enum { OURSELVES_MAX = 64 };

struct ourselves { /* filled before anybody asks */
    struct sockaddr_storage listeners[OURSELVES_MAX];
    size_t count;
};

/* A listener as it is bound: "127.0.0.1:2525", "[::]:25". */
void ourselves_add(struct ourselves *, str address);

/* A listener's own address and port; where it listens on all addresses, each that this machine has. */
bool ourselves_are(const struct ourselves *, const struct sockaddr *);

#endif

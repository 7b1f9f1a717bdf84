/* smtp/far_end_suite.h - for tests: a mail server that speaks by a script. */
#ifndef SESAME_SMTP_FAR_END_SUITE_H
#define SESAME_SMTP_FAR_END_SUITE_H

#include "base/buf.h"
#include "wire/stream.h"

#include <pthread.h>

/* A server that answers each line by its script, in order; connections too. */
struct far_end {
    int listener;
    str address;
    const char *const
        *script; /* NULL: the end; "": hang up; "<TLS>": shake hands; "<...>": be silent;
                    * "<DOT>": hear the message out, then do as the next step says */
    struct tls_server *tls;
    struct buf heard;
    bool secure; /* the message came under TLS */
    pthread_t thread;
};

void far_end_listen(struct far_end *, str address, struct arena *);
void far_end_begin(struct far_end *); /* with its script, on a thread of its own */
void far_end_end(struct far_end *);   /* after the script's end; `heard` stays */

#endif

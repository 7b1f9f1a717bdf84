/* smtp/spool_double.h - a spool in memory for server_test.c: it keeps the last body, counts, can be
 * slow, full or failing, and answers from a thread of its own, as the real one does. */
#ifndef SESAME_SMTP_SPOOL_DOUBLE_H
#define SESAME_SMTP_SPOOL_DOUBLE_H

#include "base/buf.h"
#include "store/spool.h"

#include <pthread.h>
#include <unistd.h>

struct job;
struct memory_spool {
    struct spool spool;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct job *jobs;
    bool stop;
    size_t full_every; /* octets until write says "enough"; 0: never */
    useconds_t slow_us;
    enum fault_kind commit_fault; /* with fails */
    bool fails;
    struct buf last; /* the body committed last */
    int committed, drafts, abandoned, waits;
};

void memory_spool_open(struct memory_spool *); /* then set what it should do */
void memory_spool_close(struct memory_spool *); /* its last answers given; the counts stay */

#endif

/* wire/workers.h - a few threads that do what may wait, for loops that must not. */
#ifndef SESAME_WIRE_WORKERS_H
#define SESAME_WIRE_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct workers;

struct job { /* part of the work's own struct; one use at a time */
    void (*run)(struct job *);
    struct job *next; /* the pool's, as what follows */
    int64_t due_ms;
};

struct workers *workers_start(unsigned count); /* NULL: not even one thread could be made */
/* First come, first served. False: the pool is stopping, and the job will never run. */
bool workers_add(struct workers *, struct job *);
/* The same, once `ms` are over; until then it costs no thread. A stop runs it at once. */
bool workers_add_later(struct workers *, struct job *, int64_t ms);
void workers_stop(struct workers *); /* runs what was added, then ends the threads; nothing can be
                                        added any more */
void workers_free(struct workers *); /* stops first where that was not done; NULL is fine */

#endif

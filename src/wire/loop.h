/* wire/loop.h - one thread's event loop: readiness, time-outs, and calls from other threads.
 *
 * A loop belongs to the thread that runs it. The only things another thread may do are loop_post and
 * loop_stop. libevent's core, behind an interface of our own size. */
#ifndef SESAME_WIRE_LOOP_H
#define SESAME_WIRE_LOOP_H

#include "base/fault.h"

struct loop;
struct loop *loop_new(void); /* NULL: no memory or descriptors */
void loop_run(struct loop *); /* until loop_stop */
void loop_stop(struct loop *); /* any thread */
void loop_free(struct loop *); /* posted tasks that have not run are forgotten */

/* A call from another thread. The task is embedded in what it is about and must not be posted again
 * before it ran. Posting allocates nothing and never waits; many posts make one wake-up. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *);
};
void loop_post(struct loop *, struct loop_task *);

/* Watches one descriptor. `WATCH_TIMEOUT` comes alone, when nothing else came for that long. */
enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_TIMEOUT = 4 };
struct watch;
typedef void watch_fn(void *context, unsigned what);
struct watch *watch_new(struct loop *, int fd, watch_fn *, void *context); /* NULL: no memory; not yet waiting */
/* From now on call for these, or after timeout_ms (0: none) without any. what == 0: only the timeout.
 * Cheap when nothing changed. */
void watch_for(struct watch *, unsigned what, int64_t timeout_ms);
/* The same for what is left until some deadline: a duration that nobody shares, at least 1 ms. */
void watch_within(struct watch *, unsigned what, int64_t left_ms);
void watch_free(struct watch *); /* not called again; NULL is fine. The descriptor stays open. */

#endif

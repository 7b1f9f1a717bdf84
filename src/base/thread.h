/* base/thread.h - what a thread says of itself when it begins: its name, and how long others may have to wait for it.
 *
 * Many deliver while few take mail in, on the same processors. A sender waits for each turn of those few, and their turns
 * are short; for a delivery nobody waits. Linux (6.12 and later) lets who asks for short slices have his turn sooner; older
 * ones know the name and the nice value only. All of it is a wish: nothing fails where it is not granted.
 * sched_setattr(2); Documentation/scheduler/sched-eevdf.rst. */
#ifndef SESAME_BASE_THREAD_H
#define SESAME_BASE_THREAD_H

enum thread_haste {
    THREAD_AWAITED, /* somebody waits for each of its turns: its turn comes soon */
    THREAD_PLAIN,
    THREAD_BEHIND,  /* nobody waits: it goes behind the others, and on for longer */
};
/* For the calling thread. The name, of 15 octets at most, is what ps and perf show. */
void thread_begins(const char *name, enum thread_haste);

#endif

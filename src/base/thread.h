/* base/thread.h - what a thread says of itself when it begins: its name, and how long others may have to wait for it.
 *
 * Many deliver while few take mail in, on the same processors. A sender waits for each turn of those few, and their turns
 * are short; for a delivery nobody waits. Linux (6.12 and later) lets who asks for short slices have his turn sooner; older
 * ones know the name and the nice value only. Who gathers or goes behind lets him who runs finish his slice when it wakes,
 * where no processor is idle (SCHED_BATCH): what he has for it then comes along.
 *
 * All of it is a wish: nothing fails where it is not granted, and another policy than the usual one, which an operator gave
 * the process, stays. sched_setattr(2), sched(7); Documentation/scheduler/sched-eevdf.rst. */
#ifndef SESAME_BASE_THREAD_H
#define SESAME_BASE_THREAD_H

enum thread_haste {
    THREAD_AWAITED, /* somebody waits for each of its turns: its turn comes soon */
    THREAD_PLAIN,
    THREAD_GATHERS, /* one turn serves all who have come by then: the later it begins, the more */
    THREAD_BEHIND,  /* nobody waits: it goes behind the others, and on for longer */
};
/* For the calling thread. The name, of 15 octets at most, is what ps and perf show. */
void thread_begins(const char *name, enum thread_haste);

#endif

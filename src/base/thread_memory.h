/* base/thread_memory.h - what malloc keeps of freed memory for one thread: in few places.
 *
 * glibc keeps up to seven freed pieces of each small size for each thread (its tcache). Of what a crowd had, those
 * that were freed last lie as far from one another as their owners did, each holding a page: nearly 2 MB a thread.
 * malloc_trim does not touch them. */
#ifndef SESAME_BASE_THREAD_MEMORY_H
#define SESAME_BASE_THREAD_MEMORY_H

/* On a thread that a crowd has left: what it keeps lies in holes beside what is in use from now on, and the next
 * malloc_trim gives back the pages. Some 50 us; and it keeps all that it may then, 236 KB: so for few threads. */
void thread_memory_compact(void);

#endif

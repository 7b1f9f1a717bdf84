/* base/thread.c - the calls behind the wishes. */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SLICE_SHORTEST_NS = 100 * 1000, /* the kernel's lower bound */
    SLICE_LONG_NS = 3 * 1000 * 1000,
    NICE_BEHIND = 5, /* with 10 or more a queue can grow that is then worked off more slowly */
    NICE_MOST = 19,
};

struct wish { /* struct sched_attr of sched_setattr(2): glibc has none before 2.41 */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns; /* runtime_ns: the slice; 0: as long as is usual */
};

void thread_begins(const char *name, enum thread_haste haste)
{
    pthread_setname_np(pthread_self(), name);
    const int policy = sched_getscheduler(0);
    if (haste == THREAD_PLAIN || (policy != SCHED_OTHER && policy != SCHED_BATCH))
        return;
    struct wish wish = {
        .size = sizeof wish,
        .policy = haste == THREAD_AWAITED ? (uint32_t)policy : SCHED_BATCH,
        .nice = getpriority(PRIO_PROCESS, 0), /* the process's own: an operator may have said so */
        .runtime_ns = haste == THREAD_AWAITED ? SLICE_SHORTEST_NS : 0,
    };
    if (haste == THREAD_BEHIND) {
        wish.nice = wish.nice + NICE_BEHIND < NICE_MOST ? wish.nice + NICE_BEHIND : NICE_MOST;
        wish.runtime_ns = SLICE_LONG_NS;
    }
    (void)syscall(SYS_sched_setattr, 0, &wish, 0);
}

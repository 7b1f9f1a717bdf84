/* wire/loop.c - libevent's core: one base for each loop, nothing shared.
 *
 * Posted tasks lie in a list that posters push to without a lock and the loop takes whole. Only the
 * poster that finds the list empty writes to the eventfd, so a batch of posts is one wake-up. */
#include "wire/loop.h"

#include "wire/loop_memory.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { COMMON_MAX = 16 };

struct common { /* a duration many watches share: libevent keeps these in a queue, not in the heap
                 */
    int64_t ms;
    const struct timeval *tv;
};

struct loop {
    struct event_base *base;
    int wake_fd;
    struct event wake;
    struct loop_task *posted; /* newest first; atomic */
    bool stop;                /* atomic */
    struct common common[COMMON_MAX];
    size_t common_count;
};

struct watch {
    struct loop *loop;
    int fd;
    unsigned what;
    bool assigned;
    int64_t timeout_ms;
    watch_fn *run;
    void *context;
    struct event event;
};

static struct loop_task *oldest_first(struct loop_task *newest)
{
    struct loop_task *list = NULL;
    while (newest) {
        struct loop_task *next = newest->next;
        newest->next = list;
        list = newest;
        newest = next;
    }
    return list;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct loop *loop = context;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) < 0)
        count = 0; /* somebody woke us and it was seen already */
    struct loop_task *task =
        oldest_first(__atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE));
    while (task) {
        struct loop_task *next = task->next; /* running it may post or free it */
        task->run(task);
        task = next;
    }
    if (__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE))
        event_base_loopbreak(loop->base);
}

struct loop *loop_new(void)
{
    loop_memory_apart();
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    struct event_config *config = event_config_new();
    if (config) {
        /* A time-out counts from the call that asks for it, however long the turn has lasted by then. */
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME |
                                          EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->base || loop->wake_fd < 0 ||
        event_assign(&loop->wake, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop) !=
            0 ||
        event_add(&loop->wake, NULL) != 0) {
        loop_free(loop);
        return NULL;
    }
    return loop;
}

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void)n; /* a full counter is awake enough */
}

void loop_run(struct loop *loop)
{
    if (!__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE))
        event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
    __atomic_store_n(&loop->stop, true, __ATOMIC_RELEASE);
    wake(loop);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    free(loop);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
    do
        task->next = head;
    while (!__atomic_compare_exchange_n(&loop->posted, &head, task, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
    if (!head)
        wake(loop);
}

static void on_event(evutil_socket_t fd, short events, void *context)
{
    struct watch *w = context;
    unsigned what = (events & EV_READ ? WATCH_READ : 0u) | (events & EV_WRITE ? WATCH_WRITE : 0u);
    (void)fd;
    w->run(w->context, what ? what : WATCH_TIMEOUT);
}

struct watch *watch_new(struct loop *loop, int fd, watch_fn *run, void *context)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w)
        *w = (struct watch) { .loop = loop, .fd = fd, .run = run, .context = context };
    return w;
}

static const struct timeval *duration(struct loop *loop, int64_t ms, const struct timeval *own)
{
    for (size_t i = 0; i < loop->common_count; i++) {
        if (loop->common[i].ms == ms)
            return loop->common[i].tv;
    }
    if (loop->common_count == COMMON_MAX)
        return own;
    const struct timeval *tv = event_base_init_common_timeout(loop->base, own);
    if (!tv)
        return own;
    loop->common[loop->common_count++] = (struct common) { ms, tv };
    return tv;
}

static void watch_with(struct watch *w, unsigned what, int64_t timeout_ms, bool shared)
{
    assert(!(what & ~(unsigned)(WATCH_READ | WATCH_WRITE)) && "one waits for reading and writing");
    if (!w->assigned || w->what != what || (w->timeout_ms && !timeout_ms)) {
        if (w->assigned)
            event_del(&w->event);
        short events = (short)((what & WATCH_READ ? EV_READ : 0) |
                               (what & WATCH_WRITE ? EV_WRITE : 0) | EV_PERSIST);
        event_assign(&w->event, w->loop->base, what ? w->fd : -1, events, on_event, w);
        w->assigned = true;
        w->what = what;
    } else if (!timeout_ms) {
        return;
    }
    w->timeout_ms = timeout_ms;
    struct timeval own = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
    const struct timeval *tv = shared ? duration(w->loop, timeout_ms, &own) : &own;
    if (what || timeout_ms)
        event_add(&w->event, timeout_ms ? tv : NULL);
}

void watch_for(struct watch *w, unsigned what, int64_t timeout_ms)
{
    watch_with(w, what, timeout_ms, timeout_ms > 0);
}

void watch_within(struct watch *w, unsigned what, int64_t left_ms)
{
    watch_with(w, what, left_ms > 0 ? left_ms : 1, false);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    if (w->assigned)
        event_del(&w->event);
    free(w);
}

/* wire/lookup.c - one question, shared by who waits and the thread that looks it up; whoever lets
 * go of it last frees it. */
#include "wire/lookup.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { HOST_MAX = 256, PORT_MAX = 8 };

struct question {
    lookup_fn *look_up;
    char host[HOST_MAX], port[PORT_MAX];
    int answered; /* eventfd; written once the answer stands below */
    int why;      /* of getaddrinfo */
    struct addrinfo *found;
    atomic_int holders;
};

static void let_go(struct question *q)
{
    if (atomic_fetch_sub(&q->holders, 1) > 1)
        return;
    if (q->found)
        freeaddrinfo(q->found);
    close(q->answered);
    free(q);
}

static void *look_up(void *context)
{
    struct question *q = context;
    const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    const uint64_t one = 1;
    q->why = q->look_up(q->host, q->port, &wanted, &q->found);
    if (write(q->answered, &one, sizeof one) != sizeof one)
        q->why = EAI_SYSTEM; /* nobody hears it; the deadline ends the waiting */
    let_go(q);
    return NULL;
}

static bool is_answered(const struct question *q, struct clock *clock, int64_t deadline_ms)
{
    struct pollfd wait = { .fd = q->answered, .events = POLLIN };
    for (;;) {
        const int64_t left_ms = deadline_ms - clock->steady_ms(clock);
        const int ready = poll(&wait, 1,
                               left_ms <= 0        ? 0
                               : left_ms < INT_MAX ? (int)left_ms
                                                   : INT_MAX);
        if (ready > 0 || (ready == 0 && left_ms <= 0))
            return ready > 0;
    }
}

static void take(const struct addrinfo *found, struct lookup *to)
{
    to->count = 0;
    for (const struct addrinfo *at = found; at && to->count < LOOKUP_MAX; at = at->ai_next) {
        if (at->ai_addrlen > sizeof to->addresses[0])
            continue;
        to->sizes[to->count] = at->ai_addrlen;
        memcpy(&to->addresses[to->count++], at->ai_addr, at->ai_addrlen);
    }
}

static struct question *ask(lookup_fn *fn, const char *host, const char *port)
{
    struct question *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->look_up = fn;
    snprintf(q->host, sizeof q->host, "%s", host);
    snprintf(q->port, sizeof q->port, "%s", port);
    atomic_init(&q->holders, 2);
    q->answered = eventfd(0, EFD_CLOEXEC);
    pthread_attr_t alone;
    pthread_t thread;
    pthread_attr_init(&alone);
    pthread_attr_setdetachstate(&alone, PTHREAD_CREATE_DETACHED);
    const bool runs = q->answered >= 0 && pthread_create(&thread, &alone, look_up, q) == 0;
    pthread_attr_destroy(&alone);
    if (runs)
        return q;
    if (q->answered >= 0)
        close(q->answered);
    free(q);
    return NULL;
}

static const struct fault *not_found(struct arena *a, const char *host, const char *why)
{
    return fault(a, FAULT_UNAVAILABLE, NULL, "%s is not found: %s", host, why);
}

const struct fault *lookup_host(lookup_fn *fn, const char *host, const char *port,
                                struct clock *clock, int64_t deadline_ms, struct arena *a,
                                struct lookup *ret_lookup)
{
    const struct addrinfo literal = { .ai_socktype = SOCK_STREAM,
                                      .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &literal, &found) == 0) {
        take(found, ret_lookup);
        freeaddrinfo(found);
        return NULL;
    }
    struct question *q =
        strlen(host) < HOST_MAX && strlen(port) < PORT_MAX ? ask(fn, host, port) : NULL;
    if (!q)
        return not_found(a, host, "there is no memory or no thread to look it up");
    const struct fault *f = NULL;
    if (!is_answered(q, clock, deadline_ms))
        f = not_found(a, host, "its name was not looked up in time");
    else if (q->why)
        f = not_found(a, host, gai_strerror(q->why));
    else
        take(q->found, ret_lookup);
    let_go(q);
    return f;
}

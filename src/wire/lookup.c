/* wire/lookup.c - one question, shared by who waits and the thread that looks it up; whoever lets
 * go of it last frees it. */
#include "wire/lookup.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HOST_MAX = 256, PORT_MAX = 8 };

struct question {
    lookup_fn *look_up;
    char host[HOST_MAX], port[PORT_MAX];
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    int holders;
    bool answered;
    int why; /* of getaddrinfo */
    struct addrinfo *found;
};

static void let_go(struct question *q)
{
    pthread_mutex_lock(&q->lock);
    const bool last = --q->holders == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    if (q->found)
        freeaddrinfo(q->found);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void *look_up(void *context)
{
    struct question *q = context;
    const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    const int why = q->look_up(q->host, q->port, &wanted, &found);
    pthread_mutex_lock(&q->lock);
    q->why = why;
    q->found = found;
    q->answered = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    let_go(q);
    return NULL;
}

/* An answered question does not change any more. */
static bool is_answered(struct question *q, struct clock *clock, int64_t deadline_ms)
{
    pthread_mutex_lock(&q->lock);
    for (int64_t left_ms; !q->answered && (left_ms = deadline_ms - clock->steady_ms(clock)) > 0;) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += left_ms / 1000;
        until.tv_nsec += left_ms % 1000 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_clockwait(&q->changed, &q->lock, CLOCK_MONOTONIC, &until);
    }
    const bool answered = q->answered;
    pthread_mutex_unlock(&q->lock);
    return answered;
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
    q->holders = 2;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    pthread_attr_t alone;
    pthread_t thread;
    pthread_attr_init(&alone);
    pthread_attr_setdetachstate(&alone, PTHREAD_CREATE_DETACHED);
    const bool runs = pthread_create(&thread, &alone, look_up, q) == 0;
    pthread_attr_destroy(&alone);
    if (runs)
        return q;
    q->holders = 1;
    let_go(q);
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

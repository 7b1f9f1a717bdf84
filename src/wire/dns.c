/* wire/dns.c - questions handed to libunbound, and waited for.
 *
 *   who asks --ub_resolve_async--> libunbound's thread --pipe--> our thread: ub_process --> answer,
 * signal
 *
 * A question is shared by who asks and who answers; the one who lets go of it last frees it. Traps
 * of libunbound 1.17: it does not ask name servers on loopback unless told so; it answers "test."
 * itself with NXDOMAIN, so that is taken out when the operator names a server of his own; its log
 * goes to standard error. */
#include "wire/dns.h"

#include "wire/dns_record.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

enum { RECORDS_MAX = 64, CLASS_IN = 1, RCODE_OK = 0, PROCESS_EVERY_MS = 1000 };

struct dns {
    struct resolver resolver; /* first */
    struct clock *clock;
    struct ub_ctx *context;
    int wake; /* eventfd: the end */
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* of all questions */
    pthread_cond_t answered;
    struct question *asked; /* not answered yet */
};

struct question {
    struct question *next, **link; /* in dns->asked */
    struct dns *dns;
    bool done, left; /* answered; nobody waits any more */
    int error;
    struct ub_result *result;
};

/* ---- the answering side ---- */

static void unlink_question(struct question *q)
{
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
}

static void on_answer(void *context, int error, struct ub_result *result)
{
    struct question *q = context;
    struct dns *d = q->dns;
    pthread_mutex_lock(&d->lock);
    unlink_question(q);
    q->done = true;
    q->error = error;
    q->result = result;
    const bool left = q->left;
    pthread_cond_broadcast(&d->answered);
    pthread_mutex_unlock(&d->lock);
    if (left) {
        ub_resolve_free(result);
        free(q);
    }
}

static void *answer_all(void *context)
{
    struct dns *d = context;
    struct pollfd fds[] = { { .fd = ub_fd(d->context), .events = POLLIN },
                            { .fd = d->wake, .events = POLLIN } };
    while (!fds[1].revents) {
        if (poll(fds, 2, PROCESS_EVERY_MS) < 0 && errno != EINTR)
            break;
        ub_process(d->context);
    }
    return NULL;
}

/* ---- the asking side ---- */

static struct timespec until(const struct dns *d, int64_t deadline_ms)
{
    struct timespec t;
    int64_t left_ms = deadline_ms - d->clock->steady_ms(d->clock);
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (left_ms < 0)
        left_ms = 0;
    t.tv_sec += left_ms / 1000;
    t.tv_nsec += left_ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static struct dns_answer failed(const char *says)
{
    return (struct dns_answer) { .outcome = DNS_FAILED, .says = str_of(says) };
}

/* What cannot be read is left out; when nothing is left, that is no answer. */
static struct dns_answer read_records(const struct ub_result *r, enum dns_kind kind,
                                      struct arena *a)
{
    struct dns_record *records = ARENA_ARRAY(a, struct dns_record, RECORDS_MAX);
    size_t count = 0;
    for (int i = 0; records && r->data[i] && count < RECORDS_MAX; i++)
        count += dns_record_read(kind, (str) { r->data[i], (size_t)r->len[i] }, a, &records[count]);
    if (!count)
        return failed(records ? "the name server answered with records that cannot be read"
                              : "there is no memory for the answer");
    return (struct dns_answer) { .outcome = DNS_FOUND, .records = records, .count = count };
}

static struct dns_answer read_answer(const struct question *q, enum dns_kind kind, struct arena *a)
{
    const struct ub_result *r = q->result;
    if (q->error)
        return (struct dns_answer) { .outcome = DNS_FAILED,
                                     .says =
                                         arena_strf(a, "DNS failed: %s", ub_strerror(q->error)) };
    if (r->nxdomain)
        return (struct dns_answer) { .outcome = DNS_NO_NAME };
    if (r->rcode != RCODE_OK)
        return (struct dns_answer) { .outcome = DNS_FAILED,
                                     .says = arena_strf(a, "the name server answered %s",
                                                        r->rcode == 2   ? "SERVFAIL"
                                                        : r->rcode == 5 ? "REFUSED"
                                                                        : "with an error") };
    return r->havedata ? read_records(r, kind, a) : (struct dns_answer) { .outcome = DNS_NOTHING };
}

/* False: nobody will answer it. */
static bool hand_over(struct dns *d, struct question *q, const char *name, enum dns_kind kind)
{
    pthread_mutex_lock(&d->lock);
    q->next = d->asked;
    q->link = &d->asked;
    if (q->next)
        q->next->link = &q->next;
    d->asked = q;
    pthread_mutex_unlock(&d->lock);
    if (ub_resolve_async(d->context, name, (int)kind, CLASS_IN, q, on_answer, NULL) == 0)
        return true;
    pthread_mutex_lock(&d->lock);
    unlink_question(q);
    pthread_mutex_unlock(&d->lock);
    return false;
}

static struct dns_answer ask(struct resolver *resolver, str name, enum dns_kind kind,
                             int64_t deadline_ms, struct arena *a)
{
    struct dns *d = (struct dns *)resolver;
    if (!dns_name_ok(name)) /* so it cannot be there */
        return (struct dns_answer) { .outcome = DNS_NO_NAME };
    const char *text = arena_cstr(a, name);
    struct question *q = text ? calloc(1, sizeof *q) : NULL;
    if (!q)
        return failed("there is no memory for the question");
    q->dns = d;
    if (!hand_over(d, q, text, kind)) {
        free(q);
        return failed("the resolver takes no question");
    }
    const struct timespec end = until(d, deadline_ms);
    pthread_mutex_lock(&d->lock);
    while (!q->done && pthread_cond_timedwait(&d->answered, &d->lock, &end) != ETIMEDOUT)
        ;
    const bool done = q->done;
    q->left = !done;
    pthread_mutex_unlock(&d->lock);
    if (!done)
        return failed("no name server answered in time");
    const struct dns_answer answer = read_answer(q, kind, a);
    ub_resolve_free(q->result);
    free(q);
    return answer;
}

/* ---- open and close ---- */

/* "127.0.0.1:5353" as libunbound has it: "127.0.0.1@5353"; brackets go. */
static const char *server_text(str server, struct arena *a)
{
    size_t colon = server.len;
    while (colon && server.ptr[colon - 1] != ':')
        colon--;
    str host = str_head(server, colon ? colon - 1 : 0);
    if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
        host = str_from(str_head(host, host.len - 1), 1);
    return arena_cstr(
        a, arena_strf(a, STR_FMT "@" STR_FMT, STR_ARG(host), STR_ARG(str_from(server, colon))));
}

static const struct fault *set_up(struct dns *d, str server, struct arena *a)
{
    ub_ctx_debugout(d->context, NULL);
    int error = ub_ctx_async(d->context, 1);
    if (!error)
        error = ub_ctx_set_option(d->context, "do-not-query-localhost:", "no");
    if (!server.ptr) {
        if (!error) /* a machine without the file asks the root */
            ub_ctx_resolvconf(d->context, NULL);
    } else {
        const char *text = server_text(server, a);
        if (!error && !text)
            return &fault_no_memory;
        if (!error)
            error = ub_ctx_set_fwd(d->context, text);
        if (!error)
            error = ub_ctx_zone_add(d->context, "test.", "transparent");
        if (error)
            return fault(a, FAULT_SYNTAX, NULL, "the name server " STR_FMT " cannot be used: %s",
                         STR_ARG(server), ub_strerror(error));
    }
    return error ? fault(a, FAULT_UNAVAILABLE, NULL, "DNS cannot be set up: %s", ub_strerror(error))
                 : NULL;
}

const struct fault *dns_open(str server, struct clock *clock, struct arena *a, struct dns **ret_dns)
{
    struct dns *d = calloc(1, sizeof *d);
    if (!d)
        return &fault_no_memory;
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&d->answered, &steady);
    pthread_condattr_destroy(&steady);
    pthread_mutex_init(&d->lock, NULL);
    d->resolver.ask = ask;
    d->clock = clock;
    d->wake = eventfd(0, EFD_CLOEXEC);
    d->context = ub_ctx_create();
    const struct fault *f = d->context && d->wake >= 0 ? set_up(d, server, a) : &fault_no_memory;
    if (!f) {
        d->runs = pthread_create(&d->thread, NULL, answer_all, d) == 0;
        f = d->runs ? NULL : fault(a, FAULT_UNAVAILABLE, NULL, "no thread for DNS");
    }
    if (f) {
        dns_close(d);
        return f;
    }
    *ret_dns = d;
    return NULL;
}

struct resolver *dns_resolver(struct dns *d)
{
    return &d->resolver;
}

void dns_close(struct dns *d)
{
    if (!d)
        return;
    const uint64_t one = 1;
    if (d->runs && write(d->wake, &one, sizeof one) == sizeof one)
        pthread_join(d->thread, NULL);
    if (d->context)
        ub_ctx_delete(d->context);
    while (d->asked) { /* nobody waits for them, and nobody answers any more */
        struct question *q = d->asked;
        unlink_question(q);
        free(q);
    }
    if (d->wake >= 0)
        close(d->wake);
    pthread_cond_destroy(&d->answered);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

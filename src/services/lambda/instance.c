#include "services/lambda/instance.h"

#include "base/json.h"
#include "base/when.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_PIECE = 64 * 1024,
    KEEP_ROOM = 256 * 1024, /* of a buffer between two invocations */
    END_WAIT_MS = 5000,
    RSS_EVERY_MS = 1000,
    AHEAD_MAX = 64 * 1024, /* fits into the socket's buffer, which is empty while a process asks */
    AHEAD_WAIT_US = 100 * 1000, /* else */
};

static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                               "Content-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
static const char too_large[] = "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\n"
                                "Connection: close\r\n\r\n";
static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

static int64_t steady_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- made and closed ---- */

const struct fault *instance_listen(struct instance *i, struct arena *arena, unsigned *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof at;
    i->output = i->ended = -1;
    for (size_t c = 0; c < INSTANCE_CONNECTIONS; c++) {
        i->connections[c].fd = -1;
        i->connections[c].in = buf_new(RUNTIME_BYTES_MAX);
    }
    i->log = buf_new(INSTANCE_LOG_MAX);
    i->started_ms = steady_us() / 1000;
    i->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (i->listener < 0 || bind(i->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(i->listener, INSTANCE_CONNECTIONS) != 0 ||
        getsockname(i->listener, (struct sockaddr *)&at, &len) != 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no port for a function's process: %s",
                     strerror(errno));
    *ret_port = ntohs(at.sin_port);
    return NULL;
}

const struct fault *instance_pair(struct instance *i, struct arena *arena, int *ret_runtime,
                                  int *ret_output)
{
    int ends[2] = { -1, -1 }, pipe_ends[2] = { -1, -1 };
    i->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (i->ended < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        pipe2(pipe_ends, O_CLOEXEC) != 0) {
        int why = errno;
        if (ends[0] >= 0) {
            close(ends[0]);
            close(ends[1]);
        }
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no descriptors for a function's process: %s",
                     strerror(why));
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    i->connections[0].fd = ends[0];
    i->output = pipe_ends[0];
    *ret_runtime = ends[1];
    *ret_output = pipe_ends[1];
    return NULL;
}

static void hang_up(struct instance_connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    buf_free(&c->in);
    *c = (struct instance_connection) { .fd = -1, .in = buf_new(RUNTIME_BYTES_MAX) };
}

void instance_close(struct instance *i)
{
    if (i->pid > 0 && !runner_ended(i->runner, i->slot, 0).ended) {
        runner_kill(i->runner, i->slot);
        runner_ended(i->runner, i->slot, END_WAIT_MS);
    }
    for (size_t c = 0; c < INSTANCE_CONNECTIONS; c++)
        hang_up(&i->connections[c]);
    const int fds[] = { i->listener, i->output, i->ended };
    for (size_t n = 0; n < sizeof fds / sizeof fds[0]; n++)
        if (fds[n] >= 0)
            close(fds[n]);
    buf_free(&i->log);
    i->listener = i->output = i->ended = -1;
    i->pid = 0;
}

/* ---- who may speak ---- */

/* The user at the other end of a connection of this machine: proc(5), /proc/net/tcp. */
static bool peer_uid(int fd, unsigned *ret_uid)
{
    struct sockaddr_in own, peer;
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0)
        return false;
    char wanted[64], line[512];
    snprintf(wanted, sizeof wanted, " %08X:%04X %08X:%04X ", peer.sin_addr.s_addr,
             ntohs(peer.sin_port), own.sin_addr.s_addr, ntohs(own.sin_port));
    FILE *table = fopen("/proc/net/tcp", "re");
    bool found = false;
    while (table && !found && fgets(line, sizeof line, table)) {
        const char *at = strstr(line, wanted);
        found = at && sscanf(at + strlen(wanted), "%*x %*x:%*x %*x:%*x %*x %u", ret_uid) == 1;
    }
    if (table)
        fclose(table);
    return found;
}

static void take_connection(struct instance *i)
{
    int fd = accept4(i->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    unsigned uid = 0;
    if (fd < 0)
        return;
    if (peer_uid(fd, &uid) && uid == i->uid) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        for (size_t c = 0; c < INSTANCE_CONNECTIONS; c++) {
            if (i->connections[c].fd < 0) {
                i->connections[c].fd = fd;
                return;
            }
        }
    }
    close(fd);
}

/* ---- writing ---- */

/* All of it, unless the process does not read until then. */
static bool write_all(struct instance_connection *c, struct iovec *pieces, int count,
                      int64_t until_us)
{
    while (count > 0) {
        struct msghdr message = { .msg_iov = pieces, .msg_iovlen = (size_t)count };
        ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            int64_t left = (until_us - steady_us()) / 1000;
            struct pollfd fd = { .fd = c->fd, .events = POLLOUT };
            if (left <= 0 || poll(&fd, 1, (int)left) <= 0)
                return false;
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        while (count > 0 && (size_t)sent >= pieces->iov_len) {
            sent -= (ssize_t)pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + sent;
            pieces->iov_len -= (size_t)sent;
        }
    }
    return true;
}

static void write_text(struct instance_connection *c, const char *text, size_t len)
{
    struct iovec piece = { (void *)text, len };
    if (!write_all(c, &piece, 1, steady_us() + 1000000))
        hang_up(c);
}

/* ---- one exchange ---- */

struct exchange {
    struct instance *i;
    const struct instance_event *event;
    struct arena *arena;
    struct instance_answer *answer;
    bool sent; /* the event is out */
    bool done;
    int64_t until_us; /* when time is up */
};

/* {"errorType":...,"errorMessage":...} in Lambda's own form. */
static str error_text(struct arena *arena, const char *type, str message)
{
    AUTO_BUF text = buf_new(64 * 1024);
    struct json_writer w = json_writer(&text);
    json_open(&w, '{');
    json_add_str(&w, "errorType", str_of(type));
    json_add_str(&w, "errorMessage", message);
    json_close(&w, '}');
    return text.failed ? STR_NONE : arena_str(arena, buf_str(&text));
}

static void end_with(struct exchange *x, bool failed, str payload, const char *status)
{
    x->done = true;
    x->answer->failed = failed;
    x->answer->payload = payload;
    x->answer->status = str_of(status);
}

static void fail(struct exchange *x, const char *type, const char *what, const char *status)
{
    str message = arena_strf(x->arena, "RequestId: " STR_FMT " Error: %s",
                             STR_ARG(x->event->request_id), what);
    end_with(x, true, error_text(x->arena, type, message), status);
}

static void read_output(struct instance *i)
{
    char bytes[8192];
    for (ssize_t n; (n = read(i->output, bytes, sizeof bytes)) > 0;) {
        size_t room = i->log.max - i->log.len, kept = (size_t)n < room ? (size_t)n : room;
        buf_add(&i->log, (str) { bytes, kept });
        i->log_dropped += (size_t)n - kept;
        if ((size_t)n < sizeof bytes)
            break;
    }
}

static void add_log(struct instance *i, str line)
{
    if (i->log.max - i->log.len >= line.len)
        buf_add(&i->log, line);
}

/* What the runtime asked. */
static void serve(struct exchange *x, struct instance_connection *c,
                  const struct runtime_request *r)
{
    bool ours = x->sent && !x->done && str_eq(r->id, x->event->request_id);
    switch (r->word) {
    case RUNTIME_NEXT:
        c->asked = true;
        if (!x->i->ready)
            x->i->init_ms = steady_us() / 1000 - x->i->started_ms;
        x->i->ready = true;
        return;
    case RUNTIME_RESPONSE:
        if (r->too_large) {
            if (ours)
                fail(x, "Function.ResponseSizeTooLarge",
                     "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
                     "error");
            write_text(c, too_large, sizeof too_large - 1);
            hang_up(c);
            return;
        }
        if (ours)
            end_with(x, false, arena_str(x->arena, r->body), "");
        break;
    case RUNTIME_ERROR:
        if (ours)
            end_with(x, true, arena_str(x->arena, r->body), "error");
        break;
    case RUNTIME_INIT_ERROR:
        if (!x->i->ready && !x->done)
            end_with(x, true, arena_str(x->arena, r->body), "error");
        x->i->gone = true;
        break;
    case RUNTIME_OTHER:
        write_text(c, not_found, sizeof not_found - 1);
        return;
    }
    c->owed = true;
}

/* Every whole request that has come. What is owed for the last one is paid at once, unless its
 * sender has asked for the next event in the same breath. */
static void serve_all(struct exchange *x, struct instance_connection *c)
{
    size_t at = 0, used = 0;
    bool expects = false, closes = false;
    enum parse how = PARSE_MORE;
    while (c->fd >= 0 && at < c->in.len) {
        struct runtime_request r;
        how = runtime_parse(c->in.ptr + at, c->in.len - at, &r, &used, &expects);
        if (how != PARSE_DONE)
            break;
        if (c->owed) {
            c->owed = false;
            if (r.word != RUNTIME_NEXT)
                write_text(c, accepted, sizeof accepted - 1);
            else
                c->owed = true;
        }
        closes = r.closes;
        c->continued = false;
        serve(x, c, &r);
        at += used;
    }
    if (c->fd < 0)
        return;
    if (at == c->in.len) {
        if (c->in.room > KEEP_ROOM)
            buf_free(&c->in), c->in = buf_new(RUNTIME_BYTES_MAX);
        buf_clear(&c->in);
    } else if (at > 0) {
        memmove(c->in.ptr, c->in.ptr + at, c->in.len - at);
        c->in.len -= at;
    }
    if (c->owed && !c->asked) {
        c->owed = false;
        write_text(c, accepted, sizeof accepted - 1);
    }
    if (c->fd >= 0 && expects && !c->continued) {
        c->continued = true;
        write_text(c, go_on, sizeof go_on - 1);
    }
    if (how == PARSE_BAD || (closes && !c->asked))
        hang_up(c);
}

static void read_connection(struct exchange *x, struct instance_connection *c)
{
    for (;;) {
        char *to = buf_reserve(&c->in, READ_PIECE);
        ssize_t n = to ? recv(c->fd, to, READ_PIECE, MSG_DONTWAIT) : 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            hang_up(c);
            return;
        }
        c->in.len += (size_t)n;
        serve_all(x, c);
        if (c->fd < 0 || n < READ_PIECE)
            return;
    }
}

static void on_ended(struct exchange *x)
{
    struct runner_end end = runner_ended(x->i->runner, x->i->slot, END_WAIT_MS);
    char what[96] = "Runtime exited without providing a reason";
    x->i->gone = true;
    if ((int64_t)end.peak > x->i->rss)
        x->i->rss = (int64_t)end.peak;
    x->i->rss_at_ms = steady_us() / 1000;
    read_output(x->i);
    if (x->done)
        return;
    if (end.out_of_memory || (WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL))
        snprintf(what, sizeof what, "Runtime exited with error: signal: killed");
    else if (WIFSIGNALED(end.status))
        snprintf(what, sizeof what, "Runtime exited with error: signal: %s",
                 strsignal(WTERMSIG(end.status)));
    else if (WEXITSTATUS(end.status))
        snprintf(what, sizeof what, "Runtime exited with error: exit status %d",
                 WEXITSTATUS(end.status));
    fail(x, end.out_of_memory ? "Runtime.OutOfMemory" : "Runtime.ExitError", what, "error");
}

/* False: it died, which its end will tell, or does not read, which time will. */
static bool send_event(struct instance *i, struct instance_connection *c,
                       const struct instance_event *e, int64_t until_us)
{
    struct clock *clock = i->outside->clock;
    AUTO_BUF head = buf_new(8192);
    if (c->owed)
        buf_add(&head, (str) { accepted, sizeof accepted - 1 });
    runtime_write_event(
        &(struct runtime_event) { .request_id = e->request_id,
                                  .function_arn = e->function_arn,
                                  .trace_id = e->trace_id,
                                  .deadline_ms = clock->wall_ms(clock) + e->timeout_s * 1000,
                                  .size = e->payload.len },
        &head);
    struct iovec pieces[] = { { head.ptr, head.len }, { (void *)e->payload.ptr, e->payload.len } };
    c->owed = c->asked = false;
    const bool sent = !head.failed && write_all(c, pieces, 2, until_us);
    if (!sent)
        hang_up(c);
    return sent;
}

static struct instance_connection *asking(struct instance *i)
{
    for (size_t c = 0; c < INSTANCE_CONNECTIONS; c++)
        if (i->connections[c].fd >= 0 && i->connections[c].asked)
            return &i->connections[c];
    return NULL;
}

void instance_send(struct instance *i, struct instance_event *event)
{
    const int64_t now = steady_us();
    struct instance_connection *c = i->ready && !i->gone ? asking(i) : NULL;
    if (c && event->payload.len <= AHEAD_MAX && send_event(i, c, event, now + AHEAD_WAIT_US))
        event->sent_us = now;
}

static void time_is_up(struct exchange *x)
{
    char what[96], when[WHEN_SIZE];
    x->i->gone = true;
    read_output(x->i);
    if (x->i->ready)
        snprintf(what, sizeof what, "Task timed out after %lld.00 seconds",
                 (long long)x->event->timeout_s);
    else
        snprintf(what, sizeof what, "Runtime init timed out after %d.00 seconds",
                 INIT_LIMIT_MS / 1000);
    if (x->answer->impatient)
        snprintf(what, sizeof what, "The caller waited for %lld.%02lld seconds and no longer",
                 (long long)x->event->patience_ms / 1000,
                 (long long)x->event->patience_ms / 10 % 100);
    add_log(
        x->i,
        arena_strf(x->arena, STR_FMT " " STR_FMT " %s\n\n",
                   STR_ARG(when_iso_ms(when, x->i->outside->clock->wall_ms(x->i->outside->clock))),
                   STR_ARG(x->event->request_id), what));
    fail(x, "Sandbox.Timedout", what, "timeout");
}

/* Waits for whatever comes first, and hears it. */
static void turn(struct exchange *x)
{
    struct instance *i = x->i;
    struct pollfd fds[INSTANCE_CONNECTIONS + 3] = { { .fd = i->ended, .events = POLLIN },
                                                    { .fd = i->listener, .events = POLLIN },
                                                    { .fd = i->output, .events = POLLIN } };
    nfds_t count = 3;
    struct instance_connection *of[INSTANCE_CONNECTIONS + 3];
    for (size_t c = 0; c < INSTANCE_CONNECTIONS; c++) {
        if (i->connections[c].fd < 0)
            continue;
        of[count] = &i->connections[c];
        fds[count++] = (struct pollfd) { .fd = i->connections[c].fd, .events = POLLIN };
    }
    int64_t left_us = x->until_us - steady_us();
    int got = left_us <= 0 ? 0 : poll(fds, count, (int)((left_us + 999) / 1000));
    if (got == 0) {
        time_is_up(x);
        return;
    }
    if (got < 0)
        return;
    if (fds[2].revents & POLLIN)
        read_output(i);
    else if (fds[2].revents) { /* all who could print are gone */
        close(i->output);
        i->output = -1;
    }
    for (nfds_t n = 3; n < count; n++)
        if (fds[n].revents)
            read_connection(x, of[n]);
    if (fds[1].revents)
        take_connection(i);
    if (fds[0].revents && !x->done)
        on_ended(x);
}

static void set_time(struct exchange *x, int64_t begun_us, int64_t from_us, int64_t limit_ms)
{
    const int64_t patience_us = begun_us + x->event->patience_ms * 1000;
    x->until_us = from_us + limit_ms * 1000;
    x->answer->impatient = x->event->patience_ms && patience_us < x->until_us;
    if (x->answer->impatient)
        x->until_us = patience_us;
}

const struct fault *instance_invoke(struct instance *i, const struct instance_event *event,
                                    struct arena *arena, struct instance_answer *answer)
{
    struct exchange x = { .i = i, .event = event, .arena = arena, .answer = answer };
    const int64_t begun = steady_us();
    const bool cold = !i->ready;
    *answer = (struct instance_answer) { .init_ms = -1, .payload = STR_NONE };
    i->was_invoked = true;
    if (!i->ready) {
        set_time(&x, begun, begun, INIT_LIMIT_MS);
        while (!x.done && !i->ready)
            turn(&x);
        answer->init_ms = (double)(steady_us() / 1000 - i->started_ms);
    }
    int64_t from = event->sent_us ? event->sent_us : steady_us();
    set_time(&x, begun, from, event->timeout_s * 1000);
    x.sent = event->sent_us != 0;
    while (!x.done) {
        struct instance_connection *c = x.sent ? NULL : asking(i);
        if (c)
            x.sent = send_event(i, c, event, x.until_us);
        turn(&x);
    }
    if (!answer->impatient || str_is_none(answer->status) ||
        !str_eq(answer->status, STR("timeout")))
        answer->impatient = false;
    answer->duration_ms = (double)(steady_us() - from) / 1000;
    if (!cold)
        answer->init_ms = -1;
    answer->untouched = !cold && !x.sent && i->gone && !answer->impatient;
    read_output(i);
    return str_is_none(answer->payload) ? &fault_no_memory : NULL;
}

int64_t instance_memory(struct instance *i)
{
    int64_t now = steady_us() / 1000;
    if (i->rss && now - i->rss_at_ms < RSS_EVERY_MS)
        return i->rss;
    char path[64], text[128];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%lld/statm", (long long)i->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%*d %ld", &pages) == 1 && pages * sysconf(_SC_PAGESIZE) > i->rss)
        i->rss = pages * sysconf(_SC_PAGESIZE);
    i->rss_at_ms = now;
    return i->rss;
}

/* wire/http_server.c - exchanges over libmicrohttpd: one thread for the sockets, workers for what may wait. */
#include "wire/http_server.h"

#include "wire/http_found.h"
#include "wire/http_screen.h"
#include "wire/listen.h"
#include "wire/patience.h"
#include "wire/workers.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    POOL = 64 * 1024,            /* libmicrohttpd's memory of one connection, headers included */
    PIECE = 64 * 1024,           /* of an answer's body */
    DROP_MAX = 16 * 1024 * 1024, /* of a body nobody wants any more */
    NOT_MODIFIED = 304,
};

struct http_server {
    const struct http_service *service;
    void *context;
    struct MHD_Daemon *daemon;
    struct workers *workers;
    struct patience *patience;
    str address;
    unsigned idle_s, pace;
    size_t arena_max;
    int64_t grace_ms;
    int listening;
    _Atomic bool closed; /* held or stopping: nobody new is served */
    pthread_mutex_t lock;
    pthread_cond_t landed;
    bool stopping;       /* under lock, as the rest */
    unsigned flights;    /* exchanges under way */
    struct flight *kept; /* and those of them that somebody else answers */
    unsigned kept_count;
};

struct flight {             /* an exchange, and what only this file needs of it */
    struct http_exchange x; /* first */
    struct job job;
    struct http_server *server;
    struct MHD_Connection *connection;
    struct wait *wait; /* the connection's */
    const char *line; /* where the request target lay when it was read */
    bool screened, begun, suspended, dropping, at_end, answered;
    enum http_next next; /* what `work` said */
    struct flight *next_kept;
    uint64_t received, dropped;
    int64_t started_s;
    str piece; /* of the answer's body, not yet sent */
    bool dry;  /* the body ended, or could not be read */
};

static int64_t steady_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static struct wait *wait_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* ---- the answer ---- */

static void run_read(struct job *job)
{
    struct flight *f = (struct flight *)((char *)job - offsetof(struct flight, job));

    if (f->x.answer.read(f->x.answer.from, &f->piece) || f->piece.len == 0) {
        f->piece = STR_NONE;
        f->dry = true;
    }
    MHD_resume_connection(f->connection);
}

static ssize_t on_read(void *self, uint64_t pos, char *to, size_t max)
{
    struct flight *f = self;

    (void)pos;
    if (f->piece.len == 0) {
        if (f->dry)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        MHD_suspend_connection(f->connection);
        f->job.run = run_read;
        if (!workers_add(f->server->workers, &f->job)) {
            f->dry = true;
            MHD_resume_connection(f->connection);
        }
        return 0;
    }
    str now = str_head(f->piece, max);
    memcpy(to, now.ptr, now.len);
    f->piece = str_from(f->piece, now.len);
    return (ssize_t)now.len;
}

static void add_headers(struct flight *f, struct MHD_Response *response)
{
    const struct http_answer *answer = &f->x.answer;

    for (size_t i = 0; i < answer->header_count; i++) {
        const char *name = arena_cstr(f->x.arena, answer->headers[i].name);
        const char *value = arena_cstr(f->x.arena, answer->headers[i].value);
        if (name && value && value[0])
            MHD_add_response_header(response, name, value); /* refuses line breaks */
    }
    if (answer->close)
        MHD_add_response_header(response, "Connection", "close");
}

/* Seconds that a body or an answer may take, however steadily it drips. */
static int64_t patience_for(const struct http_server *server, uint64_t bytes)
{
    return server->idle_s + (int64_t)(bytes / server->pace);
}

static uint64_t answer_size(const struct http_answer *answer)
{
    return answer->size > answer->text.len ? answer->size : answer->text.len;
}

/* libmicrohttpd takes a bare LF for a line end also between chunks, where nobody can look before it
 * does: a proxy in front may see the body end elsewhere (RFC 9112 section 11.2). So what follows
 * such a body is never read as a request: the connection ends with the answer. */
static enum MHD_Result queue_answer(struct flight *f)
{
    struct http_answer *answer = &f->x.answer;
    struct MHD_Response *response;

    if (f->server->closed || f->x.body_size == UINT64_MAX)
        answer->close = true;
    if (answer->size > 0 &&
        (answer->read || str_eq(f->x.method, STR("HEAD")) || answer->status == NOT_MODIFIED))
        response = MHD_create_response_from_callback(
            answer->size, answer->size < PIECE ? (size_t)answer->size : PIECE, on_read, f, NULL);
    else /* the exchange outlives the response, so nothing is copied */
        response = MHD_create_response_from_buffer(
            answer->text.len, (char *)(uintptr_t)answer->text.ptr, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    add_headers(f, response);
    f->answered = true;
    wait_at_most(f->wait, patience_for(f->server, answer_size(answer)) * 1000);
    enum MHD_Result queued = MHD_queue_response(
        f->connection, (unsigned)(answer->status ? answer->status : 200), response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct flight *f, int status, const char *why)
{
    f->x.answer = (struct http_answer) { .status = status, .close = true };
    f->x.answer.text = arena_strf(f->x.arena, "%s\n", why);
    http_add(&f->x.answer, STR("Content-Type"), STR("text/plain"));
    return queue_answer(f);
}

/* ---- what comes next ---- */

/* False: the server stops, and whoever comes after it does not know of this connection. */
static bool keep(struct flight *f)
{
    struct http_server *server = f->server;

    pthread_mutex_lock(&server->lock);
    bool kept = !server->stopping;
    if (kept) {
        f->next_kept = server->kept;
        server->kept = f;
        server->kept_count++;
        pthread_cond_broadcast(&server->landed);
    }
    pthread_mutex_unlock(&server->lock);
    return kept;
}

static void run_work(struct job *job)
{
    struct flight *f = (struct flight *)((char *)job - offsetof(struct flight, job));

    f->next = f->server->service->work(&f->x);
    if (f->next == HTTP_LATER) {
        if (!f->server->closed && workers_add_later(f->server->workers, job, f->x.later_ms))
            return; /* the connection stays suspended */
        f->next = HTTP_CLOSE;
    }
    if (f->next == HTTP_KEEP) {
        if (keep(f))
            return;
        f->next = HTTP_CLOSE;
    }
    assert(f->next != HTTP_WORK && "work is not followed by work");
    if (f->next == HTTP_ANSWER && f->x.answer.read && !str_eq(f->x.method, STR("HEAD"))) {
        /* The first piece at once: small objects need no second turn. */
        if (f->x.answer.read(f->x.answer.from, &f->piece) && f->x.answer.size > 0)
            f->dry = true;
    }
    MHD_resume_connection(f->connection);
}

static enum MHD_Result follow(struct flight *f, enum http_next next)
{
    switch (next) {
    case HTTP_READ:
        assert(!f->at_end && "there is no more body to read");
        return MHD_YES;
    case HTTP_WORK:
        MHD_suspend_connection(f->connection);
        f->suspended = true;
        f->job.run = run_work;
        if (!workers_add(f->server->workers, &f->job)) {
            f->next = HTTP_CLOSE;
            MHD_resume_connection(f->connection);
        }
        return MHD_YES;
    case HTTP_ANSWER:
        if (f->at_end)
            return queue_answer(f);
        if (f->received == 0 && (f->x.expects_continue ||
                                 (f->x.body_size > DROP_MAX && f->x.body_size != UINT64_MAX))) {
            f->x.answer.close = true;
            return queue_answer(f);
        }
        f->dropping = true; /* a client still sending might never read an answer given now */
        return MHD_YES;
    case HTTP_LATER:
    case HTTP_KEEP:
        assert(false && "only work is done later, or its connection kept");
        break;
    case HTTP_CLOSE:
        break;
    }
    return MHD_NO;
}

static enum MHD_Result on_chunk(struct flight *f, str chunk)
{
    f->received += chunk.len;
    if (steady_s() - f->started_s > patience_for(f->server, f->received))
        return MHD_NO;
    if (f->dropping)
        return (f->dropped += chunk.len) > DROP_MAX + (uint64_t)POOL ? MHD_NO : MHD_YES;
    return follow(f, f->server->service->chunk(&f->x, chunk));
}

/* ---- the head ---- */

static enum MHD_Result begin(struct flight *f, const char *method, const char *version)
{
    struct http_server *server = f->server;
    const struct http_found found = { f->connection, method, f->line, version };

    f->screened = true;
    wait_at_most(f->wait, 0); /* the body's pace is judged as it comes */
    bool plain;
    if (!http_found_take(&found, &f->x, &plain))
        return MHD_NO;
    struct http_head head = { f->x.method, f->x.target, f->x.version, f->x.headers,
                              f->x.header_count };
    struct http_framing framing;
    struct http_refusal refusal = http_screen(&head, &framing);
    if (!refusal.status && !plain)
        refusal =
            (struct http_refusal) { 400,
                                    "the head holds a NUL, a bare line feed or a folded line" };
    if (refusal.status) {
        if (server->service->refused)
            server->service->refused(server->context, f->x.peer, refusal.status, refusal.why);
        return refuse(f, refusal.status, refusal.why);
    }
    f->x.body_size = framing.body_size;
    f->x.expects_continue = framing.expects_continue;
    const bool closed = server->closed; /* it may be held this very moment */
    if (closed && !server->service->leaving)
        return refuse(f, 503, "this server is stopping, or about to start over");
    f->begun = true;
    return follow(f, (closed ? server->service->leaving
                             : server->service->begin)(server->context, &f->x));
}

/* ---- libmicrohttpd's callbacks ---- */

/* Called with the request line's target before it is unescaped in place. libmicrohttpd takes the query
 * apart as well, into its own small memory, and where that is full it (0.9.75) neither answers nor
 * closes. Nobody here asks it for parameters, so it is left none to find. */
static void *on_target(void *self, const char *target, struct MHD_Connection *connection)
{
    struct http_server *server = self;
    struct arena *arena = arena_new(server->arena_max);
    struct flight *f = arena ? ARENA_NEW(arena, struct flight) : NULL;

    if (!f || str_is_none(f->x.target = arena_str(arena, str_of(target)))) {
        arena_free(arena);
        return NULL;
    }
    f->x.arena = arena;
    f->server = server;
    f->connection = connection;
    f->wait = wait_of(connection);
    f->line = target;
    f->started_s = steady_s();
    size_t query = strcspn(target, "?");
    if (target[query])
        ((char *)(uintptr_t)target)[query + 1] = '\0';
    pthread_mutex_lock(&server->lock);
    server->flights++;
    pthread_mutex_unlock(&server->lock);
    return f;
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **own)
{
    struct flight *f = *own;

    (void)self, (void)connection, (void)url;
    if (!f)
        return MHD_NO;
    if (!f->screened)
        return begin(f, method, version);
    if (f->answered) /* libmicrohttpd, when being stopped, takes an answer, forgets it and reads on */
        return MHD_NO;
    if (f->suspended) {
        f->suspended = false;
        return follow(f, f->next);
    }
    if (*upload_size) {
        str chunk = { upload, *upload_size };
        *upload_size = 0;
        return on_chunk(f, chunk);
    }
    f->at_end = true;
    return follow(f, f->dropping ? HTTP_ANSWER : f->server->service->end(&f->x));
}

static void on_over(void *self, struct MHD_Connection *connection, void **own,
                    enum MHD_RequestTerminationCode how)
{
    struct http_server *server = self;
    struct flight *f = *own;

    (void)how;
    wait_for_word(wait_of(connection), server->idle_s * 1000); /* of the next head */
    if (!f)
        return;
    *own = NULL;
    if (f->begun)
        server->service->over(&f->x);
    arena_free(f->x.arena);
    pthread_mutex_lock(&server->lock);
    if (--server->flights <= server->kept_count)
        pthread_cond_broadcast(&server->landed);
    pthread_mutex_unlock(&server->lock);
}

/* A head may take as long as a connection may be silent; each of its bytes would break a silence. */
static void on_connection(void *self, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = self;
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        wait_free(*context);
        *context = NULL;
    } else if (fd) {
        *context = wait_new(server->patience, fd->connect_fd);
        wait_for_word(*context, server->idle_s * 1000);
    }
}

/* ---- start and stop ---- */

const struct fault *http_server_start(const struct http_settings *settings, struct arena *arena,
                                      struct http_server **ret_server)
{
    struct http_server *server = ARENA_NEW(arena, struct http_server);
    int fd = -1;

    if (!server)
        return &fault_no_memory;
    server->service = settings->service;
    server->context = settings->context;
    server->idle_s = settings->idle_s ? settings->idle_s : 60;
    server->pace = settings->pace ? settings->pace : 1024;
    server->arena_max = settings->arena_max ? settings->arena_max : 32u * 1024 * 1024;
    server->grace_ms = settings->grace_ms ? settings->grace_ms : 10000;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->landed, NULL);

    if (settings->listening) {
        fd = settings->listening;
        TRY(listen_inherited(fd, arena, &server->address));
    } else {
        TRY(listen_at(settings->address, LISTEN_V6_ONLY, arena, &fd, &server->address));
    }
    server->listening = fd;
    server->workers = workers_start(settings->workers ? settings->workers : 16);
    server->patience = patience_start();
    if (server->workers && server->patience)
        server->daemon = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
            server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
            MHD_OPTION_NOTIFY_COMPLETED, on_over, server, MHD_OPTION_NOTIFY_CONNECTION,
            on_connection, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL,
            MHD_OPTION_CONNECTION_LIMIT, settings->connections ? settings->connections : 1000u,
            MHD_OPTION_CONNECTION_TIMEOUT, server->idle_s, MHD_OPTION_END);
    if (!server->daemon) {
        workers_free(server->workers);
        patience_stop(server->patience);
        close(fd);
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the HTTP server at " STR_FMT " does not start", STR_ARG(settings->address));
    }
    *ret_server = server;
    return NULL;
}

str http_server_address(const struct http_server *server)
{
    return server->address;
}

static void wait_for_landing(struct http_server *server, int64_t grace_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += grace_ms / 1000;
    until.tv_nsec += grace_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->lock);
    while (server->flights > server->kept_count)
        if (pthread_cond_clockwait(&server->landed, &server->lock, CLOCK_MONOTONIC, &until) ==
            ETIMEDOUT)
            break;
    pthread_mutex_unlock(&server->lock);
}

static void let_nobody_in(struct http_server *server)
{
    if (server->closed)
        return;
    server->closed = true;
    MHD_quiesce_daemon(server->daemon); /* the socket is ours again */
}

void http_server_hold(struct http_server *server, int64_t grace_ms)
{
    let_nobody_in(server);
    wait_for_landing(server, grace_ms);
}

int http_server_listening(const struct http_server *server)
{
    return server->listening;
}

size_t http_server_kept(struct http_server *server, int *ret_fds, size_t room)
{
    size_t count = 0;

    pthread_mutex_lock(&server->lock);
    for (const struct flight *f = server->kept; f; f = f->next_kept) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(f->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info && count++ < room)
            ret_fds[count - 1] = info->connect_fd;
    }
    pthread_mutex_unlock(&server->lock);
    return count;
}

/* The socket's buffer is empty, so all of it fits. */
void http_answer_kept(int fd, str content_type, str text)
{
    char head[512];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 200 OK\r\nContent-Type: " STR_FMT
                       "\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                       "Connection: close\r\n\r\n",
                       STR_ARG(content_type), text.len);
    struct iovec pieces[] = { { head, (size_t)len }, { (char *)(uintptr_t)text.ptr, text.len } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* who has left needs no answer */
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void close_kept(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    struct flight *kept = server->kept;
    server->kept = NULL;
    server->kept_count = 0;
    pthread_mutex_unlock(&server->lock);
    for (struct flight *next; kept; kept = next) {
        next = kept->next_kept;
        kept->next = HTTP_CLOSE;
        MHD_resume_connection(kept->connection);
    }
}

/* No new connections; answers under way go out; then the workers end, which resumes whatever was
 * suspended, as libmicrohttpd wants before it stops. */
void http_server_stop(struct http_server *server)
{
    if (!server)
        return;
    let_nobody_in(server);
    close_kept(server);
    wait_for_landing(server, server->grace_ms);
    workers_stop(server->workers);
    MHD_stop_daemon(server->daemon);
    close(server->listening);
    workers_free(server->workers);
    patience_stop(server->patience);
    pthread_cond_destroy(&server->landed);
    pthread_mutex_destroy(&server->lock);
}

str http_header(const struct http_exchange *x, str name)
{
    for (size_t i = 0; i < x->header_count; i++)
        if (str_eq_nocase(x->headers[i].name, name))
            return x->headers[i].value;
    return STR_NONE;
}

void http_add(struct http_answer *answer, str name, str value)
{
    assert(answer->header_count < sizeof answer->headers / sizeof answer->headers[0] &&
           "an answer has few fields");
    answer->headers[answer->header_count++] = (struct header) { name, value };
}

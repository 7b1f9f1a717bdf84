/* smtp/server.c - listeners and loops: who is let in, and how it all begins and ends.
 *
 * Every loop is a thread with a listening socket of its own on each address; the kernel spreads the
 * connections over them (SO_REUSEPORT), and a connection stays with its loop to its end. */
#include "smtp/server.h"

#include "base/thread.h"
#include "smtp/connection.h"
#include "wire/listen.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT_AT_ONCE = 64, PAUSE_MS = 100, LOOPS_MAX = 256, POLL_MS = 20 };

struct door { /* one listening socket of one loop */
    struct smtp_loop *loop;
    const struct smtp_listener *listener;
    int fd;
    struct watch *watch;
};

struct smtp_loop {
    struct smtp_server *server;
    struct lane lane;
    struct door *doors;
    pthread_t thread;
    bool started;
    struct loop_task drain, end; /* posted by drain and stop */
    struct watch *deadline;      /* of the drain */
    bool doors_shut;
};

struct smtp_server {
    struct smtp_server_settings settings;
    struct smtp_listener *listeners;
    str *addresses;
    struct admission *admission;
    struct watching watching;
    struct smtp_loop *loops;
    unsigned loop_count;
    int64_t drain_deadline_ms;
    bool draining;
    unsigned shut; /* atomic: loops that let nobody in any more */
};

/* ---- letting in ---- */

static void turn_away(struct door *door, int fd, str address, unsigned reply)
{
    char line[512];
    const struct smtp_settings *settings = &door->listener->settings;
    const struct smtp_reply_words words = { .hostname = settings->hostname,
                                            .peer = address,
                                            .compat_ses = settings->compat_ses };
    size_t len = smtp_reply_write(reply, &words, line, sizeof line);
    /* First, so that it is listed when the other side has heard it. */
    saw_connection_refused(&door->loop->server->watching, door->listener->region, address, reply,
                           (str) { line, len });
    ssize_t sent = send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* an empty socket has room for a line; if not, so be it */
    close(fd);
}

static void let_in(struct door *door, int fd, str address)
{
    struct admission *admission = door->loop->server->admission;
    switch (admission_enter(admission, address)) {
    case ADMIT_FULL: /* it comes again, and finds the places of those who did nothing */
        connections_make_room(&door->loop->lane);
        turn_away(door, fd, address, REPLY_FULL);
        return;
    case ADMIT_ADDRESS:
        turn_away(door, fd, address, REPLY_ADDRESS);
        return;
    case ADMIT:
        break;
    }
    if (!connection_begin(&door->loop->lane, door->listener, fd, address)) {
        admission_leave(admission, address);
        turn_away(door, fd, address, REPLY_FULL);
    }
}

static void on_knock(void *context, unsigned what)
{
    struct door *door = context;
    if (what & WATCH_TIMEOUT) {
        watch_for(door->watch, WATCH_READ, 0);
        return;
    }
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        char address[STREAM_ADDRESS_SIZE];
        int fd = stream_accept(door->fd, address);
        if (fd >= 0) {
            let_in(door, fd, str_of(address));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The queue stays readable, so waiting for it would spin. */
            struct clock *clock = door->loop->lane.settings->outside->clock;
            saw_no_accept(&door->loop->server->watching, errno, clock->steady_ms(clock));
            watch_for(door->watch, 0, PAUSE_MS);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* ---- a loop ---- */

static void shut_doors(struct smtp_loop *loop)
{
    if (loop->doors_shut)
        return;
    loop->doors_shut = true;
    for (size_t i = 0; i < loop->server->settings.listener_count; i++) {
        watch_free(loop->doors[i].watch);
        if (loop->doors[i].fd >= 0)
            close(loop->doors[i].fd);
        loop->doors[i] = (struct door) { .fd = -1 };
    }
    __atomic_fetch_add(&loop->server->shut, 1, __ATOMIC_RELEASE);
}

static void on_deadline(void *context, unsigned what)
{
    struct smtp_loop *loop = context;
    (void)what;
    watch_for(loop->deadline, 0, 0);
    connections_end(&loop->lane);
}

static void on_drain(struct loop_task *task)
{
    struct smtp_loop *loop =
        (struct smtp_loop *)(void *)((char *)task - offsetof(struct smtp_loop, drain));
    struct clock *clock = loop->lane.settings->outside->clock;
    int64_t left = loop->server->drain_deadline_ms - clock->steady_ms(clock);
    shut_doors(loop);
    connections_drain(&loop->lane);
    loop->deadline = watch_new(loop->lane.loop, -1, on_deadline, loop);
    if (left <= 0 || !loop->deadline)
        connections_end(&loop->lane);
    else
        watch_for(loop->deadline, 0, left);
}

static void on_end(struct loop_task *task)
{
    struct smtp_loop *loop =
        (struct smtp_loop *)(void *)((char *)task - offsetof(struct smtp_loop, end));
    shut_doors(loop);
    connections_end(&loop->lane);
}

static void *run(void *context)
{
    struct smtp_loop *loop = context;
    thread_begins("smtp", THREAD_AWAITED);
    loop_run(loop->lane.loop);
    return NULL;
}

static const struct fault *open_door(struct door *door, struct arena *arena, str *address)
{
    const struct smtp_listener *listener = door->listener;
    size_t loop = (size_t)(door->loop - door->loop->server->loops);
    if (loop < listener->listening_count) {
        door->fd = listener->listening[loop];
        return listen_inherited(door->fd, arena, address);
    }
    /* Port 0 is chosen for the first loop; the others share what it got. */
    return listen_at(address->len ? *address : listener->address, LISTEN_SHARED, arena, &door->fd,
                     address);
}

static const struct fault *open_doors(struct smtp_loop *loop, struct arena *arena)
{
    struct smtp_server *server = loop->server;
    size_t count = server->settings.listener_count;
    loop->doors = calloc(count, sizeof *loop->doors);
    if (!loop->doors)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        loop->doors[i].fd = -1;
    for (size_t i = 0; i < count; i++) {
        struct door *door = &loop->doors[i];
        *door = (struct door) { .loop = loop, .listener = &server->listeners[i], .fd = -1 };
        TRY(open_door(door, arena, &server->addresses[i]));
        door->watch = watch_new(loop->lane.loop, door->fd, on_knock, door);
        if (!door->watch)
            return &fault_no_memory;
        watch_for(door->watch, WATCH_READ, 0);
    }
    return NULL;
}

static const struct fault *open_loop(struct smtp_server *server, struct smtp_loop *loop,
                                     struct arena *arena)
{
    loop->server = server;
    loop->drain.run = on_drain;
    loop->end.run = on_end;
    loop->lane = (struct lane) {
        .loop = loop_new(),
        .settings = &server->settings,
        .admission = server->admission,
        .watching = &server->watching,
        .input = malloc(INPUT_SIZE),
    };
    lane_prepare(&loop->lane);
    if (!loop->lane.loop || !loop->lane.input)
        return &fault_no_memory;
    return open_doors(loop, arena);
}

/* Signals are main's; and SIGPIPE, which OpenSSL's writes may raise, is nobody's. */
static bool start_thread(struct smtp_loop *loop)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    loop->started = pthread_create(&loop->thread, NULL, run, loop) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return loop->started;
}

/* ---- the server ---- */

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (unsigned)n;
}

/* Sockets that no loop reads would take connections all the same. */
static void close_surplus(const struct smtp_server *server)
{
    for (size_t i = 0; i < server->settings.listener_count; i++)
        for (size_t n = server->loop_count; n < server->listeners[i].listening_count; n++)
            close(server->listeners[i].listening[n]);
}

static const struct fault *prepare(struct smtp_server *server, struct arena *arena)
{
    const struct smtp_server_settings *settings = &server->settings;
    size_t count = settings->listener_count;
    server->listeners = calloc(count, sizeof *server->listeners);
    server->addresses = calloc(count, sizeof *server->addresses);
    server->loops = calloc(server->loop_count, sizeof *server->loops);
    server->admission = admission_new(settings->connections_max, settings->connections_per_address);
    if (!server->listeners || !server->addresses || !server->loops || !server->admission)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        server->listeners[i] = settings->listeners[i];
        server->listeners[i].settings.offer_tls =
            settings->listeners[i].settings.offer_tls && settings->tls;
    }
    server->watching =
        watching_begin(settings->metrics, settings->outside->journal, settings->refusals);
    for (unsigned i = 0; i < server->loop_count; i++)
        TRY(open_loop(server, &server->loops[i], arena));
    close_surplus(server);
    for (unsigned i = 0; i < server->loop_count; i++) {
        if (!start_thread(&server->loops[i]))
            return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot start a thread for SMTP");
    }
    return NULL;
}

const struct fault *smtp_server_start(const struct smtp_server_settings *settings,
                                      struct arena *arena, struct smtp_server **ret_server)
{
    if (settings->listener_count == 0 || settings->connections_max == 0 ||
        settings->command_timeout_ms <= 0 || settings->message_timeout_ms <= 0)
        return fault(arena, FAULT_SYNTAX, NULL, "an SMTP server wants a listener and limits");
    struct smtp_server *server = calloc(1, sizeof *server);
    if (!server)
        return &fault_no_memory;
    server->settings = *settings;
    server->loop_count = settings->loops ? settings->loops : cores();
    if (server->loop_count > LOOPS_MAX)
        server->loop_count = LOOPS_MAX;
    const struct fault *failed = prepare(server, arena);
    if (failed) {
        smtp_server_stop(server);
        return failed;
    }
    *ret_server = server;
    return NULL;
}

str smtp_server_address(const struct smtp_server *server, size_t listener)
{
    return server->addresses[listener];
}

size_t smtp_server_listening(const struct smtp_server *server, size_t listener, int *ret_fds,
                             size_t room)
{
    for (unsigned i = 0; i < server->loop_count && i < room; i++)
        ret_fds[i] = server->loops[i].doors[listener].fd;
    return server->loop_count;
}

/* The loops count connections out; nobody waits for this but main at its end, so looking is enough.
 */
static void wait_until_empty(const struct smtp_server *server, unsigned loops)
{
    for (unsigned ms = 1; __atomic_load_n(&server->shut, __ATOMIC_ACQUIRE) < loops ||
                          admission_count(server->admission) > 0;
         ms = ms < POLL_MS / 2 ? 2 * ms : POLL_MS)
        usleep(ms * 1000);
}

void smtp_server_drain(struct smtp_server *server, int64_t deadline_ms)
{
    if (server->draining)
        return;
    server->draining = true;
    server->drain_deadline_ms = deadline_ms;
    for (unsigned i = 0; i < server->loop_count; i++)
        loop_post(server->loops[i].lane.loop, &server->loops[i].drain);
    wait_until_empty(server, server->loop_count);
}

static void end_loop(struct smtp_loop *loop)
{
    if (loop->started) {
        loop_stop(loop->lane.loop);
        pthread_join(loop->thread, NULL);
    }
    if (loop->doors)
        shut_doors(loop);
    watch_free(loop->deadline);
    if (loop->lane.loop)
        connections_free(&loop->lane);
    loop_free(loop->lane.loop);
    free(loop->lane.input);
    free(loop->doors);
}

void smtp_server_stop(struct smtp_server *server)
{
    if (!server)
        return;
    unsigned started = 0; /* all, unless the start failed on the way */
    for (; server->loops && started < server->loop_count && server->loops[started].started;
         started++)
        loop_post(server->loops[started].lane.loop, &server->loops[started].end);
    if (started)
        wait_until_empty(server, started);
    for (unsigned i = 0; server->loops && i < server->loop_count; i++)
        end_loop(&server->loops[i]);
    admission_free(server->admission);
    free(server->loops);
    free(server->addresses);
    free(server->listeners);
    free(server);
}

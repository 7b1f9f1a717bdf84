/* services/lambda/runner.c - the server's side: tickets out, answers in, one thread that listens.
 */
#include "services/lambda/runner.h"

#include "services/lambda/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICKETS = 64, ANSWER_WAIT_MS = 60 * 1000, ANSWER_TEXT_MAX = 4096 };

struct ticket {
    bool taken, answered, well;
    uint32_t number;
    uint64_t value;
    char text[ANSWER_TEXT_MAX];
    size_t len;
};

struct slot {
    int ended_fd;
    struct runner_end end;
};

struct runner {
    int socket;
    pid_t pid;
    pthread_t thread;
    bool listening;
    struct outside *outside;
    pthread_mutex_t lock; /* tickets, slots, gone */
    pthread_cond_t changed;
    struct ticket tickets[TICKETS];
    uint32_t next_ticket;
    unsigned slot_count;
    struct slot *slots;
    bool gone; /* the runner died: nothing can be started any more */
};

const struct fault *runner_fork(const struct runner_settings *settings, struct arena *arena,
                                struct runner **ret_runner)
{
    int ends[2];
    struct runner *r = ARENA_NEW(arena, struct runner);
    struct slot *slots = ARENA_ARRAY(arena, struct slot, settings->slots + 1);
    if (!r || !slots)
        return &fault_no_memory;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no socket for the runner: %s",
                     strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        _exit(runner_run(settings, ends[1]));
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return fault(arena, FAULT_UNAVAILABLE, NULL, "the runner could not be forked: %s",
                     strerror(errno));
    }
    *r = (struct runner) {
        .socket = ends[0], .pid = pid, .slot_count = settings->slots, .slots = slots
    };
    for (unsigned i = 0; i < settings->slots; i++)
        slots[i].ended_fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    *ret_runner = r;
    return NULL;
}

int64_t runner_pid(const struct runner *r)
{
    return r->pid;
}

/* ---- what it says ---- */

static void end_slot(struct runner *r, struct slot *slot, struct runner_end end)
{
    slot->end = end;
    slot->end.ended = true;
    if (slot->ended_fd >= 0) {
        uint64_t one = 1;
        ssize_t n = write(slot->ended_fd, &one, sizeof one);
        (void)n; /* counted already */
    }
    slot->ended_fd = -1;
    pthread_cond_broadcast(&r->changed);
}

static void hear(struct runner *r, const struct packet *f)
{
    if (f->word == PACKET_ENDED) {
        if (f->slot < r->slot_count)
            end_slot(r, &r->slots[f->slot],
                     (struct runner_end) { .out_of_memory = f->flags & PACKET_OUT_OF_MEMORY,
                                           .status = (int)f->number,
                                           .peak = f->peak });
        return;
    }
    struct ticket *t = &r->tickets[f->ticket % TICKETS];
    if (!t->taken || t->number != f->ticket)
        return;
    t->answered = true;
    t->well = f->word == PACKET_DONE;
    t->value = f->number;
    t->len = f->text.len < sizeof t->text ? f->text.len : sizeof t->text;
    memcpy(t->text, f->text.ptr, t->len);
    pthread_cond_broadcast(&r->changed);
}

static void lose(struct runner *r)
{
    r->gone = true;
    for (unsigned i = 0; i < r->slot_count; i++)
        end_slot(r, &r->slots[i], (struct runner_end) { .status = SIGKILL });
    for (unsigned i = 0; i < TICKETS; i++)
        r->tickets[i].answered = r->tickets[i].taken;
    pthread_cond_broadcast(&r->changed);
}

static void *listen_on(void *self)
{
    struct runner *r = self;
    char *bytes = malloc(PACKET_MAX);
    struct packet *f = malloc(sizeof *f);
    for (;;) {
        ssize_t len = bytes && f ? recv(r->socket, bytes, PACKET_MAX, 0) : 0;
        if (len < 0 && errno == EINTR)
            continue;
        pthread_mutex_lock(&r->lock);
        if (len > 0 && packet_read((str) { bytes, (size_t)len }, f))
            hear(r, f);
        else
            lose(r);
        bool gone = r->gone;
        pthread_mutex_unlock(&r->lock);
        if (gone)
            break;
    }
    free(bytes);
    free(f);
    return NULL;
}

const struct fault *runner_listen(struct runner *r, struct outside *outside, struct arena *arena)
{
    r->outside = outside;
    int why = pthread_create(&r->thread, NULL, listen_on, r);
    if (why)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no thread for the runner: %s", strerror(why));
    r->listening = true;
    return NULL;
}

void runner_shut(struct runner *r)
{
    shutdown(r->socket, SHUT_RDWR);
}

void runner_close(struct runner *r)
{
    if (!r)
        return;
    runner_shut(r);
    if (r->listening)
        pthread_join(r->thread, NULL);
    close(r->socket);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

/* ---- what it is told ---- */

static const struct fault *tell(struct runner *r, const struct packet *f, const int *fds,
                                size_t fd_count, struct arena *arena)
{
    AUTO_BUF bytes = buf_new(PACKET_MAX);
    packet_write(f, &bytes);
    if (bytes.failed)
        return fault(arena, FAULT_LIMIT, NULL,
                     "more is to be told to the runner than one message holds");
    struct iovec piece = { bytes.ptr, bytes.len };
    union {
        char room[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = { .room = "" };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    if (fd_count) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(r->socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)bytes.len ? NULL
                                      : fault(arena, FAULT_UNAVAILABLE, NULL,
                                              "the runner cannot be told: %s", strerror(errno));
}

static struct timespec moment_in(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* Locked. Waits for a free ticket, then for its answer. */
static const struct fault *take_ticket(struct runner *r, struct arena *arena,
                                       struct ticket **ret_ticket)
{
    const struct timespec until = moment_in(ANSWER_WAIT_MS);
    for (;;) {
        if (r->gone)
            return fault(arena, FAULT_UNAVAILABLE, NULL, "the runner of functions has ended");
        for (unsigned i = 0; i < TICKETS; i++) {
            uint32_t number = ++r->next_ticket;
            struct ticket *t = &r->tickets[number % TICKETS];
            if (t->taken)
                continue;
            t->taken = true;
            t->answered = t->well = false;
            t->number = number;
            *ret_ticket = t;
            return NULL;
        }
        if (pthread_cond_clockwait(&r->changed, &r->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            return fault(arena, FAULT_UNAVAILABLE, NULL, "the runner has too much to do");
    }
}

/* Asks and waits. `code`: of the fault, when the runner says no. */
static const struct fault *ask(struct runner *r, struct packet *f, const int *fds, size_t fd_count,
                               const char *code, struct arena *arena, str *ret_text,
                               int64_t *ret_value)
{
    struct ticket *t = NULL;
    pthread_mutex_lock(&r->lock);
    const struct fault *why = take_ticket(r, arena, &t);
    pthread_mutex_unlock(&r->lock);
    if (why)
        return why;
    f->ticket = t->number;
    why = tell(r, f, fds, fd_count, arena);
    const struct timespec until = moment_in(ANSWER_WAIT_MS);
    pthread_mutex_lock(&r->lock);
    while (!why && !t->answered) {
        if (pthread_cond_clockwait(&r->changed, &r->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            why = fault(arena, FAULT_UNAVAILABLE, NULL, "the runner does not answer");
    }
    str text = why || r->gone ? STR_NONE : arena_str(arena, (str) { t->text, t->len });
    if (!why && r->gone)
        why = fault(arena, FAULT_UNAVAILABLE, NULL, "the runner of functions has ended");
    if (!why && !t->well)
        why = fault_coded(arena, code ? FAULT_SYNTAX : FAULT_UNAVAILABLE, code, STR_FMT,
                          STR_ARG(text));
    if (!why && ret_text)
        *ret_text = text;
    if (!why && ret_value)
        *ret_value = (int64_t)t->value;
    t->taken = false;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return why;
}

static struct packet *packet_new(struct arena *arena, enum packet_word word)
{
    struct packet *f = ARENA_NEW(arena, struct packet);
    if (f) {
        f->word = word;
        f->text = STR("");
    }
    return f;
}

const struct fault *runner_unpack(struct runner *r, str hash, int zip, struct arena *arena,
                                  str *ret_folder)
{
    struct packet *f = packet_new(arena, PACKET_UNPACK);
    if (!f)
        return &fault_no_memory;
    f->text = hash;
    return ask(r, f, &zip, 1, "InvalidParameterValueException", arena, ret_folder, NULL);
}

void runner_forget(struct runner *r, str hash)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct packet *f = arena ? packet_new(arena, PACKET_FORGET) : NULL;
    if (!f)
        return;
    f->text = hash;
    tell(r, f, NULL, 0, arena); /* it stays until the server ends, then */
}

const struct fault *runner_start(struct runner *r, const struct runner_start *s,
                                 struct arena *arena, int64_t *ret_pid)
{
    struct packet *f = packet_new(arena, PACKET_START);
    if (!f)
        return &fault_no_memory;
    if (s->slot >= r->slot_count || s->argument_count > PACKET_ARGUMENTS_MAX ||
        s->environment_count > PACKET_ENVIRONMENT_MAX)
        return fault(arena, FAULT_LIMIT, NULL,
                     "a function has more variables than a process is given");
    f->slot = s->slot;
    f->number = s->memory_mb;
    f->text = s->code_hash;
    memcpy(f->arguments, s->arguments, s->argument_count * sizeof(str));
    f->argument_count = s->argument_count;
    memcpy(f->environment, s->environment, s->environment_count * sizeof(str));
    f->environment_count = s->environment_count;
    pthread_mutex_lock(&r->lock);
    r->slots[s->slot] = (struct slot) { .ended_fd = s->ended };
    pthread_mutex_unlock(&r->lock);
    const struct fault *why =
        ask(r, f, (int[]) { s->runtime, s->output }, 2, NULL, arena, NULL, ret_pid);
    if (why) {
        pthread_mutex_lock(&r->lock);
        r->slots[s->slot].ended_fd = -1;
        pthread_mutex_unlock(&r->lock);
    }
    return why;
}

void runner_kill(struct runner *r, unsigned slot)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct packet *f = arena ? packet_new(arena, PACKET_KILL) : NULL;
    if (!f)
        return;
    f->slot = slot;
    tell(r, f, NULL, 0,
         arena); /* a runner that cannot be told is gone, and with it all it started */
}

struct runner_end runner_ended(struct runner *r, unsigned slot, int64_t wait_ms)
{
    const struct timespec until = moment_in(wait_ms);
    pthread_mutex_lock(&r->lock);
    while (!r->slots[slot].end.ended && !r->gone) {
        if (pthread_cond_clockwait(&r->changed, &r->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            break;
    }
    struct runner_end end = r->slots[slot].end;
    pthread_mutex_unlock(&r->lock);
    return end;
}

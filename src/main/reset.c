#include "main/reset.h"

#include "base/json.h"
#include "main/page.h"
#include "main/wipe.h"
#include "services/sqs/sqs.h"
#include "wire/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GRACE_MS = 500, LOOPS_MAX = 256, KEPT_MAX = 1024 };

extern char **environ;

/* ---- asked for ---- */

const struct fault *page_reset(struct server *s, const struct own_page *page, str segment,
                               struct arena *a, struct own_answer *answer)
{
    (void)page, (void)segment;
    if (!s->config->allow_reset)
        return fault(a, FAULT_DENIED, NULL,
                     "a reset deletes everything, so this server does it only with --allow-reset");
    TRY(wipe_check(s->dir.path, s->outside.disk, a));
    TRY(wipe_mark(s->dir.path, s->outside.disk, a));
    int64_t none = 0;
    atomic_compare_exchange_strong(&s->reset_asked_ms, &none, page->asked_ms);
    answer->kept = true;
    return kill(getpid(), RESET_SIGNAL) == 0
               ? NULL
               : fault(a, FAULT_UNAVAILABLE, NULL, "the server cannot be woken: %s",
                       strerror(errno));
}

bool reset_is_asked(struct server *s)
{
    return s->reset_asked_ms != 0;
}

const struct fault *reset_check(const struct server *s, bool changes_user, struct arena *a)
{
    if (!s->config->allow_reset || s->before.given)
        return NULL;
    if (changes_user)
        return fault(
            a, FAULT_CONFLICT, NULL,
            "--allow-reset and --user do not go together: a reset starts the server over, and "
            "what that does as root it could not do again; start it as that user instead");
    return wipe_check(s->dir.path, s->outside.disk, a);
}

/* ---- the old image ---- */

static int copied(int fd)
{
    return fcntl(fd, F_DUPFD, STDERR_FILENO + 1); /* without FD_CLOEXEC */
}

/* fds are copied in place. */
static const struct fault *copy_all(int *fds, size_t count, struct arena *a)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = copied(fds[i]);
        if (fds[i] < 0)
            return fault(a, FAULT_UNAVAILABLE, NULL, "a descriptor cannot be handed over: %s",
                         strerror(errno));
    }
    return NULL;
}

static const struct fault *leave_sockets(struct server *s, struct handover *h)
{
    const struct config *c = s->config;
    h->listening = ARENA_ARRAY(s->arena, struct handed, c->smtp_count + 1);
    if (!h->listening)
        return &fault_no_memory;
    for (size_t i = 0; i <= c->smtp_count; i++) {
        int *fds = ARENA_ARRAY(s->arena, int, LOOPS_MAX);
        if (!fds)
            return &fault_no_memory;
        fds[0] = api_server_listening(s->api_server);
        const bool api = i == c->smtp_count;
        size_t count = api ? 1 : smtp_server_listening(s->smtp_server, i, fds, LOOPS_MAX);
        h->listening[i] = (struct handed) { .face = api ? HANDED_API : HANDED_SMTP,
                                            .address = api ? c->api : c->smtp[i].address,
                                            .fds = fds,
                                            .count = count };
        TRY(copy_all(fds, count, s->arena));
    }
    h->listening_count = c->smtp_count + 1;
    return NULL;
}

static const struct fault *leave_answers(struct server *s, struct handover *h)
{
    int *fds = ARENA_ARRAY(s->arena, int, KEPT_MAX);
    if (!fds)
        return &fault_no_memory;
    size_t there = api_server_kept(s->api_server, fds, KEPT_MAX);
    h->answers = fds;
    h->answer_count = there < KEPT_MAX ? there : KEPT_MAX;
    return copy_all(fds, h->answer_count, s->arena);
}

/* Whoever talks to us hears something; what runs is given a moment, and then the exec ends it: the
 * bytes it works on are about to go. */
static void quiet_down(struct server *s)
{
    struct clock *clock = s->outside.clock;
    const int64_t now_ms = clock->steady_ms(clock), deadline_ms = now_ms + GRACE_MS;
    s->ending = true;
    s->spool->ops->stop(s->spool);
    sqs_embedded_stop(s->sqs);
    lambda_stop(s->lambda, now_ms); /* its runner ends while we go on */
    smtp_server_drain(s->smtp_server, now_ms);
    api_server_hold(s->api_server, GRACE_MS);
    deliverers_stop(s->deliverers, deadline_ms);
}

/* The words it was started with. */
static char **arguments(int argc, char *const *argv, struct arena *a)
{
    char **all = ARENA_ARRAY(a, char *, (size_t)argc + 3);
    if (!all)
        return NULL;
    all[0] = program_invocation_name;
    all[1] = (char *)(uintptr_t)"serve";
    for (int i = 0; i < argc; i++)
        all[i + 2] = argv[i];
    return all;
}

static char **environment(const char *handover, struct arena *a)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **all = ARENA_ARRAY(a, char *, count + 2);
    if (!all)
        return NULL;
    memcpy(all, environ, count * sizeof *all);
    all[count] = (char *)(uintptr_t)handover;
    return all;
}

const struct fault *reset_start_over(struct server *s, int argc, char *const *argv)
{
    struct handover h = { .lock = copied(s->dir.lock),
                          .asked_ms = s->reset_asked_ms,
                          .runner = runner_pid(s->runner) };
    s->outside.journal->note(s->outside.journal, JOURNAL_INFO, STR("main"), STR("resetting"),
                             STR(""));
    TRY(leave_sockets(s, &h));
    quiet_down(s);
    TRY(leave_answers(s, &h));
    char **args = arguments(argc, argv, s->arena);
    const char *variable = handover_write(&h, getpid(), s->arena);
    char **env = variable ? environment(variable, s->arena) : NULL;
    if (!args || !env)
        return &fault_no_memory;
    journal_to_fd_flush(s->outside.journal);
    /* The very program that runs, though its file may have been replaced. */
    execve("/proc/self/exe", args, env);
    return fault(s->arena, FAULT_UNAVAILABLE, NULL, "the server cannot start over: %s",
                 strerror(errno));
}

/* ---- the new image ---- */

static const struct fault *close_on_exec(int fd, struct arena *a)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return NULL;
    return fault(a, FAULT_UNAVAILABLE, NULL, "the descriptor %d was not handed over: %s", fd,
                 strerror(errno));
}

const struct fault *reset_inherit(struct arena *a, struct handover *ret_handover)
{
    const char *value = getenv(HANDOVER_VARIABLE);
    TRY(handover_read(value ? arena_str(a, str_of(value)) : STR_NONE, getpid(), a, ret_handover));
    unsetenv(HANDOVER_VARIABLE);
    if (!ret_handover->given)
        return NULL;
    prctl(PR_SET_NAME, program_invocation_short_name, 0, 0, 0); /* else it is "exe" */
    TRY(close_on_exec(ret_handover->lock, a));
    for (size_t i = 0; i < ret_handover->answer_count; i++)
        TRY(close_on_exec(ret_handover->answers[i], a));
    return NULL; /* those that listen are looked at when they are taken */
}

const struct fault *reset_finish(struct server *s)
{
    /* Its functions still hold credentials of the old world, and their slots' users. */
    if (s->before.runner)
        while (waitpid((pid_t)s->before.runner, NULL, 0) < 0 && errno == EINTR)
            ;
    bool wiped;
    TRY(wipe_finish(s->dir.path, s->outside.disk, s->arena, &wiped));
    if (wiped && !s->before.given)
        s->outside.journal->note(s->outside.journal, JOURNAL_WARNING, STR("main"),
                                 STR("reset-finished"), STR(""));
    return NULL;
}

void reset_answer(struct server *s)
{
    struct handover *h = &s->before;
    struct clock *clock = s->outside.clock;
    if (!h->given)
        return;
    journal_notef(s->outside.journal, JOURNAL_INFO, STR("main"), STR("reset"), "\"ms\":%lld",
                  (long long)(clock->steady_ms(clock) - h->asked_ms));
    for (size_t i = 0; i < h->answer_count; i++)
        http_answer_kept(h->answers[i], STR("application/json"), STR("{\"status\": \"ok\"}"));
    h->answer_count = 0;
}

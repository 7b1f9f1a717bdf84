/* main/serve.c - `sesame serve`: begins, says so, waits for a signal, drains. */
#include "main/assemble.h"
#include "main/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_MS = 10 * 1000, SERVE_ARENA = 256 << 20 };

extern char **environ;

static sigset_t ending_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

static const struct fault *say_ready(struct server *s, struct arena *a)
{
    str line = server_ready_line(s, a);
    if (!line.ptr)
        return &fault_no_memory;
    TRY(data_dir_put_ready(&s->dir, a, line));
    if (fwrite(line.ptr, 1, line.len, stdout) != line.len || fflush(stdout) != 0)
        return fault(a, FAULT_UNAVAILABLE, NULL,
                     "the ready line could not be written to standard output");
    return NULL;
}

static void note(const struct server *s, const char *event)
{
    s->outside.journal->note(s->outside.journal, JOURNAL_INFO, STR("main"), str_of(event), STR(""));
}

/* Returns when it is time to end. */
static void serve_until_told(void)
{
    sigset_t set = ending_signals();
    int signal;
    while (sigwait(&set, &signal) != 0)
        ;
    /* A second signal does not wait for the drain. */
    struct sigaction usual = { .sa_handler = SIG_DFL };
    sigaction(SIGTERM, &usual, NULL);
    sigaction(SIGINT, &usual, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int command_serve(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(SERVE_ARENA);
    if (!a)
        return command_failed(&fault_no_memory, NULL);
    struct config config;
    struct server *s;
    const struct fault *f = config_read(FOR_SERVE, argc, argv, environ, a, &config);
    if (f)
        return command_failed(f, a);

    sigset_t set = ending_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: all of them inherit it */
    signal(SIGPIPE, SIG_IGN);
    f = server_open(&config, a, &s);
    if (f) {
        int code = command_failed(f, a);
        return code == 2 ? 1 : code; /* the flags were well; what they mean was not */
    }
    f = say_ready(s, a);
    int code = f ? command_failed(f, a) : 0;
    if (!f) {
        if (config.demo)
            demo_print(s);
        serve_until_told();
        note(s, "draining");
    }
    data_dir_remove_ready(&s->dir, a);
    bool whole = server_close(s, s->outside.clock->steady_ms(s->outside.clock) + DRAIN_MS);
    if (!whole) {
        journal_to_fd_flush(s->outside.journal);
        _exit(code); /* something still runs on what we would free */
    }
    return code;
}

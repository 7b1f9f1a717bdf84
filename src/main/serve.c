/* main/serve.c - `sesame serve`: begins, says so, waits for a signal, drains. */
#include "base/json.h"
#include "main/assemble.h"
#include "main/commands.h"
#include "main/memory.h"
#include "main/reset.h"
#include "services/ses/block_list.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_MS = 10 * 1000, SERVE_ARENA = 256 << 20 };

extern char **environ;

/* What serve waits for. SIGHUP has a meaning only where there is something to read again; else it
 * ends the process, as it always does when a terminal is closed. */
static sigset_t signals_of(const struct config *config)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (config->block_list.ptr)
        sigaddset(&set, SIGHUP);
    if (config->allow_reset)
        sigaddset(&set, RESET_SIGNAL);
    return set;
}

static const struct fault *say_ready(struct server *s, struct arena *a)
{
    str line = server_ready_line(s, a);
    if (!line.ptr)
        return &fault_no_memory;
    TRY(data_dir_put_ready(&s->dir, a, line));
    if (s->before.given) /* whoever reads standard output was told where, and it is still there */
        return NULL;
    if (fwrite(line.ptr, 1, line.len, stdout) != line.len || fflush(stdout) != 0)
        return fault(a, FAULT_UNAVAILABLE, NULL,
                     "the ready line could not be written to standard output");
    return NULL;
}

static void note(const struct server *s, const char *event)
{
    s->outside.journal->note(s->outside.journal, JOURNAL_INFO, STR("main"), str_of(event), STR(""));
}

/* ---- the block list ---- */

static void note_block_list(struct server *s)
{
    const struct block_list *list = block_lists_now(s->block_lists);
    if (!list)
        return;
    AUTO_BUF members = buf_new(8192);
    struct json_writer w = json_writer(&members);
    json_add_str(&w, "file", block_list_name(list));
    json_add_int(&w, "networks", (int64_t)block_list_count(list));
    s->outside.journal->note(s->outside.journal, JOURNAL_INFO, STR("main"), STR("block-list-read"),
                             buf_str(&members));
    metric_set(metrics_gauge(s->metrics, STR("sesame_block_list_networks"),
                             STR("Networks of the block list in force"), STR("")),
               (int64_t)block_list_count(list));
    block_list_unref(list);
}

/* A list that is wrong is logged, and the one in force stays. */
static void read_again(struct server *s)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct fault *f = a ? block_lists_read(s->block_lists, a) : &fault_no_memory;
    if (!f) {
        note_block_list(s);
        return;
    }
    AUTO_BUF members = buf_new(8192);
    struct json_writer w = json_writer(&members);
    json_add_str(&w, "says", f->says);
    s->outside.journal->note(s->outside.journal, JOURNAL_ERROR, STR("main"),
                             STR("block-list-not-read"), buf_str(&members));
}

/* ---- until told ---- */

/* Returns when it is time to end; a fault: at once, as little is left to serve with. */
static const struct fault *serve_until_told(struct server *s, int argc, char *const *argv)
{
    sigset_t set = signals_of(s->config);
    struct memory_tidying tidying = { 0 };
    const struct timespec look = { .tv_sec = MEMORY_LOOK_SECONDS };
    for (int signal;
         (signal = sigtimedwait(&set, NULL, &look)) < 0 || signal == SIGHUP || signal == RESET_SIGNAL;) {
        if (signal < 0)
            memory_tidy(&tidying);
        if (signal == SIGHUP)
            read_again(s);
        if (signal == RESET_SIGNAL && reset_is_asked(s))
            TRY(reset_start_over(s, argc, argv));
    }
    /* A second signal does not wait for the drain. */
    struct sigaction usual = { .sa_handler = SIG_DFL };
    sigaction(SIGTERM, &usual, NULL);
    sigaction(SIGINT, &usual, NULL);
    sigdelset(&set, RESET_SIGNAL); /* who asks for a reset now gets no answer; the next start does it */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return NULL;
}

int command_serve(int argc, char *const *argv)
{
    memory_begin();
    AUTO_ARENA *a = arena_new(SERVE_ARENA);
    if (!a)
        return command_failed(&fault_no_memory, NULL);
    struct config config;
    struct handover before;
    struct server *s;
    const struct fault *f = reset_inherit(a, &before);
    if (!f)
        f = config_read(FOR_SERVE, argc, argv, environ, a, &config);
    if (f)
        return command_failed(f, a);

    sigset_t set = signals_of(&config);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread is made: all of them inherit it */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* under `ulimit -f` a write says EFBIG, as it says ENOSPC on a full disk */
    f = server_open(&config, &before, a, &s);
    if (f) {
        int code = command_failed(f, a);
        return code == 2 ? 1 : code; /* the flags were well; what they mean was not */
    }
    note_block_list(s);
    f = say_ready(s, a);
    int code = f ? command_failed(f, a) : 0;
    if (!f) {
        if (config.demo && !before.given)
            demo_print(s);
        reset_answer(s);
        f = serve_until_told(s, argc, argv);
        if (f) {
            command_failed(f, a);
            journal_to_fd_flush(s->outside.journal);
            _exit(1);
        }
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

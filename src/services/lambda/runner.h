/* services/lambda/runner.h - the process that starts functions, and how the server asks it to.
 *
 * Forked before the server gives up its privileges, because only they give each function a user, a
 * process and a mount namespace of its own. It takes part in nothing else: it opens no socket to the
 * world, reads no mail, and decides itself which user and which folders a slot gets, so whoever owned
 * the server could start code as nobodies and no more. It ends, and kills all it started, when the
 * server's end of the socket closes. */
#ifndef SESAME_SERVICES_LAMBDA_RUNNER_H
#define SESAME_SERVICES_LAMBDA_RUNNER_H

#include "base/outside.h"

struct runner;

struct runner_settings {
    unsigned slots;        /* processes at a time */
    unsigned first_uid;    /* slot n runs as first_uid + 1 + n, the code belongs to first_uid; as root only */
    const char *folder;    /* where the runner's own folder is made: code and scratch */
    const char *modules;   /* NULL: none */
    const char *bootstrap; /* share/lambda: copied, since functions may not reach it where it lies */
};

/* Forks it; call while there is one thread. The settings' texts must outlive the process. */
const struct fault *runner_fork(const struct runner_settings *, struct arena *, struct runner **ret_runner);
int64_t runner_pid(const struct runner *);
/* Once threads are allowed: begins to listen. */
const struct fault *runner_listen(struct runner *, struct outside *, struct arena *);
void runner_shut(struct runner *);  /* everything it started is killed, nothing is started any more */
void runner_close(struct runner *); /* that, and its end is waited for; NULL is fine */

/* The folder of this code; unpacked at its first use. `zip`: a descriptor to read it from. A zip that
 * is none is a FAULT_SYNTAX with Lambda's InvalidParameterValueException. */
const struct fault *runner_unpack(struct runner *, str hash, int zip, struct arena *, str *ret_folder);
void runner_forget(struct runner *, str hash);

struct runner_start {
    unsigned slot;
    str code_hash;
    uint64_t memory_mb;
    const str *arguments; /* "bootstrap" as the first: the one in the code's folder */
    size_t argument_count;
    const str *environment; /* NAME=value */
    size_t environment_count;
    int runtime; /* becomes descriptor 3 */
    int output;  /* becomes 1 and 2 */
    int ended;   /* an eventfd, counted up when the process has ended; the caller's, until then */
};
const struct fault *runner_start(struct runner *, const struct runner_start *, struct arena *,
                                 int64_t *ret_pid);
void runner_kill(struct runner *, unsigned slot); /* ENDED follows */

struct runner_end {
    bool ended, out_of_memory;
    int status; /* as wait(2) says */
    uint64_t peak;
};
/* Waits up to wait_ms for it to have ended. */
struct runner_end runner_ended(struct runner *, unsigned slot, int64_t wait_ms);

/* The runner's own main; returns the exit code. */
int runner_run(const struct runner_settings *, int socket);

#endif

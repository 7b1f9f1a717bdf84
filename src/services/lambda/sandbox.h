/* services/lambda/sandbox.h - what stands between a function's process and the machine.
 *
 * Called in the new process, between fork and exec; docs/functions.md says what each layer is worth.
 * Every layer that the kernel or our rights do not give is left out, except the system call filter
 * and "no new privileges", without which nothing is run. */
#ifndef SESAME_SERVICES_LAMBDA_SANDBOX_H
#define SESAME_SERVICES_LAMBDA_SANDBOX_H

#include "base/str.h"

struct sandbox {
    const char *code;      /* its folder: read and run */
    const char *scratch;   /* its own: everything */
    const char *modules;   /* NULL: none; a folder of the operator's: read */
    const char *bootstrap; /* ours: read */
    unsigned uid;          /* 0: stay who we are */
    uint64_t memory;       /* in bytes: RLIMIT_DATA where no cgroup bounds it; 0: a cgroup does */
    bool own_mounts;       /* we are in a mount namespace of our own */
    bool own_pids;         /* we are process 1 of a process namespace of our own */
};

/* NULL, or the name of what failed; then the process must end. */
const char *sandbox_enter(const struct sandbox *);

/* For the process that unpacks: its user, no new privileges, the filter. */
const char *sandbox_enter_bare(unsigned uid);

/* For the server itself, which runs no program and reads what strangers send. */
enum sandbox_held { SANDBOX_HELD, SANDBOX_UNKNOWN /* the kernel has it not */, SANDBOX_FAILED };
/* Before there are threads: files are made, changed and removed below these folders only (a folder that is not there
 * yet: below the nearest one above that is), and none is run. removable: NULL, or a file elsewhere in whose folder
 * files may be removed. */
enum sandbox_held sandbox_write_only(const char *const *folders, size_t count, const char *removable);
/* For all threads: no process, no program, no change of user, and what no function may. */
enum sandbox_held sandbox_serve_only(void);
/* For the process that starts functions, and with it for them: what none may, but for the mounts and namespaces that make
 * one's own world. */
enum sandbox_held sandbox_start_only(void);

#endif

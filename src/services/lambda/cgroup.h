/* services/lambda/cgroup.h - a bound on a function's memory, where a cgroup can be written.
 *
 * Version 2 where the memory controller is there, else version 1; below the cgroup the server itself
 * is in. The runner's alone, which is one thread. */
#ifndef SESAME_SERVICES_LAMBDA_CGROUP_H
#define SESAME_SERVICES_LAMBDA_CGROUP_H

#include "base/str.h"

enum { CGROUP_PATH_MAX = 512 };
struct cgroups {
    char base[CGROUP_PATH_MAX]; /* empty: no cgroup can be written */
    bool v2;
};

void cgroups_open(struct cgroups *);
/* False: this slot has none; watch it instead. */
bool cgroup_begin(const struct cgroups *, unsigned slot, uint64_t memory_bytes);
bool cgroup_join(const struct cgroups *, unsigned slot); /* by the process that calls */
uint64_t cgroup_ooms(const struct cgroups *, unsigned slot);
uint64_t cgroup_peak(const struct cgroups *, unsigned slot); /* bytes; 0: unknown */
void cgroups_close(const struct cgroups *, unsigned slots);

#endif

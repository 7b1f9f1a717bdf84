/* testing/disk_failing.h - the real disk, but the n-th call fails. Any thread. */
#ifndef SESAME_TESTING_DISK_FAILING_H
#define SESAME_TESTING_DISK_FAILING_H

#include "base/outside.h"

struct disk_failing {
    struct disk disk;   /* first: pass &failing.disk */
    struct disk *under; /* the disk that does the work */
    _Atomic uint64_t calls, fail_at; /* 0: none. Calls are counted from 1; close does not count */
    _Atomic int error;               /* EIO, ENOSPC, ... */
    _Atomic bool stays;              /* all later calls fail as well */
};

void disk_failing_init(struct disk_failing *, struct disk *under);
/* Counting starts anew: the next call is the first. */
void disk_failing_at(struct disk_failing *, uint64_t call, int error, bool stays);

#endif

/* testing/disk_sim.h - a disk in memory that can fail any call and be cut off at any step.
 *
 * Every change is recorded as a step: write, punch, allocate, truncate, create, rename, unlink, make and
 * remove directory, and the three syncs. The disk after a power cut at step k is rebuilt from the first k
 * steps: what a sync covered is there; of the rest, blocks of 4096 bytes and directory entries
 * are dropped, kept or torn. Any thread.
 *
 * What a real disk promises is kept: fdatasync makes one file's bytes and size last, but not its
 * name; sync_directory makes the names in it last; syncfs makes everything last. Paths are compared
 * as text after "//" and "/./" are made simple; ".." is refused. "/" exists from the start. */
#ifndef SESAME_TESTING_DISK_SIM_H
#define SESAME_TESTING_DISK_SIM_H

#include "base/outside.h"

struct disk_sim;

struct disk_sim *disk_sim_new(void);
void disk_sim_free(struct disk_sim *); /* after its last user; NULL is fine */
struct disk *disk_sim_disk(struct disk_sim *);

/* Failing. Calls are counted from 1; every function of struct disk but close counts. */
uint64_t disk_sim_calls(struct disk_sim *);
void disk_sim_fail(struct disk_sim *, uint64_t call, int error);      /* exactly this call, e.g. EIO */
void disk_sim_fail_from(struct disk_sim *, uint64_t call, int error); /* this one and all after it */
/* From this call on none reaches the disk, as if the process had been killed: all fail, and leave no
 * step, not even that of a failed sync. After disk_sim_heal the next start finds the page cache as
 * it was, with what was not synced still unsynced. */
void disk_sim_kill(struct disk_sim *, uint64_t call);
void disk_sim_short_write(struct disk_sim *, uint64_t call);          /* this call, if a write, writes half */
void disk_sim_set_room(struct disk_sim *, uint64_t bytes); /* past it: a short write, then ENOSPC */
void disk_sim_heal(struct disk_sim *);                     /* none of the above any more */

/* Power cuts. */
enum disk_cut {
    DISK_CUT_DROP, /* nothing unsynced was written */
    DISK_CUT_KEEP, /* everything was */
    DISK_CUT_TEAR, /* each block and each directory entry by the seed: old, new, or new up to a 512-byte sector */
};
uint64_t disk_sim_steps(struct disk_sim *);
/* A new disk, all synced, as a restart would find it when the power went after `steps` steps.
 * Recording starts anew on it. NULL: no memory. */
struct disk_sim *disk_sim_after_cut(struct disk_sim *, uint64_t steps, enum disk_cut, uint64_t seed);

/* For looking in: the bytes of a file, copied; STR_NONE when absent. */
str disk_sim_bytes(struct disk_sim *, const char *path, struct arena *);
/* Changes bytes behind everybody's back (damage). False: no such place. */
bool disk_sim_damage(struct disk_sim *, const char *path, uint64_t offset, unsigned char with);

#endif

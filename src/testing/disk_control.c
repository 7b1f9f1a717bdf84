/* testing/disk_control.c - how a test makes the disk in memory fail, and looks into it. */
#include "testing/disk_sim_steps.h"

#include <errno.h>

uint64_t disk_sim_calls(struct disk_sim *sim)
{
    pthread_mutex_lock(&sim->lock);
    uint64_t calls = sim->calls;
    pthread_mutex_unlock(&sim->lock);
    return calls;
}

uint64_t disk_sim_steps(struct disk_sim *sim)
{
    pthread_mutex_lock(&sim->lock);
    uint64_t steps = sim->step_count;
    pthread_mutex_unlock(&sim->lock);
    return steps;
}

static void set_failing(struct disk_sim *sim, enum fail_mode mode, uint64_t call, int error)
{
    pthread_mutex_lock(&sim->lock);
    sim->fail_mode = mode;
    sim->fail_call = call;
    sim->fail_error = error;
    pthread_mutex_unlock(&sim->lock);
}

void disk_sim_fail(struct disk_sim *sim, uint64_t call, int error)
{
    set_failing(sim, FAIL_ONCE, call, error);
}

void disk_sim_fail_from(struct disk_sim *sim, uint64_t call, int error)
{
    set_failing(sim, FAIL_FROM, call, error);
}

void disk_sim_kill(struct disk_sim *sim, uint64_t call)
{
    set_failing(sim, FAIL_KILLED, call, EIO);
}

void disk_sim_short_write(struct disk_sim *sim, uint64_t call)
{
    set_failing(sim, FAIL_SHORT, call, 0);
}

void disk_sim_set_room(struct disk_sim *sim, uint64_t bytes)
{
    pthread_mutex_lock(&sim->lock);
    sim->room = bytes;
    pthread_mutex_unlock(&sim->lock);
}

void disk_sim_heal(struct disk_sim *sim)
{
    set_failing(sim, FAIL_NONE, 0, 0);
    disk_sim_set_room(sim, UINT64_MAX);
}

str disk_sim_bytes(struct disk_sim *sim, const char *path, struct arena *arena)
{
    char simple[SIM_PATH_SIZE];
    pthread_mutex_lock(&sim->lock);
    const struct inode *inode = sim_simplify(path, simple) ? NULL : sim_find(sim->names, simple);
    bool file = inode && !inode->directory;
    str bytes = file ? (str) { inode->bytes ? inode->bytes : "", inode->size } : STR_NONE;
    bytes = arena_str(arena, bytes);
    pthread_mutex_unlock(&sim->lock);
    return bytes;
}

bool disk_sim_damage(struct disk_sim *sim, const char *path, uint64_t offset, unsigned char with)
{
    char simple[SIM_PATH_SIZE];
    pthread_mutex_lock(&sim->lock);
    struct inode *inode = sim_simplify(path, simple) ? NULL : sim_find(sim->names, simple);
    bool there = inode && !inode->directory && offset < inode->size;
    if (there) {
        inode->bytes[offset] = (char)with;
        sim_record(sim, (struct step) { .kind = STEP_WRITE,
                                        .inode = inode->number,
                                        .offset = offset,
                                        .bytes = sim_copy((const char *)&with, 1),
                                        .len = 1 });
        sim_record(sim, (struct step) { .kind = STEP_SYNC, .inode = inode->number });
    }
    pthread_mutex_unlock(&sim->lock);
    return there;
}

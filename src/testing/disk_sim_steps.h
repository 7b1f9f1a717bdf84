/* testing/disk_sim_steps.h - what the disk in memory and its power cuts share. */
#ifndef SESAME_TESTING_DISK_SIM_STEPS_H
#define SESAME_TESTING_DISK_SIM_STEPS_H

#include "base/pmap.h"
#include "testing/disk_sim.h"

#include <pthread.h>

enum { SIM_PATH_SIZE = 1024 };

struct inode {
    bool directory;
    size_t number; /* its place in disk_sim.inodes */
    char *bytes;
    uint64_t size, room;
    char *first; /* what it held when recording began: zero bytes for one made since */
    uint64_t first_size;
};

enum step_kind {
    STEP_WRITE,           /* inode, offset, bytes */
    STEP_SIZE,            /* inode, offset: truncate or allocate to this size */
    STEP_NAME,            /* path now means inode: create, make directory */
    STEP_UNNAME,          /* path means nothing: unlink, remove directory */
    STEP_RENAME,          /* path means nothing, to means inode: one change */
    STEP_SYNC,            /* inode's bytes */
    STEP_SYNC_ALL,        /* everything */
    STEP_SYNC_DIR,        /* the names in the directory `path` */
    STEP_SYNC_FAILED,     /* inode: what was unsynced is given up, as Linux does */
    STEP_SYNC_ALL_FAILED, /* all inodes */
};

struct step {
    enum step_kind kind;
    size_t inode;
    uint64_t offset;
    char *bytes;
    size_t len;
    char *path, *to;
};

struct opened {
    struct inode *inode; /* NULL: free */
    int flags;
};

enum fail_mode { FAIL_NONE, FAIL_ONCE, FAIL_FROM, FAIL_KILLED, FAIL_SHORT };

struct disk_sim {
    struct disk disk;
    pthread_mutex_t lock;
    struct pmap *names; /* absolute path -> struct inode *, "/" included */
    struct pmap *first_names;
    struct inode **inodes;
    size_t inode_count;
    struct step *steps;
    size_t step_count;
    struct opened *opened;
    size_t opened_count;
    uint64_t calls, fail_call, room; /* room: UINT64_MAX when unbounded */
    enum fail_mode fail_mode;
    int fail_error;
};

int sim_simplify(const char *path, char to[SIM_PATH_SIZE]); /* absolute, single slashes, no dots */
void sim_record(struct disk_sim *, struct step);            /* takes over its bytes and paths */
void *sim_grow(void *array, size_t count,
               size_t size); /* room for one more; asserts that there is memory */
char *sim_copy(const char *bytes, size_t size); /* with a NUL behind */
struct inode *sim_inode(struct disk_sim *, bool directory);
void sim_resize(struct inode *, uint64_t size); /* zeros where new */
void sim_name(struct pmap **names, const char *path,
              struct inode *); /* NULL: takes the name away */
struct inode *sim_find(const struct pmap *names, const char *path);
bool sim_in_directory(const char *path, const char *directory); /* directly in it */

#endif

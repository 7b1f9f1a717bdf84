/* testing/weather.h - hard weather for a whole process: a library preloaded into the server (LD_PRELOAD) that
 * counts its calls to the outside, kills it at one of them, fails them, turns its clock, and records them.
 *
 * The product knows nothing of it: it stands between the program (and the libraries in it, SQLite among them)
 * and libc. Only calls on files below the folder $WEATHER_ROOT are meant, besides accept and allocations; only
 * in the process that was started, not in its children.
 *
 * The tester maps the file $WEATHER_CONTROL, which holds a `struct weather`, and changes it while the server
 * runs. With $WEATHER_LOG every change of the disk is appended there, in the order in which it was made: see
 * weather_record.c. */
#ifndef SESAME_TESTING_WEATHER_H
#define SESAME_TESTING_WEATHER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In this order also in tests/torture/weather.py. */
enum weather_call {
    CALL_OPEN, /* without O_CREAT */
    CALL_CREATE,
    CALL_READ,
    CALL_WRITE,
    CALL_SYNC, /* fsync, fdatasync, of a file */
    CALL_SYNC_DIRECTORY,
    CALL_SYNC_ALL, /* syncfs */
    CALL_RENAME,
    CALL_UNLINK,
    CALL_MAKE_DIRECTORY,
    CALL_REMOVE_DIRECTORY,
    CALL_TRUNCATE,
    CALL_ALLOCATE, /* fallocate */
    CALL_PUNCH,    /* the same, for a hole: recorded as zeros written */
    CALL_ACCEPT,
    CALL_MEMORY, /* malloc, calloc, realloc, asked for by the program's own code */
    CALLS,
};

enum weather_place {
    PLACE_LOG, /* spool/log/ */
    PLACE_BODIES,
    PLACE_HISTORY,
    PLACE_DEAD,
    PLACE_SPOOL, /* spool/, else */
    PLACE_INDEX, /* objects/index.sqlite and what SQLite keeps beside it */
    PLACE_OBJECTS,
    PLACE_STATE,
    PLACE_QUEUES,
    PLACE_FUNCTIONS,
    PLACE_OTHER,
    PLACE_NONE, /* accept, memory */
    PLACES,
};

enum weather_mode {
    WEATHER_CALM,
    WEATHER_KILL_BEFORE, /* SIGKILL instead of the call */
    WEATHER_KILL_HALF,   /* of a write, half is made first */
    WEATHER_KILL_AFTER,
    WEATHER_FAIL_ONCE, /* with `error` */
    WEATHER_FAIL_ON,   /* this one and all that are meant, until it is calm */
    WEATHER_FAIL_HALF, /* a write: half is made, and says so; the next ones fail */
};

struct weather {
    uint32_t mode, error;
    uint64_t calls, places;  /* bit sets: which are meant */
    int64_t countdown;       /* the n-th call that is meant; counts down to 0 */
    int64_t wall_offset_ns;  /* added to CLOCK_REALTIME */
    uint64_t struck;         /* how often it killed or failed one */
    uint32_t last_call, last_place;
    uint64_t recorded;       /* bytes of $WEATHER_LOG, whole records */
    uint64_t counts[CALLS][PLACES];
};

/* What to do with one call. */
enum weather_verdict { GO_ON, FAIL, HALF_THEN_DIE, DIE_AFTER, HALF };
enum weather_verdict weather_meet(enum weather_call, enum weather_place); /* sets errno with FAIL */
void weather_die(void) __attribute__((noreturn));

/* Files below the root, by descriptor. */
struct weather_file {
    uint32_t handle; /* 0: none of ours */
    uint8_t place;
    uint8_t is_directory;
};
struct weather_file *weather_file(int fd);        /* NULL: none of ours */
int weather_place_of(const char *path);           /* -1: not below the root */
const char *weather_below_root(const char *path); /* what follows the root and a slash; NULL: not below */

/* ---- the record ---- */

enum record_kind {
    RECORD_OPEN = 1,  /* handle, path; offset: 1 when it was made, 2 when it was emptied */
    RECORD_WRITE,     /* handle, offset, bytes */
    RECORD_SIZE,      /* handle, offset: the new size */
    RECORD_SYNC_FROM, /* handle; a sync begins: what was written before it is covered when it ends well */
    RECORD_SYNC_DONE, /* handle; offset: that of its RECORD_SYNC_FROM in the log */
    RECORD_ALL_FROM,
    RECORD_ALL_DONE,
    RECORD_RENAME, /* path, a NUL, path */
    RECORD_UNLINK,
    RECORD_MAKE_DIRECTORY,
    RECORD_REMOVE_DIRECTORY,
};
struct weather_record {
    uint32_t kind, handle;
    uint64_t offset, size; /* size: of the bytes that follow */
};

void weather_record_open(struct weather *control); /* once; does nothing without $WEATHER_LOG */
int weather_recording(void);
/* A change of the disk and its record are one, so that the order is the disk's: between these two. */
void weather_record_lock(void);
void weather_record_unlock(void);
/* Appends; locked or not is the caller's affair. Returns where the record begins. */
uint64_t weather_record_put(enum record_kind, uint32_t handle, uint64_t offset, const void *bytes, size_t size);

#endif

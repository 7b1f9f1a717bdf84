/* store/objects_files_suite.h - for the tests of objects as files: one store, in the bucket "mail",
 * over a disk that can fail. */
#ifndef SESAME_STORE_OBJECTS_FILES_SUITE_H
#define SESAME_STORE_OBJECTS_FILES_SUITE_H

#include "store/object_pack.h"
#include "testing/clock.h"
#include "testing/disk_failing.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct fake_clock clock;
    struct captured_journal *journal;
    struct disk_failing failing;
    struct outside outside;
    struct arena *arena;
    struct objects *objects;
    size_t pad; /* so many bytes behind what is put: a file then, else a frame in a pack */
    uint64_t pack_size;
};

extern char padding[PACK_BODY_MAX + 1];

/* cmocka's: for objects that lie in packs, or are files since they are padded. */
int set_up_packs(void **state);
int set_up_files(void **state);
int tear_down(void **state);

void fixture_open(struct fixture *);
const struct fault *fixture_try_open(struct fixture *);
void open_again(struct fixture *); /* and wait for the sweep */
void wait_for_sweep(struct fixture *);

const struct fault *put(struct fixture *, str key, str bytes);
const struct fault *read_key(struct fixture *, str key, str *ret_bytes);
void remove_key(struct fixture *, str key);
size_t count_objects(struct fixture *);
size_t write_rows(struct fixture *); /* no row is late any more: how many objects */
void assert_holds(struct fixture *, str key, str bytes);

/* Names below the fixture's folder: "objects/mail/KEY". */
void assert_file(struct fixture *, const char *name, const char *bytes);
void make_file(struct fixture *, const char *name);
void make_folder(struct fixture *, const char *name);
bool is_there(struct fixture *, const char *name);
int files_of_bucket(struct fixture *);
int steps_of_packs(struct fixture *); /* what the disk holds of all packs */

struct syncing { /* a disk whose syncs are counted, slow, or failing */
    struct disk disk;
    struct disk *under;
    _Atomic int syncs, error, sleep_us;
    _Atomic bool held; /* those of the whole file system wait */
};

void use_syncing(struct fixture *, struct syncing *); /* the store is opened over it */

int counted_syncfs(struct disk *, int fd);                           /* of a struct syncing */
int no_punch(struct disk *, int fd, uint64_t offset, uint64_t size); /* -EOPNOTSUPP */

/* What a process does to the objects before it is killed: false, and the test fails. */
typedef bool life_fn(struct fixture *, int n);
void live_and_be_killed(struct fixture *, life_fn *, int n);

void damage(struct fixture *, const char *file, const char *what, const char *with);
void change_index(struct fixture *, const char *sql);

#endif

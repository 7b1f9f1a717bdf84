/* store/spool_log.h - what the files of spool_log share. Nobody else includes this.
 *
 *   SMTP loops --write--> drafts --commit--+                 +--> queue --lease--> workers
 *                           |  (spiller)   v                 |                       |
 *                           +--> bodies/  waiting ops --> committer --> log/         |
 *                                          ^                                         |
 *                                          +------- note, settle, release -----------+
 *   settle DONE --> history/ and settle DEAD --> dead/, by the keeper thread
 *
 * Three threads: the committer owns the log's segments, the spiller the bodies' files, the keeper
 * history and dead letters. Each list between them has its own short-lived lock; none is held
 * across a disk call. Order, where two are needed: queue before none; the others never nest. */
#ifndef SESAME_STORE_SPOOL_LOG_H
#define SESAME_STORE_SPOOL_LOG_H

#include "base/buf.h"
#include "base/outside.h"
#include "store/segment.h"
#include "store/spool.h"

#include <pthread.h>
#include <semaphore.h>

struct dead_letters;
struct history;
struct spool_log;

enum {
    BLOCK_BYTES = 16384,
    BLOCK_HEADER = 16, /* of a block in a body file; kept free in front of every block in memory */
    BLOCK_DATA = BLOCK_BYTES - BLOCK_HEADER,
    BLOCKS_SPARE = 16, /* never given back */
    SEGMENT_SLOTS = 65536,
    BODIES_KEPT = 8,
    ENTRIES_MAX = 1000, /* of one commit */
    IOV_ROOM = 16384,
    LOG_PATH = 512,
};

struct block {
    struct block *next;
    uint32_t used;
    char bytes[BLOCK_BYTES];
};

enum entry_state {
    ENTRY_QUEUED,
    ENTRY_LEASED,
    ENTRY_MOVING,  /* being copied forward; nobody may lease it */
    ENTRY_DYING,   /* settled; the disk is being told */
    ENTRY_DAMAGED, /* its frame cannot be read: set aside */
    ENTRY_HELD,    /* until its group is resumed */
};

/* One living entry, in memory: where it lies and when it is due. 72 bytes. */
struct entry {
    struct entry *next; /* in its bucket of ids */
    uint64_t serial, id_hash;
    int64_t due_ms;
    uint32_t offset, length; /* of its commit frame */
    uint32_t note_offset;    /* of its latest note or retry; 0: none */
    uint32_t heap_at, body_file;
    uint16_t slot, note_slot, index;
    uint16_t attempt; /* attempts made */
    uint8_t state;
    bool held; /* on a group's list, from hold to resume; its state says so a little later */
    bool resumed; /* from there to its next lease */
    uint64_t likeness; /* of spool_entry, with the rules; 0 after a restart */
};

/* Those that wait together, the longest waiting first. */
struct held {
    struct held *next;
    struct entry *entry;
};
struct held_group {
    struct held_group *next;
    uint64_t number;
    uint64_t likeness; /* of those that join it; 0: nothing does */
    struct held *first, **last;
};

/* A thread in a lease call, on that thread's stack: who chose it has to call it, and until then it
 * stays. */
struct sleeper {
    struct sleeper *next;
    sem_t up;
    _Atomic bool called; /* says to a race detector what the semaphore says to the machine */
    bool chosen;
};

/* A rule set's text as many commits share it, and where the open segment holds it. */
struct rules_text {
    struct rules_text *next;
    _Atomic unsigned refs; /* one is the table's; only who holds one, or the rules lock, takes another */
    uint64_t epoch;        /* committer, under the rules lock: the segment that holds it at offset */
    uint64_t number;       /* under the rules lock: of who took it last, or 0 */
    uint32_t offset, crc;
    char header[FRAME_HEADER];
    size_t len;
    char bytes[];
};

struct body_file {
    struct body_file *next;
    uint32_t number, refs; /* refs: living entries */
    uint64_t size;
};

/* Notes of one lease follow each other before the queue knows them. */
struct chain {
    uint64_t epoch;
    uint32_t offset;
};

enum op_kind { OP_COMMIT, OP_NOTE, OP_RETRY, OP_SETTLED, OP_RELEASE };
struct op { /* something for the committer */
    struct op *next;
    enum op_kind kind;
    struct entry *entry;
    const struct fault *fault; /* of a commit that failed before it came here */
    char *frame;               /* header and head; NULL: nothing to write */
    size_t frame_len;
    uint32_t offset;           /* where the frame went; 0: nowhere */
    struct spool_draft *draft; /* OP_COMMIT */
    struct lease_impl *lease;  /* of the others */
    enum settlement how;
    int64_t due_ms;
};
struct op_list {
    struct op *first, **last;
};

struct lease_impl {
    struct op op;            /* the one that ends the lease */
    struct lease_impl *next; /* among the dying */
    struct spool_log *log;
    struct entry *entry;
    struct chain chain;
    int64_t fallen_ms; /* the log's, when it began */
    struct buf notes;  /* added under this lease */
    bool noted;       /* and one is on its way to the disk */
    str body;         /* in the frame, when it has no file */
    uint32_t body_file;
    int body_fd;
    uint64_t body_size, body_token;
    char room[FRAME_HEADER + NOTE_FIXED];
};

struct spool_draft {
    struct spool_log *log;
    spool_resume_fn *resume;
    void *context;
    struct block *first, *last; /* not spilled */
    uint64_t size;
    uint32_t body_crc;
    bool spilling; /* it goes to a file; decided in write */

    /* Of the spiller; what both touch is under the drafts lock. */
    struct spool_draft *next;
    struct block *to_spill, **to_spill_last;
    unsigned in_flight; /* blocks on their way to the file */
    bool queued, waiting, finishing, abandoned;
    int error; /* negative errno of the file */
    int fd;
    uint32_t file, next_index;
    struct body_file *ref; /* made before the commit, so that publishing cannot fail */
    uint64_t token;

    /* Of the commit. */
    struct op op;
    struct entry **entries;
    struct rules_text **rules;
    size_t count;
    struct entry *moves; /* a living entry that is copied forward; entries[0] is where to */
    spool_committed_fn *committed;
    void *committed_context;
};

struct sync_work { /* a head to be written first, where head_size is not 0; then a sync */
    const struct segment *segment;
    uint64_t head_at;
    size_t head_size;
    char head[FRAME_HEADER + BATCH_FIXED];
};
struct syncer { /* under the list lock */
    pthread_cond_t asked;
    struct sync_work work, armed;
    bool runs, is_armed;
    bool fired;     /* what was armed runs, and the committer has not heard of it */
    unsigned ended; /* so many the committer has not heard of: at most two, and then only the second may have failed */
    int error;      /* of the last that ended */
    bool closing;
    bool begun; /* the committer's, with the thread */
    pthread_t thread;
};

struct spool_log {
    struct spool spool; /* first */
    struct outside *outside;
    struct disk *disk;
    struct spool_limits limits;
    char directory[LOG_PATH - 64];

    /* What waits for the committer. */
    pthread_mutex_t list_lock;
    pthread_cond_t list_cond;
    struct op_list waiting;
    size_t waiting_commits;
    uint64_t waiting_octets; /* of their bodies and heads */
    uint64_t wanted_octets;  /* with so many the committer is called, though it waits for a sync; 0: it is not */
    struct syncer syncer;
    bool committer_idle, committer_gathers, closing;

    /* The committer's own. */
    pthread_t committer;
    struct segment *open, *free_segments;
    unsigned free_count;
    uint64_t next_epoch, next_serial, sequence;
    struct iovec *iov;
    bool epilogue_due;

    /* The queue: entries, and segments as readers see them. */
    pthread_mutex_t queue_lock;
    struct sleeper *sleepers; /* in a lease call, with nothing to lease; the last to come first */
    struct sleeper *calling;  /* one of them, chosen and not up yet */
    struct sleeper *call_due; /* the same, until it is called when the lock is open: queue_unlock */
    struct segment *used; /* oldest first */
    struct segment *segments[SEGMENT_SLOTS];
    struct entry **buckets;
    size_t bucket_count, entry_count;
    struct entry **heap;
    size_t heap_count, heap_room;
    int64_t seen_wall_ms, seen_steady_ms; /* at the last look at the clock; 0: none */
    _Atomic int64_t fallen_ms; /* how far the wall clock was set back since the start, all told */
    bool stopped;
    uint64_t queued, retrying, leased, held, moving, dying, set_aside;
    struct held_group *groups[64];
    struct held_group *joinable[64]; /* by likeness; of several the last */
    unsigned segment_count;
    _Atomic bool failed, full;
    char says[160];
    uint64_t commits, batches, batches_ahead, synced_bytes, damaged_frames;

    /* Drafts and bodies. */
    pthread_mutex_t drafts_lock;
    pthread_cond_t spiller_cond, resumed_cond;
    pthread_t spiller;
    struct block *free_blocks;
    uint64_t draft_bytes, free_block_count;
    uint64_t free_block_least; /* since the spiller last gave some back */
    struct spool_draft *spill_first, **spill_last;
    struct spool_draft *resuming;
    bool spiller_closing, spiller_sleeps; /* sleeps: until it is called, however many blocks lie free */
    bool names_unsynced; /* of body files: the spiller's own */
    struct body_file *bodies[256];
    uint32_t next_body;
    uint32_t kept[BODIES_KEPT], kept_count;
    uint32_t *doomed; /* numbers of body files to unlink */
    size_t doomed_count, doomed_room;
    uint64_t body_bytes;

    pthread_mutex_t rules_lock;
    struct rules_text *rules[256];
    struct rules_text *rules_numbered[64]; /* by number, the last of each slot */
    size_t rules_bytes;
    struct rules_text *rules_last; /* placed last: what nearly every entry of now names */

    /* The keeper: history and dead letters. */
    pthread_mutex_t keeper_lock;
    pthread_cond_t keeper_cond;
    pthread_t keeper;
    bool keeper_closing;
    bool keeper_gathers; /* it will look by itself: a record need not wake it */
    struct lease_impl *dying_first, *dying_last;
    /* held while one letter is taken back; by people, one at a time */
    pthread_mutex_t redrive_lock;
    struct history *history;
    struct dead_letters *dead;
    unsigned threads; /* how many were started */
};

extern const struct fault spool_disk_full, spool_disk_failed, spool_stopped, spool_too_long,
    spool_body_lost, spool_body_damaged;

/* spool_log.c */
const char *log_path(const struct spool_log *, char to[LOG_PATH], const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_says(struct spool_log *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* no more is accepted until a restart */
void log_failed(struct spool_log *, const char *what, int error);
void log_damaged(struct spool_log *, struct segment *, uint64_t offset, uint64_t frames,
                 const char *says);

/* spool_log_draft.c: arriving bodies. */
const struct fault *draft_open(struct spool_log *, spool_resume_fn *, void *context,
                               struct spool_draft **ret);
bool draft_write(struct spool_draft *, str chunk);
void draft_abandon(struct spool_draft *);
/* `notes` and `attempt` are those of a dead letter that is redriven; else none. */
void draft_commit(struct spool_draft *, const struct spool_entry *, size_t count, str notes,
                  spool_committed_fn *, void *context);
/* into blocks, never to a file */
void draft_gather(struct spool_draft *, str chunk, bool *ret_dry);
void draft_free(struct spool_draft *, bool keep_file);     /* with its blocks */
void blocks_give(struct spool_log *, struct block *first); /* back to the pool; drafts lock held */
bool blocks_tidy(struct spool_log *); /* drafts lock held; now and then. True: some were freed */

/* spool_log_body.c: bodies in files of their own. */
void *spiller_run(void *log);
void spiller_push(struct spool_log *, struct spool_draft *); /* drafts lock held */
void body_ref(struct spool_log *, struct body_file *made);   /* takes it over */
/* recovery: one more or one less; false: no memory */
bool body_count(struct spool_log *, uint32_t number, int refs);
/* nobody refers to it: for the next body, or unlinked */
void body_spare(struct spool_log *, uint32_t number);
/* One more reader, who ends with body_unref; false: the file is no living body's. */
bool body_hold(struct spool_log *, uint32_t number);
/* the last one frees the file for the next body */
void body_unref(struct spool_log *, uint32_t number);
const struct fault *body_read(struct lease_impl *, uint64_t offset, size_t wanted, char *to);
/* after the entries: which files are in use, which are not */
int bodies_recover(struct spool_log *);

/* spool_log_commit.c: the committer. */
void *committer_run(void *log);
void committer_push(struct spool_log *, struct op *);

/* spool_log_sync.c: for the committer. */
bool syncer_ask(struct spool_log *, const struct segment *); /* false: there is no thread for it, and nothing was asked */
/* Waits. True: the sync has ended, *ret_error as of fdatasync; *ret_fired: and what was armed runs, or has run. False: so
 * many octets want to be written meanwhile; 0: nothing else is waited for. */
bool syncer_ended(struct spool_log *, uint64_t octets, int *ret_error, bool *ret_fired);
/* False: the sync has ended, and what was armed may run already. */
bool syncer_disarm(struct spool_log *);
void syncer_arm(struct spool_log *, const struct sync_work *); /* nothing, when it has ended */
void syncer_close(struct spool_log *);

/* spool_log_space.c: the log's segments. For the committer, and for open and close. */
void space_gone(struct spool_log *); /* mail is refused from now on */
/* is one segment kept back? Takes mail again when there is room */
void space_check(struct spool_log *);
int reserve_make(struct spool_log *);
void segment_spare(struct spool_log *, struct segment *);
struct segment *segment_next(struct spool_log *, int *ret_error); /* a free one, begun */
int segment_turn(struct spool_log *); /* seals the open one and begins the next */
void segments_free(struct spool_log *);

/* spool_log_forward.c: little living data, out of the way of a whole old segment. */
void forward_some(struct spool_log *, struct op_list *ops); /* adds commits of entries that move */

/* spool_log_rules.c: rule sets' texts. */
struct rules_text *rules_take(struct spool_log *, str text, uint64_t number); /* NULL: no memory */
void rules_drop(struct rules_text *); /* NULL is fine */
void rules_placed(struct spool_log *, struct rules_text *, uint64_t epoch, uint32_t offset);
/* The text of the frame at that place, when it is the one placed last; it lives as long as the arena.
 * False: read the frame. */
bool rules_recall(struct spool_log *, uint64_t epoch, uint32_t offset, struct arena *, str *ret_text,
                  uint64_t *ret_number);
void rules_forget(struct spool_log *); /* where they lie: what was to be written was not */
void rules_free(struct spool_log *);

/* spool_log_queue.c: entries in memory. queue_* want the queue lock held, where they do not take it. */
int64_t queue_now_ms(struct spool_log *); /* the wall clock; what waits moves back with it */
/* takes the lock; then queue_add cannot fail */
bool queue_make_room(struct spool_log *, size_t more);
void queue_add(struct spool_log *, struct entry *);
void queue_unlock(struct spool_log *); /* behind any of the next three, instead of the mutex's own */
void queue_push(struct spool_log *, struct entry *);   /* back among those to be leased */
void queue_push_for_caller(struct spool_log *, struct entry *); /* who leases next: calls nobody */
void queue_remove(struct spool_log *, struct entry *); /* settled: the entry is freed */
void queue_state(struct spool_log *, struct entry *, enum entry_state);
/* out of those to be leased */
void queue_take(struct spool_log *, struct entry *, enum entry_state);
/* its frame lies elsewhere now */
void queue_moved(struct spool_log *, struct entry *, const struct entry *to);
void queue_forget_slot(struct spool_log *, const struct segment *); /* the damaged ones in it */
/* Takes the lock, and waits: the next that is due, taken; NULL when nothing was in time. */
const struct fault *queue_next_due(struct spool_log *, int64_t hold_ms, struct entry **ret_entry,
                                   bool *ret_resumed);
void log_stop(struct spool *);

/* spool_log_lease.c: an entry in one holder's hands. */
const struct fault *log_lease(struct spool *, int64_t hold_ms, struct arena *,
                              struct lease *ret_lease);
const struct fault *log_read(const struct lease *, uint64_t offset, size_t wanted, struct arena *,
                             str *ret_bytes);
const struct fault *log_note(struct lease *, str note);
const struct fault *log_settle(struct lease *, enum settlement, int64_t retry_at_ms, str note);
void log_release(struct lease *);
void lease_free(struct lease_impl *);

/* spool_log_hold.c: leases given back until a group is resumed. */
void log_hold(struct lease *, uint64_t group);
bool log_resume(struct spool *, uint64_t group, bool caller_leases, bool *ret_more);
void hold_join(struct spool_log *, struct entry *); /* a fresh one, where its like are held; queue lock */
/* it is gone, and its group does not know; queue lock held */
void hold_forget(struct spool_log *, const struct entry *);
void groups_free(struct spool_log *);

/* spool_log_read.c: frames back from the disk. */
struct stored { /* an entry as its frames tell; all in the arena */
    struct commit_head commit;
    struct commit_entry entry;
    str body, rules;
    uint64_t rules_number; /* 0: read from the disk */
    str notes;
};
/* What the entry's frames say, notes in order. The entry's segment must stay. -EBADMSG: damage. */
int stored_read(struct spool_log *, const struct entry *, struct arena *,
                struct stored *ret_stored);
/* A copy of the living entry with this id, its segment held until entry_let_go. */
bool entry_hold(struct spool_log *, str id, struct arena *, struct entry *ret_entry,
                struct stored *ret_stored, int *ret_error);
void entry_let_go(struct spool_log *, const struct entry *);
const struct fault *log_find(struct spool *, str id, struct arena *,
                             struct spool_record *ret_record);
const struct fault *log_recent(struct spool *, size_t max, struct arena *,
                               struct spool_record **ret_records, size_t *ret_count);
const struct fault *log_older(struct spool *, uint64_t serial, size_t max, struct arena *,
                              struct spool_record **ret_records, size_t *ret_count);
const struct fault *log_front(struct spool *, str id, size_t most, struct arena *, str *ret_bytes,
                              uint64_t *ret_body_size);

/* spool_log_recover.c: what a start finds. */
const struct fault *log_recover(struct spool_log *, struct arena *);

/* spool_log_keep.c: the keeper. */
void *keeper_run(void *log);
void keeper_push(struct spool_log *, struct lease_impl *); /* to become a dead letter */
void keeper_history(struct spool_log *, const struct entry *, const struct lease *,
                    str notes_added);
const struct fault *log_redrive(struct spool *, str id, str note);

#endif

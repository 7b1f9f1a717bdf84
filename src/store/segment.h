/* store/segment.h - one file of the log: its headers, its frames, its table, and how to read it
 * back.
 *
 * A segment knows frames and rows; what the frames mean together is the business of spool_log and
 * history, which both lie in segments. The bytes are described at the top of segment.c. */
#ifndef SESAME_STORE_SEGMENT_H
#define SESAME_STORE_SEGMENT_H

#include "base/outside.h"
#include "store/spool.h"

enum {
    /* batches begin on a page: no page is ever half old, half promised */
    SEGMENT_PAGE = 4096,
    SEGMENT_MIN = 16 * SEGMENT_PAGE,
    SEGMENT_VERSION = 1,
    FRAME_HEADER = 32,
    ROW_BYTES = 48,
    COMMIT_FIXED = 24, /* of a commit frame's head, before its entries */
    ENTRY_FIXED = 40,  /* of each entry, before id, head and notes */
    NOTE_FIXED = 24,   /* of a note or retry frame's head, before the text */
    BATCH_FIXED = 32,
    FRAME_HEAD_MAX = 1 << 20, /* entries of one commit together, or one note */
};

enum frame_kind {
    FRAME_BATCH = 1, /* how far the log was synced before the frames that follow */
    FRAME_RULES,     /* a rule set's text */
    FRAME_COMMIT,    /* entries and their body, or the number of its file */
    FRAME_NOTE,
    FRAME_RETRY,
    FRAME_SETTLED,
    FRAME_HISTORY,
};

enum segment_state { SEGMENT_FREE = 1, SEGMENT_USED };
enum segment_purpose { SEGMENT_LOG = 1, SEGMENT_HISTORY };

/* What a start must know of a frame, without reading it. A commit has a row for each entry. */
struct row {
    enum frame_kind kind;
    bool damaged;   /* its frame's bytes are not what was written; never on disk */
    uint16_t index; /* which entry of the commit */
    uint32_t offset, length;
    uint64_t serial, id_hash;
    int64_t due_ms;
    uint32_t attempt, body_file;
};

/* What is kept in memory of a row of history: there is one for every message that ended. */
struct history_row {
    uint64_t id_hash, serial;
    uint32_t offset, length;
};

struct segment {
    struct disk *disk;
    int fd;
    uint32_t slot; /* the number in the file's name */
    enum segment_purpose purpose;
    enum segment_state state;
    uint64_t generation, epoch, salt, bytes;
    uint32_t seal;       /* what every checksum of this use begins with: epoch and salt */
    uint64_t end;        /* where the next batch goes */
    uint64_t tail_batch; /* log: the sequence of the last batch read or written */
    bool sealed, damaged;
    bool begun_in_vain; /* its headers may say that it is used: to be begun again before another is */
    void *rows; /* struct row, or struct history_row: see segment_row */
    size_t row_count, row_room, table_rows;
    uint64_t living, living_bytes; /* spool_log: entries whose commit lies here, and their frames */
    uint64_t set_aside;            /* of them, those that cannot be read */
    unsigned readers;              /* spool_log: reads under way, for which it must stay */
    struct segment *next;
};

/* A frame as it lies in memory that someone else owns. */
struct frame {
    enum frame_kind kind;
    uint64_t serial;
    uint32_t offset, length; /* length with header, head and body, before padding */
    str head, body;          /* body.ptr is NULL when the bytes given ended before it */
    uint32_t body_size;
    bool body_damaged;
};

/* Makes the file, gives it its room on the disk and an empty header, all synced (the caller syncs
 * the directory). Negative errno; then no file is left. */
int segment_create(struct disk *, const char *path, uint32_t slot, enum segment_purpose,
                   uint64_t bytes, struct segment **ret_segment);
/* Opens a file and reads its headers. -ENODATA: nothing was ever in it, a creation that did not
 * end. -EBADMSG: neither header can be read. -EPROTO: a newer version. */
int segment_open(struct disk *, const char *path, uint32_t slot, struct segment **ret_segment);
void segment_close(struct segment *); /* NULL is fine */

/* Both header copies written and synced, one after the other, so that one is always whole. */
int segment_begin(struct segment *, uint64_t epoch, uint64_t salt); /* FREE -> USED */
int segment_release(struct segment *);                              /* USED -> FREE */

/* The table behind the last frame, and the trailer that finds it; not synced. */
int segment_seal(struct segment *);
/* What the trailer and the table take, if `more` rows came; a writer keeps it free. */
uint64_t segment_closing_bytes(const struct segment *, size_t more);
/* Reads table and rows. False: there is none, or it is damaged (*ret_damaged). */
bool segment_read_table(struct segment *, bool *ret_damaged);
/* Row i of a sealed segment's table, from the disk: the rows need not stay in memory. */
bool segment_table_row(const struct segment *, size_t i, struct row *ret_row);
/* of a sealed one: from memory; table_rows says how many there are */
void segment_forget_rows(struct segment *);
int segment_add_row(struct segment *, const struct row *);
/* Row i of those in memory. */
static inline struct row segment_row(const struct segment *s, size_t i)
{
    if (s->purpose != SEGMENT_HISTORY)
        return ((const struct row *)s->rows)[i];
    const struct history_row *kept = (const struct history_row *)s->rows + i;
    return (struct row) { .kind = FRAME_HISTORY,
                          .offset = kept->offset,
                          .length = kept->length,
                          .serial = kept->serial,
                          .id_hash = kept->id_hash };
}
/* Where segment_reserve_rows made room, row_count or behind; not counted yet. */
void segment_put_row(struct segment *, size_t i, const struct row *);
void segment_sort_history(struct segment *); /* by hash, then by offset */
/* Room for n more, so that segment_add_row cannot fail. */
bool segment_reserve_rows(struct segment *, size_t n);

/* Fills the 32 bytes before `head` (its header) and checksums both. */
void frame_finish(char *header, enum frame_kind, uint64_t serial, uint32_t offset, size_t head_len,
                  size_t body_len, uint32_t body_crc, const struct segment *);
/* Reads one frame at the front of `bytes`, which lies at `offset` of the segment. */
bool frame_read(const struct segment *, uint32_t offset, str bytes, struct frame *ret_frame);
static inline uint64_t frame_padded(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}
static inline uint64_t page_padded(uint64_t n)
{
    return (n + SEGMENT_PAGE - 1) & ~(uint64_t)(SEGMENT_PAGE - 1);
}

struct batch { /* the frame every batch of a log begins with */
    uint64_t sequence, synced_epoch;
    uint32_t synced_offset, batch_bytes, frames;
};
void batch_write(char to[FRAME_HEADER + BATCH_FIXED], const struct batch *, const struct segment *,
                 uint32_t offset);

struct scanned {
    uint64_t end; /* behind the last whole batch */
    uint64_t last_sequence;
    uint64_t batches;
    uint64_t damaged;   /* frames before the synced position that cannot be read, at least */
    uint64_t torn;      /* bytes of a last batch that was not promised to anyone */
    uint64_t damage_at; /* the first place of damage */
};
typedef void segment_frame_fn(void *context, const struct frame *);
/* Reads a log segment from its first batch. `all_synced`: a later segment exists, so every batch
 * was synced. Whole batches give all their frames; damage before the synced position is counted
 * and whatever is readable behind it is still given; a torn last batch gives nothing. */
int segment_scan(struct segment *, bool all_synced, segment_frame_fn *, void *context,
                 struct scanned *ret_scanned);
/* Reads a segment whose frames lie one behind the other without batches, until the first that is
 * none. */
int segment_walk(struct segment *, segment_frame_fn *, void *context, uint64_t *ret_end);

/* The whole file region into `to`; a short file reads as zeros behind its end. Negative errno. */
int segment_pread(const struct segment *, void *to, size_t size, uint64_t offset);
int segment_pwrite(const struct segment *, const void *from, size_t size, uint64_t offset);
/* All of the pieces, one behind the other; they are used up. */
int segment_pwritev(const struct segment *, struct iovec *, int count, uint64_t offset);

/* Commit frames, entry by entry. */
struct commit_head {
    uint16_t count;
    uint32_t body_file; /* 0: the body follows the head */
    uint64_t body_size, body_token;
};
struct commit_entry {
    uint64_t serial;
    int64_t due_ms;
    uint32_t rules_offset, attempt; /* rules: a frame of the same segment; 0: none */
    enum spool_kind kind;
    str id, head, notes;
};
bool commit_head_read(struct cursor *, struct commit_head *ret_head);
bool commit_entry_read(struct cursor *, struct commit_entry *ret_entry);
void commit_head_write(char to[COMMIT_FIXED], const struct commit_head *);
size_t commit_entry_size(const struct commit_entry *);
void commit_entry_write(char *to, const struct commit_entry *); /* commit_entry_size bytes */
/* known only when written */
void commit_entry_place(char *entry, uint64_t serial, uint32_t rules_offset);

struct note_head {
    uint64_t previous_epoch;  /* where the entry's earlier note lies */
    uint32_t previous_offset; /* 0: there is none */
    uint32_t attempt;         /* of a retry */
    int64_t due_ms;
};
bool note_head_read(str head, struct note_head *ret_note, str *ret_text);
void note_head_write(char to[NOTE_FIXED], const struct note_head *);

uint64_t id_hash(str id);

/* A negative errno: no room by the disk, a quota or a limit of the size of files. */
bool disk_is_full(int error);

#endif

/* base/outside.h - everything Sesame cannot compute by itself. Tests bring their own. */
#ifndef SESAME_BASE_OUTSIDE_H
#define SESAME_BASE_OUTSIDE_H

#include "base/fault.h"

#include <sys/types.h>
#include <sys/uio.h>

struct clock {
    int64_t (*wall_ms)(struct clock *);   /* since 1970, UTC */
    int64_t (*steady_ms)(struct clock *); /* never steps */
};

struct entropy {
    void (*fill)(struct entropy *, void *bytes, size_t size);
};

enum journal_level { JOURNAL_ERROR, JOURNAL_WARNING, JOURNAL_INFO, JOURNAL_DEBUG };

/* One JSON object a line. `members` is the inside of an object without its braces, already
 * escaped ("\"id\":\"x\",\"n\":1"), or empty; the journal adds time, level, room and event. */
struct journal {
    void (*note)(struct journal *, enum journal_level, str room, str event, str members);
};

/* What spool and objects do to the disk goes through here, so that a test can fail the n-th call
 * or rebuild the disk at every prefix of them. Calls return a negative errno on failure, never
 * touch errno, and retry EINTR themselves. Descriptors are the implementation's own. Any thread. */
struct disk {
    int (*open)(struct disk *, const char *path, int flags, unsigned mode); /* open(2) flags */
    int (*close)(struct disk *, int fd);
    ssize_t (*pread)(struct disk *, int fd, void *to, size_t size, uint64_t offset);
    ssize_t (*pwritev)(struct disk *, int fd, const struct iovec *, int count, uint64_t offset);
    /* A wish: these bytes may go to the disk while others are still written, so that the sync finds less to do. No
     * promise, and no failure: that is the sync's. */
    void (*write_soon)(struct disk *, int fd, uint64_t offset, uint64_t size);
    int (*fdatasync)(struct disk *, int fd);
    int (*syncfs)(struct disk *, int fd); /* the whole file system fd lies on */
    int (*allocate)(struct disk *, int fd, uint64_t size); /* blocks for [0, size), zeros where new */
    int (*punch)(struct disk *, int fd, uint64_t offset, uint64_t size); /* zeros, their blocks given back; no growing */
    int (*truncate)(struct disk *, int fd, uint64_t size);
    int64_t (*size)(struct disk *, int fd);
    int (*rename)(struct disk *, const char *from, const char *to);
    int (*unlink)(struct disk *, const char *path);
    int (*make_directory)(struct disk *, const char *path, unsigned mode);
    int (*remove_directory)(struct disk *, const char *path);
    int (*sync_directory)(struct disk *, const char *path);
    /* Calls `each` with every name in the directory but . and .. */
    int (*list)(struct disk *, const char *path, void (*each)(void *context, const char *name), void *context);
    int (*free_bytes)(struct disk *, const char *path, uint64_t *ret_bytes);
};

/* DNS, as far as mail asks it. Blocks until the steady clock says deadline_ms; any thread that may wait. */
enum dns_kind { DNS_A = 1, DNS_MX = 15, DNS_AAAA = 28 }; /* RFC 1035 3.2.2, RFC 3596 */
enum dns_outcome {
    DNS_FOUND,
    DNS_NOTHING, /* the name is there and has none of this kind */
    DNS_NO_NAME, /* NXDOMAIN */
    DNS_FAILED,  /* nobody answered, or with a failure: ask later */
};
struct dns_record {
    unsigned preference;       /* MX */
    str name;                  /* MX: the exchange, without its last dot; empty: the root, "." */
    unsigned char address[16]; /* AAAA; A in the first four */
};
struct dns_answer {
    enum dns_outcome outcome;
    const struct dns_record *records; /* at least one when found; no order is meant */
    size_t count;
    str says; /* of what failed, one sentence */
};
struct resolver {
    /* CNAMEs are followed. Everything lives in the arena. */
    struct dns_answer (*ask)(struct resolver *, str name, enum dns_kind, int64_t deadline_ms, struct arena *);
};

struct outside {
    struct clock *clock;
    struct entropy *entropy;
    struct journal *journal;
    struct disk *disk;
    struct resolver *resolver; /* NULL: there is no DNS here */
};

struct clock *clock_real(void);
struct entropy *entropy_real(void); /* getrandom(2), buffered per thread */
struct disk *disk_real(void);

/* Journal lines to a descriptor, one write(2) each, times from `clock`. Once it gathers, a thread of its
 * own writes all lines of about a millisecond together; a warning or an error takes along what was
 * gathered and is written at once. Gathering begins behind the last fork, before other threads. */
struct journal *journal_to_fd(int fd, struct clock *, enum journal_level least);
void journal_to_fd_gather(struct journal *);
void journal_to_fd_flush(struct journal *); /* before an exit that frees nothing */
void journal_to_fd_free(struct journal *); /* of that kind only; after its last user. NULL is fine */
void journal_notef(struct journal *, enum journal_level, str room, str event, const char *members_fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif

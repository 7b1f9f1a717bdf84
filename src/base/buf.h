/* base/buf.h - a growing byte buffer with a stated maximum.
 *
 * Appending past the maximum, or without memory, sets `failed` and adds nothing more; the writer
 * looks once at the end. */
#ifndef SESAME_BASE_BUF_H
#define SESAME_BASE_BUF_H

#include "base/str.h"

struct buf {
    char *ptr;
    size_t len, room, max;
    bool failed;
};

static inline struct buf buf_new(size_t max) { return (struct buf){ .max = max }; }
void buf_free(struct buf *);
static inline void buf_clear(struct buf *b) { b->len = 0; b->failed = false; }

char *buf_reserve(struct buf *, size_t size); /* room at the end, not yet counted; NULL: failed */
void buf_add(struct buf *, str);
void buf_addc(struct buf *, char);
void buf_addf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline str buf_str(const struct buf *b) { return (str){ b->ptr ? b->ptr : "", b->len }; }

#define AUTO_BUF __attribute__((cleanup(buf_free))) struct buf

#endif

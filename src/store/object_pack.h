/* store/object_pack.h - one object in a pack: a frame. Knows bytes only.
 *
 *   sesame-object 1 HHHHHHHH BBBBBBBB SSSSSSSS\n      43 bytes; eight hexadecimal digits each
 *   {"bucket":"...","key":"...","modified":...,"size":...,"etag":"...","headers":{...}}\n
 *   the bytes
 *
 * H: the length of both lines together; B: of the bytes; S: CRC-32C of all of the frame but S and the
 * line end behind it. A frame begins at a multiple of 4096, so that a removed one can be punched out
 * of its pack; what is between two frames is zeros. A frame tells all that the index knows of its
 * object, so one is checked against the other, and a pack can be read without an index. */
#ifndef SESAME_STORE_OBJECT_PACK_H
#define SESAME_STORE_OBJECT_PACK_H

#include "store/objects_index.h"

enum {
    PACK_STEP = 4096,
    PACK_HEAD_MAX = 64 * 1024, /* both lines; a key has at most 1024 bytes, of six when escaped */
    PACK_BODY_MAX = 64 * 1024, /* larger objects are files */
    PACK_FRAME_MAX = PACK_HEAD_MAX + PACK_BODY_MAX,
};

/* Bytes from one frame's begin to the next one's. */
static inline uint64_t pack_span(uint64_t frame_size)
{
    return (frame_size + PACK_STEP - 1) / PACK_STEP * PACK_STEP;
}

/* Can the row's object lie in a pack? The size of its bytes; a key that is no UTF-8 stays a file. */
bool pack_takes(const struct object_row *, uint64_t body_size);

/* Both lines of the frame of `row` with these bytes. STR_NONE: the arena is full, or the head too long. */
str pack_head(const struct object_row *, str body, struct arena *);

struct pack_frame {
    str head, body; /* both lines; the bytes: within what was read */
};
/* How long the frame is whose first line stands at the begin of `bytes`; 0: that is no frame. */
size_t pack_frame_size(str bytes);
/* False: no frame, one that is not whole, or not what was written. */
bool pack_frame_read(str bytes, struct pack_frame *ret_frame);
/* The frame is the row's own, word for word. */
bool pack_frame_is(const struct pack_frame *, const struct object_row *);
/* What the frame says of its object, without a place. FAULT_SYNTAX: it says nothing of the kind. */
const struct fault *pack_frame_row(const struct pack_frame *, struct arena *, struct object_row *ret_row);

#endif

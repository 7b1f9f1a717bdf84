/* store/object_pack_file.h - pack files by number, and the frames in them. Knows no rows. Any thread.
 *
 *   DIRECTORY/%packs/N.pack       eight digits; no bucket's folder has a '%' like that */
#ifndef SESAME_STORE_OBJECT_PACK_FILE_H
#define SESAME_STORE_OBJECT_PACK_FILE_H

#include "store/object_file.h"
#include "store/object_pack.h"

const char *pack_folder(const struct object_root *, struct arena *); /* NULL: no memory */
int pack_file_open(const struct object_root *, uint64_t number, int flags); /* a negative errno */
void pack_file_unlink(const struct object_root *, uint64_t number); /* what stays is swept another day */

struct pack_numbers {
    uint64_t *all; /* ascending; the caller frees them */
    size_t count, room;
    int error; /* a negative errno: some may be missing */
};
struct pack_numbers pack_files(const struct object_root *);

/* How long the frame at the place is; 0: there is none. */
uint64_t pack_frame_at(struct disk *, int fd, uint64_t at);
/* The frame at a place, into the arena. A negative errno; -EBADMSG: there is no whole frame. */
int pack_frame_take(const struct object_root *, const struct object_place *, struct arena *,
                    struct pack_frame *ret_frame);

/* Every whole frame in every pack, in the order they were written, index or not; removed ones that were
 * not punched out yet among them. `each` answers false to end the walk. */
typedef bool pack_frame_fn(void *context, const struct pack_frame *, const struct object_place *);
void packs_walk(const struct object_root *, pack_frame_fn *, void *context);
/* The frames of an open pack from *at on, up to the first place where there is no whole one, or where `each`
 * answers false. *at: that place. */
const struct fault *pack_frames_from(const struct object_root *, uint64_t number, int fd, uint64_t *at,
                                     pack_frame_fn *, void *context, struct arena *);

#endif

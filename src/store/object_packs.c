/* store/object_packs.c - pack files: appending, counting, punching. */
#include "store/object_packs_held.h"

#include "store/object_pack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { PARTS = 1024 }; /* of one write; Linux takes no more */

static const char zeros[PACK_STEP];

/* ---- which there are ---- */

void packs_stop_writing(struct packs *self)
{
    if (self->fd != NO_FILE)
        self->root->disk->close(self->root->disk, self->fd);
    self->fd = NO_FILE;
    self->written = false;
}

struct pack *packs_find(struct packs *self, uint64_t number)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->all[middle].row.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->count && self->all[low].row.number == number ? &self->all[low] : NULL;
}

bool packs_add(struct packs *self, const struct pack_row *row)
{
    if (self->count == self->room) {
        size_t room = self->room ? 2 * self->room : 64;
        struct pack *wider = realloc(self->all, room * sizeof *wider);
        if (!wider)
            return false;
        self->all = wider;
        self->room = room;
    }
    self->all[self->count++] =
        (struct pack) { .row = *row, .next = *row, .unswept = row->punching };
    if (row->number > self->newest)
        self->newest = row->number;
    return true;
}

static void forget(struct packs *self, struct pack *pack)
{
    size_t behind = self->count - (size_t)(pack - self->all) - 1;
    memmove(pack, pack + 1, behind * sizeof *pack);
    self->count--;
}

/* The one that may go on; NULL: there is none. */
static const struct pack *newest_pack(const struct packs *self)
{
    const struct pack *last = self->count ? &self->all[self->count - 1] : NULL;
    const struct object_place next = { .pack = last ? last->row.number : 0,
                                       .at = last ? last->row.end : 0 };
    bool goes_on = last && last->row.number == self->newest && !last->row.damaged &&
                   place_is_behind(&next, &self->mark);
    return goes_on ? last : NULL;
}

/* ---- appending ---- */

/* The folder's own name is made to last by the first pack in it, with the pack's. */
static int make_pack(struct packs *self)
{
    struct disk *disk = self->root->disk;
    AUTO_ARENA *arena = arena_new(256 * 1024);
    const char *folder = arena ? pack_folder(self->root, arena) : NULL;
    const char *above = arena ? arena_cstr(arena, self->root->directory) : NULL;
    if (!folder || !above)
        return -ENOMEM;
    int made = disk->make_directory(disk, folder, 0755);
    if (made < 0 && made != -EEXIST)
        return made;
    int error = made == 0 ? disk->sync_directory(disk, above) : 0;
    if (error < 0) {
        disk->remove_directory(disk, folder);
        return error;
    }
    const struct pack_row row = { .number = self->newest + 1 };
    int fd = pack_file_open(self->root, row.number, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    error = disk->sync_directory(disk, folder);
    if (error == 0 && !packs_add(self, &row))
        error = -ENOMEM;
    if (error < 0) {
        disk->close(disk, fd);
        pack_file_unlink(self->root, row.number);
        return error;
    }
    self->fd = fd;
    self->tail = 0;
    return 0;
}

/* The newest pack goes on where its last object ends: nothing else behind that is anybody's. */
static int continue_pack(struct packs *self)
{
    const struct pack *last = newest_pack(self);
    if (!last || last->row.end >= self->size_max)
        return -ENOENT;
    int fd = pack_file_open(self->root, last->row.number, O_RDWR);
    if (fd < 0)
        return fd;
    self->fd = fd;
    self->tail = last->row.end;
    return 0;
}

static struct iovec part_of(const char *bytes, size_t size)
{
    return (struct iovec) { (void *)(uintptr_t)bytes, size };
}

/* The room between frames, and what a first try may have left there, is written over with zeros. */
static int write_parts(struct packs *self, const struct iovec *parts, int count, uint64_t size)
{
    struct disk *disk = self->root->disk;
    struct iovec left[PARTS];
    uint64_t at = self->tail;
    memcpy(left, parts, (size_t)count * sizeof *parts);
    for (struct iovec *first = left; size > 0;) {
        ssize_t written = disk->pwritev(disk, self->fd, first, (int)(left + count - first), at);
        if (written <= 0)
            return written < 0 ? (int)written : -ENOSPC;
        at += (uint64_t)written;
        size -= (uint64_t)written;
        size_t part = (size_t)written;
        for (; part > 0 && part >= first->iov_len; first++)
            part -= first->iov_len;
        if (part > 0)
            *first = part_of((char *)first->iov_base + part, first->iov_len - part);
    }
    self->tail = at;
    return 0;
}

/* As many as one write takes. Moves *put past them. */
static int write_some(struct packs *self, struct pack_put **put)
{
    struct iovec parts[PARTS];
    const struct pack *pack = &self->all[self->count - 1];
    uint64_t size = 0;
    int count = 0;
    for (; *put && count + 3 <= PARTS; *put = (*put)->next) {
        str head = (*put)->head, body = (*put)->body;
        uint64_t frame = head.len + body.len, span = pack_span(frame);
        (*put)->place = (struct object_place) { pack->row.number, self->tail + size, frame };
        parts[count++] = part_of(head.ptr, head.len);
        if (body.len)
            parts[count++] = part_of(body.ptr, body.len);
        if (span > frame)
            parts[count++] = part_of(zeros, (size_t)(span - frame));
        size += span;
    }
    self->written = true;
    return write_parts(self, parts, count, size);
}

static int write_all(struct packs *self, struct pack_put *put)
{
    int error = 0;
    while (put && error == 0)
        error = write_some(self, &put);
    return error;
}

/* What came to nothing behind the last object is to be gone before anything else is answered:
 * behind the mark it would be taken for objects. Where it cannot be, the pack is not the newest any
 * more. */
static void cut_back(struct packs *self)
{
    struct disk *disk = self->root->disk;
    const struct pack *pack = &self->all[self->count - 1];
    bool cut =
        disk->truncate(disk, self->fd, pack->row.end) == 0 && disk->fdatasync(disk, self->fd) == 0;
    self->tail = pack->row.end;
    if (!cut)
        self->newest++;
    packs_stop_writing(self);
}

/* A batch lies in one pack, which may grow past its limit by that. */
int packs_write(struct packs *self, struct pack_put *put)
{
    int error = 0;
    if (!put)
        return 0;
    if (self->fd != NO_FILE && self->tail >= self->size_max)
        packs_stop_writing(self);
    if (self->fd == NO_FILE && continue_pack(self) < 0)
        error = make_pack(self);
    uint64_t begin = error == 0 ? self->tail : 0;
    if (error == 0)
        error = write_all(self, put);
    if (error == -EFBIG && begin > 0) { /* no file may be longer here: another one begins at 0 */
        cut_back(self);
        error = make_pack(self);
        if (error == 0)
            error = write_all(self, put);
    }
    if (error < 0 && self->fd != NO_FILE)
        cut_back(self);
    return error;
}

/* Linux tells of lost bytes once, and nothing is known of the file behind it: it gets no more. */
void packs_synced(struct packs *self, int error)
{
    bool lost = self->written && error < 0;
    self->written = false;
    if (!lost)
        return;
    cut_back(self);
    self->newest = self->all[self->count - 1].row.number + 1;
}

int packs_sync(struct packs *self)
{
    int error = self->written ? self->root->disk->fdatasync(self->root->disk, self->fd) : 0;
    packs_synced(self, error);
    return error;
}

/* ---- counting ---- */

static void remember(struct packs *self, const struct object_place *place)
{
    struct hole *hole = self->batch ? ARENA_NEW(self->batch, struct hole) : NULL;
    if (!hole) /* its blocks stay until the pack goes */
        return;
    *hole = (struct hole) { self->losses, *place };
    self->losses = hole;
}

static struct pack *change(struct packs *self, uint64_t number)
{
    struct pack *pack = packs_find(self, number);
    if (pack && !pack->changed)
        pack->next = pack->row;
    if (pack)
        pack->changed = true;
    return pack;
}

void packs_gains(struct packs *self, const struct object_place *place)
{
    struct pack *pack = place->pack ? change(self, place->pack) : NULL;
    if (!pack)
        return;
    uint64_t end = place->at + pack_span(place->size);
    pack->next.live++;
    if (end > pack->next.end)
        pack->next.end = end;
}

void packs_loses(struct packs *self, const struct object_place *place)
{
    struct pack *pack = place->pack && !self->given_up ? change(self, place->pack) : NULL;
    if (!pack)
        return;
    pack->next.live -= pack->next.live > 0;
    pack->next.punching = pack->holed = true;
    remember(self, place);
}

/* Punched since it was noted that it would be. */
static bool is_punched(const struct pack *pack)
{
    return pack->row.punching && !pack->holed && !pack->unswept;
}

static bool is_over(const struct packs *self, const struct pack *pack, const struct pack_row *row)
{
    bool open = self->fd != NO_FILE && pack == &self->all[self->count - 1];
    return row->live == 0 && !open && !row->damaged && !self->given_up;
}

void packs_stop(struct packs *self)
{
    packs_stop_writing(self);
}

bool packs_idle(const struct packs *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct pack *pack = &self->all[i];
        if (pack->changed || pack->late || is_punched(pack) || is_over(self, pack, &pack->row))
            return false;
    }
    return true;
}

/* Behind all that is an object when this batch is done, and behind all that came to nothing. */
static struct pack_mark mark_now(const struct packs *self)
{
    const struct pack *last = newest_pack(self);
    if (!last)
        return (struct pack_mark) { self->newest + 1, 0 };
    return (struct pack_mark) { last->row.number, last->changed ? last->next.end : last->row.end };
}

const struct fault *packs_note(struct packs *self, struct arena *arena)
{
    for (size_t i = 0; i < self->count; i++) {
        struct pack *pack = &self->all[i];
        if (is_punched(pack)) {
            change(self, pack->row.number);
            pack->next.punching = false;
        }
        const struct pack_row *row = pack->changed ? &pack->next : &pack->row;
        if (is_over(self, pack, row)) {
            change(self, row->number);
            TRY(objects_index_remove_pack(self->index, row->number, arena));
        } else if (pack->changed || pack->late) {
            TRY(objects_index_put_pack(self->index, row, arena));
        }
    }
    self->next_mark = mark_now(self);
    return objects_index_put_mark(self->index, &self->next_mark, arena);
}

/* ---- punching ---- */

/* What cannot be punched now is tried again after the next start, where the file system can at all.
 */
static void punch(struct packs *self, const struct hole *holes)
{
    struct disk *disk = self->root->disk;
    struct pack *pack = NULL;
    int fd = NO_FILE;
    for (; holes; holes = holes->next) {
        const struct object_place *place = &holes->place;
        if (!pack || place->pack != pack->row.number) {
            if (fd >= 0)
                disk->close(disk, fd);
            pack = packs_find(self, place->pack);
            fd = pack ? pack_file_open(self->root, place->pack, O_RDWR) : NO_FILE;
        }
        int error = fd < 0 ? fd : disk->punch(disk, fd, place->at, pack_span(place->size));
        if (pack && error < 0 && error != -EOPNOTSUPP)
            pack->unswept = true;
    }
    if (fd >= 0)
        disk->close(disk, fd);
}

static void settle(struct packs *self, bool late)
{
    self->mark = late ? self->mark : self->next_mark;
    for (size_t i = self->count; i-- > 0;) {
        struct pack *pack = &self->all[i];
        pack->late = late && (pack->late || pack->changed);
        if (!pack->changed)
            continue;
        pack->row = pack->next;
        if (!late && is_over(self, pack, &pack->row)) {
            pack_file_unlink(self->root, pack->row.number);
            forget(self, pack);
        }
    }
}

/* The frames of the batch may be objects, and are not to be found again when they were removed
 * later. */
static void give_up(struct packs *self)
{
    self->given_up = true;
    self->newest += self->fd != NO_FILE;
    packs_stop_writing(self);
}

void packs_done(struct packs *self, enum packs_end end)
{
    if (end == PACKS_UNSURE)
        give_up(self);
    bool late = end == PACKS_LATE;
    if (late || end == PACKS_COMMITTED) {
        settle(self, late);
        punch(self, self->losses);
    }
    if (end == PACKS_ROLLED_BACK && self->fd != NO_FILE &&
        self->tail > self->all[self->count - 1].row.end)
        cut_back(self);
    for (size_t i = 0; i < self->count; i++)
        self->all[i].changed = self->all[i].holed = false;
    self->losses = NULL;
    arena_reset(self->batch);
}

/* store/object_packs.c - pack files: appending, counting, punching, sweeping. */
#include "store/object_packs.h"

#include "store/object_pack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

enum {
    NO_FILE = -1,
    PARTS = 1024,     /* of one write; Linux takes no more */
    SWEEP_STEPS = 64, /* looked at before others get their turn */
};

static const char zeros[PACK_STEP];

struct pack {
    struct pack_row row, next; /* as the index has it, and as it will when the batch is done */
    bool changed, holed;       /* in this batch; `holed`: frames go when it is done */
    bool unswept; /* a stop came before frames were punched out; the sweep will do it */
};

struct hole {
    struct hole *next;
    struct object_place place;
};

struct packs {
    const struct object_root *root;
    struct objects_index *index;
    uint64_t size_max;
    struct pack *all; /* by number */
    size_t count, room;
    uint64_t newest; /* the number last used, by a row or a file */
    int fd;          /* of the last pack, when it is written to; else NO_FILE */
    uint64_t tail;   /* where its next frame goes */
    bool written;    /* since the last sync */
    bool given_up;   /* the counts are not known any more */
    bool damaged; /* the index is, in what it says of packs: no file is removed for having no row */
    struct hole *losses; /* of this batch */
    struct arena *batch;
};

/* ---- which there are ---- */

static void stop_writing(struct packs *self)
{
    if (self->fd != NO_FILE)
        self->root->disk->close(self->root->disk, self->fd);
    self->fd = NO_FILE;
    self->written = false;
}

static struct pack *find(struct packs *self, uint64_t number)
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

static bool add(struct packs *self, const struct pack_row *row)
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
    if (error == 0 && !add(self, &row))
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
    const struct pack *last = self->count ? &self->all[self->count - 1] : NULL;
    if (!last || last->row.number != self->newest || last->row.end >= self->size_max ||
        last->row.damaged)
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

/* A batch lies in one pack, which may grow past its limit by that. */
int packs_write(struct packs *self, struct pack_put *put)
{
    int error = 0;
    if (!put)
        return 0;
    if (self->fd != NO_FILE && self->tail >= self->size_max)
        stop_writing(self);
    if (self->fd == NO_FILE && continue_pack(self) < 0)
        error = make_pack(self);
    uint64_t begin = error == 0 ? self->tail : 0;
    if (error == 0)
        error = write_all(self, put);
    if (error == -EFBIG && begin > 0) { /* no file may be longer here: another one begins at 0 */
        stop_writing(self);
        error = make_pack(self);
        if (error == 0)
            error = write_all(self, put);
    }
    if (error < 0)
        stop_writing(self);
    return error;
}

/* Linux tells of lost bytes once, and nothing is known of the file behind it: it gets no more. */
void packs_synced(struct packs *self, int error)
{
    bool lost = self->written && error < 0;
    self->written = false;
    if (!lost)
        return;
    stop_writing(self);
    self->newest++;
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
    struct pack *pack = find(self, number);
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
    struct pack *pack = place->pack ? change(self, place->pack) : NULL;
    if (!pack)
        return;
    pack->next.live -= pack->next.live > 0;
    pack->next.punching = pack->holed = true;
    remember(self, place);
}

void packs_wastes(struct packs *self, const struct object_place *place)
{
    struct pack *pack = place->pack ? change(self, place->pack) : NULL;
    if (!pack)
        return;
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
    return row->live == 0 && !open && !row->damaged;
}

void packs_stop(struct packs *self)
{
    stop_writing(self);
}

bool packs_idle(const struct packs *self)
{
    for (size_t i = 0; i < self->count && !self->given_up; i++) {
        const struct pack *pack = &self->all[i];
        if (pack->changed || is_punched(pack) || is_over(self, pack, &pack->row))
            return false;
    }
    return true;
}

const struct fault *packs_note(struct packs *self, struct arena *arena)
{
    if (self->given_up)
        return NULL;
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
        } else if (pack->changed) {
            TRY(objects_index_put_pack(self->index, row, arena));
        }
    }
    return NULL;
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
            pack = find(self, place->pack);
            fd = pack ? pack_file_open(self->root, place->pack, O_RDWR) : NO_FILE;
        }
        int error = fd < 0 ? fd : disk->punch(disk, fd, place->at, pack_span(place->size));
        if (pack && error < 0 && error != -EOPNOTSUPP)
            pack->unswept = true;
    }
    if (fd >= 0)
        disk->close(disk, fd);
}

static void settle(struct packs *self)
{
    for (size_t i = self->count; i-- > 0;) {
        struct pack *pack = &self->all[i];
        if (!pack->changed)
            continue;
        pack->row = pack->next;
        if (is_over(self, pack, &pack->row)) {
            pack_file_unlink(self->root, pack->row.number);
            forget(self, pack);
        }
    }
}

void packs_done(struct packs *self, enum packs_end end)
{
    self->given_up |= end == PACKS_UNSURE;
    if (end == PACKS_COMMITTED && !self->given_up) {
        settle(self);
        punch(self, self->losses);
    }
    if (end == PACKS_ROLLED_BACK && self->fd != NO_FILE)
        self->tail = self->all[self->count - 1].row.end; /* no object lies behind it */
    for (size_t i = 0; i < self->count; i++)
        self->all[i].changed = self->all[i].holed = false;
    self->losses = NULL;
    arena_reset(self->batch);
}

/* ---- sweeping ---- */

struct sweep {
    struct packs *packs;
    const struct packs_guard *guard;
    struct arena *arena;
    uint64_t gone;
};

/* What lies behind the last object was written for ones that never were. */
static void cut_off(struct sweep *s, const struct pack *pack)
{
    struct disk *disk = s->packs->root->disk;
    int fd = pack_file_open(s->packs->root, pack->row.number, O_RDWR);
    if (fd < 0)
        return;
    int64_t size = disk->size(disk, fd);
    if (size > 0 && (uint64_t)size > pack->row.end && disk->truncate(disk, fd, pack->row.end) == 0)
        s->gone++;
    disk->close(disk, fd);
}

static void sweep_file(struct sweep *s, uint64_t number)
{
    struct packs *self = s->packs;
    const struct pack *pack = find(self, number);
    bool open = pack && self->fd != NO_FILE && pack == &self->all[self->count - 1];
    if (open)
        return;
    if (pack && !pack->row.damaged) {
        cut_off(s, pack);
    } else if (!pack && number <= self->newest && !self->damaged) {
        pack_file_unlink(self->root, number);
        s->gone++;
    }
}

/* The frame at `at`, when it is one, is given up unless the index names it. Returns how far it
 * reaches. */
static uint64_t sweep_frame(struct sweep *s, int fd, uint64_t number, uint64_t at)
{
    struct packs *self = s->packs;
    struct disk *disk = self->root->disk;
    struct pack_frame frame;
    struct object_row row, there;
    arena_reset(s->arena);
    struct object_place place = { number, at, pack_frame_at(disk, fd, at) };
    if (place.size == 0 || pack_frame_take(self->root, &place, s->arena, &frame) < 0 ||
        pack_frame_row(&frame, s->arena, &row))
        return PACK_STEP; /* a hole, or damage, which is left for people to look at */
    const struct fault *why =
        objects_index_find(self->index, row.bucket, row.key, s->arena, &there);
    bool named = !why && there.place.pack == number && there.place.at == at;
    bool absent = !why || why->kind == FAULT_ABSENT;
    if (!named && absent && disk->punch(disk, fd, at, pack_span(place.size)) == 0)
        s->gone++;
    return pack_span(place.size);
}

static void sweep_pack(struct sweep *s, uint64_t number)
{
    struct disk *disk = s->packs->root->disk;
    const struct packs_guard *guard = s->guard;
    bool more = true;
    int fd = pack_file_open(s->packs->root, number, O_RDWR);
    for (uint64_t at = 0; more && fd >= 0 && !guard->stop(guard->context);) {
        guard->lock(guard->context);
        struct pack *pack = find(s->packs, number);
        for (int i = 0; i < SWEEP_STEPS && pack && at < pack->row.end; i++)
            at += sweep_frame(s, fd, number, at);
        more = pack && at < pack->row.end;
        if (pack && !more)
            pack->unswept = false;
        guard->unlock(guard->context);
    }
    if (fd >= 0)
        disk->close(disk, fd);
}

uint64_t packs_sweep(struct packs *self, const struct packs_guard *guard)
{
    struct sweep s = { .packs = self, .guard = guard, .arena = arena_new(4 << 20) };
    struct pack_numbers files = pack_files(self->root);
    for (size_t i = 0; s.arena && i < files.count && !guard->stop(guard->context); i++) {
        guard->lock(guard->context);
        const struct pack *pack = find(self, files.all[i]);
        bool punching = pack && pack->row.punching;
        sweep_file(&s, files.all[i]);
        guard->unlock(guard->context);
        if (punching)
            sweep_pack(&s, files.all[i]);
    }
    free(files.all);
    arena_free(s.arena);
    return s.gone;
}

/* ---- opening and closing ---- */

const struct fault *packs_open(const struct object_root *root, struct objects_index *index,
                               uint64_t size_max, struct arena *arena, struct packs **ret_packs)
{
    struct packs *self = calloc(1, sizeof *self);
    struct pack_row *rows = NULL;
    size_t count = 0;
    if (!self)
        return &fault_no_memory;
    *self = (struct packs) { .root = root,
                             .index = index,
                             .size_max = size_max,
                             .fd = NO_FILE,
                             .batch = arena_new(64 << 20) };
    const struct fault *why =
        self->batch ? objects_index_packs(index, arena, &rows, &count) : &fault_no_memory;
    for (size_t i = 0; i < count && !why; i++) {
        self->damaged |= rows[i].damaged;
        why = add(self, &rows[i]) ? NULL : &fault_no_memory;
    }
    if (why) {
        packs_close(self);
        return why;
    }
    struct pack_numbers files = pack_files(root);
    if (files.count && files.all[files.count - 1] > self->newest)
        self->newest = files.all[files.count - 1];
    free(files.all);
    *ret_packs = self;
    return NULL;
}

void packs_close(struct packs *self)
{
    if (!self)
        return;
    stop_writing(self);
    arena_free(self->batch);
    free(self->all);
    free(self);
}

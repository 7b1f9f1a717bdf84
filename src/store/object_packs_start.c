/* store/object_packs_start.c - what a start makes of the packs: frames behind the mark go into the
 * index, what nobody names is swept. */
#include "store/late_rows.h"
#include "store/object_pack_file.h"
#include "store/object_packs_held.h"
#include "store/object_read.h"

#include <fcntl.h>
#include <stdlib.h>

enum { SWEEP_STEPS = 64 }; /* looked at before others get their turn */

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
    const struct pack *pack = packs_find(self, number);
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
        struct pack *pack = packs_find(s->packs, number);
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
        const struct pack *pack = packs_find(self, files.all[i]);
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

/* ---- what a start finds behind the mark ---- */

struct catching {
    struct packs *packs;
    struct arena *arena;
    const struct fault *why;
    bool found;
};

/* A pack that no transaction has told of yet. */
static bool know(struct packs *self, uint64_t number)
{
    const struct pack_row row = { .number = number };
    bool ordered = self->count == 0 || self->all[self->count - 1].row.number < number;
    return packs_find(self, number) || !ordered /* the index is damaged */ || packs_add(self, &row);
}

static bool catch_up_frame(void *context, const struct pack_frame *frame,
                           const struct object_place *place)
{
    struct catching *c = context;
    struct object_row row, old;
    const struct fault *why = pack_frame_row(frame, c->arena, &row);
    if (why && why->kind == FAULT_SYNTAX)
        return false;
    row.place = *place;
    if (!why)
        why = know(c->packs, place->pack) ? NULL : &fault_no_memory;
    if (!why)
        why = objects_index_put(c->packs->index, &row, c->arena, &old);
    c->why = why;
    c->found = true;
    if (why)
        return false;
    bool there =
        !str_is_none(old.key) && old.place.pack == place->pack && old.place.at == place->at;
    if (there)
        return true;
    packs_gains(c->packs, place);
    if (!str_is_none(old.key))
        packs_loses(c->packs, &old.place);
    return true;
}

/* Behind the last whole frame is what was never answered: new ones will take its place, and none of it may be
 * found behind them. */
static void cut_off_rest(struct packs *self, uint64_t number, int fd, uint64_t at)
{
    struct disk *disk = self->root->disk;
    bool cut = disk->truncate(disk, fd, at) == 0 && disk->fdatasync(disk, fd) == 0;
    if (!cut && number == self->newest)
        self->newest++;
}

/* What a kill left may be in memory only, and is to be on disk before a row says so. */
static const struct fault *catch_up_open_pack(struct catching *c, uint64_t number, int fd, uint64_t at)
{
    struct packs *self = c->packs;
    struct disk *disk = self->root->disk;
    int64_t size = disk->size(disk, fd);
    int error = size < 0 ? (int)size : 0;
    bool more = error == 0 && (uint64_t)size > at;
    if (more)
        error = disk->fdatasync(disk, fd);
    if (error < 0)
        return object_disk_fault(c->arena, error, "cannot read a pack of objects");
    if (!more)
        return NULL;
    TRY(pack_frames_from(self->root, number, fd, &at, catch_up_frame, c, c->arena));
    if (!c->why && (uint64_t)size > at)
        cut_off_rest(self, number, fd, at);
    return c->why;
}

static const struct fault *catch_up_pack(struct catching *c, uint64_t number, uint64_t at)
{
    struct disk *disk = c->packs->root->disk;
    int fd = pack_file_open(c->packs->root, number, O_RDWR);
    if (fd < 0)
        return object_disk_fault(c->arena, fd, "cannot open a pack of objects");
    const struct fault *why = catch_up_open_pack(c, number, fd, at);
    disk->close(disk, fd);
    return why;
}

static const struct fault *catch_up_all(struct catching *c, const struct pack_numbers *files)
{
    const struct pack_mark mark = c->packs->mark;
    for (size_t i = 0; i < files->count; i++)
        if (files->all[i] >= mark.pack)
            TRY(catch_up_pack(c, files->all[i], files->all[i] == mark.pack ? mark.at : 0));
    return NULL;
}

/* An index that has no mark yet had a row on disk for each object. */
static const struct fault *catch_up(struct packs *self, const struct pack_numbers *files,
                                    struct arena *arena)
{
    struct catching c = { .packs = self, .arena = arena };
    bool marked = self->mark.pack != 0;
    TRY(objects_index_begin(self->index, arena));
    if (!marked)
        self->mark = (struct pack_mark) { self->newest + 1, 0 };
    const struct fault *why = catch_up_all(&c, files);
    bool changes = !why && (c.found || !marked);
    if (changes)
        why = packs_note(self, arena);
    if (changes && !why)
        why = objects_index_commit(self->index, arena);
    objects_index_rollback(self->index, arena);
    packs_done(self, changes && !why ? PACKS_COMMITTED : PACKS_ROLLED_BACK);
    return why;
}

/* The last pack's own row says the same, unless that pack is gone. */
static const struct fault *read_mark(struct packs *self, struct arena *arena)
{
    const struct pack *last = self->count ? &self->all[self->count - 1] : NULL;
    const struct fault *why = objects_index_mark(self->index, arena, &self->mark);
    if (why && why->kind == FAULT_DEFECT && last && !self->damaged) {
        self->mark = (struct pack_mark) { last->row.number, last->row.end };
        self->damaged = true;
        why = NULL;
    }
    return why;
}

struct following {
    struct late_rows *late;
    struct arena *arena;
};

static bool follow_frame(void *context, const struct pack_frame *frame,
                         const struct object_place *place)
{
    struct following *f = context;
    struct object_row row;
    arena_reset(f->arena);
    if (pack_frame_row(frame, f->arena, &row))
        return false;
    row.place = *place;
    late_rows_stage(f->late, &row);
    return true;
}

const struct fault *packs_follow(const struct object_root *root, struct objects_index *index,
                                 struct arena *arena)
{
    struct pack_mark mark;
    struct following f = { objects_index_late(index), arena_new(4 << 20) };
    struct pack_numbers files = pack_files(root);
    const struct fault *why = f.arena ? objects_index_mark(index, arena, &mark) : &fault_no_memory;
    if (!why && files.error < 0)
        why = object_disk_fault(arena, files.error, "cannot list the packs of objects");
    for (size_t i = 0; i < files.count && !why && mark.pack != 0; i++) {
        uint64_t number = files.all[i], at = number == mark.pack ? mark.at : 0;
        int fd = number < mark.pack ? NO_FILE : pack_file_open(root, number, O_RDONLY);
        if (fd < 0)
            continue; /* gone meanwhile */
        why = pack_frames_from(root, number, fd, &at, follow_frame, &f, arena);
        root->disk->close(root->disk, fd);
    }
    late_rows_show(f.late);
    free(files.all);
    arena_free(f.arena);
    return why;
}

/* ---- opening and closing ---- */

static void count_files(struct packs *self, const struct pack_numbers *files)
{
    uint64_t marked = self->mark.at > 0 ? self->mark.pack : self->mark.pack - (self->mark.pack > 0);
    if (files->count && files->all[files->count - 1] > self->newest)
        self->newest = files->all[files->count - 1];
    if (marked > self->newest) /* and that pack is gone */
        self->newest = marked;
}

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
        why = packs_add(self, &rows[i]) ? NULL : &fault_no_memory;
    }
    if (!why)
        why = read_mark(self, arena);
    struct pack_numbers files = pack_files(root);
    count_files(self, &files);
    if (!why && files.error < 0)
        why = object_disk_fault(arena, files.error, "cannot list the packs of objects");
    if (!why)
        why = catch_up(self, &files, arena);
    free(files.all);
    if (why) {
        packs_close(self);
        return why;
    }
    *ret_packs = self;
    return NULL;
}

void packs_close(struct packs *self)
{
    if (!self)
        return;
    packs_stop_writing(self);
    arena_free(self->batch);
    free(self->all);
    free(self);
}

/* store/object_pack_file.c - pack files by number: named, opened, listed, read. */
#include "store/object_pack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

const char *pack_folder(const struct object_root *root, struct arena *arena)
{
    str name = arena_strf(arena, STR_FMT "/%%packs", STR_ARG(root->directory));
    return arena_cstr(arena, name);
}

static const char *file_name(const struct object_root *root, uint64_t number, struct arena *arena)
{
    str name = arena_strf(arena, STR_FMT "/%%packs/%08llu.pack", STR_ARG(root->directory),
                          (unsigned long long)number);
    return arena_cstr(arena, name);
}

int pack_file_open(const struct object_root *root, uint64_t number, int flags)
{
    AUTO_ARENA *arena = arena_new(64 * 1024);
    const char *name = arena ? file_name(root, number, arena) : NULL;
    return name ? root->disk->open(root->disk, name, flags | O_CLOEXEC | O_NOFOLLOW, 0644)
                : -ENOMEM;
}

void pack_file_unlink(const struct object_root *root, uint64_t number)
{
    AUTO_ARENA *arena = arena_new(64 * 1024);
    const char *name = arena ? file_name(root, number, arena) : NULL;
    if (name)
        root->disk->unlink(root->disk, name); /* what stays is swept another day */
}

/* ---- reading ---- */

int pack_frame_take(const struct object_root *root, const struct object_place *place,
                    struct arena *arena, struct pack_frame *ret_frame)
{
    struct disk *disk = root->disk;
    if (place->size == 0 || place->size > PACK_FRAME_MAX)
        return -EBADMSG;
    char *bytes = arena_alloc(arena, place->size, 1);
    if (!bytes)
        return -ENOMEM;
    int fd = pack_file_open(root, place->pack, O_RDONLY);
    if (fd < 0)
        return fd;
    size_t done = 0;
    ssize_t got = 1;
    while (done < place->size && got > 0) {
        got = disk->pread(disk, fd, bytes + done, place->size - done, place->at + done);
        done += got > 0 ? (size_t)got : 0;
    }
    disk->close(disk, fd);
    if (got < 0)
        return (int)got;
    str frame = { bytes, done };
    return pack_frame_size(frame) == place->size && pack_frame_read(frame, ret_frame) ? 0
                                                                                      : -EBADMSG;
}

/* ---- what files there are ---- */

static bool number_of(const char *name, uint64_t *ret_number)
{
    str text = str_of(name);
    str digits = str_head(text, 8);
    return text.len == 13 && str_eq(str_from(text, 8), STR(".pack")) &&
           str_u64(digits, ret_number) && *ret_number > 0;
}

static void gather(void *context, const char *name)
{
    struct pack_numbers *numbers = context;
    uint64_t number;
    if (!number_of(name, &number))
        return; /* nobody's, and no harm */
    if (numbers->count == numbers->room) {
        size_t room = numbers->room ? 2 * numbers->room : 64;
        uint64_t *wider = realloc(numbers->all, room * sizeof *wider);
        if (!wider) {
            numbers->error = -ENOMEM;
            return;
        }
        numbers->all = wider;
        numbers->room = room;
    }
    numbers->all[numbers->count++] = number;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

struct pack_numbers pack_files(const struct object_root *root)
{
    AUTO_ARENA *arena = arena_new(64 * 1024);
    struct pack_numbers numbers = { 0 };
    const char *folder = arena ? pack_folder(root, arena) : NULL;
    int error = folder ? root->disk->list(root->disk, folder, gather, &numbers) : -ENOMEM;
    if (error < 0 && error != -ENOENT) /* there is no folder before the first pack */
        numbers.error = error;
    if (numbers.count)
        qsort(numbers.all, numbers.count, sizeof *numbers.all, by_number);
    return numbers;
}

static int look_at(struct disk *disk, int fd, uint64_t at, uint64_t *ret_size)
{
    char line[64];
    ssize_t got = disk->pread(disk, fd, line, sizeof line, at);
    *ret_size = got > 0 ? pack_frame_size((str) { line, (size_t)got }) : 0;
    return got < 0 ? (int)got : 0;
}

uint64_t pack_frame_at(struct disk *disk, int fd, uint64_t at)
{
    uint64_t size;
    look_at(disk, fd, at, &size);
    return size;
}

static bool walk_pack(const struct object_root *root, uint64_t number, pack_frame_fn *each,
                      void *context, struct arena *arena)
{
    struct disk *disk = root->disk;
    int fd = pack_file_open(root, number, O_RDONLY);
    int64_t size = fd < 0 ? 0 : disk->size(disk, fd);
    bool on = true;
    for (uint64_t at = 0; on && size > 0 && at < (uint64_t)size;) {
        struct pack_frame frame;
        struct object_place place = { number, at, pack_frame_at(disk, fd, at) };
        arena_reset(arena);
        if (place.size && pack_frame_take(root, &place, arena, &frame) == 0)
            on = each(context, &frame, &place);
        else
            place.size = 1;
        at += pack_span(place.size);
    }
    if (fd >= 0)
        disk->close(disk, fd);
    return on;
}

void packs_walk(const struct object_root *root, pack_frame_fn *each, void *context)
{
    AUTO_ARENA *arena = arena_new(4 << 20);
    struct pack_numbers numbers = pack_files(root);
    bool on = arena != NULL;
    for (size_t i = 0; on && i < numbers.count; i++)
        on = walk_pack(root, numbers.all[i], each, context, arena);
    free(numbers.all);
}

const struct fault *pack_frames_from(const struct object_root *root, uint64_t number, int fd, uint64_t *at,
                                     pack_frame_fn *each, void *context, struct arena *arena)
{
    AUTO_ARENA *frame_arena = arena_new(4 << 20);
    if (!frame_arena)
        return &fault_no_memory;
    for (;;) {
        struct pack_frame frame;
        arena_reset(frame_arena);
        struct object_place place = { number, *at, 0 };
        int error = look_at(root->disk, fd, *at, &place.size);
        if (error == 0)
            error = pack_frame_take(root, &place, frame_arena, &frame);
        if (error == -EBADMSG || (error == 0 && !each(context, &frame, &place)))
            return NULL;
        if (error < 0)
            return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot read a pack of objects: %s",
                         strerrordesc_np(-error));
        *at += pack_span(place.size);
    }
}

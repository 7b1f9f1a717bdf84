/* store/object_read.c - from a row to the bytes of its file. */
#include "store/object_read.h"

#include "store/object_path.h"

#include <errno.h>
#include <fcntl.h>

enum { READ_TRIES = 100 /* while the object is replaced again and again */ };

struct object_reader {
    struct disk *disk;
    int fd;
    uint64_t size;
};

const struct fault *object_disk_fault(struct arena *arena, int error, const char *doing)
{
    bool full = error == -ENOSPC || error == -EDQUOT;
    return fault(arena, full ? FAULT_LIMIT : FAULT_UNAVAILABLE, NULL, "%s: %s", doing,
                 strerrordesc_np(-error));
}

str object_row_path(const struct object_row *row, struct arena *arena)
{
    return str_is_none(row->path) ? object_path(row->key, arena) : row->path;
}

static bool same_version(const struct object_row *a, const struct object_row *b)
{
    return str_eq(a->path, b->path) && str_is_none(a->path) == str_is_none(b->path) &&
           a->info.size == b->info.size && a->info.modified_ms == b->info.modified_ms &&
           str_eq(a->info.etag, b->info.etag);
}

/* The file of the version that stands now, opened. Between two look-ups that agree its name cannot
 * have become another object's: a name is free only after its row changed. */
static const struct fault *open_version(const struct object_root *root, struct objects_index *index,
                                        str bucket, str key, struct arena *arena,
                                        struct object_info *ret_info, int *ret_fd)
{
    struct disk *disk = root->disk;
    struct object_row row, again;
    int fd = -ENOENT;
    TRY(objects_index_find(index, bucket, key, arena, &row));
    for (int tries = 0; tries < READ_TRIES; tries++, row = again) {
        const char *file = object_file_name(root, bucket, object_row_path(&row, arena), arena);
        if (!file)
            return &fault_no_memory;
        fd = disk->open(disk, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
        const struct fault *why = objects_index_find(index, bucket, key, arena, &again);
        bool stands = !why && same_version(&row, &again);
        if (fd >= 0 && stands) {
            *ret_info = row.info;
            *ret_fd = fd;
            return NULL;
        }
        if (fd >= 0)
            disk->close(disk, fd);
        if (why)
            return why;
        if (stands)
            break;
    }
    return object_disk_fault(arena, fd, "could not open the file of an object");
}

static int read_fully(struct disk *disk, int fd, uint64_t offset, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = disk->pread(disk, fd, (char *)to + done, size - done, offset + done);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO; /* shorter than its row says */
        done += (size_t)got;
    }
    return 0;
}

static size_t within(uint64_t object_size, uint64_t offset, size_t wanted)
{
    uint64_t left = offset < object_size ? object_size - offset : 0;
    return left < wanted ? (size_t)left : wanted;
}

const struct fault *object_read_once(const struct object_root *root, struct objects_index *index,
                                     str bucket, str key, uint64_t offset, size_t wanted,
                                     struct arena *arena, str *ret_bytes)
{
    struct object_info info;
    int fd;
    TRY(open_version(root, index, bucket, key, arena, &info, &fd));
    size_t size = within(info.size, offset, wanted);
    char *bytes = arena_alloc(arena, size ? size : 1, 1);
    int error = bytes ? read_fully(root->disk, fd, offset, bytes, size) : 0;
    root->disk->close(root->disk, fd);
    if (!bytes)
        return &fault_no_memory;
    if (error < 0)
        return object_disk_fault(arena, error, "could not read an object");
    *ret_bytes = (str) { bytes, size };
    return NULL;
}

static void reader_close(void *owned)
{
    struct object_reader *reader = owned;
    reader->disk->close(reader->disk, reader->fd);
}

const struct fault *object_read_open(const struct object_root *root, struct objects_index *index,
                                     str bucket, str key, struct arena *arena,
                                     struct object_info *ret_info,
                                     struct object_reader **ret_reader)
{
    struct object_reader *reader = ARENA_NEW(arena, struct object_reader);
    if (!reader)
        return &fault_no_memory;
    reader->disk = root->disk;
    TRY(open_version(root, index, bucket, key, arena, ret_info, &reader->fd));
    int64_t size = reader->disk->size(reader->disk, reader->fd); /* the bytes', not what is shown */
    if (size < 0) {
        reader_close(reader);
        return object_disk_fault(arena, (int)size, "could not read an object");
    }
    reader->size = (uint64_t)size;
    if (!arena_on_reset(arena, reader_close, reader)) {
        reader_close(reader);
        return &fault_no_memory;
    }
    *ret_reader = reader;
    return NULL;
}

const struct fault *object_read_into(struct object_reader *reader, uint64_t offset, void *to,
                                     size_t size, struct arena *arena, size_t *ret_size)
{
    size_t wanted = within(reader->size, offset, size);
    int error = read_fully(reader->disk, reader->fd, offset, to, wanted);
    if (error < 0)
        return object_disk_fault(arena, error, "could not read an object");
    *ret_size = wanted;
    return NULL;
}

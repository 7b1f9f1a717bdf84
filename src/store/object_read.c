/* store/object_read.c - from a row to its bytes: of its file, or of its frame in a pack. */
#include "store/object_read.h"

#include "store/object_pack_file.h"
#include "store/object_path.h"

#include <errno.h>
#include <fcntl.h>

enum { READ_TRIES = 100 /* while the object is replaced again and again */ };

enum { NO_FILE = -1 };
struct object_reader { /* one version, held: the open file, or all the bytes of a packed one */
    struct disk *disk;
    int fd;
    uint64_t size;
    str bytes;
};

const struct fault *object_disk_fault(struct arena *arena, int error, const char *doing)
{
    bool full = error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
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
           a->place.pack == b->place.pack && a->place.at == b->place.at &&
           a->info.size == b->info.size && a->info.modified_ms == b->info.modified_ms &&
           str_eq(a->info.etag, b->info.etag);
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

/* -EBADMSG: the place holds no frame, or another's. */
static int take_frame(const struct object_root *root, const struct object_row *row,
                      struct arena *arena, str *ret_bytes)
{
    struct pack_frame frame;
    int error = pack_frame_take(root, &row->place, arena, &frame);
    if (error == 0 && !pack_frame_is(&frame, row))
        error = -EBADMSG;
    if (error == 0)
        *ret_bytes = frame.body;
    return error;
}

static int take_file(const struct object_root *root, const struct object_row *row,
                     struct arena *arena, int *ret_fd)
{
    const char *file = object_file_name(root, row->bucket, object_row_path(row, arena), arena);
    if (!file)
        return -ENOMEM;
    int fd = root->disk->open(root->disk, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd >= 0)
        *ret_fd = fd;
    return fd < 0 ? fd : 0;
}

static void let_go(struct object_reader *reader)
{
    if (reader->fd != NO_FILE)
        reader->disk->close(reader->disk, reader->fd);
    reader->fd = NO_FILE;
}

/* The bytes of the version that stands now. Between two look-ups that agree the name of its file
 * cannot have become another object's: a name is free only after its row changed. A frame says
 * itself whose it is, and is punched out only after that. */
static const struct fault *open_version(const struct object_root *root, struct objects_index *index,
                                        str bucket, str key, struct arena *arena,
                                        struct object_info *ret_info, struct object_reader *reader)
{
    struct object_row row, again;
    int error = 0;
    *reader = (struct object_reader) { .disk = root->disk, .fd = NO_FILE };
    TRY(objects_index_find(index, bucket, key, arena, &row));
    for (int tries = 0; tries < READ_TRIES; tries++, row = again) {
        bool packed = row.place.pack != 0;
        error = packed ? take_frame(root, &row, arena, &reader->bytes)
                       : take_file(root, &row, arena, &reader->fd);
        if (error == -ENOMEM)
            return &fault_no_memory;
        if (packed && error == 0) {
            *ret_info = row.info;
            return NULL;
        }
        const struct fault *why = objects_index_find(index, bucket, key, arena, &again);
        bool stands = !why && same_version(&row, &again);
        if (error == 0 && stands) {
            *ret_info = row.info;
            return NULL;
        }
        let_go(reader);
        if (why)
            return why;
        if (stands)
            break;
    }
    if (error == -EBADMSG)
        return fault(arena, FAULT_DEFECT, NULL,
                     "the bytes of " STR_FMT " in " STR_FMT
                     " are damaged: pack %llu at %llu is not what was stored",
                     STR_ARG(key), STR_ARG(bucket), (unsigned long long)row.place.pack,
                     (unsigned long long)row.place.at);
    return object_disk_fault(arena, error, "could not open the file of an object");
}

/* Fewer bytes than the row says are no answer. */
static int read_at(const struct object_reader *reader, uint64_t offset, void *to, size_t size)
{
    if (reader->fd != NO_FILE)
        return read_fully(reader->disk, reader->fd, offset, to, size);
    if (offset > reader->bytes.len || size > reader->bytes.len - offset)
        return size ? -EIO : 0;
    if (size)
        memcpy(to, reader->bytes.ptr + offset, size);
    return 0;
}

const struct fault *object_read_once(const struct object_root *root, struct objects_index *index,
                                     str bucket, str key, uint64_t offset, size_t wanted,
                                     struct arena *arena, str *ret_bytes)
{
    struct object_info info;
    struct object_reader reader;
    TRY(open_version(root, index, bucket, key, arena, &info, &reader));
    size_t size = within(info.size, offset, wanted);
    char *bytes = arena_alloc(arena, size ? size : 1, 1);
    int error = bytes ? read_at(&reader, offset, bytes, size) : 0;
    let_go(&reader);
    if (!bytes)
        return &fault_no_memory;
    if (error < 0)
        return object_disk_fault(arena, error, "could not read an object");
    *ret_bytes = (str) { bytes, size };
    return NULL;
}

static void reader_close(void *owned)
{
    let_go(owned);
}

const struct fault *object_read_open(const struct object_root *root, struct objects_index *index,
                                     str bucket, str key, struct arena *arena,
                                     struct object_info *ret_info,
                                     struct object_reader **ret_reader)
{
    struct object_reader *reader = ARENA_NEW(arena, struct object_reader);
    if (!reader)
        return &fault_no_memory;
    TRY(open_version(root, index, bucket, key, arena, ret_info, reader));
    int64_t size = reader->fd == NO_FILE /* the bytes', not what is shown */
                       ? (int64_t)reader->bytes.len
                       : reader->disk->size(reader->disk, reader->fd);
    if (size < 0) {
        let_go(reader);
        return object_disk_fault(arena, (int)size, "could not read an object");
    }
    reader->size = (uint64_t)size;
    if (!arena_on_reset(arena, reader_close, reader)) {
        let_go(reader);
        return &fault_no_memory;
    }
    *ret_reader = reader;
    return NULL;
}

const struct fault *object_read_into(struct object_reader *reader, uint64_t offset, void *to,
                                     size_t size, struct arena *arena, size_t *ret_size)
{
    size_t wanted = within(reader->size, offset, size);
    int error = read_at(reader, offset, to, wanted);
    if (error < 0)
        return object_disk_fault(arena, error, "could not read an object");
    *ret_size = wanted;
    return NULL;
}

/* testing/disk_failing.c - counts the calls and fails the one that was chosen. */
#include "testing/disk_failing.h"

#include <stdatomic.h>

static struct disk_failing *self(struct disk *disk)
{
    return (struct disk_failing *)disk;
}

static bool fails(struct disk *disk)
{
    struct disk_failing *d = self(disk);
    uint64_t call = atomic_fetch_add(&d->calls, 1) + 1, at = atomic_load(&d->fail_at);
    return at && (call == at || (call > at && atomic_load(&d->stays)));
}

#define FAIL(disk)                                                                                 \
    if (fails(disk))                                                                               \
        return -atomic_load(&self(disk)->error);

static int failing_open(struct disk *disk, const char *path, int flags, unsigned mode)
{
    FAIL(disk)
    return self(disk)->under->open(self(disk)->under, path, flags, mode);
}

static int failing_close(struct disk *disk, int fd)
{
    return self(disk)->under->close(self(disk)->under, fd);
}

static ssize_t failing_pread(struct disk *disk, int fd, void *to, size_t size, uint64_t offset)
{
    FAIL(disk)
    return self(disk)->under->pread(self(disk)->under, fd, to, size, offset);
}

static ssize_t failing_pwritev(struct disk *disk, int fd, const struct iovec *parts, int count,
                               uint64_t offset)
{
    FAIL(disk)
    return self(disk)->under->pwritev(self(disk)->under, fd, parts, count, offset);
}

static void failing_write_soon(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    self(disk)->under->write_soon(self(disk)->under, fd, offset, size);
}

static int failing_fdatasync(struct disk *disk, int fd)
{
    FAIL(disk)
    return self(disk)->under->fdatasync(self(disk)->under, fd);
}

static int failing_syncfs(struct disk *disk, int fd)
{
    FAIL(disk)
    return self(disk)->under->syncfs(self(disk)->under, fd);
}

static int failing_allocate(struct disk *disk, int fd, uint64_t size)
{
    FAIL(disk)
    return self(disk)->under->allocate(self(disk)->under, fd, size);
}

static int failing_punch(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    FAIL(disk)
    return self(disk)->under->punch(self(disk)->under, fd, offset, size);
}

static int failing_truncate(struct disk *disk, int fd, uint64_t size)
{
    FAIL(disk)
    return self(disk)->under->truncate(self(disk)->under, fd, size);
}

static int64_t failing_size(struct disk *disk, int fd)
{
    FAIL(disk)
    return self(disk)->under->size(self(disk)->under, fd);
}

static int failing_rename(struct disk *disk, const char *from, const char *to)
{
    FAIL(disk)
    return self(disk)->under->rename(self(disk)->under, from, to);
}

static int failing_unlink(struct disk *disk, const char *path)
{
    FAIL(disk)
    return self(disk)->under->unlink(self(disk)->under, path);
}

static int failing_make_directory(struct disk *disk, const char *path, unsigned mode)
{
    FAIL(disk)
    return self(disk)->under->make_directory(self(disk)->under, path, mode);
}

static int failing_remove_directory(struct disk *disk, const char *path)
{
    FAIL(disk)
    return self(disk)->under->remove_directory(self(disk)->under, path);
}

static int failing_sync_directory(struct disk *disk, const char *path)
{
    FAIL(disk)
    return self(disk)->under->sync_directory(self(disk)->under, path);
}

static int failing_list(struct disk *disk, const char *path,
                        void (*each)(void *context, const char *name), void *context)
{
    FAIL(disk)
    return self(disk)->under->list(self(disk)->under, path, each, context);
}

static int failing_free_bytes(struct disk *disk, const char *path, uint64_t *ret_bytes)
{
    FAIL(disk)
    return self(disk)->under->free_bytes(self(disk)->under, path, ret_bytes);
}

void disk_failing_init(struct disk_failing *d, struct disk *under)
{
    *d = (struct disk_failing){
        .under = under,
        .disk = {
            .open = failing_open,
            .close = failing_close,
            .pread = failing_pread,
            .pwritev = failing_pwritev,
            .write_soon = failing_write_soon,
            .fdatasync = failing_fdatasync,
            .syncfs = failing_syncfs,
            .allocate = failing_allocate,
            .punch = failing_punch,
            .truncate = failing_truncate,
            .size = failing_size,
            .rename = failing_rename,
            .unlink = failing_unlink,
            .make_directory = failing_make_directory,
            .remove_directory = failing_remove_directory,
            .sync_directory = failing_sync_directory,
            .list = failing_list,
            .free_bytes = failing_free_bytes,
        },
    };
}

void disk_failing_at(struct disk_failing *d, uint64_t call, int error, bool stays)
{
    atomic_store(&d->calls, 0);
    atomic_store(&d->error, error);
    atomic_store(&d->stays, stays);
    atomic_store(&d->fail_at, call);
}

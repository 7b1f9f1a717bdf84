/* base/disk.c - struct disk over the system calls, a dozen of them, each telling its errno as a
 * negative number and trying again after EINTR. */
#include "base/outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Runs a call that answers -1 until it was not merely interrupted; leaves the caller's errno alone.
 */
#define CALL(type, expr)                                                                           \
    ({                                                                                             \
        int saved_ = errno;                                                                        \
        type got_;                                                                                 \
        do                                                                                         \
            got_ = (expr);                                                                         \
        while (got_ < 0 && errno == EINTR);                                                        \
        if (got_ < 0)                                                                              \
            got_ = -errno;                                                                         \
        errno = saved_;                                                                            \
        got_;                                                                                      \
    })

static int real_open(struct disk *disk, const char *path, int flags, unsigned mode)
{
    (void)disk;
    return CALL(int, open(path, flags | O_CLOEXEC, mode));
}

static int real_close(struct disk *disk, int fd)
{
    (void)disk;
    int saved = errno;
    int got = close(fd) < 0 && errno != EINTR ? -errno : 0; /* Linux has closed it even on EINTR */
    errno = saved;
    return got;
}

static ssize_t real_pread(struct disk *disk, int fd, void *to, size_t size, uint64_t offset)
{
    (void)disk;
    return CALL(ssize_t, pread(fd, to, size, (off_t)offset));
}

static ssize_t real_pwritev(struct disk *disk, int fd, const struct iovec *parts, int count,
                            uint64_t offset)
{
    (void)disk;
    return CALL(ssize_t, pwritev(fd, parts, count, (off_t)offset));
}

static void real_write_soon(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)disk;
    int saved = errno;
    sync_file_range(fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
    errno = saved;
}

static int real_fdatasync(struct disk *disk, int fd)
{
    (void)disk;
    return CALL(int, fdatasync(fd));
}

static int real_syncfs(struct disk *disk, int fd)
{
    (void)disk;
    return CALL(int, syncfs(fd));
}

/* fallocate(2) where the file system has it; elsewhere (NFS, old overlay) the file grows as a hole.
 */
static int real_allocate(struct disk *disk, int fd, uint64_t size)
{
    (void)disk;
    struct stat s;
    int got = CALL(int, fallocate(fd, 0, 0, (off_t)size));
    if (got != -EOPNOTSUPP)
        return got;
    got = CALL(int, fstat(fd, &s));
    if (got < 0 || (uint64_t)s.st_size >= size)
        return got;
    return CALL(int, ftruncate(fd, (off_t)size));
}

static int real_punch(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)disk;
    return CALL(int, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                               (off_t)size));
}

static int real_truncate(struct disk *disk, int fd, uint64_t size)
{
    (void)disk;
    return CALL(int, ftruncate(fd, (off_t)size));
}

static int64_t real_size(struct disk *disk, int fd)
{
    (void)disk;
    struct stat s;
    int got = CALL(int, fstat(fd, &s));
    return got < 0 ? got : (int64_t)s.st_size;
}

static int real_rename(struct disk *disk, const char *from, const char *to)
{
    (void)disk;
    return CALL(int, rename(from, to));
}

static int real_unlink(struct disk *disk, const char *path)
{
    (void)disk;
    return CALL(int, unlink(path));
}

static int real_make_directory(struct disk *disk, const char *path, unsigned mode)
{
    (void)disk;
    return CALL(int, mkdir(path, mode));
}

static int real_remove_directory(struct disk *disk, const char *path)
{
    (void)disk;
    return CALL(int, rmdir(path));
}

static int real_sync_directory(struct disk *disk, const char *path)
{
    (void)disk;
    int fd = CALL(int, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    int got = CALL(int, fsync(fd));
    real_close(disk, fd);
    return got;
}

static int real_list(struct disk *disk, const char *path,
                     void (*each)(void *context, const char *name), void *context)
{
    (void)disk;
    int saved = errno;
    DIR *dir = opendir(path);
    int got = dir ? 0 : -errno;
    while (dir) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            got = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(context, entry->d_name);
    }
    if (dir)
        closedir(dir);
    errno = saved;
    return got;
}

static int real_free_bytes(struct disk *disk, const char *path, uint64_t *ret_bytes)
{
    (void)disk;
    struct statvfs s;
    int got = CALL(int, statvfs(path, &s));
    if (got == 0)
        *ret_bytes =
            (uint64_t)s.f_bavail * s.f_frsize; /* what a process without privileges may take */
    return got;
}

struct disk *disk_real(void)
{
    static struct disk real = {
        .open = real_open,
        .close = real_close,
        .pread = real_pread,
        .pwritev = real_pwritev,
        .write_soon = real_write_soon,
        .fdatasync = real_fdatasync,
        .syncfs = real_syncfs,
        .allocate = real_allocate,
        .punch = real_punch,
        .truncate = real_truncate,
        .size = real_size,
        .rename = real_rename,
        .unlink = real_unlink,
        .make_directory = real_make_directory,
        .remove_directory = real_remove_directory,
        .sync_directory = real_sync_directory,
        .list = real_list,
        .free_bytes = real_free_bytes,
    };
    return &real;
}

/* base/whole_file.c - under a temporary name, synced, renamed, and the directory synced. */
#include "base/whole_file.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct fault *cannot(struct arena *a, const char *what, const char *path)
{
    int why = errno;
    return fault(a, why == ENOENT ? FAULT_ABSENT : FAULT_UNAVAILABLE, NULL, "cannot %s %s: %s",
                 what, path, strerror(why));
}

bool whole_file_fill(int fd, str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_from(bytes, (size_t)n);
    }
    return true;
}

static const struct fault *sync_names(struct arena *a, const char *directory)
{
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct fault *f = folder >= 0 && fsync(folder) == 0 ? NULL : cannot(a, "sync", directory);
    if (folder >= 0)
        close(folder);
    return f;
}

const struct fault *whole_file_write(struct arena *a, str directory, const char *name, str bytes,
                                     unsigned mode, bool durable)
{
    const char *folder = arena_cstr(a, directory);
    const char *path = arena_cstr(a, arena_strf(a, STR_FMT "/%s", STR_ARG(directory), name));
    const char *fresh = path ? arena_cstr(a, arena_strf(a, "%s.new", path)) : NULL;
    if (!folder || !fresh)
        return &fault_no_memory;
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return cannot(a, "make", fresh);
    bool written = whole_file_fill(fd, bytes) && (!durable || fsync(fd) == 0);
    const struct fault *f = written ? NULL : cannot(a, "write", fresh);
    close(fd);
    if (!f && rename(fresh, path) != 0)
        f = cannot(a, "make", path);
    if (f) {
        unlink(fresh);
        return f;
    }
    return durable ? sync_names(a, folder) : NULL;
}

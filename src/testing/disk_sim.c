/* testing/disk_sim.c - the disk in memory while it runs; testing/disk_cut.c rebuilds it after a
 * cut.
 *
 * A test's simulator needs no answer to missing memory: it asserts. */
#include "testing/disk_sim_steps.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_FD = 100 /* no real descriptor by accident */ };

void *sim_grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) /* room doubles at the powers of two */
        return array;
    array = realloc(array, (count ? 2 * count : 1) * size);
    assert(array && "a test has memory");
    return array;
}

char *sim_copy(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    assert(copy && "a test has memory");
    if (size)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

struct inode *sim_inode(struct disk_sim *sim, bool directory)
{
    struct inode *inode = calloc(1, sizeof(*inode));
    assert(inode && "a test has memory");
    inode->directory = directory;
    inode->number = sim->inode_count;
    sim->inodes = sim_grow(sim->inodes, sim->inode_count, sizeof(struct inode *));
    sim->inodes[sim->inode_count++] = inode;
    return inode;
}

void sim_resize(struct inode *inode, uint64_t size)
{
    if (size > inode->room) {
        uint64_t room = size < 4096 ? 4096 : size + size / 2;
        inode->bytes = realloc(inode->bytes, room);
        assert(inode->bytes && "a test has memory");
        inode->room = room;
    }
    if (size > inode->size)
        memset(inode->bytes + inode->size, 0, size - inode->size);
    inode->size = size;
}

void sim_name(struct pmap **names, const char *path, struct inode *inode)
{
    struct pmap *changed =
        inode ? pmap_put(*names, str_of(path), inode) : pmap_remove(*names, str_of(path));
    assert(changed && "a test has memory");
    pmap_unref(*names);
    *names = changed;
}

struct inode *sim_find(const struct pmap *names, const char *path)
{
    return (struct inode *)pmap_find(names, str_of(path));
}

bool sim_in_directory(const char *path, const char *directory)
{
    size_t len = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return strncmp(path, directory, len) == 0 && path[len] == '/' && path[len + 1] &&
           !strchr(path + len + 1, '/');
}

static struct disk_sim *enter(struct disk *disk)
{
    struct disk_sim *sim = (struct disk_sim *)disk;
    pthread_mutex_lock(&sim->lock);
    return sim;
}

#define LEAVE(sim, answer)                                                                         \
    do {                                                                                           \
        __auto_type answer_ = (answer);                                                            \
        pthread_mutex_unlock(&(sim)->lock);                                                        \
        return answer_;                                                                            \
    } while (0)

/* Counts this call; the negative errno it shall fail with, or 0. */
static int counted(struct disk_sim *sim)
{
    sim->calls++;
    bool hit = sim->fail_mode == FAIL_ONCE
                   ? sim->calls == sim->fail_call
                   : (sim->fail_mode == FAIL_FROM || sim->fail_mode == FAIL_KILLED) &&
                         sim->calls >= sim->fail_call;
    return hit ? -sim->fail_error : 0;
}

void sim_record(struct disk_sim *sim, struct step step)
{
    sim->steps = sim_grow(sim->steps, sim->step_count, sizeof(struct step));
    sim->steps[sim->step_count++] = step;
}

/* A sync that was never asked for, since the process is dead, gives nothing up. */
static void record_sync(struct disk_sim *sim, int failed, struct step done, struct step given_up)
{
    if (!failed)
        sim_record(sim, done);
    else if (sim->fail_mode != FAIL_KILLED)
        sim_record(sim, given_up);
}

int sim_simplify(const char *path, char to[SIM_PATH_SIZE])
{
    size_t len = 0;
    while (*path) {
        size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.')
            return -EINVAL;
        if (part && !(part == 1 && path[0] == '.')) {
            if (len + part + 2 > SIM_PATH_SIZE)
                return -ENAMETOOLONG;
            to[len++] = '/';
            memcpy(to + len, path, part);
            len += part;
        }
        path += part + (path[part] == '/');
    }
    if (len == 0)
        to[len++] = '/';
    to[len] = '\0';
    return 0;
}

static int parent_of(const struct disk_sim *sim, const char *path)
{
    char parent[SIM_PATH_SIZE];
    size_t len = (size_t)(strrchr(path, '/') - path);
    memcpy(parent, path, len);
    parent[len] = '\0';
    const struct inode *inode = sim_find(sim->names, len ? parent : "/");
    return !inode ? -ENOENT : inode->directory ? 0 : -ENOTDIR;
}

static int new_descriptor(struct disk_sim *sim, struct inode *inode, int flags)
{
    size_t i = 0;
    while (i < sim->opened_count && sim->opened[i].inode)
        i++;
    if (i == sim->opened_count) {
        sim->opened = sim_grow(sim->opened, i, sizeof(struct opened));
        sim->opened_count++;
    }
    sim->opened[i] = (struct opened) { inode, flags };
    return (int)i + FIRST_FD;
}

static struct opened *opened(struct disk_sim *sim, int fd)
{
    size_t i = (size_t)(fd - FIRST_FD);
    return fd >= FIRST_FD && i < sim->opened_count && sim->opened[i].inode ? &sim->opened[i] : NULL;
}

static struct inode *writable(struct disk_sim *sim, int fd)
{
    const struct opened *o = opened(sim, fd);
    return o && (o->flags & O_ACCMODE) != O_RDONLY ? o->inode : NULL;
}

static void set_size(struct disk_sim *sim, struct inode *inode, uint64_t size)
{
    sim_resize(inode, size);
    sim_record(sim, (struct step) { .kind = STEP_SIZE, .inode = inode->number, .offset = size });
}

static int open_at(struct disk_sim *sim, const char *path, int flags)
{
    struct inode *inode = sim_find(sim->names, path);
    if (inode && flags & O_CREAT && flags & O_EXCL)
        return -EEXIST;
    if (inode && inode->directory && (flags & O_ACCMODE) != O_RDONLY)
        return -EISDIR;
    if (inode && !inode->directory && flags & O_DIRECTORY)
        return -ENOTDIR;
    int parent = inode ? 0 : parent_of(sim, path);
    if (!inode && (parent || !(flags & O_CREAT)))
        return parent ? parent : -ENOENT;
    if (!inode) {
        inode = sim_inode(sim, false);
        sim_name(&sim->names, path, inode);
        sim_record(sim, (struct step) { .kind = STEP_NAME,
                                        .inode = inode->number,
                                        .path = sim_copy(path, strlen(path)) });
    } else if (flags & O_TRUNC && inode->size) {
        set_size(sim, inode, 0);
    }
    return new_descriptor(sim, inode, flags);
}

static int sim_open(struct disk *disk, const char *path, int flags, unsigned mode)
{
    (void)mode;
    char simple[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    if (!failed && flags & O_APPEND) /* pwritev(2) would ignore its offset */
        failed = -EINVAL;
    if (!failed)
        failed = sim_simplify(path, simple);
    LEAVE(sim, failed ? failed : open_at(sim, simple, flags));
}

static int sim_close(struct disk *disk, int fd)
{
    struct disk_sim *sim = enter(disk);
    struct opened *o = opened(sim, fd);
    if (o)
        o->inode = NULL;
    LEAVE(sim, o ? 0 : -EBADF);
}

static ssize_t sim_pread(struct disk *disk, int fd, void *to, size_t size, uint64_t offset)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    const struct opened *o = opened(sim, fd);
    if (!failed && (!o || (o->flags & O_ACCMODE) == O_WRONLY))
        failed = -EBADF;
    if (!failed && o->inode->directory)
        failed = -EISDIR;
    if (failed)
        LEAVE(sim, (ssize_t)failed);
    uint64_t left = offset < o->inode->size ? o->inode->size - offset : 0;
    size_t part = size < left ? size : (size_t)left;
    if (part)
        memcpy(to, o->inode->bytes + offset, part);
    LEAVE(sim, (ssize_t)part);
}

static uint64_t used(const struct disk_sim *sim)
{
    uint64_t sum = 0;
    str key = STR_NONE;
    const void *inode;
    while (pmap_next(sim->names, STR(""), key, &key, &inode))
        sum += ((const struct inode *)inode)->size;
    return sum;
}

/* How far the file may grow. */
static uint64_t room_for(const struct disk_sim *sim, const struct inode *inode)
{
    if (sim->room == UINT64_MAX)
        return UINT64_MAX;
    uint64_t taken = used(sim);
    return inode->size + (taken < sim->room ? sim->room - taken : 0);
}

static char *joined(const struct iovec *parts, int count, size_t *ret_len)
{
    size_t len = 0, at = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    char *bytes = malloc(len + 1);
    assert(bytes && "a test has memory");
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len)
            memcpy(bytes + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    *ret_len = len;
    return bytes;
}

static ssize_t sim_pwritev(struct disk *disk, int fd, const struct iovec *parts, int count,
                           uint64_t offset)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    struct inode *inode = writable(sim, fd);
    if (!failed && !inode)
        failed = -EBADF;
    if (failed)
        LEAVE(sim, (ssize_t)failed);
    size_t len;
    char *bytes = joined(parts, count, &len);
    bool cut_short = sim->fail_mode == FAIL_SHORT && sim->calls == sim->fail_call && len > 1;
    size_t part = cut_short ? len / 2 : len;
    uint64_t room = room_for(sim, inode);
    if (part && offset + part > room)
        part = offset < room ? (size_t)(room - offset) : 0;
    if (part) {
        if (offset + part > inode->size)
            sim_resize(inode, offset + part);
        memcpy(inode->bytes + offset, bytes, part);
        sim_record(sim, (struct step) { .kind = STEP_WRITE,
                                        .inode = inode->number,
                                        .offset = offset,
                                        .bytes = bytes,
                                        .len = part });
    } else {
        free(bytes);
    }
    LEAVE(sim, part || !len ? (ssize_t)part : (ssize_t)-ENOSPC);
}

static int sim_fdatasync(struct disk *disk, int fd)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    const struct opened *o = opened(sim, fd);
    if (o)
        record_sync(sim, failed, (struct step) { .kind = STEP_SYNC, .inode = o->inode->number },
                    (struct step) { .kind = STEP_SYNC_FAILED, .inode = o->inode->number });
    LEAVE(sim, o ? failed : -EBADF);
}

static int sim_syncfs(struct disk *disk, int fd)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    const struct opened *o = opened(sim, fd);
    if (o)
        record_sync(sim, failed, (struct step) { .kind = STEP_SYNC_ALL },
                    (struct step) { .kind = STEP_SYNC_ALL_FAILED });
    LEAVE(sim, o ? failed : -EBADF);
}

static int sim_allocate(struct disk *disk, int fd, uint64_t size)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    struct inode *inode = writable(sim, fd);
    if (!failed && !inode)
        failed = -EBADF;
    if (!failed && size > inode->size && size > room_for(sim, inode))
        failed = -ENOSPC;
    if (!failed && size > inode->size)
        set_size(sim, inode, size);
    LEAVE(sim, failed);
}

/* What is not synced may be on the disk at any time in any case. */
static void sim_write_soon(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    (void)disk, (void)fd, (void)offset, (void)size;
}

/* As if zeros had been written. */
static int sim_punch(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    struct inode *inode = writable(sim, fd);
    if (!failed && !inode)
        failed = -EBADF;
    if (failed)
        LEAVE(sim, failed);
    uint64_t left = offset < inode->size ? inode->size - offset : 0;
    size_t part = size < left ? (size_t)size : (size_t)left;
    if (part) {
        char *zeros = calloc(1, part);
        assert(zeros && "a test has memory");
        memset(inode->bytes + offset, 0, part);
        sim_record(sim, (struct step) { .kind = STEP_WRITE,
                                        .inode = inode->number,
                                        .offset = offset,
                                        .bytes = zeros,
                                        .len = part });
    }
    LEAVE(sim, 0);
}

static int sim_truncate(struct disk *disk, int fd, uint64_t size)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    struct inode *inode = writable(sim, fd);
    if (!failed && !inode)
        failed = -EINVAL;
    if (!failed && size != inode->size)
        set_size(sim, inode, size);
    LEAVE(sim, failed);
}

static int64_t sim_size(struct disk *disk, int fd)
{
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    const struct opened *o = opened(sim, fd);
    LEAVE(sim, failed ? (int64_t)failed : o ? (int64_t)o->inode->size : (int64_t)-EBADF);
}

/* Both names simplified; a missing second one is the first. */
static int names_of(struct disk_sim *sim, const char *from, const char *to,
                    char from_path[SIM_PATH_SIZE], char to_path[SIM_PATH_SIZE])
{
    int failed = counted(sim);
    if (!failed)
        failed = sim_simplify(from, from_path);
    return failed ? failed : sim_simplify(to, to_path);
}

static int rename_at(struct disk_sim *sim, const char *from, const char *to)
{
    struct inode *inode = sim_find(sim->names, from), *there = sim_find(sim->names, to);
    int parent = parent_of(sim, to);
    if (!inode || parent)
        return !inode ? -ENOENT : parent;
    if (inode->directory) /* would change the path of everything below; nobody needs it */
        return -ENOTSUP;
    if (there && there->directory)
        return -EISDIR;
    if (inode == there)
        return 0;
    sim_name(&sim->names, from, NULL);
    sim_name(&sim->names, to, inode);
    sim_record(sim, (struct step) { .kind = STEP_RENAME,
                                    .inode = inode->number,
                                    .path = sim_copy(from, strlen(from)),
                                    .to = sim_copy(to, strlen(to)) });
    return 0;
}

static int sim_rename(struct disk *disk, const char *from, const char *to)
{
    char from_path[SIM_PATH_SIZE], to_path[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = names_of(sim, from, to, from_path, to_path);
    LEAVE(sim, failed ? failed : rename_at(sim, from_path, to_path));
}

static bool has_children(const struct disk_sim *sim, const char *directory)
{
    char prefix[SIM_PATH_SIZE + 1];
    str key;
    snprintf(prefix, sizeof(prefix), "%s/", strcmp(directory, "/") == 0 ? "" : directory);
    return pmap_next(sim->names, str_of(prefix), str_of(prefix), &key, NULL);
}

static int take_away(struct disk_sim *sim, const char *path, bool directory)
{
    const struct inode *inode = sim_find(sim->names, path);
    if (!inode)
        return -ENOENT;
    if (inode->directory != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && (has_children(sim, path) || strcmp(path, "/") == 0))
        return -ENOTEMPTY;
    sim_name(&sim->names, path, NULL);
    sim_record(sim, (struct step) { .kind = STEP_UNNAME, .path = sim_copy(path, strlen(path)) });
    return 0;
}

static int sim_unlink(struct disk *disk, const char *path)
{
    char simple[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = names_of(sim, path, path, simple, simple);
    LEAVE(sim, failed ? failed : take_away(sim, simple, false));
}

static int sim_remove_directory(struct disk *disk, const char *path)
{
    char simple[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = names_of(sim, path, path, simple, simple);
    LEAVE(sim, failed ? failed : take_away(sim, simple, true));
}

static int sim_make_directory(struct disk *disk, const char *path, unsigned mode)
{
    (void)mode;
    char simple[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = names_of(sim, path, path, simple, simple);
    if (!failed && sim_find(sim->names, simple))
        failed = -EEXIST;
    if (!failed)
        failed = parent_of(sim, simple);
    if (!failed) {
        struct inode *inode = sim_inode(sim, true);
        sim_name(&sim->names, simple, inode);
        sim_record(sim, (struct step) { .kind = STEP_NAME,
                                        .inode = inode->number,
                                        .path = sim_copy(simple, strlen(simple)) });
    }
    LEAVE(sim, failed);
}

static int sim_sync_directory(struct disk *disk, const char *path)
{
    char simple[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = names_of(sim, path, path, simple, simple);
    const struct inode *inode = failed ? NULL : sim_find(sim->names, simple);
    if (!failed && (!inode || !inode->directory))
        failed = inode ? -ENOTDIR : -ENOENT;
    if (!failed)
        sim_record(
            sim, (struct step) { .kind = STEP_SYNC_DIR, .path = sim_copy(simple, strlen(simple)) });
    LEAVE(sim, failed);
}

/* `each` runs without the lock, and on names as they were: it may call the disk itself. */
static int sim_list(struct disk *disk, const char *path,
                    void (*each)(void *context, const char *name), void *context)
{
    char simple[SIM_PATH_SIZE];
    struct disk_sim *sim = enter(disk);
    int failed = names_of(sim, path, path, simple, simple);
    const struct inode *inode = failed ? NULL : sim_find(sim->names, simple);
    if (!failed && (!inode || !inode->directory))
        failed = inode ? -ENOTDIR : -ENOENT;
    struct pmap *names = pmap_ref(sim->names);
    pthread_mutex_unlock(&sim->lock);
    str key = STR_NONE;
    while (!failed && pmap_next(names, STR("/"), key, &key, NULL)) {
        char full[SIM_PATH_SIZE];
        snprintf(full, sizeof(full), STR_FMT, STR_ARG(key));
        if (sim_in_directory(full, simple))
            each(context, strrchr(full, '/') + 1);
    }
    pmap_unref(names);
    return failed;
}

static int sim_free_bytes(struct disk *disk, const char *path, uint64_t *ret_bytes)
{
    (void)path;
    struct disk_sim *sim = enter(disk);
    int failed = counted(sim);
    uint64_t room = sim->room == UINT64_MAX ? (uint64_t)1 << 40 : sim->room, taken = used(sim);
    if (!failed)
        *ret_bytes = taken < room ? room - taken : 0;
    LEAVE(sim, failed);
}

struct disk_sim *disk_sim_new(void)
{
    static const struct pmap_values plain = { NULL, NULL };
    struct disk_sim *sim = calloc(1, sizeof(*sim));
    assert(sim && "a test has memory");
    sim->disk = (struct disk) {
        .open = sim_open,
        .close = sim_close,
        .pread = sim_pread,
        .pwritev = sim_pwritev,
        .fdatasync = sim_fdatasync,
        .syncfs = sim_syncfs,
        .allocate = sim_allocate,
        .write_soon = sim_write_soon,
        .punch = sim_punch,
        .truncate = sim_truncate,
        .size = sim_size,
        .rename = sim_rename,
        .unlink = sim_unlink,
        .make_directory = sim_make_directory,
        .remove_directory = sim_remove_directory,
        .sync_directory = sim_sync_directory,
        .list = sim_list,
        .free_bytes = sim_free_bytes,
    };
    pthread_mutex_init(&sim->lock, NULL);
    sim->room = UINT64_MAX;
    sim->names = pmap_new(&plain, 1);
    assert(sim->names && "a test has memory");
    sim_name(&sim->names, "/", sim_inode(sim, true));
    sim->first_names = pmap_ref(sim->names);
    return sim;
}

void disk_sim_free(struct disk_sim *sim)
{
    if (!sim)
        return;
    for (size_t i = 0; i < sim->inode_count; i++) {
        free(sim->inodes[i]->bytes);
        free(sim->inodes[i]->first);
        free(sim->inodes[i]);
    }
    for (size_t i = 0; i < sim->step_count; i++) {
        free(sim->steps[i].bytes);
        free(sim->steps[i].path);
        free(sim->steps[i].to);
    }
    free(sim->inodes);
    free(sim->steps);
    free(sim->opened);
    pmap_unref(sim->names);
    pmap_unref(sim->first_names);
    pthread_mutex_destroy(&sim->lock);
    free(sim);
}

struct disk *disk_sim_disk(struct disk_sim *sim)
{
    return &sim->disk;
}

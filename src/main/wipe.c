#include "main/wipe.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>

enum { NAMES_MAX = 1 << 30, PATH_MAX_SIZE = 1 << 16 };

/* What lies in a data directory. With a name that is missing here --allow-reset does not start. */
static const struct {
    str name;
    bool users; /* made by users, and wiped */
} entries[] = {
    { STR_INIT("functions"), true },
    { STR_INIT("keys"), false },
    { STR_INIT("lock"), false },
    { STR_INIT("lost+found"), false }, /* a disk's own */
    { STR_INIT("objects"), true },
    { STR_INIT("queues.sqlite"), true },
    { STR_INIT("ready.json"), false },
    { STR_INIT("reset"), false },
    { STR_INIT("root-credentials"), false },
    { STR_INIT("sns"), false },
    { STR_INIT("spool"), true },
    { STR_INIT("state.sqlite"), true },
    { STR_INIT("tls"), false },
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

/* SQLite's companions, and a file that is being written. */
static str without_suffix(str name)
{
    static const str suffixes[] = { STR_INIT("-wal"), STR_INIT("-shm"), STR_INIT("-journal"),
                                    STR_INIT(".new") };
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (name.len > suffixes[i].len &&
            str_eq(str_from(name, name.len - suffixes[i].len), suffixes[i]))
            return str_head(name, name.len - suffixes[i].len);
    }
    return name;
}

static bool find(str name, bool *ret_users)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (str_eq(without_suffix(name), entries[i].name)) {
            *ret_users = entries[i].users;
            return true;
        }
    }
    return false;
}

static void add_name(void *context, const char *name)
{
    struct buf *names = context;
    buf_add(names, str_of(name));
    buf_addc(names, '\0');
}

static int list(struct disk *disk, const char *path, struct buf *ret_names)
{
    *ret_names = buf_new(NAMES_MAX);
    int error = disk->list(disk, path, add_name, ret_names);
    return error ? error : ret_names->failed ? -ENOMEM : 0;
}

static const struct fault *cannot(struct arena *a, const char *what, const char *path, int error)
{
    return fault(a, FAULT_UNAVAILABLE, NULL, "cannot %s %s: %s", what, path, strerror(-error));
}

const struct fault *wipe_check(str directory, struct disk *disk, struct arena *a)
{
    const char *path = arena_cstr(a, directory);
    AUTO_BUF names = buf_new(0);
    int error = path ? list(disk, path, &names) : -ENOMEM;
    if (error)
        return cannot(a, "look into", path ? path : "", error);
    for (str rest = buf_str(&names), name; rest.len;) {
        bool users;
        str_cut(rest, '\0', &name, &rest);
        if (!find(name, &users))
            return fault(
                a, FAULT_CONFLICT, NULL,
                "with --allow-reset the data directory must be Sesame's alone, and in " STR_FMT
                " there is \"" STR_FMT "\"",
                STR_ARG(directory), STR_ARG(name));
    }
    return NULL;
}

static const char *mark_of(str directory, struct arena *a)
{
    return arena_cstr(a, arena_strf(a, STR_FMT "/reset", STR_ARG(directory)));
}

const struct fault *wipe_mark(str directory, struct disk *disk, struct arena *a)
{
    const char *folder = arena_cstr(a, directory), *mark = mark_of(directory, a);
    if (!folder || !mark)
        return &fault_no_memory;
    int fd = disk->open(disk, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot(a, "make", mark, fd);
    disk->close(disk, fd);
    int error = disk->sync_directory(disk, folder);
    if (!error)
        return NULL;
    disk->unlink(disk, mark);
    return cannot(a, "sync", folder, error);
}

/* ---- removing ---- */

static bool append(struct buf *path, str name)
{
    path->len--; /* the NUL */
    buf_addc(path, '/');
    buf_add(path, name);
    buf_addc(path, '\0');
    return !path->failed;
}

/* The path of a NUL-terminated buf, which is as it was when this returns. */
static int remove_tree(struct disk *disk, struct buf *path)
{
    int error = disk->unlink(disk, path->ptr);
    if (error != -EISDIR && error != -EPERM) /* POSIX says EPERM of directories */
        return error == -ENOENT ? 0 : error;
    AUTO_BUF names = buf_new(0);
    const size_t len = path->len;
    error = list(disk, path->ptr, &names);
    for (str rest = buf_str(&names), name; rest.len && !error;) {
        str_cut(rest, '\0', &name, &rest);
        error = append(path, name) ? remove_tree(disk, path) : -ENAMETOOLONG;
        path->len = len;
        path->ptr[len - 1] = '\0';
    }
    return error ? error : disk->remove_directory(disk, path->ptr);
}

static const struct fault *remove_entry(str directory, str name, struct disk *disk, struct arena *a)
{
    AUTO_BUF path = buf_new(PATH_MAX_SIZE);
    buf_addf(&path, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name));
    buf_addc(&path, '\0');
    if (path.failed)
        return &fault_no_memory;
    int error = remove_tree(disk, &path);
    return error ? cannot(a, "remove", path.ptr, error) : NULL;
}

/* Only a mark that is certainly there counts: an error must not empty anything. */
static const struct fault *look_for(struct disk *disk, const char *mark, struct arena *a,
                                    bool *ret_there)
{
    int fd = disk->open(disk, mark, O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0)
        disk->close(disk, fd);
    *ret_there = fd >= 0;
    return fd >= 0 || fd == -ENOENT ? NULL : cannot(a, "look for", mark, fd);
}

const struct fault *wipe_finish(str directory, struct disk *disk, struct arena *a, bool *ret_wiped)
{
    const char *folder = arena_cstr(a, directory), *mark = mark_of(directory, a);
    if (!folder || !mark)
        return &fault_no_memory;
    bool marked;
    *ret_wiped = false;
    TRY(look_for(disk, mark, a, &marked));
    if (!marked)
        return NULL;
    AUTO_BUF names = buf_new(0);
    int error = list(disk, folder, &names);
    if (error)
        return cannot(a, "look into", folder, error);
    for (str rest = buf_str(&names), name; rest.len;) {
        bool users;
        str_cut(rest, '\0', &name, &rest);
        if (find(name, &users) && users)
            TRY(remove_entry(directory, name, disk, a));
    }
    error = disk->sync_directory(disk, folder);
    if (!error)
        error = disk->unlink(disk, mark);
    if (!error)
        error = disk->sync_directory(disk, folder);
    if (error)
        return cannot(a, "empty", folder, error);
    *ret_wiped = true;
    return NULL;
}

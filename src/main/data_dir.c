/* main/data_dir.c - made, locked, and read. */
#include "main/data_dir.h"

#include "base/random_id.h"
#include "base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX_SIZE = 64 * 1024 };

static const struct fault *cannot(struct arena *a, const char *what, const char *path)
{
    int why = errno;
    return fault(a, why == ENOENT ? FAULT_ABSENT : FAULT_UNAVAILABLE, NULL, "%s %s: %s", what, path,
                 strerror(why));
}

static const char *join(struct arena *a, str directory, const char *name)
{
    return arena_cstr(a, arena_strf(a, STR_FMT "/%s", STR_ARG(directory), name));
}

static const struct fault *read_file(struct arena *a, const char *path, str *ret_bytes)
{
    char *bytes = arena_alloc(a, FILE_MAX_SIZE, 1);
    if (!path || !bytes)
        return &fault_no_memory;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, bytes, FILE_MAX_SIZE);
    const struct fault *f = len < 0 ? cannot(a, "cannot read", path) : NULL;
    if (fd >= 0)
        close(fd);
    if (!f)
        *ret_bytes = (str) { bytes, (size_t)len };
    return f;
}

/* ---- the directory ---- */

static const struct fault *make_directories(struct arena *a, str path)
{
    for (size_t i = 1; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/')
            continue;
        const char *part = arena_cstr(a, str_head(path, i));
        if (!part)
            return &fault_no_memory;
        if (mkdir(part, i < path.len ? 0755 : 0700) != 0 && errno != EEXIST)
            return cannot(a, "cannot make the data directory", part);
    }
    return NULL;
}

/* Commands that look whether a server holds the lock hold it themselves for a moment. */
static bool lock_soon(int fd)
{
    for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == 10)
            return false;
        nanosleep(&(struct timespec) { .tv_nsec = 10 * 1000 * 1000 }, NULL);
    }
    return true;
}

/* Of this file, or of one that lay here when it was taken? */
static bool is_lock_of(const char *name, int lock)
{
    struct stat here, held;
    return stat(name, &here) == 0 && fstat(lock, &held) == 0 && here.st_dev == held.st_dev &&
           here.st_ino == held.st_ino;
}

const struct fault *data_dir_open(str path, int lock, struct arena *a, struct data_dir *ret_dir)
{
    TRY(make_directories(a, path));
    char *absolute = realpath(arena_cstr(a, path), NULL);
    if (!absolute)
        return cannot(a, "cannot use the data directory", arena_cstr(a, path));
    str whole = arena_str(a, str_of(absolute));
    free(absolute);
    const char *name = join(a, whole, "lock");
    if (!name)
        return &fault_no_memory;
    if (lock && !is_lock_of(name, lock))
        return fault(a, FAULT_CONFLICT, NULL, STR_FMT " is not the data directory that was held",
                     STR_ARG(whole));
    int fd = lock ? lock : open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot(a, "cannot use the data directory:", name);
    if (!lock_soon(fd)) {
        const struct fault *f = errno == EWOULDBLOCK ? fault(a, FAULT_CONFLICT, NULL,
                                                             "the data directory " STR_FMT
                                                             " is in use by another sesame",
                                                             STR_ARG(whole))
                                                     : cannot(a, "cannot lock", name);
        close(fd);
        return f;
    }
    *ret_dir = (struct data_dir) { .path = whole, .lock = fd };
    return NULL;
}

void data_dir_close(struct data_dir *dir)
{
    if (dir->path.ptr)
        close(dir->lock); /* and with it the lock */
    dir->path = STR_NONE;
}

str data_dir_at(const struct data_dir *dir, struct arena *a, const char *name)
{
    return arena_strf(a, STR_FMT "/%s", STR_ARG(dir->path), name);
}

/* ---- secrets ---- */

/* The value of `name = value` in an AWS shared credentials file; the first profile that has it. */
static str credential(str text, str name)
{
    for (str line; text.len;) {
        str left, right;
        str_cut(text, '\n', &line, &text);
        if (str_cut(line, '=', &left, &right) && str_eq_nocase(str_trim(left), name))
            return str_trim(right.len && right.ptr[right.len - 1] == '\r'
                                ? str_head(right, right.len - 1)
                                : right);
    }
    return STR_NONE;
}

const struct fault *data_dir_read_credentials(str path, struct arena *a, str *ret_id,
                                              str *ret_secret)
{
    str text;
    const char *name = join(a, path, "root-credentials");
    TRY(read_file(a, name, &text));
    *ret_id = credential(text, STR("aws_access_key_id"));
    *ret_secret = credential(text, STR("aws_secret_access_key"));
    if (!ret_id->len || !ret_secret->len)
        return fault(a, FAULT_SYNTAX, NULL,
                     "%s does not hold aws_access_key_id and aws_secret_access_key", name);
    return NULL;
}

const struct fault *data_dir_root_credentials(const struct data_dir *dir, struct entropy *entropy,
                                              struct arena *a, str *ret_id, str *ret_secret)
{
    const struct fault *f = data_dir_read_credentials(dir->path, a, ret_id, ret_secret);
    if (!f || f->kind != FAULT_ABSENT)
        return f;
    char id[16 + 1], secret[40 + 1];
    random_upper_token(entropy, id, 16);
    random_token(entropy, secret, 40);
    *ret_id = arena_strf(a, "AKIA%.16s", id);
    *ret_secret = arena_strf(a, "%.40s", secret);
    str text = arena_strf(
        a, "[default]\naws_access_key_id = " STR_FMT "\naws_secret_access_key = " STR_FMT "\n",
        STR_ARG(*ret_id), STR_ARG(*ret_secret));
    return text.ptr ? whole_file_write(a, dir->path, "root-credentials", text, 0600, true)
                    : &fault_no_memory;
}

/* ---- ready ---- */

const struct fault *data_dir_put_ready(const struct data_dir *dir, struct arena *a, str line)
{
    return whole_file_write(a, dir->path, "ready.json", line, 0644, false);
}

void data_dir_remove_ready(const struct data_dir *dir, struct arena *a)
{
    const char *path = join(a, dir->path, "ready.json");
    if (path)
        unlink(path);
}

/* A server that was killed leaves its ready.json behind; whoever holds the lock is the proof. */
static bool is_held(struct arena *a, str path)
{
    const char *name = join(a, path, "lock");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return true; /* another user's: let the answer of the server tell */
    bool held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return held;
}

const struct fault *data_dir_read_ready(str path, struct arena *a, str *ret_line)
{
    const struct fault *f = read_file(a, join(a, path, "ready.json"), ret_line);
    if (f ? f->kind == FAULT_ABSENT : !is_held(a, path))
        return fault(a, FAULT_ABSENT, NULL, "no sesame serves the data directory " STR_FMT,
                     STR_ARG(path));
    return f;
}

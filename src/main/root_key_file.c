#include "main/root_key_file.h"

#include "base/whole_file.h"
#include "main/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS = 077, STRANGERS = 07 };

static const struct fault *cannot(struct arena *a, const char *path)
{
    const int why = errno;
    return fault(a, why == ENOENT ? FAULT_ABSENT : FAULT_UNAVAILABLE, NULL,
                 "cannot read the root key %s: %s", path, strerror(why));
}

static const struct fault *check(struct arena *a, const char *path, int fd, unsigned shut)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return cannot(a, path);
    if (!S_ISREG(found.st_mode) || found.st_size != ROOT_KEY_OCTETS)
        return fault(a, FAULT_SYNTAX, NULL, "%s does not hold the 32 octets of a root key", path);
    if (found.st_mode & shut)
        return fault(a, FAULT_DENIED, NULL,
                     "the root key %s can be read by others than its owner: chmod 600 it", path);
    return NULL;
}

/* Straight to where it will live: no copy is left on the way. */
static const struct fault *read_key(struct arena *a, const char *path, unsigned shut,
                                    struct root_key *ret_key)
{
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return path ? cannot(a, path) : &fault_no_memory;
    const struct fault *f = check(a, path, fd, shut);
    if (!f && read(fd, ret_key->octets, ROOT_KEY_OCTETS) != ROOT_KEY_OCTETS)
        f = cannot(a, path);
    close(fd);
    return f;
}

static const struct fault *read_or_make(struct arena *a, str directory, const char *name,
                                        struct entropy *entropy, struct root_key *ret_key,
                                        struct root_key_file *ret_file)
{
    const str path = arena_strf(a, STR_FMT "/%s", STR_ARG(directory), name);
    const struct fault *f = read_key(a, path.ptr, OTHERS, ret_key);
    *ret_file = (struct root_key_file) { .path = path };
    if (!f || f->kind != FAULT_ABSENT)
        return f;
    entropy->fill(entropy, ret_key->octets, ROOT_KEY_OCTETS);
    ret_file->made = true;
    return whole_file_write(a, directory, name,
                            (str) { (const char *)ret_key->octets, ROOT_KEY_OCTETS }, 0600, true);
}

const struct fault *root_key_file_outside(str named, const char *credentials,
                                          struct entropy *entropy, struct arena *a,
                                          struct root_key *ret_key, struct root_key_file *ret_file)
{
    *ret_file = (struct root_key_file) { 0 };
    if (named.ptr) {
        size_t name = named.len;
        while (name && named.ptr[name - 1] != '/')
            name--;
        const str directory = name > 1 ? str_head(named, name - 1) : name ? STR("/") : STR(".");
        return read_or_make(a, directory, arena_cstr(a, str_from(named, name)), entropy, ret_key,
                            ret_file);
    }
    if (!credentials)
        return NULL;
    const str path = arena_strf(a, "%s/sesame-root-key", credentials);
    /* systemd lets the service's user in by an ACL, whose mask stands where the group's bits do. */
    const struct fault *f = read_key(a, path.ptr, STRANGERS, ret_key);
    if (f && f->kind == FAULT_ABSENT) /* other credentials than this one */
        return NULL;
    ret_file->path = path;
    return f;
}

const struct fault *root_key_file_inside(str data, struct entropy *entropy, struct arena *a,
                                         struct root_key *ret_key, struct root_key_file *ret_file)
{
    const str keys = arena_strf(a, STR_FMT "/keys", STR_ARG(data));
    if (!keys.ptr)
        return &fault_no_memory;
    if (mkdir(keys.ptr, 0700) != 0 && errno != EEXIST)
        return fault(a, FAULT_UNAVAILABLE, NULL, "cannot make %s: %s", keys.ptr, strerror(errno));
    return read_or_make(a, keys, "root", entropy, ret_key, ret_file);
}

void root_key_file_take_back(const struct root_key_file *file, struct arena *a)
{
    const char *path = file->made ? arena_cstr(a, file->path) : NULL;
    if (path)
        unlink(path);
}

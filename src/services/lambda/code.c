/* services/lambda/code.c - deployment packages, by their SHA-256.
 *
 * DIR/code/HASH.zip. A file is written under another name, flushed and renamed, so that one with
 * its name is whole; it is there before a function's record names it. A stop in between leaves a
 * file that nobody names, which the next use of the same code takes up. */
#include "services/lambda/change.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path_of(struct lambda_service *s, str hash, const char *end, struct arena *arena)
{
    return arena_cstr(arena, arena_strf(arena, STR_FMT "/code/" STR_FMT "%s", STR_ARG(s->directory),
                                        STR_ARG(hash), end));
}

static const struct fault *failed(struct arena *arena, const char *path)
{
    return fault(arena, FAULT_UNAVAILABLE, NULL, "a function's code cannot be kept in %s: %s", path,
                 strerror(errno));
}

const struct fault *code_make_folders(struct lambda_service *s, struct arena *arena)
{
    const char *top = arena_cstr(arena, s->directory), *code = path_of(s, STR(""), "", arena);
    if (!top || !code)
        return &fault_no_memory;
    if ((mkdir(top, 0700) != 0 && errno != EEXIST) || (mkdir(code, 0700) != 0 && errno != EEXIST))
        return failed(arena, top);
    return NULL;
}

static const struct fault *sync_folder(struct lambda_service *s, struct arena *arena)
{
    const char *folder = path_of(s, STR(""), "", arena);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool well = fd >= 0 && fsync(fd) == 0;
    const struct fault *why = well ? NULL : failed(arena, folder ? folder : "?");
    if (fd >= 0)
        close(fd);
    return why;
}

const struct fault *code_keep(struct lambda_service *s, str zip, struct arena *arena, str *ret_hash)
{
    char hash[CODE_HASH_LEN], fresh_end[64], unique[17];
    str folder;
    sha256_hex(zip, hash);
    str name = arena_str(arena, (str) { hash, sizeof hash });
    uint64_t number;
    s->outside->entropy->fill(s->outside->entropy, &number, sizeof number);
    snprintf(unique, sizeof unique, "%016llx", (unsigned long long)number);
    snprintf(fresh_end, sizeof fresh_end, ".%s.new", unique);
    const char *path = path_of(s, name, ".zip", arena), *fresh = path_of(s, name, fresh_end, arena);
    if (!path || !fresh)
        return &fault_no_memory;
    int fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(arena, fresh);
    const struct fault *why =
        whole_file_fill(fd, zip) && fdatasync(fd) == 0 ? NULL : failed(arena, fresh);
    if (!why && lseek(fd, 0, SEEK_SET) == 0)
        why = runner_unpack(s->runner, name, fd, arena, &folder);
    close(fd);
    if (!why && rename(fresh, path) != 0)
        why = failed(arena, path);
    if (why) {
        unlink(fresh);
        return why;
    }
    *ret_hash = name;
    return sync_folder(s, arena);
}

const struct fault *code_open(struct lambda_service *s, str hash, struct arena *arena, int *ret_fd)
{
    const char *path = path_of(s, hash, ".zip", arena);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "a function's code cannot be read: %s",
                     strerror(errno));
    *ret_fd = fd;
    return NULL;
}

void code_drop(struct lambda_service *s, const struct world *world, str hash, struct arena *arena)
{
    const void *aggregate;
    str key;
    for (str after = STR(""); world_next(world, STR("function/"), after, &key, &aggregate);
         after = key) {
        const struct function *f = aggregate;
        for (size_t i = 0; f && i < f->version_count; i++)
            if (str_eq(f->versions[i].code_hash, hash))
                return;
    }
    const char *path = path_of(s, hash, ".zip", arena);
    if (path)
        unlink(path);
    runner_forget(s->runner, hash);
}

str code_sha256_base64(str hash, struct arena *arena)
{
    char bytes[SHA256_SIZE], text[BASE64_LEN(SHA256_SIZE)];
    for (size_t i = 0; i < sizeof bytes && 2 * i + 1 < hash.len; i++) {
        unsigned value = 0;
        for (size_t n = 0; n < 2; n++) {
            char c = hash.ptr[2 * i + n];
            value = value * 16 + (unsigned)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
        }
        bytes[i] = (char)value;
    }
    return arena_str(arena, (str) { text, base64_encode_to(text, (str) { bytes, sizeof bytes }) });
}

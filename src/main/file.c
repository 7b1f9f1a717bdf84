#include "main/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const struct fault *file_read(str path, struct arena *a, str *ret_text)
{
    return file_read_up_to(path, FILE_MAX_BYTES, a, ret_text);
}

const struct fault *file_read_up_to(str path, size_t max, struct arena *a, str *ret_text)
{
    const bool standard_input = str_eq(path, STR("-"));
    const char *name = arena_cstr(a, path);
    char *text = arena_alloc(a, max + 1, 1);
    if (!name || !text)
        return &fault_no_memory;
    const int fd = standard_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && len <= max) { /* a pipe gives what it has */
        got = read(fd, text + len, max + 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    const int why = errno;
    if (fd >= 0 && !standard_input)
        close(fd);
    if (got < 0)
        return fault(a, FAULT_SYNTAX, NULL, "%s cannot be read: %s",
                     standard_input ? "standard input" : name, strerror(why));
    if (len > max)
        return fault(a, FAULT_SYNTAX, NULL, "%s is larger than %zu bytes",
                     standard_input ? "standard input" : name, max);
    *ret_text = (str) { text, len };
    return NULL;
}

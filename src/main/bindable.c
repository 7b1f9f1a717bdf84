/* main/bindable.c - bound once, and let go. */
#include "main/bindable.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

static int try_bind(const struct addrinfo *to)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes); /* old connections do not matter */
    int why = bind(fd, to->ai_addr, to->ai_addrlen) ? errno : listen(fd, 1) ? errno : 0;
    close(fd);
    return why;
}

const struct fault *bindable(str address, struct arena *a)
{
    size_t colon = address.len;
    while (colon && address.ptr[colon - 1] != ':')
        colon--;
    str host = str_head(address, colon ? colon - 1 : 0), port = str_from(address, colon);
    if (host.len > 1 && host.ptr[0] == '[')
        host = (str) { host.ptr + 1, host.len - 2 };
    if (str_eq(port, STR("0")))
        return NULL;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
                    *found;
    int error = getaddrinfo(arena_cstr(a, host), arena_cstr(a, port), &hints, &found);
    if (error)
        return fault(a, FAULT_UNAVAILABLE, NULL, "cannot listen on " STR_FMT ": %s",
                     STR_ARG(address), gai_strerror(error));
    int why = try_bind(found);
    freeaddrinfo(found);
    return why ? fault(a, FAULT_UNAVAILABLE, NULL, "cannot listen on " STR_FMT ": %s",
                       STR_ARG(address), strerror(why))
               : NULL;
}

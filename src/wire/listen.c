#include "wire/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

bool listen_split(str address, char host[LISTEN_HOST_SIZE], char port[LISTEN_PORT_SIZE])
{
    size_t colon = address.len;
    while (colon && address.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    str name = str_head(address, colon - 1), digits = str_from(address, colon);
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = (str) { name.ptr + 1, name.len - 2 };
    else if (str_has(name, ':'))
        return false;
    uint64_t number;
    if (name.len == 0 || name.len >= LISTEN_HOST_SIZE || !str_u64(digits, &number) ||
        number > 65535)
        return false;
    snprintf(host, LISTEN_HOST_SIZE, STR_FMT, STR_ARG(name));
    snprintf(port, LISTEN_PORT_SIZE, "%u", (unsigned)number);
    return true;
}

static str bound_to(int fd, struct arena *arena)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char host[INET6_ADDRSTRLEN];
    if (getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        return STR_NONE;
    if (at.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&at;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        return arena_strf(arena, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)&at;
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    return arena_strf(arena, "%s:%u", host, ntohs(in->sin_port));
}

/* A negative errno when it does not come about. */
static int socket_at(const struct addrinfo *at, unsigned how)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    bool v6_only = how & LISTEN_V6_ONLY && at->ai_family == AF_INET6;
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        (!(how & LISTEN_SHARED) ||
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0) &&
        (!v6_only || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0) &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

const struct fault *listen_at(str address, unsigned how, struct arena *arena, int *ret_fd,
                              str *ret_bound)
{
    char host[LISTEN_HOST_SIZE], port[LISTEN_PORT_SIZE];
    if (!listen_split(address, host, port))
        return fault(arena, FAULT_SYNTAX, NULL,
                     "\"" STR_FMT "\" is no address: host:port or [v6]:port is", STR_ARG(address));
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM,
                               .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
                    *found;
    int why = getaddrinfo(host, port, &wanted, &found);
    if (why != 0)
        return fault(arena, FAULT_SYNTAX, NULL, "\"" STR_FMT "\" is no address: %s",
                     STR_ARG(address), gai_strerror(why));
    int fd = socket_at(found, how);
    freeaddrinfo(found);
    if (fd < 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot listen on " STR_FMT ": %s",
                     STR_ARG(address), strerror(-fd));
    str bound = bound_to(fd, arena);
    if (str_is_none(bound)) {
        close(fd);
        return &fault_no_memory;
    }
    *ret_fd = fd;
    *ret_bound = bound;
    return NULL;
}

const struct fault *listen_inherited(int fd, struct arena *arena, str *ret_bound)
{
    int listens = 0, flags = fcntl(fd, F_GETFL);
    socklen_t size = sizeof listens;
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the descriptor %d, which was handed over, is no listening socket", fd);
    *ret_bound = bound_to(fd, arena);
    return str_is_none(*ret_bound) ? &fault_no_memory : NULL;
}

/* wire/stream.c - reads and writes a socket directly, with OpenSSL between when TLS is on. */
#include "wire/stream.h"

#include "wire/listen.h"
#include "wire/lookup.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static enum stream_io of_errno(int error, enum stream_io wanted)
{
    return error == EAGAIN || error == EWOULDBLOCK ? wanted : STREAM_BROKEN;
}

static enum stream_io of_ssl(struct ssl_st *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STREAM_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_END;
    }
    return STREAM_BROKEN;
}

enum stream_io stream_read(struct stream *s, char *to, size_t room, size_t *ret_got)
{
    if (s->ssl) {
        ERR_clear_error();
        int result = SSL_read_ex(s->ssl, to, room, ret_got);
        enum stream_io io = result == 1 ? STREAM_DONE : of_ssl(s->ssl, result);
        s->starved = io == STREAM_WANT_READ;
        return io;
    }
    ssize_t got;
    do
        got = recv(s->fd, to, room, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return of_errno(errno, STREAM_WANT_READ);
    if (got == 0)
        return STREAM_END;
    *ret_got = (size_t)got;
    return STREAM_DONE;
}

enum stream_io stream_write(struct stream *s, str bytes, size_t *ret_put)
{
    if (s->ssl) {
        ERR_clear_error();
        int result = SSL_write_ex(s->ssl, bytes.ptr, bytes.len, ret_put);
        return result == 1 ? STREAM_DONE : of_ssl(s->ssl, result);
    }
    ssize_t put;
    do
        put = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return of_errno(errno, STREAM_WANT_WRITE);
    *ret_put = (size_t)put;
    return STREAM_DONE;
}

bool stream_start_tls(struct stream *s, struct tls_server *tls)
{
    s->ssl = tls_server_session(tls, s->fd);
    return s->ssl != NULL;
}

bool stream_start_tls_as_client(struct stream *s, struct tls_client *tls, const char *host)
{
    s->ssl = tls_client_session(tls, s->fd, host);
    return s->ssl != NULL;
}

enum stream_io stream_handshake(struct stream *s)
{
    ERR_clear_error();
    int result = SSL_do_handshake(s->ssl);
    return result == 1 ? STREAM_DONE : of_ssl(s->ssl, result);
}

str stream_tls_distrust(const struct stream *s)
{
    const long why = s->ssl ? SSL_get_verify_result(s->ssl) : X509_V_OK;
    return why == X509_V_OK ? STR_NONE : str_of(X509_verify_cert_error_string(why));
}

bool stream_is_near(const struct stream *s)
{
    struct sockaddr_storage there;
    socklen_t size = sizeof there;
    if (getpeername(s->fd, (struct sockaddr *)&there, &size) != 0)
        return false;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (there.ss_family == AF_INET) {
        memcpy(&four, &there, sizeof four);
        return ntohl(four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    memcpy(&six, &there, sizeof six);
    return there.ss_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(&six.sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr) && six.sin6_addr.s6_addr[12] == IN_LOOPBACKNET));
}

str stream_tls_version(const struct stream *s)
{
    return s->ssl ? str_of(SSL_get_version(s->ssl)) : STR_NONE;
}

str stream_tls_cipher(const struct stream *s)
{
    return s->ssl ? str_of(SSL_CIPHER_get_name(SSL_get_current_cipher(s->ssl))) : STR_NONE;
}

bool stream_has_more(const struct stream *s)
{
    return s->ssl && !s->starved && SSL_has_pending(s->ssl);
}

bool stream_is_readable(const struct stream *s)
{
    struct pollfd now = { .fd = s->fd, .events = POLLIN };
    return poll(&now, 1, 0) > 0;
}

void stream_read_ahead(struct stream *s, bool ahead)
{
    if (s->ssl)
        SSL_set_read_ahead(s->ssl, ahead);
}

static void say_goodbye(struct stream *s)
{
    if (!s->ssl)
        return;
    ERR_clear_error();
    if (SSL_is_init_finished(s->ssl))
        SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    s->ssl = NULL;
}

void stream_hold_for_end(struct stream *s)
{
    int one = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_CORK, &one, sizeof one);
}

void stream_finish(struct stream *s)
{
    say_goodbye(s);
    shutdown(s->fd, SHUT_WR);
}

enum stream_io stream_discard(struct stream *s, char *to, size_t room)
{
    size_t got;
    return stream_read(s, to, room, &got); /* under TLS these are records nobody opens any more */
}

void stream_close(struct stream *s)
{
    say_goodbye(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* ---- dialling and accepting ---- */

bool stream_wait(int fd, short events, struct clock *clock, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock->steady_ms(clock);
        struct pollfd wait = { .fd = fd, .events = events };
        int ready = left > 0 ? poll(&wait, 1, left < INT_MAX ? (int)left : INT_MAX) : 0;
        if (ready >= 0 || errno != EINTR)
            return ready > 0;
    }
}

/* A negative errno when it does not come about. */
static int connect_to(const struct sockaddr *to, socklen_t to_size, struct clock *clock,
                      int64_t deadline_ms)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    int error = 0;
    socklen_t size = sizeof error;
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, to, to_size) == 0)
        return fd;
    if (errno != EINPROGRESS)
        error = errno;
    else if (!stream_wait(fd, POLLOUT, clock, deadline_ms))
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (!error)
        return fd;
    close(fd);
    return -error;
}

const struct fault *stream_dial(str address, struct clock *clock, int64_t deadline_ms,
                                struct arena *arena, int *ret_fd)
{
    char host[LISTEN_HOST_SIZE], port[LISTEN_PORT_SIZE];
    if (!listen_split(address, host, port))
        return fault(arena, FAULT_SYNTAX, NULL, "\"" STR_FMT "\" is no address", STR_ARG(address));
    struct lookup there;
    TRY(lookup_host(getaddrinfo, host, port, clock, deadline_ms, arena, &there));
    int fd = -EADDRNOTAVAIL;
    for (size_t i = 0; i < there.count && fd < 0; i++) { /* each has its part of what is left */
        const int64_t now_ms = clock->steady_ms(clock);
        const int64_t until_ms = now_ms + (deadline_ms - now_ms) / (int64_t)(there.count - i);
        fd = connect_to((const struct sockaddr *)&there.addresses[i], there.sizes[i], clock,
                        until_ms);
    }
    if (fd < 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no connection to " STR_FMT ": %s",
                     STR_ARG(address), strerror(-fd));
    *ret_fd = fd;
    return NULL;
}

int stream_accept(int listener, char to[STREAM_ADDRESS_SIZE])
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC),
        one = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    to[0] = '\0';
    if (from.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&from;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, to, STREAM_ADDRESS_SIZE);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, to, STREAM_ADDRESS_SIZE);
    } else if (from.ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&from)->sin_addr, to, STREAM_ADDRESS_SIZE);
    }
    return fd;
}

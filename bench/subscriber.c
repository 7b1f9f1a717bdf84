/*
 * subscriber - an HTTP subscriber that answers 200 and counts: how little a notification can cost at its end.
 *
 *   subscriber PORT         prints the body of each SubscriptionConfirmation, one a line
 *
 * One thread, epoll, connections kept. GET / answers {"posts": N}. It reads requests with a
 * Content-Length, as SNS makes them, and ends at anything else: it is no server for strangers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 20, EVENTS = 64 };

struct conn {
    int fd;
    size_t len;
    char buf[ROOM];
};

static unsigned long posts;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static const char *field(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = head; at && at < end; at = strstr(at, "\r\n"), at = at ? at + 2 : NULL)
        if ((size_t)(end - at) > n && strncasecmp(at, name, n) == 0 && at[n] == ':')
            return at + n + 1 + strspn(at + n + 1, " ");
    return NULL;
}

static bool answer(struct conn *c, bool post)
{
    char text[256], body[64] = "";
    if (!post)
        snprintf(body, sizeof body, "{\"posts\": %lu}", posts);
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    return write(c->fd, text, (size_t)n) == n;
}

/* One request, when it is there whole. */
static bool take(struct conn *c, size_t *used)
{
    char *end;
    c->buf[c->len] = 0;
    *used = 0;
    if (!(end = strstr(c->buf, "\r\n\r\n")))
        return true;
    const char *length = field(c->buf, end, "Content-Length"), *type = field(c->buf, end, "x-amz-sns-message-type");
    size_t head = (size_t)(end + 4 - c->buf), body = length ? strtoul(length, NULL, 10) : 0;
    if (head + body >= ROOM)
        return false;
    if (c->len < head + body)
        return true;
    if (type && strncmp(type, "SubscriptionConfirmation\r", 25) == 0) {
        for (size_t i = head; i < head + body; i++)
            putchar(c->buf[i] == '\n' ? ' ' : c->buf[i]);
        putchar('\n');
        fflush(stdout);
    }
    bool post = strncmp(c->buf, "POST ", 5) == 0, notice = type && strncmp(type, "Notification\r", 13) == 0;
    posts += notice;
    *used = head + body;
    return answer(c, post);
}

static bool serve(struct conn *c)
{
    ssize_t n = read(c->fd, c->buf + c->len, ROOM - 1 - c->len);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    c->len += (size_t)n;
    for (size_t used = 1; used;) {
        if (!take(c, &used))
            return false;
        memmove(c->buf, c->buf + used, c->len -= used);
    }
    return c->len < ROOM - 1;
}

static void welcome(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0)
        return;
    struct conn *c = malloc(sizeof *c);
    if (!c)
        die("malloc");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    c->len = 0;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event) { .events = EPOLLIN, .data.ptr = c });
}

int main(int argc, char **argv)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (argc != 2 || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024))
        die("subscriber PORT");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event) { .events = EPOLLIN, .data.ptr = NULL });
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!c) {
                welcome(epoll, listener);
            } else if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}

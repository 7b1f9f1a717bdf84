/* wire/http_server.h - requests as values, bodies in pieces: libmicrohttpd behind a strict screen.
 *
 * One thread reads and writes all connections; what may wait runs on worker threads while its
 * connection is suspended. The service is a struct of functions that say what comes next:
 *
 *     begin --READ--> chunk* --> end --WORK--> work --ANSWER--> (sent) --> over
 *        \--WORK--> work --READ--^ |    any of them may say ANSWER; over is always last
 *                      ^---LATER---+--KEEP--> (whoever comes after this server answers)
 *
 * An answer given before the body was read goes out at once where the client expects 100 Continue
 * (it has not sent the body); otherwise the body is read and dropped first, so that no reset
 * swallows the answer. Requests that could be read in two ways never reach the service
 * (wire/http_screen.h). At a stop, who says LATER once more is closed. A connection ends with the answer to a chunked body. */
#ifndef SESAME_WIRE_HTTP_SERVER_H
#define SESAME_WIRE_HTTP_SERVER_H

#include "base/fault.h"
#include "base/header.h"

struct http_server;

enum http_next {
    HTTP_READ,   /* go on with the body; from `end` it means nothing and is an error */
    HTTP_WORK,   /* call `work` on a worker thread; not from `chunk` */
    HTTP_LATER,  /* from `work` alone: call it again after exchange->later_ms; meanwhile no thread waits */
    HTTP_KEEP,   /* from `work` alone: the connection stays as it is: http_server_hold */
    HTTP_ANSWER, /* exchange->answer is filled */
    HTTP_CLOSE,  /* nothing can be said: close the connection */
};

struct http_answer {
    int status;
    struct header headers[96];
    size_t header_count;
    str text; /* in the arena, or constant */
    /* Instead of text: called on worker threads until the piece is empty; a piece lives until the
     * next call. A fault breaks the connection off, since the status is out. */
    const struct fault *(*read)(void *from, str *ret_piece);
    void *from;
    uint64_t size; /* what read gives in all; for HEAD and 304 also without read */
    bool close;    /* the connection ends with this answer */
};

struct http_exchange {            /* one request and its answer */
    struct arena *arena;          /* one thread's at a time, as the whole exchange */
    str method, target, version;  /* target: raw, as sent */
    const struct header *headers; /* in order, as sent, without blanks around the values */
    size_t header_count;
    uint64_t body_size; /* Content-Length; UINT64_MAX: chunked; 0: none */
    bool expects_continue;
    str peer;        /* the address alone */
    bool peer_local; /* it is on loopback */
    struct http_answer answer;
    int64_t later_ms;
    void *own; /* the service's */
};

struct http_service {
    enum http_next (*begin)(void *context, struct http_exchange *); /* HTTP thread */
    enum http_next (*chunk)(struct http_exchange *, str chunk);     /* HTTP thread; no waiting */
    enum http_next (*end)(struct http_exchange *);  /* HTTP thread: the body is complete */
    enum http_next (*work)(struct http_exchange *); /* worker thread */
    void (*over)(struct http_exchange *); /* HTTP thread, once, after begin: sent, or broken off */
    void (*refused)(void *context, str peer, int status, const char *why); /* by the screen */
    /* In place of begin once the server is held or stops (HTTP thread): ANSWER, with a 503 in the
     * caller's words, or CLOSE. NULL: 503 in plain text, and no over. */
    enum http_next (*leaving)(void *context, struct http_exchange *);
};

struct http_settings {
    str address; /* "127.0.0.1:4566", "[::1]:0", "localhost:4566" */
    const struct http_service *service;
    void *context;
    unsigned workers;     /* 0: 16 */
    unsigned connections; /* 0: 1000 */
    unsigned idle_s;      /* 0: 60; of silence, and for a whole head */
    unsigned pace;        /* 0: 1024; bytes a second of a body or answer, once idle_s are over */
    size_t arena_max;     /* 0: 32 MB: the most one exchange may hold */
    int64_t grace_ms;     /* 0: 10000: how long a stop waits for answers under way */
    int listening;        /* 0: none; a descriptor that listens already, instead of the address */
};
const struct fault *http_server_start(const struct http_settings *, struct arena *,
                                      struct http_server **ret_server);
str http_server_address(const struct http_server *); /* as bound, with the real port */
void http_server_stop(struct http_server *);         /* NULL is fine */

/* For a server that is to be followed by another with the same listening socket. Hold: new
 * connections wait in its queue, what is asked on open ones is answered by `leaving`, and what is under
 * way has until grace_ms are over. Then nothing is left but the connections that were kept. Their
 * descriptors, copied, and the socket's outlive this process over an exec; the successor answers with
 * http_answer_kept, which closes. A stop after a hold closes what was kept. */
void http_server_hold(struct http_server *, int64_t grace_ms);
int http_server_listening(const struct http_server *); /* the socket, still ours */
size_t http_server_kept(struct http_server *, int *ret_fds, size_t room); /* how many there are */
void http_answer_kept(int fd, str content_type, str text);               /* 200 */

str http_header(const struct http_exchange *, str name);  /* STR_NONE when absent */
void http_add(struct http_answer *, str name, str value); /* past the room: an assertion */

#endif

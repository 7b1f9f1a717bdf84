/* api/request.h - what is known of one request while it is under way. */
#ifndef SESAME_API_REQUEST_H
#define SESAME_API_REQUEST_H

#include "api/authenticate.h"
#include "api/router.h"
#include "wire/http_server.h"

struct api_server;

struct api_request { /* in the exchange's arena */
    struct api_server *server;
    struct api *api;
    struct http_exchange *x;
    int64_t started_ms; /* steady */
    bool own_page;      /* /_sesame/... */
    struct route_ask ask;
    struct sigv4_request signed_request;
    struct identity who;
    const struct service *service;
    const struct operation *operation; /* NULL: not found (yet) */
    str action;                        /* as asked for, known or not */
    struct api_call call;
    struct intake intake;
    struct buf text; /* the gathered body */
    enum { PHASE_OPEN, PHASE_RUN } phase;
    void *stream;
    bool stream_open;
    struct api_answer answer;
    void *kept; /* by an own page, between its turns */
    const struct fault *fault; /* what was answered with; NULL: success */
    const char *code;          /* as the client saw it */
};

/* Gives back what the arena does not: buffers and the world. Registered with the arena. */
void request_release(void *request);

bool request_streams(const struct api_request *);

/* The peer is on this machine, and nobody asks through it: no proxy's fields, and a Host that a
 * web page of strangers cannot choose (an address, or localhost). */
bool request_is_local(const struct http_exchange *);

#endif

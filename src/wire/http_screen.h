/* wire/http_screen.h - which requests are refused before anybody looks at what they want.
 *
 * Two readers who disagree where a request ends are how requests are smuggled, so whatever could be
 * read in two ways is refused and the connection closed (RFC 9112 section 11.2). */
#ifndef SESAME_WIRE_HTTP_SCREEN_H
#define SESAME_WIRE_HTTP_SCREEN_H

#include "base/header.h"

enum {
    HTTP_TARGET_MAX = 8 * 1024,
    HTTP_HEADERS_MAX = 100,
    HTTP_HEADER_BYTES_MAX = 32 * 1024, /* names and values together */
};

struct http_head {
    str method, target, version;  /* as sent */
    const struct header *headers; /* values without blanks around them */
    size_t header_count;
};
struct http_framing {
    uint64_t body_size; /* UINT64_MAX: chunked; 0: none */
    bool expects_continue;
};
struct http_refusal {
    int status; /* 0: not refused */
    const char *why;
};

struct http_refusal http_screen(const struct http_head *, struct http_framing *ret_framing);

#endif

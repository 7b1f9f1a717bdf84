/* wire/http_client.h - one HTTP request, one deadline, redirects refused: libcurl behind our types.
 *
 * Blocks its thread. http and https only; no proxy from the environment; nothing is followed. What is
 * connected stays so for the thread's next request there. */
#ifndef SESAME_WIRE_HTTP_CLIENT_H
#define SESAME_WIRE_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/header.h"
#include "wire/sigv4.h"

struct http_question {
    str method, url; /* url: http[s]://host[:port]/path[?query], already escaped */
    const struct header *headers;
    size_t header_count;
    str body;
    int64_t deadline_ms;               /* from now, for all of it; 0: 30000 */
    size_t body_max;                   /* of the reply; 0: 16 MB */
    const struct sigv4_signer *signer; /* NULL: not signed. now_ms in it is the time signed */
    bool public_only; /* no private, loopback or link-local address, whatever the name leads to */
    bool drop_body;   /* only the reply's head counts: its body, of any length, is read past */
};
struct http_reply {
    int status;
    str content_type; /* STR_NONE when absent */
    str body;
    const struct header *headers; /* as sent, in their order; blanks around values are gone */
    size_t header_count;
};

/* Any status is an answer; a fault means there was none. FAULT_UNAVAILABLE: no connection, or too
 * slow; FAULT_DENIED: public_only and it is not; FAULT_LIMIT: the reply is too large; FAULT_SYNTAX: the URL or the reply is malformed. */
const struct fault *http_ask(const struct http_question *, struct arena *,
                             struct http_reply *ret_reply);

#endif

/* wire/http_found.h - what libmicrohttpd found in a head, as our values, and whether it told all of it. */
#ifndef SESAME_WIRE_HTTP_FOUND_H
#define SESAME_WIRE_HTTP_FOUND_H

#include "wire/http_server.h"

struct MHD_Connection;

struct http_found { /* all of it lives as long as the request */
    struct MHD_Connection *connection;
    const char *method;
    const char *line; /* where the target lay when it was read */
    const char *version;
};

/* Fills method, version, headers (without blanks around the values) and peer of an exchange that has its target.
 * plain: the head held no NUL, bare line feed or folded line. False: no memory. */
bool http_found_take(const struct http_found *, struct http_exchange *, bool *ret_plain);

#endif

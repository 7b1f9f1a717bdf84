/* api/access.h - what is written down about a request: one line, one count, and every denial's
 * reason. */
#ifndef SESAME_API_ACCESS_H
#define SESAME_API_ACCESS_H

#include "api/request.h"

/* Once, when the request is over: service, operation, status, account, request id; never a secret,
 * never a query string. */
void access_note(const struct api_request *);

/* The screen refused a request before anybody looked at it. */
void access_note_refusal(struct api *, str peer, int status, const char *why);

#endif

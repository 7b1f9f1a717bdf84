/* api/error.h - a fault in the words of the dialect it is answered in: code, status, body. */
#ifndef SESAME_API_ERROR_H
#define SESAME_API_ERROR_H

#include "api/router.h"
#include "wire/http_server.h"

struct error_words {
    const char *code; /* "NoSuchBucket" */
    int status;
    str message;
    str about;        /* fault->about */
    const char *query_code; /* SQS in JSON: what the Query dialect calls it; NULL: it need not be said */
};

/* What a client is told: fault->code and its sentence where there is one, otherwise the dialect's
 * word for the kind. Denials of our own engine get AWS's sentence; the reason stays in the journal.
 */
struct error_words error_words(const struct service *, const struct fault *, struct arena *);

struct error_place { /* where it happened; members may be STR_NONE */
    str request_id, host_id, resource, bucket, key;
};
/* Fills status, content type and text; lives in the arena. */
void error_answer(const struct service *, const struct error_words *, const struct error_place *,
                  struct arena *, struct http_answer *);

#endif

/* api/answer.h - what an operation said, or its fault, as an HTTP answer of the service's dialect.
 */
#ifndef SESAME_API_ANSWER_H
#define SESAME_API_ANSWER_H

#include "api/request.h"

/* Sesame's own pages, as far as errors need a dialect. */
extern const struct service own_service;

/* Each fills the exchange's answer and says HTTP_ANSWER. */
enum http_next answer_success(struct api_request *);
enum http_next answer_fault(struct api_request *, const struct fault *);
enum http_next answer_own_page(struct api_request *, const struct own_answer *);

#endif

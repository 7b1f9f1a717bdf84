/* api/ses_shape.h - what SES v1 and v2 share: pages of identities, ARNs of identities. */
#ifndef SESAME_API_SES_SHAPE_H
#define SESAME_API_SES_SHAPE_H

#include "api/operation.h"

/* NextToken: the last state key of the page before, in base64. *ret_after: STR("") for the first page,
 * which has none (STR_NONE). */
const struct fault *ses_page_after(const struct call *, str token, str *ret_after);
str ses_page_token(str last_key, struct arena *);

/* arn:aws:ses:REGION:ACCOUNT:identity/NAME in the caller's account. STR_NONE: no memory. */
str ses_identity_arn(const struct call *, str name);

#endif

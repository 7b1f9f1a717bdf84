/* api/ses_v2_shape.h - the JSON of SES v2's requests. */
#ifndef SESAME_API_SES_V2_SHAPE_H
#define SESAME_API_SES_V2_SHAPE_H

#include "api/operation.h"
#include "base/json.h"

/* The request's body; an empty one is an empty object. What is no object is a SerializationException. */
const struct fault *ses_v2_body(const struct api_call *, struct arena *, const struct json **ret_body);
/* A member that is text or not there (STR_NONE); anything else is a SerializationException. */
const struct fault *ses_v2_text(const struct api_call *, const struct json *, const char *member, str *ret_text);
const struct fault *ses_v2_unreadable(const struct api_call *);

/* There are none, so none is found. */
const struct fault *ses_v2_no_configuration_set(const struct api_call *, str name);

#endif

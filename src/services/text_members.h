/* services/text_members.h - names and texts of a record, as one JSON object: tags, an environment. */
#ifndef SESAME_SERVICES_TEXT_MEMBERS_H
#define SESAME_SERVICES_TEXT_MEMBERS_H

#include "base/header.h"
#include "base/json.h"

/* Writes the member `name` with an object of them. */
void text_members_put(struct json_writer *, const char *name, const struct header *, size_t count);
/* In the order written; absent: none. They live as long as the object. FAULT_SYNTAX: a value that is no text. */
const struct fault *text_members_read(const struct json *object, struct arena *, const struct header **ret_pairs,
                               size_t *ret_count);

#endif

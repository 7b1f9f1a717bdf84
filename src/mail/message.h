/* mail/message.h - the header section of a message, read once and asked often. */
#ifndef SESAME_MAIL_MESSAGE_H
#define SESAME_MAIL_MESSAGE_H

#include "base/fault.h"
#include "mail/field.h"

enum { MESSAGE_FIELDS_MAX = 20000, MESSAGE_HEAD_MAX = 1 << 20 };

struct message { /* views into the bytes it was read from */
    const struct field *fields;
    size_t count;
    size_t body_at; /* where the body begins, if `whole` */
    bool whole;     /* false: the section goes on beyond a bound or the bytes given */
};

/* Reads the header section at the front of these bytes, up to MESSAGE_FIELDS_MAX fields and
 * MESSAGE_HEAD_MAX octets. A section that goes on behind either is read as far as it goes. */
const struct fault *message_read(str bytes, struct arena *, struct message *ret_message);

/* The next field of this name (any case) from *index on, which then stands behind it; NULL: none. */
const struct field *message_field(const struct message *, str name, size_t *index);

#endif

/* mail/hops.h - counts the Received fields of a message as it comes, across any chunking, so that one
 * that goes round in circles is refused: RFC 5321 6.3.
 *
 * For clean octets (dot.h). A line that is no field ends nothing here; an empty line ends the header
 * section. */
#ifndef SESAME_MAIL_HOPS_H
#define SESAME_MAIL_HOPS_H

#include "base/str.h"

enum { HOPS_MAX = 100 }; /* RFC 5321 6.3: "normally at least 100 Received entries" */

enum hops_at { HOPS_NAME, HOPS_SPACE, HOPS_REST, HOPS_BODY }; /* what comes next */

struct hops { /* zero value: at the start of a message */
    enum hops_at at;
    unsigned char matched; /* of the name, from the line's first octet */
    bool plain;            /* the line has begun */
    unsigned count;
};

void hops_feed(struct hops *, str clean);

#endif

/* store/maildir.h - a message into a maildir: tmp, then new, and on disk when it is there.
 *
 * https://cr.yp.to/proto/maildir.html. Mail readers move what is in new/ to cur/ and add flags
 * behind a colon. The mailbox of a@b is ROOT/b/a; made when it is missing, for nobody but us (0700,
 * 0600). */
#ifndef SESAME_STORE_MAILDIR_H
#define SESAME_STORE_MAILDIR_H

#include "base/outside.h"

/* ROOT/domain/local-part. Strangers choose local parts: letters become small ones, a +label goes,
 * and every octet but a-z 0-9 . _ - and any dot at the front stands as %XX, so that no two
 * addresses that differ in more meet, and none leads elsewhere. STR_NONE: longer than a file's name
 * may be, or no memory. */
str maildir_folder(str root, str domain, str local_part, struct arena *);

/* Gives the message piece by piece; an empty one is its end. */
typedef const struct fault *maildir_read_fn(void *context, str *ret_piece);

struct maildir_letter {
    str name; /* of this message in every mailbox: letters, digits, dots and dashes, 200 at most */
    bool again; /* it may have been delivered and read since: looked for in cur/ as well */
    maildir_read_fn *read;
    void *context;
};
/* Delivered once: when one of this name is there, nothing is read. FAULT_LIMIT: the disk is full;
 * FAULT_UNAVAILABLE: anything else that the disk says; or what `read` says. */
const struct fault *maildir_put(struct disk *, str root, str folder, const struct maildir_letter *,
                                struct arena *);

#endif

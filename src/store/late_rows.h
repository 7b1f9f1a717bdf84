/* store/late_rows.h - rows of objects that are in memory until the next transaction.
 *
 * What a row says stands in its object's frame as well, so the row need not be on the disk when the
 * object is: it waits here until many go to their places in the index at once. One row a key.
 *
 * Any thread finds; one thread changes. A batch is staged, then shown as a whole, or dropped as a
 * whole. */
#ifndef SESAME_STORE_LATE_ROWS_H
#define SESAME_STORE_LATE_ROWS_H

#include "store/objects_index.h"

enum { LATE_ROWS_MAX = 4096 };

struct late_rows;
struct late_rows *late_rows_new(void);   /* NULL: no memory */
void late_rows_free(struct late_rows *); /* NULL is fine */

/* A copy of the row. False: no room, or there is one of that key; then the rows staged are to be
 * dropped. */
bool late_rows_stage(struct late_rows *, const struct object_row *);
void late_rows_show(struct late_rows *); /* they are found from now on */
void late_rows_drop(struct late_rows *);
void late_rows_clear(struct late_rows *); /* of all */

size_t late_rows_count(struct late_rows *); /* of those shown */
/* A copy in the arena; its key is STR_NONE when there is none. The only fault: no memory. */
const struct fault *late_rows_find(struct late_rows *, str bucket, str key, struct arena *,
                                   struct object_row *ret_row);
/* Copies in the arena of the bucket's first rows, at most `max` of them, whose keys are `from` or
 * greater, in the order of keys. The only fault: no memory. */
const struct fault *late_rows_from(struct late_rows *, str bucket, str from, size_t max,
                                   struct arena *, struct object_row **ret_rows, size_t *ret_count);
/* Those shown, in the order of the index; they stay until the next change. NULL: no memory. For the
 * thread that changes. */
const struct object_row *const *late_rows_in_order(struct late_rows *, struct arena *);

#endif

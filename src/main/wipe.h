/* main/wipe.h - emptying the data directory of what its users made, so that a stop at any moment leaves
 * either all of it or, after the next start, none.
 *
 *   DIR/reset    made durable: from here on the directory counts as empty
 *   (a stop)     the next start, with --allow-reset or without, finishes what follows
 *   the stores   removed, each by name; DIR synced, and with it nothing below them can come back
 *   DIR/reset    removed, DIR synced, and only then is anything accepted that must be kept
 *
 * Who may ask for it and how the server gets there: main/reset.h. */
#ifndef SESAME_MAIN_WIPE_H
#define SESAME_MAIN_WIPE_H

#include "base/outside.h"

/* The directory is Sesame's alone? A FAULT_CONFLICT names what is not: whoever gave a folder of his own
 * as --data would lose what happens to be called `objects` there. */
const struct fault *wipe_check(str directory, struct disk *, struct arena *);
const struct fault *wipe_mark(str directory, struct disk *, struct arena *);
/* Call while the directory is locked and nothing in it is open. Without the mark it does nothing. */
const struct fault *wipe_finish(str directory, struct disk *, struct arena *, bool *ret_wiped);

#endif

/* main/reset.h - POST /moto-api/reset: the process starts over, as the same process, over an emptied
 * directory.
 *
 *   page_reset          the directory is marked (main/wipe.h); main is woken; the connection is kept
 *   reset_start_over    SMTP sessions get 421, API calls under way their answers, new ones 503; then
 *                       exec: locks, listening sockets and kept connections are handed over
 *   (the new image)     waits for the old functions' end, wipes, opens everything as any start does
 *   reset_answer        the kept connections get their 200
 *
 * So nothing of the old world can be left in memory, since there is none; who is answered finds the new
 * world; and who connects meanwhile waits in the queue of a socket that never closes. */
#ifndef SESAME_MAIN_RESET_H
#define SESAME_MAIN_RESET_H

#include "main/assemble.h"
#include "main/handover.h"

#include <signal.h>

enum { RESET_SIGNAL = SIGUSR1 }; /* only with --allow-reset; from elsewhere it means nothing */

/* Which of the settings a reset could not be repeated under. */
const struct fault *reset_check(const struct server *, bool changes_user, struct arena *);
bool reset_is_asked(struct server *);
/* Returns only when it could not be done; the directory stays marked then. */
const struct fault *reset_start_over(struct server *, int argc, char *const *argv);

/* In the new image, first of all: what was left to it. The variable is gone afterwards. */
const struct fault *reset_inherit(struct arena *, struct handover *ret_handover);
/* Once the directory is locked: nothing of the old process runs any more, and the directory is empty if
 * it was marked, by whichever process. */
const struct fault *reset_finish(struct server *);
void reset_answer(struct server *); /* it serves */

#endif

/* receive/rehearse.h - what a rule's actions would ask for, and what they would be answered,
 * without a mail and without doing any of it.
 *
 * The actions' own code asks, as for a message, and the services' own code answers; only the ports
 * are the rehearsal's (services/ports.h). So a rehearsal and a delivery of the same moment cannot
 * disagree. Where a message's id would stand, 40 zeros stand. */
#ifndef SESAME_RECEIVE_REHEARSE_H
#define SESAME_RECEIVE_REHEARSE_H

#include "base/buf.h"
#include "receive/actions.h"

#define REHEARSAL_ID "0000000000000000000000000000000000000000"

struct rehearsed {
    const char *outcome; /* "allowed", "denied", "failed", "unbuilt", "asks nobody": see below */
    str says;
    str decisions; /* JSON objects, separated by commas */
};

/* One step alone. In the arena of `acting`. */
const struct fault *rehearse_step(const struct acting *, const struct step *,
                                  struct rehearsed *ret_rehearsed);
bool rehearsed_well(const struct rehearsed *); /* allowed, or needs no permission */

/* {"account","region","ruleSet","active","rule","enabled","arn","allowed",
 *  "actions":[{"action","outcome","says","decisions":[...]}]}
 *
 * outcome: "allowed", "denied", "failed" (it would not come to a decision, or fail after it),
 * "unbuilt", or "asks nobody". Each decision is the object of policy/explanation.h. `acting` has a
 * rehearsal's ports; its witness is set here. */
const struct fault *rehearse_rule(const struct acting *, bool active, struct buf *out);

/* That object as text for a person. */
const struct fault *rehearsal_print(str json, struct arena *, struct buf *out);

#endif

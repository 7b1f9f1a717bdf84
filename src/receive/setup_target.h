/* receive/setup_target.h - one target of a rule, tried. For setup.c. */
#ifndef SESAME_RECEIVE_SETUP_TARGET_H
#define SESAME_RECEIVE_SETUP_TARGET_H

#include "receive/actions.h"
#include "services/ses/rule_sets.h"

#define SETUP_MESSAGE_ID "AMAZON_SES_SETUP_NOTIFICATION"

struct setup_tried {
    bool ran;                  /* there is such a target, and this server can try it */
    const struct fault *fault; /* in AWS's words; beneath it (->because) the long reason */
    str did;                   /* otherwise: "published to ... as ..." */
};

/* `as` acts in the rule's name; its message is SETUP_MESSAGE_ID. */
struct setup_tried setup_try_target(const struct acting *as, const struct action *, enum rule_target);

#endif

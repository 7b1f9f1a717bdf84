/* receive/actions.h - what one step of a plan does; one action, one file in actions/. */
#ifndef SESAME_RECEIVE_ACTIONS_H
#define SESAME_RECEIVE_ACTIONS_H

#include "base/outside.h"
#include "receive/head.h"
#include "receive/plan.h"
#include "services/ports.h"

struct world;

/* For whom an action acts: one rule of one account, in one world. */
struct acting {
    const struct ports *ports;
    const struct world *world;
    str account, region, rule_set;
    const struct receipt_rule *rule;
    int64_t now_ms;
    struct arena *arena;
    struct witness *witness; /* told of each decision; NULL: none */
};

/* Puts a body as the S3 action does: as ses.amazonaws.com in the rule's name, or as its role and
 * only the role. `message_id` becomes the key behind the prefix. Also the set-up test's way. */
const struct fault *s3_action_put(const struct acting *, const struct action *, str message_id,
                                  struct body *);

/* What a put that failed is told as: a denial names everything, other words may name nothing. */
const struct fault *s3_action_fault(const struct action *, const struct fault *, struct arena *);

/* prefix rule of ses-receiving spec 9.2: ("mail", id) -> mail/id. */
str s3_action_key(str object_key_prefix, str message_id, struct arena *);

/* Can this version run it? What it cannot, it neither delivers nor rehearses. */
bool action_is_built(const struct step *);
/* What an action says whose kind is not built yet. Always a FAULT_UNBUILT. */
const struct fault *action_unbuilt(const struct step *, struct arena *);

#endif

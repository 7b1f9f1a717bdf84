/* services/ses/rule_set_change.h - one change of a rule set: read it, make another of it, put it back
 * if nobody was faster. For the files of this room. */
#ifndef SESAME_SERVICES_SES_RULE_SET_CHANGE_H
#define SESAME_SERVICES_SES_RULE_SET_CHANGE_H

#include "services/ses/rule_sets.h"

enum { RULE_SET_TRIES = 16 }; /* of compare-and-set: so many others may come first */

/* In the call's account and region. RuleSetDoesNotExist. */
const struct fault *rule_set_get(struct state *, const struct call *, str name, uint64_t *ret_revision,
                                 struct receipt_rule_set *ret_set);
const struct fault *rule_set_put(struct state *, const struct call *, const struct receipt_rule_set *,
                                 uint64_t expected);
bool rule_set_came_late(const struct fault *);
const struct fault *rule_set_too_busy(struct arena *);
/* LimitExceeded: there are RULE_SETS_MAX already. */
const struct fault *rule_set_count(struct state *, const struct call *);

/* In SES's words: spec 12.3. */
const struct fault *rule_set_exists_already(struct arena *, str name);
const struct fault *rule_set_check_name(struct arena *, str name);
const struct fault *rule_check_name(struct arena *, str name);
const struct fault *rule_absent(struct arena *, str name);
bool ses_name_ok(str); /* up to 64 letters, digits and _.- ; both ends alphanumeric */

#endif

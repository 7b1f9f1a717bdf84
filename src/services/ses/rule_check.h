/* services/ses/rule_check.h - would SES take this rule: its members, and the targets of its actions,
 * each at its place (ses-receiving spec 12.3, 12.4). For the files of this room. */
#ifndef SESAME_SERVICES_SES_RULE_CHECK_H
#define SESAME_SERVICES_SES_RULE_CHECK_H

#include "services/ses/rule_sets.h"

/* What the rule is by itself, before anything is looked up; and the rule as it is kept. */
const struct fault *rule_check(const struct call *, const struct receipt_rule *given,
                               struct receipt_rule *ret_rule);
/* Its actions, in their order; the first fault is the answer. `test` NULL: targets are not tried. */
const struct fault *rule_check_actions(const struct call *, const struct receipt_rule *,
                                       struct rule_test *test);

#endif

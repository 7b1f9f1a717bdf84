/* services/ses/rule_sets.h - making and changing receipt rule sets, as the SES API promises it.
 *
 * State: rule-set/<account>/<region>/<name> holds a set with all its rules;
 * active-rule-set/<account>/<region> names the active one. Account and region are those of the
 * call: caller->account and region. Mutations read the state itself, not the call's world; when
 * they return, worlds_now knows. Faults carry SES's codes and messages in SES's order
 * (ses-receiving spec 5.4, 12.3). None of them asks whether the caller may call the operation: the
 * operation's row does; iam:PassRole is asked here, since only here the role is known. */
#ifndef SESAME_SERVICES_SES_RULE_SETS_H
#define SESAME_SERVICES_SES_RULE_SETS_H

#include "services/ports.h"
#include "services/ses/ruleset.h"
#include "services/world_kinds.h"

enum { RULE_SETS_MAX = 40, RULES_MAX = 200, ACTIONS_MAX = 10 }; /* spec 1.1 */

const struct fault *rule_set_create(struct state *, const struct call *, str name);
const struct fault *rule_set_delete(struct state *, const struct call *,
                                    str name); /* absent: fine */
const struct fault *rule_set_activate(struct state *, const struct call *,
                                      str name); /* empty: none is active */

/* What leaves every rule as it is (rule_order.c). A clone is new and not active; nothing is tried. */
const struct fault *rule_set_clone(struct state *, const struct call *, str name, str original,
                                   const struct receipt_rule_set **ret_clone);
const struct fault *rule_set_reorder(struct state *, const struct call *, str name, const str *rules,
                                     size_t count);
const struct fault *rule_set_position(struct state *, const struct call *, str rule_set, str rule,
                                      str after); /* after STR_NONE: to the front */

/* Tries the targets of a rule's actions, one after the other, each at its place among the checks:
 * an action's TopicArn, then what else it means. Made by whoever can reach the targets; see
 * receive/setup.h. */
enum rule_target { RULE_TARGET_TOPIC, RULE_TARGET_OWN };
struct rule_test {
    const struct fault *(*run)(struct rule_test *, const struct receipt_rule *,
                               const struct action *, enum rule_target);
};

/* after STR_NONE: to the front. rule_test NULL: targets are not tried. */
const struct fault *rule_create(struct state *, const struct call *, str rule_set, str after,
                                const struct receipt_rule *, struct rule_test *);
const struct fault *rule_update(struct state *, const struct call *, str rule_set,
                                const struct receipt_rule *, struct rule_test *);
const struct fault *rule_delete(struct state *, const struct call *, str rule_set,
                                str rule); /* rule absent: fine */

/* Read from the call's world. RuleSetDoesNotExist, RuleDoesNotExist. */
const struct fault *rule_set_describe(const struct call *, str name,
                                      const struct receipt_rule_set **ret_set);
const struct fault *rule_describe(const struct call *, str rule_set, str rule,
                                  const struct receipt_rule **ret_rule);
const struct receipt_rule *rule_find(const struct receipt_rule_set *,
                                     str name); /* NULL when absent */

/* The sets of the caller's account and the call's region whose names are greater than `after`, by
 * name, at most max; *ret_more tells whether others follow. In the call's arena. */
const struct fault *rule_sets_list(const struct call *, str after, size_t max,
                                   const struct receipt_rule_set *const **ret_sets,
                                   size_t *ret_count, bool *ret_more);

aggregate_compile_fn rule_set_compile, active_rule_set_compile;

#endif

/* receive/plan.h - every rule the envelope meets, in order, flattened into steps.
 *
 * Pure: no clock, no store, no network. The same rule set and envelope give the same plan at every
 * attempt, so a step is known by its number, before and after a restart. */
#ifndef SESAME_RECEIVE_PLAN_H
#define SESAME_RECEIVE_PLAN_H

#include "mail/envelope.h"
#include "services/ses/ruleset.h"

/* An action's effect, and the notice of its TopicArn afterwards, are steps of their own: each is
 * retried alone, so a notice that fails never writes the object again. */
enum step_part { STEP_EFFECT, STEP_NOTICE };

struct step {
    enum step_part part;
    const struct receipt_rule *rule;
    const struct action *action;
    const struct forward_path *const *recipients; /* those this rule matched, in RCPT order */
    size_t recipient_count;
};
struct plan {
    const struct step *steps;
    size_t count;
    bool scan; /* a rule of it has ScanEnabled: the message is to be scanned, once for all */
};

/* All enabled rules that match a recipient, in order; nothing behind a Stop action that has its turn in
 * any case. */
const struct fault *plan_make(const struct receipt_rule_set *, const struct envelope *,
                              struct arena *, struct plan *ret_plan);

/* The steps of one rule, as for a message that it matches; they have no recipients. */
const struct fault *plan_rule(const struct receipt_rule *, struct arena *, struct plan *ret_plan);

/* Why each rule of the set does or does not run for this envelope. */
enum match_reason {
    MATCH_ANYBODY,  /* it has no recipient conditions */
    MATCH_RECIPIENT,
    PASSED_DISABLED,
    PASSED_STOPPED,
    PASSED_NOBODY,  /* it means none of the recipients */
};
struct match {
    const struct receipt_rule *rule;
    enum match_reason reason;
    const struct forward_path *recipient; /* MATCH_RECIPIENT */
    str condition;                        /* MATCH_RECIPIENT */
    str stopped_by;                       /* PASSED_STOPPED: a rule's name */
};
const struct fault *plan_matches(const struct receipt_rule_set *, const struct envelope *,
                                 struct arena *,
                                 struct match **ret_matches); /* rule_count of them */
bool match_runs(const struct match *);
/* One sentence for a person; in brief: of a rule that does not run, without names. STR_NONE: no memory. */
str match_why(const struct match *, const struct envelope *, bool in_brief, struct arena *);

str step_name(const struct step *); /* "S3", "AddHeader", "S3 notice": as timelines name it */

#endif

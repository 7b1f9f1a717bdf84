/* receive/setup.h - the test a rule's targets undergo when the rule is created or updated, and what
 * came of it.
 *
 * The actions' own code does it, as the service and in the rule's name: the S3 action really writes
 * AMAZON_SES_SETUP_NOTIFICATION (ses-receiving spec 12.4). What fails is answered in AWS's short
 * words; the long reason goes to the journal, and with every decision that was made onto a bounded
 * list, which the API shows and `sesame explain --setup` reads. What SES takes and its author may
 * regret is told there too, as a warning: so is a clone whose rules may not what the original's may. */
#ifndef SESAME_RECEIVE_SETUP_H
#define SESAME_RECEIVE_SETUP_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/outside.h"
#include "services/ports.h"
#include "services/ses/rule_sets.h"

struct setup;

/* One for the server; any thread. Everything passed in must outlive it. The rehearsal's ports judge
 * what a clone's rules would meet (receive/rehearse.h). */
const struct fault *setup_open(const struct ports *, const struct ports *rehearsal,
                               struct outside *, struct metrics *, struct arena *,
                               struct setup **ret_setup);
void setup_close(struct setup *); /* NULL is fine */

/* One call that makes or changes a rule, from its first target to what became of it. Acts in the
 * name of the caller's account, in the call's region and world. */
struct setup_trial {
    struct rule_test test; /* for rule_create and rule_update */
    struct setup *setup;
    const struct call *call;
    const char *operation; /* "CreateReceiptRule" */
    str rule_set;
    size_t number;      /* of the action that was tried last, from 1; 0: none */
    const struct action *action;
    struct buf targets; /* JSON objects, separated by commas */
};
struct setup_trial setup_begin(struct setup *, const struct call *, const char *operation,
                               str rule_set);
/* To be called whatever happened. `outcome`: what the service said of the rule; NULL: it was made.
 * Something is kept when a target was tried, when the outcome has a reason beneath it, or when there
 * is something to warn of. */
void setup_end(struct setup_trial *, const struct receipt_rule *, const struct fault *outcome);

/* A clone's rules have other names for aws:SourceArn. What the original's may and the clone's may
 * not, judged now and not done, is warned of. */
void setup_cloned(struct setup *, const struct call *, str original,
                  const struct receipt_rule_set *clone);

/* The set-ups of late, newest first, as the JSON array that /_sesame/setups answers:
 * [{"at","operation","account","region","ruleSet","rule","arn","outcome","action","answered","says",
 *   "denial","targets":[{"action","kind","target","outcome","says","decisions"}],
 *   "warnings":[{"rule","action","says","decisions"}]}]
 * A member that is STR_NONE is not asked about; a clone is a set-up of each rule it has. */
struct setup_question {
    str account, region, rule_set, rule;
    size_t max; /* 0: all there are */
};
void setup_write_recent(struct setup *, const struct setup_question *, struct buf *out);

/* One of these objects as text for a person. *ret_refused: the rule was not made. */
const struct fault *setup_print(str json, struct arena *, struct buf *out, bool *ret_refused);

#endif

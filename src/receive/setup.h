/* receive/setup.h - the test a rule's targets undergo when the rule is created or updated.
 *
 * The actions' own code does it, as the service and in the rule's name: the S3 action really writes
 * AMAZON_SES_SETUP_NOTIFICATION (ses-receiving spec 12.4). What fails is answered in AWS's short
 * words; the long reason goes to the journal and onto a bounded list that the API shows. */
#ifndef SESAME_RECEIVE_SETUP_H
#define SESAME_RECEIVE_SETUP_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/outside.h"
#include "services/ports.h"
#include "services/ses/ruleset.h"

struct setup;

/* One for the server; any thread. Everything passed in must outlive it. */
const struct fault *setup_open(const struct ports *, struct outside *, struct metrics *,
                               struct arena *, struct setup **ret_setup);
void setup_close(struct setup *); /* NULL is fine */

/* Tests the targets of the rule's actions, in order, in the name of the caller's account, in the
 * call's region and world. NULL: all well (targets of kinds not built yet are not tested). A fault
 * carries AWS's code ("InvalidS3Configuration") and says AWS's sentence ("Could not write to
 * bucket: x"); what is beneath it (->because) is the long reason. */
const struct fault *setup_test_rule(struct setup *, const struct call *, str rule_set_name,
                                    const struct receipt_rule *);

/* The failures of late, newest first, as the JSON array that /_sesame/setups answers. */
void setup_write_recent(struct setup *, struct buf *out);

#endif

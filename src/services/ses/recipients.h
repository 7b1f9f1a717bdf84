/* services/ses/recipients.h - whom a rule means: recipient conditions (ses-receiving spec 6.1) and
 * the accounts whose verified domains cover an address (6.2). */
#ifndef SESAME_SERVICES_SES_RECIPIENTS_H
#define SESAME_SERVICES_SES_RECIPIENTS_H

#include "mail/envelope.h"
#include "services/ses/ruleset.h"

struct world;

/* Does one condition string mean this mailbox? */
bool recipient_matches(str condition, const struct mailbox *);
/* Does the rule? No conditions: yes. Enabled or not plays no part. */
bool rule_matches(const struct receipt_rule *, const struct mailbox *);

/* Could the condition mean anybody? A mailbox, a domain, or .domain; no spaces, no empty labels. */
bool recipient_ok(str condition);
/* The rule with its conditions as SES keeps and shows them: in lower case, sorted, each once. */
const struct fault *recipients_normal(const struct receipt_rule *, struct arena *,
                                      struct receipt_rule *ret_rule);

/* Accounts with a verified domain identity covering the domain in this region, oldest account
 * first; in the arena. */
const struct fault *accounts_receiving(const struct world *, str region, str domain, struct arena *,
                                       const str **ret_accounts, size_t *ret_count);

#endif

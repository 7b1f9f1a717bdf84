/* services/ses/recipients.h - whom a rule means: recipient conditions (ses-receiving spec 6.1) and
 * the accounts whose verified domains cover an address (6.2). */
#ifndef SESAME_SERVICES_SES_RECIPIENTS_H
#define SESAME_SERVICES_SES_RECIPIENTS_H

#include "mail/envelope.h"
#include "services/ses/identities.h"
#include "services/ses/ruleset.h"

struct world;

/* Does one condition string mean this mailbox? */
bool recipient_matches(str condition, const struct mailbox *);
/* Does the rule? No conditions: yes. Enabled or not plays no part. */
bool rule_matches(const struct receipt_rule *, const struct mailbox *);

/* A mailbox made ready to meet many rules: its domain in A-labels, and the hash of every condition that could mean it. */
enum { RECIPIENT_KEYS = 16 };
struct recipient {
    str local_part, domain; /* domain empty: it is none, and no condition means it */
    uint32_t keys[RECIPIENT_KEYS];
    size_t key_count; /* 0: the domain has too many labels, so every condition is asked */
    char room[DOMAIN_ROOM];
};
void recipient_aim(struct recipient *, const struct mailbox *); /* borrows the mailbox */
bool rule_means(const struct receipt_rule *, const struct recipient *);

/* The hashes of conditions: a recipient with none of them is meant by none, and most rules are passed over by that.
 * NULL: not worth it, or no memory; then the conditions are asked one by one. */
struct recipient_sieve;
const struct recipient_sieve *recipient_sieve_make(const str *conditions, size_t count, struct arena *);

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

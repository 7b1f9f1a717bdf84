/* policy/denial.h - the words the renderings of a denial share. */
#ifndef SESAME_POLICY_DENIAL_H
#define SESAME_POLICY_DENIAL_H

#include "base/buf.h"
#include "policy/decision.h"

enum { DENIAL_TEXT_MAX = 256 * 1024 };

/* The lack that comes nearest; NULL for an explicit deny. */
const struct lack *denial_nearest(const struct denial *);

/* "the bucket policy of demo-mail", or what its kind is called when it has no name. */
str exhibit_title(const struct exhibit *, enum exhibit_kind, struct arena *);

bool principals_are_accounts(const struct statement *); /* every principal is an account */
str principal_account(str principal);                   /* its twelve digits, from either form */

/* The result of a rendering, in the arena. */
str denial_text(struct buf *, struct arena *);

#endif

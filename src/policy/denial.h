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

/* "statement "AllowSESPuts" of the bucket policy of demo-mail". */
str denial_statement_title(const struct exhibit *, enum exhibit_kind, const struct statement *,
                           struct arena *);

/* Its place among its like, of all the exhibits of a question: the 1 of identity[1], scp[0][1]. */
size_t exhibit_index(const struct exhibit *exhibits, size_t at);

/* "trust", "resource", "identity[0]", "scp[1][0]"; "identity" when none is attached. */
str policy_place(enum exhibit_kind, const struct exhibit *, size_t index, struct arena *);

/* The ARN of what has a policy of this kind: the bucket, the key, the role, the user. STR_NONE
 * where the request does not tell it: of ceilings over an account, a session, an access point. */
str policy_attached_to(enum exhibit_kind, const struct request *);

/* What a statement's trace code says of it; its kind is LACK_STATEMENT when it applies. */
struct lack lack_of(const struct request *, const struct exhibit *, size_t index,
                    const struct statement *, uint32_t code);

/* "policy" and "sid". */
struct json_writer;
void denial_put_place(struct json_writer *, enum exhibit_kind, const struct exhibit *, size_t index,
                      const struct statement *, struct arena *);
/* "element", and with it "operator", "key", "wanted", "got": the vectors' words for a lack. */
void denial_put_lack(struct json_writer *, const struct request *, const struct lack *,
                     struct arena *);
/* "policy", "sid", and those: their `blame`. Nothing when all is well. */
void denial_put_blame(struct json_writer *, const struct denial *, struct arena *);

bool principals_are_accounts(const struct statement *); /* every principal is an account */
str principal_account(str principal);                   /* its twelve digits, from either form */

/* "remedy" and "remedies"; where no statement can help, "instead" and "denies", every Deny that
 * applies and has to go. False: the arena is full. */
bool denial_put_ways_out(struct json_writer *, const struct denial *, struct arena *);

/* The result of a rendering, in the arena. */
str denial_text(struct buf *, struct arena *);

#endif

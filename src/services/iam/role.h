/* services/iam/role.h - a role: whom it trusts, and what it may do once assumed.
 *
 * What it has in common with a user, policies and the changes of them included, is in holder.h. */
#ifndef SESAME_SERVICES_IAM_ROLE_H
#define SESAME_SERVICES_IAM_ROLE_H

#include "services/iam/holder.h"

struct role {
    struct holder holder;
    str description;     /* STR_NONE: none given */
    int64_t max_session; /* seconds */
    str trust_text;
    const struct document *trust;
};

/* NULL when there is none. Lives as long as the world. */
const struct role *role_find(const struct world *, str account, str name);
/* By its ARN, path included; NULL when the ARN is no role's or the role lies on another path. */
const struct role *role_find_arn(const struct world *, str role_arn);

struct role_draft {
    str name;
    str path; /* STR_NONE: "/" */
    str trust;
    str description;
    str boundary;        /* ARN of a managed policy */
    int64_t max_session; /* 0: 3600 */
    const struct tag *tags;
    size_t tag_count;
};

struct entropy;
/* All in the account of the call's caller. ret_role may be NULL; else it lives in the call's arena.
 */
const struct fault *role_create(struct state *, const struct call *, struct entropy *,
                                const struct role_draft *, const struct role **ret_role);
const struct fault *role_delete(struct state *, const struct call *, str name);
const struct fault *role_update_trust(struct state *, const struct call *, str name, str trust);
/* description STR_NONE, max_session 0: as before. */
const struct fault *role_update(struct state *, const struct call *, str name, str description,
                                int64_t max_session);
const struct fault *role_put_policy(struct state *, const struct call *, str name, str policy_name,
                                    str document);
const struct fault *role_delete_policy(struct state *, const struct call *, str name,
                                       str policy_name);

aggregate_compile_fn role_compile;

#endif

/* services/iam/role.h - a role: whom it trusts, and what it may do once assumed.
 *
 * State: role/<account>/<name> holds the role with its trust policy and all inline policies, so
 * that each change is one compare-and-set. Mutations read the state itself, not the call's world;
 * when they return, worlds_now knows. Faults carry IAM's codes (NoSuchEntity, ...). None of them
 * asks whether the caller may: the operation's row does. */
#ifndef SESAME_SERVICES_IAM_ROLE_H
#define SESAME_SERVICES_IAM_ROLE_H

#include "policy/decision.h"
#include "services/ports.h"
#include "services/world_kinds.h"

struct role_policy { /* inline */
    str name;
    str text; /* as it was put */
    const struct document *document;
};

struct role {
    struct arn arn; /* arn:aws:iam::ACCOUNT:role/PATH/NAME */
    str name, path; /* path begins and ends with a slash */
    str role_id;    /* AROA... */
    str account;
    int64_t created_ms;
    str description;     /* STR_NONE: none given */
    int64_t max_session; /* seconds */
    str trust_text;
    const struct document *trust;
    const struct role_policy *policies; /* by name */
    const struct exhibit *exhibits;     /* the same, as a decision takes them */
    size_t policy_count;
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
    int64_t max_session; /* 0: 3600 */
};

struct entropy;
/* All in the account of the call's caller. ret_role may be NULL; else it lives in the call's arena.
 */
const struct fault *role_create(struct state *, const struct call *, struct entropy *,
                                const struct role_draft *, const struct role **ret_role);
const struct fault *role_delete(struct state *, const struct call *, str name);
const struct fault *role_update_trust(struct state *, const struct call *, str name, str trust);
const struct fault *role_put_policy(struct state *, const struct call *, str name, str policy_name,
                                    str document);
const struct fault *role_delete_policy(struct state *, const struct call *, str name,
                                       str policy_name);

aggregate_compile_fn role_compile;

#endif

/* services/iam/user.h - a user: what it may do, and by which access keys it is known.
 *
 * What it has in common with a role, policies and the changes of them included, is in holder.h. Its
 * keys are part of its record, and what the record does not list signs nothing. Besides,
 * access-key/<id> says whose key an id is and when it was used last. */
#ifndef SESAME_SERVICES_IAM_USER_H
#define SESAME_SERVICES_IAM_USER_H

#include "services/iam/holder.h"
#include "services/iam/vault.h"

enum { ACCESS_KEYS_MOST = 2 };
struct access_key {
    str id;     /* AKIA... */
    str sealed; /* its secret: vault.h */
    bool active;
    int64_t created_ms;
};
struct user {
    struct holder holder;
    struct access_key keys[ACCESS_KEYS_MOST]; /* oldest first */
    size_t key_count;
};
struct access_key_use { /* the record access-key/<id> */
    str account, user_name;
    int64_t used_ms; /* 0: never yet; known to a quarter of an hour */
    str used_service, used_region;
};

/* NULL when there is none. Each lives as long as the world. */
const struct user *user_find(const struct world *, str account, str name);
const struct user *user_find_arn(const struct world *, str user_arn);
/* Whose key it is: both NULL when it is nobody's, though the record may still be there. */
const struct access_key *access_key_find(const struct world *, str id, const struct user **ret_user);
const struct access_key_use *access_key_use(const struct world *, str id);

struct user_draft {
    str name, path; /* path STR_NONE: "/" */
    str boundary;   /* ARN of a managed policy */
    const struct tag *tags;
    size_t tag_count;
};
struct entropy;
/* All in the account of the call's caller; results live in the call's arena. */
const struct fault *user_create(struct state *, const struct call *, struct entropy *,
                                const struct user_draft *, const struct user **ret_user);
/* DeleteConflict while it has keys or policies. */
const struct fault *user_delete(struct state *, const struct call *, str name);
const struct fault *user_move(struct state *, const struct call *, str name, str path);

struct access_key_made {
    str id, secret;
    int64_t created_ms;
};
const struct fault *access_key_create(struct state *, const struct call *, const struct vault *, str user_name,
                                      struct access_key_made *ret_made);
const struct fault *access_key_update(struct state *, const struct call *, str user_name, str id, bool active);
const struct fault *access_key_delete(struct state *, const struct call *, str user_name, str id);
/* Notes that it signed a call, if that is news. Costs one look-up when it is not. */
const struct fault *access_key_used(struct state *, const struct call *, str id, str service);
const struct fault *access_key_absent(struct arena *, str id);

aggregate_compile_fn user_compile, access_key_use_compile;

#endif

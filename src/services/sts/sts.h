/* services/sts/sts.h - the embedded STS: a role is assumed when its trust policy says so, and a
 * session gets credentials that the API knows again.
 *
 * Roles and users are those of the call's world. A role's session is
 * arn:aws:sts::A:assumed-role/NAME/SESSION and carries no source keys. */
#ifndef SESAME_SERVICES_STS_STS_H
#define SESAME_SERVICES_STS_STS_H

#include "services/ports.h"
#include "services/sts/session.h"

struct outside;
struct root_key;

struct sts_service {
    struct sts_port port;
    struct outside *outside;
    unsigned char token_key[CIPHER_KEY_SIZE];  /* seals tokens */
    unsigned char secret_key[CIPHER_KEY_SIZE]; /* secret access keys come from it and the key's id */
};

/* Lives in the arena, which forgets its keys when it is reset; NULL: no memory. */
struct sts_service *sts_embedded_open(const struct root_key *, struct outside *, struct arena *);

/* API AssumeRole. Members that are not asked for are STR_NONE or none; what is asked for is checked
 * by whoever fills this in. */
struct assume_role {
    str role_arn, session_name;
    str external_id, source_identity;
    str policy; /* the session policy */
    const str *policy_arns;
    size_t policy_arn_count;
    const struct session_tag *tags;
    size_t tag_count;
};
/* No such role, a role that does not trust the caller, and a role of another account than a service's
 * rule are all FAULT_DENIED. ret_session lives in the call's arena. */
const struct fault *sts_assume_role(const struct call *, const struct assume_role *,
                                    struct caller *ret_session);

/* Whose request is this, that came with a token? TOKEN_GOOD alone writes the results; the caller's
 * texts and ret_secret live in the arena. Whether its role or user still exists is asked when it is
 * authorized. */
enum token_verdict { TOKEN_GOOD, TOKEN_EXPIRED, TOKEN_DAMAGED };
enum token_verdict sts_token_read(const struct sts_service *, str access_key_id, str token,
                                  int64_t now_ms, struct arena *, struct caller *ret_caller,
                                  str *ret_secret);

/* Letters, digits and =,.@_+- : what a session may be called. Others become '-'; at most 64, at least
 * one. */
str sts_session_name(struct arena *, str wish);

#endif

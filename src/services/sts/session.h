/* services/sts/session.h - what temporary credentials say, and the token that carries it.
 *
 * A token needs no state: it is the session itself, sealed, so that a restart ends none and nobody
 * but the server that issued it can make or read one. It belongs to one access key id. */
#ifndef SESAME_SERVICES_STS_SESSION_H
#define SESAME_SERVICES_STS_SESSION_H

#include "base/buf.h"
#include "base/cipher.h"
#include "base/fault.h"
#include "base/outside.h"
#include "policy/document.h"

enum {
    SESSION_TOKEN_MAX = 6000,   /* characters; a longer one is none of ours */
    SESSION_PACKED_MOST = 2048, /* octets of policy, policy ARNs and tags together */
    SESSION_POLICY_ARNS_MOST = 10,
    SESSION_TAGS_MOST = 50,
};

enum session_kind {
    SESSION_ROLE = 'R', /* AssumeRole */
    SESSION_USER = 'U', /* GetSessionToken */
};

struct session_tag {
    str key, value;
    bool transitive; /* the sessions that this one assumes have it too */
};

struct session {
    enum session_kind kind;
    int64_t issued_ms, expires_ms;
    str principal_arn;   /* of the role or user */
    str principal_id;    /* AROA..., AIDA...: who is made again under the same name is another */
    str name;            /* a role's session: RoleSessionName; else STR_NONE */
    str source_identity; /* STR_NONE: none */
    str policy;          /* the session policy, inline; STR_NONE: none */
    const struct document *document; /* the same, read */
    const str *policy_arns;          /* managed policies that are session policies */
    size_t policy_arn_count;
    const struct session_tag *tags;
    size_t tag_count;
};

/* As the fields of a token, in clear. */
void session_write(const struct session *, struct buf *out);
/* Borrows from `fields`. False: not what session_write writes, or the arena is full. */
bool session_read(str fields, struct arena *, struct session *ret_session);

/* In the arena; STR_NONE: it is full, or the session is longer than a token may be. */
str session_seal(const struct session *, const unsigned char key[CIPHER_KEY_SIZE], str access_key_id,
                 struct entropy *, struct arena *);
/* False: not a token of this key for this access key id. Says nothing about its time. */
bool session_open(str token, const unsigned char key[CIPHER_KEY_SIZE], str access_key_id,
                  struct arena *, struct session *ret_session);

#endif

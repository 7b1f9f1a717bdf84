/* policy/asked.h - a request made ready for comparing: what every statement would otherwise work
 * out again. Lives on the stack of one decision. */
#ifndef SESAME_POLICY_ASKED_H
#define SESAME_POLICY_ASKED_H

#include "policy/actions.h"
#include "policy/decision.h"
#include "policy/pattern.h"

enum { ASKED_HASHES = 64 }; /* keys beyond these are compared by name */

struct asked {
    const struct request *request;
    struct action action; /* its place in the table, if it has one */
    struct subject resource;
    uint64_t account; /* the caller's, as a number; ACCOUNT_NONE when there is none */
    str self;         /* the ARN that names exactly this caller; STR_NONE */
    str role_name;    /* a role session: the last part of its role */
    str user_name;    /* a federated session: the name it shares with its user */
    str partition;    /* of the caller's ARN */
    bool has_boundary;
    uint32_t hashes[ASKED_HASHES];
};

#define ACCOUNT_NONE UINT64_MAX
uint64_t account_number(str id); /* ACCOUNT_NONE unless twelve digits */

void asked_begin(struct asked *, const struct request *);

uint32_t key_hash(str key); /* without case */
/* The keys of that name, beginning at *at, which moves on: tag keys that differ only in case are
 * all candidates. NULL: no more. */
const struct context_key *asked_key(const struct asked *, str key, uint32_t hash, size_t *at);
/* The value a variable stands for; STR_NONE when absent, empty or multivalued. */
str asked_single(const struct asked *, str key, uint32_t hash);

#endif

/* policy/tally.h - what the statements of a request's policies come to, and the order in which the
 * kinds of policy have their say. */
#ifndef SESAME_POLICY_TALLY_H
#define SESAME_POLICY_TALLY_H

#include "policy/match.h"

enum { TALLY_LEVELS = 64 }; /* AWS knows the root, five levels of units, and the account */

struct tally {
    bool denied;
    size_t deny_exhibit, deny_statement; /* the first one that applies */
    enum grant grant;                    /* the most the resource's own policy gives */
    unsigned present, allowed;           /* 1 << exhibit_kind */
    uint64_t scp_present, scp_allowed;   /* 1 << level */
    bool scp_too_deep;
};

/* Policies of the caller's own account say nothing about services and strangers. */
bool exhibit_governs(enum exhibit_kind, enum caller_kind);

/* An exhibit is there, whether or not one of its statements applies. */
void tally_present(struct tally *, const struct exhibit *);
void tally_statement(struct tally *, const struct exhibit *, size_t exhibit, size_t statement,
                     uint32_t code);

/* Which kinds of policy withhold the yes, as 1 << exhibit_kind; 0: nothing is missing. Steps 2 to 8
 * of permissions spec 5. `*ret_either`: identity and resource are both in the answer and one of the
 * two would do. */
unsigned tally_missing(const struct tally *, const struct request *, bool *ret_either);

/* A role asked to be assumed: the trust policy is the resource's policy. */
bool request_assumes(const struct request *);

#endif

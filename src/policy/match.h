/* policy/match.h - does a statement apply to a request, and if not, because of what.
 *
 * The answer is one 32-bit code: the trace of a decision is an array of them. */
#ifndef SESAME_POLICY_MATCH_H
#define SESAME_POLICY_MATCH_H

#include "policy/asked.h"
#include "policy/compiled.h"

/* How a resource's own policy names the caller; each is more than the one before. */
enum grant {
    GRANT_NONE,
    GRANT_ACCOUNT, /* the caller's account: its own policies must allow too */
    GRANT_VIA,     /* the role behind the session, or the user behind the federated session */
    GRANT_DIRECT,  /* the caller itself, or everyone */
};

enum element {
    ELEMENT_NONE,
    ELEMENT_ACTION,
    ELEMENT_RESOURCE,
    ELEMENT_PRINCIPAL,
    ELEMENT_CONDITION
};

/* bits 0-2   the first element that does not fit; ELEMENT_NONE: the statement applies
 * bit  3     the statement is a Deny
 * bits 4-5   the grant of its principals
 * bits 8-12  every element that does not fit, 1 << element (a traced decision looks at all)
 * bits 16-31 the first condition that does not hold */
static inline enum element trace_element(uint32_t code) {
    return (enum element)(code & 7);
}
static inline bool trace_applies(uint32_t code) {
    return (code & 7) == ELEMENT_NONE;
}
static inline bool trace_denies(uint32_t code) {
    return code & 8;
}
static inline enum grant trace_grant(uint32_t code) {
    return (enum grant)(code >> 4 & 3);
}
static inline bool trace_fails(uint32_t code, enum element e) {
    return code >> 8 & 1U << e;
}
static inline size_t trace_condition(uint32_t code) {
    return code >> 16;
}
enum { TRACE_CONDITIONS = UINT16_MAX }; /* a statement may have that many */

/* Untraced: stops at the first element that does not fit. */
uint32_t statement_match(const struct compiled_statement *, enum exhibit_kind,
                         const struct asked *);
uint32_t statement_match_traced(const struct compiled_statement *, enum exhibit_kind,
                                const struct asked *);

bool exhibit_names_principals(enum exhibit_kind); /* resource, trust, endpoint and RCP */

#endif

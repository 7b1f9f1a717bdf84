/* services/iam/simulate.h - what IAM's policy simulator answers (permissions spec 7; API
 * SimulateCustomPolicy, SimulatePrincipalPolicy).
 *
 * The decision is that of policy/decision.h, with the policies passed in instead of those attached.
 * As an extension, the caller may be a service, and the resource a role with its trust policy:
 * AWS's simulator leaves both out. */
#ifndef SESAME_SERVICES_IAM_SIMULATE_H
#define SESAME_SERVICES_IAM_SIMULATE_H

#include "policy/decision.h"

struct simulated_policy {
    str id;                 /* "PolicyInputList.1", or the name of a policy that is attached */
    enum exhibit_kind kind; /* IDENTITY, BOUNDARY, SCP, RESOURCE */
    unsigned level;         /* SCP: from the organization's root down */
    const struct document *document;
};

struct simulation {
    const struct simulated_policy *policies;
    size_t policy_count;
    const struct caller *caller;
    bool caller_known;  /* else nothing but its account is */
    str resource_owner; /* account of resources whose ARN names none; STR_NONE: the caller's */
    const struct context_key *context;
    size_t context_count;
    int64_t now_ms;
};

struct simulated_statement {
    str policy_id;
    enum exhibit_kind kind;
    struct spans_place start, end; /* behind its opening, behind its closing brace */
};

struct simulated {
    enum verdict verdict;
    const struct simulated_statement *matched; /* those that decided: of a deny, only the denies */
    size_t matched_count;
    const str *missing; /* keys the policies ask for and nobody gave */
    size_t missing_count;
    bool cross_account;
    enum verdict by_identity, by_resource; /* each side for itself; cross account only */
    bool has_boundary, boundary_allows;
    bool has_organization, organization_allows;
};

/* One action on one resource ("*": none in particular). In the arena. */
const struct fault *simulate(const struct simulation *, str action, str resource, struct arena *,
                             struct simulated *ret_simulated);

#endif

/* services/authorize.h - gather the exhibits for a request, decide, wrap a denial.
 *
 * Knows which policies have a say for a caller (its identity policies inline and attached, its
 * boundary, its session's policies, the resource's own);
 * policy/decide.c knows how they combine. */
#ifndef SESAME_SERVICES_AUTHORIZE_H
#define SESAME_SERVICES_AUTHORIZE_H

#include "policy/decision.h"
#include "services/ports.h"

struct ask {
    str action;                             /* "s3:PutObject" */
    str resource;                           /* its ARN, or "*" */
    str resource_account;                   /* who owns it */
    const struct document *resource_policy; /* NULL: it has none */
    enum exhibit_kind resource_kind;        /* EXHIBIT_RESOURCE, or EXHIBIT_TRUST for a role */
    str resource_policy_name;               /* "bucket policy of demo-mail" */
    str resource_policy_fixed; /* nobody can change it: exhibit.fixed */
    const struct document *grants;          /* a key's grants, beside its policy; NULL: none */
    str grants_name;
    const struct context_key *context;      /* beyond what every request carries; copied, but for
                                               the bytes, which live as long as the call's arena */
    size_t context_count;
    str remedy_resource;
};

/* NULL: allowed. A call that is allowed may meet a failure on order (services/mishaps.h): then that is
 * the answer, a FAULT_UNAVAILABLE. FAULT_DENIED carries the denial and the code "AccessDenied". */
const struct fault *authorize(const struct call *, const struct ask *);

#endif

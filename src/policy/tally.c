/* Combining. */
#include "policy/tally.h"

#define KIND(kind) (1U << (kind))

bool exhibit_governs(enum exhibit_kind exhibit, enum caller_kind caller)
{
    switch (caller) {
    case CALLER_ANONYMOUS:
    case CALLER_SERVICE:
        return exhibit_names_principals(exhibit);
    case CALLER_ROOT:
    case CALLER_USER:
    case CALLER_ASSUMED_ROLE:
    case CALLER_FEDERATED:
        break;
    }
    return true;
}

void tally_present(struct tally *tally, const struct exhibit *exhibit)
{
    tally->present |= KIND(exhibit->kind);
    if (exhibit->kind != EXHIBIT_SCP)
        return;
    if (exhibit->level < TALLY_LEVELS)
        tally->scp_present |= UINT64_C(1) << exhibit->level;
    else
        tally->scp_too_deep = true;
}

void tally_statement(struct tally *tally, const struct exhibit *exhibit, size_t exhibit_index,
                     size_t statement, uint32_t code)
{
    if (!trace_applies(code))
        return;
    if (trace_denies(code)) {
        if (!tally->denied) {
            tally->denied = true;
            tally->deny_exhibit = exhibit_index;
            tally->deny_statement = statement;
        }
        return;
    }
    tally->allowed |= KIND(exhibit->kind);
    if (exhibit->kind == EXHIBIT_RESOURCE || exhibit->kind == EXHIBIT_TRUST) {
        const enum grant grant = trace_grant(code);
        tally->grant = grant > tally->grant ? grant : tally->grant;
    }
    if (exhibit->kind == EXHIBIT_SCP && exhibit->level < TALLY_LEVELS)
        tally->scp_allowed |= UINT64_C(1) << exhibit->level;
}

bool request_assumes(const struct request *request)
{
    return str_eq(request->resource.service, STR("iam")) &&
           str_starts(request->resource.resource, STR("role/")) &&
           str_starts_nocase(request->action, STR("sts:"));
}

/* Keys and roles open only by their own policy: identity policies count when it gives the account
 * the action (KMS guide, key-policy-default). */
static bool opens_by_own_policy(const struct request *request)
{
    return request_assumes(request) || (str_eq(request->resource.service, STR("kms")) &&
                                        str_starts(request->resource.resource, STR("key/")));
}

static bool silent(const struct tally *tally, enum exhibit_kind kind)
{
    return (tally->present & ~tally->allowed) & KIND(kind);
}

unsigned tally_missing(const struct tally *tally, const struct request *request, bool *ret_either)
{
    const struct caller *caller = request->caller;
    const unsigned own = KIND(request_assumes(request) ? EXHIBIT_TRUST : EXHIBIT_RESOURCE);
    unsigned missing = 0;
    *ret_either = false;
    if (silent(tally, EXHIBIT_ENDPOINT))
        missing |= KIND(EXHIBIT_ENDPOINT);

    /* Services and strangers: the resource's own policy alone. */
    if (caller->kind == CALLER_SERVICE || caller->kind == CALLER_ANONYMOUS)
        return tally->grant == GRANT_NONE ? missing | own : missing;

    if (tally->scp_too_deep || (tally->scp_present & ~tally->scp_allowed))
        missing |= KIND(EXHIBIT_SCP);
    const bool identity = caller->kind == CALLER_ROOT || (tally->allowed & KIND(EXHIBIT_IDENTITY));
    unsigned ceilings = 0;
    if (silent(tally, EXHIBIT_BOUNDARY))
        ceilings |= KIND(EXHIBIT_BOUNDARY);
    if (silent(tally, EXHIBIT_SESSION))
        ceilings |= KIND(EXHIBIT_SESSION);

    if (!str_eq(caller->account, request->resource_account)) {
        missing |= ceilings;
        if (!identity)
            missing |= KIND(EXHIBIT_IDENTITY);
        return tally->grant == GRANT_NONE ? missing | own : missing;
    }
    switch (tally->grant) {
    case GRANT_DIRECT:
        return missing; /* final: ceilings of the caller do not reach it */
    case GRANT_VIA:
        return missing | ceilings;
    case GRANT_ACCOUNT:
        return missing | ceilings | (identity ? 0 : KIND(EXHIBIT_IDENTITY));
    case GRANT_NONE:
        break;
    }
    missing |= ceilings;
    if (opens_by_own_policy(request))
        return missing | own;
    if (!identity) {
        *ret_either = true;
        missing |= KIND(EXHIBIT_IDENTITY) | own;
    }
    return missing;
}

/* services/ses/identities.h - the domains an account may receive for, and the addresses it may send
 * as, per region.
 *
 * State: identity/<region>/<domain>/<account>, the domain as a lower-case A-label, so that those
 * who hold a domain are neighbours; an address stands in the domain's place, its domain likewise. It
 * makes nothing receivable (ses-receiving spec 4). */
#ifndef SESAME_SERVICES_SES_IDENTITIES_H
#define SESAME_SERVICES_SES_IDENTITIES_H

#include "services/ports.h"
#include "services/world_kinds.h"

enum identity_status {
    IDENTITY_PENDING,
    IDENTITY_SUCCESS,
    IDENTITY_FAILED,
    IDENTITY_TEMPORARY_FAILURE
};

struct identity {
    str domain; /* lower-case A-label; or an address */
    str region, account;
    enum identity_status status;
    str token; /* base64 of 32 random bytes: the TXT record of _amazonses.DOMAIN; none for addresses */
    int64_t created_ms;
};

/* "Pending", "Success", ... as SES's answers name it. */
str identity_status_name(enum identity_status);

/* Begins, or finds, the verification of a domain in the caller's account and the call's region.
 * auto_verify: it is verified at once. The token of a domain stays the same. InvalidParameterValue
 * when the text is no domain. */
struct entropy;
const struct fault *identity_verify_domain(struct state *, const struct call *, struct entropy *,
                                           str domain, bool auto_verify, str *ret_token);

/* The same for an address. */
const struct fault *identity_verify_address(struct state *, const struct call *, str address, bool auto_verify);
/* Absent: fine. */
const struct fault *identity_delete(struct state *, const struct call *, str identity);

/* A domain or an address. */
const struct identity *identity_find(const struct world *, str region, str domain,
                                     str account); /* NULL: none */
bool identity_is_address(const struct identity *);
/* The next identity of the account in the region behind state key `after` (STR(""): the first). */
bool identity_next_of(const struct world *, str account, str region, str after, str *ret_key,
                      const struct identity **ret_identity);
/* May the account send as this address: is it, its domain or a parent of it verified? */
bool identity_covers_address(const struct world *, str region, str address, str account);
/* Is this very domain, or a parent of it, a verified identity of the account? */
bool identity_covers(const struct world *, str region, str domain, str account);

/* The identities of exactly this domain (normal form), by account; false at the end. */
bool identity_next(const struct world *, str region, str normal_domain, str after_account,
                   const struct identity **ret_identity);

/* The normal form of a domain: lower-case A-labels without a final dot. STR_NONE, or 0, when it is
 * no domain name. */
enum { DOMAIN_ROOM = 256 };
str domain_normal(struct arena *, str domain);
size_t domain_normal_to(char to[DOMAIN_ROOM], str domain); /* no NUL behind it */

aggregate_compile_fn identity_compile;

#endif

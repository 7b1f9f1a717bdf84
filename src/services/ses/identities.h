/* services/ses/identities.h - the domains an account may receive for, and the addresses it may send
 * as, per region.
 *
 * State: identity/<region>/<domain>/<account>, the domain as a lower-case A-label, so that those
 * who hold a domain are neighbours; an address stands in the domain's place, its domain likewise. It
 * makes nothing receivable (ses-receiving spec 4). */
#ifndef SESAME_SERVICES_SES_IDENTITIES_H
#define SESAME_SERVICES_SES_IDENTITIES_H

#include "base/header.h"
#include "services/ports.h"
#include "services/world_kinds.h"

enum identity_status {
    IDENTITY_PENDING,
    IDENTITY_SUCCESS,
    IDENTITY_FAILED,
    IDENTITY_TEMPORARY_FAILURE
};

enum { DKIM_TOKENS = 3, IDENTITY_TAGS_MAX = 50 };

struct identity {
    str domain; /* lower-case A-label; or an address */
    str region, account;
    enum identity_status status;
    str token; /* base64 of 32 random bytes: the TXT record of _amazonses.DOMAIN; STR_NONE until it is
                  asked for, and for addresses */
    str dkim_tokens[DKIM_TOKENS]; /* Easy DKIM: TOKEN._domainkey.DOMAIN; STR_NONE until asked for */
    int64_t created_ms;
    const struct header *tags; /* of CreateEmailIdentity */
    size_t tag_count;
};

/* "Pending", "Success", ... as SES's answers name it. */
str identity_status_name(enum identity_status);

/* Of Easy DKIM: what the domain's is, once tokens were asked for; "NotStarted" before, and of an
 * address. No mail is signed here: the state is what tools wait for (spec 4). */
bool identity_has_dkim(const struct identity *);
str identity_dkim_status_name(const struct identity *);

/* Begins, or finds, the verification of a domain in the caller's account and the call's region.
 * auto_verify: it is verified at once. The token of a domain stays the same. InvalidParameterValue
 * when the text is no domain. */
struct entropy;
const struct fault *identity_verify_domain(struct state *, const struct call *, struct entropy *,
                                           str domain, bool auto_verify, str *ret_token);

/* Easy DKIM of a domain, which becomes an identity by it. The tokens stay the same. */
const struct fault *identity_verify_dkim(struct state *, const struct call *, struct entropy *, str domain,
                                         bool auto_verify, str ret_tokens[DKIM_TOKENS]);

/* The same for an address. */
const struct fault *identity_verify_address(struct state *, const struct call *, str address, bool auto_verify);

/* API CreateEmailIdentity: a domain with its DKIM tokens, or an address, which is not there yet.
 * AlreadyExistsException when it is, whoever made it. *ret_identity lives in the call's arena. */
const struct fault *identity_create(struct state *, const struct call *, struct entropy *, str name,
                                    const struct header *tags, size_t tag_count, bool auto_verify,
                                    const struct identity **ret_identity);
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
/* The verified identity by which it may: the address itself, or the closest domain; NULL: none. */
const struct identity *identity_of_address(const struct world *, str region, str address, str account);
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
/* The same of an identity, domain or address: how its ARN names it. */
str identity_normal(struct arena *, str identity);

aggregate_compile_fn identity_compile;

#endif

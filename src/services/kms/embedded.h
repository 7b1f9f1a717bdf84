/* services/kms/embedded.h - what the parts of the embedded KMS share. */
#ifndef SESAME_SERVICES_KMS_EMBEDDED_H
#define SESAME_SERVICES_KMS_EMBEDDED_H

#include "services/authorize.h"
#include "services/kms/kms.h"
#include "services/kms/keyring.h"

/* ---- finding ---- */

enum kms_by {
    BY_KEY,       /* id or ARN of a key */
    BY_KEY_ALIAS, /* or an alias; a managed key that is not there yet is made */
    BY_REHEARSAL, /* the same, and nothing is made */
};
struct kms_found {
    const struct kms_key *key; /* lives as long as the call's arena */
    str alias;                 /* it was asked for by this name; STR_NONE: by its own */
};
/* In the call's region. `action` is what will be asked: a key of another account that does not
 * exist is denied, not absent. */
const struct fault *kms_find(struct kms_service *, const struct call *, str key_id, enum kms_by,
                             str action, struct kms_found *ret_found);
/* The key as it is now: after a change, in a world newer than the call's. */
const struct fault *kms_find_now(struct kms_service *, const struct call *, const struct kms_key *,
                                 const struct kms_key **ret_key);
const struct fault *kms_not_found(const struct call *, str arn);

/* ---- asking ---- */

struct kms_question {
    str action;
    const struct encryption_context *context; /* NULL: the operation has none */
    const struct context_key *more;
    size_t more_count;
};
const struct fault *kms_ask(const struct call *, const struct kms_found *,
                            const struct kms_question *);
/* Of an operation about no key that exists: resource "*", or an alias's ARN. */
const struct fault *kms_ask_account(const struct call *, str action, str resource,
                                    const struct context_key *, size_t count);
/* One key with one value; the value stays where it is. */
static inline struct context_key kms_context(const char *name, const str *value)
{
    return (struct context_key) { .name = str_of(name), .values = value, .count = 1 };
}

/* NULL, DisabledException or KMSInvalidStateException. */
const struct fault *kms_usable(const struct call *, const struct kms_key *);      /* enabled */
const struct fault *kms_not_pending(const struct call *, const struct kms_key *); /* or disabled */
const struct fault *kms_dry_run(const struct call *); /* DryRunOperationException */
/* "1 validation error detected: Value at 'x' failed to satisfy constraint: ..." */
const struct fault *kms_invalid(const struct call *, const char *path, const char *constraint);

/* ---- changing ---- */

/* Changes a private copy whose views live in the call's arena; may say no. */
typedef const struct fault *kms_change_fn(struct kms_service *, const struct call *,
                                          struct kms_key *, void *context);
/* Reads the key's record, changes it and puts it back, again when somebody was faster. Whoever
 * changes a key has asked before. */
const struct fault *kms_change(struct kms_service *, const struct call *, const struct kms_key *,
                               kms_change_fn *, void *context);
const struct fault *kms_put_new(struct kms_service *, const struct call *, const struct kms_key *);

/* ---- kinds of work ---- */

/* The name "alias/aws/ses" to the key's fixed policy; STR_NONE: AWS has no such key. */
str managed_policy(str alias, str account, str region, struct arena *);
str managed_description(str alias);
/* What to do where such a policy says no, since it cannot be changed; STR_NONE: it is a customer's.
 */
str managed_fixed(str alias);
/* The managed key of this alias in the call's account; made when it is not there. With `rehearse`
 * one that is not there is made up, and nothing is stored. */
const struct fault *managed_find(struct kms_service *, const struct call *, str alias,
                                 bool rehearse, const struct kms_key **ret_key);

/* Adds a version to a key whose rotation has come due, before it encrypts. */
const struct fault *rotation_catch_up(struct kms_service *, const struct call *,
                                      const struct kms_key **key);
bool rotation_due(const struct kms_key *, int64_t now_ms);

const struct fault *kms_port_generate(struct kms_port *, const struct call *, str key_id,
                                      const struct encryption_context *, struct data_key *);
const struct fault *kms_port_decrypt(struct kms_port *, const struct call *, str key_id, str blob,
                                     const struct encryption_context *, str *);
const struct fault *kms_rehearse_generate(struct kms_port *, const struct call *, str key_id,
                                          const struct encryption_context *, struct data_key *);
const struct fault *kms_rehearse_decrypt(struct kms_port *, const struct call *, str key_id,
                                         str blob, const struct encryption_context *, str *);

#endif

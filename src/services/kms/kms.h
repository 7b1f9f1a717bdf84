/* services/kms/kms.h - the embedded KMS: keys and aliases in the state, permissions decided here.
 *
 * Every function takes the call first, asks services/authorize.h with the IAM action and ARN of its
 * operation, and answers in KMS's own codes (fault->code: "NotFoundException",
 * "DisabledException", ...) and words. A key is named by its id or ARN, and where the comment says
 * alias, by an alias's name or ARN as well. Any thread. */
#ifndef SESAME_SERVICES_KMS_KMS_H
#define SESAME_SERVICES_KMS_KMS_H

#include "base/outside.h"
#include "services/kms/key.h"
#include "services/ports.h"
#include "services/root_key.h"
#include "store/state.h"

struct keyring;
struct kms_service;
struct kms_rehearsal {
    struct kms_port port;
    struct kms_service *service;
};

struct kms_service {
    struct kms_port port;           /* &service->port */
    struct kms_rehearsal rehearsal; /* the same judged, nothing made: &service->rehearsal.port */
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    struct keyring *ring;
};

/* Lives in the arena; borrows all but the root key. Keys whose waiting period has ended are deleted
 * here, and later whenever one is looked for. */
const struct fault *kms_embedded_open(struct state *, struct worlds *, struct outside *,
                                      const struct root_key *, struct arena *,
                                      struct kms_service **ret_service);

/* ---- keys ---- */

struct kms_draft {
    str description;     /* STR_NONE: empty */
    str policy;          /* STR_NONE: the default one, which gives the account the key */
    bool bypass_lockout; /* BypassPolicyLockoutSafetyCheck */
    const struct header *tags;
    size_t tag_count;
};
const struct fault *kms_create_key(struct kms_service *, const struct call *,
                                   const struct kms_draft *, const struct kms_key **ret_key);
/* Also by alias; makes a managed key that is not there yet. */
const struct fault *kms_describe_key(struct kms_service *, const struct call *, str key_id,
                                     const struct kms_key **ret_key);
/* The account's in the call's region, by id, greater than `after`, at most max. */
const struct fault *kms_list_keys(struct kms_service *, const struct call *, str after, size_t max,
                                  const struct kms_key ***ret_keys, size_t *ret_count,
                                  bool *ret_more);
const struct fault *kms_enable_key(struct kms_service *, const struct call *, str key_id,
                                   bool enable);
const struct fault *kms_schedule_deletion(struct kms_service *, const struct call *, str key_id,
                                          unsigned days, const struct kms_key **ret_key);
const struct fault *kms_cancel_deletion(struct kms_service *, const struct call *, str key_id,
                                        const struct kms_key **ret_key);
const struct fault *kms_describe_as(struct kms_service *, const struct call *, str key_id,
                                    str description);
const struct fault *kms_put_policy(struct kms_service *, const struct call *, str key_id,
                                   str policy, bool bypass_lockout);
const struct fault *kms_get_policy(struct kms_service *, const struct call *, str key_id,
                                   str *ret_policy);
const struct fault *kms_list_policies(struct kms_service *, const struct call *, str key_id);
const struct fault *kms_tag(struct kms_service *, const struct call *, str key_id,
                            const struct header *tags, size_t count);
const struct fault *kms_untag(struct kms_service *, const struct call *, str key_id,
                              const str *names, size_t count);
const struct fault *kms_list_tags(struct kms_service *, const struct call *, str key_id,
                                  const struct kms_key **ret_key);

/* ---- rotation ---- */

const struct fault *kms_rotation(struct kms_service *, const struct call *, str key_id,
                                 bool rotates, unsigned days); /* 0: as it was, or 365 */
const struct fault *kms_rotation_status(struct kms_service *, const struct call *, str key_id,
                                        str action, const struct kms_key **ret_key);
const struct fault *kms_rotate(struct kms_service *, const struct call *, str key_id,
                               const struct kms_key **ret_key);

/* ---- aliases ---- */

const struct fault *kms_create_alias(struct kms_service *, const struct call *, str name,
                                     str key_id);
const struct fault *kms_update_alias(struct kms_service *, const struct call *, str name,
                                     str key_id);
const struct fault *kms_delete_alias(struct kms_service *, const struct call *, str name);
/* key_id STR_NONE: of every key. As kms_list_keys otherwise. */
const struct fault *kms_list_aliases(struct kms_service *, const struct call *, str key_id,
                                     str after, size_t max, const struct kms_alias ***ret_aliases,
                                     size_t *ret_count, bool *ret_more);

/* ---- grants ---- */

const struct fault *kms_create_grant(struct kms_service *, const struct call *, str key_id,
                                     const struct kms_grant *draft, bool dry_run,
                                     str *ret_grant_id);
const struct fault *kms_list_grants(struct kms_service *, const struct call *, str key_id,
                                    const struct kms_key **ret_key);
const struct fault *kms_revoke_grant(struct kms_service *, const struct call *, str key_id,
                                     str grant_id, bool dry_run);
const struct fault *kms_retire_grant(struct kms_service *, const struct call *, str key_id,
                                     str grant_id, bool dry_run);
/* One grant and its key. */
struct kms_grant_of {
    const struct kms_key *key;
    const struct kms_grant *grant;
};
/* All in the account and region that this principal may retire. */
const struct fault *kms_list_retirable(struct kms_service *, const struct call *, str principal,
                                       struct kms_grant_of **ret_grants, size_t *ret_count);

/* ---- use: all by alias too ---- */

struct kms_use {
    str key_id; /* STR_NONE where the ciphertext names it */
    struct encryption_context context;
    bool dry_run; /* decided, then DryRunOperationException */
};
/* `size` octets of a new data key, written to plaintext; its ciphertext and the key's ARN in the
 * call's arena. action: "kms:GenerateDataKey" or "kms:GenerateDataKeyWithoutPlaintext". */
const struct fault *kms_generate(struct kms_service *, const struct call *, const struct kms_use *,
                                 str action, unsigned char *plaintext, size_t size, str *ret_blob,
                                 str *ret_key_arn);
const struct fault *kms_encrypt(struct kms_service *, const struct call *, const struct kms_use *,
                                str plaintext, str *ret_blob, str *ret_key_arn);
/* The call's arena is wiped when it is reset. */
const struct fault *kms_decrypt(struct kms_service *, const struct call *, const struct kms_use *,
                                str blob, str *ret_plaintext, str *ret_key_arn);
struct kms_re_encrypt {
    struct kms_use from, to;
    str blob;
};
const struct fault *kms_re_encrypt(struct kms_service *, const struct call *,
                                   const struct kms_re_encrypt *, str *ret_blob, str *ret_from_arn,
                                   str *ret_to_arn);
const struct fault *kms_random(struct kms_service *, const struct call *, unsigned char *to,
                               size_t size);

#endif

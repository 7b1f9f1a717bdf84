/* services/kms/key.h - a KMS key and an alias as the world knows them.
 *
 * State: kms-key/<account>/<region>/<id> holds a key whole: its policy, the wrapped material of
 * each version, tags and grants; kms-alias/<account>/<region>/<name> (without "alias/") names its
 * key. A version's material leaves this record only through services/kms/keyring.h. */
#ifndef SESAME_SERVICES_KMS_KEY_H
#define SESAME_SERVICES_KMS_KEY_H

#include "aws/arn.h"
#include "base/buf.h"
#include "base/header.h"
#include "policy/document.h"
#include "services/world.h"
#include "services/world_kinds.h"

enum kms_key_state { KEY_ENABLED, KEY_DISABLED, KEY_PENDING_DELETION };
str kms_key_state_name(enum kms_key_state); /* "Enabled", "Disabled", "PendingDeletion" */

struct kms_version {
    uint32_t number; /* from 1 */
    int64_t created_ms;
    bool on_demand; /* RotateKeyOnDemand made it */
    str wrapped;    /* octets */
};

/* What a grant narrows its operations to. */
enum kms_constraint { CONSTRAINT_NONE, CONSTRAINT_SUBSET, CONSTRAINT_EQUALS };
str kms_constraint_name(enum kms_constraint); /* "EncryptionContextSubset", ...; STR_NONE: none */

struct kms_grant {
    str id, name;          /* name STR_NONE: none */
    str grantee, retiring; /* ARNs; retiring STR_NONE: nobody in particular */
    const str *operations;
    size_t operation_count;
    enum kms_constraint constraint;
    const struct header *context;
    size_t context_count;
    int64_t created_ms;
};

struct kms_key {
    str account, region, id;
    struct arn arn;
    enum kms_key_state state;
    str description;
    str managed; /* "alias/aws/ses": AWS's own, made on first use; STR_NONE: a customer's */
    int64_t created_ms;
    int64_t deletion_ms; /* KEY_PENDING_DELETION: when it goes */
    unsigned deletion_days;
    str policy_text;
    const struct document *policy;
    const struct kms_version *versions; /* the last one encrypts */
    size_t version_count;
    bool rotates;
    unsigned rotation_days;
    int64_t rotation_next_ms;
    const struct header *tags;
    size_t tag_count;
    const struct kms_grant *grants;
    size_t grant_count;
    const struct document *grants_policy; /* the grants as statements; NULL: there are none */
};

struct kms_alias {
    str account, region;
    str name; /* "alias/mail" */
    struct arn arn;
    str key_id;
    int64_t created_ms, updated_ms;
};

const struct kms_key *kms_key_find(const struct world *, str account, str region, str id);
const struct kms_alias *kms_alias_find(const struct world *, str account, str region, str name);
/* The key that a key's or alias's name or ARN means to those of this account and region; NULL: none.
 * A managed key is there once it was used. */
const struct kms_key *kms_key_named(const struct world *, str account, str region, str name);

/* Its waiting period has ended: to everybody it is not there, whether or not its record still is. */
static inline bool kms_key_is_gone(const struct kms_key *key, int64_t now_ms)
{
    return key->state == KEY_PENDING_DELETION && key->deletion_ms <= now_ms;
}

/* In the order of their ids or names, those greater than `after` (STR_NONE: from the first); NULL
 * at the end. */
const struct kms_key *kms_key_next(const struct world *, str account, str region, str after);
const struct kms_alias *kms_alias_next(const struct world *, str account, str region, str after);

bool kms_key_id_ok(str);     /* a UUID in small letters */
bool kms_alias_name_ok(str); /* "alias/" and letters, digits, / _ - */
bool kms_managed_name(str);  /* "alias/aws/...": AWS's, nobody else makes them */

str kms_key_state_key(struct arena *, str account, str region, str id);
str kms_alias_state_key(struct arena *, str account, str region, str name);
void kms_key_encode(const struct kms_key *, struct buf *out); /* the record's value */
void kms_alias_encode(const struct kms_alias *, struct buf *out);
aggregate_compile_fn kms_key_compile, kms_alias_compile;

#endif

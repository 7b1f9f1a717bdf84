/* services/kms/managed.c - the keys that AWS makes in an account by itself, on first use.
 *
 * Each has a fixed policy, which nobody can change. Those of S3 and SNS are AWS's own; that of SES
 * is ours, of what ses-receiving spec 13.2 row 4 asks for: mail is encrypted without a policy
 * written by anyone, and read again by whom IAM lets. */
#include "services/kms/embedded.h"

#include "base/random_id.h"
#include "services/world.h"

#define METADATA                                                                                   \
    ",{\"Sid\":\"Allow direct access to key metadata to the account\",\"Effect\":\"Allow\","       \
    "\"Principal\":{\"AWS\":\"arn:%P:iam::%A:root\"},\"Action\":[\"kms:Describe*\",\"kms:Get*\","  \
    "\"kms:List*\",\"kms:RevokeGrant\"],\"Resource\":\"*\"}"
#define THROUGH(service, who, actions)                                                             \
    "{\"Sid\":\"Allow access through " who " for all principals in the account that are "          \
    "authorized to use " who                                                                       \
    "\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":[" actions                   \
    "],\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"kms:ViaService\":\"" service          \
    ".%R.amazonaws.com\",\"kms:CallerAccount\":\"%A\"}}}"
#define OF_THE_ACCOUNT                                                                             \
    "\"Condition\":{\"StringEquals\":{\"kms:EncryptionContext:aws:ses:source-account\":\"%A\"}}"

/* %A the account, %R its Region, %P the partition. */
static const struct managed {
    str alias, description;
    const char *policy;
} managed_keys[] = {
    { STR_INIT("alias/aws/s3"),
      STR_INIT("Default key that protects my S3 objects when no other key is defined"),
      "{\"Version\":\"2012-10-17\",\"Id\":\"auto-s3-2\",\"Statement\":[" THROUGH(
          "s3", "S3",
          "\"kms:Encrypt\",\"kms:Decrypt\",\"kms:ReEncrypt*\",\"kms:GenerateDataKey*\","
          "\"kms:DescribeKey\"") METADATA "]}" },
    { STR_INIT("alias/aws/ses"),
      STR_INIT("Default key that protects my SES messages when no other key is defined"),
      "{\"Version\":\"2012-10-17\",\"Id\":\"auto-ses-1\",\"Statement\":["
      "{\"Sid\":\"Allow SES to encrypt messages of the account\",\"Effect\":\"Allow\","
      "\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":[\"kms:Encrypt\","
      "\"kms:GenerateDataKey*\"],\"Resource\":\"*\"," OF_THE_ACCOUNT "},"
      "{\"Sid\":\"Allow a role of the account to encrypt messages for SES\",\"Effect\":\"Allow\","
      "\"Principal\":{\"AWS\":\"arn:%P:iam::%A:root\"},\"Action\":[\"kms:Encrypt\","
      "\"kms:GenerateDataKey*\"],\"Resource\":\"*\"," OF_THE_ACCOUNT "},"
      "{\"Sid\":\"Allow principals of the account to read messages\",\"Effect\":\"Allow\","
      "\"Principal\":{\"AWS\":\"arn:%P:iam::%A:root\"},\"Action\":\"kms:Decrypt\","
      "\"Resource\":\"*\"}" METADATA "]}" },
    { STR_INIT("alias/aws/sns"),
      STR_INIT("Default key that protects my SNS data when no other key is defined"),
      "{\"Version\":\"2012-10-17\",\"Id\":\"auto-sns-1\",\"Statement\":[" THROUGH(
          "sns", "SNS",
          "\"kms:Decrypt\",\"kms:GenerateDataKey*\",\"kms:CreateGrant\",\"kms:DescribeKey\"")
          METADATA "]}" },
};

enum { ROTATION_DAYS = 365, POLICY_MAX = 8192 };
#define NO_KEY_YET STR("00000000-0000-0000-0000-000000000000") /* of a rehearsal */

static const struct managed *managed_of(str alias)
{
    for (size_t i = 0; i < sizeof managed_keys / sizeof managed_keys[0]; i++)
        if (str_eq(managed_keys[i].alias, alias))
            return &managed_keys[i];
    return NULL;
}

str managed_description(str alias)
{
    const struct managed *managed = managed_of(alias);
    return managed ? managed->description : STR_NONE;
}

str managed_fixed(str alias)
{
    return str_is_none(alias) ? STR_NONE
                              : STR("the policy of a key that AWS manages cannot be changed: put a "
                                    "key of your own "
                                    "in its place, and allow this in that key's policy");
}

str managed_policy(str alias, str account, str region, struct arena *arena)
{
    const struct managed *managed = managed_of(alias);
    AUTO_BUF text = buf_new(POLICY_MAX);
    for (const char *at = managed ? managed->policy : ""; *at; at++) {
        if (*at != '%')
            buf_addc(&text, *at);
        else if (*++at == 'A')
            buf_add(&text, account);
        else
            buf_add(&text, *at == 'R' ? region : region_partition(region));
    }
    return managed && !text.failed ? arena_str(arena, buf_str(&text)) : STR_NONE;
}

/* As its record would be. */
static const struct fault *make_up(struct kms_service *kms, const struct call *call,
                                   const struct managed *managed, str id, struct kms_version *first,
                                   struct kms_key *ret_key)
{
    struct kms_key key = {
        .account = call->caller->account,
        .region = call->region,
        .id = id,
        .description = managed->description,
        .managed = managed->alias,
        .created_ms = call->now_ms,
        .policy_text =
            managed_policy(managed->alias, call->caller->account, call->region, call->arena),
        .versions = first,
        .version_count = 1,
        .rotates = true,
        .rotation_days = ROTATION_DAYS,
        .rotation_next_ms = call->now_ms + (int64_t)ROTATION_DAYS * 24 * 60 * 60 * 1000,
    };
    const str arn =
        arena_strf(call->arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":key/" STR_FMT,
                   STR_ARG(region_partition(call->region)), STR_ARG(call->region),
                   STR_ARG(key.account), STR_ARG(id));
    if (str_is_none(key.policy_text) || !arn_parse(arn, &key.arn))
        return &fault_no_memory;
    *first = (struct kms_version) { .number = 1, .created_ms = call->now_ms };
    TRY(keyring_make(kms->ring, arn, 1, call->arena, &first->wrapped));
    *ret_key = key;
    return NULL;
}

static const struct fault *rehearsed(struct kms_service *kms, const struct call *call,
                                     const struct managed *managed, const struct kms_key **ret_key)
{
    struct kms_version first;
    struct kms_key key;
    AUTO_BUF value = buf_new(64 * 1024);
    const void *compiled;
    TRY(make_up(kms, call, managed, NO_KEY_YET, &first, &key));
    kms_key_encode(&key, &value);
    const struct record record = {
        .key = kms_key_state_key(call->arena, key.account, key.region, key.id),
        .value = buf_str(&value),
    };
    if (value.failed || str_is_none(record.key))
        return &fault_no_memory;
    TRY(kms_key_compile(&record, call->arena, &compiled));
    *ret_key = compiled;
    return NULL;
}

/* The alias comes first and settles the key's id: of two first uses one makes it, and a stop in
 * between leaves an alias whose key the next use makes. */
static const struct fault *make_alias(struct kms_service *kms, const struct call *call,
                                      const struct managed *managed, char id[REQUEST_ID_LEN + 1])
{
    struct record record;
    const void *there;
    AUTO_BUF value = buf_new(1024);
    const str name =
        kms_alias_state_key(call->arena, call->caller->account, call->region, managed->alias);
    if (str_is_none(name))
        return &fault_no_memory;
    const struct kms_alias alias = { .key_id = random_request_id(kms->outside->entropy, id),
                                     .created_ms = call->now_ms,
                                     .updated_ms = call->now_ms };
    kms_alias_encode(&alias, &value);
    if (value.failed)
        return &fault_no_memory;
    const struct fault *why = kms->state->ops->put(kms->state, name, buf_str(&value), REVISION_NEW,
                                                   call->arena, &record.revision);
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    TRY(kms->state->ops->get(kms->state, name, call->arena, &record));
    record.key = name;
    TRY(kms_alias_compile(&record, call->arena, &there));
    memcpy(id, ((const struct kms_alias *)there)->key_id.ptr, REQUEST_ID_LEN);
    return NULL;
}

const struct fault *managed_find(struct kms_service *kms, const struct call *call, str name,
                                 bool rehearse, const struct kms_key **ret_key)
{
    const struct managed *managed = managed_of(name);
    const str account = call->caller->account;
    const struct kms_alias *alias = kms_alias_find(call->world, account, call->region, name);
    *ret_key = alias ? kms_key_find(call->world, account, call->region, alias->key_id) : NULL;
    if (*ret_key)
        return NULL;
    if (rehearse)
        return rehearsed(kms, call, managed, ret_key);
    char id[REQUEST_ID_LEN + 1];
    struct kms_version first;
    struct kms_key key;
    TRY(make_alias(kms, call, managed, id));
    TRY(make_up(kms, call, managed, (str) { id, REQUEST_ID_LEN }, &first, &key));
    const struct fault *why = kms_put_new(kms, call, &key);
    if (why && why->kind != FAULT_CONFLICT)
        return why;
    return kms_find_now(kms, call, &key, ret_key);
}

/* api/kms.c - KMS operations on keys, their policies, tags and rotation, and on aliases. */
#include "api/api.h"
#include "api/kms_shape.h"
#include "api/run.h"

#include <stdio.h>

enum { LIST_USUAL = 100, LIST_MOST = 1000, ALIASES_USUAL = 50, ALIASES_MOST = 100, WINDOW = 30 };

/* ---- what a key here cannot be ---- */

struct only { /* the one value that is built; anything else AWS has and Sesame has not */
    const char *member;
    str value;
};

static const struct fault *unsupported(const struct api_call *call, const char *member, str value)
{
    return fault_coded(
        call->call.arena, FAULT_UNBUILT, "UnsupportedOperationException",
        "Keys are symmetric encryption keys of one Region whose material is made here; "
        "%s " STR_FMT " is not supported",
        member, STR_ARG(value));
}

static const struct fault *refuse_unbuilt(const struct api_call *call, const struct json *input)
{
    static const struct only only[] = {
        { "KeySpec", STR_INIT("SYMMETRIC_DEFAULT") },
        { "CustomerMasterKeySpec", STR_INIT("SYMMETRIC_DEFAULT") },
        { "KeyUsage", STR_INIT("ENCRYPT_DECRYPT") },
        { "Origin", STR_INIT("AWS_KMS") },
        { "CustomKeyStoreId", STR_INIT("") },
        { "XksKeyId", STR_INIT("") },
    };
    bool multi_region;
    for (size_t i = 0; i < sizeof only / sizeof only[0]; i++) {
        str value;
        TRY(kms_text(call, input, only[i].member, &value));
        if (!str_is_none(value) && !str_eq(value, only[i].value))
            return unsupported(call, only[i].member, value);
    }
    TRY(kms_flag(call, input, "MultiRegion", &multi_region));
    return multi_region ? unsupported(call, "MultiRegion", STR("true")) : NULL;
}

/* ---- keys ---- */

const struct fault *run_kms_CreateKey(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    struct kms_draft draft = { 0 };
    TRY(kms_input(call, &input));
    TRY(refuse_unbuilt(call, input));
    TRY(kms_text(call, input, "Description", &draft.description));
    TRY(kms_text(call, input, "Policy", &draft.policy));
    TRY(kms_flag(call, input, "BypassPolicyLockoutSafetyCheck", &draft.bypass_lockout));
    TRY(kms_tags(call, json_get(input, "Tags"), &draft.tags, &draft.tag_count));
    TRY(kms_create_key(api->kms, &call->call, &draft, &key));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    kms_put_metadata(&w, key);
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_DescribeKey(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_describe_key(api->kms, &call->call, id, &key));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    kms_put_metadata(&w, key);
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_ListKeys(struct api *api, const struct api_call *call,
                                     struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key **keys;
    struct kms_page page;
    size_t count;
    bool more;
    TRY(kms_input(call, &input));
    TRY(kms_page(call, input, LIST_USUAL, LIST_MOST, &page));
    TRY(kms_list_keys(api->kms, &call->call, page.after, page.max, &keys, &count, &more));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Keys"));
    json_open(&w, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "KeyId", keys[i]->id);
        json_add_str(&w, "KeyArn", keys[i]->arn.text);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    kms_put_page(&w, more, count ? keys[count - 1]->id : STR(""));
    json_close(&w, '}');
    return NULL;
}

static const struct fault *enable(struct api *api, const struct api_call *call, bool on)
{
    const struct json *input;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    return kms_enable_key(api->kms, &call->call, id, on);
}

const struct fault *run_kms_EnableKey(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    (void)answer;
    return enable(api, call, true);
}

const struct fault *run_kms_DisableKey(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)answer;
    return enable(api, call, false);
}

const struct fault *run_kms_ScheduleKeyDeletion(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    int64_t days;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_number(call, input, "PendingWindowInDays", WINDOW, &days));
    TRY(kms_schedule_deletion(api->kms, &call->call, id,
                              days < 0 || days > UINT32_MAX ? 0 : (unsigned)days, &key));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "KeyId", key->arn.text);
    kms_put_time(&w, "DeletionDate", key->deletion_ms);
    json_add_str(&w, "KeyState", kms_key_state_name(key->state));
    json_add_int(&w, "PendingWindowInDays", key->deletion_days);
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_CancelKeyDeletion(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_cancel_deletion(api->kms, &call->call, id, &key));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "KeyId", key->arn.text);
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_UpdateKeyDescription(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    str id, description;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_wanted(call, input, "Description", &description));
    return kms_describe_as(api->kms, &call->call, id, description);
}

/* ---- policies: each key has one, called default ---- */

static const struct fault *check_policy_name(const struct api_call *call, const struct json *input)
{
    str name;
    TRY(kms_text(call, input, "PolicyName", &name));
    return str_is_none(name) || str_eq(name, STR("default"))
               ? NULL
               : fault_coded(call->call.arena, FAULT_ABSENT, "NotFoundException",
                             "No such policy exists");
}

const struct fault *run_kms_PutKeyPolicy(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    str id, policy;
    bool bypass;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_wanted(call, input, "Policy", &policy));
    TRY(kms_flag(call, input, "BypassPolicyLockoutSafetyCheck", &bypass));
    TRY(check_policy_name(call, input));
    return kms_put_policy(api->kms, &call->call, id, policy, bypass);
}

const struct fault *run_kms_GetKeyPolicy(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    const struct json *input;
    str id, policy;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(check_policy_name(call, input));
    TRY(kms_get_policy(api->kms, &call->call, id, &policy));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "Policy", policy);
    json_add_str(&w, "PolicyName", STR("default"));
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_ListKeyPolicies(struct api *api, const struct api_call *call,
                                            struct api_answer *answer)
{
    const struct json *input;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_list_policies(api->kms, &call->call, id));
    buf_add(&answer->text, STR("{\"PolicyNames\":[\"default\"],\"Truncated\":false}"));
    return NULL;
}

/* ---- tags ---- */

const struct fault *run_kms_TagResource(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    const struct header *tags;
    size_t count;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_tags(call, json_get(input, "Tags"), &tags, &count));
    return kms_tag(api->kms, &call->call, id, tags, count);
}

const struct fault *run_kms_UntagResource(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    const str *names;
    size_t count;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_texts(call, json_get(input, "TagKeys"), &names, &count));
    return kms_untag(api->kms, &call->call, id, names, count);
}

const struct fault *run_kms_ListResourceTags(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_list_tags(api->kms, &call->call, id, &key));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Tags"));
    json_open(&w, '[');
    for (size_t i = 0; i < key->tag_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "TagKey", key->tags[i].name);
        json_add_str(&w, "TagValue", key->tags[i].value);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_add_bool(&w, "Truncated", false);
    json_close(&w, '}');
    return NULL;
}

/* ---- rotation ---- */

const struct fault *run_kms_EnableKeyRotation(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    int64_t days;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_number(call, input, "RotationPeriodInDays", 0, &days));
    const bool given = json_kind(json_get(input, "RotationPeriodInDays")) == JSON_INTEGER;
    return kms_rotation(api->kms, &call->call, id, true,
                        given && (days < 1 || days > UINT32_MAX) ? 1 : (unsigned)days);
}

const struct fault *run_kms_DisableKeyRotation(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)answer;
    const struct json *input;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    return kms_rotation(api->kms, &call->call, id, false, 0);
}

const struct fault *run_kms_GetKeyRotationStatus(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_rotation_status(api->kms, &call->call, id, STR("kms:GetKeyRotationStatus"), &key));
    const bool rotates = key->rotates && key->state != KEY_PENDING_DELETION;
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_bool(&w, "KeyRotationEnabled", rotates);
    json_add_str(&w, "KeyId", key->arn.text);
    if (rotates) {
        json_add_int(&w, "RotationPeriodInDays", key->rotation_days);
        kms_put_time(&w, "NextRotationDate", key->rotation_next_ms);
    }
    json_close(&w, '}');
    return NULL;
}

const struct fault *run_kms_RotateKeyOnDemand(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_rotate(api->kms, &call->call, id, &key));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "KeyId", key->arn.text);
    json_close(&w, '}');
    return NULL;
}

/* The rotations that are done: the first version is none. */
const struct fault *run_kms_ListKeyRotations(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    const struct json *input;
    const struct kms_key *key;
    struct kms_page page;
    uint64_t from = 0;
    char last[24];
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "KeyId", &id));
    TRY(kms_page(call, input, LIST_USUAL, LIST_MOST, &page));
    if (!str_is_none(page.after) && !str_u64(page.after, &from))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidMarkerException",
                           "The marker is not one that this operation gave");
    TRY(kms_rotation_status(api->kms, &call->call, id, STR("kms:ListKeyRotations"), &key));
    size_t at = (size_t)from + 1, count = 0;
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Rotations"));
    json_open(&w, '[');
    for (; at < key->version_count && count < page.max; at++, count++) {
        const struct kms_version *version = &key->versions[at];
        json_open(&w, '{');
        json_add_str(&w, "KeyId", key->arn.text);
        kms_put_time(&w, "RotationDate", version->created_ms);
        json_add_str(&w, "RotationType", version->on_demand ? STR("ON_DEMAND") : STR("AUTOMATIC"));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    const int len = snprintf(last, sizeof last, "%zu", at - 1);
    kms_put_page(&w, at < key->version_count, (str) { last, (size_t)len });
    json_close(&w, '}');
    return NULL;
}

/* ---- aliases ---- */

static const struct fault *read_alias(const struct api_call *call, bool with_target, str *name,
                                      str *target)
{
    const struct json *input;
    TRY(kms_input(call, &input));
    TRY(kms_wanted(call, input, "AliasName", name));
    return with_target ? kms_wanted(call, input, "TargetKeyId", target) : NULL;
}

const struct fault *run_kms_CreateAlias(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    str name, target;
    TRY(read_alias(call, true, &name, &target));
    return kms_create_alias(api->kms, &call->call, name, target);
}

const struct fault *run_kms_UpdateAlias(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    str name, target;
    TRY(read_alias(call, true, &name, &target));
    return kms_update_alias(api->kms, &call->call, name, target);
}

const struct fault *run_kms_DeleteAlias(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    str name;
    TRY(read_alias(call, false, &name, NULL));
    return kms_delete_alias(api->kms, &call->call, name);
}

const struct fault *run_kms_ListAliases(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    const struct json *input;
    const struct kms_alias **aliases;
    struct kms_page page;
    size_t count;
    bool more;
    str id;
    TRY(kms_input(call, &input));
    TRY(kms_text(call, input, "KeyId", &id));
    TRY(kms_page(call, input, ALIASES_USUAL, ALIASES_MOST, &page));
    TRY(kms_list_aliases(api->kms, &call->call, id, page.after, page.max, &aliases, &count, &more));
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_name(&w, STR("Aliases"));
    json_open(&w, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "AliasName", aliases[i]->name);
        json_add_str(&w, "AliasArn", aliases[i]->arn.text);
        json_add_str(&w, "TargetKeyId", aliases[i]->key_id);
        kms_put_time(&w, "CreationDate", aliases[i]->created_ms);
        kms_put_time(&w, "LastUpdatedDate", aliases[i]->updated_ms);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    kms_put_page(&w, more, count ? aliases[count - 1]->name : STR(""));
    json_close(&w, '}');
    return NULL;
}

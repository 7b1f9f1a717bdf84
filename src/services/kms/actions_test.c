/* Each operation of KMS asks for its own action: denied to a role that may everything but it, and
 * open to one that may nothing else. */
#include "services/kms/kms.h"

#include "base/json.h"
#include "policy/decision.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define OWNER          "111122223333"
#define OTHER          "444455556666"
#define ROLE           "arn:aws:iam::" OWNER ":role/asks"
#define DOC(statement) "{\"Version\":\"2012-10-17\",\"Statement\":[" statement "]}"
#define KEEPER                                                                                     \
    DOC("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::" OWNER ":root\"},"           \
        "\"Action\":\"kms:*\",\"Resource\":\"*\"}")

static const struct header tag = { STR_INIT("team"), STR_INIT("mail") };

struct asked {
    struct kms_service *kms;
    const struct call *call;
    const struct kms_key *key;
    str blob; /* sealed with the key */
};

static const struct fault *use_key(const struct asked *a, str action)
{
    const struct kms_use use = { .key_id = a->key->id };
    unsigned char octets[32];
    str blob, arn;
    return kms_generate(a->kms, a->call, &use, action, octets, sizeof octets, &blob, &arn);
}

static const struct fault *re_encrypt(const struct asked *a)
{
    const struct kms_re_encrypt re = { .to = { .key_id = a->key->id }, .blob = a->blob };
    str blob, from, to;
    return kms_re_encrypt(a->kms, a->call, &re, &blob, &from, &to);
}

static const struct fault *asks_CreateKey(const struct asked *a)
{
    struct kms_draft draft = { 0 };
    const struct kms_key *made;
    return kms_create_key(a->kms, a->call, &draft, &made);
}

static const struct fault *asks_DescribeKey(const struct asked *a)
{
    const struct kms_key *got;
    return kms_describe_key(a->kms, a->call, a->key->id, &got);
}

static const struct fault *asks_ListKeys(const struct asked *a)
{
    const struct kms_key **keys;
    size_t count;
    bool more;
    return kms_list_keys(a->kms, a->call, STR_NONE, 10, &keys, &count, &more);
}

static const struct fault *asks_ListAliases(const struct asked *a)
{
    const struct kms_alias **aliases;
    size_t count;
    bool more;
    return kms_list_aliases(a->kms, a->call, STR_NONE, STR_NONE, 10, &aliases, &count, &more);
}

static const struct fault *asks_UpdateKeyDescription(const struct asked *a)
{
    return kms_describe_as(a->kms, a->call, a->key->id, STR("d"));
}

static const struct fault *asks_GetKeyPolicy(const struct asked *a)
{
    str policy;
    return kms_get_policy(a->kms, a->call, a->key->id, &policy);
}

static const struct fault *asks_ListKeyPolicies(const struct asked *a)
{
    return kms_list_policies(a->kms, a->call, a->key->id);
}

static const struct fault *asks_PutKeyPolicy(const struct asked *a)
{
    return kms_put_policy(a->kms, a->call, a->key->id, STR(KEEPER), false);
}

static const struct fault *asks_TagResource(const struct asked *a)
{
    return kms_tag(a->kms, a->call, a->key->id, &tag, 1);
}

static const struct fault *asks_UntagResource(const struct asked *a)
{
    return kms_untag(a->kms, a->call, a->key->id, &tag.name, 1);
}

static const struct fault *asks_ListResourceTags(const struct asked *a)
{
    const struct kms_key *got;
    return kms_list_tags(a->kms, a->call, a->key->id, &got);
}

static const struct fault *asks_EnableKeyRotation(const struct asked *a)
{
    return kms_rotation(a->kms, a->call, a->key->id, true, 0);
}

static const struct fault *asks_DisableKeyRotation(const struct asked *a)
{
    return kms_rotation(a->kms, a->call, a->key->id, false, 0);
}

static const struct fault *asks_GetKeyRotationStatus(const struct asked *a)
{
    const struct kms_key *got;
    return kms_rotation_status(a->kms, a->call, a->key->id, STR("kms:GetKeyRotationStatus"), &got);
}

static const struct fault *asks_ListKeyRotations(const struct asked *a)
{
    const struct kms_key *got;
    return kms_rotation_status(a->kms, a->call, a->key->id, STR("kms:ListKeyRotations"), &got);
}

static const struct fault *asks_RotateKeyOnDemand(const struct asked *a)
{
    const struct kms_key *got;
    return kms_rotate(a->kms, a->call, a->key->id, &got);
}

static const struct fault *asks_CreateAlias(const struct asked *a)
{
    return kms_create_alias(a->kms, a->call, STR("alias/asked"), a->key->id);
}

static const struct fault *asks_UpdateAlias(const struct asked *a)
{
    return kms_update_alias(a->kms, a->call, STR("alias/asked"), a->key->id);
}

static const struct fault *asks_DeleteAlias(const struct asked *a)
{
    return kms_delete_alias(a->kms, a->call, STR("alias/asked"));
}

static const struct fault *asks_CreateGrant(const struct asked *a)
{
    static const str use = STR_INIT("Decrypt");
    const struct kms_grant wish = { .name = STR("asked"),
                                    .grantee = STR("arn:aws:iam::" OTHER ":root"),
                                    .operations = &use,
                                    .operation_count = 1 };
    str id;
    return kms_create_grant(a->kms, a->call, a->key->id, &wish, false, &id);
}

static const struct fault *asks_ListGrants(const struct asked *a)
{
    const struct kms_key *got;
    return kms_list_grants(a->kms, a->call, a->key->id, &got);
}

static const struct fault *asks_ListRetirableGrants(const struct asked *a)
{
    struct kms_grant_of *grants;
    size_t count;
    return kms_list_retirable(a->kms, a->call, STR(ROLE), &grants, &count);
}

static const struct fault *asks_RetireGrant(const struct asked *a)
{
    return kms_retire_grant(
        a->kms, a->call, a->key->id,
        kms_key_find(a->call->world, a->key->account, a->key->region, a->key->id)->grants[0].id,
        true);
}

static const struct fault *asks_RevokeGrant(const struct asked *a)
{
    return kms_revoke_grant(
        a->kms, a->call, a->key->id,
        kms_key_find(a->call->world, a->key->account, a->key->region, a->key->id)->grants[0].id,
        true);
}

static const struct fault *asks_GenerateDataKey(const struct asked *a)
{
    return use_key(a, STR("kms:GenerateDataKey"));
}

static const struct fault *asks_GenerateDataKeyWithoutPlaintext(const struct asked *a)
{
    return use_key(a, STR("kms:GenerateDataKeyWithoutPlaintext"));
}

static const struct fault *asks_Encrypt(const struct asked *a)
{
    const struct kms_use use = { .key_id = a->key->id };
    str blob, arn;
    return kms_encrypt(a->kms, a->call, &use, STR("x"), &blob, &arn);
}

static const struct fault *asks_Decrypt(const struct asked *a)
{
    const struct kms_use use = { .key_id = STR_NONE };
    str text, arn;
    return kms_decrypt(a->kms, a->call, &use, a->blob, &text, &arn);
}

static const struct fault *asks_ReEncryptFrom(const struct asked *a)
{
    return re_encrypt(a);
}

static const struct fault *asks_ReEncryptTo(const struct asked *a)
{
    return re_encrypt(a);
}

static const struct fault *asks_GenerateRandom(const struct asked *a)
{
    unsigned char octet;
    return kms_random(a->kms, a->call, &octet, 1);
}

static const struct fault *asks_DisableKey(const struct asked *a)
{
    return kms_enable_key(a->kms, a->call, a->key->id, false);
}

static const struct fault *asks_EnableKey(const struct asked *a)
{
    return kms_enable_key(a->kms, a->call, a->key->id, true);
}

static const struct fault *asks_ScheduleKeyDeletion(const struct asked *a)
{
    const struct kms_key *got;
    return kms_schedule_deletion(a->kms, a->call, a->key->id, 7, &got);
}

static const struct fault *asks_CancelKeyDeletion(const struct asked *a)
{
    const struct kms_key *got;
    return kms_cancel_deletion(a->kms, a->call, a->key->id, &got);
}

struct asking {
    const char *action;
    const struct fault *(*run)(const struct asked *);
};
/* In an order in which each can happen after those before it. */
static const struct asking askings[] = {
    { "CreateKey", asks_CreateKey },
    { "DescribeKey", asks_DescribeKey },
    { "ListKeys", asks_ListKeys },
    { "ListAliases", asks_ListAliases },
    { "UpdateKeyDescription", asks_UpdateKeyDescription },
    { "GetKeyPolicy", asks_GetKeyPolicy },
    { "ListKeyPolicies", asks_ListKeyPolicies },
    { "PutKeyPolicy", asks_PutKeyPolicy },
    { "TagResource", asks_TagResource },
    { "UntagResource", asks_UntagResource },
    { "ListResourceTags", asks_ListResourceTags },
    { "EnableKeyRotation", asks_EnableKeyRotation },
    { "DisableKeyRotation", asks_DisableKeyRotation },
    { "GetKeyRotationStatus", asks_GetKeyRotationStatus },
    { "ListKeyRotations", asks_ListKeyRotations },
    { "RotateKeyOnDemand", asks_RotateKeyOnDemand },
    { "CreateAlias", asks_CreateAlias },
    { "UpdateAlias", asks_UpdateAlias },
    { "DeleteAlias", asks_DeleteAlias },
    { "CreateGrant", asks_CreateGrant },
    { "ListGrants", asks_ListGrants },
    { "ListRetirableGrants", asks_ListRetirableGrants },
    { "RetireGrant", asks_RetireGrant },
    { "RevokeGrant", asks_RevokeGrant },
    { "GenerateDataKey", asks_GenerateDataKey },
    { "GenerateDataKeyWithoutPlaintext", asks_GenerateDataKeyWithoutPlaintext },
    { "Encrypt", asks_Encrypt },
    { "Decrypt", asks_Decrypt },
    { "ReEncryptFrom", asks_ReEncryptFrom },
    { "ReEncryptTo", asks_ReEncryptTo },
    { "GenerateRandom", asks_GenerateRandom },
    { "DisableKey", asks_DisableKey },
    { "EnableKey", asks_EnableKey },
    { "ScheduleKeyDeletion", asks_ScheduleKeyDeletion },
    { "CancelKeyDeletion", asks_CancelKeyDeletion },
};

static struct caller session_of(struct stage *stage, const char *effect_and_action)
{
    const str document =
        arena_strf(stage->arena, DOC("{%s,\"Resource\":\"*\"}"), effect_and_action);
    struct caller caller = { .kind = CALLER_ASSUMED_ROLE, .account = STR(OWNER) };
    AUTO_BUF record = buf_new(8192);
    struct json_writer w = json_writer(&record);
    json_open(&w, '{');
    json_add_str(&w, "path", STR("/"));
    json_add_str(&w, "trust", STR(KEEPER));
    json_name(&w, STR("policies"));
    json_open(&w, '[');
    json_open(&w, '{');
    json_add_str(&w, "name", STR("p"));
    json_add_str(&w, "document", document);
    json_close(&w, '}');
    json_close(&w, ']');
    json_close(&w, '}');
    stage_put(stage, "role/" OWNER "/asks", buf_str(&record));
    assert_true(arn_parse(STR(ROLE), &caller.assumed_role.role));
    assert_true(
        arn_parse(STR("arn:aws:sts::" OWNER ":assumed-role/asks/s"), &caller.assumed_role.session));
    return caller;
}

static const char *run_as(struct stage *stage, struct asked *asked, const struct asking *asking,
                          const char *allow, const struct denial **ret_denial)
{
    struct caller caller = session_of(stage, allow);
    struct call call = stage_call_as(stage, &caller);
    asked->call = &call;
    const struct fault *why = asking->run(asked);
    if (ret_denial)
        *ret_denial = denial_of(why);
    return stage_says(stage, why);
}

static void every_operation_asks_for_its_own_action(void **state)
{
    (void)state;
    struct stage stage;
    const struct root_key root = { "thirty-two octets, more or less" };
    struct asked asked = { 0 };
    str arn;
    stage_begin(&stage);
    assert_null(kms_embedded_open(stage.state, stage.worlds, &stage.outside, &root, stage.arena,
                                  &asked.kms));
    struct call call = stage_call(&stage);
    assert_null(kms_create_key(asked.kms, &call, &(struct kms_draft) { .policy = STR(KEEPER) },
                               &asked.key));
    call = stage_call(&stage);
    assert_null(kms_encrypt(asked.kms, &call, &(struct kms_use) { .key_id = asked.key->id },
                            STR("x"), &asked.blob, &arn));
    for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++) {
        const struct asking *asking = &askings[i];
        const struct denial *denial;
        const bool two = strncmp(asking->action, "ReEncrypt", 9) == 0;
        const char *says = run_as(
            &stage, &asked, asking,
            arena_strf(stage.arena, "\"Effect\":\"Allow\",\"NotAction\":\"kms:%s\"", asking->action)
                .ptr,
            &denial);
        if (!denial || !str_eq(str_from(denial->request.action, 4), str_of(asking->action)))
            fail_msg("all but %s: \"%s\"", asking->action, says);
        says = run_as(&stage, &asked, asking,
                      arena_strf(stage.arena, "\"Effect\":\"Allow\",\"Action\":[\"kms:%s\",\"%s\"]",
                                 asking->action, two ? "kms:ReEncrypt*" : "x:y")
                          .ptr,
                      NULL);
        if (*says && strncmp(says, "DryRunOperationException", 24) != 0)
            fail_msg("%s alone: \"%s\"", asking->action, says);
    }
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_asks_for_its_own_action),
    };
    return cmocka_run_group_tests_name("the actions of KMS", tests, NULL, NULL);
}

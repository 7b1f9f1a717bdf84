/* services/kms/keys.c - keys made, described, changed and given up. */
#include "services/kms/embedded.h"

#include "base/random_id.h"
#include "base/utf8.h"
#include "policy/validate.h"
#include "services/iam/principals.h"
#include "services/world.h"

enum {
    DESCRIPTION_MOST = 8192,
    TAGS_MOST = 50,
    TAG_KEY_MOST = 128,
    TAG_VALUE_MOST = 256,
    ROTATION_DAYS = 365,
    DAYS_LEAST = 7,
    DAYS_MOST = 30,
};
#define DAY_MS (24 * 60 * 60 * INT64_C(1000))

/* ---- what is checked before a key is saved ---- */

static str default_policy(const struct call *call)
{
    return arena_strf(call->arena,
                      "{\n"
                      "  \"Version\" : \"2012-10-17\",\n"
                      "  \"Id\" : \"key-default-1\",\n"
                      "  \"Statement\" : [ {\n"
                      "    \"Sid\" : \"Enable IAM User Permissions\",\n"
                      "    \"Effect\" : \"Allow\",\n"
                      "    \"Principal\" : {\n"
                      "      \"AWS\" : \"arn:" STR_FMT ":iam::" STR_FMT ":root\"\n"
                      "    },\n"
                      "    \"Action\" : \"kms:*\",\n"
                      "    \"Resource\" : \"*\"\n"
                      "  } ]\n"
                      "}",
                      STR_ARG(region_partition(call->region)), STR_ARG(call->caller->account));
}

static const struct fault *check_policy(const struct call *call, str arn, str policy, bool bypass)
{
    const struct principal_register principals = principals_of(call->world);
    const struct policy_home home = {
        .type = POLICY_KEY,
        .target = arn,
        .caller = bypass ? STR_NONE : caller_name(call->caller, call->arena),
        .principals = &principals,
        .part = bypass,
    };
    return policy_validate(policy, &home, call->arena, NULL);
}

static const struct fault *check_tags(const struct call *call, const struct header *tags,
                                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!tags[i].name.len || utf8_count(tags[i].name) > TAG_KEY_MOST)
            return kms_invalid(call, "tags.member.tagKey",
                               "Member must have length between 1 and 128");
        if (utf8_count(tags[i].value) > TAG_VALUE_MOST)
            return kms_invalid(call, "tags.member.tagValue",
                               "Member must have length less than or equal to 256");
        if (str_starts(tags[i].name, STR("aws:")))
            return fault_coded(call->arena, FAULT_SYNTAX, "TagException",
                               "Tags starting with 'aws:' are reserved for AWS use");
        for (size_t k = 0; k < i; k++)
            if (str_eq(tags[i].name, tags[k].name))
                return fault_coded(call->arena, FAULT_SYNTAX, "TagException", "Duplicate tag keys");
    }
    return NULL;
}

static const struct fault *too_many_tags(const struct call *call, size_t count)
{
    return count > TAGS_MOST
               ? fault_coded(call->arena, FAULT_LIMIT, "TagException", "Too many tags")
               : NULL;
}

/* aws:TagKeys and aws:RequestTag/<name>. */
static const struct fault *tag_context(const struct call *call, const struct header *tags,
                                       size_t count, struct context_key *to, size_t *ret_count)
{
    str *names = ARENA_ARRAY(call->arena, str, count + 1);
    size_t used = 0;
    if (!names)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        const str name = arena_strf(call->arena, "aws:RequestTag/" STR_FMT, STR_ARG(tags[i].name));
        if (str_is_none(name))
            return &fault_no_memory;
        names[i] = tags[i].name;
        to[used++] = (struct context_key) { .name = name, .values = &tags[i].value, .count = 1 };
    }
    if (count)
        to[used++] = (struct context_key) {
            .name = STR("aws:TagKeys"), .values = names, .count = count, .multivalued = true
        };
    *ret_count = used;
    return NULL;
}

/* ---- making ---- */

static const struct fault *ask_to_create(const struct call *call, const struct kms_draft *draft)
{
    static const str spec = STR_INIT("SYMMETRIC_DEFAULT"), usage = STR_INIT("ENCRYPT_DECRYPT"),
                     origin = STR_INIT("AWS_KMS"), no = STR_INIT("false"), yes = STR_INIT("true");
    struct context_key *keys = ARENA_ARRAY(call->arena, struct context_key, draft->tag_count + 8);
    size_t count = 0;
    if (!keys)
        return &fault_no_memory;
    TRY(tag_context(call, draft->tags, draft->tag_count, keys, &count));
    const size_t tag_keys = count;
    keys[count++] = kms_context("kms:KeySpec", &spec);
    keys[count++] = kms_context("kms:KeyUsage", &usage);
    keys[count++] = kms_context("kms:KeyOrigin", &origin);
    keys[count++] = kms_context("kms:MultiRegion", &no);
    keys[count++] =
        kms_context("kms:BypassPolicyLockoutSafetyCheck", draft->bypass_lockout ? &yes : &no);
    TRY(kms_ask_account(call, STR("kms:CreateKey"), STR("*"), keys, count));
    return draft->tag_count
               ? kms_ask_account(call, STR("kms:TagResource"), STR("*"), keys, tag_keys)
               : NULL;
}

const struct fault *kms_create_key(struct kms_service *kms, const struct call *call,
                                   const struct kms_draft *draft, const struct kms_key **ret_key)
{
    char id[REQUEST_ID_LEN + 1];
    struct kms_version first = { .number = 1, .created_ms = call->now_ms };
    struct kms_key key = {
        .account = call->caller->account,
        .region = call->region,
        .id = random_request_id(kms->outside->entropy, id),
        .description = str_is_none(draft->description) ? STR("") : draft->description,
        .created_ms = call->now_ms,
        .policy_text = str_is_none(draft->policy) ? default_policy(call) : draft->policy,
        .versions = &first,
        .version_count = 1,
        .tags = draft->tags,
        .tag_count = draft->tag_count,
    };
    TRY(ask_to_create(call, draft));
    if (utf8_count(key.description) > DESCRIPTION_MOST)
        return kms_invalid(call, "description",
                           "Member must have length less than or equal to 8192");
    TRY(check_tags(call, draft->tags, draft->tag_count));
    TRY(too_many_tags(call, draft->tag_count));
    const str arn =
        arena_strf(call->arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":key/" STR_FMT,
                   STR_ARG(region_partition(call->region)), STR_ARG(call->region),
                   STR_ARG(key.account), STR_ARG(key.id));
    if (str_is_none(key.policy_text) || !arn_parse(arn, &key.arn))
        return &fault_no_memory;
    TRY(check_policy(call, arn, key.policy_text, draft->bypass_lockout));
    TRY(keyring_make(kms->ring, arn, 1, call->arena, &first.wrapped));
    TRY(kms_put_new(kms, call, &key));
    return kms_find_now(kms, call, &key, ret_key);
}

/* ---- looking ---- */

static const struct fault *find_and_ask(struct kms_service *kms, const struct call *call,
                                        str key_id, enum kms_by by, str action,
                                        struct kms_found *ret_found)
{
    TRY(kms_find(kms, call, key_id, by, action, ret_found));
    return kms_ask(call, ret_found, &(struct kms_question) { .action = action });
}

/* The operations that AWS gives to the key's own account only. */
static const struct fault *find_own(struct kms_service *kms, const struct call *call, str key_id,
                                    str action, struct kms_found *ret_found)
{
    TRY(find_and_ask(kms, call, key_id, BY_KEY, action, ret_found));
    if (!str_eq(ret_found->key->account, call->caller->account))
        return fault_coded(call->arena, FAULT_DENIED, "AccessDeniedException",
                           STR_FMT " is not available to other accounts on " STR_FMT,
                           STR_ARG(action), STR_ARG(ret_found->key->arn.text));
    return NULL;
}

const struct fault *kms_describe_key(struct kms_service *kms, const struct call *call, str key_id,
                                     const struct kms_key **ret_key)
{
    struct kms_found found;
    TRY(find_and_ask(kms, call, key_id, BY_KEY_ALIAS, STR("kms:DescribeKey"), &found));
    *ret_key = found.key;
    return NULL;
}

const struct fault *kms_list_keys(struct kms_service *kms, const struct call *call, str after,
                                  size_t max, const struct kms_key ***ret_keys, size_t *ret_count,
                                  bool *ret_more)
{
    (void)kms;
    const str account = call->caller->account;
    const struct kms_key **keys = ARENA_ARRAY(call->arena, const struct kms_key *, max), *key;
    size_t count = 0;
    TRY(kms_ask_account(call, STR("kms:ListKeys"), STR("*"), NULL, 0));
    if (!keys)
        return &fault_no_memory;
    while ((key = kms_key_next(call->world, account, call->region, after)) && count < max) {
        after = key->id;
        if (!kms_key_is_gone(key, call->now_ms))
            keys[count++] = key;
    }
    *ret_keys = keys;
    *ret_count = count;
    *ret_more = key != NULL;
    return NULL;
}

/* ---- changing ---- */

static const struct fault *switch_to(struct kms_service *kms, const struct call *call,
                                     struct kms_key *key, void *context)
{
    (void)kms;
    TRY(kms_not_pending(call, key));
    key->state = *(const bool *)context ? KEY_ENABLED : KEY_DISABLED;
    return NULL;
}

const struct fault *kms_enable_key(struct kms_service *kms, const struct call *call, str key_id,
                                   bool enable)
{
    struct kms_found found;
    TRY(find_own(kms, call, key_id, enable ? STR("kms:EnableKey") : STR("kms:DisableKey"), &found));
    return kms_change(kms, call, found.key, switch_to, &enable);
}

static const struct fault *schedule(struct kms_service *kms, const struct call *call,
                                    struct kms_key *key, void *context)
{
    (void)kms;
    TRY(kms_not_pending(call, key));
    key->state = KEY_PENDING_DELETION;
    key->deletion_days = *(const unsigned *)context;
    key->deletion_ms = call->now_ms + key->deletion_days * DAY_MS;
    return NULL;
}

const struct fault *kms_schedule_deletion(struct kms_service *kms, const struct call *call,
                                          str key_id, unsigned days, const struct kms_key **ret_key)
{
    struct kms_found found;
    const str action = STR("kms:ScheduleKeyDeletion");
    const str window = arena_strf(call->arena, "%u", days);
    const struct context_key more =
        kms_context("kms:ScheduleKeyDeletionPendingWindowInDays", &window);
    TRY(kms_find(kms, call, key_id, BY_KEY, action, &found));
    TRY(kms_ask(call, &found,
                &(struct kms_question) { .action = action, .more = &more, .more_count = 1 }));
    if (!str_eq(found.key->account, call->caller->account))
        return kms_not_found(call, found.key->arn.text);
    if (days < DAYS_LEAST || days > DAYS_MOST)
        return kms_invalid(call, "pendingWindowInDays", "Member must have value between 7 and 30");
    TRY(kms_change(kms, call, found.key, schedule, &days));
    return kms_find_now(kms, call, found.key, ret_key);
}

static const struct fault *cancel(struct kms_service *kms, const struct call *call,
                                  struct kms_key *key, void *context)
{
    (void)kms, (void)context;
    if (key->state != KEY_PENDING_DELETION)
        return fault_coded(call->arena, FAULT_CONFLICT, "KMSInvalidStateException",
                           STR_FMT " is not pending deletion.", STR_ARG(key->arn.text));
    key->state = KEY_DISABLED; /* its keeper enables it when all is well */
    return NULL;
}

const struct fault *kms_cancel_deletion(struct kms_service *kms, const struct call *call,
                                        str key_id, const struct kms_key **ret_key)
{
    struct kms_found found;
    TRY(find_own(kms, call, key_id, STR("kms:CancelKeyDeletion"), &found));
    TRY(kms_change(kms, call, found.key, cancel, NULL));
    return kms_find_now(kms, call, found.key, ret_key);
}

static const struct fault *describe_as(struct kms_service *kms, const struct call *call,
                                       struct kms_key *key, void *context)
{
    (void)kms;
    TRY(kms_not_pending(call, key));
    key->description = *(const str *)context;
    return NULL;
}

const struct fault *kms_describe_as(struct kms_service *kms, const struct call *call, str key_id,
                                    str description)
{
    struct kms_found found;
    TRY(find_own(kms, call, key_id, STR("kms:UpdateKeyDescription"), &found));
    if (utf8_count(description) > DESCRIPTION_MOST)
        return kms_invalid(call, "description",
                           "Member must have length less than or equal to 8192");
    return kms_change(kms, call, found.key, describe_as, &description);
}

/* ---- policies ---- */

static const struct fault *put_policy(struct kms_service *kms, const struct call *call,
                                      struct kms_key *key, void *context)
{
    (void)kms, (void)call;
    key->policy_text = *(const str *)context;
    return NULL;
}

const struct fault *kms_put_policy(struct kms_service *kms, const struct call *call, str key_id,
                                   str policy, bool bypass)
{
    struct kms_found found;
    const str action = STR("kms:PutKeyPolicy"), bypasses = bypass ? STR("true") : STR("false");
    const struct context_key more = kms_context("kms:BypassPolicyLockoutSafetyCheck", &bypasses);
    TRY(kms_find(kms, call, key_id, BY_KEY, action, &found));
    TRY(kms_ask(call, &found,
                &(struct kms_question) { .action = action, .more = &more, .more_count = 1 }));
    if (!str_eq(found.key->account, call->caller->account))
        return kms_not_found(call, found.key->arn.text);
    TRY(check_policy(call, found.key->arn.text, policy, bypass));
    return kms_change(kms, call, found.key, put_policy, &policy);
}

const struct fault *kms_get_policy(struct kms_service *kms, const struct call *call, str key_id,
                                   str *ret_policy)
{
    struct kms_found found;
    TRY(find_own(kms, call, key_id, STR("kms:GetKeyPolicy"), &found));
    *ret_policy = found.key->policy_text;
    return NULL;
}

const struct fault *kms_list_policies(struct kms_service *kms, const struct call *call, str key_id)
{
    struct kms_found found;
    return find_own(kms, call, key_id, STR("kms:ListKeyPolicies"), &found);
}

/* ---- tags ---- */

struct tags {
    const struct header *put;
    size_t put_count;
    const str *take;
    size_t take_count;
};

static bool goes(const struct tags *tags, str name)
{
    for (size_t i = 0; i < tags->put_count; i++)
        if (str_eq(tags->put[i].name, name))
            return true;
    for (size_t i = 0; i < tags->take_count; i++)
        if (str_eq(tags->take[i], name))
            return true;
    return false;
}

static const struct fault *change_tags(struct kms_service *kms, const struct call *call,
                                       struct kms_key *key, void *context)
{
    (void)kms;
    const struct tags *tags = context;
    struct header *now =
        ARENA_ARRAY(call->arena, struct header, key->tag_count + tags->put_count + 1);
    size_t count = 0;
    if (!now)
        return &fault_no_memory;
    TRY(kms_not_pending(call, key));
    for (size_t i = 0; i < key->tag_count; i++)
        if (!goes(tags, key->tags[i].name))
            now[count++] = key->tags[i];
    for (size_t i = 0; i < tags->put_count; i++)
        now[count++] = tags->put[i];
    TRY(too_many_tags(call, count));
    key->tags = now;
    key->tag_count = count;
    return NULL;
}

static const struct fault *find_for_tags(struct kms_service *kms, const struct call *call,
                                         str key_id, str action, const struct header *tags,
                                         size_t count, bool untags, struct kms_found *ret_found)
{
    struct context_key *keys = ARENA_ARRAY(call->arena, struct context_key, count + 1);
    size_t used;
    if (!keys)
        return &fault_no_memory;
    TRY(kms_find(kms, call, key_id, BY_KEY, action, ret_found));
    TRY(tag_context(call, tags, count, keys, &used));
    const size_t from = untags ? count : 0; /* of tags that go, only the names are in the request */
    TRY(kms_ask(call, ret_found,
                &(struct kms_question) {
                    .action = action, .more = keys + from, .more_count = used - from }));
    return str_eq(ret_found->key->account, call->caller->account)
               ? NULL
               : kms_not_found(call, ret_found->key->arn.text);
}

const struct fault *kms_tag(struct kms_service *kms, const struct call *call, str key_id,
                            const struct header *put, size_t count)
{
    struct kms_found found;
    struct tags tags = { .put = put, .put_count = count };
    TRY(find_for_tags(kms, call, key_id, STR("kms:TagResource"), put, count, false, &found));
    TRY(check_tags(call, put, count));
    return kms_change(kms, call, found.key, change_tags, &tags);
}

const struct fault *kms_untag(struct kms_service *kms, const struct call *call, str key_id,
                              const str *names, size_t count)
{
    struct kms_found found;
    struct tags tags = { .take = names, .take_count = count };
    struct header *pairs = ARENA_ARRAY(call->arena, struct header, count + 1);
    if (!pairs)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct header) { names[i], STR("") };
    TRY(find_for_tags(kms, call, key_id, STR("kms:UntagResource"), pairs, count, true, &found));
    return kms_change(kms, call, found.key, change_tags, &tags);
}

const struct fault *kms_list_tags(struct kms_service *kms, const struct call *call, str key_id,
                                  const struct kms_key **ret_key)
{
    struct kms_found found;
    TRY(find_own(kms, call, key_id, STR("kms:ListResourceTags"), &found));
    *ret_key = found.key;
    return NULL;
}

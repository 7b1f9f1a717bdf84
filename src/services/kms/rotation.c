/* services/kms/rotation.c - new versions of a key's material, by the calendar or on demand.
 *
 * No clock runs here: a rotation that has come due is made when the key is next asked to encrypt,
 * or asked about its rotation. Old versions stay and open what they sealed. */
#include "services/kms/embedded.h"

enum { DAYS_LEAST = 90, DAYS_MOST = 2560, DAYS_USUAL = 365, ON_DEMAND_MOST = 25 };
#define DAY_MS (24 * 60 * 60 * INT64_C(1000))

bool rotation_due(const struct kms_key *key, int64_t now_ms)
{
    return key->rotates && key->state == KEY_ENABLED && key->rotation_next_ms <= now_ms;
}

static const struct fault *add_version(struct kms_service *kms, const struct call *call,
                                       struct kms_key *key, bool on_demand)
{
    struct kms_version *versions =
        ARENA_ARRAY(call->arena, struct kms_version, key->version_count + 1);
    if (!versions)
        return &fault_no_memory;
    memcpy(versions, key->versions, key->version_count * sizeof versions[0]);
    struct kms_version *last = &versions[key->version_count];
    *last = (struct kms_version) { .number = last[-1].number + 1,
                                   .created_ms = call->now_ms,
                                   .on_demand = on_demand };
    TRY(keyring_make(kms->ring, key->arn.text, last->number, call->arena, &last->wrapped));
    key->versions = versions;
    key->version_count++;
    return NULL;
}

static const struct fault *catch_up(struct kms_service *kms, const struct call *call,
                                    struct kms_key *key, void *context)
{
    (void)context;
    if (!rotation_due(key, call->now_ms)) /* somebody else was faster */
        return NULL;
    key->rotation_next_ms = call->now_ms + key->rotation_days * DAY_MS;
    return add_version(kms, call, key, false);
}

const struct fault *rotation_catch_up(struct kms_service *kms, const struct call *call,
                                      const struct kms_key **key)
{
    if (!rotation_due(*key, call->now_ms))
        return NULL;
    TRY(kms_change(kms, call, *key, catch_up, NULL));
    return kms_find_now(kms, call, *key, key);
}

struct rotation {
    bool rotates;
    unsigned days;
};

static const struct fault *set(struct kms_service *kms, const struct call *call,
                               struct kms_key *key, void *context)
{
    (void)kms;
    const struct rotation *rotation = context;
    const unsigned before = key->rotates ? key->rotation_days : 0;
    TRY(kms_usable(call, key));
    key->rotates = rotation->rotates;
    if (!rotation->rotates)
        return NULL;
    key->rotation_days = rotation->days ? rotation->days : before ? before : DAYS_USUAL;
    if (key->rotation_days != before)
        key->rotation_next_ms = call->now_ms + key->rotation_days * DAY_MS;
    return NULL;
}

static const struct fault *find_own(struct kms_service *kms, const struct call *call, str key_id,
                                    const struct kms_question *question,
                                    struct kms_found *ret_found)
{
    TRY(kms_find(kms, call, key_id, BY_KEY, question->action, ret_found));
    TRY(kms_ask(call, ret_found, question));
    return str_eq(ret_found->key->account, call->caller->account)
               ? NULL
               : kms_not_found(call, ret_found->key->arn.text);
}

const struct fault *kms_rotation(struct kms_service *kms, const struct call *call, str key_id,
                                 bool rotates, unsigned days)
{
    struct kms_found found;
    struct rotation rotation = { rotates, days };
    const str period = arena_strf(call->arena, "%u", days);
    const struct context_key more = kms_context("kms:RotationPeriodInDays", &period);
    TRY(find_own(kms, call, key_id,
                 &(struct kms_question) { .action = rotates ? STR("kms:EnableKeyRotation")
                                                            : STR("kms:DisableKeyRotation"),
                                          .more = &more,
                                          .more_count = days ? 1 : 0 },
                 &found));
    if (days && (days < DAYS_LEAST || days > DAYS_MOST))
        return kms_invalid(call, "rotationPeriodInDays",
                           "Member must have value between 90 and 2560");
    return kms_change(kms, call, found.key, set, &rotation);
}

const struct fault *kms_rotation_status(struct kms_service *kms, const struct call *call,
                                        str key_id, str action, const struct kms_key **ret_key)
{
    struct kms_found found;
    TRY(kms_find(kms, call, key_id, BY_KEY, action, &found));
    TRY(kms_ask(call, &found, &(struct kms_question) { .action = action }));
    TRY(rotation_catch_up(kms, call, &found.key));
    *ret_key = found.key;
    return NULL;
}

static const struct fault *rotate(struct kms_service *kms, const struct call *call,
                                  struct kms_key *key, void *context)
{
    (void)context;
    size_t on_demand = 0;
    TRY(kms_usable(call, key));
    for (size_t i = 0; i < key->version_count; i++)
        on_demand += key->versions[i].on_demand;
    if (on_demand >= ON_DEMAND_MOST)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceededException",
                           "The key has been rotated on demand %d times already", ON_DEMAND_MOST);
    return add_version(kms, call, key, true);
}

const struct fault *kms_rotate(struct kms_service *kms, const struct call *call, str key_id,
                               const struct kms_key **ret_key)
{
    struct kms_found found;
    TRY(find_own(kms, call, key_id,
                 &(struct kms_question) { .action = STR("kms:RotateKeyOnDemand") }, &found));
    TRY(kms_change(kms, call, found.key, rotate, NULL));
    *ret_key = found.key;
    return NULL;
}

/* services/sns/topic.c - topics: their names, their record, their place in the world. */
#include "services/sns/topic.h"

#include "base/json.h"
#include "services/text_members.h"

enum { NAME_MAX_LEN = 256, KEY_ROOM = 512 };
#define KEY_PREFIX STR("topic/")

bool topic_name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

bool topic_signs_sha256(const struct topic *topic)
{
    return topic && str_eq(topic->signature_version, STR("2"));
}

str topic_arn(struct arena *arena, str region, str account, str name)
{
    str partition = region_partition(region);
    return arena_strf(arena, "arn:" STR_FMT ":sns:" STR_FMT ":" STR_FMT ":" STR_FMT,
                      STR_ARG(partition), STR_ARG(region), STR_ARG(account), STR_ARG(name));
}

str topic_state_key(struct arena *arena, const struct arn *arn)
{
    return arena_strf(arena, "topic/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(arn->account),
                      STR_ARG(arn->region), STR_ARG(arn->resource));
}

const struct topic *topic_find(const struct world *world, const struct arn *arn)
{
    char key[KEY_ROOM];
    const str parts[] = {
        KEY_PREFIX, arn->account, STR("/"), arn->region, STR("/"), arn->resource
    };
    size_t len = 0;
    if (!str_eq(arn->service, STR("sns")))
        return NULL;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > sizeof key - len)
            return NULL;
        if (parts[i].len)
            memcpy(key + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    const struct topic *topic = world_find(world, (str) { key, len });
    return topic && str_eq(topic->arn.text, arn->text) ? topic : NULL;
}

/* Recorded from a topic that AWS made: SNS API Reference, GetTopicAttributes. */
str topic_default_policy(struct arena *arena, str arn, str account)
{
    return arena_strf(
        arena,
        "{\"Version\":\"2008-10-17\",\"Id\":\"__default_policy_ID\",\"Statement\":[{\"Sid\":"
        "\"__default_statement_ID\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":["
        "\"SNS:GetTopicAttributes\",\"SNS:SetTopicAttributes\",\"SNS:AddPermission\","
        "\"SNS:RemovePermission\",\"SNS:DeleteTopic\",\"SNS:Subscribe\","
        "\"SNS:ListSubscriptionsByTopic\",\"SNS:Publish\"],\"Resource\":\"" STR_FMT
        "\",\"Condition\":{\"StringEquals\":{\"AWS:SourceOwner\":\"" STR_FMT "\"}}}]}",
        STR_ARG(arn), STR_ARG(account));
}

/* ---- the record ---- */

/* Optional attributes, and what they are called in it. */
static const struct {
    const char *name;
    size_t at;
} texts[] = {
    { "policy", offsetof(struct topic, policy_text) },
    { "display_name", offsetof(struct topic, display_name) },
    { "delivery_policy", offsetof(struct topic, delivery_policy_text) },
    { "kms_key_id", offsetof(struct topic, kms_key_id) },
    { "signature_version", offsetof(struct topic, signature_version) },
    { "tracing_config", offsetof(struct topic, tracing_config) },
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static str *text_at(struct topic *topic, size_t i)
{
    return (str *)(void *)((char *)topic + texts[i].at);
}

void topic_encode(const struct topic *topic, struct buf *out)
{
    struct topic copy = *topic;
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_int(&w, "created_ms", topic->created_ms);
    for (size_t i = 0; i < TEXTS; i++)
        if (!str_is_none(*text_at(&copy, i)))
            json_add_str(&w, texts[i].name, *text_at(&copy, i));
    text_members_put(&w, "tags", topic->tags, topic->tag_count);
    json_close(&w, '}');
}

static const struct fault *read_key(str key, struct arena *arena, struct topic *topic)
{
    str account, region, name, rest = str_from(key, KEY_PREFIX.len);
    if (!str_cut(rest, '/', &account, &rest) || !str_cut(rest, '/', &region, &name) ||
        !account_id_ok(account) || !region_name_ok(region) || !topic_name_ok(name))
        return fault(arena, FAULT_SYNTAX, NULL, "a topic's key wants account, region and name");
    if (!arn_parse(topic_arn(arena, region, account, name), &topic->arn))
        return &fault_no_memory;
    topic->name = topic->arn.resource;
    return NULL;
}

const struct fault *topic_compile(const struct record *record, struct arena *arena,
                                  const void **ret_aggregate)
{
    const struct json *json;
    struct topic *topic = ARENA_NEW(arena, struct topic);
    struct document *policy = ARENA_NEW(arena, struct document);
    if (!topic || !policy)
        return &fault_no_memory;
    TRY(json_parse(record->value, arena, &json));
    TRY(read_key(record->key, arena, topic));
    topic->created_ms = json_int(json, "created_ms", 0);
    for (size_t i = 0; i < TEXTS; i++)
        *text_at(topic, i) = json_str(json, texts[i].name);
    TRY(text_members_read(json_get(json, "tags"), arena, &topic->tags, &topic->tag_count));
    TRY(policy_parse(topic->policy_text, arena, policy));
    topic->policy = policy;
    if (!str_is_none(topic->delivery_policy_text))
        TRY(delivery_policy_read(topic->delivery_policy_text, true, arena, &topic->delivery));
    *ret_aggregate = topic;
    return NULL;
}

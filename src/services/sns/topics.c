/* services/sns/topics.c - making and removing topics, their attributes and tags. */
#include "services/sns/embedded.h"

#include "policy/validate.h"
#include "services/iam/principals.h"

enum { TAGS_MAX = 50, TAG_KEY_MAX = 128, TAG_VALUE_MAX = 256, DISPLAY_NAME_MAX = 100 };

/* ---- attributes ---- */

static const struct fault *set_policy(const struct call *call, struct topic *topic, str value)
{
    const struct principal_register principals = principals_of(call->world);
    const struct policy_home home = { .type = POLICY_TOPIC,
                                      .target = topic->arn.text,
                                      .principals = &principals };
    TRY(policy_validate(value, &home, call->arena, NULL));
    topic->policy_text = value;
    return NULL;
}

static const struct fault *set_display_name(const struct call *call, struct topic *topic, str value)
{
    if (value.len > DISPLAY_NAME_MAX)
        return sns_invalid(call, "DisplayName: Must be less than 100 characters");
    topic->display_name = value;
    return NULL;
}

static const struct fault *set_delivery_policy(const struct call *call, struct topic *topic,
                                               str value)
{
    topic->delivery_policy_text = value.len ? value : STR_NONE;
    return value.len ? delivery_policy_read(value, true, call->arena, &topic->delivery) : NULL;
}

static const struct fault *set_kms_key(const struct call *call, struct topic *topic, str value)
{
    (void)call; /* SNS takes any name, and fails at Publish: API Reference, SetTopicAttributes */
    topic->kms_key_id = value.len ? value : STR_NONE;
    return NULL;
}

static const struct fault *set_signature_version(const struct call *call, struct topic *topic,
                                                 str value)
{
    if (!str_eq(value, STR("1")) && !str_eq(value, STR("2")))
        return sns_invalid(call, "SignatureVersion: Invalid value [" STR_FMT "]. Must be 1 or 2.",
                           STR_ARG(str_head(value, 64)));
    topic->signature_version = value;
    return NULL;
}

static const struct fault *set_tracing_config(const struct call *call, struct topic *topic,
                                              str value)
{
    if (str_eq(value, STR("Active")))
        return sns_unbuilt(call, "tracing by X-Ray");
    if (!str_eq(value, STR("PassThrough")))
        return sns_invalid(call, "TracingConfig: Invalid value [" STR_FMT "].",
                           STR_ARG(str_head(value, 64)));
    topic->tracing_config = value;
    return NULL;
}

static const struct fault *set_fifo(const struct call *call, struct topic *topic, str value)
{
    (void)topic;
    return str_eq(value, STR("false")) ? NULL : sns_unbuilt(call, "a FIFO topic");
}

/* clang-format off */
static const struct attribute {
    const char *name;
    const struct fault *(*set)(const struct call *, struct topic *, str value);
    bool at_creation_only;
} attributes[] = {
    { "Policy",           set_policy,            false },
    { "DisplayName",      set_display_name,      false },
    { "DeliveryPolicy",   set_delivery_policy,   false },
    { "KmsMasterKeyId",   set_kms_key,           false },
    { "SignatureVersion", set_signature_version, false },
    { "TracingConfig",    set_tracing_config,    false },
    { "FifoTopic",        set_fifo,              true  },
};
/* clang-format on */

static bool is_feedback(str name)
{
    return str_ends(name, STR("SuccessFeedbackRoleArn")) ||
           str_ends(name, STR("FailureFeedbackRoleArn")) ||
           str_ends(name, STR("SuccessFeedbackSampleRate"));
}

static const struct fault *set_attribute(const struct call *call, struct topic *topic, str name,
                                         str value, bool creating)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (str_eq(name, str_of(attributes[i].name)) &&
            (creating || !attributes[i].at_creation_only))
            return sns_refused(call, creating, attributes[i].set(call, topic, value));
    if (is_feedback(name))
        return sns_unbuilt(call, "logging the status of deliveries to CloudWatch");
    return creating ? sns_invalid(call, "Attributes Reason: Unknown attribute " STR_FMT,
                                  STR_ARG(str_head(name, 64)))
                    : sns_invalid(call, "AttributeName");
}

/* ---- tags ---- */

static bool is_tag_named(const struct header *tag, str key)
{
    return str_eq(tag->name, key);
}

static const struct fault *check_tags(const struct call *call, struct sns_pairs tags)
{
    for (size_t i = 0; i < tags.count; i++) {
        if (tags.pairs[i].name.len == 0 || tags.pairs[i].name.len > TAG_KEY_MAX ||
            tags.pairs[i].value.len > TAG_VALUE_MAX ||
            str_starts_nocase(tags.pairs[i].name, STR("aws:")))
            return sns_invalid(call, "Tags");
        for (size_t k = 0; k < i; k++)
            if (is_tag_named(&tags.pairs[k], tags.pairs[i].name))
                return sns_invalid(call, "Duplicated keys are not allowed.");
    }
    return NULL;
}

static const struct fault *too_many_tags(const struct call *call)
{
    return fault_coded(call->arena, FAULT_LIMIT, "TagLimitExceeded",
                       "Could not complete request: tag quota of per resource exceeded");
}

static const struct fault *add_tags(void *context, const struct call *call, struct topic *topic)
{
    const struct sns_pairs *tags = context;
    struct header *all =
        ARENA_ARRAY(call->arena, struct header, topic->tag_count + tags->count + 1);
    if (!all)
        return &fault_no_memory;
    size_t count = 0;
    for (; count < topic->tag_count; count++)
        all[count] = topic->tags[count];
    for (size_t i = 0; i < tags->count; i++) {
        size_t at = 0;
        while (at < count && !is_tag_named(&all[at], tags->pairs[i].name))
            at++;
        all[at] = tags->pairs[i];
        count += at == count;
    }
    topic->tags = all;
    topic->tag_count = count;
    return count > TAGS_MAX ? too_many_tags(call) : NULL;
}

struct untag {
    const str *keys;
    size_t count;
};

static const struct fault *remove_tags(void *context, const struct call *call, struct topic *topic)
{
    const struct untag *untag = context;
    struct header *left = ARENA_ARRAY(call->arena, struct header, topic->tag_count + 1);
    size_t count = 0;
    if (!left)
        return &fault_no_memory;
    for (size_t i = 0; i < topic->tag_count; i++) {
        bool goes = false;
        for (size_t k = 0; k < untag->count; k++)
            goes = goes || is_tag_named(&topic->tags[i], untag->keys[k]);
        if (!goes)
            left[count++] = topic->tags[i];
    }
    topic->tags = left;
    topic->tag_count = count;
    return NULL;
}

static const struct fault *find_tagged(const struct call *call, str arn, str action,
                                       const struct topic **ret_topic)
{
    const struct fault *why = sns_find_topic(call, arn, ret_topic);
    if (why && why->kind == FAULT_ABSENT)
        return fault_coded(call->arena, FAULT_ABSENT, "ResourceNotFound",
                           "Resource does not exist");
    return why ? why : sns_ask(call, *ret_topic, action, NULL, 0);
}

const struct fault *sns_tag(struct sns_service *sns, const struct call *call, str arn,
                            struct sns_pairs tags)
{
    const struct topic *topic;
    TRY(find_tagged(call, arn, STR("SNS:TagResource"), &topic));
    TRY(check_tags(call, tags));
    return sns_change_topic(sns, call, topic, add_tags, &tags);
}

const struct fault *sns_untag(struct sns_service *sns, const struct call *call, str arn,
                              const str *keys, size_t count)
{
    const struct topic *topic;
    struct untag untag = { keys, count };
    TRY(find_tagged(call, arn, STR("SNS:UntagResource"), &topic));
    return sns_change_topic(sns, call, topic, remove_tags, &untag);
}

const struct fault *sns_list_tags(const struct call *call, str arn, const struct topic **ret_topic)
{
    return find_tagged(call, arn, STR("SNS:ListTagsForResource"), ret_topic);
}

/* ---- making and removing ---- */

static bool same_tags(const struct topic *there, struct sns_pairs tags)
{
    size_t same = 0;
    for (size_t i = 0; i < tags.count; i++)
        for (size_t k = 0; k < there->tag_count; k++)
            same += is_tag_named(&there->tags[k], tags.pairs[i].name) &&
                    str_eq(there->tags[k].value, tags.pairs[i].value);
    return same == tags.count;
}

/* CreateTopic on a topic that exists answers with it, if nothing in the request contradicts it. */
static const struct fault *exists_already(const struct call *call, const struct topic *there,
                                          struct sns_pairs attributes_given, struct sns_pairs tags)
{
    struct topic wanted = *there;
    AUTO_BUF have = buf_new(SNS_RECORD_MAX), want = buf_new(SNS_RECORD_MAX);
    for (size_t i = 0; i < attributes_given.count; i++)
        TRY(set_attribute(call, &wanted, attributes_given.pairs[i].name,
                          attributes_given.pairs[i].value, true));
    topic_encode(there, &have);
    topic_encode(&wanted, &want);
    if (have.failed || want.failed || !str_eq(buf_str(&have), buf_str(&want)))
        return sns_invalid(call,
                           "Attributes Reason: Topic already exists with different attributes");
    return same_tags(there, tags)
               ? NULL
               : sns_invalid(call, "Tags Reason: Topic already exists with different tags");
}

const struct fault *sns_create_topic(struct sns_service *sns, const struct call *call, str name,
                                     struct sns_pairs given, struct sns_pairs tags, str *ret_arn)
{
    struct topic topic = { .created_ms = call->now_ms,
                           .display_name = STR(""),
                           .delivery_policy_text = STR_NONE,
                           .kms_key_id = STR_NONE,
                           .signature_version = STR_NONE,
                           .tracing_config = STR_NONE };
    if (str_ends(name, STR(".fifo")))
        return sns_unbuilt(call, "a FIFO topic");
    if (!topic_name_ok(name))
        return sns_invalid(call, "Topic Name");
    str arn = topic_arn(call->arena, call->region, call->caller->account, name);
    if (!arn_parse(arn, &topic.arn))
        return &fault_no_memory;
    topic.name = topic.arn.resource;
    TRY(sns_ask(call, &topic, STR("SNS:CreateTopic"), NULL, 0));
    TRY(check_tags(call, tags));
    topic.policy_text = topic_default_policy(call->arena, arn, call->caller->account);
    for (size_t i = 0; i < given.count; i++)
        TRY(set_attribute(call, &topic, given.pairs[i].name, given.pairs[i].value, true));
    TRY(add_tags(&tags, call, &topic));
    *ret_arn = arn;

    AUTO_BUF value = buf_new(SNS_RECORD_MAX);
    str key = topic_state_key(call->arena, &topic.arn);
    uint64_t revision;
    topic_encode(&topic, &value);
    if (value.failed || str_is_none(key) || str_is_none(topic.policy_text))
        return &fault_no_memory;
    const struct fault *why = sns->state->ops->put(sns->state, key, buf_str(&value), REVISION_NEW,
                                                   call->arena, &revision);
    if (!why || why->kind != FAULT_CONFLICT)
        return why;
    const struct world *now = worlds_now(sns->worlds);
    const struct topic *there = topic_find(now, &topic.arn);
    why = there ? exists_already(call, there, given, tags) : sns_in_between(call);
    world_unref(now);
    return why;
}

/* Removes the topic first: then nobody subscribes any more, and what is left over of its
 * subscriptions after a stop belongs to nothing, until a topic of that name is made and removed. */
const struct fault *sns_delete_topic(struct sns_service *sns, const struct call *call, str arn)
{
    const struct topic *topic;
    const struct fault *why = sns_find_topic(call, arn, &topic);
    if (why && why->kind == FAULT_ABSENT)
        return NULL; /* deleting what is not there is no error: API Reference, DeleteTopic */
    if (why)
        return why;
    TRY(sns_ask(call, topic, STR("SNS:DeleteTopic"), NULL, 0));
    str key = topic_state_key(call->arena, &topic->arn);
    if (str_is_none(key))
        return &fault_no_memory;
    pthread_mutex_lock(&sns->subscribing);
    why = sns->state->ops->remove(sns->state, key, world_revision(call->world, key), call->arena);
    const struct world *now = worlds_now(sns->worlds);
    const struct subscription *s;
    for (str at = STR_NONE; !why && subscription_next(now, &topic->arn, &at, &s);)
        why = sns->state->ops->remove(sns->state, at, world_revision(now, at), call->arena);
    world_unref(now);
    pthread_mutex_unlock(&sns->subscribing);
    return why && why->kind == FAULT_CONFLICT ? sns_in_between(call) : why;
}

const struct fault *sns_list_topics(const struct call *call, str after, size_t max,
                                    const struct topic **ret_topics, size_t *ret_count)
{
    const void *found;
    TRY(sns_ask_any(call, STR("SNS:ListTopics")));
    str prefix = arena_strf(call->arena, "topic/" STR_FMT "/" STR_FMT "/",
                            STR_ARG(call->caller->account), STR_ARG(call->region));
    str at = after.len ? arena_strf(call->arena, STR_FMT STR_FMT, STR_ARG(prefix), STR_ARG(after))
                       : STR_NONE;
    if (str_is_none(prefix) || (after.len && str_is_none(at)))
        return &fault_no_memory;
    *ret_count = 0;
    while (*ret_count < max && world_next(call->world, prefix, at, &at, &found))
        if (found)
            ret_topics[(*ret_count)++] = found;
    return NULL;
}

const struct fault *sns_get_topic_attributes(const struct call *call, str arn,
                                             struct sns_topic_view *ret_view)
{
    struct sns_topic_view view = { 0 };
    const struct subscription *s;
    TRY(sns_find_topic(call, arn, &view.topic));
    TRY(sns_ask(call, view.topic, STR("SNS:GetTopicAttributes"), NULL, 0));
    for (str at = STR_NONE; subscription_next(call->world, &view.topic->arn, &at, &s);) {
        view.confirmed += s->state == SUBSCRIPTION_CONFIRMED;
        view.pending += s->state == SUBSCRIPTION_PENDING;
        view.deleted += s->state == SUBSCRIPTION_ENDED;
    }
    *ret_view = view;
    return NULL;
}

static const struct fault *change_attribute(void *context, const struct call *call,
                                            struct topic *topic)
{
    const struct header *pair = context;
    return set_attribute(call, topic, pair->name, pair->value, false);
}

const struct fault *sns_set_topic_attribute(struct sns_service *sns, const struct call *call,
                                            str arn, str name, str value)
{
    const struct topic *topic;
    struct header pair = { name, str_is_none(value) ? STR("") : value };
    TRY(sns_find_topic(call, arn, &topic));
    TRY(sns_ask(call, topic, STR("SNS:SetTopicAttributes"), NULL, 0));
    return sns_change_topic(sns, call, topic, change_attribute, &pair);
}

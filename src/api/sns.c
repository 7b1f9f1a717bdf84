/* api/sns.c - the SNS Query operations: parameters in, the service, XML out. */
#include "api/api.h"
#include "api/members.h"
#include "api/run.h"
#include "base/base64.h"
#include "base/xml.h"
#include "services/sns/sns.h"

enum { PAGE = 100, BATCH_MAX = 10 };

static str text(const struct api_call *call, const char *name)
{
    str value = api_param(call, name);
    return str_is_none(value) ? STR("") : value;
}

static void write_entry(struct buf *out, const char *key, str value)
{
    xml_open(out, "entry");
    xml_leaf(out, "key", str_of(key));
    xml_leaf(out, "value", value);
    xml_close(out, "entry");
}

static void write_number(struct buf *out, const char *key, size_t number, struct arena *arena)
{
    write_entry(out, key, arena_strf(arena, "%zu", number));
}

static void write_known(struct buf *out, const char *key, str value)
{
    if (!str_is_none(value))
        write_entry(out, key, value);
}

/* ---- pages ---- */

/* What stood last on the page before, in base64, so that nobody reads meaning into it. */
static const struct fault *read_token(const struct api_call *call, str *ret_after)
{
    str token = text(call, "NextToken");
    char *bytes = arena_alloc(call->call.arena, token.len + 1, 1);
    size_t len;
    if (!bytes)
        return &fault_no_memory;
    if (!base64_decode_to(bytes, token, &len))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidParameter",
                           "Invalid parameter: NextToken");
    *ret_after = (str) { bytes, len };
    return NULL;
}

static void write_token(struct buf *out, str last)
{
    AUTO_BUF token = buf_new(4096);
    base64_encode(&token, last);
    xml_leaf(out, "NextToken", buf_str(&token));
}

/* ---- topics ---- */

const struct fault *run_sns_CreateTopic(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    struct sns_pairs attributes, tags;
    str arn;
    TRY(members_pairs(call, "Attributes.entry", "key", "value", &attributes.pairs,
                      &attributes.count));
    TRY(members_pairs(call, "Tags.member", "Key", "Value", &tags.pairs, &tags.count));
    TRY(sns_create_topic(api->sns, &call->call, text(call, "Name"), attributes, tags, &arn));
    xml_leaf(&answer->text, "TopicArn", arn);
    return NULL;
}

const struct fault *run_sns_DeleteTopic(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    return sns_delete_topic(api->sns, &call->call, text(call, "TopicArn"));
}

const struct fault *run_sns_ListTopics(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)api;
    const struct topic *topics[PAGE + 1];
    size_t count;
    str after;
    TRY(read_token(call, &after));
    TRY(sns_list_topics(&call->call, after, PAGE + 1, topics, &count));
    size_t shown = count > PAGE ? PAGE : count;
    xml_open(&answer->text, "Topics");
    for (size_t i = 0; i < shown; i++) {
        xml_open(&answer->text, "member");
        xml_leaf(&answer->text, "TopicArn", topics[i]->arn.text);
        xml_close(&answer->text, "member");
    }
    xml_close(&answer->text, "Topics");
    if (count > shown)
        write_token(&answer->text, topics[shown - 1]->name);
    return NULL;
}

const struct fault *run_sns_GetTopicAttributes(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)api;
    struct arena *arena = call->call.arena;
    struct buf *out = &answer->text;
    struct sns_topic_view view;
    AUTO_BUF delivery = buf_new(8192);
    TRY(sns_get_topic_attributes(&call->call, text(call, "TopicArn"), &view));
    const struct topic *topic = view.topic;
    struct delivery_policy effective = delivery_policy_effective(&topic->delivery, NULL);
    delivery_policy_write(&effective, true, &delivery);
    xml_open(out, "Attributes");
    write_entry(out, "Policy", topic->policy_text);
    write_entry(out, "Owner", topic->arn.account);
    write_number(out, "SubscriptionsPending", view.pending, arena);
    write_entry(out, "TopicArn", topic->arn.text);
    write_entry(out, "EffectiveDeliveryPolicy", buf_str(&delivery));
    write_number(out, "SubscriptionsConfirmed", view.confirmed, arena);
    write_entry(out, "DisplayName", topic->display_name);
    write_number(out, "SubscriptionsDeleted", view.deleted, arena);
    write_known(out, "DeliveryPolicy", topic->delivery_policy_text);
    write_known(out, "KmsMasterKeyId", topic->kms_key_id);
    write_known(out, "SignatureVersion", topic->signature_version);
    write_known(out, "TracingConfig", topic->tracing_config);
    xml_close(out, "Attributes");
    return NULL;
}

const struct fault *run_sns_SetTopicAttributes(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    (void)answer;
    return sns_set_topic_attribute(api->sns, &call->call, text(call, "TopicArn"),
                                   text(call, "AttributeName"), api_param(call, "AttributeValue"));
}

const struct fault *run_sns_AddPermission(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    (void)answer;
    struct sns_permission p = { .label = text(call, "Label") };
    TRY(members_list(call, "AWSAccountId.member", &p.accounts, &p.account_count));
    TRY(members_list(call, "ActionName.member", &p.actions, &p.action_count));
    return sns_add_permission(api->sns, &call->call, text(call, "TopicArn"), &p);
}

const struct fault *run_sns_RemovePermission(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    (void)answer;
    return sns_remove_permission(api->sns, &call->call, text(call, "TopicArn"),
                                 text(call, "Label"));
}

const struct fault *run_sns_TagResource(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    struct sns_pairs tags;
    TRY(members_pairs(call, "Tags.member", "Key", "Value", &tags.pairs, &tags.count));
    return sns_tag(api->sns, &call->call, text(call, "ResourceArn"), tags);
}

const struct fault *run_sns_UntagResource(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    (void)answer;
    const str *keys;
    size_t count;
    TRY(members_list(call, "TagKeys.member", &keys, &count));
    return sns_untag(api->sns, &call->call, text(call, "ResourceArn"), keys, count);
}

const struct fault *run_sns_ListTagsForResource(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)api;
    const struct topic *topic;
    TRY(sns_list_tags(&call->call, text(call, "ResourceArn"), &topic));
    xml_open(&answer->text, "Tags");
    for (size_t i = 0; i < topic->tag_count; i++) {
        xml_open(&answer->text, "member");
        xml_leaf(&answer->text, "Key", topic->tags[i].name);
        xml_leaf(&answer->text, "Value", topic->tags[i].value);
        xml_close(&answer->text, "member");
    }
    xml_close(&answer->text, "Tags");
    return NULL;
}

/* ---- subscriptions ---- */

/* "https://user:****@host/": a password is shown to nobody. */
static str shown_endpoint(const struct subscription *s, struct arena *arena)
{
    size_t scheme = str_find_str(s->endpoint, STR("://")) + 3, colon = 0, at = 0;
    for (size_t i = scheme; i < s->endpoint.len; i++) {
        char c = s->endpoint.ptr[i];
        if (c == '/' || c == '?')
            break;
        if (c == ':' && !colon)
            colon = i;
        if (c == '@')
            at = i;
    }
    if (!at || !colon || colon > at)
        return s->endpoint;
    return arena_strf(arena, STR_FMT ":****" STR_FMT, STR_ARG(str_head(s->endpoint, colon)),
                      STR_ARG(str_from(s->endpoint, at)));
}

const struct fault *run_sns_Subscribe(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    struct sns_subscribe wanted = { .topic_arn = text(call, "TopicArn"),
                                    .protocol = text(call, "Protocol"),
                                    .endpoint = text(call, "Endpoint") };
    str arn;
    bool pending;
    TRY(members_pairs(call, "Attributes.entry", "key", "value", &wanted.attributes.pairs,
                      &wanted.attributes.count));
    TRY(sns_subscribe(api->sns, &call->call, &wanted, &arn, &pending));
    bool tell = str_eq(text(call, "ReturnSubscriptionArn"), STR("true"));
    xml_leaf(&answer->text, "SubscriptionArn", pending && !tell ? STR("pending confirmation") : arn);
    return NULL;
}

const struct fault *run_sns_ConfirmSubscription(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    str arn;
    bool only_owner = str_eq_nocase(text(call, "AuthenticateOnUnsubscribe"), STR("true"));
    TRY(sns_confirm_subscription(api->sns, &call->call, text(call, "TopicArn"),
                                 text(call, "Token"), only_owner, &arn));
    xml_leaf(&answer->text, "SubscriptionArn", arn);
    return NULL;
}

const struct fault *run_sns_Unsubscribe(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)answer;
    return sns_unsubscribe(api->sns, &call->call, text(call, "SubscriptionArn"));
}

static const struct fault *list_subscriptions(const struct api_call *call, str topic_arn,
                                              struct api_answer *answer)
{
    const struct subscription *list[PAGE + 1];
    struct buf *out = &answer->text;
    size_t count;
    str after;
    TRY(read_token(call, &after));
    TRY(sns_list_subscriptions(&call->call, topic_arn, after, PAGE + 1, list, &count));
    size_t shown = count > PAGE ? PAGE : count;
    xml_open(out, "Subscriptions");
    for (size_t i = 0; i < shown; i++) {
        bool pending = list[i]->state == SUBSCRIPTION_PENDING;
        xml_open(out, "member");
        xml_leaf(out, "TopicArn", list[i]->topic.text);
        xml_leaf(out, "Protocol", protocol_name(list[i]->protocol));
        xml_leaf(out, "SubscriptionArn", pending ? STR("PendingConfirmation") : list[i]->arn);
        xml_leaf(out, "Owner", list[i]->owner);
        xml_leaf(out, "Endpoint", shown_endpoint(list[i], call->call.arena));
        xml_close(out, "member");
    }
    xml_close(out, "Subscriptions");
    if (count > shown)
        write_token(out, list[shown - 1]->arn);
    return NULL;
}

const struct fault *run_sns_ListSubscriptions(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)api;
    return list_subscriptions(call, STR_NONE, answer);
}

const struct fault *run_sns_ListSubscriptionsByTopic(struct api *api, const struct api_call *call,
                                                     struct api_answer *answer)
{
    (void)api;
    return list_subscriptions(call, text(call, "TopicArn"), answer);
}

static void write_policies(struct buf *out, const struct api_call *call,
                           const struct subscription *s)
{
    bool web = s->protocol == PROTOCOL_HTTP || s->protocol == PROTOCOL_HTTPS;
    const struct topic *topic = topic_find(call->call.world, &s->topic);
    AUTO_BUF delivery = buf_new(8192);
    write_known(out, "FilterPolicy", s->filter_policy);
    if (!str_is_none(s->filter_policy))
        write_entry(out, "FilterPolicyScope",
                    str_is_none(s->filter_scope) ? STR("MessageAttributes") : s->filter_scope);
    write_known(out, "DeliveryPolicy", s->delivery_policy_text);
    write_known(out, "RedrivePolicy", s->redrive_policy);
    if (!web)
        return;
    struct delivery_policy effective =
        delivery_policy_effective(topic ? &topic->delivery : NULL, &s->delivery);
    delivery_policy_write(&effective, false, &delivery);
    write_entry(out, "EffectiveDeliveryPolicy", buf_str(&delivery));
}

const struct fault *run_sns_GetSubscriptionAttributes(struct api *api, const struct api_call *call,
                                                      struct api_answer *answer)
{
    (void)api;
    struct buf *out = &answer->text;
    const struct subscription *s;
    TRY(sns_get_subscription(&call->call, text(call, "SubscriptionArn"), &s));
    bool pending = s->state == SUBSCRIPTION_PENDING;
    xml_open(out, "Attributes");
    write_entry(out, "SubscriptionPrincipal", s->principal);
    write_entry(out, "Owner", s->owner);
    write_entry(out, "RawMessageDelivery", subscription_is_raw(s) ? STR("true") : STR("false"));
    write_entry(out, "TopicArn", s->topic.text);
    write_entry(out, "Endpoint", shown_endpoint(s, call->call.arena));
    write_entry(out, "Protocol", protocol_name(s->protocol));
    write_entry(out, "PendingConfirmation", pending ? STR("true") : STR("false"));
    write_entry(out, "ConfirmationWasAuthenticated", s->authenticated ? STR("true") : STR("false"));
    write_entry(out, "SubscriptionArn", s->arn);
    write_policies(out, call, s);
    xml_close(out, "Attributes");
    return NULL;
}

const struct fault *run_sns_SetSubscriptionAttributes(struct api *api, const struct api_call *call,
                                                      struct api_answer *answer)
{
    (void)answer;
    return sns_set_subscription_attribute(api->sns, &call->call, text(call, "SubscriptionArn"),
                                          text(call, "AttributeName"),
                                          api_param(call, "AttributeValue"));
}

/* ---- messages ---- */

static const struct fault *read_message(const struct api_call *call, const char *prefix,
                                        struct sns_publish *p)
{
    p->subject = members_get(call, prefix, "Subject");
    p->message = members_get(call, prefix, "Message");
    p->structure = members_get(call, prefix, "MessageStructure");
    p->message_id = STR_NONE;
    if (str_is_none(p->message))
        p->message = STR("");
    return members_attributes(call, prefix, "MessageAttributes.entry", &p->attributes,
                              &p->attribute_count);
}

const struct fault *run_sns_Publish(struct api *api, const struct api_call *call,
                                    struct api_answer *answer)
{
    struct sns_publish p = { .topic_arn = api_param(call, "TopicArn") };
    str id;
    if (str_is_none(p.topic_arn))
        p.topic_arn = api_param(call, "TargetArn");
    if (str_is_none(p.topic_arn) && api_has_param(call, "PhoneNumber"))
        return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                           "text messages are not built here");
    if (str_is_none(p.topic_arn))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidParameter",
                           "Invalid parameter: TopicArn or TargetArn Reason: no value for required "
                           "parameter");
    TRY(read_message(call, "", &p));
    TRY(sns_publish(api->sns, &call->call, &p, &id));
    xml_leaf(&answer->text, "MessageId", id);
    return NULL;
}

struct batch_entry {
    const char *prefix;
    str id;
    struct sns_publish publish;
    str message_id;
    const struct fault *why;
};

static const struct fault *batch_fault(const struct api_call *call, const char *code,
                                       const char *says)
{
    struct fault *why = ARENA_NEW(call->call.arena, struct fault);
    if (!why)
        return &fault_no_memory;
    *why = (struct fault) { .kind = FAULT_SYNTAX, .code = code, .says = str_of(says) };
    return why;
}

static bool batch_id_ok(str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_alpha(id.ptr[i]) && !ascii_is_digit(id.ptr[i]) && id.ptr[i] != '-' &&
            id.ptr[i] != '_')
            return false;
    return id.len > 0 && id.len <= 80;
}

static const struct fault *read_batch(const struct api_call *call, struct batch_entry *entries,
                                      size_t *ret_count)
{
    size_t count = members_count(call, "PublishBatchRequestEntries.member"), size = 0;
    if (count == 0)
        return batch_fault(call, "EmptyBatchRequest", "The batch request doesn't contain any entries.");
    if (count > BATCH_MAX)
        return batch_fault(call, "TooManyEntriesInBatchRequest",
                           "The batch request contains more entries than permissible.");
    for (size_t i = 0; i < count; i++) {
        struct batch_entry *e = &entries[i];
        e->prefix = arena_strf(call->call.arena, "PublishBatchRequestEntries.member.%zu.", i + 1).ptr;
        if (!e->prefix)
            return &fault_no_memory;
        e->id = members_get(call, e->prefix, "Id");
        e->publish.topic_arn = text(call, "TopicArn");
        TRY(read_message(call, e->prefix, &e->publish));
        size += e->publish.message.len;
        if (!batch_id_ok(e->id))
            return batch_fault(call, "InvalidBatchEntryId",
                               "The Id of a batch entry in a batch request doesn't abide by the "
                               "specification.");
        for (size_t k = 0; k < i; k++)
            if (str_eq(entries[k].id, e->id))
                return batch_fault(call, "BatchEntryIdsNotDistinct",
                                   "Two or more batch entries in the request have the same Id.");
    }
    if (size > 256 * 1024)
        return batch_fault(call, "BatchRequestTooLong",
                           "The length of all the batch messages put together is more than the "
                           "limit.");
    *ret_count = count;
    return NULL;
}

static void write_failed(struct buf *out, const struct batch_entry *e)
{
    bool ours = e->why->kind == FAULT_DEFECT || e->why->kind == FAULT_UNAVAILABLE;
    xml_open(out, "member");
    xml_leaf(out, "Id", e->id);
    xml_leaf(out, "Code", str_of(e->why->code ? e->why->code : "InternalError"));
    xml_leaf(out, "Message", e->why->says);
    xml_leaf_bool(out, "SenderFault", !ours);
    xml_close(out, "member");
}

/* Is the fault the whole request's, and not one entry's? */
static bool concerns_all(const struct fault *why)
{
    return why && (why->kind == FAULT_DENIED || why->kind == FAULT_ABSENT || !why->code);
}

const struct fault *run_sns_PublishBatch(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    struct batch_entry entries[BATCH_MAX] = { 0 };
    struct buf *out = &answer->text;
    size_t count = 0;
    TRY(read_batch(call, entries, &count));
    for (size_t i = 0; i < count; i++) {
        entries[i].why =
            sns_publish(api->sns, &call->call, &entries[i].publish, &entries[i].message_id);
        if (i == 0 && concerns_all(entries[i].why))
            return entries[i].why;
    }
    xml_open(out, "Successful");
    for (size_t i = 0; i < count; i++) {
        if (entries[i].why)
            continue;
        xml_open(out, "member");
        xml_leaf(out, "Id", entries[i].id);
        xml_leaf(out, "MessageId", entries[i].message_id);
        xml_close(out, "member");
    }
    xml_close(out, "Successful");
    xml_open(out, "Failed");
    for (size_t i = 0; i < count; i++)
        if (entries[i].why)
            write_failed(out, &entries[i]);
    xml_close(out, "Failed");
    return NULL;
}

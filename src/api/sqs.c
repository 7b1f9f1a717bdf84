/* api/sqs.c - the SQS operations, each once for both dialects. */
#include "api/api.h"
#include "api/run.h"
#include "api/sqs_shape.h"
#include "base/base64.h"
#include "base/digest.h"
#include "base/hex.h"
#include "services/sqs/sqs.h"

enum { LIST_MAX = 1000, NEVER = -1 };

static str required(const struct sqs_in *in, const char *name)
{
    str value = sqs_in_text(in, name);
    return str_is_none(value) ? STR("") : value;
}

/* In the Query dialect a request may be sent to the queue's own address instead of naming it. */
static str queue_url(const struct sqs_in *in)
{
    str url = sqs_in_text(in, "QueueUrl"), path, query;
    if (!str_is_none(url) || in->json)
        return str_is_none(url) ? STR("") : url;
    str_cut(in->call->raw_target, '?', &path, &query);
    return path.len > 1 ? path : STR("");
}

/* The address a client reached us by, so that it reaches the queue by it too. */
static str url_of(const struct api_call *call, const struct arn *queue)
{
    return arena_strf(call->call.arena, "http://" STR_FMT "/" STR_FMT "/" STR_FMT,
                      STR_ARG(api_header(call, "Host")), STR_ARG(queue->account),
                      STR_ARG(queue->resource));
}

static const struct fault *say_nothing(const struct api_call *call, struct api_answer *answer)
{
    struct sqs_out o = sqs_out(call, answer);
    sqs_out_end(&o);
    return NULL;
}

/* ---- queues ---- */

static const struct fault *in_attributes(const struct sqs_in *in, struct sqs_pairs *ret)
{
    return sqs_in_map(in, "Attribute", "Name", "Value", "Attributes", &ret->pairs, &ret->count);
}

const struct fault *run_sqs_CreateQueue(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    struct sqs_in in;
    struct sqs_pairs attributes, tags;
    struct arn arn;
    TRY(sqs_in(call, &in));
    TRY(in_attributes(&in, &attributes));
    TRY(sqs_in_map(&in, "Tag", "Key", "Value", "tags", &tags.pairs, &tags.count));
    TRY(sqs_create_queue(api->sqs, &call->call, required(&in, "QueueName"), attributes, tags,
                         &arn));
    struct sqs_out o = sqs_out(call, answer);
    sqs_out_text(&o, "QueueUrl", url_of(call, &arn));
    sqs_out_end(&o);
    return NULL;
}

const struct fault *run_sqs_GetQueueUrl(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    (void)api;
    struct sqs_in in;
    const struct queue *queue;
    TRY(sqs_in(call, &in));
    TRY(sqs_get_queue(&call->call, sqs_in_text(&in, "QueueOwnerAWSAccountId"),
                      required(&in, "QueueName"), &queue));
    struct sqs_out o = sqs_out(call, answer);
    sqs_out_text(&o, "QueueUrl", url_of(call, &queue->arn));
    sqs_out_end(&o);
    return NULL;
}

const struct fault *run_sqs_ListQueues(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    (void)api;
    struct sqs_in in;
    int64_t max;
    size_t count;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_number(&in, "MaxResults", LIST_MAX, &max));
    if (max < 1 || max > LIST_MAX)
        return fault_coded(
            call->call.arena, FAULT_SYNTAX, "InvalidParameterValue",
            "Value for parameter MaxResults is invalid. Reason: must be between 1 and 1000.");
    const struct queue **queues =
        ARENA_ARRAY(call->call.arena, const struct queue *, (size_t)max + 1);
    str token = required(&in, "NextToken");
    char *after = arena_alloc(call->call.arena, token.len + 1, 1);
    size_t len;
    if (!queues || !after)
        return &fault_no_memory;
    if (!base64_decode_to(after, token, &len))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Invalid or expired next token.");
    TRY(sqs_list_queues(&call->call, required(&in, "QueueNamePrefix"), (str) { after, len },
                        (size_t)max + 1, queues, &count));
    size_t shown = count > (size_t)max ? (size_t)max : count;
    struct sqs_out o = sqs_out(call, answer);
    if (shown || !o.json) {
        sqs_out_list(&o, "QueueUrls");
        for (size_t i = 0; i < shown; i++)
            sqs_out_item_text(&o, "QueueUrl", url_of(call, &queues[i]->arn));
        sqs_out_list_end(&o);
    }
    if (count > shown) {
        AUTO_BUF next = buf_new(512);
        base64_encode(&next, queues[shown - 1]->name);
        sqs_out_text(&o, "NextToken", buf_str(&next));
    }
    sqs_out_end(&o);
    return NULL;
}

const struct fault *run_sqs_DeleteQueue(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    struct sqs_in in;
    TRY(sqs_in(call, &in));
    TRY(sqs_delete_queue(api->sqs, &call->call, queue_url(&in)));
    return say_nothing(call, answer);
}

const struct fault *run_sqs_PurgeQueue(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    struct sqs_in in;
    TRY(sqs_in(call, &in));
    TRY(sqs_purge(api->sqs, &call->call, queue_url(&in)));
    return say_nothing(call, answer);
}

const struct fault *run_sqs_SetQueueAttributes(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    struct sqs_in in;
    struct sqs_pairs attributes;
    TRY(sqs_in(call, &in));
    TRY(in_attributes(&in, &attributes));
    TRY(sqs_set_attributes(api->sqs, &call->call, queue_url(&in), attributes));
    return say_nothing(call, answer);
}

static bool is_asked(const str *asked, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(asked[i], name) || str_eq(asked[i], STR("All")))
            return true;
    return false;
}

struct named {
    str name, value;
};

/* What is counted, behind what is set. */
static bool attribute_of(const struct sqs_queue_view *view, size_t i, struct arena *arena,
                         struct named *ret)
{
    const struct {
        const char *name;
        int64_t value;
    } counted[] = {
        { "ApproximateNumberOfMessages", view->counts.visible },
        { "ApproximateNumberOfMessagesNotVisible", view->counts.in_flight },
        { "ApproximateNumberOfMessagesDelayed", view->counts.delayed },
    };
    const size_t count = sizeof counted / sizeof counted[0];
    if (i >= count)
        return queue_attribute(view->queue, i - count, arena, &ret->name, &ret->value);
    *ret = (struct named) { str_of(counted[i].name),
                            arena_strf(arena, "%lld", (long long)counted[i].value) };
    return true;
}

static const struct fault *check_asked(const struct sqs_queue_view *view, const str *asked,
                                       size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        struct named one;
        bool known = str_eq(asked[i], STR("All"));
        for (size_t k = 0; !known && attribute_of(view, k, arena, &one); k++)
            known = str_eq(one.name, asked[i]);
        if (!known)
            return fault_coded(arena, FAULT_SYNTAX, "InvalidAttributeName",
                               "Unknown Attribute " STR_FMT ".", STR_ARG(str_head(asked[i], 128)));
    }
    return NULL;
}

const struct fault *run_sqs_GetQueueAttributes(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    struct arena *arena = call->call.arena;
    struct sqs_in in;
    struct sqs_queue_view view;
    struct named one;
    const str *asked;
    size_t count;
    bool any = false;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_list(&in, "AttributeName", "AttributeNames", &asked, &count));
    TRY(sqs_get_attributes(api->sqs, &call->call, queue_url(&in), &view));
    TRY(check_asked(&view, asked, count, arena));
    struct sqs_out o = sqs_out(call, answer);
    for (size_t i = 0; attribute_of(&view, i, arena, &one); i++) {
        if (str_is_none(one.value) || !is_asked(asked, count, one.name))
            continue;
        if (!any)
            sqs_out_map(&o, "Attributes");
        any = true;
        sqs_out_pair(&o, "Attribute", "Name", "Value", one.name, one.value);
    }
    if (any)
        sqs_out_map_end(&o);
    sqs_out_end(&o);
    return NULL;
}

const struct fault *run_sqs_TagQueue(struct api *api, const struct api_call *call,
                                     struct api_answer *answer)
{
    struct sqs_in in;
    struct sqs_pairs tags;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_map(&in, "Tag", "Key", "Value", "Tags", &tags.pairs, &tags.count));
    TRY(sqs_tag(api->sqs, &call->call, queue_url(&in), tags));
    return say_nothing(call, answer);
}

const struct fault *run_sqs_UntagQueue(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    struct sqs_in in;
    const str *keys;
    size_t count;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_list(&in, "TagKey", "TagKeys", &keys, &count));
    TRY(sqs_untag(api->sqs, &call->call, queue_url(&in), keys, count));
    return say_nothing(call, answer);
}

const struct fault *run_sqs_ListQueueTags(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    (void)api;
    struct sqs_in in;
    const struct queue *queue;
    TRY(sqs_in(call, &in));
    TRY(sqs_list_tags(&call->call, queue_url(&in), &queue));
    struct sqs_out o = sqs_out(call, answer);
    if (queue->tag_count) {
        sqs_out_map(&o, "Tags");
        for (size_t i = 0; i < queue->tag_count; i++)
            sqs_out_pair(&o, "Tag", "Key", "Value", queue->tags[i].name, queue->tags[i].value);
        sqs_out_map_end(&o);
    }
    sqs_out_end(&o);
    return NULL;
}

/* ---- sending ---- */

static str md5_text(str bytes, struct arena *arena)
{
    unsigned char digest[MD5_SIZE];
    char hex[2 * MD5_SIZE];
    md5_of(bytes, digest);
    hex_encode(hex, digest, sizeof digest);
    return arena_str(arena, (str) { hex, sizeof hex });
}

static void out_digests(struct sqs_out *o, const char *body_name, str body,
                        const struct message_attribute *attributes, size_t count,
                        struct arena *arena)
{
    char hex[32];
    sqs_out_text(o, body_name, md5_text(body, arena));
    if (count && sqs_attributes_md5(attributes, count, arena, hex))
        sqs_out_text(o, "MD5OfMessageAttributes", (str) { hex, sizeof hex });
}

static const struct fault *read_send(const struct sqs_in *in, struct sqs_send *ret)
{
    static const char *const fifo[] = { "MessageDeduplicationId", "MessageGroupId" };
    *ret = (struct sqs_send) { .body = required(in, "MessageBody") };
    for (size_t i = 0; i < sizeof fifo / sizeof fifo[0]; i++)
        if (!str_is_none(sqs_in_text(in, fifo[i])))
            return fault_coded(in->call->call.arena, FAULT_SYNTAX, "InvalidParameterValue",
                               "The request includes a parameter that is not valid for this queue "
                               "type: %s",
                               fifo[i]);
    TRY(sqs_in_number(in, "DelaySeconds", NEVER, &ret->delay_s));
    return sqs_in_attributes(in, &ret->attributes, &ret->attribute_count);
}

const struct fault *run_sqs_SendMessage(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    struct sqs_in in;
    struct sqs_send send;
    TRY(sqs_in(call, &in));
    TRY(read_send(&in, &send));
    TRY(sqs_send(api->sqs, &call->call, queue_url(&in), &send, 1));
    if (send.why)
        return send.why;
    struct sqs_out o = sqs_out(call, answer);
    out_digests(&o, "MD5OfMessageBody", send.body, send.attributes, send.attribute_count,
                call->call.arena);
    sqs_out_text(&o, "MessageId", send.message_id);
    sqs_out_end(&o);
    return NULL;
}

static void out_failures(struct sqs_out *o, const struct sqs_in *entries,
                         const struct fault *const *why, size_t count)
{
    sqs_out_list(o, "Failed");
    for (size_t i = 0; i < count; i++) {
        if (!why[i])
            continue;
        bool ours = why[i]->kind == FAULT_DEFECT || why[i]->kind == FAULT_UNAVAILABLE;
        sqs_out_item(o, "BatchResultErrorEntry");
        sqs_out_text(o, "Id", sqs_in_text(&entries[i], "Id"));
        sqs_out_flag(o, "SenderFault", !ours);
        sqs_out_text(o, "Code", str_of(why[i]->code ? why[i]->code : "InternalError"));
        sqs_out_text(o, "Message", why[i]->says);
        sqs_out_item_end(o, "BatchResultErrorEntry");
    }
    sqs_out_list_end(o);
}

const struct fault *run_sqs_SendMessageBatch(struct api *api, const struct api_call *call,
                                             struct api_answer *answer)
{
    struct sqs_in in, entries[SQS_BATCH_MAX];
    struct sqs_send sends[SQS_BATCH_MAX];
    const struct fault *why[SQS_BATCH_MAX];
    size_t count;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_entries(&in, "SendMessageBatchRequestEntry", entries, &count));
    for (size_t i = 0; i < count; i++)
        TRY(read_send(&entries[i], &sends[i]));
    TRY(sqs_send(api->sqs, &call->call, queue_url(&in), sends, count));
    struct sqs_out o = sqs_out(call, answer);
    sqs_out_list(&o, "Successful");
    for (size_t i = 0; i < count; i++) {
        why[i] = sends[i].why;
        if (why[i])
            continue;
        sqs_out_item(&o, "SendMessageBatchResultEntry");
        sqs_out_text(&o, "Id", sqs_in_text(&entries[i], "Id"));
        out_digests(&o, "MD5OfMessageBody", sends[i].body, sends[i].attributes,
                    sends[i].attribute_count, call->call.arena);
        sqs_out_text(&o, "MessageId", sends[i].message_id);
        sqs_out_item_end(&o, "SendMessageBatchResultEntry");
    }
    sqs_out_list_end(&o);
    out_failures(&o, entries, why, count);
    sqs_out_end(&o);
    return NULL;
}

/* ---- receiving ---- */

/* "All", ".*", the very name, or a prefix and ".*". */
static bool wants_attribute(const str *asked, size_t count, str name)
{
    for (size_t i = 0; i < count; i++) {
        str prefix = str_head(asked[i], asked[i].len - (asked[i].len >= 2 ? 2 : 0));
        if (str_eq(asked[i], STR("All")) || str_eq(asked[i], name) ||
            (str_ends(asked[i], STR(".*")) && str_starts(name, prefix)))
            return true;
    }
    return false;
}

static void out_system(struct sqs_out *o, const struct sqs_message *m, const str *asked,
                       size_t count, struct arena *arena)
{
    const struct {
        const char *name;
        str value;
    } all[] = {
        { "SenderId", m->held.sender },
        { "SentTimestamp", arena_strf(arena, "%lld", (long long)m->held.sent_ms) },
        { "ApproximateReceiveCount", arena_strf(arena, "%lld", (long long)m->held.receive_count) },
        { "ApproximateFirstReceiveTimestamp",
          arena_strf(arena, "%lld", (long long)m->held.first_receive_ms) },
    };
    bool any = false;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!is_asked(asked, count, str_of(all[i].name)))
            continue;
        if (!any)
            sqs_out_map(o, "Attributes");
        any = true;
        sqs_out_pair(o, "Attribute", "Name", "Value", str_of(all[i].name), all[i].value);
    }
    if (any)
        sqs_out_map_end(o);
}

struct asked {
    const str *system, *newer, *own;
    size_t system_count, newer_count, own_count;
};

static const struct fault *out_message(struct sqs_out *o, const struct sqs_message *m,
                                       const struct asked *asked, struct arena *arena)
{
    struct message_attribute *shown =
        ARENA_ARRAY(arena, struct message_attribute, m->attribute_count + 1);
    size_t count = 0;
    if (!shown)
        return &fault_no_memory;
    for (size_t i = 0; i < m->attribute_count; i++)
        if (wants_attribute(asked->own, asked->own_count, m->attributes[i].name))
            shown[count++] = m->attributes[i];
    sqs_out_item(o, "Message");
    sqs_out_text(o, "MessageId", m->held.id);
    sqs_out_text(o, "ReceiptHandle", m->receipt_handle);
    out_digests(o, "MD5OfBody", m->held.body, shown, count, arena);
    sqs_out_text(o, "Body", m->held.body);
    if (asked->newer_count)
        out_system(o, m, asked->newer, asked->newer_count, arena);
    else
        out_system(o, m, asked->system, asked->system_count, arena);
    if (count) {
        sqs_out_map(o, "MessageAttributes");
        for (size_t i = 0; i < count; i++)
            sqs_out_attribute(o, &shown[i]);
        sqs_out_map_end(o);
    }
    sqs_out_item_end(o, "Message");
    return NULL;
}

const struct fault *run_sqs_ReceiveMessage(struct api *api, const struct api_call *call,
                                           struct api_answer *answer)
{
    struct sqs_in in;
    struct sqs_receive wish;
    struct asked asked;
    struct sqs_message messages[MESSAGES_AT_ONCE];
    int64_t max;
    size_t count;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_number(&in, "MaxNumberOfMessages", 1, &max));
    TRY(sqs_in_number(&in, "VisibilityTimeout", NEVER, &wish.visibility_s));
    TRY(sqs_in_number(&in, "WaitTimeSeconds", NEVER, &wish.wait_s));
    TRY(sqs_in_list(&in, "AttributeName", "AttributeNames", &asked.system, &asked.system_count));
    TRY(sqs_in_list(&in, "MessageSystemAttributeName", "MessageSystemAttributeNames", &asked.newer,
                    &asked.newer_count));
    TRY(sqs_in_list(&in, "MessageAttributeName", "MessageAttributeNames", &asked.own,
                    &asked.own_count));
    wish.max = (size_t)max;
    TRY(sqs_receive(api->sqs, &call->call, queue_url(&in), &wish, messages, &count));
    struct sqs_out o = sqs_out(call, answer);
    if (count) {
        sqs_out_list(&o, "Messages");
        for (size_t i = 0; i < count; i++)
            TRY(out_message(&o, &messages[i], &asked, call->call.arena));
        sqs_out_list_end(&o);
    }
    sqs_out_end(&o);
    return NULL;
}

/* ---- what was received ---- */

typedef const struct fault *entry_fn(struct api *, const struct api_call *, str url,
                                     const struct sqs_in *);

static const struct fault *delete_one(struct api *api, const struct api_call *call, str url,
                                      const struct sqs_in *in)
{
    return sqs_delete_message(api->sqs, &call->call, url, required(in, "ReceiptHandle"));
}

static const struct fault *change_one(struct api *api, const struct api_call *call, str url,
                                      const struct sqs_in *in)
{
    int64_t visibility_s;
    TRY(sqs_in_number(in, "VisibilityTimeout", NEVER, &visibility_s));
    if (visibility_s == NEVER)
        return fault_coded(call->call.arena, FAULT_SYNTAX, "MissingParameter",
                           "The request must contain the parameter VisibilityTimeout.");
    return sqs_change_visibility(api->sqs, &call->call, url, required(in, "ReceiptHandle"),
                                 visibility_s);
}

static const struct fault *run_one(struct api *api, const struct api_call *call,
                                   struct api_answer *answer, entry_fn *one)
{
    struct sqs_in in;
    TRY(sqs_in(call, &in));
    TRY(one(api, call, queue_url(&in), &in));
    return say_nothing(call, answer);
}

/* Is the fault the whole request's, and not one entry's? */
static bool concerns_all(const struct fault *why)
{
    return why && (why->kind == FAULT_DENIED || why->kind == FAULT_ABSENT || !why->code);
}

static const struct fault *run_batch(struct api *api, const struct api_call *call,
                                     struct api_answer *answer, entry_fn *one, const char *query,
                                     const char *result)
{
    struct sqs_in in, entries[SQS_BATCH_MAX];
    const struct fault *why[SQS_BATCH_MAX];
    size_t count;
    TRY(sqs_in(call, &in));
    TRY(sqs_in_entries(&in, query, entries, &count));
    for (size_t i = 0; i < count; i++) {
        why[i] = one(api, call, queue_url(&in), &entries[i]);
        if (i == 0 && concerns_all(why[i]))
            return why[i];
    }
    struct sqs_out o = sqs_out(call, answer);
    sqs_out_list(&o, "Successful");
    for (size_t i = 0; i < count; i++) {
        if (why[i])
            continue;
        sqs_out_item(&o, result);
        sqs_out_text(&o, "Id", sqs_in_text(&entries[i], "Id"));
        sqs_out_item_end(&o, result);
    }
    sqs_out_list_end(&o);
    out_failures(&o, entries, why, count);
    sqs_out_end(&o);
    return NULL;
}

const struct fault *run_sqs_DeleteMessage(struct api *api, const struct api_call *call,
                                          struct api_answer *answer)
{
    return run_one(api, call, answer, delete_one);
}

const struct fault *run_sqs_DeleteMessageBatch(struct api *api, const struct api_call *call,
                                               struct api_answer *answer)
{
    return run_batch(api, call, answer, delete_one, "DeleteMessageBatchRequestEntry",
                     "DeleteMessageBatchResultEntry");
}

const struct fault *run_sqs_ChangeMessageVisibility(struct api *api, const struct api_call *call,
                                                    struct api_answer *answer)
{
    return run_one(api, call, answer, change_one);
}

const struct fault *run_sqs_ChangeMessageVisibilityBatch(struct api *api,
                                                         const struct api_call *call,
                                                         struct api_answer *answer)
{
    return run_batch(api, call, answer, change_one, "ChangeMessageVisibilityBatchRequestEntry",
                     "ChangeMessageVisibilityBatchResultEntry");
}

/* services/sqs/sqs.c - sending, receiving, deleting. */
#include "services/sqs/embedded.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/random_id.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { ATTRIBUTES_MAX = 10, HANDLE_ROOM = 128, LOOK_AGAIN_MS = 250, BATCH_BYTES = 256 * 1024 };

/* ---- attributes ---- */

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct message_attribute *)a)->name,
                   ((const struct message_attribute *)b)->name);
}

static void digest_piece(struct buf *out, str bytes)
{
    const char len[4] = { (char)(bytes.len >> 24), (char)(bytes.len >> 16), (char)(bytes.len >> 8),
                          (char)bytes.len };
    buf_add(out, (str) { len, sizeof len });
    buf_add(out, bytes);
}

bool sqs_attributes_md5(const struct message_attribute *attributes, size_t count,
                        struct arena *arena, char ret_hex[32])
{
    unsigned char digest[MD5_SIZE];
    struct message_attribute *sorted = ARENA_ARRAY(arena, struct message_attribute, count + 1);
    AUTO_BUF text = buf_new(1 << 20);
    if (!sorted)
        return false;
    for (size_t i = 0; i < count; i++)
        sorted[i] = attributes[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        bool binary = str_starts(sorted[i].type, STR("Binary"));
        digest_piece(&text, sorted[i].name);
        digest_piece(&text, sorted[i].type);
        buf_addc(&text, binary ? 2 : 1);
        if (binary) {
            AUTO_BUF bytes = buf_new(1 << 20);
            text.failed |= !base64_decode(&bytes, sorted[i].value);
            digest_piece(&text, buf_str(&bytes));
        } else
            digest_piece(&text, sorted[i].value);
    }
    md5_of(buf_str(&text), digest);
    hex_encode(ret_hex, digest, sizeof digest);
    return !text.failed;
}

static str encode_attributes(const struct sqs_send *s, struct arena *arena)
{
    AUTO_BUF out = buf_new(1 << 20);
    struct json_writer w = json_writer(&out);
    json_open(&w, '[');
    for (size_t i = 0; i < s->attribute_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "name", s->attributes[i].name);
        json_add_str(&w, "type", s->attributes[i].type);
        json_add_str(&w, "value", s->attributes[i].value);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    return out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

static const struct fault *decode_attributes(struct sqs_message *m, struct arena *arena)
{
    const struct json *json;
    TRY(json_parse(m->held.attributes, arena, &json));
    struct message_attribute *all =
        ARENA_ARRAY(arena, struct message_attribute, json_size(json) + 1);
    if (!all)
        return &fault_no_memory;
    for (size_t i = 0; i < json_size(json); i++)
        all[i] = (struct message_attribute) { json_str(json_at(json, i), "name"),
                                              json_str(json_at(json, i), "type"),
                                              json_str(json_at(json, i), "value") };
    qsort(all, json_size(json), sizeof *all, by_name);
    m->attributes = all;
    m->attribute_count = json_size(json);
    return NULL;
}

/* ---- sending ---- */

/* "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF" (API SendMessage). */
static bool contents_ok(str body)
{
    struct cursor at = cursor_of(body);
    while (cursor_left(&at)) {
        uint32_t c = utf8_next(&at);
        if (c == UTF8_BAD || c == 0xfffe || c == 0xffff ||
            (c < ' ' && c != '\t' && c != '\n' && c != '\r'))
            return false;
    }
    return true;
}

static const struct fault *invalid(const struct call *call, const char *says)
{
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue", "%s", says);
}

static size_t size_of(const struct sqs_send *s)
{
    size_t size = s->body.len;
    for (size_t i = 0; i < s->attribute_count; i++)
        size += s->attributes[i].name.len + s->attributes[i].type.len + s->attributes[i].value.len;
    return size;
}

static const struct fault *check(const struct call *call, const struct queue *queue,
                                 const struct sqs_send *s)
{
    if (s->body.len == 0)
        return fault_coded(call->arena, FAULT_SYNTAX, "MissingParameter",
                           "The request must contain the parameter MessageBody.");
    if (size_of(s) > (size_t)queue->message_max)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "One or more parameters are invalid. Reason: Message must be shorter "
                           "than %lld bytes.",
                           (long long)queue->message_max);
    if (!contents_ok(s->body))
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidMessageContents",
                           "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD "
                           "| #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.");
    if (s->delay_s < -1 || s->delay_s > 900)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Value %lld for parameter DelaySeconds is invalid. Reason: DelaySeconds "
                           "must be >= 0 and <= 900.",
                           (long long)s->delay_s);
    if (s->attribute_count > ATTRIBUTES_MAX)
        return invalid(call, "Number of message attributes exceeds the allowed maximum [10].");
    for (size_t i = 0; i < s->attribute_count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(s->attributes[i].name, s->attributes[k].name))
                return invalid(call, "Message attribute name already exists");
    return NULL;
}

/* Who sent it, as far as SQS would say: an account, or a name. */
static str sender_of(const struct call *call)
{
    return call->caller->kind == CALLER_ROOT ? call->caller->account
                                             : caller_name(call->caller, call->arena);
}

static const struct fault *fill(struct sqs_service *sqs, const struct call *call,
                                const struct queue *queue, struct sqs_send *s, str sender,
                                struct message_new *n)
{
    char id[REQUEST_ID_LEN + 1];
    int64_t delay_s = s->delay_s < 0 ? queue->delay_s : s->delay_s;
    s->message_id = arena_str(call->arena, random_request_id(sqs->outside->entropy, id));
    *n = (struct message_new) { .id = s->message_id,
                                .body = s->body,
                                .attributes = encode_attributes(s, call->arena),
                                .sender = sender,
                                .sent_ms = call->now_ms,
                                .visible_ms = call->now_ms + delay_s * 1000,
                                .expires_ms = call->now_ms + queue->retention_s * 1000 };
    return str_is_none(n->id) || str_is_none(n->attributes) ? &fault_no_memory : NULL;
}

static const struct fault *send_to(struct sqs_service *sqs, const struct call *call,
                                   const struct queue *queue, struct sqs_send *sends, size_t count)
{
    struct message_new *fresh = ARENA_ARRAY(call->arena, struct message_new, count + 1);
    str sender = sender_of(call);
    size_t taken = 0;
    if (!fresh || str_is_none(sender))
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        sends[i].why = check(call, queue, &sends[i]);
        if (!sends[i].why)
            TRY(fill(sqs, call, queue, &sends[i], sender, &fresh[taken++]));
    }
    TRY(messages_send(sqs->messages, queue->id, fresh, taken, call->arena));
    if (taken)
        sqs_wake(sqs);
    return NULL;
}

const struct fault *sqs_send(struct sqs_service *sqs, const struct call *call, str url,
                             struct sqs_send *sends, size_t count)
{
    const struct queue *queue;
    size_t size = 0;
    TRY(sqs_enter(call, url, STR("sqs:SendMessage"), &queue));
    for (size_t i = 0; i < count; i++)
        size += size_of(&sends[i]);
    if (count > 1 && size > BATCH_BYTES)
        return fault_coded(
            call->arena, FAULT_SYNTAX, "AWS.SimpleQueueService.BatchRequestTooLong",
            "Batch requests cannot be longer than %d bytes. You have sent %zu bytes.", BATCH_BYTES,
            size);
    return send_to(sqs, call, queue, sends, count);
}

const struct fault *sqs_send_as_port(struct sqs_port *port, const struct call *call, str queue_arn,
                                     str message, const struct message_attribute *attributes,
                                     size_t count)
{
    struct sqs_service *sqs = (struct sqs_service *)port;
    const struct queue *queue = queue_find_arn(call->world, queue_arn);
    struct sqs_send send = {
        .body = message, .delay_s = -1, .attributes = attributes, .attribute_count = count
    };
    if (!queue)
        return sqs_no_such_queue(call);
    TRY(sqs_ask(call, queue, STR("sqs:SendMessage")));
    TRY(send_to(sqs, call, queue, &send, 1));
    return send.why;
}

/* ---- receipts ---- */

/* "sequence nonce queue", in base64: what the latest receive of a message is known by. */
static str make_handle(const struct message_held *h, const struct queue *queue, struct arena *arena)
{
    AUTO_BUF out = buf_new(1024);
    str plain = arena_strf(arena, "%lld %lld " STR_FMT, (long long)h->sequence, (long long)h->nonce,
                           STR_ARG(queue->id));
    base64_encode(&out, plain);
    return str_is_none(plain) || out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

static const struct fault *read_handle(const struct call *call, const struct queue *queue,
                                       str handle, int64_t *ret_sequence, int64_t *ret_nonce)
{
    char bytes[HANDLE_ROOM];
    size_t len;
    str first, second, rest, id;
    uint64_t sequence, nonce;
    if (handle.len <= HANDLE_ROOM / 3 * 4 && base64_decode_to(bytes, handle, &len)) {
        str plain = { bytes, len };
        if (str_cut(plain, ' ', &first, &rest) && str_cut(rest, ' ', &second, &id) &&
            str_u64(first, &sequence) && str_u64(second, &nonce) && str_eq(id, queue->id) &&
            sequence <= INT64_MAX && nonce <= INT64_MAX) {
            *ret_sequence = (int64_t)sequence;
            *ret_nonce = (int64_t)nonce;
            return NULL;
        }
    }
    return fault_coded(call->arena, FAULT_SYNTAX, "ReceiptHandleIsInvalid",
                       "The input receipt handle \"" STR_FMT "\" is not a valid receipt handle.",
                       STR_ARG(str_head(handle, 256)));
}

const struct fault *sqs_delete_message(struct sqs_service *sqs, const struct call *call, str url,
                                       str handle)
{
    const struct queue *queue;
    int64_t sequence, nonce;
    bool found; /* an old receipt, or one of a message that is gone, is answered like any other */
    TRY(sqs_enter(call, url, STR("sqs:DeleteMessage"), &queue));
    TRY(read_handle(call, queue, handle, &sequence, &nonce));
    return messages_delete(sqs->messages, queue->id, sequence, nonce, call->arena, &found);
}

const struct fault *sqs_change_visibility(struct sqs_service *sqs, const struct call *call, str url,
                                          str handle, int64_t visibility_s)
{
    const struct queue *queue;
    int64_t sequence, nonce;
    bool found;
    TRY(sqs_enter(call, url, STR("sqs:ChangeMessageVisibility"), &queue));
    TRY(read_handle(call, queue, handle, &sequence, &nonce));
    if (visibility_s < 0 || visibility_s > 43200)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Value %lld for parameter VisibilityTimeout is invalid. Reason: "
                           "VisibilityTimeout must be an integer between 0 and 43200.",
                           (long long)visibility_s);
    TRY(messages_hide(sqs->messages, queue->id, sequence, nonce, call->now_ms + visibility_s * 1000,
                      call->arena, &found));
    if (!found)
        return fault_coded(call->arena, FAULT_SYNTAX, "AWS.SimpleQueueService.MessageNotInflight",
                           "The message referred to isn't in flight.");
    if (visibility_s == 0)
        sqs_wake(sqs);
    return NULL;
}

/* ---- receiving ---- */

static const struct fault *look(struct sqs_service *sqs, const struct call *call,
                                const struct queue *queue, const struct sqs_receive *r,
                                struct sqs_message *ret_messages, size_t *ret_count)
{
    const struct queue *dead = queue_find_arn(call->world, queue->dead_letter_arn);
    int64_t now_ms = sqs->outside->clock->wall_ms(sqs->outside->clock),
            hidden_s = r->visibility_s < 0 ? queue->visibility_s : r->visibility_s;
    struct message_wish wish = { .max = r->max,
                                 .now_ms = now_ms,
                                 .hidden_until_ms = now_ms + hidden_s * 1000,
                                 .max_receives = queue->max_receives,
                                 .dead_queue_id = dead ? dead->id : STR_NONE };
    struct message_held held[MESSAGES_AT_ONCE];
    TRY(messages_receive(sqs->messages, queue->id, &wish, call->arena, held, ret_count));
    for (size_t i = 0; i < *ret_count; i++) {
        ret_messages[i] =
            (struct sqs_message) { .held = held[i],
                                   .receipt_handle = make_handle(&held[i], queue, call->arena) };
        if (str_is_none(ret_messages[i].receipt_handle))
            return &fault_no_memory;
        TRY(decode_attributes(&ret_messages[i], call->arena));
    }
    return NULL;
}

/* Waits for the next send, or a little: messages also show again by themselves. */
static void wait_a_little(struct sqs_service *sqs, uint64_t seen, int64_t until_ms)
{
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
    int timed_out = 0;
    while (sqs->arrivals == seen && !sqs->ending && !timed_out)
        timed_out = pthread_cond_timedwait(&sqs->arrived, &sqs->lock, &until);
}

/* Long polling: the thread waits, so only so many may; whoever finds no place is answered at once,
 * as SQS answers a short poll. */
static const struct fault *poll(struct sqs_service *sqs, const struct call *call,
                                const struct queue *queue, const struct sqs_receive *r,
                                int64_t wait_s, struct sqs_message *ret_messages, size_t *ret_count)
{
    struct clock *clock = sqs->outside->clock;
    int64_t deadline_ms = clock->steady_ms(clock) + wait_s * 1000;
    const struct fault *why = NULL;
    pthread_mutex_lock(&sqs->lock);
    bool placed = sqs->polls < SQS_POLLS_MAX;
    sqs->polls += placed;
    for (bool again = true; again;) {
        uint64_t seen = sqs->arrivals;
        pthread_mutex_unlock(&sqs->lock);
        why = look(sqs, call, queue, r, ret_messages, ret_count);
        int64_t now_ms = clock->steady_ms(clock);
        pthread_mutex_lock(&sqs->lock);
        again = placed && !why && *ret_count == 0 && now_ms < deadline_ms && !sqs->ending;
        if (again)
            wait_a_little(sqs, seen,
                          now_ms + LOOK_AGAIN_MS < deadline_ms ? now_ms + LOOK_AGAIN_MS
                                                               : deadline_ms);
    }
    sqs->polls -= placed;
    pthread_mutex_unlock(&sqs->lock);
    return why;
}

const struct fault *sqs_receive(struct sqs_service *sqs, const struct call *call, str url,
                                const struct sqs_receive *r,
                                struct sqs_message ret_messages[MESSAGES_AT_ONCE],
                                size_t *ret_count)
{
    const struct queue *queue;
    TRY(sqs_enter(call, url, STR("sqs:ReceiveMessage"), &queue));
    if (r->max < 1 || r->max > MESSAGES_AT_ONCE)
        return fault_coded(
            call->arena, FAULT_SYNTAX, "InvalidParameterValue",
            "Value %zu for parameter MaxNumberOfMessages is invalid. Reason: Must be "
            "between 1 and 10, if provided.",
            r->max);
    if (r->wait_s > 20)
        return fault_coded(
            call->arena, FAULT_SYNTAX, "InvalidParameterValue",
            "Value %lld for parameter WaitTimeSeconds is invalid. Reason: Must be >= "
            "0 and <= 20, if provided.",
            (long long)r->wait_s);
    if (r->visibility_s > 43200)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Value %lld for parameter VisibilityTimeout is invalid. Reason: "
                           "VisibilityTimeout must be an integer between 0 and 43200.",
                           (long long)r->visibility_s);
    int64_t wait_s = r->wait_s < 0 ? queue->wait_s : r->wait_s;
    return wait_s ? poll(sqs, call, queue, r, wait_s, ret_messages, ret_count)
                  : look(sqs, call, queue, r, ret_messages, ret_count);
}

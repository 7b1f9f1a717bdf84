/* services/sns/publish.c - from a message to one errand for each subscription that takes it.
 *
 * The errands share one body, message_encode's. That of a topic with a KMS key is sealed: 12
 * octets of nonce stand in the head beside the data key's ciphertext, and the body is the
 * AES-256-GCM ciphertext with the topic's ARN as associated data. The key is asked for as the
 * publisher, as SNS asks, and once more as the same caller when a message is delivered; so the head
 * keeps who that was. */
#include "services/sns/embedded.h"

#include "base/base64.h"
#include "base/cipher.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/random_id.h"
#include "base/utf8.h"
#include "services/sns/pace.h"

enum {
    MESSAGE_MAX = 256 * 1024,
    SUBJECT_MAX = 100,
    BODY_MAX = 4 * 1024 * 1024,
    HEAD_MAX = 64 * 1024
};

/* ---- is it one? ---- */

/* "Constraints: ... ASCII text that begins with a letter, number, or punctuation mark; must not
 * include line breaks or control characters; and must be less than 100 characters long" (API
 * Publish). */
static bool subject_ok(str subject)
{
    for (size_t i = 0; i < subject.len; i++)
        if ((unsigned char)subject.ptr[i] < ' ' || subject.ptr[i] == 0x7f)
            return false;
    return subject.len > 0 && subject.len <= SUBJECT_MAX && subject.ptr[0] != ' ';
}

static const struct fault *check_attributes(const struct call *call, const struct sns_publish *p,
                                            size_t *size)
{
    for (size_t i = 0; i < p->attribute_count; i++) {
        const struct message_attribute *a = &p->attributes[i];
        const struct json *value;
        for (size_t k = 0; k < i; k++)
            if (str_eq(p->attributes[k].name, a->name))
                return sns_invalid(call, "MessageAttributes Reason: duplicate name");
        if (str_eq(a->type, STR("Number")) &&
            (json_parse(a->value, call->arena, &value) ||
             (json_kind(value) != JSON_INTEGER && json_kind(value) != JSON_REAL)))
            return fault_coded(call->arena, FAULT_SYNTAX, "ParameterValueInvalid",
                               "Could not cast message attribute '" STR_FMT "' value to number.",
                               STR_ARG(a->name));
        *size += a->name.len + a->type.len + a->value.len;
    }
    return NULL;
}

static const struct fault *read_structure(const struct call *call, struct sns_message *m)
{
    const struct json *json, *value;
    if (json_parse(m->message, call->arena, &json) || json_kind(json) != JSON_OBJECT)
        return sns_invalid(call, "Message Structure - JSON message body failed to parse");
    str usual = json_str(json, "default");
    if (str_is_none(usual))
        return sns_invalid(call, "Message Structure - No default entry in JSON message body");
    struct header *variants = ARENA_ARRAY(call->arena, struct header, json_size(json) + 1);
    str name;
    if (!variants)
        return &fault_no_memory;
    for (size_t i = 0; json_member(json, i, &name, &value); i++)
        if (json_kind(value) == JSON_STRING && !str_eq(name, STR("default")))
            variants[m->variant_count++] = (struct header) { name, json_text(value) };
    m->message = usual;
    m->variants = variants;
    return NULL;
}

static const struct fault *make_message(const struct call *call, const struct sns_publish *p,
                                        struct sns_message *m)
{
    size_t size = p->message.len;
    if (p->message.len == 0)
        return sns_invalid(call, "Empty message");
    if (!str_is_none(p->subject) && !subject_ok(p->subject))
        return sns_invalid(call, "Subject");
    TRY(check_attributes(call, p, &size));
    if (size > MESSAGE_MAX)
        return sns_invalid(call, "Message too long");
    if (!utf8_valid(p->message) || str_has(p->message, '\0'))
        return sns_invalid(call, "Message");
    if (!str_is_none(p->structure) && !str_eq(p->structure, STR("json")))
        return sns_invalid(call, "MessageStructure");
    *m = (struct sns_message) { .type = MESSAGE_NOTIFICATION,
                                .topic_arn = p->topic_arn,
                                .at_ms = call->now_ms,
                                .subject = p->subject,
                                .message = p->message,
                                .attributes = p->attributes,
                                .attribute_count = p->attribute_count,
                                .token = STR_NONE };
    return str_is_none(p->structure) ? NULL : read_structure(call, m);
}

/* ---- may it, and with which key? ---- */

struct encryption_context sns_encryption_context(struct arena *arena, str topic_arn)
{
    struct header *pair = ARENA_NEW(arena, struct header);
    if (!pair)
        return (struct encryption_context) { 0 };
    *pair = (struct header) { STR("aws:sns:topicArn"), topic_arn };
    return (struct encryption_context) { pair, 1 };
}

/* SNS has names of its own for what KMS said; the denial beneath stays what it is. */
static const struct fault *in_sns_words(const struct call *call, const struct fault *why)
{
    static const struct {
        const char *kms, *sns;
    } words[] = {
        { "AccessDenied", "KMSAccessDenied" },
        { "AccessDeniedException", "KMSAccessDenied" },
        { "NotFoundException", "KMSNotFound" },
        { "DisabledException", "KMSDisabled" },
        { "KMSInvalidStateException", "KMSInvalidState" },
        { "ThrottlingException", "KMSThrottling" },
    };
    for (size_t i = 0; why && why->code && i < sizeof words / sizeof words[0]; i++) {
        struct fault *said = ARENA_NEW(call->arena, struct fault);
        if (strcmp(why->code, words[i].kms) != 0 || !said)
            continue;
        *said = (struct fault) { .kind = why->kind,
                                 .code = words[i].sns,
                                 .says = STR("the topic's KMS key cannot be used"),
                                 .because = why };
        return said;
    }
    return why;
}

/* A bare id or alias names a key of the topic's account, whoever publishes. */
static str key_arn(const struct topic *topic, struct arena *arena)
{
    bool alias = str_starts(topic->kms_key_id, STR("alias/"));
    if (str_starts(topic->kms_key_id, STR("arn:")))
        return topic->kms_key_id;
    return arena_strf(arena, "arn:" STR_FMT ":kms:" STR_FMT ":" STR_FMT ":%s" STR_FMT,
                      STR_ARG(topic->arn.partition), STR_ARG(topic->arn.region),
                      STR_ARG(topic->arn.account), alias ? "" : "key/", STR_ARG(topic->kms_key_id));
}

/* GenerateDataKey and Decrypt, both as the publisher: "the kms:GenerateDataKey and kms:Decrypt
 * permissions" (SNS Developer Guide, "Setting up Amazon SNS topic encryption"). */
static const struct fault *ask_key(struct kms_port *kms, const struct call *call,
                                   const struct topic *topic, struct data_key *ret_key)
{
    struct caller caller = *call->caller;
    struct call through = *call;
    str plaintext;
    if (!kms)
        return sns_unbuilt(call, "KMS, which the topic is encrypted with,");
    caller.via_service =
        arena_strf(call->arena, "sns." STR_FMT ".amazonaws.com", STR_ARG(topic->arn.region));
    struct encryption_context context = sns_encryption_context(call->arena, topic->arn.text);
    str key = key_arn(topic, call->arena);
    if (str_is_none(caller.via_service) || str_is_none(key) || context.count == 0)
        return &fault_no_memory;
    through.caller = &caller;
    TRY(in_sns_words(call, kms->generate_data_key(kms, &through, key, &context, ret_key)));
    const struct fault *why =
        in_sns_words(call, kms->decrypt(kms, &through, ret_key->key_arn, ret_key->ciphertext,
                                        &context, &plaintext));
    if (why)
        bytes_forget(ret_key->plaintext, sizeof ret_key->plaintext);
    return why;
}

static const struct fault *judge(const struct ports *ports, const struct call *call, str topic_arn,
                                 const struct topic **ret_topic, struct data_key *ret_key)
{
    TRY(sns_find_topic(call, topic_arn, ret_topic));
    TRY(sns_ask(call, *ret_topic, STR("SNS:Publish"), NULL, 0));
    return str_is_none((*ret_topic)->kms_key_id) ? NULL
                                                 : ask_key(ports->kms, call, *ret_topic, ret_key);
}

const struct fault *sns_rehearse_publish(struct sns_port *port, const struct call *call,
                                         const struct publish *p, str *ret_message_id)
{
    struct sns_service *sns = ((struct sns_rehearsal *)port)->service;
    const struct topic *topic;
    struct data_key key = { 0 };
    const struct fault *why = judge(sns->rehearsal_ports, call, p->topic_arn, &topic, &key);
    bytes_forget(key.plaintext, sizeof key.plaintext);
    if (!why)
        *ret_message_id = STR("00000000-0000-0000-0000-000000000000");
    return why;
}

/* ---- errands ---- */

static void put_caller(struct json_writer *w, const struct caller *caller, struct arena *arena)
{
    json_name(w, STR("caller"));
    json_open(w, '{');
    json_add_str(w, "name", caller_name(caller, arena));
    json_add_str(w, "account", caller->account);
    if (caller->kind == CALLER_SERVICE) {
        json_add_str(w, "source_account", caller->service.source_account);
        json_add_str(w, "source_arn", caller->service.source_arn.text);
    }
    json_close(w, '}');
}

static str base64_of(str bytes, struct arena *arena)
{
    AUTO_BUF out = buf_new(HEAD_MAX);
    base64_encode(&out, bytes);
    return out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

/* "http://host:port", without a password before or a path behind: all subscriptions there share
 * what may be under way. */
static str target_of(const struct subscription *s, struct arena *arena)
{
    if (s->protocol != PROTOCOL_HTTP && s->protocol != PROTOCOL_HTTPS)
        return s->endpoint;
    size_t scheme = s->protocol == PROTOCOL_HTTP ? 7 : 8, end = scheme, host = scheme;
    for (; end < s->endpoint.len && s->endpoint.ptr[end] != '/' && s->endpoint.ptr[end] != '?';
         end++)
        if (s->endpoint.ptr[end] == '@')
            host = end + 1;
    return arena_strf(arena, STR_FMT "://" STR_FMT, STR_ARG(protocol_name(s->protocol)),
                      STR_ARG(str_head(str_from(s->endpoint, host), end - host)));
}

const struct fault *sns_parcel_errand(struct sns_service *sns, const struct sns_parcel *p,
                                      struct arena *arena, struct errand *ret_errand)
{
    char id[MESSAGE_ID_LEN + 1];
    AUTO_BUF head = buf_new(HEAD_MAX);
    struct json_writer w = json_writer(&head);
    json_open(&w, '{');
    json_add_str(&w, "subscription", p->subscription->arn);
    json_add_str(&w, "message_id", p->message->message_id);
    if (!str_is_none(p->data_key)) {
        json_add_str(&w, "data_key", base64_of(p->data_key, arena));
        json_add_str(&w, "nonce", base64_of(p->nonce, arena));
        put_caller(&w, p->caller, arena);
    }
    json_close(&w, '}');
    *ret_errand = (struct errand) {
        .kind = SPOOL_NOTIFICATION,
        .id = arena_str(arena, random_message_id(sns->outside->entropy, id)),
        .account = p->subscription->topic.account,
        .region = p->subscription->topic.region,
        .target = target_of(p->subscription, arena),
        .about = arena_strf(arena, "message " STR_FMT " of " STR_FMT,
                            STR_ARG(p->message->message_id), STR_ARG(p->subscription->topic.text)),
        .head = head.failed ? STR_NONE : arena_str(arena, buf_str(&head)),
        .due_ms = p->due_ms,
    };
    return str_is_none(ret_errand->id) || str_is_none(ret_errand->head) ||
                   str_is_none(ret_errand->target)
               ? &fault_no_memory
               : NULL;
}

static const struct fault *read_bytes(const struct json *json, const char *name,
                                      struct arena *arena, str *ret_bytes)
{
    str text = json_str(json, name);
    *ret_bytes = STR_NONE;
    if (str_is_none(text))
        return NULL;
    char *bytes = arena_alloc(arena, text.len + 1, 1);
    size_t len;
    if (!bytes)
        return &fault_no_memory;
    if (!base64_decode_to(bytes, text, &len))
        return fault(arena, FAULT_SYNTAX, NULL, "the head of a notification is damaged");
    *ret_bytes = (str) { bytes, len };
    return NULL;
}

const struct fault *sns_label_read(str head, struct arena *arena, struct sns_label *ret_label)
{
    const struct json *json, *who;
    struct sns_label label;
    TRY(json_parse(head, arena, &json));
    label.subscription_arn = json_str(json, "subscription");
    TRY(read_bytes(json, "data_key", arena, &label.data_key));
    TRY(read_bytes(json, "nonce", arena, &label.nonce));
    label.caller = (struct caller) { .kind = CALLER_ANONYMOUS };
    who = json_get(json, "caller");
    if (str_is_none(label.subscription_arn) ||
        (who && !caller_named(json_str(who, "name"), arena, &label.caller)))
        return fault(arena, FAULT_SYNTAX, NULL, "the head of a notification is damaged");
    if (label.caller.kind == CALLER_SERVICE) {
        label.caller.account = json_str(who, "account");
        label.caller.secure_transport = true;
        label.caller.service.source_account = json_str(who, "source_account");
        str source = json_str(who, "source_arn");
        if (!str_is_none(source) && !arn_parse(source, &label.caller.service.source_arn))
            label.caller.service.source_arn = (struct arn) { .text = source };
    }
    *ret_label = label;
    return NULL;
}

/* ---- publishing ---- */

static const struct fault *seal(struct sns_service *sns, const struct call *call,
                                const struct topic *topic, struct data_key *key, str body,
                                struct sns_parcel *parcel, str *ret_sealed)
{
    char *nonce = arena_alloc(call->arena, CIPHER_NONCE_SIZE, 1),
         *sealed = arena_alloc(call->arena, body.len + CIPHER_TAG_SIZE, 1);
    if (!nonce || !sealed)
        return &fault_no_memory;
    sns->outside->entropy->fill(sns->outside->entropy, nonce, CIPHER_NONCE_SIZE);
    cipher_seal(key->plaintext, (const unsigned char *)nonce, topic->arn.text, body,
                (unsigned char *)sealed);
    parcel->data_key = key->ciphertext;
    parcel->nonce = (str) { nonce, CIPHER_NONCE_SIZE };
    parcel->caller = call->caller;
    *ret_sealed = (str) { sealed, body.len + CIPHER_TAG_SIZE };
    return NULL;
}

static bool takes(const struct subscription *s, const struct sns_message *m, struct arena *arena)
{
    return s->state == SUBSCRIPTION_CONFIRMED && (!s->filter || filter_admits(s->filter, m, arena));
}

/* One errand for each subscription that takes the message. */
static const struct fault *make_errands(struct sns_service *sns, const struct call *call,
                                        const struct topic *topic, struct sns_parcel *parcel,
                                        struct errand **ret_errands, size_t *ret_count)
{
    const struct subscription *s;
    size_t room = 0, count = 0;
    for (str at = STR_NONE; subscription_next(call->world, &topic->arn, &at, &s);)
        room++;
    struct errand *errands = ARENA_ARRAY(call->arena, struct errand, room + 1);
    if (!errands)
        return &fault_no_memory;
    for (str at = STR_NONE; subscription_next(call->world, &topic->arn, &at, &s);) {
        if (!takes(s, parcel->message, call->arena))
            continue;
        int per_second = delivery_policy_effective(&topic->delivery, &s->delivery).per_second;
        bool web = s->protocol == PROTOCOL_HTTP || s->protocol == PROTOCOL_HTTPS;
        parcel->subscription = s;
        parcel->due_ms = web ? sns_pace_slot(sns->pace, s->arn, per_second, 0, call->now_ms) : 0;
        TRY(sns_parcel_errand(sns, parcel, call->arena, &errands[count++]));
    }
    *ret_errands = errands;
    *ret_count = count;
    return NULL;
}

static const struct fault *put(struct sns_service *sns, const struct call *call,
                               const struct topic *topic, const struct sns_message *m,
                               struct data_key *key)
{
    struct sns_parcel parcel = { .message = m, .data_key = STR_NONE };
    struct errand *errands;
    size_t count;
    AUTO_BUF text = buf_new(BODY_MAX);
    message_encode(m, &text);
    str body = buf_str(&text);
    if (text.failed)
        return &fault_no_memory;
    if (!str_is_none(topic->kms_key_id))
        TRY(seal(sns, call, topic, key, body, &parcel, &body));
    TRY(make_errands(sns, call, topic, &parcel, &errands, &count));
    return errands_put(sns->spool, errands, count, body, call->now_ms, call->arena);
}

const struct fault *sns_publish(struct sns_service *sns, const struct call *call,
                                const struct sns_publish *p, str *ret_message_id)
{
    const struct topic *topic;
    struct sns_message m;
    struct data_key key = { 0 };
    char id[REQUEST_ID_LEN + 1];
    TRY(sns_find_topic(call, p->topic_arn, &topic));
    TRY(make_message(call, p, &m));
    const struct fault *why = judge(sns->ports, call, p->topic_arn, &topic, &key);
    m.message_id = p->message_id.len
                       ? p->message_id
                       : arena_str(call->arena, random_request_id(sns->outside->entropy, id));
    if (!why)
        why = str_is_none(m.message_id) ? &fault_no_memory : put(sns, call, topic, &m, &key);
    bytes_forget(key.plaintext, sizeof key.plaintext);
    if (!why)
        *ret_message_id = m.message_id;
    return why;
}

const struct fault *sns_send_confirmation(struct sns_service *sns, const struct call *call,
                                          const struct subscription *s, enum message_type type)
{
    char id[REQUEST_ID_LEN + 1];
    str says =
        type == MESSAGE_SUBSCRIBE
            ? arena_strf(call->arena,
                         "You have chosen to subscribe to the topic " STR_FMT
                         ".\nTo confirm the subscription, visit the SubscribeURL included in "
                         "this message.",
                         STR_ARG(s->topic.text))
            : arena_strf(call->arena,
                         "You have chosen to deactivate subscription " STR_FMT
                         ".\nTo cancel this operation and restore the subscription, visit "
                         "the SubscribeURL included in this message.",
                         STR_ARG(s->arn));
    struct sns_message m = {
        .type = type,
        .message_id = arena_str(call->arena, random_request_id(sns->outside->entropy, id)),
        .topic_arn = s->topic.text,
        .at_ms = call->now_ms,
        .subject = STR_NONE,
        .message = says,
        .token = s->token,
    };
    struct sns_parcel parcel = { .subscription = s, .message = &m, .data_key = STR_NONE };
    struct errand errand;
    AUTO_BUF body = buf_new(BODY_MAX);
    message_encode(&m, &body);
    if (body.failed || str_is_none(says) || str_is_none(m.message_id))
        return &fault_no_memory;
    TRY(sns_parcel_errand(sns, &parcel, call->arena, &errand));
    return errands_put(sns->spool, &errand, 1, buf_str(&body), call->now_ms, call->arena);
}
